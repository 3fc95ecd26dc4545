//! What must hold of the reading of kernel records and of programs' own tables, whatever bytes they
//! hold.
//!
//! Called by the fuzz targets with the fuzzer's input, and by a test of `uringbench-profiler` with
//! generated input. A check panics when it fails.

use uringbench_profiler::code::gopclntab::GoFunctions;
use uringbench_profiler::record::{
    Content, OffCpu, ProcessTree, Record, RecordOrder, decode, peek_time,
};
use uringbench_profiler::stack::StackId;

/// From here on a word of a call chain is no address (`PERF_CONTEXT_MAX`).
const CONTEXT_MAX: u64 = -4095_i64 as u64;

/// Input is read as a ring is, record by record, until one states a size that cannot be. No
/// record is half believed; all that have a time come out of the order, by time; and whoever
/// follows them gets along with any story. Returns how many records were decoded.
pub fn records(input: &[u8]) -> usize {
    let mut order = RecordOrder::default();
    let mut pushed = Vec::new();
    for (index, bytes) in split(input).enumerate() {
        check(bytes);
        if let Some(time) = peek_time(bytes) {
            order.push((index % 3) as u32, time, bytes);
            pushed.push(bytes);
        }
        if index % 5 == 4 {
            order.end_round();
        }
    }
    let mut ordered: Vec<Vec<u8>> = Vec::new();
    order.for_each_ready(|bytes| ordered.push(bytes.to_vec()));
    order.finish(|bytes| ordered.push(bytes.to_vec()));
    assert!(ordered.is_sorted_by_key(|bytes| peek_time(bytes)));
    let decoded: Vec<_> = ordered.iter().filter_map(|bytes| decode(bytes).ok()).collect();
    follow(&decoded);
    let mut returned: Vec<_> = ordered.iter().map(Vec::as_slice).collect();
    returned.sort_unstable();
    pushed.sort_unstable();
    assert_eq!(returned, pushed);
    decoded.len()
}

/// A table of functions that is read at all names, measures and expands only what is inside of it;
/// the input is the program's data as well. Returns how many functions have names.
pub fn gopclntab(input: &[u8]) -> usize {
    let Some(functions) = GoFunctions::read(input.into(), Some(0x40_1000)) else { return 0 };
    let read = |address: u64, bytes: &mut [u8]| {
        let at = usize::try_from(address).ok()?;
        bytes.copy_from_slice(input.get(at..at.checked_add(bytes.len())?)?);
        Some(())
    };
    let _ = functions.has_trees(0, read);
    let mut named = 0;
    for function in functions.iter().take(100) {
        let Some(name) = functions.name(function) else { continue };
        named += 1;
        assert!(!name.is_empty() && name.len() <= 4_096);
        let middle = function.start.midpoint(function.end);
        for address in [function.start, middle, function.end.wrapping_sub(1)] {
            if let Some(found) = functions.find(address) {
                assert!((found.start..found.end).contains(&address));
            }
            let _ = functions.frame_size(function, address);
            assert!(functions.inlined(function, address, 0, read).len() <= 64);
        }
    }
    named
}

/// The records of a ring; the last may be cut off.
fn split(mut ring: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let size = ring.get(6..8).map(|size| u16::from_ne_bytes([size[0], size[1]]))?;
        let (bytes, rest) = ring.split_at(usize::from(size.max(8)).min(ring.len()));
        ring = rest;
        Some(bytes)
    })
}

fn check(bytes: &[u8]) {
    let Ok(record) = decode(bytes) else { return };
    assert_eq!(peek_time(bytes), Some(record.time));
    for cut in [1, 8, bytes.len() / 2] {
        assert!(decode(&bytes[..bytes.len() - cut]).is_err(), "cut by {cut}: {record:?}");
    }
    let is_inside = |part: &[u8]| {
        let whole = bytes.as_ptr_range();
        let part = part.as_ptr_range();
        part.is_empty() || (whole.start <= part.start && part.end <= whole.end)
    };
    match record.content {
        Content::Sample(sample) => {
            assert!(sample.kernel.iter().all(|address| address < CONTEXT_MAX));
            assert!(is_inside(sample.kernel.0));
            if let Some(user) = sample.user {
                assert!(is_inside(user.registers.0) && is_inside(user.stack));
                assert!(user.registers.len() >= 20);
            }
        }
        Content::Mapping(mapping) => assert!(is_inside(mapping.path)),
        Content::Name { name, .. } => assert!(is_inside(name) && !name.contains(&0)),
        _ => {}
    }
}

fn follow(records: &[Record<'_>]) {
    let mut some = ProcessTree::new(records.first().map(|record| record.pid));
    let mut all = ProcessTree::everything();
    let mut waits = OffCpu::default();
    for record in records {
        some.observe(record);
        all.observe(record);
        if let Content::Sample(sample) = record.content {
            waits.note_stack(record.tid, record.time, StackId(1), sample.period);
        }
        if let Some(interval) = waits.observe(record) {
            assert!(interval.start <= interval.end && interval.end == record.time);
            assert_eq!(interval.tid, record.tid);
        }
    }
    for tree in [&some, &all] {
        assert!(tree.living().all(|pid| tree.contains(pid) || pid == 0));
        assert!(tree.living().count() as u64 <= tree.counts().processes);
    }
    if let Some(last) = records.last() {
        assert!(waits.finish(last.time).iter().all(|interval| interval.end == last.time));
    }
}
