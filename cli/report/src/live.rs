//! A run while it lasts: its last seconds, what it has measured so far, and what of both is worth a
//! look. `frame` draws it for a terminal.
//!
//! Pure: intervals, samples and messages in. Memory does not grow with the run.

mod frame;
mod spans;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use hdrhistogram::Histogram;
use uringbench_core::histogram::{LatencyCounts, empty};
use uringbench_core::outcome::Outcome;
use uringbench_core::summary::{Grouped, Percent, Quantile, TimeSummary};
use uringbench_core::time::Nanos;
use uringbench_core::validity::TargetCpu;
use uringbench_core::window::Phase;
use uringbench_document::{IntervalFigures, LiveObjectives, SloHeld};

pub use frame::{FrameSize, frame};

/// Seconds that are kept: more than the widest terminal shows.
const KEPT: usize = 300;
/// Messages that are kept.
const MESSAGES: usize = 3;
/// Shorter intervals, at the ends of phases, say nothing about a rate.
const SHORT_S: f64 = 0.1;
/// The share of the time that a hypervisor may take without a word.
const STEAL_MAX: f64 = 0.01;
/// A target that uses this share of its CPU time is at its limit.
const LIMIT: f64 = 0.95;
/// Lateness from which on the client delays requests noticeably.
const LATE: u64 = 1_000_000;

/// What is known of a run before it begins.
#[derive(Clone, Debug)]
pub struct LiveRun {
    /// Its name, or its method and address without secrets.
    pub title: String,
    /// Its load in words.
    pub load: String,
    /// The load before the measured window.
    pub warmup: Nanos,
    /// The measured window, if its length is known.
    pub window: Option<Nanos>,
    /// Objectives of the whole run.
    pub objectives: LiveObjectives,
    /// CPUs of the load generator.
    pub cpus: usize,
    /// Planned connections.
    pub connections: u32,
}

/// What was seen of the machine in one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LiveSample {
    /// CPUs that this process used.
    pub client: Option<f64>,
    /// CPUs that the target used, and might have.
    pub target: Option<TargetCpu>,
    /// Private memory of the target, bytes.
    pub target_memory: Option<u64>,
    /// Share of the client's CPU time that the hypervisor took.
    pub stolen: Option<f64>,
}

/// One interval.
#[derive(Clone, Debug)]
pub(crate) struct LiveSecond {
    pub(crate) figures: IntervalFigures,
    pub(crate) sample: LiveSample,
    /// Response times by half octave: the number of times from `2^(n/2)` ns on.
    pub(crate) cells: BTreeMap<u32, u64>,
}

impl LiveSecond {
    /// Per second; `None` in a fragment.
    pub(crate) fn rate(&self, count: u64) -> Option<f64> {
        (self.figures.length_s >= SHORT_S).then(|| count as f64 / self.figures.length_s)
    }
}

/// A run up to now.
#[derive(Clone, Debug)]
pub struct LiveState {
    run: LiveRun,
    seconds: VecDeque<LiveSecond>,
    /// Lines that stay.
    kept: Vec<String>,
    messages: VecDeque<String>,
    /// Of the measured window.
    times: Histogram<u64>,
    outcomes: [u64; Outcome::ALL.len()],
    measured_s: f64,
    is_ending: bool,
    dropped: u64,
}

impl LiveState {
    /// Before the first interval.
    pub fn new(run: LiveRun) -> Self {
        Self {
            run,
            seconds: VecDeque::new(),
            kept: Vec::new(),
            messages: VecDeque::new(),
            times: empty(),
            outcomes: [0; Outcome::ALL.len()],
            measured_s: 0.0,
            is_ending: false,
            dropped: 0,
        }
    }

    /// An interval is complete.
    pub fn add(&mut self, figures: IntervalFigures, response: &LatencyCounts, sample: LiveSample) {
        if figures.phase != Phase::Warmup.key() {
            response.add_to(&mut self.times);
            let ended = self.outcomes.iter_mut().zip(figures.ended());
            ended.for_each(|(sum, more)| *sum += more);
        }
        if figures.phase == Phase::Measure.key() {
            self.measured_s += figures.length_s;
        }
        let mut times = empty();
        response.add_to(&mut times);
        let mut cells = BTreeMap::new();
        for value in times.iter_recorded() {
            let half_octaves = (value.value_iterated_to().max(1) as f64).log2() * 2.0;
            *cells.entry(half_octaves as u32).or_default() += value.count_since_last_iteration();
        }
        if self.seconds.len() >= KEPT {
            self.seconds.pop_front();
        }
        self.seconds.push_back(LiveSecond { figures, sample, cells });
    }

    /// A line for the user that stays, whatever comes.
    pub fn keep(&mut self, line: &str) {
        self.kept.push(line.to_owned());
    }

