//! The target's shared memory: memfd, POSIX and System V segments, shared anonymous mappings and
//! files of a tmpfs. Each object counts once, however many processes map it and however often (ZGC
//! maps its heap three times), with all its pages, mapped or not.
//!
//! The kernel reports an object's pages as the blocks of its inode, for the cost of a `stat`:
//! `/proc/PID/smaps` would walk the page tables of every mapping for the same figure.

use std::fs;
use std::io;
use std::os::linux::fs::MetadataExt;
use std::path::Path;

use rustc_hash::{FxHashMap, FxHashSet};
use rustix::fs::statfs;
use uringbench_core::time::{Nanos, Timestamp};

/// Time between two listings of mappings.
const PERIOD: Nanos = Nanos::from_millis(900);
/// The number of processes whose mappings are listed again at a time; if there are more, they take
/// turns.
const LISTED_MAX: usize = 16;
/// The largest number of descriptors searched for an object that cannot be read through its
/// mapping.
const DESCRIPTORS_MAX: usize = 256;
/// `f_type` of a tmpfs, which the kernel also uses for objects without a name (statfs(2)).
const TMPFS: u64 = 0x0102_1994;
/// The unit of `st_blocks`.
const BLOCK: u64 = 512;

/// A process that maps shared memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mapper {
    pub(super) pid: u32,
    /// Its `RssShmem` in bytes.
    pub(super) resident: u64,
}

/// The amount of shared memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shared {
    pub(super) bytes: u64,
    /// Whether an object could not be read, so that `bytes` is the resident part, counted once per
    /// process.
    pub(super) is_per_process: bool,
}

/// The identity of an object: the device and number of its inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Object {
    major: u32,
    minor: u32,
    inode: u64,
}

/// A shared mapping of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mapping {
    object: Object,
    /// Its name in `/proc/PID/map_files`.
    range: String,
}

/// The reader of one target.
#[derive(Debug, Default)]
pub(super) struct SharedMemory {
    listed: Option<Timestamp>,
    /// The mappings of each process; `None` without the permission to read them.
    mappings: FxHashMap<u32, Option<Vec<Mapping>>>,
    /// The start of the next listing among the processes that were listed before.
    turn: usize,
    devices: Devices,
}

impl SharedMemory {
    /// Reads the shared memory at `now`.
    pub(super) fn read(&mut self, now: Timestamp, mappers: &[Mapper]) -> Shared {
        for mapper in mappers {
            self.mappings.entry(mapper.pid).or_insert_with(|| listed(mapper.pid));
        }
        if self.listed.is_some_and(|listed| now.since(listed) >= PERIOD) {
            self.list_again(mappers);
            self.listed = Some(now);
        }
        self.listed.get_or_insert(now);
        match self.objects(mappers) {
            Some(bytes) => Shared { bytes, is_per_process: false },
            None => {
                let bytes = mappers.iter().map(|one| one.resident).sum();
                Shared { bytes, is_per_process: true }
            }
        }
    }

    fn list_again(&mut self, mappers: &[Mapper]) {
        let present: FxHashSet<u32> = mappers.iter().map(|one| one.pid).collect();
        self.mappings.retain(|pid, _| present.contains(pid));
        let count = mappers.len().min(LISTED_MAX);
        for mapper in mappers.iter().cycle().skip(self.turn % mappers.len().max(1)).take(count) {
            self.mappings.insert(mapper.pid, listed(mapper.pid));
        }
        self.turn = self.turn.wrapping_add(count);
    }

    /// The bytes of all objects, each once; `None` if one cannot be read.
    fn objects(&mut self, mappers: &[Mapper]) -> Option<u64> {
        let mut sizes = FxHashMap::<Object, u64>::default();
        for mapper in mappers {
            let Some(mappings) = self.mappings.get(&mapper.pid) else { continue };
            for Mapping { object, range } in mappings.as_ref()? {
                if sizes.contains_key(object) {
                    continue;
                }
                let path = format!("/proc/{}/map_files/{range}", mapper.pid);
                let size = match self.devices.size(Path::new(&path), *object) {
                    Err(why) if why.kind() == io::ErrorKind::PermissionDenied => {
                        Some(self.devices.by_descriptor(mapper.pid, *object)?)
                    }
                    // The mapping has ended since it was listed.
                    Err(_) => None,
                    Ok(size) => size,
                };
                sizes.extend(size.map(|size| (*object, size)));
            }
        }
        Some(sizes.values().sum())
    }
}

