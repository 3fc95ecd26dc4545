//! Reads the heap of a running JVM from outside: its counters from the file it keeps for `jstat`,
//! and how much of the heap is resident from the kernel's page map. The JVM is never stopped and
//! runs no code for it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

use rustix::fs::OFlags;
use uringbench_core::time::{Nanos, Timestamp};

use super::hsperfdata::{BYTES_MAX, heap_counters};
use crate::code::own_pid;
use crate::leak::heap::HeapReading;
use crate::page_faults::PageMap;

/// Time between two counts of resident pages, and how many times as long as it took: the kernel
/// reads an entry for each page.
const RESIDENT_PERIOD: Nanos = Nanos::from_secs(2);
const RESIDENT_SHARE: u64 = 200;
/// A larger heap is not counted: its page map is 16 MiB.
const HEAP_MAX: u64 = 8 << 30;

/// Why the heap of a JVM cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JvmError {
    /// It keeps no file.
    #[error(
        "JVM {0} keeps no file of its counters: run it without -XX:-UsePerfData and \
         -XX:+PerfDisableSharedMem to judge its heap"
    )]
    NoFile(u32),
    /// It may not be read.
    #[error("the counters of JVM {pid} cannot be read ({why}): run as its user or as root")]
    Unreadable {
        /// Its PID.
        pid: u32,
        /// The system's reason.
        why: String,
    },
}

/// The heap of one JVM.
#[derive(Debug)]
pub struct JvmHeap {
    pid: u32,
    start: u64,
    file: File,
    bytes: Vec<u8>,
    range: Option<Range<u64>>,
    /// When resident pages may be counted again.
    resident_due: Timestamp,
}

impl JvmHeap {
    /// Opens the counters of a process, which began at the tick `start`.
    ///
    /// # Errors
    /// It keeps none, or they may not be read.
    pub fn open(pid: u32, start: u64) -> Result<Self, JvmError> {
        let file = open_counters(pid)?;
        Ok(Self { pid, start, file, bytes: Vec::new(), range: None, resident_due: Timestamp(0) })
    }

    /// The process and its start.
    pub const fn id(&self) -> (u32, u64) {
        (self.pid, self.start)
    }

    /// Reads the counters, and every few seconds the resident pages. `None` if the file no longer
    /// has them.
    pub fn read(&mut self, now: Timestamp) -> Option<HeapReading> {
        let length = usize::try_from(self.file.metadata().ok()?.len()).ok()?.min(BYTES_MAX);
        self.bytes.resize(length, 0);
        let read = self.file.read_at(&mut self.bytes, 0).ok()?;
        let counters = heap_counters(&self.bytes[..read])?;
        let resident = if now >= self.resident_due {
            let range = match self.range.clone() {
                Some(range) => Some(range),
                None => {
                    let maps = fs::read_to_string(format!("/proc/{}/maps", self.pid)).ok();
                    maps.and_then(|maps| heap_range(&maps, counters.reserved))
                }
            };
            self.range.clone_from(&range);
            range.and_then(|range| self.resident(now, range))
        } else {
            None
        };
        Some(HeapReading { pid: self.pid, start: self.start, counters, resident })
    }

    fn resident(&mut self, now: Timestamp, range: Range<u64>) -> Option<u64> {
        let begun = std::time::Instant::now();
        let bytes = PageMap::open(self.pid).ok()?.private_bytes(range);
        let took = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let pause = took.saturating_mul(RESIDENT_SHARE).max(RESIDENT_PERIOD.0);
        // Just before a tick, so that it is the next one.
        self.resident_due = now + Nanos(pause - RESIDENT_PERIOD.0 / 20);
        Some(bytes)
    }
}

fn open_counters(pid: u32) -> Result<File, JvmError> {
    let unreadable = |why: io::Error| JvmError::Unreadable { pid, why: why.to_string() };
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
    Err(refused.map_or(JvmError::NoFile(pid), unreadable))
}

/// The address range of a heap of so many bytes: a run of adjoining mappings that begins and ends
/// with a mapping and has exactly that length. Stacks and `malloc` may have such a run too, but a
/// JVM puts a heap of up to 32 GiB where a reference of 32 bits reaches (`CompressedOops`). Pure.
fn heap_range(maps: &str, reserved: u64) -> Option<Range<u64>> {
    /// What 32 bits reach, in units of 8 bytes.
    const REACHED: u64 = 32 << 30;
    if reserved == 0 || reserved > HEAP_MAX {
        return None;
    }
    let range = |line: &str| {
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        Some(u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?)
    };
    let mappings: Vec<Range<u64>> = maps.lines().filter_map(range).collect();
    let mut found = Vec::new();
    for (at, first) in mappings.iter().enumerate() {
        let Some(end) = first.start.checked_add(reserved) else { continue };
        let mut reached = first.start;
        for mapping in &mappings[at..] {
            if mapping.start != reached || mapping.end > end {
                break;
            }
            reached = mapping.end;
        }
        if reached == end {
            found.push(first.start..end);
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
    fn a_process_without_counters_is_named_with_the_fix() {
        let own = std::process::id();
        assert_eq!(JvmHeap::open(own, 0).err(), Some(JvmError::NoFile(own)));
    }
}
