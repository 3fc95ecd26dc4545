//! The memory of a control group: the unified hierarchy's files, or those of the old memory
//! controller.

use std::fs;
use std::path::{Path, PathBuf};

use super::{MOUNT, Memberships};

/// The memory charged to a control group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CgroupMemory {
    /// All memory charged to it, page cache included.
    pub current: Option<u64>,
    /// Only private memory.
    pub anon: Option<u64>,
    /// The kernel's memory for it: socket buffers, page tables, open files.
    pub kernel: Option<u64>,
    /// Shared memory and files on a tmpfs, mapped or not.
    pub shared: Option<u64>,
    /// The limit from which the kernel kills; `None` without a limit.
    pub limit: Option<u64>,
}

/// The files that account a group's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemoryFiles {
    /// A folder of the unified hierarchy.
    Unified(PathBuf),
    /// A folder of the old memory controller.
    Controller(PathBuf),
}

impl MemoryFiles {
    /// The files of a process's own group. `None` if it has none of its own: the group of the whole
    /// machine says nothing about it, nor does a group that also contains this process.
    pub fn of_process(pid: u32) -> Option<Self> {
        let mount = Path::new(MOUNT);
        let own = Memberships::of("self").and_then(|groups| Self::listed(mount, &groups));
        Self::listed(mount, &Memberships::of(&pid.to_string())?)
            .filter(|files| Some(files) != own.as_ref())
    }

    /// The files in a folder, if it has any.
    pub fn at(folder: &Path) -> Option<Self> {
        if folder.join("memory.current").is_file() {
            Some(Self::Unified(folder.to_owned()))
        } else if folder.join("memory.usage_in_bytes").is_file() {
            Some(Self::Controller(folder.to_owned()))
        } else {
            None
        }
    }

    fn listed(mount: &Path, memberships: &Memberships) -> Option<Self> {
        let own = memberships.with(mount, "memory").filter(|group| !group.path.is_empty());
        own.map(|group| group.folder()).find_map(|folder| Self::at(&folder))
    }

    /// Reads them; values that cannot be read are `None`.
    pub fn read(&self) -> CgroupMemory {
        let number = |folder: &Path, file: &str| -> Option<u64> {
            fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok()
        };
        let stat = |folder: &Path| fs::read_to_string(folder.join("memory.stat")).ok();
        match self {
            Self::Unified(folder) => {
                let stat = stat(folder);
                let of = |name: &str| stat.as_deref().and_then(|text| field(text, name));
                // Socket buffers are not part of `kernel`, which exists since Linux 5.18.
                let kernel = of("kernel").map(|kernel| kernel + of("sock").unwrap_or(0));
                CgroupMemory {
                    current: number(folder, "memory.current"),
                    anon: of("anon"),
                    kernel,
                    shared: of("shmem"),
                    // The smallest of its own limit and those above it; `max` is not a number.
                    limit: folder.ancestors().filter_map(|above| number(above, "memory.max")).min(),
                }
            }
            Self::Controller(folder) => {
                let stat = stat(folder);
                let of = |name: &str| stat.as_deref().and_then(|text| field(text, name));
                let tcp = number(folder, "memory.kmem.tcp.usage_in_bytes").unwrap_or(0);
                CgroupMemory {
                    current: number(folder, "memory.usage_in_bytes"),
                    anon: of("total_rss"),
                    kernel: number(folder, "memory.kmem.usage_in_bytes").map(|other| other + tcp),
                    shared: of("total_shmem"),
                    // No limit is written as the largest number of whole pages.
                    limit: of("hierarchical_memory_limit").filter(|&limit| limit < 1 << 62),
                }
            }
        }
    }
}

fn field(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(field, _)| *field == name)?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        folder
    }

    #[test]
    fn the_unified_files_tell_use_private_memory_and_the_tightest_limit() {
        let tree = folder(&[
            ("memory.max", "800\n"),
            ("a/memory.max", "max\n"),
            ("a/memory.current", "500\n"),
            ("a/memory.stat", "anon 300\nfile 150\nkernel 40\nsock 2\nshmem 9\n"),
        ]);
        let files = MemoryFiles::at(&tree.path().join("a")).expect("it has some");
        let expected = CgroupMemory {
            current: Some(500),
            anon: Some(300),
            kernel: Some(42),
            shared: Some(9),
            limit: Some(800),
        };
        assert_eq!(files.read(), expected);
        assert_eq!(MemoryFiles::at(tree.path()), None);
    }

    #[test]
    fn the_old_controllers_files_tell_the_same() {
        let stat = "cache 1\nrss 2\nhierarchical_memory_limit 9223372036854771712\ntotal_rss 42\n";
        let tree = folder(&[
            ("memory.usage_in_bytes", "77\n"),
            ("memory.kmem.usage_in_bytes", "30\n"),
            ("memory.kmem.tcp.usage_in_bytes", "5\n"),
            ("memory.stat", stat),
        ]);
        let files = MemoryFiles::at(tree.path()).expect("it has some");
        let expected = CgroupMemory {
            current: Some(77),
            anon: Some(42),
            kernel: Some(35),
            shared: None,
            limit: None,
        };
        assert_eq!(files.read(), expected);
    }

    #[test]
    fn a_process_is_in_the_group_its_list_names_unless_it_is_the_machines() {
        let mixed = folder(&[
            ("unified/cgroup.procs", ""),
            ("memory/x/memory.usage_in_bytes", "1"),
            ("memory/memory.usage_in_bytes", "1"),
        ]);
        let groups = |text: &str| Memberships(text.to_owned());
        let found = MemoryFiles::listed(mixed.path(), &groups("4:memory:/x\n0::/\n"));
        assert_eq!(found, Some(MemoryFiles::Controller(mixed.path().join("memory/x"))));
        assert_eq!(MemoryFiles::listed(mixed.path(), &groups("4:memory:/\n0::/\n")), None);

        let unified = folder(&[("cgroup.procs", ""), ("a/b.scope/memory.current", "1")]);
        let found = MemoryFiles::listed(unified.path(), &groups("0::/a/b.scope\n"));
        assert_eq!(found, Some(MemoryFiles::Unified(unified.path().join("a/b.scope"))));
        assert_eq!(MemoryFiles::listed(unified.path(), &groups("0::/../gone\n")), None);
    }
}
