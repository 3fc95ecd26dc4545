//! What must hold of the reading of kernel records and of programs' own tables, whatever bytes they
//! hold.
//!
//! Called by the fuzz targets with the fuzzer's input, and by a test of `uringbench-profiler` with
//! generated input. A check panics when it fails.

mod java_heap;

use uringbench_profiler::code::gopclntab::GoFunctions;
use uringbench_profiler::code::hotspot::HotSpotLayout;
use uringbench_profiler::code::v8::{V8Heap, V8Layout};
use uringbench_profiler::record::{
    Content, OffCpu, ProcessTree, Record, RecordOrder, decode, peek_time,
};
use uringbench_profiler::runtime::hsperfdata::heap_counters;
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

/// A file of a JVM's counters, which may hold anything, is read in bounds. Returns whether it had
/// those of a heap.
pub fn hsperfdata(input: &[u8]) -> bool {
    heap_counters(input).is_some()
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

/// A heap of V8 that may change at any time is read in bounds. The input's first words are the
/// functions, and all of it is the memory, repeated without end. Returns how many have a
/// description.
pub fn v8(input: &[u8]) -> usize {
    let Ok(layout) = V8Layout::read(v8_symbol) else { return 0 };
    let reads = std::cell::Cell::new(0);
    let read = |address: u64, bytes: &mut [u8]| {
        reads.set(reads.get() + 1);
        let start = (address % input.len().max(1) as u64) as usize;
        bytes.copy_from_slice(input.get(start..start.checked_add(bytes.len())?)?);
        Some(())
    };
    let mut types = Default::default();
    let mut heap = V8Heap { layout: &layout, types: &mut types, read };
    let mut described = 0;
    for word in input.chunks_exact(8).take(20) {
        let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
        let Some(shared) = heap.shared(word) else { continue };
        let Some(function) = heap.describe(shared) else { continue };
        described += 1;
        assert!(function.name.chars().count() <= 1_024);
        assert!(!function.text().is_empty());
    }
    let _ = layout.function(64, |at| input.get(at as usize).map(|&byte| byte.into()));
    assert!(reads.get() < 100_000, "{} reads", reads.get());
    described
}

/// The symbols of Node 20; those that are left out have no effect.
fn v8_symbol(name: &str) -> Option<i32> {
    Some(match name.trim_start_matches("v8dbg_") {
        "_ZN2v88internal7Version6major_E" => 11,
        "_ZN2v88internal7Version6minor_E" | "HeapObjectTagMask" => 3,
        "_ZN2v88internal7Version6build_E" => 244,
        "HeapObjectTag" | "ConsStringTag" => 1,
        "SmiShiftSize" => 31,
        "off_fp_function" => -16,
        "off_fp_context" => -8,
        "type_JSFunction__JS_FUNCTION_TYPE" => 2_066,
        "type_SharedFunctionInfo__SHARED_FUNCTION_INFO_TYPE" => 262,
        "type_ScopeInfo__SCOPE_INFO_TYPE" => 261,
        "type_Script__SCRIPT_TYPE" => 167,
        "class_Map__instance_type__uint16_t" | "class_String__length__int32_t" => 12,
        "class_JSFunction__shared__SharedFunctionInfo"
        | "class_SlicedString__offset__SMI"
        | "class_ConsString__second__String" => 24,
        "class_SharedFunctionInfo__script_or_debug_info__HeapObject" => 32,
        "scopeinfo_idx_ncontextlocals" => 2,
        "scopeinfo_idx_first_vars" | "SlicedStringTag" => 3,
        "FirstNonstringType" => 128,
        "StringRepresentationMask" => 7,
        "ThinStringTag" => 5,
        "StringEncodingMask" | "OneByteStringTag" => 8,
        "class_SharedFunctionInfo__name_or_scope_info__Object"
        | "class_Script__name__Object"
        | "class_SeqOneByteString__chars__char"
        | "class_SeqTwoByteString__chars__char"
        | "class_ConsString__first__String"
        | "class_ThinString__actual__String"
        | "class_SlicedString__parent__String" => 16,
        _ => return None,
    })
}

/// The memory of a Java process is read in bounds whatever it holds: the input damages bytes of a
/// whole one, three bytes for each, the place first. Returns how many methods have names.
pub fn hotspot(input: &[u8]) -> usize {
    use java_heap::{CODE, INLINED_END, INNER, INTERPRETED, JavaHeap, JavaVersion, OUTER};
    let versions = [JavaVersion::Java17, JavaVersion::Java25];
    let mut heap = JavaHeap::new(versions[input.len() % 2]);
    for damage in input.chunks_exact(3) {
        heap.damage(usize::from(u16::from_le_bytes([damage[0], damage[1]])), damage[2]);
    }
    let mut reads = 0;
    let mut memory = |at, bytes: &mut [u8]| {
        reads += 1;
        heap.read(at, bytes)
    };
    let Ok(layout) = HotSpotLayout::read(|name| heap.symbol_at(name), &mut memory) else {
        return 0;
    };
    let mut methods = vec![INNER, OUTER];
    for address in [CODE[0], INLINED_END, INTERPRETED] {
        let Some(blob) = layout.blob(address, &mut memory) else { continue };
        assert!(blob.code.contains(&address));
        let _ = layout.is_same(&blob, &mut memory);
        let found = layout.methods(&blob, address, &mut memory);
        assert!(found.len() <= 64);
        methods.extend(found);
    }
    let names: Vec<_> =
        methods.into_iter().filter_map(|method| layout.name(method, &mut memory)).collect();
    assert!(names.iter().all(|name| name.len() <= 8_192), "{names:?}");
    assert!(reads < 200_000, "{reads} reads");
    names.len()
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
