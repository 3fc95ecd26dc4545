//! Spike windows: when was the target slow, and which functions ran then more than otherwise?
//!
//! A window is a run of intervals whose response p99 or lateness p99 exceeds a threshold. A
//! function is over-represented if its share of the samples inside is larger than outside, by more
//! than chance (G-test, Fisher's exact test for small counts) and after Benjamini and Hochberg's
//! correction for the many functions. Samples of one spike are not quite independent: a function
//! that stands out in a single window deserves a second run.

use std::ops::Range;

use uringbench_core::record::Interval;
use uringbench_core::statistics::distribution::{chi_squared_tail, ln_factorial, normal_quantile};
use uringbench_core::statistics::multiple_testing::benjamini_hochberg;
use uringbench_core::statistics::{Estimate, median};
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_core::window::Phase;

/// Without a threshold, an interval is a spike above this many times the median of all p99s …
const USUAL_TIMES: f64 = 3.0;
/// … and this minimum: the scheduler causes shorter delays to any thread now and then.
const THRESHOLD_MIN: Nanos = Nanos::MILLISECOND;
/// With fewer samples inside, nothing is reported: with 30, a share of 50 % is known within 18
/// points.
const SPIKE_SAMPLES_MIN: u64 = 30;
/// With fewer samples outside, nothing is reported. A server that is idle between its spikes has
/// few, and Fisher's test is exact for any number.
const OTHER_SAMPLES_MIN: u64 = 5;
/// Below these expected counts the curve of the G-test is not trusted (Cochran 1954).
const EXPECTED_MIN: f64 = 5.0;
/// The expected share of false positives among the functions reported as over-represented.
const FALSE_SHARE: f64 = 0.05;

/// The spikes of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct SpikeWindows {
    /// The threshold.
    pub threshold: Nanos,
    /// The times above it, neighbours merged, in order.
    pub windows: Vec<Range<Timestamp>>,
    /// The part of the measured window they cover.
    pub extent: Extent,
}

/// The part of a run that is spikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// No interval of the measured window has a response time or a lateness.
    Unmeasured,
    /// No interval exceeds the threshold.
    Nowhere,
    /// Some intervals do, others do not: the two can be compared.
    Somewhere,
    /// All do: there is nothing to compare with; the threshold is too low.
    Everywhere,
}

/// The parts of the measured window in which the response p99 or the lateness p99 of an interval
/// exceeds `threshold`, each from the due time of its slow responses; without a threshold, three
/// times the median of the response p99s and at least 1 ms. `start` is the start of the run's first
/// phase.
pub fn windows(intervals: &[Interval], start: Timestamp, threshold: Option<Nanos>) -> SpikeWindows {
    let worst = |interval: &Interval| {
        interval.response.map(|response| response.p99).max(interval.lateness_p99)
    };
    let measured: Vec<(&Interval, u64)> = intervals
        .iter()
        .filter(|interval| interval.phase == Phase::Measure)
        .filter_map(|interval| Some((interval, worst(interval)?)))
        .collect();
    let threshold = threshold.unwrap_or_else(|| {
        let responses = measured.iter().filter_map(|(interval, _)| interval.response);
        let mut usual: Vec<f64> = responses.map(|response| response.p99 as f64).collect();
        let usual = median(&mut usual).unwrap_or(0.0);
        Nanos((usual * USUAL_TIMES) as u64).max(THRESHOLD_MIN)
    });
    let mut windows: Vec<Range<Timestamp>> = Vec::new();
    let mut exceeding = 0;
    let first = measured.first().map_or(start, |(interval, _)| start + interval.start);
    for (interval, _) in measured.iter().filter(|(_, worst)| *worst > threshold.0) {
        exceeding += 1;
        // Its slow responses were due earlier by the time they took: a target that stalls is slow
        // during the stall, not when it answers again.
        let took = interval.response.map_or(0, |response| response.p99);
        let before = Nanos(if took > threshold.0 { took } else { 0 });
        let begun = start + interval.start;
        let mut from = (begun - before.min(begun.since(start))).max(first);
        while let Some(last) = windows.pop_if(|last| last.end >= from) {
            from = from.min(last.start);
        }
        windows.push(from..begun + interval.length);
    }
    let extent = match exceeding {
        _ if measured.is_empty() => Extent::Unmeasured,
        0 => Extent::Nowhere,
        all if all == measured.len() => Extent::Everywhere,
        _ => Extent::Somewhere,
    };
    SpikeWindows { threshold, windows, extent }
}

