//! `uringbench alerts`: rules checked, evaluated over stored runs, written for Prometheus.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context, anyhow};
use uringbench_alerts::{AlertEvaluation, AlertRow, AlertRules, AlertState, prometheus_rules};
use uringbench_core::histogram::LatencyCounts;
use uringbench_core::outcome::Outcome;
use uringbench_core::summary::plural;
use uringbench_core::time::Nanos;
use uringbench_core::window::Phase;
use uringbench_document::{IntervalFigures, LogLine, read_log};
use uringbench_store::{INTERVALS, StoredRun};

use crate::args::{AlertsArgs, AlertsCommand};
use crate::console;
use crate::exit::{Exit, Failure};
use crate::observers::read_rules;
use crate::page_file;
use crate::store_place::StorePlace;

/// Run the subcommand.
pub(crate) fn execute(args: &AlertsArgs) -> Result<Exit, Failure> {
    match &args.command {
        AlertsCommand::Check { files } => {
            let mut page = String::new();
            for file in files {
                let rules = plural(read_rules(file)?.rules.len() as u64, "rule");
                page.push_str(&format!("{}: {rules}\n", file.display()));
            }
            console::print(&page).map(|()| Exit::Success)
        }
        AlertsCommand::Test { file, run, store } => {
            let rules = read_rules(file)?;
            test(&rules, &StorePlace::of(store)?.run(run).map_err(anyhow::Error::new)?)
        }
        AlertsCommand::Export { file, out, prometheus_names } => {
            let page = prometheus_rules(&read_rules(file)?, (*prometheus_names).into());
            match out {
                None => console::print(&page)?,
                Some(out) => page_file::store(out, &page)?,
            }
            Ok(Exit::Success)
        }
    }
}

/// Evaluate rules as they would have been during the run.
fn test(rules: &AlertRules, path: &Path) -> Result<Exit, Failure> {
    let run = StoredRun::open(path).context("there is no run to evaluate")?;
    let mut evaluation = AlertEvaluation::new(rules);
    let (mut page, mut fired) = (String::new(), false);
    for (interval, line) in rows(&run)? {
        let seconds = |s: f64| Nanos((s * 1e9).round() as u64);
        let mut response = LatencyCounts::default();
        for step in line.histogram.iter_recorded() {
            let count = u32::try_from(step.count_at_value()).unwrap_or(u32::MAX);
            response.record_many(step.value_iterated_to(), count);
        }
        let counts = interval.ended();
        let row = AlertRow {
            end: seconds(interval.t_s + interval.length_s),
            length: seconds(interval.length_s),
            ended: counts.iter().sum(),
            passed: counts[Outcome::Ok as usize],
            response: &response,
        };
        for transition in evaluation.evaluate(&row) {
            fired |= transition.is_firing;
            page.push_str(&format!("{}\n", transition.line()));
        }
    }
    page.push_str(&states(&evaluation));
    console::print(&page)?;
    Ok(if fired { Exit::GateFailed } else { Exit::Success })
}

/// The measured intervals with their response times.
fn rows(run: &StoredRun) -> Result<Vec<(&IntervalFigures, LogLine)>, Failure> {
    let path = run.folder.join(INTERVALS);
    let file = File::open(&path).with_context(|| {
        let path = path.display();
        format!("the run has no response times of its seconds ({path}): name a whole folder")
    })?;
    let lines: Result<Vec<LogLine>, _> = read_log(BufReader::new(file)).collect();
    let lines = lines.context("the seconds of the run cannot be read")?;
    let intervals = &run.document.intervals;
    if lines.len() != intervals.len() {
        return Err(anyhow!(
            "{} has {} lines for {} intervals: it belongs to another run",
            path.display(),
            lines.len(),
            intervals.len()
        )
        .into());
    }
    let all = intervals.iter().zip(lines);
    Ok(all.filter(|(interval, _)| interval.phase == Phase::Measure.key()).collect())
}

/// A line for each rule, with its state at the end.
fn states(evaluation: &AlertEvaluation) -> String {
    let (unknown, rows) = evaluation.unknown();
    let lines = evaluation.states().zip(unknown).map(|((rule, state), unknown)| {
        let state = match state {
            AlertState::Inactive => "inactive",
            AlertState::Pending(_) => "pending",
            AlertState::Firing => "FIRING",
        };
        let without = match unknown {
            0 => String::new(),
            unknown => format!(", {unknown} of {rows} seconds without a value"),
        };
        format!("{}: {state} at the end{without}\n", rule.name)
    });
    lines.collect()
}
