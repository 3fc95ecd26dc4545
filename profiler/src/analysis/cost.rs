//! The cost of a request for the target, by the kernel's accounts: key `cost`. No samples are
//! needed, so a run that takes none has no cost of its own.

use std::ops::Range;

use uringbench_core::statistics::autocorrelation::{effective, lag_one};
use uringbench_core::statistics::bootstrap::{Resampling, ratio_interval};
use uringbench_core::statistics::trend::{SlopeRule, theil_sen};
use uringbench_core::statistics::{deviation, mean};
use uringbench_core::time::Timestamp;
use uringbench_document::cost::CostFigures;
use uringbench_document::target::{CountersPerRequest, Interval95};
use uringbench_document::timeline::columns::TimelineDocument;

use super::LoadRecord;
use super::build::SEED;

/// Fewest rows on which an interval can rest.
pub const ROWS_MIN: usize = 5;
const CONFIDENCE: f64 = 0.95;

/// The cost in the measured window of a load, whose start is the origin of the timeline. `None`
/// with fewer than [`ROWS_MIN`] rows of the timeline in it, or without requests or CPU time.
pub fn cost(
    timeline: &TimelineDocument,
    load: &LoadRecord<'_>,
    counters: Option<&CountersPerRequest>,
) -> Option<CostFigures> {
    let measured = load.windows.measured()?;
    let since = |at: Timestamp| at.since(load.start).as_secs_f64();
    let window = since(measured.start)..since(measured.end);
    within(timeline, window, counters, rustix::param::page_size() as f64)
}

/// The cost over the rows that lie within a window, in seconds on the axis of the timeline; `page`
/// is the size of a page in bytes.
fn within(
    timeline: &TimelineDocument,
    window: Range<f64>,
    counters: Option<&CountersPerRequest>,
    page: f64,
) -> Option<CostFigures> {
    let rows = Rows::inside(timeline, window);
    if rows.lengths.len() < ROWS_MIN {
        return None;
    }
    let target = &timeline.target;
    let seconds: f64 = rows.lengths.iter().sum();
    let requests = rows.amounts(&timeline.load.completed_per_s)?;
    let user = rows.amounts(&target.cpu_user)?;
    let system = rows.amounts(&target.cpu_system)?;
    let cpu_us: Vec<f64> = user.iter().zip(&system).map(|(u, s)| (u + s) * 1e6).collect();
    let (user, system): (f64, f64) = (user.iter().sum(), system.iter().sum());
    let per_request = |amounts: &[f64]| per_request(amounts, &requests);
    let minor = rows.amounts(&target.minor_faults_per_s);
    let faulted = minor.as_ref().map(|faults| faults.iter().map(|n| n * page).collect::<Vec<_>>());
    let resident = resident(timeline, &rows);
    let each = |amounts: &[f64], over: &[f64]| -> Vec<f64> {
        amounts.iter().zip(over).map(|(amount, over)| amount / over).collect()
    };
    Some(CostFigures {
        rows: rows.lengths.len(),
        seconds,
        requests: requests.iter().sum(),
        cpu_us: per_request(&cpu_us)?,
        kernel_share: (user + system > 0.0).then(|| system / (user + system)),
        context_switches: rows
            .sum(&target.voluntary_switches_per_s, &target.involuntary_switches_per_s)
            .and_then(|amounts| per_request(&amounts)),
        page_faults: rows
            .sum(&target.minor_faults_per_s, &target.major_faults_per_s)
            .and_then(|amounts| per_request(&amounts)),
        faulted_bytes: faulted.and_then(|amounts| per_request(&amounts)),
        instructions: counters
            .and_then(|counters| counters.target)
            .filter(|target| !target.is_user_only)
            .and_then(|target| target.instructions),
        resident_growth_bytes: resident.as_ref().and_then(|it| growth(it, &requests)),
        resident_bytes: resident.as_deref().and_then(mean),
        resident_peak_bytes: resident.and_then(|it| it.into_iter().max_by(f64::total_cmp)),
        cpus: (user + system) / seconds,
        cpu_variation: variation(&each(&cpu_us, &requests)),
        rate_variation: variation(&each(&requests, &rows.lengths)),
    })
}

