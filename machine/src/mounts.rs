//! Mount points of file systems, from `/proc/self/mountinfo` (proc(5)).

use std::fs;
use std::path::PathBuf;

/// The mounts of this process.
#[derive(Clone, Debug, Default)]
pub struct Mounts(String);

/// How control groups are mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CgroupLayout {
    /// None.
    None,
    /// Only version 1.
    V1,
    /// Version 2 without most controllers, next to version 1.
    Hybrid(PathBuf),
    /// Only version 2.
    V2(PathBuf),
}

impl Mounts {
    /// Reads the current mounts.
    pub fn read() -> Self {
        Self(fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
    }

    /// The mount point of the first file system of this type: the fifth field of a line, and the
    /// first after the one that is `-`.
    fn place_of(&self, kind: &str) -> Option<PathBuf> {
        self.0.lines().find_map(|line| {
            let (mount, system) = line.split_once(" - ")?;
            (system.split(' ').next()? == kind).then_some(())?;
            Some(PathBuf::from(unescaped(mount.split(' ').nth(4)?)))
        })
    }

    /// The mount point of version 2 of control groups.
    pub fn cgroup2(&self) -> Option<PathBuf> {
        self.place_of("cgroup2")
    }

    /// The mounted versions of control groups.
    pub fn cgroups(&self) -> CgroupLayout {
        match (self.cgroup2(), self.place_of("cgroup")) {
            (Some(path), Some(_)) => CgroupLayout::Hybrid(path),
            (Some(path), None) => CgroupLayout::V2(path),
            (None, Some(_)) => CgroupLayout::V1,
            (None, None) => CgroupLayout::None,
        }
    }

    /// The mount point of tracefs, if its events can be read.
    pub fn readable_tracefs(&self) -> Option<PathBuf> {
        let places = self.place_of("tracefs").into_iter().chain([
            PathBuf::from("/sys/kernel/tracing"),
            PathBuf::from("/sys/kernel/debug/tracing"),
        ]);
        places.into_iter().find(|place| {
            fs::read_dir(place.join("events")).is_ok_and(|mut entries| entries.next().is_some())
        })
    }
}

/// Decodes a path in which blanks, tabs, line ends and backslashes are octal escapes.
fn unescaped(path: &str) -> String {
    path.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "26 25 0:23 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
    const V2: &str = "27 25 0:24 / /sys/fs/my\\040cgroup rw shared:2 - cgroup2 none rw\n";

    #[test]
    fn mounts_are_found_by_type_and_unescaped() {
        let sysfs = "25 20 0:22 / /sys rw shared:7 - sysfs sysfs rw\n";
        let mounts = Mounts(format!("{sysfs}{V1}{V2}"));
        assert_eq!(mounts.place_of("cgroup2"), Some(PathBuf::from("/sys/fs/my cgroup")));
        assert_eq!(mounts.place_of("cgroup"), Some(PathBuf::from("/sys/fs/cgroup/memory")));
        assert_eq!(mounts.place_of("tracefs"), None);
        assert_eq!(Mounts("nonsense\n - \n".to_owned()).place_of("cgroup2"), None);
    }

    #[test]
    fn the_versions_of_control_groups_are_those_that_are_mounted() {
        let of = |text: &str| Mounts(text.to_owned()).cgroups();
        let path = PathBuf::from("/sys/fs/my cgroup");
        assert_eq!(of(V2), CgroupLayout::V2(path.clone()));
        assert_eq!(of(&format!("{V1}{V2}")), CgroupLayout::Hybrid(path));
        assert_eq!(of(V1), CgroupLayout::V1);
        assert_eq!(of(""), CgroupLayout::None);
    }
}
