//! What faults did, as text: a few lines for each injection.

use uringbench_core::summary::{Grouped, Percent};
use uringbench_core::time::Nanos;
use uringbench_document::chaos::{ChaosFigures, FaultFigures};

/// The lines: names and texts.
pub(crate) fn lines(chaos: &ChaosFigures) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    if let Some(before) = &chaos.baseline {
        let good = chaos
            .good_ns
            .map_or_else(String::new, |good| format!("   good: ok within {}", Nanos(good)));
        let unsteady = if before.unsteady { "   unsteady" } else { "" };
        lines.push((
            "before".to_owned(),
            format!(
                "{} to {}   {} of {} bad   p50 {}   p99 {}{good}{unsteady}",
                seconds(before.from_s),
                seconds(before.to_s),
                Grouped(before.bad),
                Grouped(before.requests),
                nanos(before.response_p50_ns),
                nanos(before.response_p99_ns),
            ),
        ));
        lines.push((
            String::new(),
            format!(
                "rows of {}; recovered: inside the band ({} bad), {} of 30 rows outside at most",
                seconds(chaos.row_s),
                before.band,
                before.outside_max,
            ),
        ));
    }
    for fault in &chaos.faults {
        lines.extend(of_fault(fault, chaos.row_s));
    }
    for objective in &chaos.objectives {
        let met = match objective.met {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "undecided",
        };
        let text = format!("{}   measured {}   {met}", objective.objective, objective.measured);
        lines.push(("objective".to_owned(), text));
    }
    lines
}

fn of_fault(fault: &FaultFigures, row: f64) -> Vec<(String, String)> {
    let line = |name: &str, text: String| (name.to_owned(), text);
    let span = match (fault.t_effective_s, fault.t_clear_s) {
        (Some(from), Some(to)) => format!("{} to {}", seconds(from), seconds(to)),
        (Some(from), None) => format!("from {} on", seconds(from)),
        (None, _) => format!("{}, without effect", seconds(fault.t_inject_s)),
    };
    let effect = fault.t_effective_s.map_or_else(String::new, |effective| {
        format!(", seen after {}", seconds(effective - fault.t_inject_s))
    });
    let mut lines =
        vec![line("fault", format!("{}   {span}   {}{effect}", fault.name, fault.done))];
    if let Some(failure) = &fault.failure {
        lines.push(line("", format!("- {failure}")));
    }
    if let Some(left) = &fault.left {
        lines.push(line("", format!("- NOT UNDONE: {left}")));
    }
    if fault.t_effective_s.is_none() {
        return lines;
    }
    lines.extend(while_there(fault));
    lines.extend(afterwards(fault, row));
    lines
}

/// How the requests fared that were due while it was there.
fn while_there(fault: &FaultFigures) -> Vec<(String, String)> {
    let line = |name: &str, text: String| (name.to_owned(), text);
    let mut lines = Vec::new();
    // Within the first row.
    let after = |at: f64| match at {
        0.0 => "at once".to_owned(),
        at => format!("after {}", seconds(at)),
    };
    let impact = fault.impact_s.map_or_else(|| "none".to_owned(), after);
    let fast = match (fault.fail_fast_s, fault.failed + fault.timed_out) {
        (Some(at), _) => after(at),
        (None, 0) => "nothing failed".to_owned(),
        (None, _) => "never".to_owned(),
    };
    let share = fault.bad as f64 / fault.requests.max(1) as f64;
    lines.push(line(
        "impact",
        format!(
            "{impact}   bad {} of {} (late {}, timed out {}, failed {})   fail fast {fast}",
            Percent(share),
            Grouped(fault.requests),
            Grouped(fault.late),
            Grouped(fault.timed_out),
            Grouped(fault.failed),
        ),
    ));
    lines.push(line(
        "",
        format!(
            "p50 {}   p99 {} while it was there",
            nanos(fault.response_p50_ns),
            nanos(fault.response_p99_ns),
        ),
    ));
    lines
}

/// How the target recovered, and what that cost.
fn afterwards(fault: &FaultFigures, row: f64) -> Vec<(String, String)> {
    let line = |name: &str, text: String| (name.to_owned(), text);
    let mut lines = Vec::new();
    let recovered = match (fault.recover_s, fault.censored_at_s) {
        // Rows show no less, and a first success may be later than the start of its row.
        (Some(after), _) if after < row => format!("recovered within {} of the end", seconds(row)),
        (Some(after), _) => {
            format!("recovered {} after the end (± {})", seconds(after), seconds(row))
        }
        (None, Some(least)) => format!("not recovered: more than {}", seconds(least)),
        (None, None) => "not measured".to_owned(),
    };
    let first = fault.first_success_s.map_or_else(|| "none".to_owned(), seconds);
    lines.push(line(
        "recovery",
        format!(
            "first success {first}   {recovered}   backlog {} at most",
            Grouped(fault.backlog_max)
        ),
    ));
    let after = fault.after_p99.map_or_else(String::new, |after| {
        let ratio = after.value;
        let (low, high) = (after.ci_low.unwrap_or(0.0), after.ci_high.unwrap_or(f64::INFINITY));
        let compared = match () {
            () if low > 1.0 => "worse",
            () if high < 1.0 => "better",
            () => "the same",
        };
        format!("   afterwards p99 {compared} (×{ratio:.2} [{low:.2} to {high:.2}])")
    });
    lines.push(line(
        "cost",
        format!(
            "{} requests lost = {} of full service   {} of a month's error budget{after}",
            Grouped(fault.lost_requests.max(0.0) as u64),
            seconds(fault.lost_s),
            Percent(fault.budget_share),
        ),
    ));
    lines
}

fn seconds(time: f64) -> String {
    Nanos((time.max(0.0) * 1e9).round() as u64).to_string()
}

fn nanos(time: Option<u64>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| Nanos(time).to_string())
}
