//! Soaks of made-up and of recorded servers whose truth is known, through the whole verdict: 200
//! without a leak, none of which may be called one, and 200 that leak 64 bytes per request.

use uringbench_core::statistics::random::Random;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_document::soak::SoakFigures;

use super::evidence::{RequestCourse, SoakEvidence};
use crate::leak::heap::{GarbageCollector, HeapCounters, HeapReading};
use crate::runtime::Runtime;
use crate::timeline::reading::{ProcessMemory, Reading, TargetReading};

const MIB: f64 = 1_048_576.0;
const PAGE: f64 = 4_096.0;
const SOAKS: u64 = 200;
const LEAK: f64 = 64.0;

/// Healthy servers under 300 requests/s for 150 s: columns seconds, requests, private bytes.
const RECORDED: [&str; 2] =
    [include_str!("../leak/recorded/jvm.txt"), include_str!("../leak/recorded/node.txt")];

/// What a server does with its memory besides leaking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A recorded JVM whose heap cannot be read, and Node.
    RecordedJvm,
    RecordedNode,
    /// Batches that are freed at once.
    Batches,
    /// A cache that fills up to its bound.
    Cache,
    /// Sessions that expire after a minute.
    Sessions,
    /// Arenas of `malloc` that settle, page by page and more and more rarely.
    Arenas,
    /// A JVM whose old generation fills up to its limit before it is collected.
    Serial,
    /// A JVM with concurrent cycles at half of its heap.
    G1,
}

const KINDS: [Kind; 8] = [
    Kind::RecordedJvm,
    Kind::RecordedNode,
    Kind::Batches,
    Kind::Cache,
    Kind::Sessions,
    Kind::Arenas,
    Kind::Serial,
    Kind::G1,
];

/// One soak.
#[derive(Clone, Copy, Debug)]
struct Soak {
    kind: Kind,
    seed: u64,
    seconds: u32,
    rps: f64,
    leak: f64,
}

impl Soak {
    /// Lengths and rates as users choose them.
    fn drawn(seed: u64, leak: f64) -> Self {
        let mut random = Random::new(seed * 77 + 5);
        let kind = KINDS[(seed % KINDS.len() as u64) as usize];
        let seconds = match kind {
            Kind::Serial | Kind::G1 => [300, 600, 1_800, 1_800][random.below(4)],
            _ => [150, 300, 600, 1_800][random.below(4)],
        };
        let rps = [300.0, 1_000.0, 5_000.0][random.below(3)];
        Self { kind, seed, seconds, rps, leak }
    }

    fn evidence(self) -> SoakEvidence {
        let mut random = Random::new(self.seed + 1_000_000);
        let start = Timestamp(1_000_000_000);
        let mut server = Server::new(self, &mut random);
        let (mut steps, mut readings) = (Vec::new(), Vec::new());
        let mut requests = 0.0;
        for second in 1..=self.seconds {
            let served = self.rps * (1.0 + 0.02 * random.normal());
            requests += served;
            let time = start + Nanos::from_secs(second.into());
            server.serve(&mut random, f64::from(second), served);
            steps.push((time, requests as u64));
            readings.push(server.reading(time));
        }
        let end = start + Nanos::from_secs(self.seconds.into());
        let runtimes = match self.kind {
            Kind::RecordedJvm | Kind::Serial | Kind::G1 => vec![Runtime::Jvm],
            Kind::RecordedNode => vec![Runtime::V8],
            _ => Vec::new(),
        };
        let course = RequestCourse { start, end, steps };
        SoakEvidence { course, readings, runtimes, blocks: Vec::new() }
    }
}

/// A server at work.
struct Server {
    soak: Soak,
    /// Bytes kept for good, and the rest of what the kind keeps, both without the heap of a JVM.
    leaked: f64,
    other: f64,
    /// Parameters: a size in bytes, a time in seconds, and a share of 1.
    size: f64,
    period_s: f64,
    phase: f64,
    recorded: Vec<f64>,
    heap: Option<SimulatedHeap>,
}

/// The heap of a JVM: what is young is collected when it fills, and promotes what is kept.
struct SimulatedHeap {
    counters: HeapCounters,
    /// In use for good, leaked but still young, promoted garbage, and the most that was touched.
    live: f64,
    young_leak: f64,
    garbage: f64,
    touched: f64,
    /// Allocated since the last collection.
    eden: f64,
    allocated_of_each: f64,
    promoted_of_each: f64,
    classes: f64,
}

