//! The mapped code of each process: pure bookkeeping of mappings.
//!
//! A space is a sorted list of disjoint regions; a newer mapping replaces older ones at the same
//! addresses, as `mmap(2)` with `MAP_FIXED` and `munmap(2)` followed by `mmap(2)` do. A forked
//! process shares its parent's list until one of the two changes. The caller decides which file is
//! behind a region.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::stack::ModuleId;

/// A path, by its index in the table of modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PathId(pub(super) u32);

/// The source of a region's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Backing {
    /// A file that was opened.
    Module(ModuleId),
    /// A path seen before; whether it is the same file is checked when a sample falls into it.
    Unchecked(PathId),
    /// No file.
    Anonymous,
}

/// One executable mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Region {
    /// Its first address.
    pub(super) start: u64,
    /// The address after its last.
    pub(super) end: u64,
    /// The position of `start` in the file, in bytes.
    pub(super) file_offset: u64,
    /// The source of its bytes.
    pub(super) backing: Backing,
}

impl Region {
    /// The position in the file of an address in this region.
    pub(super) const fn offset_of(&self, address: u64) -> u64 {
        self.file_offset.wrapping_add(address - self.start)
    }

    /// The part from `start` on, which is inside.
    const fn from(self, start: u64) -> Self {
        Self { start, file_offset: self.offset_of(start), ..self }
    }
}

/// The spaces of all processes.
#[derive(Debug, Default)]
pub(super) struct AddressSpaces {
    of: FxHashMap<u32, Arc<Vec<Region>>>,
}

impl AddressSpaces {
    /// Whether a process is known.
    pub(super) fn knows(&self, pid: u32) -> bool {
        self.of.contains_key(&pid)
    }

    /// Add a region to a process, replacing any it overlaps.
    pub(super) fn map(&mut self, pid: u32, region: Region) {
        if region.start >= region.end {
            return;
        }
        let regions = Arc::make_mut(self.of.entry(pid).or_default());
        let at = clear(regions, region.start, region.end);
        regions.insert(at, region);
    }

    /// Remove the addresses from `start` up to but not `end` from a process.
    pub(super) fn unmap(&mut self, pid: u32, start: u64, end: u64) {
        if let Some(regions) = self.of.get_mut(&pid).filter(|_| start < end) {
            clear(Arc::make_mut(regions), start, end);
        }
    }

    /// Give a new process its parent's space.
    pub(super) fn fork(&mut self, parent: u32, child: u32) {
        match self.of.get(&parent).cloned() {
            Some(space) => {
                self.of.insert(child, space);
            }
            None => {
                self.of.remove(&child);
            }
        }
    }

    /// Empty a process's space; the process stays known.
    pub(super) fn exec(&mut self, pid: u32) {
        self.of.insert(pid, Arc::default());
    }

    /// Remove a process.
    pub(super) fn forget(&mut self, pid: u32) {
        self.of.remove(&pid);
    }

    /// All regions of a process, sorted.
    pub(super) fn regions(&self, pid: u32) -> &[Region] {
        self.of.get(&pid).map_or(&[], |regions| regions)
    }

    /// The region that contains an address of a process.
    pub(super) fn find(&self, pid: u32, address: u64) -> Option<Region> {
        let regions = self.of.get(&pid)?;
        let after = regions.partition_point(|region| region.start <= address);
        let region = regions.get(after.checked_sub(1)?)?;
        (address < region.end).then_some(*region)
    }

    /// Set the source of the region that starts at `start`.
    pub(super) fn back(&mut self, pid: u32, start: u64, backing: Backing) {
        let Some(regions) = self.of.get_mut(&pid) else { return };
        if let Ok(at) = regions.binary_search_by_key(&start, |region| region.start) {
            Arc::make_mut(regions)[at].backing = backing;
        }
    }
}

/// Remove the addresses from `start` up to but not `end`; returns the index for a region that
/// begins at `start`.
fn clear(regions: &mut Vec<Region>, start: u64, end: u64) -> usize {
    let first = regions.partition_point(|region| region.end <= start);
    let behind = regions.partition_point(|region| region.start < end);
    if first >= behind {
        return first;
    }
    let (head, tail) = (regions[first], regions[behind - 1]);
    let left = (head.start < start).then_some(Region { end: start, ..head });
    let right = (tail.end > end).then(|| tail.from(end));
    let at = first + usize::from(left.is_some());
    regions.splice(first..behind, left.into_iter().chain(right));
    at
}

/// The parts of a line of `/proc/PID/maps` that matter for code.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MapsLine<'a> {
    /// The first address.
    pub(super) start: u64,
    /// The address after the last.
    pub(super) end: u64,
    /// Whether code in it can run.
    pub(super) is_executable: bool,
    /// Its position in the file, in bytes.
    pub(super) file_offset: u64,
    /// The path; empty for none.
    pub(super) path: &'a [u8],
}

/// Parse a line of `/proc/PID/maps` (`proc_pid_maps(5)`); `None` if it is invalid.
pub(super) fn maps_line(line: &[u8]) -> Option<MapsLine<'_>> {
    let mut fields = line.splitn(6, |&byte| byte == b' ');
    let (addresses, permissions) = (fields.next()?, fields.next()?);
    let file_offset = hex(fields.next()?)?;
    // Device and inode are skipped: a file's identity is read from the opened file instead, because
    // overlayfs and btrfs show other numbers here than `stat(2)` does.
    let (_, _) = (fields.next()?, fields.next()?);
    let path = fields.next().unwrap_or_default().trim_ascii();
    let dash = addresses.iter().position(|&byte| byte == b'-')?;
    Some(MapsLine {
        start: hex(&addresses[..dash])?,
        end: hex(&addresses[dash + 1..])?,
        is_executable: permissions.get(2) == Some(&b'x'),
        file_offset,
        path,
    })
}

