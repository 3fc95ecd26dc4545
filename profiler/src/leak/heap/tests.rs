//! Heaps whose truth is known, and the arithmetic of few collections.

use super::*;

const MIB: f64 = 1_048_576.0;

fn point(t_s: f64, requests: u64, counters: HeapCounters) -> HeapPoint {
    HeapPoint { t_s, requests, counters }
}

const IDLE: HeapCounters = HeapCounters {
    collector: GarbageCollector::Serial,
    young: 0,
    full: 0,
    is_collecting: false,
    cycles: 0,
    old_used: 0,
    old_max: 512 << 20,
    young_capacity: 16 << 20,
    classes: 2_000,
    reserved: 0,
};

/// A reading a second, a full collection every ten; `left` says what the n-th leaves.
fn collected(seconds: u32, left: impl Fn(u32) -> f64) -> Vec<HeapPoint> {
    let point = |second: u32| {
        let full = second / 10;
        // Garbage is promoted in between.
        let old = left(full) + f64::from(second % 10) * MIB;
        let counters = HeapCounters {
            young: u64::from(second),
            full: u64::from(full),
            old_used: old as u64,
            ..IDLE
        };
        point(f64::from(second), u64::from(second) * 2_000, counters)
    };
    (0..seconds).map(point).collect()
}

fn verdict(points: &[HeapPoint]) -> HeapResult {
    judge_heap(points, &Rules::BYTES).expect("there are readings")
}

#[test]
fn a_heap_that_keeps_more_after_each_collection_leaks() {
    // 64 bytes of each of 20,000 requests.
    let result = verdict(&collected(100, |full| 20.0 * MIB + f64::from(full) * 64.0 * 20_000.0));
    assert_eq!((result.verdict, result.collections), (LeakVerdict::Leak, 7), "{result:?}");
    let growth = result.growth.expect("an interval");
    assert!(growth.covers(64.0) && (growth.value - 64.0).abs() < 0.5, "{growth:?}");
    assert!(result.reason.starts_with("after 7 full collections of the heap"), "{result:?}");
}

#[test]
fn four_collections_are_too_few_for_a_leak() {
    let leaking = collected(70, |full| 20.0 * MIB + f64::from(full) * 64.0 * 20_000.0);
    let result = verdict(&leaking);
    assert_eq!(result.collections, 4, "{result:?}");
    assert!(matches!(result.verdict, LeakVerdict::Inconclusive { .. }), "{result:?}");
    assert_eq!(result.needs_collections, 1);
    assert!(result.reason.contains("collected in full 4 times"), "{}", result.reason);
    assert!(result.reason.contains("1 more collection is needed"), "{}", result.reason);
}

#[test]
fn a_heap_that_returns_to_its_level_has_no_leak() {
    for seconds in [60, 100, 300] {
        let wobble = |full: u32| 20.0 * MIB + f64::from(full % 3) * 3e4;
        let result = verdict(&collected(seconds, wobble));
        let LeakVerdict::NoLeak { below } = result.verdict else { panic!("{result:?}") };
        assert!(below <= 16.0, "{below}");
    }
}

#[test]
fn a_cache_that_fills_is_no_leak() {
    let fills = |full: u32| 20.0 * MIB + 40.0 * MIB * (1.0 - (-f64::from(full) / 2.5).exp());
    for seconds in (50..200).step_by(10) {
        let result = verdict(&collected(seconds, fills));
        assert_ne!(result.verdict, LeakVerdict::Leak, "{seconds}: {result:?}");
    }
}

#[test]
fn without_collections_little_promotion_rules_a_leak_out_and_much_needs_collections() {
    let never = |of_each: f64, seconds: u32, rps: u64| -> Vec<HeapPoint> {
        let point = |second: u32| {
            let requests = u64::from(second) * rps;
            let old = 10.0 * MIB + of_each * requests as f64;
            let counters = HeapCounters { young: second.into(), old_used: old as u64, ..IDLE };
            point(f64::from(second), requests, counters)
        };
        (0..seconds).map(point).collect()
    };
    // 16 MiB of the young generation over 3 million requests are 5.6 bytes of each.
    let result = verdict(&never(0.5, 300, 10_000));
    let LeakVerdict::NoLeak { below } = result.verdict else { panic!("{result:?}") };
    assert!((below - 6.1).abs() < 0.1, "{below}");
    // At 300/s they are 186: it needs requests, and says how many.
    let result = verdict(&never(0.5, 300, 300));
    let LeakVerdict::Inconclusive { needs_minutes } = result.verdict else { panic!("{result:?}") };
    assert!((60.0..90.0).contains(&needs_minutes), "{result:?}");
    assert!(result.reason.contains("at 300 requests/s, or "), "{}", result.reason);
    let longer = never(0.5, 300 + (needs_minutes * 60.0) as u32, 300);
    assert!(matches!(verdict(&longer).verdict, LeakVerdict::NoLeak { .. }));
    // 64 bytes of each may be garbage or a leak: only collections can say.
    let result = verdict(&never(64.0, 150, 300));
    assert!(matches!(result.verdict, LeakVerdict::Inconclusive { .. }), "{result:?}");
    assert!(result.reason.contains("never collected in full"), "{}", result.reason);
    assert!(result.reason.contains("run with -Xmx64m"), "{}", result.reason);
}

