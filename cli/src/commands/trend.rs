//! `uringbench trend`: how a figure of a benchmark went over its runs.

use std::collections::BTreeSet;
use std::time::SystemTime;

use anyhow::{Context, anyhow};
use uringbench_decision::{TrendOptions, trend};
use uringbench_document::history::{FIGURES, FigureKind, HistoryEntry};
use uringbench_report::trend as page;
use uringbench_store::select_entries;

use super::history::{filter_of, runs};
use crate::args::TrendArgs;
use crate::console;
use crate::exit::{Exit, Failure, usage};
use crate::page_file;
use crate::store_place::StorePlace;

const SECONDS_PER_DAY: f64 = 86_400.0;

/// Find the runs, decide, print.
pub(crate) fn execute(args: &TrendArgs) -> Result<Exit, Failure> {
    let place = StorePlace::of(&args.store)?;
    let runs = chosen(&place, args)?;
    let newest = runs.last().ok_or_else(|| {
        Failure::CannotRun(anyhow!("no run of `{}` passes the filter", args.benchmark))
    })?;
    let names: BTreeSet<_> = runs.iter().map(|run| run.benchmark_name.as_str()).collect();
    if names.len() > 1 {
        let names: Vec<_> = names.into_iter().collect();
        let names = names.join(", ");
        return Err(usage(format!(
            "`{}` is several benchmarks: name one of {names}",
            args.benchmark
        )));
    }
    let figure = args.metric.unwrap_or_else(|| usual_figure(newest));
    let options = TrendOptions { figure, window_days: args.window as f64 / SECONDS_PER_DAY };
    let document = trend(runs, options);
    if let Some(out) = &args.out {
        return page_file::write(out, &uringbench_page::trend(&document));
    }
    let text = if args.json {
        let text = serde_json::to_string_pretty(&document).context("cannot write JSON")?;
        format!("{text}\n")
    } else {
        page::page(&document, console::colour())
    };
    console::print(&text).map(|()| Exit::Success)
}

/// The runs, oldest first. In a database, where there are no folders, the word is a name.
fn chosen(place: &StorePlace, args: &TrendArgs) -> Result<Vec<HistoryEntry>, Failure> {
    let mut filter = filter_of(&args.filter, SystemTime::now())?;
    if place.database.is_some() {
        filter.name = Some(args.benchmark.clone());
        let mut runs = runs(place, &filter)?;
        runs.reverse();
        return Ok(runs);
    }
    let found = select_entries(&place.root, &args.benchmark).map_err(anyhow::Error::new)?;
    let entries = found.into_iter().map(|run| run.entry);
    Ok(entries.filter(|entry| filter.passes(entry)).collect())
}

/// The figure that a run is about: its rate, its times at a given rate, or the time of a function.
pub(super) fn usual_figure(run: &HistoryEntry) -> FigureKind {
    let short = match () {
        () if run.figure("time_mean_ns").is_some() => "time",
        () if run.figure("rate_offered").is_some() => "p99",
        () => "rate",
    };
    FIGURES.into_iter().find(|kind| kind.short == short).unwrap_or(FIGURES[0])
}
