//! The processes of the target, selected by a PID, a name or a control group, from `/proc`.
//!
//! It finds the processes at one moment. `timeline::membership` and the kernel's task records
//! follow those that start and end later.

mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use uringbench_machine::cgroup::{self, CgroupNotFound, MOUNT};
use uringbench_machine::processes::{self, PASSES_MAX, ProcessEntry};

/// The user's selection of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// A process, by its ID in this PID namespace, and its descendants.
    Pid(u32),
    /// Every process of this name, and their descendants.
    Name(String),
    /// These processes and their descendants, such as those that listen on an address.
    Processes(Vec<u32>),
    /// Every process of a control group and of the groups below it: a path under
    /// `/sys/fs/cgroup`, or part of a container's ID.
    Cgroup(PathBuf),
}

/// The processes of the target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Members whose parent is not a member, in order of PID.
    pub roots: Vec<u32>,
    /// The roots and all their descendants (of a control group: all its processes), in order of
    /// PID; never this process.
    pub members: Vec<u32>,
    /// The folder of the control group, if one was selected.
    pub cgroup: Option<PathBuf>,
}

/// Why no target was found, and the fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// Nothing was selected.
    #[error("no target is named: give a PID, a process name or cgroup:PATH")]
    Nothing,
    /// The number cannot be a PID.
    #[error("{0} is no PID: give one that `ps -e` lists")]
    NotAPid(String),
    /// The process does not exist, or has ended.
    #[error(
        "no process {0}: give a PID that `ps -e` lists (for a container the one outside it: \
         docker inspect -f '{{{{.State.Pid}}}}' NAME)"
    )]
    NoSuchProcess(u32),
    /// The process is uringbench itself.
    #[error("process {0} is uringbench itself: give the target's PID")]
    Ourselves(u32),
    /// No process has the name.
    #[error("no process is called `{name}`: {}", fix(.similar))]
    NoSuchName {
        /// The requested name.
        name: String,
        /// Processes with similar names.
        similar: Vec<(String, u32)>,
    },
    /// The control group does not exist.
    #[error(
        "no control group `{}`: give its path under {MOUNT}, of a container \
         {MOUNT}/system.slice/docker-ID.scope or a part of ID (cat /proc/PID/cgroup names it)",
        .0.display()
    )]
    NoSuchCgroup(PathBuf),
    /// More than one control group matches.
    #[error(
        "`{id}` fits {} control groups, among them {} and {}: give more of the ID or the path",
        .found.len(), .found[0].display(), .found[1].display()
    )]
    AmbiguousCgroup {
        /// The requested ID.
        id: String,
        /// The two or more groups that match.
        found: Vec<PathBuf>,
    },
    /// The control group has no process.
    #[error("the control group {} has no process: start the target first", .0.display())]
    EmptyCgroup(PathBuf),
}

fn fix(similar: &[(String, u32)]) -> String {
    if similar.is_empty() {
        return "give its PID, or a name that `ps -e` lists".to_owned();
    }
    let named: Vec<_> = similar.iter().map(|(name, pid)| format!("{name} ({pid})")).collect();
    format!("similar ones are {}", named.join(", "))
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix("cgroup:") {
            return match path.trim() {
                "" => Err(SelectorError::Nothing),
                path => Ok(Self::Cgroup(path.into())),
            };
        }
        if text.is_empty() {
            return Err(SelectorError::Nothing);
        }
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self::Name(text.to_owned()));
        }
        match text.parse() {
            // The kernel's limit, PID_MAX_LIMIT, is 2^22.
            Ok(pid @ 1..=0x40_0000) => Ok(Self::Pid(pid)),
            _ => Err(SelectorError::NotAPid(text.to_owned())),
        }
    }
}

/// The current processes of the target.
pub fn resolve(selector: &Selector) -> Result<Found, SelectorError> {
    match selector {
        Selector::Pid(pid) => by_pid(*pid),
        Selector::Name(name) => by_name(name),
        Selector::Processes(pids) => by_pids(pids),
        Selector::Cgroup(path) => by_cgroup(Path::new(MOUNT), path),
    }
}