/// Samples with a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionCount<'a> {
    /// The function.
    pub function: &'a str,
    /// Samples inside the spikes; at most the total's.
    pub spike: u64,
    /// Samples outside; at most the total's.
    pub other: u64,
}

/// All samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleTotals {
    /// Inside the spikes.
    pub spike: u64,
    /// Outside.
    pub other: u64,
}

/// A function inside spikes compared with outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Contrast {
    /// The function.
    pub function: String,
    /// Its share of the samples inside, 0 to 1.
    pub spike_share: f64,
    /// Its share outside.
    pub other_share: f64,
    /// The ratio of the two with its 95 % interval (half a sample is added to each count, so that
    /// functions never seen outside have one).
    pub ratio: Estimate,
    /// The probability of such a difference by chance.
    pub p: f64,
    /// The same, adjusted for all comparisons.
    pub adjusted: f64,
}

impl Contrast {
    /// Whether it is over-represented in the spikes; 5 % of such results are expected to be chance.
    pub fn is_over_represented(&self) -> bool {
        self.adjusted <= FALSE_SHARE && self.spike_share > self.other_share
    }
}

/// The outcome of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Contrasts {
    /// Too few samples inside or outside to compare shares.
    TooFew,
    /// Every function, the largest excess of share inside the spikes first.
    Compared(Vec<Contrast>),
}

