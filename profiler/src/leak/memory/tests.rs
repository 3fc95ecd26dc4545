//! Targets whose truth is known: recorded healthy ones, and made-up ones that keep memory of each
//! kind, in processes that stay and that are replaced.

use uringbench_core::statistics::random::Random;

use super::*;
use crate::leak::{Axis, Heap};

const MIB: f64 = 1_048_576.0;
const RPS: f64 = 2_000.0;

/// Healthy servers under 300 requests/s for 150 s: columns seconds, requests, private bytes. A
/// JVM 17 with the serial collector, and Node 20.
const RECORDED: [&str; 2] =
    [include_str!("../recorded/jvm.txt"), include_str!("../recorded/node.txt")];

fn recorded(text: &str) -> Vec<MemoryPoint> {
    let point = |line: &str| {
        let figures: Vec<f64> =
            line.split(' ').map(|figure| figure.parse().expect("a figure")).collect();
        let kinds = Kinds { private: figures[2], ..Kinds::default() };
        let requests = figures[1] as u64;
        MemoryPoint { t_s: figures[0], requests, kinds, each: Vec::new() }
    };
    text.lines().map(point).collect()
}

#[test]
fn recorded_healthy_servers_are_not_called_leaks() {
    for text in RECORDED {
        let points = recorded(text);
        for heap in [Heap::Freed, Heap::Collected, Heap::CollectedAtItsLimit] {
            let result = judge_memory(&points, &Rules { heap, ..Rules::BYTES }).result;
            println!("{heap:?}: {:?} {}", result.verdict, result.reason);
            assert_ne!(result.verdict, LeakVerdict::Leak, "{heap:?}: {result:?}");
        }
        // Nor at any shorter length, which is where a heap grows fastest.
        for length in (20..points.len()).step_by(10) {
            let rules = Rules { heap: Heap::Collected, ..Rules::BYTES };
            let result = judge_memory(&points[..length], &rules).result;
            assert_ne!(result.verdict, LeakVerdict::Leak, "{length}: {result:?}");
        }
    }
}

/// A reading a second.
fn of(seconds: u32, kinds: impl Fn(f64) -> Kinds) -> Vec<MemoryPoint> {
    let pages = |bytes: f64| (bytes / 4_096.0).ceil() * 4_096.0;
    let point = |second: u32| {
        let t_s = f64::from(second);
        let Kinds { private, shared, swapped } = kinds(t_s);
        let kinds =
            Kinds { private: pages(private), shared: pages(shared), swapped: pages(swapped) };
        MemoryPoint { t_s, requests: (t_s * RPS) as u64, kinds, each: Vec::new() }
    };
    (0..seconds).map(point).collect()
}

#[test]
fn memory_of_each_kind_is_judged_and_named() {
    let kept = |t: f64| 4_096.0 * RPS * t;
    let level = 20.0 * MIB;
    let shared = of(150, |t| Kinds { private: level, shared: kept(t), swapped: 0.0 });
    let swapped = of(150, |t| Kinds { private: level, shared: level, swapped: kept(t) });
    let private = of(150, |t| Kinds { private: level + kept(t), ..Kinds::default() });
    for (points, kind) in [(shared, "shared"), (swapped, "swapped"), (private, "private")] {
        let Memory { result, grown, replaced } = judge_memory(&points, &Rules::BYTES);
        assert_eq!((result.verdict, replaced), (LeakVerdict::Leak, 0), "{result:?}");
        let slope = result.per_request.expect("there were requests");
        assert!(slope.covers(4_096.0), "{slope:?}");
        assert_eq!(grown.growing(), [kind]);
        assert!(result.reason.contains(&format!("; since the warm-up: {kind} +")), "{result:?}");
    }
}

#[test]
fn memory_that_is_swapped_out_is_no_growth() {
    let points = of(150, |t| {
        let swapped = (t * MIB).min(60.0 * MIB);
        Kinds { private: 100.0 * MIB - swapped, shared: 0.0, swapped }
    });
    let result = judge_memory(&points, &Rules::BYTES).result;
    assert!(matches!(result.verdict, LeakVerdict::NoLeak { .. }), "{result:?}");
}

#[test]
fn a_collected_heap_needs_more_than_a_heap_may_grow_by() {
    // 1 MB a minute at 300/s looks like 55 bytes a request.
    let rules = Rules { heap: Heap::Collected, ..Rules::BYTES };
    let slow = of(150, |t| Kinds { private: 150.0 * MIB + 64.0 * RPS * t, ..Kinds::default() });
    let result = judge_memory(&slow, &rules).result;
    let LeakVerdict::Inconclusive { needs_minutes } = result.verdict else { panic!("{result:?}") };
    assert!((5.0..12.0).contains(&needs_minutes), "{needs_minutes}");
    assert!(result.reason.contains("longer at 2,000 requests/s, or "), "{result:?}");
    let fast = of(150, |t| Kinds { private: 20.0 * MIB + 640.0 * RPS * t, ..Kinds::default() });
    assert_eq!(judge_memory(&fast, &rules).result.verdict, LeakVerdict::Leak);
    let rules = Rules { heap: Heap::CollectedAtItsLimit, ..Rules::BYTES };
    let result = judge_memory(&fast, &rules).result;
    assert!(matches!(result.verdict, LeakVerdict::Inconclusive { .. }), "{result:?}");
    assert!(result.reason.contains("heap grows to its limit without a leak"), "{result:?}");
}