/// The rows that lie within a window.
struct Rows {
    indices: Vec<usize>,
    lengths: Vec<f64>,
}

impl Rows {
    fn inside(timeline: &TimelineDocument, window: Range<f64>) -> Self {
        // The axis is rounded to microseconds.
        const ROUNDING: f64 = 1e-5;
        let axis = &timeline.t_s;
        let is_inside = |&row: &usize| {
            axis[row - 1] >= window.start - ROUNDING && axis[row] <= window.end + ROUNDING
        };
        let indices: Vec<usize> = (1..axis.len()).filter(is_inside).collect();
        let lengths = indices.iter().map(|&row| axis[row] - axis[row - 1]).collect();
        Self { indices, lengths }
    }

    /// The levels in these rows; `None` if one is unknown.
    fn levels(&self, column: &[Option<f64>]) -> Option<Vec<f64>> {
        self.indices.iter().map(|&row| column.get(row).copied().flatten()).collect()
    }

    /// The amounts in these rows of a quantity per second.
    fn amounts(&self, column: &[Option<f64>]) -> Option<Vec<f64>> {
        let levels = self.levels(column)?;
        Some(levels.iter().zip(&self.lengths).map(|(level, length)| level * length).collect())
    }

    fn sum(&self, a: &[Option<f64>], b: &[Option<f64>]) -> Option<Vec<f64>> {
        let (a, b) = (self.amounts(a)?, self.amounts(b)?);
        Some(a.iter().zip(&b).map(|(a, b)| a + b).collect())
    }
}

fn per_request(amounts: &[f64], requests: &[f64]) -> Option<Interval95> {
    let ratios: Vec<f64> = amounts.iter().zip(requests).map(|(a, r)| a / r.max(1.0)).collect();
    ratio_interval(amounts, requests, &Resampling::suited_to(&ratios, SEED)).map(Interval95::from)
}

/// Private and shared resident memory at the end of each row; files in memory are the page cache's.
fn resident(timeline: &TimelineDocument, rows: &Rows) -> Option<Vec<f64>> {
    let private = rows.levels(&timeline.target.rss_anon_bytes)?;
    let shared = rows.levels(&timeline.target.rss_shmem_bytes);
    let shared = shared.unwrap_or_else(|| vec![0.0; private.len()]);
    Some(private.iter().zip(&shared).map(|(private, shared)| private + shared).collect())
}

/// The slope of the memory over the requests completed so far.
fn growth(resident: &[f64], requests: &[f64]) -> Option<Interval95> {
    let so_far = requests.iter().scan(0.0, |sum, requests| {
        *sum += requests;
        Some(*sum)
    });
    let so_far: Vec<f64> = so_far.collect();
    let worth = |effective| SlopeRule { confidence: CONFIDENCE, effective };
    let slope = theil_sen(&so_far, resident, worth(resident.len() as f64))?.value;
    let residuals: Vec<f64> = resident.iter().zip(&so_far).map(|(y, x)| y - slope * x).collect();
    let rho = lag_one(&residuals, 2);
    let rule = worth(effective(resident.len(), rho));
    theil_sen(&so_far, resident, rule).map(Interval95::from)
}

/// Standard deviation over mean.
fn variation(values: &[f64]) -> Option<f64> {
    let centre = mean(values).filter(|&centre| centre > 0.0)?;
    Some(deviation(values)? / centre)
}

#[cfg(test)]
mod tests {
    use uringbench_document::timeline::columns::{LoadRow, Row, TargetRow};

    use super::*;

    const PAGE: f64 = 4096.0;

