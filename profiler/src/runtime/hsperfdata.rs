//! The counters that a HotSpot JVM keeps in `hsperfdata_USER/PID`, for a heap's collections. Pure.
//!
//! Format 2 (openjdk `perfMemory.hpp`): a prologue of 32 bytes, then entries; each has a header of
//! 20 bytes, a name and a value. The JVM writes while we read, and the file may be anything: all
//! offsets are checked, and what is not there is `None`.

use crate::leak::heap::{GarbageCollector, HeapCounters};

/// The longest file that is read: JVMs write 32 KiB unless `-XX:PerfDataMemorySize` says otherwise.
pub const BYTES_MAX: usize = 1 << 20;

const MAGIC: [u8; 4] = [0xca, 0xfe, 0xc0, 0xc0];
const PROLOGUE: usize = 32;
const ENTRY: usize = 20;
/// Entries read at most; a JVM has some 250.
const ENTRIES_MAX: usize = 4_096;

/// The counters of the heap in a file's bytes; `None` if they are not those of a JVM.
pub fn heap_counters(bytes: &[u8]) -> Option<HeapCounters> {
    let file = PerfData::of(bytes)?;
    let mut found = Found::default();
    for (name, value) in file.entries() {
        found.note(name, value);
    }
    found.counters()
}

/// One value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PerfValue<'a> {
    Number(i64),
    Text(&'a [u8]),
}

/// A name and its value.
type Named<'a> = (&'a [u8], PerfValue<'a>);

/// A file whose prologue is right.
#[derive(Clone, Copy, Debug)]
struct PerfData<'a> {
    bytes: &'a [u8],
    is_little: bool,
    first: usize,
    entries: usize,
}

impl<'a> PerfData<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let bytes = &bytes[..bytes.len().min(BYTES_MAX)];
        let prologue = bytes.get(..PROLOGUE)?;
        // Byte 5 is the major version; 7 says whether the JVM has begun to fill it.
        if prologue[..4] != MAGIC || prologue[4] > 1 || prologue[5] != 2 || prologue[7] == 0 {
            return None;
        }
        let file = Self { bytes, is_little: prologue[4] == 1, first: 0, entries: 0 };
        let first = usize::try_from(file.word(24)?).ok()?;
        let entries = usize::try_from(file.word(28)?).ok()?.min(ENTRIES_MAX);
        (first >= PROLOGUE).then_some(Self { first, entries, ..file })
    }

    fn word(self, at: usize) -> Option<i32> {
        let bytes = self.bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.is_little { i32::from_le_bytes(bytes) } else { i32::from_be_bytes(bytes) })
    }

    fn long(self, at: usize) -> Option<i64> {
        let bytes = self.bytes.get(at..at.checked_add(8)?)?.try_into().ok()?;
        Some(if self.is_little { i64::from_le_bytes(bytes) } else { i64::from_be_bytes(bytes) })
    }

    /// Names and values, up to the first entry that is not one.
    fn entries(self) -> impl Iterator<Item = Named<'a>> {
        let mut at = self.first;
        let mut left = self.entries;
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let (entry, next) = self.entry(at)?;
            at = next;
            Some(entry)
        })
        .flatten()
    }

    /// The entry at an offset, if it is of a known type, and the offset of the next.
    fn entry(self, at: usize) -> Option<(Option<Named<'a>>, usize)> {
        let length = usize::try_from(self.word(at)?).ok().filter(|length| *length >= ENTRY)?;
        let next = at.checked_add(length)?;
        let entry = self.bytes.get(at..next)?;
        let offset = |field: usize| usize::try_from(self.word(at + field)?).ok();
        let read = || {
            let name = entry.get(offset(4)?..)?;
            let name = &name[..name.iter().position(|&byte| byte == 0)?];
            let (elements, data) = (offset(8)?, offset(16)?);
            let value = match (entry[12], elements) {
                (b'J', 0) if data <= length => PerfValue::Number(self.long(at.checked_add(data)?)?),
                (b'B', 1..) => {
                    let text = entry.get(data..data.checked_add(elements)?)?;
                    let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
                    PerfValue::Text(&text[..end])
                }
                _ => return None,
            };
            Some((name, value))
        };
        Some((read(), next))
    }
}

/// What was found of a heap's counters.
#[derive(Debug, Default)]
struct Found {
    young: Option<u64>,
    full: Option<u64>,
    /// When the last full collection began and ended, on the JVM's clock.
    full_began: Option<u64>,
    full_ended: Option<u64>,
    cycles: Option<u64>,
    old_used: Option<u64>,
    old_max: Option<u64>,
    young_capacity: Option<u64>,
    classes: Option<u64>,
    collector: Option<GarbageCollector>,
    /// The reserved sizes of both generations.
    reserved: [Option<u64>; 2],
}

impl Found {
    fn note(&mut self, name: &[u8], value: PerfValue<'_>) {
        let number = match value {
            PerfValue::Number(number) => u64::try_from(number).ok(),
            PerfValue::Text(_) => None,
        };
        let text = match value {
            PerfValue::Text(text) => text,
            PerfValue::Number(_) => b"",
        };
        match name {
            b"sun.gc.collector.0.invocations" => self.young = number,
            b"sun.gc.collector.1.invocations" => self.full = number,
            b"sun.gc.collector.1.lastEntryTime" => self.full_began = number,
            b"sun.gc.collector.1.lastExitTime" => self.full_ended = number,
            b"sun.gc.collector.2.invocations" => self.cycles = number,
            b"sun.gc.generation.1.space.0.used" => self.old_used = number,
            b"sun.gc.generation.1.space.0.maxCapacity" => self.old_max = number,
            b"sun.gc.generation.0.capacity" => self.young_capacity = number,
            b"java.cls.loadedClasses" => self.classes = number,
            b"sun.gc.generation.0.maxCapacity" => self.reserved[0] = number,
            b"sun.gc.generation.1.maxCapacity" => self.reserved[1] = number,
            b"sun.gc.collector.0.name" if self.collector.is_none() => {
                self.collector = Some(GarbageCollector::of(&String::from_utf8_lossy(text)));
            }
            b"sun.gc.collector.2.name" if text.starts_with(b"Z") => {
                self.collector = Some(GarbageCollector::of(&String::from_utf8_lossy(text)));
            }
            _ => {}
        }
    }

    fn counters(&self) -> Option<HeapCounters> {
        /// G1 adds the size of a word to each capacity, so that none is 0 (`pad_capacity`).
        const PAGE: u64 = 4_096;
        let collector = self.collector.unwrap_or(GarbageCollector::Other);
        let [young, old] = self.reserved.map(|bytes| bytes.unwrap_or(0) / PAGE * PAGE);
        // Both generations of G1 may grow to the whole heap.
        let reserved =
            if collector == GarbageCollector::G1 { old } else { young.saturating_add(old) };
        Some(HeapCounters {
            collector,
            young: self.young.unwrap_or(0),
            full: self.full.unwrap_or(0),
            is_collecting: self.full_began > self.full_ended,
            cycles: self.cycles.unwrap_or(0),
            old_used: self.old_used?,
            old_max: self.old_max?,
            young_capacity: self.young_capacity.unwrap_or(0),
            classes: self.classes.unwrap_or(0),
            reserved,
        })
    }
}

#[cfg(test)]
mod tests;