/// A server of a parent and `WORKERS` that are replaced.
#[derive(Clone, Copy)]
struct Prefork {
    seconds: u32,
    /// A life's length, about.
    life_s: f64,
    /// What a worker keeps of each request that it serves.
    leak: f64,
}

const WORKERS: usize = 4;

fn prefork(random: &mut Random, prefork: Prefork) -> Vec<MemoryPoint> {
    let Prefork { seconds, life_s, leak } = prefork;
    let mut lengths = || life_s * (0.8 + 0.4 * random.unit());
    let mut next = 100;
    let mut worker = |born: f64, ends: f64| {
        next += 1;
        (next, born, ends)
    };
    let mut workers: Vec<_> =
        (0..WORKERS).map(|at| worker(0.0, lengths() * (at + 1) as f64 / WORKERS as f64)).collect();
    let mut points = Vec::new();
    for second in 0..seconds {
        let t_s = f64::from(second);
        for one in &mut workers {
            if t_s >= one.2 {
                *one = worker(t_s, t_s + lengths());
            }
        }
        let parent = ProcessPoint { id: (1, 0), bytes: 10.0 * MIB };
        let each = workers.iter().map(|&(pid, born, _)| {
            let age = t_s - born;
            let warm = 15.0 * MIB * (1.0 - (-age / 3.0).exp());
            let kept = leak * age * RPS / WORKERS as f64;
            ProcessPoint {
                id: (pid, pid.into()),
                bytes: ((5.0 * MIB + warm + kept) / 4_096.0).ceil() * 4_096.0,
            }
        });
        let each: Vec<_> = std::iter::once(parent).chain(each).collect();
        let private = each.iter().map(|process| process.bytes).sum();
        let kinds = Kinds { private, ..Kinds::default() };
        points.push(MemoryPoint { t_s, requests: (t_s * RPS) as u64, kinds, each });
    }
    points
}

#[test]
fn leaks_of_workers_that_are_replaced_are_seen_within_their_lives() {
    let mut leaks = 0;
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let leaking = Prefork { seconds: 300, life_s: 90.0, leak: 256.0 };
        let Memory { result, replaced, .. } =
            judge_memory(&prefork(&mut random, leaking), &Rules::BYTES);
        assert!(replaced >= 8, "{replaced}");
        assert!(!matches!(result.verdict, LeakVerdict::NoLeak { .. }), "{seed}: {result:?}");
        if result.verdict == LeakVerdict::Leak {
            let slope = result.per_request.expect("there were requests");
            assert!((slope.value / 256.0 - 1.0).abs() < 0.15, "{seed}: {slope:?}");
            assert!(result.reason.contains("within their lives"), "{result:?}");
            leaks += 1;
        }
    }
    assert!(leaks >= 18, "{leaks} of 20");
}

#[test]
fn healthy_workers_that_are_replaced_have_no_leak() {
    let mut cleared = 0;
    for seed in 100..140 {
        let mut random = Random::new(seed);
        let healthy = Prefork { seconds: 300, life_s: 90.0, leak: 0.0 };
        let result = judge_memory(&prefork(&mut random, healthy), &Rules::BYTES).result;
        assert_ne!(result.verdict, LeakVerdict::Leak, "{seed}: {result:?}");
        cleared += usize::from(matches!(result.verdict, LeakVerdict::NoLeak { .. }));
    }
    assert!(cleared >= 30, "{cleared} of 40");
}

#[test]
fn lives_too_short_to_see_growth_within_are_inconclusive() {
    for leak in [0.0, 256.0] {
        let mut random = Random::new(7);
        let points = prefork(&mut random, Prefork { seconds: 150, life_s: 8.0, leak });
        let result = judge_memory(&points, &Rules::BYTES).result;
        assert!(matches!(result.verdict, LeakVerdict::Inconclusive { .. }), "{result:?}");
        assert!(result.reason.contains("too soon to measure growth"), "{result:?}");
    }
}

#[test]
fn a_reload_does_not_hide_a_leak_and_small_helpers_do_not_matter() {
    let two = |ends: f64, leak: f64| {
        let mut points = of(300, |_| Kinds::default());
        for point in &mut points {
            let (id, age) =
                if point.t_s < ends { ((2, 2), point.t_s) } else { ((3, 3), point.t_s - ends) };
            let bytes = ((20.0 * MIB + leak * age * RPS) / 4_096.0).ceil() * 4_096.0;
            point.each = vec![ProcessPoint { id: (1, 1), bytes: MIB }, ProcessPoint { id, bytes }];
            point.kinds.private = MIB + bytes;
        }
        judge_memory(&points, &Rules::BYTES)
    };
    let Memory { result, replaced, .. } = two(150.0, 256.0);
    assert_eq!((result.verdict, replaced, result.axis), (LeakVerdict::Leak, 1, Axis::Requests));
    assert!(matches!(two(150.0, 0.0).result.verdict, LeakVerdict::NoLeak { .. }));

    let mut points = of(150, |_| Kinds { private: 64.0 * MIB, ..Kinds::default() });
    for (second, point) in points.iter_mut().enumerate() {
        let server = ProcessPoint { id: (1, 1), bytes: 63.0 * MIB };
        let helper = ProcessPoint { id: (100 + second as u32, 9), bytes: MIB };
        point.each = vec![server, helper];
    }
    let Memory { result, replaced, .. } = judge_memory(&points, &Rules::BYTES);
    assert!(matches!(result.verdict, LeakVerdict::NoLeak { .. }), "{result:?}");
    assert_eq!(replaced, 0);
}