impl SimulatedHeap {
    fn new(random: &mut Random, collector: GarbageCollector) -> Self {
        let most = 64.0 * MIB * f64::from(1 << random.below(3));
        let counters = HeapCounters {
            collector,
            young: 0,
            full: 0,
            is_collecting: false,
            cycles: 0,
            old_used: 0,
            old_max: (most * 2.0 / 3.0) as u64,
            young_capacity: (most / 3.0) as u64,
            classes: 0,
            reserved: most as u64,
        };
        Self {
            counters,
            live: (4.0 + 10.0 * random.unit()) * MIB,
            young_leak: 0.0,
            garbage: 0.0,
            touched: 0.0,
            eden: 0.0,
            allocated_of_each: 2e3 + 3e4 * random.unit(),
            promoted_of_each: 60.0 * random.unit() * random.unit(),
            classes: 1_500.0 + 3_000.0 * random.unit(),
        }
    }

    fn serve(&mut self, random: &mut Random, t_s: f64, served: f64, leak: f64) {
        self.eden += served * self.allocated_of_each;
        self.young_leak += served * leak;
        let young = self.counters.young_capacity as f64 * 0.8;
        let loaded = self.classes * (1.0 - 0.3 * (-t_s / 15.0).exp());
        self.counters.classes = loaded as u64;
        let count = (self.eden / young).floor();
        if count < 1.0 {
            return;
        }
        self.eden -= count * young;
        self.counters.young += count as u64;
        self.live += self.young_leak;
        self.young_leak = 0.0;
        let promoted = count * young / self.allocated_of_each * self.promoted_of_each;
        self.garbage += promoted * (0.8 + 0.4 * random.unit());
        let most = self.counters.old_max as f64;
        self.touched = self.touched.max((self.live + self.garbage).min(most));
        // Objects of requests in flight outlive a collection.
        let passing = 1e5 * random.unit();
        let limit = match self.counters.collector {
            GarbageCollector::G1 => 0.45 * most,
            _ => 0.95 * most,
        };
        if self.live + self.garbage >= limit {
            self.garbage = passing;
            match self.counters.collector {
                GarbageCollector::G1 => self.counters.cycles += 2,
                _ => self.counters.full += 1,
            }
        }
        self.counters.old_used = (self.live + self.garbage).min(most) as u64;
    }

    /// Its resident part: the young generation is touched as it is used first.
    fn resident(&self) -> f64 {
        let young = self.counters.young_capacity as f64;
        let of_young = if self.counters.young > 0 { young } else { self.eden.min(young) };
        of_young + self.touched
    }
}

impl Server {
    fn new(soak: Soak, random: &mut Random) -> Self {
        let recorded = match soak.kind {
            Kind::RecordedJvm => private(RECORDED[0]),
            Kind::RecordedNode => private(RECORDED[1]),
            _ => Vec::new(),
        };
        let heap = match soak.kind {
            Kind::Serial => Some(SimulatedHeap::new(random, GarbageCollector::Serial)),
            Kind::G1 => Some(SimulatedHeap::new(random, GarbageCollector::G1)),
            _ => None,
        };
        Self {
            soak,
            leaked: 0.0,
            other: 0.0,
            size: MIB * (1.0 + 40.0 * random.unit() * random.unit()),
            period_s: 3.0 + 60.0 * random.unit(),
            phase: random.unit(),
            recorded,
            heap,
        }
    }

    fn serve(&mut self, random: &mut Random, t_s: f64, served: f64) {
        let share = t_s / f64::from(self.soak.seconds);
        if let Some(heap) = &mut self.heap {
            heap.serve(random, t_s, served, self.soak.leak);
        } else {
            self.leaked += served * self.soak.leak;
        }
        match self.soak.kind {
            Kind::RecordedJvm | Kind::RecordedNode => {
                // Longer runs stay at the end of the recording, with its noise.
                let last = self.recorded.len() - 1;
                let at = (t_s as usize).min(last - random.below(8));
                self.other = self.recorded[at];
            }
            Kind::Batches => {
                self.other = self.size * ((t_s / self.period_s + self.phase) % 1.0);
            }
            Kind::Cache => {
                let full = 0.1 + 0.5 * self.phase;
                self.other = self.size * (share / full).min(1.0);
            }
            Kind::Sessions => {
                let of_each = 200.0 + 400.0 * self.phase;
                let wave = 1.0 + 0.1 * (t_s / 20.0).sin();
                self.other = served * of_each * t_s.min(60.0) * wave;
            }
            Kind::Arenas | Kind::Serial | Kind::G1 => {
                // Ever rarer, by pages and by whole arenas.
                let chance = (self.period_s / (self.period_s + t_s)).powi(2);
                if random.unit() < chance {
                    self.other += PAGE * f64::from(1 + random.below(64) as u32);
                }
                if random.unit() < chance / 20.0 {
                    self.other += self.size / 20.0;
                }
            }
        }
    }

