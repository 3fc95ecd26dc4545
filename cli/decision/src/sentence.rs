//! A comparison in words: the verdict in one sentence, and facts for the reader.

use uringbench_core::statistics::Estimate;
use uringbench_core::statistics::two_sample::smallest_p;
use uringbench_document::comparison::{Decision, Effect, Evidence, FigureChange, GroupComparison};

use crate::compare::{ALPHA, RUNS_MIN, worse};
use crate::group::RunGroup;
use crate::metric::Metric;

/// More runs than these are not suggested.
const RUNS_MAX: f64 = 50.0;
/// Runs of each group that are suggested at least.
const RUNS_ADVISED: usize = 5;

/// The verdict in a sentence. `counted` are the runs that are evidence, `family` the number of
/// tests.
pub(crate) fn of(comparison: &GroupComparison, counted: (usize, usize), family: usize) -> String {
    let (before, after) = (&comparison.before.label, &comparison.after.label);
    match comparison.verdict {
        Decision::Invalid => none_counts(comparison, counted),
        Decision::Fail | Decision::Warn => is_worse(comparison),
        Decision::Pass => {
            let warn = percent(comparison.limits.warn);
            match largest(comparison, |it| it.gated && it.effect == Effect::Improved) {
                Some(figure) => format!(
                    "{after} is better than {before}: {}; nothing is over {warn} worse",
                    described(figure)
                ),
                None => format!("{after} does as well as {before}: nothing is over {warn} worse"),
            }
        }
        Decision::Inconclusive if counted.0.min(counted.1) < RUNS_MIN => {
            let advised = (RUNS_MIN..).find(|&n| smallest_p(n, n) * family as f64 <= ALPHA);
            let advised = advised.unwrap_or(RUNS_ADVISED).max(RUNS_ADVISED);
            let verb = if counted == (1, 1) { "decides" } else { "decide" };
            format!(
                "{} {verb} nothing, since a run differs from the next of the same program: make \
                 at least {advised} of each",
                runs(counted)
            )
        }
        Decision::Inconclusive => undecided(comparison, counted),
    }
}

/// Facts beside the verdict: runs that do not count, runs that are suspect.
pub(crate) fn notes(before: &RunGroup, after: &RunGroup, evidence: Evidence) -> Vec<String> {
    let mut notes = Vec::new();
    for group in [before, after] {
        let excluded: Vec<_> =
            group.runs.iter().filter_map(|it| it.run.excluded.as_ref()).collect();
        if let Some(why) = excluded.first() {
            notes.push(format!(
                "{} of {} runs of {} are no evidence, since they do not measure the target: {why}",
                excluded.len(),
                group.runs.len(),
                group.label
            ));
        }
        let is_suspect =
            |run: &&crate::group::MeasuredRun| run.is_counted() && run.run.validity == "suspect";
        let suspect = group.runs.iter().filter(is_suspect).count();
        if suspect > 0 {
            notes.push(format!(
                "{suspect} of {} runs of {} are SUSPECT; they count",
                group.runs.len(),
                group.label
            ));
        }
    }
    if evidence == Evidence::Blocks {
        notes.push(
            "the intervals are those of seconds within one run each: how much runs of the same \
             program differ is not in them"
                .to_owned(),
        );
    }
    notes
}

fn none_counts(comparison: &GroupComparison, counted: (usize, usize)) -> String {
    let group = if counted.0 == 0 { &comparison.before } else { &comparison.after };
    let why = group.runs.iter().find_map(|run| run.excluded.as_deref());
    format!(
        "no run of {} measures the target{}",
        group.label,
        why.map_or_else(String::new, |why| format!(": {why}"))
    )
}

fn is_worse(comparison: &GroupComparison) -> String {
    let (before, after) = (&comparison.before.label, &comparison.after.label);
    let is_decisive = |it: &FigureChange| it.gated && it.state == comparison.verdict;
    let Some(figure) = largest(comparison, is_decisive) else { return String::new() };
    let (limit, word) = match (comparison.verdict, figure.severe) {
        (Decision::Warn, _) => (figure.limits.warn, ""),
        (_, true) => (figure.limits.severe, "severe, "),
        (_, false) => (figure.limits.fail, ""),
    };
    let others = comparison.figures.iter().filter(|it| is_decisive(it)).count() - 1;
    let others = match others {
        0 => String::new(),
        1 => "; so is 1 more figure".to_owned(),
        others => format!("; so are {others} more figures"),
    };
    format!(
        "{after} is worse than {before}: {}, {word}over {}{others}",
        described(figure),
        percent(limit)
    )
}

fn undecided(comparison: &GroupComparison, counted: (usize, usize)) -> String {
    let is_open = |it: &FigureChange| it.gated && it.state == Decision::Inconclusive;
    let Some(figure) = largest(comparison, is_open) else {
        return format!("{} do not decide it", runs(counted));
    };
    let worse = worse_by(figure);
    let title = Metric::named(&figure.metric).map_or("", Metric::title);
    let most = match worse.high.is_finite() {
        true => format!("{title} may be up to {} worse", percent(worse.high)),
        false => format!("of {title} nothing is known"),
    };
    let reach = worse.high - worse.value;
    let room = figure.limits.warn - worse.value;
    let needed = counted.0.min(counted.1) as f64 * (reach / room).powi(2);
    let more = match room > 0.0 && needed <= RUNS_MAX {
        true => format!("about {} runs of each would", needed.ceil().max(counted.0 as f64 + 1.0)),
        false => "make more runs, longer ones, or on a quieter machine".to_owned(),
    };
    format!("{} do not decide it: {most}; {more}", runs(counted))
}

/// `response p99 is 12 % higher (9 to 15 %)`.
fn described(figure: &FigureChange) -> String {
    let title = Metric::named(&figure.metric).map_or("", Metric::title);
    let change = figure.change;
    let direction = if change.value < 0.0 { "lower" } else { "higher" };
    let ends =
        [change.ci_low, change.ci_high].map(|end| end.map(|end| end * change.value.signum()));
    let interval = match ends {
        [Some(one), Some(other)] => {
            let (low, high) = (one.min(other) * 100.0, one.max(other) * 100.0);
            format!(" ({low:.1} to {high:.1} %)")
        }
        _ => String::new(),
    };
    format!("{title} is {} {direction}{interval}", percent(change.value.abs()))
}

/// The figure with the largest change for the worse, or for the better if none is worse.
fn largest(
    comparison: &GroupComparison,
    is_meant: impl Fn(&FigureChange) -> bool,
) -> Option<&FigureChange> {
    let meant = comparison.figures.iter().filter(|figure| is_meant(figure));
    meant.max_by(|a, b| {
        let by = |figure: &FigureChange| figure.change.value.abs() / figure.limits.fail;
        by(a).total_cmp(&by(b))
    })
}

fn worse_by(figure: &FigureChange) -> Estimate {
    let change = Estimate {
        value: figure.change.value,
        low: figure.change.ci_low.unwrap_or(f64::NEG_INFINITY),
        high: figure.change.ci_high.unwrap_or(f64::INFINITY),
    };
    Metric::named(&figure.metric).map_or(change, |metric| worse(metric.better(), change))
}

fn runs((before, after): (usize, usize)) -> String {
    match (before, after) {
        (1, 1) => "one run of each".to_owned(),
        (one, other) if one == other => format!("{one} runs of each"),
        (one, other) => format!("{one} and {other} runs"),
    }
}

/// `12 %`, `1.2 %`.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent >= 9.95 || (percent - percent.round()).abs() < 0.005 {
        format!("{percent:.0} %")
    } else {
        format!("{percent:.1} %")
    }
}
