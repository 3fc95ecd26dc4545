//! From a series to a verdict: the slope with its interval, and the conclusion.
//!
//! LEAK needs the whole interval above the floor and evidence against every curve that only slows
//! down; NO LEAK needs the whole interval below the floor; anything else is INCONCLUSIVE, with the
//! time that would have been enough. The interval holds under autocorrelation (Sen's, with the
//! effective number of windows) and is widened by the drops that the windows cannot see.

use std::ops::Range;

use uringbench_core::statistics::Estimate;
use uringbench_core::statistics::distribution::t_quantile;
use uringbench_core::statistics::trend::{SlopeRule, theil_sen_within};

use super::envelope::{Envelope, envelope};
use super::least_squares::Fit;
use super::rises::Rises;
use super::shape::{Explained, Late, Rival, explain, shares};
use super::wording::{Doubt, longer, reason};
use super::{Axis, LeakResult, LeakVerdict, Point, ResourceSeries, ResourceUnit, Rules, Shape};

const CONFIDENCE: f64 = 0.95;
/// With fewer readings or windows, the result is INCONCLUSIVE.
const READINGS_MIN: usize = 16;
const WINDOWS_MIN: usize = 8;
/// With fewer changes of a value, their size may be chance.
const CHANGES_MIN: usize = 3;
/// Twice the logarithm by which a line must beat every curve that only slows down.
const EVIDENCE: f64 = 4.0;
/// The same for seconds compared with requests.
const EVIDENCE_AXIS: f64 = 10.0;
/// Half an interval of 95 %, times this, is the smallest slope that is detected with 95 % power:
/// (1.960 + 1.645) / 1.960.
const POWER: f64 = 1.84;
/// A run that could not decide is repeated so many times longer at least; one whose growth slowed
/// down has only its last third for a slope.
const LONGER: f64 = 1.5;
const SLOWING_LONGER: f64 = 2.5;
/// The length to ask for when a run was too short to estimate it.
const RUN_MINUTES: f64 = 5.0;

/// Compute the verdict on one resource. Any series has one; if it is too short, INCONCLUSIVE.
pub fn judge(series: &ResourceSeries, rules: &Rules) -> LeakResult {
    let points = &series.points;
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return unknown(0.0, rules);
    };
    let span_s = last.t_s - first.t_s;
    let requests = last.requests.saturating_sub(first.requests) as f64;
    if points.len() < READINGS_MIN || span_s <= 0.0 {
        return unknown(span_s, rules);
    }
    let run = Run { points, rules, span_s, per_hour: requests / (span_s / 3_600.0) };
    let by_hours = run.study(Axis::Hours);
    let by_requests = (requests > 0.0).then(|| run.study(Axis::Requests)).flatten();
    let study = match (by_requests, by_hours) {
        (Some(requests), Some(hours)) if hours.is_better_than(&requests) => hours,
        (Some(requests), _) => requests,
        (None, Some(hours)) => hours,
        (None, None) => return unknown(span_s, rules),
    };
    run.result(&study)
}

struct Run<'a> {
    points: &'a [Point],
    rules: &'a Rules,
    span_s: f64,
    /// Requests per hour.
    per_hour: f64,
}

/// A series against one axis.
struct Study {
    axis: Axis,
    envelope: Envelope,
    explained: Explained,
    slope: Estimate,
    /// The first window used for the slope.
    cut: usize,
    /// The length of the axis from there.
    reach: f64,
    /// One quantum over that.
    grain: f64,
}

impl Study {
    fn is_better_than(&self, other: &Self) -> bool {
        let squares = |study: &Self| study.explained.fit.squares + f64::MIN_POSITIVE;
        let effective = self.explained.effective.min(other.explained.effective);
        effective * (squares(other) / squares(self)).ln() > EVIDENCE_AXIS
    }
}

