//! A control group of our own with limits of CPU time and memory, in either version of the kernel's
//! interface, for a server that is started and measured.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{MOUNT, processes};
use crate::line_of;

/// The period of CPU quotas, the kernel's default.
const PERIOD_US: f64 = 100_000.0;
/// How long the processes of a group may take to end when they are killed.
const EMPTY_WITHIN: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(5);

/// A control group that is removed with all its processes when this is dropped.
#[derive(Debug, PartialEq, Eq)]
pub struct LimitedGroup {
    /// One folder for all controllers (version 2), or one for each (version 1).
    folders: Vec<PathBuf>,
}

/// Why no group with these limits can be made, and the fix.
#[derive(Debug, thiserror::Error)]
pub enum GroupRefused {
    /// The kernel's files are not there.
    #[error("no control groups with {0} here: mount cgroup2 at {MOUNT}, or run without limits")]
    NoController(&'static str),
    /// The group cannot be made or changed.
    #[error("cannot limit {}: {cause}; run as root, or without limits", path.display())]
    Refused {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
}

impl LimitedGroup {
    /// Makes a group of this name, with limits in CPUs and in bytes.
    ///
    /// # Errors
    /// If it cannot be made; nothing of it is left.
    pub fn create(
        name: &str,
        cpus: Option<f64>,
        memory: Option<u64>,
    ) -> Result<Self, GroupRefused> {
        Self::create_below(Path::new(MOUNT), name, cpus, memory)
    }

    fn create_below(
        mount: &Path,
        name: &str,
        cpus: Option<f64>,
        memory: Option<u64>,
    ) -> Result<Self, GroupRefused> {
        let mut group = Self { folders: Vec::new() };
        let wanted = [("cpu", cpus.is_some()), ("memory", memory.is_some())];
        let wanted = wanted.into_iter().filter(|(_, is_wanted)| *is_wanted);
        let is_unified = mount.join("cgroup.controllers").is_file();
        for (controller, _) in wanted {
            let root = if is_unified { mount.to_path_buf() } else { mount.join(controller) };
            if is_unified {
                enable(&root, controller)?;
            } else if !root.join("cgroup.procs").is_file() {
                return Err(GroupRefused::NoController(controller));
            }
            let folder = root.join(name);
            if !group.folders.contains(&folder) {
                fs::create_dir(&folder).map_err(|why| refused(&folder, why))?;
                group.folders.push(folder.clone());
            }
            match (controller, is_unified) {
                ("cpu", true) => {
                    let quota = cpus.unwrap_or_default() * PERIOD_US;
                    write(&folder.join("cpu.max"), &format!("{quota:.0} {PERIOD_US:.0}"))?;
                }
                ("cpu", false) => {
                    let quota = cpus.unwrap_or_default() * PERIOD_US;
                    write(&folder.join("cpu.cfs_period_us"), &format!("{PERIOD_US:.0}"))?;
                    write(&folder.join("cpu.cfs_quota_us"), &format!("{quota:.0}"))?;
                }
                (_, true) => {
                    let bytes = memory.unwrap_or_default().to_string();
                    write(&folder.join("memory.max"), &bytes)?;
                    // Without swap the limit is one of memory; not every kernel has the file.
                    let _no_swap = write(&folder.join("memory.swap.max"), "0");
                }
                (_, false) => {
                    let bytes = memory.unwrap_or_default().to_string();
                    write(&folder.join("memory.limit_in_bytes"), &bytes)?;
                    let _no_swap = write(&folder.join("memory.swappiness"), "0");
                }
            }
        }
        Ok(group)
    }

    /// The folders whose `cgroup.procs` a process writes itself into to become a member.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// How often the kernel has killed a process in it because its memory was used up.
    pub fn killed_for_memory(&self) -> u64 {
        let count = |folder: &PathBuf| {
            let file = ["memory.events", "memory.oom_control"].into_iter();
            let text = file.filter_map(|file| fs::read_to_string(folder.join(file)).ok()).next()?;
            let mut lines = text.lines().filter_map(|line| line.strip_prefix("oom_kill "));
            lines.next()?.trim().parse::<u64>().ok()
        };
        self.folders.iter().filter_map(count).max().unwrap_or(0)
    }
}

impl Drop for LimitedGroup {
    fn drop(&mut self) {
        for folder in &self.folders {
            remove(folder);
        }
    }
}

/// Removes the groups directly below the hierarchies whose names begin with `prefix` and for which
/// `is_left` says that nobody needs them, with their processes.
pub fn remove_left_groups(prefix: &str, is_left: impl Fn(&str) -> bool) {
    let mount = Path::new(MOUNT);
    for root in [mount.to_path_buf(), mount.join("cpu"), mount.join("memory")] {
        for entry in fs::read_dir(root).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| name.starts_with(prefix) && is_left(name)) {
                remove(&entry.path());
            }
        }
    }
}

