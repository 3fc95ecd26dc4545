//! Verdicts on memory of which a part is heaps with verdicts of their own.

use uringbench_core::statistics::Estimate;

use super::*;
use crate::leak::heap::{GarbageCollector, HeapCounters, HeapReading};
use crate::timeline::reading::TargetReading;

const MIB: u64 = 1 << 20;

fn estimate(value: f64) -> Estimate {
    Estimate { value, low: value, high: value }
}

fn result(verdict: LeakVerdict, axis: Axis) -> LeakResult {
    LeakResult {
        verdict,
        axis,
        rate: Some(100.0).filter(|_| axis == Axis::Requests),
        per_request: None,
        per_hour: estimate(7.0),
        smallest_detectable: 3.6e6,
        floor: 1.8e6,
        warmup_cut_s: 0.0,
        shape: Shape::Flat,
        windows: 9,
        window_s: 1.0,
        hours_to_limit: None,
        reason: String::new(),
    }
}

fn heap(verdict: LeakVerdict, axis: Axis) -> HeapResult {
    HeapResult {
        verdict,
        axis,
        rate: Some(100.0).filter(|_| axis == Axis::Requests),
        collector: GarbageCollector::Serial,
        collections: 9,
        needs_collections: 0,
        growth: Some(estimate(20.0)),
        live: None,
        reason: String::new(),
    }
}

fn memory(result: LeakResult, replaced: usize) -> Memory {
    Memory { result, grown: Kinds::default(), replaced }
}

#[test]
fn bytes_per_request_of_a_heap_stay_so_beside_memory_that_grows_per_hour() {
    let by_time = memory(result(LeakVerdict::NoLeak { below: 1e6 }, Axis::Hours), 0);
    let leak = joined(&by_time, &[(7, heap(LeakVerdict::Leak, Axis::Requests))], None);
    assert_eq!(
        (leak.verdict, leak.axis, leak.rate),
        (LeakVerdict::Leak, Axis::Requests, Some(100.0))
    );
    assert_eq!(leak.per_request, Some(estimate(20.0)));
    assert!((leak.per_hour.value - 20.0 * 360_000.0).abs() < 1e-6, "{leak:?}");
    assert!((leak.smallest_detectable - 10.0).abs() < 1e-9 && (leak.floor - 5.0).abs() < 1e-9);
    let idle = joined(&by_time, &[(7, heap(LeakVerdict::Leak, Axis::Hours))], None);
    assert_eq!((idle.axis, idle.per_request, idle.per_hour), (Axis::Hours, None, estimate(20.0)));
    // 2 bytes of each of 360,000 requests an hour.
    let none = heap(LeakVerdict::NoLeak { below: 2.0 }, Axis::Requests);
    let rest = result(LeakVerdict::NoLeak { below: 1e6 }, Axis::Hours);
    let both = joined(&by_time, &[(7, none)], Some(&rest));
    let LeakVerdict::NoLeak { below } = both.verdict else { panic!("{both:?}") };
    assert!((below - 1.72e6).abs() < 1.0 && both.axis == Axis::Hours, "{both:?}");
}

#[test]
fn processes_that_were_replaced_are_not_cleared_by_the_heaps_of_others() {
    let none = LeakVerdict::NoLeak { below: 1.0 };
    let (heaps, rest) = ([(7, heap(none, Axis::Requests))], result(none, Axis::Requests));
    let cleared = joined(&memory(rest.clone(), 0), &heaps, Some(&rest));
    assert_eq!(cleared.verdict, LeakVerdict::NoLeak { below: 2.0 });
    let open = joined(&memory(rest.clone(), 3), &heaps, Some(&rest));
    assert!(matches!(open.verdict, LeakVerdict::Inconclusive { .. }), "{open:?}");
    assert!(open.reason.contains("ended under load (3)"), "{}", open.reason);
}

#[test]
fn a_jvm_that_is_not_read_is_not_memory_beside_the_others() {
    let start = Timestamp(0);
    let at = |second: u32| start + Nanos::from_secs(second.into());
    let counters = HeapCounters {
        collector: GarbageCollector::Serial,
        young: 1,
        full: 0,
        is_collecting: false,
        cycles: 0,
        old_used: 0,
        old_max: 64 * MIB,
        young_capacity: MIB,
        classes: 100,
        reserved: 64 * MIB,
    };
    let evidence = |unread_heaps: u64| {
        // Another JVM fills its heap, by 1 MiB a second.
        let reading = |second: u32| Reading {
            time: at(second),
            target: TargetReading {
                rss_anon: (30 + u64::from(second)) * MIB,
                processes: 2,
                ..TargetReading::default()
            },
            heaps: vec![HeapReading { pid: 7, start: 1, counters, resident: Some(MIB) }],
            unread_heaps,
            ..Reading::default()
        };
        let steps = (1..=300).map(|second| (at(second), u64::from(second) * 1_000)).collect();
        SoakEvidence {
            course: RequestCourse { start, end: at(300), steps },
            readings: (0..=300).map(reading).collect(),
            runtimes: vec![Runtime::Jvm],
            blocks: Vec::new(),
        }
    };
    let read = evidence(0).figures();
    assert_eq!(read.verdict, "leak", "what grows beside a heap that is read: {}", read.reason);
    let unread = evidence(1).figures();
    assert_eq!(unread.beside_heaps, None);
    assert_eq!(unread.verdict, "inconclusive", "{}", unread.reason);
}