#[test]
fn concurrent_cycles_leave_the_least_until_the_next() {
    let g1 = |used: [u64; 9]| -> Vec<HeapPoint> {
        let counters = |at: usize| HeapCounters {
            collector: GarbageCollector::G1,
            cycles: [0, 1, 2, 2, 2, 3, 4, 4, 6][at],
            old_used: used[at],
            ..IDLE
        };
        (0..9).map(|at| point(at as f64, at as u64, counters(at))).collect()
    };
    let lives = live_sets(&g1([50, 51, 40, 30, 35, 36, 33, 29, 40]));
    let bytes: Vec<f64> = lives.iter().map(|live| live.bytes).collect();
    // The first pause of a cycle belongs to it; the last cycle has not ended.
    assert_eq!(bytes, [30.0, 29.0]);
}

#[test]
fn what_is_in_use_is_read_after_a_full_collection_not_while_it_runs() {
    // The count rises when a collection begins; what is in use is written after its end.
    let readings = |of: &[(u64, bool, u64)]| -> Vec<f64> {
        let counters = |&(full, is_collecting, old_used): &(u64, bool, u64)| HeapCounters {
            full,
            is_collecting,
            old_used,
            ..IDLE
        };
        let points = of.iter().enumerate();
        let points: Vec<HeapPoint> =
            points.map(|(at, one)| point(at as f64, at as u64, counters(one))).collect();
        live_sets(&points).iter().map(|live| live.bytes).collect()
    };
    // Seen while it runs, seen just after its end, and over between two readings.
    let running = [(0, false, 90), (1, true, 90), (1, true, 90), (1, false, 90), (1, false, 20)];
    assert_eq!(readings(&running), [20.0]);
    assert_eq!(readings(&[(0, false, 90), (1, false, 90), (1, false, 20), (1, false, 30)]), [20.0]);
    // One in each reading, and one that has not ended.
    let often = [(0, false, 90), (1, false, 90), (2, false, 20), (3, false, 21), (4, true, 22)];
    assert_eq!(readings(&often), [20.0, 20.0]);
    assert!(readings(&[(0, false, 90), (1, true, 90), (1, false, 90)]).is_empty());
}

#[test]
fn a_collector_that_is_not_known_has_no_figures() {
    let mut points = collected(100, |full| 20.0 * MIB + f64::from(full) * 64.0 * 20_000.0);
    for point in &mut points {
        point.counters.collector = GarbageCollector::Other;
    }
    let result = verdict(&points);
    assert!(matches!(result.verdict, LeakVerdict::Inconclusive { .. }), "{result:?}");
    assert_eq!((result.growth, result.live, result.collections), (None, None, 0));
    assert!(result.reason.contains("-XX:+UseG1GC"), "{}", result.reason);
}

#[test]
fn the_chance_of_rises_is_exact_for_few_values() {
    // All orders of five values are equally likely: one of 120 only rises (Mann 1945).
    assert!((chance_of_rise(&[1.0, 2.0, 3.0, 4.0, 5.0]) - 1.0 / 120.0).abs() < 1e-12);
    // Five have at most one falling pair: the sorted order and four with one.
    assert!((chance_of_rise(&[2.0, 1.0, 3.0, 4.0, 5.0]) - 5.0 / 120.0).abs() < 1e-12);
    assert!((chance_of_rise(&[5.0, 4.0, 3.0, 2.0, 1.0]) - 1.0).abs() < 1e-12);
    assert!(chance_of_rise(&[1.0, 1.0, 1.0]) > 0.4);
    let many: Vec<f64> = (0..40).map(f64::from).collect();
    assert!(chance_of_rise(&many) < 1e-6);
}