    /// Rows of a second, each with its requests, from −1 s on; every request takes 20 µs in user
    /// mode, 30 µs in the kernel, 2 switches, a fault every 100 requests and keeps 10 bytes.
    fn timeline(requests: &[f64]) -> TimelineDocument {
        let mut timeline = TimelineDocument::empty(1, None);
        let mut kept = 1e6;
        for (second, &requests) in requests.iter().enumerate() {
            kept += 10.0 * requests;
            timeline.push(&Row {
                t_s: second as f64,
                load: LoadRow { completed_per_s: Some(requests), ..LoadRow::default() },
                target: TargetRow {
                    cpu_user: Some(requests * 20e-6),
                    cpu_system: Some(requests * 30e-6),
                    voluntary_switches_per_s: Some(requests * 1.5),
                    involuntary_switches_per_s: Some(requests * 0.5),
                    minor_faults_per_s: Some(requests * 0.01),
                    major_faults_per_s: Some(0.0),
                    rss_anon_bytes: Some(kept),
                    ..TargetRow::default()
                },
                ..Row::default()
            });
        }
        timeline
    }

    #[test]
    fn every_figure_is_per_request_of_the_whole_rows_in_the_window() {
        // The rows at both ends hold a part of the load alone.
        let requests = [10.0, 500.0, 900.0, 1_000.0, 1_100.0, 950.0, 1_050.0, 990.0, 7.0];
        let found = within(&timeline(&requests), 0.5..7.5, None, PAGE).expect("six rows");
        assert_eq!((found.rows, found.seconds), (6, 6.0));
        assert!((found.requests - 5_990.0).abs() < 1e-6);
        let near = |interval: Option<Interval95>, value: f64| {
            let interval = interval.expect("it is known");
            assert!((interval.value - value).abs() < 1e-6 * value, "{interval:?} {value}");
            assert!(interval.ci_low.is_some_and(|low| low <= value * 1.000_001), "{interval:?}");
            assert!(interval.ci_high.is_some_and(|high| high >= value * 0.999_999), "{interval:?}");
        };
        near(Some(found.cpu_us), 50.0);
        near(found.context_switches, 2.0);
        near(found.page_faults, 0.01);
        near(found.faulted_bytes, 40.96);
        near(found.resident_growth_bytes, 10.0);
        assert!((found.kernel_share.expect("known") - 0.6).abs() < 1e-9);
        assert!((found.cpus - 5_990.0 * 50e-6 / 6.0).abs() < 1e-9);
        assert!(found.cpu_variation.expect("known") < 1e-9);
        // Standard deviation of the six rates over their mean.
        assert!((found.rate_variation.expect("known") - 0.0717).abs() < 1e-3, "{found:?}");
    }

    #[test]
    fn too_few_rows_or_an_unknown_target_have_no_cost() {
        let requests = [1_000.0; 8];
        assert_eq!(within(&timeline(&requests), 0.5..5.5, None, PAGE), None);
        let mut unknown = timeline(&requests);
        unknown.target.cpu_user[4] = None;
        assert_eq!(within(&unknown, 0.0..7.0, None, PAGE), None);
        assert_eq!(within(&timeline(&[0.0; 8]), 0.0..7.0, None, PAGE), None);
        let mut partly = timeline(&requests);
        partly.target.major_faults_per_s[3] = None;
        let found = within(&partly, 0.0..7.0, None, PAGE).expect("CPU time is known");
        assert!(found.page_faults.is_none() && found.context_switches.is_some());
    }

    #[test]
    fn an_interval_holds_the_true_cost_as_often_as_it_says() {
        let (mut held, runs) = (0, 400);
        for seed in 0..runs {
            let mut random = uringbench_core::statistics::random::Random::new(seed);
            let mut timeline = timeline(&[1_000.0; 32]);
            for cpu in &mut timeline.target.cpu_user {
                *cpu = cpu.map(|cpu| cpu * (1.0 + 0.1 * random.normal()));
            }
            let found = within(&timeline, 0.0..31.0, None, PAGE).expect("there are rows").cpu_us;
            let is_held = found.ci_low.is_some_and(|low| low <= 50.0)
                && found.ci_high.is_some_and(|high| high >= 50.0);
            held += u32::from(is_held);
        }
        let share = f64::from(held) / runs as f64;
        assert!((0.91..=0.99).contains(&share), "{share} of the intervals hold the true cost");
    }
}