/// Kills what is in a group, and removes it. A process that starts another one meanwhile is met by
/// the next look.
fn remove(folder: &Path) {
    let began = Instant::now();
    loop {
        if fs::remove_dir(folder).is_ok() || !folder.exists() || began.elapsed() > EMPTY_WITHIN {
            return;
        }
        for pid in processes(folder) {
            // It may have ended since it was listed.
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            let _gone = pid.map(|pid| kill_process(pid, Signal::KILL));
        }
        thread::sleep(LOOK);
    }
}

/// Lets groups below `root` have a controller (version 2).
fn enable(root: &Path, controller: &'static str) -> Result<(), GroupRefused> {
    let has = |file: &str| {
        let listed = line_of(root.join(file)).unwrap_or_default();
        listed.split_ascii_whitespace().any(|name| name == controller)
    };
    if !has("cgroup.controllers") {
        return Err(GroupRefused::NoController(controller));
    }
    if has("cgroup.subtree_control") {
        return Ok(());
    }
    write(&root.join("cgroup.subtree_control"), &format!("+{controller}"))
}

fn write(path: &Path, text: &str) -> Result<(), GroupRefused> {
    fs::write(path, text).map_err(|why| refused(path, why))
}

fn refused(path: &Path, cause: io::Error) -> GroupRefused {
    GroupRefused::Refused { path: path.to_path_buf(), cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounted(files: &[&str]) -> tempfile::TempDir {
        let mount = tempfile::tempdir().expect("a folder");
        for file in files {
            let path = mount.path().join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, "cpu memory\n").expect("a file");
        }
        mount
    }

    fn read(mount: &tempfile::TempDir, file: &str) -> String {
        fs::read_to_string(mount.path().join(file)).unwrap_or_else(|why| panic!("{file}: {why}"))
    }

    /// Leaves the folders, which a drop cannot remove: files of a real one go by themselves.
    fn made(mount: &tempfile::TempDir, cpus: Option<f64>, memory: Option<u64>) -> Vec<PathBuf> {
        let mut group = LimitedGroup::create_below(mount.path(), "x", cpus, memory).expect("made");
        std::mem::take(&mut group.folders)
    }

    #[test]
    fn version_2_has_one_folder_for_both_limits() {
        let mount = mounted(&["cgroup.controllers", "cgroup.subtree_control"]);
        let folders = made(&mount, Some(1.5), Some(1 << 29));
        assert_eq!(folders, [mount.path().join("x")]);
        assert_eq!(read(&mount, "x/cpu.max"), "150000 100000");
        assert_eq!(read(&mount, "x/memory.max"), "536870912");
        assert_eq!(read(&mount, "x/memory.swap.max"), "0");
    }

    #[test]
    fn version_2_enables_controllers_that_are_off() {
        let mount = mounted(&["cgroup.controllers"]);
        fs::write(mount.path().join("cgroup.subtree_control"), "cpu\n").expect("a file");
        made(&mount, None, Some(1 << 29));
        assert_eq!(read(&mount, "cgroup.subtree_control"), "+memory");
    }

    #[test]
    fn version_1_has_a_folder_for_each_controller() {
        let mount = mounted(&["cpu/cgroup.procs", "memory/cgroup.procs"]);
        let folders = made(&mount, Some(0.5), Some(1 << 20));
        assert_eq!(folders, [mount.path().join("cpu/x"), mount.path().join("memory/x")]);
        assert_eq!(read(&mount, "cpu/x/cpu.cfs_quota_us"), "50000");
        assert_eq!(read(&mount, "memory/x/memory.limit_in_bytes"), "1048576");
    }

    #[test]
    fn without_control_groups_the_reason_says_which_limit_cannot_be_set() {
        let mount = mounted(&["cpu/cgroup.procs"]);
        let why = LimitedGroup::create_below(mount.path(), "x", Some(1.0), Some(1 << 20));
        let why = why.expect_err("no memory controller").to_string();
        assert!(why.starts_with("no control groups with memory here"), "{why}");
    }
}