fn by_pid(pid: u32) -> Result<Found, SelectorError> {
    if pid == std::process::id() {
        return Err(SelectorError::Ourselves(pid));
    }
    // A zombie has ended; its parent has only not reaped it yet.
    if ProcessEntry::read(pid).is_none_or(|entry| entry.is_ended) {
        return Err(SelectorError::NoSuchProcess(pid));
    }
    // /proc also accepts a thread ID; use the thread's process.
    let pid = names::process_of(pid).unwrap_or(pid);
    Ok(found(vec![pid], None))
}

fn by_pids(pids: &[u32]) -> Result<Found, SelectorError> {
    let is_running = |&pid: &u32| ProcessEntry::read(pid).is_some_and(|entry| !entry.is_ended);
    let ourselves = std::process::id();
    let running: Vec<u32> =
        pids.iter().copied().filter(|&pid| pid != ourselves).filter(is_running).collect();
    match (running.is_empty(), pids.first()) {
        (false, _) => Ok(found(running, None)),
        (true, Some(&pid)) => Err(SelectorError::NoSuchProcess(pid)),
        (true, None) => Err(SelectorError::Nothing),
    }
}

fn by_name(name: &str) -> Result<Found, SelectorError> {
    let table = processes::table();
    let avoided = lineage(&table, std::process::id());
    let mut matches = Vec::new();
    let mut near = Vec::new();
    for &pid in table.keys().filter(|pid| !avoided.contains(pid)) {
        let Some(known) = names::of(pid) else { continue };
        if known.iter().any(|known| known == name) {
            matches.push(pid);
        } else if let Some(like) = names::nearest(&known, name) {
            near.push((like.distance, like.name, pid));
        }
    }
    if matches.is_empty() {
        near.sort();
        near.dedup_by(|a, b| a.1 == b.1);
        let similar = near.into_iter().take(5).map(|(_, name, pid)| (name, pid)).collect();
        return Err(SelectorError::NoSuchName { name: name.to_owned(), similar });
    }
    Ok(found(matches, None))
}

fn by_cgroup(mount: &Path, path: &Path) -> Result<Found, SelectorError> {
    let folder = cgroup::find(mount, path).map_err(|why| match why {
        CgroupNotFound::None => SelectorError::NoSuchCgroup(path.to_owned()),
        CgroupNotFound::Several { id, found } => SelectorError::AmbiguousCgroup { id, found },
    })?;
    let mut members = cgroup::processes(&folder);
    // Children may start between two listings: list again until there are no new ones.
    for _ in 0..PASSES_MAX {
        let again = cgroup::processes(&folder);
        if again == members {
            break;
        }
        members = again;
    }
    members.remove(&std::process::id());
    if members.is_empty() {
        return Err(SelectorError::EmptyCgroup(folder));
    }
    let outside =
        |pid: &u32| ProcessEntry::read(*pid).is_none_or(|entry| !members.contains(&entry.parent));
    let roots = members.iter().copied().filter(outside).collect();
    Ok(Found { roots, members: members.into_iter().collect(), cgroup: Some(folder) })
}

/// The tree below `matches`, some of which may descend from others.
fn found(matches: Vec<u32>, cgroup: Option<PathBuf>) -> Found {
    let mut members = processes::descendants(&matches);
    members.retain(|&pid| pid != std::process::id());
    let parent = |pid: u32| ProcessEntry::read(pid).map(|entry| entry.parent);
    let inside = |pid: u32| parent(pid).is_some_and(|parent| members.contains(&parent));
    let mut roots: Vec<_> = matches.into_iter().filter(|&pid| !inside(pid)).collect();
    roots.sort_unstable();
    Found { roots, members, cgroup }
}

/// A process and its ancestors: the process that started the profiler is not part of the target,
/// even if its name matches (`python bench.py` with the name `python`).
fn lineage(table: &BTreeMap<u32, ProcessEntry>, pid: u32) -> BTreeSet<u32> {
    let mut line = BTreeSet::new();
    let mut at = pid;
    while at != 0 && line.insert(at) {
        at = table.get(&at).map_or(0, |entry| entry.parent);
    }
    line
}

#[cfg(test)]
mod tests;