impl Run<'_> {
    fn study(&self, axis: Axis) -> Option<Study> {
        let envelope = envelope(self.points, axis);
        if envelope.y.len() < WINDOWS_MIN {
            return None;
        }
        let explained = explain(&envelope, self.rules.quantum)?;
        let n = envelope.y.len();
        let stretches = stretches(&explained, n);
        let cut = stretches[0].start;
        let reach = envelope.x[n - 1] - envelope.x[cut];
        let shares = shares(&envelope.x)?;
        let settled: Vec<f64> = (shares.iter().zip(&envelope.y))
            .map(
                |(&share, y)| {
                    if explained.is_slowing { *y } else { y - explained.transient(share) }
                },
            )
            .collect();
        let used: usize = stretches.iter().map(Range::len).sum();
        let effective = explained.effective * used as f64 / n as f64;
        let rule = SlopeRule { confidence: CONFIDENCE, effective };
        let slope = theil_sen_within(&stretches, &envelope.x, &settled, rule)?;
        let grain = observed_quantum(self.points, self.rules.quantum) / reach;
        let unseen = envelope.unseen_drop / reach + grain;
        let slope = widened(slope, &explained, &envelope, unseen);
        Some(Study { axis, envelope, explained, slope, cut, reach, grain })
    }

    fn result(&self, study: &Study) -> LeakResult {
        let slope = study.slope;
        let floor = self.rules.floor(study.axis, self.per_hour);
        let half = (slope.high - slope.low) / 2.0;
        let smallest_detectable = (half * POWER).max(study.grain);
        let shape = shape(study);
        let (verdict, doubt) = self.verdict(study, floor, smallest_detectable);
        let to_hours = |value: f64| match study.axis {
            Axis::Hours => value,
            Axis::Requests => value * self.per_hour,
        };
        let per_request = (self.per_hour > 0.0).then(|| match study.axis {
            Axis::Requests => slope,
            Axis::Hours => slope.map(|value| value / self.per_hour),
        });
        let per_hour = slope.map(to_hours);
        let last = study.envelope.y[study.envelope.y.len() - 1];
        let left = self.rules.limit.map(|limit| (limit - last).max(0.0) / per_hour.value);
        let mut result = LeakResult {
            verdict,
            axis: study.axis,
            rate: (study.axis == Axis::Requests).then_some(self.per_hour / 3_600.0),
            per_request,
            per_hour,
            smallest_detectable,
            floor,
            warmup_cut_s: study.envelope.t_s[study.cut] - study.envelope.t_s[0],
            shape,
            windows: study.envelope.y.len() - study.cut,
            window_s: study.envelope.window_s,
            hours_to_limit: left.filter(|hours| hours.is_finite() && per_hour.value > 0.0),
            reason: String::new(),
        };
        result.reason = match doubt {
            Some(doubt) => doubt.reason(&result, self.rules.heap),
            None => reason(&result, self.rules.unit, slope),
        };
        result
    }

    /// Why growth above the floor is not yet evidence.
    fn doubt(&self, study: &Study) -> Option<Doubt> {
        if self.rules.unit != ResourceUnit::Bytes {
            return None;
        }
        let level = study.envelope.y[study.cut];
        let least = self.rules.heap.least_growth(level);
        let grown = study.slope.value * study.reach;
        if least.is_infinite() {
            return Some(Doubt::HeapToItsLimit { grown });
        }
        if grown < least {
            return Some(Doubt::Little { grown, least });
        }
        let rises = Rises::of(self.points, study.envelope.t_s[study.cut]);
        (!rises.are_a_line()).then_some(Doubt::Lumps { grown, rises })
    }

    fn verdict(
        &self,
        study: &Study,
        floor: f64,
        smallest_detectable: f64,
    ) -> (LeakVerdict, Option<Doubt>) {
        let slope = study.slope;
        let explained = &study.explained;
        if slope.low > floor && !explained.is_slowing && explained.over_slowing >= EVIDENCE {
            let Some(doubt) = self.doubt(study) else { return (LeakVerdict::Leak, None) };
            let minutes = self.span_s / 60.0;
            let needs_minutes = match doubt {
                Doubt::Little { grown, least } => (minutes * (least / grown - 1.0)).max(1.0).ceil(),
                Doubt::HeapToItsLimit { .. } => f64::INFINITY,
                Doubt::Lumps { .. } => minutes.max(1.0).ceil(),
            };
            return (LeakVerdict::Inconclusive { needs_minutes }, Some(doubt));
        }
        // A jump could be a leak that grows by large pieces, as long as it was seen only once.
        let step = match explained.late {
            Late::Step(at) if study.cut < at => explained.fit.coefficients[2] / study.reach,
            _ => 0.0,
        };
        if slope.high.max(slope.value + step) <= floor {
            let below = slope.high.max(smallest_detectable).min(floor);
            return (LeakVerdict::NoLeak { below }, None);
        }
        // An interval narrows with the run's length to the power of 3/2: by the number of windows,
        // and by the length of the axis.
        let half = (slope.high - slope.low) / 2.0 + step.abs();
        let distance = (slope.value - floor).abs().max(floor / 4.0);
        let least = if explained.is_slowing { SLOWING_LONGER } else { LONGER };
        let longer = (half / distance).powf(2.0 / 3.0).clamp(least, 20.0);
        // A heap's growth must also be more than a healthy one's.
        let normal = self.rules.heap.least_growth(study.envelope.y[study.cut]);
        let grown = (slope.value * study.reach).max(1.0);
        let beyond = if slope.value > floor && normal.is_finite() { normal / grown } else { 0.0 };
        let longer = longer.max(beyond.min(100.0));
        let needs_minutes = (self.span_s / 60.0 * (longer - 1.0)).max(1.0).ceil();
        (LeakVerdict::Inconclusive { needs_minutes }, None)
    }
}