/// A hexadecimal number without sign or prefix.
pub(super) fn hex(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    (!text.starts_with('+')).then(|| u64::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// Changes of two processes, in addresses 0..64.
    #[derive(Clone, Debug)]
    enum Event {
        Map { pid: u32, start: u64, length: u64, offset: u64, module: u32 },
        Unmap { pid: u32, start: u64, length: u64 },
        Fork { parent: u32, child: u32 },
        Exec { pid: u32 },
        Forget { pid: u32 },
    }

    fn event() -> impl Strategy<Value = Event> {
        let (pid, address) = (0..3_u32, 0..64_u64);
        prop_oneof![
            8 => (pid.clone(), address.clone(), 0..20_u64, 0..1000_u64, 0..5_u32).prop_map(
                |(pid, start, length, offset, module)| Event::Map {
                    pid, start, length, offset, module
                }
            ),
            2 => (pid.clone(), address, 0..20_u64)
                .prop_map(|(pid, start, length)| Event::Unmap { pid, start, length }),
            2 => (pid.clone(), pid.clone())
                .prop_map(|(parent, child)| Event::Fork { parent, child }),
            1 => pid.clone().prop_map(|pid| Event::Exec { pid }),
            1 => pid.prop_map(|pid| Event::Forget { pid }),
        ]
    }

    proptest! {
        /// The model stores every address of every process separately.
        #[test]
        fn lookups_agree_with_a_table_of_single_addresses(
            events in proptest::collection::vec(event(), 0..60)
        ) {
            let mut spaces = AddressSpaces::default();
            let mut model: HashMap<u32, HashMap<u64, (u32, u64)>> = HashMap::new();
            for event in events {
                match event {
                    Event::Map { pid, start, length, offset, module } => {
                        let backing = Backing::Module(ModuleId(module));
                        let end = start + length;
                        spaces.map(pid, Region { start, end, file_offset: offset, backing });
                        for address in start..end {
                            let byte = (module, offset + address - start);
                            model.entry(pid).or_default().insert(address, byte);
                        }
                    }
                    Event::Unmap { pid, start, length } => {
                        spaces.unmap(pid, start, start + length);
                        if let Some(space) = model.get_mut(&pid) {
                            space.retain(|at, _| !(start..start + length).contains(at));
                        }
                    }
                    Event::Fork { parent, child } => {
                        spaces.fork(parent, child);
                        let space = model.get(&parent).cloned().unwrap_or_default();
                        model.insert(child, space);
                    }
                    Event::Exec { pid } => {
                        spaces.exec(pid);
                        model.remove(&pid);
                    }
                    Event::Forget { pid } => {
                        spaces.forget(pid);
                        model.remove(&pid);
                    }
                }
                for pid in 0..3 {
                    for address in 0..90 {
                        let found = spaces.find(pid, address).map(|region| {
                            (region.backing, region.offset_of(address))
                        });
                        let truth = model.get(&pid).and_then(|space| space.get(&address));
                        let truth = truth.map(|&(module, offset)| {
                            (Backing::Module(ModuleId(module)), offset)
                        });
                        prop_assert_eq!(found, truth, "pid {} address {}", pid, address);
                    }
                }
            }
        }

        #[test]
        fn no_line_of_maps_makes_the_reader_panic(
            line in proptest::collection::vec(any::<u8>(), 0..100)
        ) {
            let _ = maps_line(&line);
        }
    }

    #[test]
    fn a_child_keeps_its_space_when_the_parent_changes() {
        let mut spaces = AddressSpaces::default();
        let region = Region { start: 16, end: 32, file_offset: 0, backing: Backing::Anonymous };
        spaces.map(1, region);
        spaces.fork(1, 2);
        spaces.back(1, 16, Backing::Module(ModuleId(7)));
        assert_eq!(spaces.find(2, 20), Some(region));
        assert_eq!(spaces.find(1, 20).unwrap().backing, Backing::Module(ModuleId(7)));
        spaces.exec(1);
        assert!(spaces.knows(1) && spaces.find(1, 20).is_none());
        spaces.fork(9, 2);
        assert!(!spaces.knows(2), "the child of an unknown process is unknown");
    }

    #[test]
    fn a_line_of_maps_is_read_whatever_its_path() {
        let line = b"7f00a000-7f00c000 r-xp 00002000 fe:01 1234       /srv/my app/lib.so (deleted)";
        let read = maps_line(line).unwrap();
        let expected = MapsLine {
            start: 0x7f00_a000,
            end: 0x7f00_c000,
            is_executable: true,
            file_offset: 0x2000,
            path: b"/srv/my app/lib.so (deleted)",
        };
        assert_eq!(read, expected);
        let bare = maps_line(b"10-20 rw-p 00000000 00:00 0 ").unwrap();
        assert_eq!((bare.path, bare.is_executable), (&b""[..], false));
        assert_eq!(maps_line(b"10-20 rw-p"), None);
    }
}
