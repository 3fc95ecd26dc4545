//! Runs made by a generator: as long, as broad and as hostile as wanted, the same every time.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer as _, V2DeflateSerializer};
use uringbench_document::timeline::TimelineFigures;
use uringbench_document::timeline::columns::{HostRow, LoadRow, Row, TargetRow, TimelineDocument};
use uringbench_document::{Document, EncodedHistograms, IntervalFigures, LogLine, SloHeld};
use uringbench_page::flame::{CodeOrigin, FlameCut, FlameFrame, FlameNode, FlameProfile};
use uringbench_page::run::{RunPage, run};

/// A document that a version ever wrote, as the base of all others.
const FIRST: &str = include_str!("../../../document/tests/run-v1-first.json");

/// A run with everything that is stored beside it.
pub(crate) struct Made {
    pub(crate) document: Document,
    pub(crate) lines: Vec<LogLine>,
    pub(crate) timeline: Option<TimelineDocument>,
    pub(crate) profile: Option<FlameProfile>,
    pub(crate) leak: Option<FlameCut>,
}

/// A source of numbers that is the same every time (Knuth's generator).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 0..1.
    pub(crate) fn share(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.share() * end as f64) as usize
    }

    /// A time with a long tail, around 400 µs.
    fn time(&mut self) -> u64 {
        let sum: f64 = (0..12).map(|_| self.share()).sum::<f64>() - 6.0;
        (4e5 * (0.5 * sum).exp()) as u64
    }
}

impl Made {
    /// The page.
    pub(crate) fn page(&self) -> String {
        run(&RunPage {
            document: &self.document,
            lines: &self.lines,
            timeline: self.timeline.as_ref(),
            profile: self.profile.as_ref(),
            leak: self.leak.as_ref(),
            folder: "results/made",
            again: Some("uringbench run --again results/made"),
            missing: &[],
        })
    }

    /// Nothing but a document.
    pub(crate) fn bare() -> Self {
        let document = Document::read(FIRST).expect("it is one");
        Self { document, lines: Vec::new(), timeline: None, profile: None, leak: None }
    }

    /// A run of so many seconds at 1,000 requests per second, slower and failing in the middle.
    pub(crate) fn of_seconds(seconds: u64) -> Self {
        let mut made = Self::bare();
        let mut dice = Dice::new(seconds);
        let mut all = histogram();
        let mut timeline = TimelineDocument::empty(1, None);
        made.document.intervals.clear();
        for second in 0..seconds {
            let is_slow = second >= seconds / 2 && second < seconds / 2 + seconds.div_ceil(20);
            let mut times = histogram();
            for _ in 0..200 {
                let nanos = dice.time() * if is_slow { 20 } else { 1 };
                times.record_n(nanos, 5).expect("it fits");
            }
            let phase = if second == 0 { "warmup" } else { "measure" };
            if second > 0 {
                all.add(&times).expect("they have the same bounds");
            }
            made.document.intervals.push(interval(second, phase, &times, is_slow));
            made.lines.push(LogLine {
                tag: (second == 0).then(|| "warmup".to_owned()),
                start: Duration::from_secs(second),
                length: Duration::from_secs(1),
                histogram: times,
            });
            timeline.push(&row(second, is_slow, &mut dice));
        }
        made.summarise(&all, seconds);
        made.document.timeline = TimelineFigures::of(&timeline);
        made.timeline = Some(timeline);
        made.profile = Some(profile(seconds as usize, &mut dice));
        made
    }

    fn summarise(&mut self, all: &Histogram<u64>, seconds: u64) {
        let document = &mut self.document;
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(all, &mut bytes).expect("memory");
        let encoded = STANDARD.encode(bytes);
        document.histograms.response.clone_from(&encoded);
        document.histograms.service.clone_from(&encoded);
        let times = &mut document.latency_ns.response;
        let at = |quantile| Some(all.value_at_quantile(quantile));
        (times.p50, times.p90, times.p95, times.p99) = (at(0.5), at(0.9), at(0.95), at(0.99));
        (times.p999, times.max, times.count) = (at(0.999), Some(all.max()), all.len());
        let errors: u64 = document.intervals.iter().skip(1).map(|it| it.errors).sum();
        let outcomes = &mut document.counts.outcomes;
        (outcomes.ok, outcomes.status) = (all.len() - errors, errors);
        document.counts.released = all.len();
        document.phases[0].start_s = 0.0;
        document.phases[0].duration_s = 1.0;
        document.phases[1].start_s = 1.0;
        document.phases[1].duration_s = seconds as f64 - 1.0;
        document.phases.truncate(2);
        document.slo = vec![
            held("p99 < 2.00 ms", "9.31 ms", Some(false)),
            held("errors < 5.00 %", "0.50 %", Some(true)),
        ];
    }
}

