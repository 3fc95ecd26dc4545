//! A recording of a target, and the figures that the tests check.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use uringbench_document::target::TargetFigures;
use uringbench_profiler::analysis;
use uringbench_profiler::profile::Profile;
use uringbench_profiler::sample::{Sample, SampleKind};
use uringbench_profiler::session::Recording;
use uringbench_profiler::stack::{FrameKind, FrameName, StackId};
use uringbench_profiler::timeline::reading::TargetReading;

use super::program::Program;

/// The functions of the burner and their shares of its CPU time.
pub(crate) const SHARES: [(&str, f64); 3] =
    [("sixty_percent", 0.6), ("thirty_percent", 0.3), ("ten_percent", 0.1)];
/// How far a share may be from the expected one, in standard errors of the number of samples.
const ERRORS_MAX: f64 = 3.0;

/// A recording and its figures.
pub(crate) struct Taken {
    pub(crate) recording: Recording,
    pub(crate) figures: TargetFigures,
}

impl Taken {
    pub(crate) fn of(recording: Recording) -> Self {
        let figures = analysis::build(&recording, None).unwrap().figures;
        Self { recording, figures }
    }

    pub(crate) fn profile(&self) -> &Profile {
        self.recording.profile.as_ref().expect("it was sampled")
    }

    /// The samples of CPU use.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        let samples = self.profile().samples.samples().map(Result::unwrap);
        samples.filter(|sample| sample.kind == SampleKind::Cpu).collect()
    }

    /// CPU time according to the samples.
    pub(crate) fn sampled(&self) -> Duration {
        Duration::from_nanos(self.samples().iter().map(|sample| sample.weight).sum())
    }

    /// The processes of the samples.
    pub(crate) fn pids(&self) -> BTreeSet<u32> {
        self.samples().iter().map(|sample| sample.pid).collect()
    }

    /// The names of a stack, innermost frame first.
    pub(crate) fn names(&self, stack: StackId) -> Vec<&FrameName> {
        let profile = self.profile();
        profile.stacks.leaf_first(stack).map(|frame| profile.name(frame)).collect()
    }

    /// The number of samples in which each function was the program's innermost; kernel frames
    /// above it are ignored.
    pub(crate) fn innermost(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for sample in self.samples() {
            if let Some(own) = self.own_names(sample.stack).first() {
                *counts.entry((*own).to_owned()).or_default() += 1;
            }
        }
        counts
    }

    /// The program's functions of a stack, innermost first, without the kernel's.
    pub(crate) fn own_names(&self, stack: StackId) -> Vec<&str> {
        let names = self.names(stack).into_iter();
        let own = names.filter(|name| name.kind != FrameKind::Kernel);
        own.map(|name| name.function.as_str()).collect()
    }

    /// CPU time of the samples in which a function was running.
    pub(crate) fn sampled_in(&self, function: &str) -> Duration {
        let samples = self.samples().into_iter();
        let inside = samples.filter(|sample| self.own_names(sample.stack).contains(&function));
        Duration::from_nanos(inside.map(|sample| sample.weight).sum())
    }

    /// The largest distance of the burner's shares from the expected ones, in standard errors.
    pub(crate) fn deviation(&self, burner: &Program) -> f64 {
        let counts = self.innermost();
        let count = |name: &str| counts.get(&burner.called(name)).copied().unwrap_or(0) as f64;
        let all: f64 = SHARES.iter().map(|(name, _)| count(name)).sum();
        // The burner spends nearly all its time in these functions.
        let samples = self.samples().len() as f64;
        assert!(all > 0.9 * samples, "{all} of {samples}: {counts:?}");
        let errors = SHARES.map(|(name, share)| {
            let error = (share * (1.0 - share) / all).sqrt();
            (count(name) / all - share).abs() / error
        });
        errors.into_iter().fold(0.0, f64::max)
    }

    /// Whether all shares are within the limit.
    pub(crate) fn has_right_shares(&self, burner: &Program) -> bool {
        self.deviation(burner) <= ERRORS_MAX
    }

    /// Checks that the samples stand for the CPU time that the scheduler accounts to the target,
    /// within 10 %; only a deviation from that counts against the profile, and lost samples if it
    /// may lose some.
    pub(crate) fn expect_right_sum(&self, may_lose: bool) {
        let figures = &self.figures;
        let codes: Vec<&str> = figures.reasons.iter().map(|reason| reason.code.as_str()).collect();
        assert!(!codes.contains(&"samples_not_stored"), "{figures:?}");
        let lost_share = self.profile().facts.lost_share();
        assert_eq!(codes.contains(&"samples_lost"), lost_share > 0.01, "{figures:?}");
        if may_lose && figures.lost > 0 {
            return;
        }
        assert!(!codes.contains(&"samples_lost"), "{figures:?}");
        let (used, allowance) = self.accounted();
        let sampled = self.sampled_within().as_secs_f64();
        // A profiler that waits behind 200 threads reads their counters late, after the time of
        // its reading, and so misses a part of what they used at first.
        let late = if may_lose { 0.3 } else { 0.0 };
        let most = used * (1.1 + late) + allowance;
        let least = if figures.is_user_only { 0.5 * used - allowance } else { 0.9 * used };
        assert!(
            (least..=most).contains(&sampled),
            "{sampled} s of {used} s + {allowance} s: {:?}",
            self.innermost()
        );
        let is_told = codes.contains(&"samples_coverage");
        let coverage = figures.coverage;
        assert_eq!(is_told, coverage.is_some_and(|c| !(0.9..=1.1).contains(&c)), "{figures:?}");
    }

    /// CPU time between the first reading and the last in seconds, and the time that may be added
    /// to it: if other programs preempt the target, samples taken in the kernel during the switch
    /// count for the target, though the scheduler accounts for that time to nobody or to the
    /// others.
    pub(crate) fn accounted(&self) -> (f64, f64) {
        const SWITCH_S: f64 = 20e-6;
        let readings = &self.recording.sampled.readings;
        let (first, last) = (&readings[0].target, &readings[readings.len() - 1].target);
        let used = |target: &TargetReading| {
            target.on_cpu.as_secs_f64().max((target.user + target.system).as_secs_f64())
        };
        let preempted = last.involuntary_switches - first.involuntary_switches;
        (used(last) - used(first), preempted as f64 * SWITCH_S)
    }

    /// CPU time according to the samples between the first reading and the last.
    fn sampled_within(&self) -> Duration {
        let readings = &self.recording.sampled.readings;
        let within = readings[0].time..readings[readings.len() - 1].time;
        let samples = self.samples().into_iter().filter(|sample| within.contains(&sample.time));
        Duration::from_nanos(samples.map(|sample| sample.weight).sum())
    }

    /// Checks that no thread uses more CPU time than has passed, as a thread sampled twice would.
    pub(crate) fn expect_no_thread_twice(&self) {
        let mut threads: BTreeMap<u32, (u64, u64, u64)> = BTreeMap::new();
        for Sample { time, tid, weight, .. } in self.samples() {
            let (first, last, sum) = threads.entry(tid).or_insert((time.0, time.0, 0));
            *last = time.0.max(*last);
            *first = time.0.min(*first);
            *sum += weight;
        }
        for (tid, (first, last, sum)) in threads {
            // The first sample stands for the time before it, and one more may be about to arrive.
            let period = 1_000_000_000 / u64::from(self.profile().facts.hz);
            let most = (last - first) * 11 / 10 + 2 * period;
            assert!(sum <= most, "thread {tid}: {sum} ns in {} ns", last - first);
        }
    }

    /// The number of processes other than `parent` that burned for long, and for a moment.
    pub(crate) fn lives(&self, parent: u32) -> (usize, usize) {
        let mut lives: BTreeMap<u32, Duration> = BTreeMap::new();
        for sample in self.samples().iter().filter(|sample| sample.pid != parent) {
            *lives.entry(sample.pid).or_default() += Duration::from_nanos(sample.weight);
        }
        let long = lives.values().filter(|&&life| life > Duration::from_millis(50)).count();
        (long, lives.len() - long)
    }
}