/// The ranges of windows used for the slope; the first begins at the end of the warm-up.
fn stretches(explained: &Explained, n: usize) -> Vec<Range<usize>> {
    if explained.is_slowing {
        return std::iter::once(n - (n / 3).max(3)..n).collect();
    }
    match explained.late {
        Late::Line => std::iter::once(0..n).collect(),
        Late::Step(at) if at > n / 2 => vec![0..at, at..n],
        Late::Step(at) | Late::Knee(at) => std::iter::once(at..n).collect(),
        Late::Transient(decay) => {
            let settled = (2.0 * decay).min(0.5) * n as f64;
            std::iter::once(settled as usize..n).collect()
        }
    }
}

/// Sen's interval, widened by its unknowns: how long a transient or a warm-up lasted, and the drops
/// that the windows do not see. If Sen's is unbounded (too few independent windows for ranks), the
/// least-squares interval is used.
fn widened(slope: Estimate, explained: &Explained, envelope: &Envelope, unseen: f64) -> Estimate {
    let Estimate { value, mut low, mut high } = slope;
    let by_fit = |fit: &Fit| half_by_fit(fit, explained.effective, envelope);
    if !low.is_finite() {
        let half = by_fit(&explained.fit);
        (low, high) = (value - half, value + half);
    }
    if !explained.is_slowing {
        let span = envelope.x[envelope.x.len() - 1] - envelope.x[0];
        for Rival { fit, leeway } in &explained.rivals {
            let (theirs, half) = (fit.coefficients[1] / span, by_fit(fit) * leeway);
            low = low.min(theirs - half);
            high = high.max(theirs + half);
        }
    }
    Estimate { value, low: low - unseen, high: high + unseen }
}

/// Half the least-squares interval of the slope, for this number of independent windows.
fn half_by_fit(fit: &Fit, effective: f64, envelope: &Envelope) -> f64 {
    let n = envelope.y.len() as f64;
    let degrees = (effective - 2.0).max(1.0);
    // The variance of the residuals and of the slope, both for `effective` in place of n windows.
    let variance = fit.squares / n * effective / degrees * fit.slope_variance * (n / effective);
    let span = envelope.x[envelope.x.len() - 1] - envelope.x[0];
    t_quantile((1.0 - CONFIDENCE) / 2.0, degrees) * variance.sqrt() / span
}