fn held(objective: &str, measured: &str, met: Option<bool>) -> SloHeld {
    SloHeld { objective: objective.to_owned(), measured: measured.to_owned(), met }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000_000, 3).expect("valid bounds")
}

fn interval(second: u64, phase: &str, times: &Histogram<u64>, is_slow: bool) -> IntervalFigures {
    let errors = if is_slow { 100 } else { 0 };
    let outcomes = [("ok".to_owned(), times.len() - errors), ("status".to_owned(), errors)];
    IntervalFigures {
        t_s: second as f64,
        length_s: 1.0,
        phase: phase.to_owned(),
        released: times.len(),
        completed: times.len(),
        errors,
        outcomes: outcomes.into_iter().filter(|(_, count)| *count > 0).collect(),
        in_flight: if is_slow { 40 } else { 2 },
        connected: 64,
        response_p50_ns: Some(times.value_at_quantile(0.5)),
        response_p99_ns: Some(times.value_at_quantile(0.99)),
        response_max_ns: Some(times.max()),
        lateness_p99_ns: Some(2_000),
        sent_bytes: 0,
        received_bytes: 0,
    }
}

fn row(second: u64, is_slow: bool, dice: &mut Dice) -> Row {
    let cpu = if is_slow { 0.9 } else { 0.4 } + 0.05 * dice.share();
    Row {
        t_s: second as f64 + 1.0,
        load: LoadRow::default(),
        target: TargetRow {
            cpu_user: Some(cpu),
            cpu_system: Some(0.2 + 0.02 * dice.share()),
            run_queue_s_per_s: Some(0.01 * dice.share()),
            rss_anon_bytes: Some(64e6 + second as f64 * 2e3),
            rss_file_bytes: Some(12e6),
            fds: Some(70.0),
            threads: Some(4.0),
            ..TargetRow::default()
        },
        cgroup: None,
        host: HostRow {
            cpu_user: Some(1.0 + dice.share()),
            cpu_system: Some(0.3),
            cpu_steal: Some(0.01 * dice.share()),
            pressure_cpu_some: Some(0.05 * dice.share()),
            ..HostRow::default()
        },
        soak: None,
    }
}

/// 15,000 stacks of which few are hot, sampled 99 times a second on four CPUs.
fn profile(seconds: usize, dice: &mut Dice) -> FlameProfile {
    let origins =
        [CodeOrigin::Kernel, CodeOrigin::Native, CodeOrigin::Interpreted, CodeOrigin::Jit];
    let frame = |at: usize| FlameFrame {
        function: format!("namespace::module_{}::function_{at}", at % 40),
        module: format!("lib{}.so", at % 12),
        origin: origins[at % origins.len()],
    };
    let node = |at: usize, dice: &mut Dice| {
        // Deep trees: a caller is mostly among the last.
        let caller = if at < 4 { 0 } else { at - dice.below(at.min(60)) };
        FlameNode { caller: caller.min(at) as u32, frame: dice.below(3_000) as u32 }
    };
    let nodes: Vec<_> = (0..15_000).map(|at| node(at, dice)).collect();
    let intervals = (0..seconds).map(|_| {
        let mut weights: Vec<(u32, u64)> = (0..396)
            .map(|_| {
                // Zipf: the hottest stacks have most of the samples.
                let rank = 15_000_f64.powf(dice.share()) as u32;
                (1 + (rank * 7_919) % 15_000, 10_101_010)
            })
            .collect();
        weights.sort_unstable();
        weights
    });
    FlameProfile {
        frames: (0..3_000).map(frame).collect(),
        intervals: intervals.collect(),
        sampled: vec![true; seconds],
        nodes,
    }
}

/// All of a profile, with the heaviest stack so many times as heavy.
pub(crate) fn cut(profile: &FlameProfile, times: u64) -> FlameCut {
    let mut own = BTreeMap::<u32, u64>::new();
    for (node, weight) in profile.intervals.iter().flatten() {
        *own.entry(*node).or_default() += weight;
    }
    let samples = profile.intervals.iter().map(|interval| interval.len() as u64).sum();
    if let Some(heaviest) = own.values_mut().max() {
        *heaviest *= times;
    }
    FlameCut {
        frames: profile.frames.clone(),
        nodes: profile.nodes.clone(),
        weights: own.into_iter().collect(),
        samples,
        requests: 10_000,
    }
}

/// The histograms of a run without requests.
pub(crate) fn no_histograms() -> EncodedHistograms {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(&histogram(), &mut bytes).expect("memory");
    let empty = STANDARD.encode(bytes);
    EncodedHistograms { response: empty.clone(), service: empty.clone(), lateness: empty }
}
