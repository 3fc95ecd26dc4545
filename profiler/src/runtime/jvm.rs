//! Reads the heap of a running JVM from outside: its counters from the file it keeps for `jstat`,
//! and how much of the heap is resident from the kernel's page map. The JVM is never stopped and
//! runs no code for it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

use rustix::fs::OFlags;

use super::hsperfdata::{BYTES_MAX, heap_counters};
use crate::code::own_pid;
use crate::leak::heap::HeapReading;
use crate::page_faults::PageMap;

/// A larger heap is not counted: its page map is 16 MiB.
const HEAP_MAX: u64 = 8 << 30;

/// What the names of OpenJ9's libraries begin with.
const OPENJ9: &[u8] = b"/libj9vm";

/// Why the heap of a JVM cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JvmError {
    /// It keeps no file.
    #[error(
        "a JVM keeps no file of its heap's counters: run it without -XX:-UsePerfData and \
         -XX:+PerfDisableSharedMem"
    )]
    NoFile,
    /// It is not HotSpot.
    #[error("OpenJ9 has no file of its heap's counters: run the service on a HotSpot JVM")]
    OpenJ9,
    /// The file may not be read.
    #[error("the counters of a JVM's heap cannot be read ({0}): run as its user or as root")]
    Unreadable(String),
    /// The file has no counters, or no longer.
    #[error(
        "the file of a JVM's counters has none of its heap: look whether something truncates files \
         in its /tmp/hsperfdata_USER"
    )]
    NoCounters,
}

/// The heap of one JVM.
#[derive(Debug)]
pub struct JvmHeap {
    pid: u32,
    start: u64,
    file: File,
    bytes: Vec<u8>,
    range: Option<Range<u64>>,
}

impl JvmHeap {
    /// Opens the counters of a process, which began at the tick `start`.
    ///
    /// # Errors
    /// It keeps none, or they may not be read.
    pub fn open(pid: u32, start: u64) -> Result<Self, JvmError> {
        let file = open_counters(pid)?;
        Ok(Self { pid, start, file, bytes: Vec::new(), range: None })
    }

    /// The process and its start.
    pub const fn id(&self) -> (u32, u64) {
        (self.pid, self.start)
    }

    /// Reads the counters, without the resident pages. `None` if the file no longer has them.
    pub fn read(&mut self) -> Option<HeapReading> {
        let length = usize::try_from(self.file.metadata().ok()?.len()).ok()?.min(BYTES_MAX);
        self.bytes.resize(length, 0);
        let read = self.file.read_at(&mut self.bytes, 0).ok()?;
        let counters = heap_counters(&self.bytes[..read])?;
        Some(HeapReading { pid: self.pid, start: self.start, counters, resident: None })
    }

    /// Counts the private bytes, resident or swapped, of a heap that may grow to `reserved`. `None`
    /// if it is too large or cannot be found, or the page map may not be read.
    pub fn resident(&mut self, reserved: u64) -> Option<u64> {
        if reserved == 0 || reserved > HEAP_MAX {
            return None;
        }
        if self.range.is_none() {
            let maps = fs::read_to_string(format!("/proc/{}/maps", self.pid)).ok()?;
            self.range = heap_range(&maps, reserved);
        }
        let range = self.range.clone()?;
        Some(PageMap::open(self.pid).ok()?.private_bytes(range))
    }
}

fn open_counters(pid: u32) -> Result<File, JvmError> {
    let unreadable = |why: io::Error| JvmError::Unreadable(why.to_string());
    let status = fs::read_to_string(format!("/proc/{pid}/status")).map_err(unreadable)?;
    let inner = own_pid(&status).unwrap_or(pid);
    let folders = fs::read_dir(format!("/proc/{pid}/root/tmp")).map_err(unreadable)?;
    let paths: Vec<PathBuf> = folders
        .flatten()
        .filter(|folder| folder.file_name().to_string_lossy().starts_with("hsperfdata_"))
        .map(|folder| folder.path().join(inner.to_string()))
        .collect();
    let mut refused = None;
    for path in paths {
        // A pipe of that name must not hold us up.
        let flags = OFlags::NONBLOCK.union(OFlags::NOFOLLOW).bits();
        let opened = OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path);
        match opened {
            Ok(file) if file.metadata().is_ok_and(|file| file.is_file()) => return Ok(file),
            Err(why) if why.kind() == io::ErrorKind::PermissionDenied => refused = Some(why),
            Ok(_) | Err(_) => {}
        }
    }
    Err(match refused {
        Some(why) => unreadable(why),
        None if is_openj9(pid) => JvmError::OpenJ9,
        None => JvmError::NoFile,
    })
}

