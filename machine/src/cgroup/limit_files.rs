//! The control group of a process whose limit of a resource can be changed.

use std::path::{Path, PathBuf};

use super::{MOUNT, Memberships};

/// The files with the limit of `cpu` or `memory`, in either version of the kernel's interface.
pub fn limit_files(controller: &str) -> [&'static str; 2] {
    if controller == "cpu" {
        ["cpu.max", "cpu.cfs_quota_us"]
    } else {
        ["memory.max", "memory.limit_in_bytes"]
    }
}

/// The folder of the group of a process that has a limit of `cpu` or `memory`; `None` in the root
/// group, which has none that may be changed.
pub fn limits_of(pid: u32, controller: &str) -> Option<PathBuf> {
    limits_below(Path::new(MOUNT), &Memberships::of(&pid.to_string())?, controller)
}

fn limits_below(mount: &Path, groups: &Memberships, controller: &str) -> Option<PathBuf> {
    let mut groups = groups.with(mount, controller).filter(|group| !group.path.is_empty());
    groups.find_map(|group| {
        let folder = group.folder();
        let has = limit_files(controller).iter().any(|file| folder.join(file).is_file());
        has.then_some(folder)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn both_versions_have_limits_and_the_root_has_none() {
        let mount = tempfile::tempdir().expect("a folder");
        let mount = mount.path();
        let of =
            |text: &str, controller| limits_below(mount, &Memberships(text.to_owned()), controller);
        let folder = mount.join("memory/app");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("memory.limit_in_bytes"), "9").expect("a file");
        assert_eq!(of("4:memory:/app\n0::/\n", "memory"), Some(folder));
        assert_eq!(of("4:memory:/\n0::/\n", "memory"), None);
        fs::write(mount.join("cgroup.procs"), "").expect("a file");
        let unified = mount.join("a.scope");
        fs::create_dir_all(&unified).expect("a folder");
        fs::write(unified.join("cpu.max"), "max 100000").expect("a file");
        assert_eq!(of("0::/a.scope\n", "cpu"), Some(unified));
    }
}