/// The smallest change between neighbouring readings, which is the step of the resource; that of
/// the rules if there are too few changes or theirs is larger.
fn observed_quantum(points: &[Point], quantum: f64) -> f64 {
    let changes = points.windows(2).map(|pair| (pair[1].value - pair[0].value).abs());
    let mut changes: Vec<f64> = changes.filter(|change| *change > 0.0).collect();
    changes.sort_unstable_by(f64::total_cmp);
    if changes.len() < CHANGES_MIN { quantum } else { changes[0].max(quantum) }
}

fn shape(study: &Study) -> Shape {
    let explained = &study.explained;
    let is_level = study.slope.covers(0.0);
    match explained.late {
        _ if explained.is_slowing => Shape::Saturating { plateau: explained.plateau },
        Late::Step(at) if study.cut < at => Shape::Step { height: explained.fit.coefficients[2] },
        _ if is_level => Shape::Flat,
        _ => Shape::Linear,
    }
}

/// The verdict on a series that is too short.
fn unknown(span_s: f64, rules: &Rules) -> LeakResult {
    let nothing = Estimate { value: 0.0, low: f64::NEG_INFINITY, high: f64::INFINITY };
    let needs_minutes = (RUN_MINUTES - span_s / 60.0).max(1.0).ceil();
    LeakResult {
        verdict: LeakVerdict::Inconclusive { needs_minutes },
        axis: Axis::Hours,
        rate: None,
        per_request: None,
        per_hour: nothing,
        smallest_detectable: f64::INFINITY,
        floor: rules.floor_per_hour,
        warmup_cut_s: 0.0,
        shape: Shape::Flat,
        windows: 0,
        window_s: 0.0,
        hours_to_limit: None,
        reason: format!(
            "too few readings ({span_s:.0} s) for a slope: {}",
            longer(needs_minutes, None)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uringbench_core::statistics::random::Random;

    /// A reading per second; `at` gives requests and value for each.
    fn series(seconds: u32, at: impl Fn(f64) -> (f64, f64)) -> ResourceSeries {
        let point = |second: u32| {
            let (requests, value) = at(f64::from(second));
            Point { t_s: f64::from(second), requests: requests as u64, value }
        };
        ResourceSeries { points: (0..seconds).map(point).collect() }
    }

    fn pages(bytes: f64) -> f64 {
        (bytes / 4_096.0).ceil() * 4_096.0
    }

    #[test]
    fn a_plain_leak_is_called_measured_and_given_a_time_to_the_limit() {
        let leaking = series(300, |t| (t * 1e4, pages(2e7 + 64.0 * t * 1e4)));
        let rules = Rules { limit: Some(1e9), ..Rules::BYTES };
        let result = judge(&leaking, &rules);
        assert_eq!((result.verdict, result.shape), (LeakVerdict::Leak, Shape::Linear));
        let per_request = result.per_request.unwrap();
        assert!(per_request.covers(64.0) && (per_request.value - 64.0).abs() < 1.0);
        // 788 MB left at 2.3 GB per hour.
        let hours = result.hours_to_limit.unwrap();
        assert!((hours - 0.34).abs() < 0.01, "{hours}");
        assert!(result.smallest_detectable < 2.0 && result.warmup_cut_s < 20.0, "{result:?}");
        assert!(result.reason.starts_with("it grows steadily by 64"), "{}", result.reason);
    }

    #[test]
    fn a_flat_target_has_no_leak_above_what_the_run_could_see() {
        let result = judge(&series(300, |t| (t * 1e4, 5e7)), &Rules::BYTES);
        let LeakVerdict::NoLeak { below } = result.verdict else { panic!("{result:?}") };
        assert!(below > 0.0 && below < 0.01, "{below}");
        assert_eq!((result.shape, result.hours_to_limit), (Shape::Flat, None));
    }

    #[test]
    fn an_idle_target_is_judged_by_the_hour() {
        let idle = judge(&series(600, |_| (0.0, 5e7)), &Rules::BYTES);
        assert!(matches!(idle.verdict, LeakVerdict::NoLeak { .. }), "{idle:?}");
        assert_eq!((idle.axis, idle.per_request, idle.floor), (Axis::Hours, None, 1e6));
        let mut random = Random::new(3);
        let noises: Vec<f64> = (0..300).map(|_| 2e5 * random.normal()).collect();
        let noisy = judge(&series(300, |t| (0.0, pages(5e7 + noises[t as usize]))), &Rules::BYTES);
        assert_ne!(noisy.verdict, LeakVerdict::Leak, "{noisy:?}");
        let timer = judge(&series(600, |t| (0.0, pages(5e7 + 1e4 * t))), &Rules::BYTES);
        assert_eq!(timer.verdict, LeakVerdict::Leak, "{timer:?}");
        assert!(timer.per_hour.covers(3.6e7));
    }

    #[test]
    fn growth_by_the_clock_under_changing_load_is_judged_by_the_hour() {
        // Load in bursts; growth of 36 MB per hour all the time, 0.9 bytes per request on average.
        let bursts = |t: f64| 20.0 * (t / 60.0).floor() * 1e4 + (t % 60.0).min(20.0) * 1e4;
        let result = judge(&series(1_800, |t| (bursts(t), pages(5e7 + 1e4 * t))), &Rules::BYTES);
        assert_eq!((result.axis, result.verdict), (Axis::Hours, LeakVerdict::Leak), "{result:?}");
        let result =
            judge(&series(1_800, |t| (bursts(t), pages(5e7 + 64.0 * bursts(t)))), &Rules::BYTES);
        assert_eq!(
            (result.axis, result.verdict),
            (Axis::Requests, LeakVerdict::Leak),
            "{result:?}"
        );
        assert!(result.per_request.unwrap().covers(64.0), "{result:?}");
    }

    #[test]
    fn descriptors_and_threads_have_their_own_floor() {
        let leaking = series(300, |t| (t * 1e3, 20.0 + (t * 1e3 / 2_000.0).floor()));
        let result = judge(&leaking, &Rules::DESCRIPTORS);
        assert_eq!(result.verdict, LeakVerdict::Leak, "{result:?}");
        assert!(result.per_request.unwrap().covers(1.0 / 2_000.0), "{result:?}");
        // Connections opened as the load starts, and no more.
        let opened = series(300, |t| (t * 1e3, if t < 3.0 { 20.0 } else { 84.0 }));
        assert!(matches!(judge(&opened, &Rules::THREADS).verdict, LeakVerdict::NoLeak { .. }));
    }

    #[test]
    fn warm_up_is_cut_and_a_full_cache_has_a_plateau() {
        let warm = series(300, |t| (t * 1e4, pages(2e7 + 2e8 * (t / 60.0).min(1.0))));
        let result = judge(&warm, &Rules::BYTES);
        assert!(matches!(result.verdict, LeakVerdict::NoLeak { .. }), "{result:?}");
        assert!((45.0..80.0).contains(&result.warmup_cut_s), "{result:?}");
        let filling = series(300, |t| (t * 1e4, pages(2e7 + 4e8 * (1.0 - (-t / 90.0).exp()))));
        let result = judge(&filling, &Rules::BYTES);
        let Shape::Saturating { plateau: Some(plateau) } = result.shape else {
            panic!("{result:?}")
        };
        assert!((plateau / 4.2e8 - 1.0).abs() < 0.05, "{plateau}");
        assert!(matches!(result.verdict, LeakVerdict::Inconclusive { .. }), "{result:?}");
    }

    #[test]
    fn too_short_is_inconclusive_and_nothing_panics() {
        for points in [0, 1, 2, 15, 20, 40] {
            let result = judge(&series(points, |t| (t * 10.0, 1e6 * t)), &Rules::BYTES);
            let needs = match result.verdict {
                LeakVerdict::Inconclusive { needs_minutes } => needs_minutes,
                _ => 1.0,
            };
            assert!(needs >= 1.0 && needs.is_finite() && !result.reason.is_empty());
        }
        let stuck =
            ResourceSeries { points: vec![Point { t_s: 1.0, requests: 5, value: 3.0 }; 50] };
        assert!(matches!(judge(&stuck, &Rules::BYTES).verdict, LeakVerdict::Inconclusive { .. }));
    }
}
