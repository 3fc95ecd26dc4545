//! Control groups as folders: the unified hierarchy, the old ones by controller, or both; the
//! processes in them, and the groups of a process.

mod cpu;
mod find;
mod limit_files;
mod limited;
mod memory;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

pub use cpu::{cpu_quota, throttled_periods};
pub use find::{CgroupNotFound, find};
pub use limit_files::{limit_files, limits_of};
pub use limited::{GroupRefused, LimitedGroup, remove_left_groups};
pub use memory::{CgroupMemory, MemoryFiles};

use crate::line_of;

/// The folder where systemd and every container runtime mount them.
pub const MOUNT: &str = "/sys/fs/cgroup";

/// The groups of one process: its line for each hierarchy in `/proc/PID/cgroup` (cgroups(7)).
struct Memberships(String);

/// One of these groups.
struct Membership<'a> {
    /// The expected root of the hierarchy.
    root: PathBuf,
    /// The group's path below it, empty for the root itself.
    path: &'a str,
}

impl Memberships {
    /// The groups of a process: `self` or its ID.
    fn of(process: &str) -> Option<Self> {
        line_of(format!("/proc/{process}/cgroup")).map(Self)
    }

    /// The groups whose folders may contain the files of `controller`, in the kernel's order, in
    /// which the unified hierarchy is last.
    fn with<'a>(
        &'a self,
        mount: &'a Path,
        controller: &'a str,
    ) -> impl Iterator<Item = Membership<'a>> {
        self.0.lines().flat_map(move |line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
                return Vec::new();
            };
            let path = path.trim_start_matches('/');
            let roots = if controllers.is_empty() {
                vec![unified(mount)]
            } else if controllers.split(',').any(|name| name == controller) {
                // The name of a single controller is a link to the folder of all controllers
                // mounted with it.
                vec![mount.join(controller), mount.join(controllers)]
            } else {
                Vec::new()
            };
            roots.into_iter().map(|root| Membership { root, path }).collect()
        })
    }
}

impl Membership<'_> {
    fn folder(&self) -> PathBuf {
        self.root.join(self.path)
    }
}

/// The root of the unified hierarchy: next to the old ones it is mounted one level below.
fn unified(mount: &Path) -> PathBuf {
    if is_cgroup(mount) { mount.to_owned() } else { mount.join("unified") }
}

/// The roots of all hierarchies, first the unified one, then that of the memory controller.
fn hierarchies(mount: &Path) -> Vec<PathBuf> {
    if is_cgroup(mount) {
        return vec![mount.to_owned()];
    }
    let mut roots = folders(mount);
    roots.retain(|root| is_cgroup(root));
    let rank = |root: &PathBuf| match root.file_name().and_then(|name| name.to_str()) {
        Some("unified") => 0,
        Some("memory") => 1,
        _ => 2,
    };
    roots.sort_by_key(|root| (rank(root), root.clone()));
    roots
}

/// The processes of a group and of all groups below it.
pub fn processes(folder: &Path) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut left = vec![folder.to_owned()];
    while let Some(folder) = left.pop() {
        let listed = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        // A process outside this PID namespace is listed as 0.
        let pids = listed.lines().filter_map(|line| line.parse::<u32>().ok());
        found.extend(pids.filter(|&pid| pid != 0));
        left.extend(folders(&folder));
    }
    found
}

fn is_cgroup(folder: &Path) -> bool {
    folder.join("cgroup.procs").is_file()
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries.flatten().filter(is_folder).map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_looked_for_in_the_hierarchies_that_have_the_controller() {
        let folders = |text: &str, mount: &Path| -> Vec<PathBuf> {
            let memberships = Memberships(text.to_owned());
            memberships.with(mount, "cpu").map(|group| group.folder()).collect()
        };
        let mount = tempfile::tempdir().expect("a folder");
        let mount = mount.path();
        let mixed = folders("3:cpuset:/a\n2:cpu,cpuacct:/b/c\n1:name=systemd:/d\n0::/e\n", mount);
        assert_eq!(mixed, ["cpu/b/c", "cpu,cpuacct/b/c", "unified/e"].map(|path| mount.join(path)));
        fs::write(mount.join("cgroup.procs"), "").expect("a file");
        let v2 = folders("0::/user.slice/x.scope\n", mount);
        assert_eq!(v2, [mount.join("user.slice/x.scope")]);
        assert!(folders("nonsense\n", mount).is_empty());
    }
}