    fn reading(&self, time: Timestamp) -> Reading {
        if self.heap.as_ref().is_some_and(|heap| heap.live > heap.counters.old_max as f64) {
            // It ran out of memory and ended.
            return Reading { time, ..Reading::default() };
        }
        let heap = self.heap.as_ref().map(|heap| HeapReading {
            pid: 7,
            start: 1,
            counters: heap.counters,
            resident: Some(heap.resident() as u64),
        });
        let own = heap.and_then(|heap| heap.resident).unwrap_or(0) as f64;
        let bytes = 20.0 * MIB + self.leaked + self.other + own;
        let bytes = ((bytes / PAGE).ceil() * PAGE) as u64;
        let each = vec![ProcessMemory { pid: 7, start: 1, bytes }];
        let target = TargetReading {
            rss_anon: bytes,
            processes: 1,
            threads: 8,
            fds: Some(30),
            each,
            ..TargetReading::default()
        };
        Reading { time, target, heaps: heap.into_iter().collect(), ..Reading::default() }
    }
}

fn private(text: &str) -> Vec<f64> {
    let bytes = |line: &str| line.rsplit(' ').next()?.parse().ok();
    text.lines().filter_map(bytes).collect()
}

#[test]
fn no_soak_without_a_leak_is_called_one() {
    let mut cleared = 0;
    for seed in 0..SOAKS {
        let soak = Soak::drawn(seed, 0.0);
        let figures = soak.evidence().figures();
        println!("{soak:?}: {} {}", figures.verdict, figures.reason);
        assert_ne!(figures.verdict, "leak", "{soak:?}: {}", figures.reason);
        cleared += u64::from(figures.verdict == "no_leak");
    }
    println!("{cleared} of {SOAKS} have no leak");
    // A verdict that never commits itself would pass the above.
    assert!(cleared >= 2 * SOAKS / 5, "{cleared}");
}

/// Whether a soak was long enough: its noise hides no leak of that size, and its heap was collected
/// often enough, or grew by more than a healthy one.
fn is_enough(soak: Soak, figures: &SoakFigures) -> bool {
    let grown = soak.leak * soak.rps * f64::from(soak.seconds);
    let is_clear = figures.smallest_detectable.is_some_and(|least| least <= LEAK / 2.0);
    match soak.kind {
        Kind::Serial | Kind::G1 => figures.heaps.iter().all(|heap| heap.collections >= 5),
        Kind::RecordedJvm => false,
        Kind::RecordedNode => is_clear && grown > 100.0 * MIB,
        _ => is_clear && grown > 4.0 * MIB,
    }
}

#[test]
fn leaks_are_found_or_the_soak_says_what_would_find_them() {
    let (mut found, mut enough, mut found_of_enough) = (0, 0, 0);
    let (mut found_longer, mut tried) = (0, 0);
    for seed in 0..SOAKS {
        let soak = Soak::drawn(seed, LEAK);
        let figures = soak.evidence().figures();
        assert_ne!(figures.verdict, "no_leak", "{soak:?}: {}", figures.reason);
        let is_found = figures.verdict == "leak";
        let is_enough = is_enough(soak, &figures);
        found += u32::from(is_found);
        enough += u32::from(is_enough);
        found_of_enough += u32::from(is_enough && is_found);
        if is_found {
            continue;
        }
        println!("{soak:?} {is_enough}: {:?} {}", figures.needs_minutes, figures.reason);
        assert!(!figures.reason.is_empty());
        // The advice is true: so much longer, the leak is found.
        if let Some(minutes) = figures.needs_minutes.filter(|minutes| *minutes <= 40.0) {
            let seconds = soak.seconds + (minutes * 60.0) as u32;
            let longer = Soak { seconds, ..soak }.evidence().figures();
            println!("   {} {}", longer.verdict, longer.reason);
            assert_ne!(longer.verdict, "no_leak", "{soak:?}: {}", longer.reason);
            tried += 1;
            found_longer += u32::from(longer.verdict == "leak");
        }
    }
    println!(
        "{found} of {SOAKS} found, {found_of_enough} of {enough} that were long enough, \
         {found_longer} of {tried} so much longer"
    );
    assert!(found_of_enough * 100 >= enough * 95, "{found_of_enough} of {enough}");
}