    /// A line for the user.
    pub fn message(&mut self, line: &str) {
        if self.messages.len() >= MESSAGES {
            self.messages.pop_front();
        }
        self.messages.push_back(line.to_owned());
    }

    /// The user has asked for its end.
    pub fn end(&mut self) {
        self.is_ending = true;
    }

    /// Intervals came faster than they could be taken, and so many are not shown.
    pub fn lost(&mut self, intervals: u64) {
        self.dropped = intervals;
    }

    /// What is known of it before it begins.
    pub const fn run(&self) -> &LiveRun {
        &self.run
    }

    /// What it does.
    pub fn word(&self) -> &'static str {
        match self.seconds.back().map(|second| second.figures.phase.as_str()) {
            None => "connecting",
            Some(_) if self.is_ending => "ending",
            Some("warmup") => "warming up",
            Some("drain") => "draining",
            Some(_) => "measuring",
        }
    }

    /// The time since its start, and of how much if that is known: `1:42 of 3:05`.
    pub fn passed(&self) -> String {
        let passed = self.seconds.back().map_or(0.0, |it| it.figures.t_s + it.figures.length_s);
        match self.run.window.map(|window| (self.run.warmup + window).as_secs_f64()) {
            Some(all) => format!("{} of {}", frame::clock(passed.min(all)), frame::clock(all)),
            None => frame::clock(passed),
        }
    }

    /// The main figures: label, value of the last second, and what it is to be compared with.
    pub fn tiles(&self) -> Vec<(&'static str, String, String)> {
        let Some(second) = self.seconds.back() else { return Vec::new() };
        let LiveSecond { figures, sample, .. } = second;
        let times = TimeSummary::of(&self.times);
        let so_far = |quantile| format!("so far {}", frame::time(times.at(quantile)));
        let ended: u64 = self.outcomes.iter().sum();
        let errors = ended - self.outcomes[Outcome::Ok as usize];
        let all_errors = match ended {
            0 => String::new(),
            _ => format!("so far {}", Percent(errors as f64 / ended as f64)),
        };
        let cpus = |used: f64, of: f64| (format!("{used:.2} CPU"), format!("of {of:.0}"));
        let mut tiles = vec![
            (
                "answers",
                frame::per_second(second.rate(figures.completed)),
                format!("so far {}", Grouped(self.completed())),
            ),
            ("p50", frame::time(figures.response_p50_ns), so_far(Quantile::P50)),
            ("p99", frame::time(figures.response_p99_ns), so_far(Quantile::P99)),
            ("errors", Grouped(figures.errors).to_string(), all_errors),
        ];
        if let Some(used) = sample.client {
            let (value, beside) = cpus(used, self.run.cpus as f64);
            tiles.push(("client", value, beside));
        }
        if let Some(target) = sample.target {
            let (value, beside) = cpus(target.used, target.allowed);
            tiles.push(("target", value, beside));
        }
        tiles
    }

    /// The objectives with what has been measured so far.
    pub fn objectives(&self) -> Vec<SloHeld> {
        let times = TimeSummary::of(&self.times);
        let ended: u64 = self.outcomes.iter().sum();
        let errors = ended - self.outcomes[Outcome::Ok as usize];
        let share = (ended > 0).then(|| errors as f64 / ended as f64);
        let rate =
            if self.measured_s > 0.0 { self.completed() as f64 / self.measured_s } else { 0.0 };
        self.run.objectives.held(&times, share, rate)
    }

    fn completed(&self) -> u64 {
        let all = Outcome::ALL.into_iter().filter(|outcome| outcome.is_completed());
        all.map(|outcome| self.outcomes[outcome as usize]).sum()
    }

    /// What makes the figures of the last second doubtful, and what a person may want to end the
    /// run for.
    pub fn signs(&self) -> Vec<String> {
        let Some(LiveSecond { figures, sample, .. }) = self.seconds.back() else {
            return Vec::new();
        };
        let mut signs = Vec::new();
        if let Some(target) = sample.target.filter(|it| it.used >= it.allowed * LIMIT) {
            let cpus = format!("{:.2} of {:.0} CPU", target.used, target.allowed);
            signs.push(format!("the target is at its limit: {cpus}"));
        }
        if let Some(stolen) = sample.stolen.filter(|stolen| *stolen > STEAL_MAX) {
            signs.push(format!("the hypervisor took {} of the client's CPU", Percent(stolen)));
        }
        if let Some(late) = figures.lateness_p99_ns.filter(|late| *late > LATE) {
            signs.push(format!("requests leave late: p99 {}", Nanos(late)));
        }
        let planned = u64::from(self.run.connections);
        if figures.phase != Phase::Drain.key() && figures.connected < planned {
            let connected = Grouped(figures.connected);
            signs.push(format!("{connected} of {} connections stand", Grouped(planned)));
        }
        if self.dropped > 0 {
            signs.push(format!("this view is busy: {} seconds are not in it", self.dropped));
        }
        signs
    }
}
