//! The processes of this machine and their trees, from `/proc`, at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use procfs::FromRead;
use procfs::process::{Process, Stat};

/// The largest number of listings of a tree that grows as fast as it is listed; the code that
/// follows its growth finds the rest.
pub const PASSES_MAX: usize = 16;

/// The facts that identify a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessEntry {
    /// Its parent.
    pub parent: u32,
    /// Its start in ticks since boot, which with the PID identifies it.
    pub start: u64,
    /// Whether it is a zombie: it has ended, and its parent has not reaped it yet.
    pub is_ended: bool,
}

impl ProcessEntry {
    /// Reads it; `None` if there is no such process.
    pub fn read(pid: u32) -> Option<Self> {
        let stat = Stat::from_file(format!("/proc/{pid}/stat")).ok()?;
        Some(Self {
            parent: stat.ppid.unsigned_abs(),
            start: stat.starttime,
            is_ended: matches!(stat.state, 'Z' | 'X' | 'x'),
        })
    }
}

/// The PIDs of all processes, in order.
pub fn all() -> Vec<u32> {
    numbers(Path::new("/proc"))
}

/// All processes by PID.
pub fn table() -> BTreeMap<u32, ProcessEntry> {
    all().into_iter().filter_map(|pid| Some((pid, ProcessEntry::read(pid)?))).collect()
}

/// The processes with an environment variable of this name, and its value: what a process that was
/// started with it has started in turn, wherever it went. Those of other users are not seen.
pub fn with_variable(name: &str) -> Vec<(u32, String)> {
    let value = |pid: u32| {
        let all = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
        let mut each = all.split(|byte| *byte == 0);
        let value = each.find_map(|one| one.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
        Some((pid, String::from_utf8_lossy(value).into_owned()))
    };
    all().into_iter().filter_map(value).collect()
}

/// The threads of a process, in order; empty if it has ended.
pub fn threads(pid: u32) -> Vec<u32> {
    numbers(Path::new(&format!("/proc/{pid}/task")))
}

/// These processes and all their descendants, zombies too, by the kernel's lists of children
/// (`CONFIG_PROC_CHILDREN`): the cost grows with the family, not with the machine. A child that
/// starts meanwhile may be missing.
pub fn family(roots: &BTreeSet<i32>) -> Vec<Process> {
    let mut waiting: Vec<i32> = roots.iter().copied().collect();
    let mut seen = BTreeSet::new();
    let mut family = Vec::new();
    while let Some(pid) = waiting.pop() {
        if !seen.insert(pid) {
            continue;
        }
        let Ok(process) = Process::new(pid) else { continue };
        let tasks = process.tasks().into_iter().flatten().flatten();
        let children = tasks.filter_map(|task| task.children().ok()).flatten();
        waiting.extend(children.filter_map(|child| i32::try_from(child).ok()));
        family.push(process);
    }
    family
}

/// These processes and all their descendants, in order of PID, by the parents of all processes:
/// listed again until there are no new ones. Zombies are left out.
pub fn descendants(pids: &[u32]) -> Vec<u32> {
    let mut members: BTreeSet<u32> = pids.iter().copied().collect();
    for _ in 0..PASSES_MAX {
        let table = table();
        let before = members.len();
        grow(&mut members, &table);
        if members.len() == before {
            members.retain(|pid| table.get(pid).is_some_and(|entry| !entry.is_ended));
            break;
        }
    }
    members.into_iter().collect()
}

/// Adds every process whose parent is a member. PIDs wrap, so their order does not show which
/// process started first; hence the repetition.
fn grow(members: &mut BTreeSet<u32>, table: &BTreeMap<u32, ProcessEntry>) {
    loop {
        let before = members.len();
        let joins =
            |(&pid, entry): (&u32, &ProcessEntry)| members.contains(&entry.parent).then_some(pid);
        let joining: Vec<u32> = table.iter().filter_map(joins).collect();
        members.extend(joining);
        if members.len() == before {
            return;
        }
    }
}

fn numbers(folder: &Path) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name());
    let mut numbers: Vec<_> = names.filter_map(|name| name.to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn children_are_members_whatever_the_order_of_pids() {
        let entry = |parent| ProcessEntry { parent, start: 0, is_ended: false };
        let table = BTreeMap::from([(2, entry(7)), (3, entry(2)), (5, entry(1)), (7, entry(1))]);
        let mut members = BTreeSet::from([7]);
        grow(&mut members, &table);
        assert_eq!(members, BTreeSet::from([2, 3, 7]));
    }

    #[test]
    fn a_process_is_known_by_its_variable() {
        let sleep = |value: &str| {
            Command::new("sleep").arg("1000").env("URINGBENCH_TEST", value).spawn().expect("starts")
        };
        let mut children = [sleep("one"), sleep("two")];
        let expected = [(children[0].id(), "one"), (children[1].id(), "two")];
        for (pid, value) in expected {
            // The kernel lets a parent go on before it has laid out its child's environment.
            while !with_variable("URINGBENCH_TEST").contains(&(pid, value.to_owned())) {
                assert!(ProcessEntry::read(pid).is_some_and(|entry| !entry.is_ended), "{pid}");
                std::thread::yield_now();
            }
            assert!(with_variable("URINGBENCH").iter().all(|(other, _)| *other != pid));
        }
        for child in &mut children {
            child.kill().expect("it runs");
            child.wait().expect("it has ended");
        }
    }

    #[test]
    fn a_family_has_zombies_and_descendants_are_alive() {
        let mut child = Command::new("true").spawn().expect("it starts");
        let pid = child.id();
        while ProcessEntry::read(pid).is_some_and(|entry| !entry.is_ended) {
            std::thread::yield_now();
        }
        let ours = std::process::id();
        let family = family(&BTreeSet::from([ours.cast_signed()]));
        let pids: Vec<_> = family.iter().map(Process::pid).collect();
        assert!(pids.contains(&pid.cast_signed()), "{pids:?}");
        let living = descendants(&[ours]);
        assert!(living.contains(&ours) && !living.contains(&pid), "{living:?}");
        child.wait().expect("it has ended");
        assert_eq!(descendants(&[pid]), [0; 0]);
    }
}