/// The mappings of a process; `None` without the permission to read them.
fn listed(pid: u32) -> Option<Vec<Mapping>> {
    let text = match fs::read(format!("/proc/{pid}/maps")) {
        // The process has ended.
        Err(why) if why.kind() != io::ErrorKind::PermissionDenied => Vec::new(),
        read => read.ok()?,
    };
    let lines = text.split(|&byte| byte == b'\n');
    Some(lines.filter_map(|line| mapping(std::str::from_utf8(line).ok()?)).collect())
}

/// `7f2a-7f2b rw-s 00000000 00:01 2049 /dev/zero (deleted)`, if it is shared and of a file.
fn mapping(line: &str) -> Option<Mapping> {
    let mut words = line.split_ascii_whitespace();
    let (range, rights) = (words.next()?, words.next()?);
    let (device, inode) = (words.nth(1)?, words.next()?.parse().ok()?);
    let (major, minor) = device.split_once(':')?;
    let number = |text| u32::from_str_radix(text, 16).ok();
    let object = Object { major: number(major)?, minor: number(minor)?, inode };
    // In that folder addresses have no leading zeros.
    let (from, to) = range.split_once('-')?;
    let range = format!("{}-{}", from.trim_start_matches('0'), to.trim_start_matches('0'));
    (rights.ends_with('s') && inode != 0).then_some(Mapping { object, range })
}

/// The devices seen so far, and whether each is memory.
#[derive(Debug, Default)]
struct Devices(FxHashMap<(u32, u32), bool>);

impl Devices {
    /// The bytes of the object at `path`, 0 if it is not memory; `None` if the path now names
    /// another object.
    fn size(&mut self, path: &Path, object: Object) -> io::Result<Option<u64>> {
        let found = fs::metadata(path)?;
        if found.st_ino() != object.inode {
            return Ok(None);
        }
        let device = (object.major, object.minor);
        let is_memory = match self.0.get(&device) {
            Some(&known) => known,
            None => {
                let is_memory = statfs(path)?.f_type as u64 == TMPFS;
                self.0.insert(device, is_memory);
                is_memory
            }
        };
        Ok(Some(if is_memory { found.st_blocks() * BLOCK } else { 0 }))
    }

    /// The same through an open descriptor: a process shows these to its user without a capability.
    fn by_descriptor(&mut self, pid: u32, object: Object) -> Option<u64> {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
        open.take(DESCRIPTORS_MAX).flatten().find_map(|entry| {
            let device = fs::metadata(entry.path()).ok()?.st_dev();
            let device = (rustix::fs::major(device), rustix::fs::minor(device));
            let is_it = device == (object.major, object.minor);
            is_it.then(|| self.size(&entry.path(), object).ok())??
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

    use super::*;

    #[test]
    fn shared_mappings_of_files_are_listed() {
        let shared = "00f00-7f01 rw-s 00000000 00:0a 2049                /dev/zero (deleted)";
        let object = Object { major: 0, minor: 10, inode: 2_049 };
        assert_eq!(mapping(shared), Some(Mapping { object, range: "f00-7f01".to_owned() }));
        for other in [
            "7f00-7f01 rw-p 00000000 00:01 2049                /memfd:private (deleted)",
            "7f00-7f01 rw-s 00000000 00:00 0",
            "7f00-7f01 rw-p 00000000 00:00 0                   [heap]",
            "torn",
            "",
        ] {
            assert_eq!(mapping(other), None, "{other}");
        }
    }

    #[test]
    fn an_object_is_as_large_as_the_pages_it_holds() {
        let file = memfd_create("uringbench", MemfdFlags::CLOEXEC).expect("a memfd");
        ftruncate(&file, 64 << 20).expect("a length");
        let ours = std::process::id();
        let path = format!("/proc/{ours}/fd/{}", file.as_raw_fd());
        let path = Path::new(&path);
        let found = fs::metadata(path).expect("our own descriptor");
        let (major, minor) = (rustix::fs::major(found.st_dev()), rustix::fs::minor(found.st_dev()));
        let object = Object { major, minor, inode: found.st_ino() };
        let mut devices = Devices::default();
        assert_eq!(devices.by_descriptor(ours, object), Some(0));
        rustix::io::write(&file, &vec![1; 3 << 20]).expect("memory");
        assert_eq!(devices.by_descriptor(ours, object), Some(3 << 20));
        let other = Object { inode: object.inode + 1, ..object };
        assert_eq!(devices.size(path, other).expect("it is there"), None);
        // A file that is no memory, and one that is gone.
        let stat = Path::new("/proc/self/stat");
        let inode = fs::metadata(stat).expect("a file").st_ino();
        let object = Object { major: 99, minor: 99, inode };
        assert_eq!(devices.size(stat, object).expect("it is there"), Some(0));
        assert!(devices.size(Path::new("/proc/self/map_files/1-2"), object).is_err());
    }
}