/// Compare every function's share inside spikes with its share outside.
pub fn contrast(counts: &[FunctionCount<'_>], totals: SampleTotals) -> Contrasts {
    if totals.spike < SPIKE_SAMPLES_MIN || totals.other < OTHER_SAMPLES_MIN {
        return Contrasts::TooFew;
    }
    let tables: Vec<Table> = counts.iter().map(|count| Table::new(count, totals)).collect();
    let p_values: Vec<f64> = tables.iter().map(Table::p).collect();
    let adjusted = benjamini_hochberg(&p_values);
    let mut contrasts: Vec<Contrast> = (counts.iter().zip(&tables))
        .zip(p_values.into_iter().zip(adjusted))
        .map(|((count, table), (p, adjusted))| Contrast {
            function: count.function.to_owned(),
            spike_share: count.spike as f64 / totals.spike as f64,
            other_share: count.other as f64 / totals.other as f64,
            ratio: table.ratio(),
            p,
            adjusted,
        })
        .collect();
    let excess = |contrast: &Contrast| contrast.spike_share - contrast.other_share;
    contrasts.sort_by(|a, b| excess(b).total_cmp(&excess(a)));
    Contrasts::Compared(contrasts)
}

/// Samples with and without a function, inside and outside.
struct Table {
    cells: [[u64; 2]; 2],
}

impl Table {
    fn new(count: &FunctionCount<'_>, totals: SampleTotals) -> Self {
        let rest = |total: u64, with: u64| total.saturating_sub(with);
        let with = [count.spike.min(totals.spike), count.other.min(totals.other)];
        Self { cells: [with, [rest(totals.spike, with[0]), rest(totals.other, with[1])]] }
    }

    fn row(&self, index: usize) -> u64 {
        self.cells[index].iter().sum()
    }

    fn column(&self, index: usize) -> u64 {
        self.cells[0][index] + self.cells[1][index]
    }

    fn p(&self) -> f64 {
        let total = (self.row(0) + self.row(1)) as f64;
        let expected = |i: usize, j: usize| self.row(i) as f64 * self.column(j) as f64 / total;
        let places = [(0, 0), (0, 1), (1, 0), (1, 1)];
        let least = places.iter().map(|&(i, j)| expected(i, j)).fold(f64::INFINITY, f64::min);
        if least < EXPECTED_MIN {
            return self.fisher();
        }
        let term = |&(i, j): &(usize, usize)| {
            let seen = self.cells[i][j] as f64;
            if seen > 0.0 { seen * (seen / expected(i, j)).ln() } else { 0.0 }
        };
        chi_squared_tail(2.0 * places.iter().map(term).sum::<f64>())
    }

    /// Fisher's exact test, two-sided: all tables with these sums that are not more likely.
    fn fisher(&self) -> f64 {
        let (row, spike) = (self.row(0), self.column(0));
        let total = row + self.row(1);
        let choose = |n: u64, k: u64| ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k);
        let all = choose(total, row);
        let likelihood = |k: u64| (choose(spike, k) + choose(total - spike, row - k) - all).exp();
        let observed = likelihood(self.cells[0][0]) * (1.0 + 1e-7);
        let least = (row + spike).saturating_sub(total);
        (least..=row.min(spike)).map(likelihood).filter(|p| *p <= observed).sum::<f64>().min(1.0)
    }

    /// The ratio of shares on the scale of its logarithm (Katz et al. 1978), with Walter's half.
    fn ratio(&self) -> Estimate {
        let with = [0, 1].map(|j| self.cells[0][j] as f64 + 0.5);
        let all = [0, 1].map(|j| self.column(j) as f64 + 0.5);
        let value = (with[0] / all[0] / (with[1] / all[1])).ln();
        let variance = 1.0 / with[0] - 1.0 / all[0] + 1.0 / with[1] - 1.0 / all[1];
        let half = normal_quantile(0.025) * variance.max(0.0).sqrt();
        Estimate { value, low: value - half, high: value + half }.map(f64::exp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uringbench_core::record::IntervalQuantiles;
    use uringbench_core::statistics::random::Random;

    const START: Timestamp = Timestamp(1_000);

    fn interval(second: u64, phase: Phase, p99_ms: Option<u64>) -> Interval {
        let quantiles = |ms: u64| IntervalQuantiles { p50: 1, p99: ms * 1_000_000, max: u64::MAX };
        Interval {
            start: Nanos::from_secs(second),
            length: Nanos::SECOND,
            phase,
            released: 0,
            completed: 0,
            errors: 0,
            outcomes: [0; 9],
            in_flight: 0,
            connected: 0,
            response: p99_ms.map(quantiles),
            lateness_p99: None,
            sent_bytes: 0,
            received_bytes: 0,
        }
    }

    fn measured(p99s_ms: &[u64]) -> Vec<Interval> {
        let at = |(second, p99): (u64, &u64)| interval(second, Phase::Measure, Some(*p99));
        (0..).zip(p99s_ms).map(at).collect()
    }

    fn seconds(from: u64, to: u64) -> Range<Timestamp> {
        millis(from * 1_000, to * 1_000)
    }

    fn millis(from: u64, to: u64) -> Range<Timestamp> {
        START + Nanos::from_millis(from)..START + Nanos::from_millis(to)
    }

    #[test]
    fn neighbouring_spikes_are_one_window_and_other_phases_are_none() {
        let mut intervals = measured(&[90, 2, 9, 9, 2, 2, 2, 9, 2]);
        intervals[0].phase = Phase::Warmup;
        intervals.push(interval(9, Phase::Drain, Some(900)));
        let spikes = windows(&intervals, START, None);
        assert_eq!(spikes.threshold, Nanos::from_millis(6));
        assert_eq!(spikes.windows, [millis(1_991, 4_000), millis(6_991, 8_000)]);
        assert_eq!(spikes.extent, Extent::Somewhere);
    }

    #[test]
    fn lateness_alone_makes_a_spike_and_a_threshold_is_obeyed() {
        let mut intervals = measured(&[2, 2, 2, 2]);
        intervals[1].lateness_p99 = Some(50_000_000);
        assert_eq!(windows(&intervals, START, None).windows, [seconds(1, 2)]);
        let all = windows(&intervals, START, Some(Nanos::MILLISECOND));
        assert_eq!((all.windows, all.extent), (vec![seconds(0, 4)], Extent::Everywhere));
    }

    #[test]
    fn a_spike_reaches_back_to_when_its_slow_responses_were_due() {
        let mut intervals = measured(&[1, 1, 1, 1_500, 1, 1, 2_500, 1]);
        intervals[0].phase = Phase::Warmup;
        assert_eq!(windows(&intervals, START, None).windows, [millis(1_500, 7_000)]);
        intervals[6].response = None;
        assert_eq!(windows(&intervals, START, None).windows, [millis(1_500, 4_000)]);
        intervals[3].response = Some(IntervalQuantiles { p50: 1, p99: 60_000_000_000, max: 0 });
        let found = windows(&intervals, START, None).windows;
        assert_eq!(found, [millis(1_000, 4_000)], "never before the window that is measured");
    }

    #[test]
    fn no_spikes_and_nothing_measured_are_told_apart() {
        let calm = windows(&measured(&[2, 3, 2, 3]), START, None);
        assert_eq!((calm.windows.len(), calm.extent), (0, Extent::Nowhere));
        // Ten times a median of 20 µs is still not a spike.
        let mut fast = measured(&[0, 0, 0]);
        fast[1].response = Some(IntervalQuantiles { p50: 1, p99: 200_000, max: 1 });
        assert_eq!(windows(&fast, START, None).extent, Extent::Nowhere);
        let silent = [interval(0, Phase::Measure, None)];
        assert_eq!(windows(&silent, START, None).extent, Extent::Unmeasured);
    }

    /// R: fisher.test(matrix(c(3, 1, 1, 3), 2)) and Fisher's tea: 0.4857; G by hand.
    #[test]
    fn small_tables_are_counted_out_and_large_ones_use_g() {
        let tea = Table { cells: [[3, 1], [1, 3]] };
        assert!((tea.fisher() - 34.0 / 70.0).abs() < 1e-9, "{}", tea.fisher());
        let even = Table { cells: [[50, 50], [50, 50]] };
        assert_eq!(even.p(), 1.0);
        let large = Table { cells: [[60, 40], [40, 60]] };
        // G = 2 (2 · 60 ln 1.2 + 2 · 40 ln 0.8) = 8.0543; the tail of chi-squared there.
        assert!((large.p() - 0.004_541).abs() < 2e-5, "{}", large.p());
        assert!((large.fisher() - large.p()).abs() < 0.003, "{}", large.fisher());
    }

    #[test]
    fn the_function_behind_the_spikes_is_named_with_its_ratio() {
        let counts = [
            FunctionCount { function: "handle", spike: 300, other: 3_100 },
            FunctionCount { function: "collect_garbage", spike: 120, other: 100 },
            FunctionCount { function: "compact", spike: 9, other: 0 },
        ];
        let compared = contrast(&counts, SampleTotals { spike: 500, other: 5_000 });
        let Contrasts::Compared(contrasts) = compared else { panic!("{compared:?}") };
        assert_eq!(contrasts[0].function, "collect_garbage");
        assert!(contrasts[0].is_over_represented() && contrasts[0].ratio.covers(12.0));
        assert!(contrasts[1].function == "compact" && contrasts[1].is_over_represented());
        assert!(!contrasts[2].is_over_represented(), "{contrasts:?}");
        let few = contrast(&counts, SampleTotals { spike: 12, other: 5_000 });
        assert_eq!(few, Contrasts::TooFew);
    }

    #[test]
    fn a_server_that_idles_between_its_spikes_has_the_function_named() {
        let of = |spike, other| FunctionCount { function: "compute", spike, other };
        let (spike, other) = (618, 27);
        let Contrasts::Compared(contrasts) = contrast(&[of(600, 3)], SampleTotals { spike, other })
        else {
            panic!("27 samples elsewhere are enough");
        };
        assert!(contrasts[0].is_over_represented());
        let least = SampleTotals { spike: 30, other: 5 };
        let Contrasts::Compared(contrasts) = contrast(&[of(30, 0)], least) else {
            panic!("5 samples elsewhere are enough");
        };
        assert!(contrasts[0].is_over_represented());
        assert_eq!(contrast(&[of(30, 0)], SampleTotals { spike: 30, other: 4 }), Contrasts::TooFew);
    }

    fn draw(random: &mut Random, samples: u32, share: f64) -> u64 {
        (0..samples).map(|_| u64::from(random.unit() < share)).sum()
    }

    /// 40 functions without any difference: how often is at least one reported as over-represented?
    #[test]
    fn chance_is_rarely_called_a_cause_and_a_cause_is_found() {
        let mut random = Random::new(21);
        let totals = SampleTotals { spike: 200, other: 2_000 };
        let (mut false_runs, mut found, mut covered) = (0, 0, 0);
        for _ in 0..300 {
            let mut function = |share: f64, times: f64| FunctionCount {
                function: if times > 1.0 { "cause" } else { "f" },
                spike: draw(&mut random, 200, share * times),
                other: draw(&mut random, 2_000, share),
            };
            let chance: Vec<_> = (0..40).map(|i| function(0.2 / f64::from(i + 1), 1.0)).collect();
            let Contrasts::Compared(none) = contrast(&chance, totals) else { panic!("enough") };
            false_runs += u32::from(none.iter().any(Contrast::is_over_represented));
            let mut with = chance;
            with.push(function(0.05, 4.0));
            let Contrasts::Compared(some) = contrast(&with, totals) else { panic!("enough") };
            let cause = some.iter().find(|contrast| contrast.function == "cause").unwrap();
            found += u32::from(cause.is_over_represented());
            covered += u32::from(cause.ratio.covers(4.0));
        }
        println!("false {false_runs}, found {found}, covered {covered} of 300");
        assert!(false_runs <= 18 && found >= 285 && covered >= 276);
    }
}