fn is_openj9(pid: u32) -> bool {
    let maps = fs::read(format!("/proc/{pid}/maps")).unwrap_or_default();
    maps.windows(OPENJ9.len()).any(|part| part == OPENJ9)
}

/// The address range of a heap of so many bytes: a run of adjoining mappings that begins and ends
/// with a mapping and has exactly that length. Stacks and `malloc` may have such a run too, but a
/// JVM puts a heap of up to 32 GiB where a reference of 32 bits reaches (`CompressedOops`). Pure.
fn heap_range(maps: &str, reserved: u64) -> Option<Range<u64>> {
    /// What 32 bits reach, in units of 8 bytes.
    const REACHED: u64 = 32 << 30;
    let range = |line: &str| {
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        Some(u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?)
    };
    let mappings: Vec<Range<u64>> = maps.lines().filter_map(range).collect();
    let mut found = Vec::new();
    // The run that ends with the last mapping seen begins with the mapping `first`.
    let mut first = 0;
    for (last, mapping) in mappings.iter().enumerate() {
        let is_adjoining = last > 0 && mappings[last - 1].end == mapping.start;
        if !is_adjoining {
            first = last;
        }
        let length = |first: usize| mapping.end.saturating_sub(mappings[first].start);
        while first < last && length(first) > reserved {
            first += 1;
        }
        if length(first) == reserved {
            found.push(mappings[first].start..mapping.end);
        }
    }
    if found.iter().any(|range| range.end <= REACHED) {
        found.retain(|range| range.end <= REACHED);
    }
    (found.len() == 1).then(|| found.remove(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heap_is_found_by_its_length() {
        let maps = "\
fc000000-ffe00000 rw-p 00000000 00:00 0
ffe00000-ffe75000 rw-p 00da1000 fe:00 315157    /usr/lib/jvm/lib/server/classes.jsa
ffe75000-100000000 rw-p 00000000 00:00 0
5590dcd9b000-5590dcde2000 rw-p 00000000 00:00 0    [heap]
7f0b0c000000-7f0b0c349000 rw-p 00000000 00:00 0
7f0b0c349000-7f0b10000000 ---p 00000000 00:00 0
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0    [vsyscall]
";
        assert_eq!(heap_range(maps, 64 << 20), Some(0xfc00_0000..0x1_0000_0000));
        let far: String = maps.lines().skip(3).map(|line| format!("{line}\n")).collect();
        assert_eq!(heap_range(&far, 64 << 20), Some(0x7f0b_0c00_0000..0x7f0b_1000_0000));
        assert_eq!(heap_range(&far.repeat(2), 64 << 20), None, "two have that length");
        assert_eq!(heap_range(maps, 62 << 20), Some(0xfc00_0000..0xffe0_0000));
        for reserved in [0, 1, 63 << 20, u64::MAX] {
            assert_eq!(heap_range(maps, reserved), None);
        }
        assert_eq!(heap_range("fffffffffffff000-zz\nx", 1 << 20), None);
    }

    #[test]
    fn every_run_of_that_length_is_found_once() {
        let maps = "\
100001000-100002000 x
100002000-100003000 x
100003000-100004000 x
100004000-100005000 x
200000000-200005000 x
200005000-200006000 x
";
        assert_eq!(heap_range(maps, 0x4000), Some(0x1_0000_1000..0x1_0000_5000));
        assert_eq!(heap_range(maps, 0x6000), Some(0x2_0000_0000..0x2_0000_6000));
        assert_eq!(heap_range(maps, 0x2000), None, "there are three");
    }

    #[test]
    fn a_process_without_counters_is_named_with_the_fix() {
        let own = std::process::id();
        assert_eq!(JvmHeap::open(own, 0).err(), Some(JvmError::NoFile));
    }
}
