//! The page of a run: the verdict in a sentence, then what supports it.

pub(crate) mod charts;
mod facts;
mod figures;
mod tables;
mod verdict;

use maud::html;
use serde::Serialize;
use uringbench_core::http::secrets::without_secrets;
use uringbench_core::outcome::Outcome;
use uringbench_document::timeline::columns::TimelineDocument;
use uringbench_document::{Document, LogLine};

use crate::curve::Curve;
use crate::flame::{FlameCut, FlameProfile};
use crate::grid::{CELLS_PER_OCTAVE, Grid, Row};
use crate::heat::Heat;
use crate::objective::Objective;
use crate::panel::Panel;
use crate::shell::{self, Block};
use crate::soak;

pub(crate) use verdict::Tone;

/// A run and everything of it that was stored.
#[derive(Clone, Copy)]
pub struct RunPage<'a> {
    /// Its document.
    pub document: &'a Document,
    /// The response times of each interval; empty without them.
    pub lines: &'a [LogLine],
    /// The courses of target and host; `None` unless they were recorded.
    pub timeline: Option<&'a TimelineDocument>,
    /// The target's CPU time by stack; `None` unless it was sampled.
    pub profile: Option<&'a FlameProfile>,
    /// The memory that stays by stack, of a soak whose target was sampled.
    pub leak: Option<&'a FlameCut>,
    /// The folder of the run, as it was named.
    pub folder: &'a str,
    /// The command that repeats the run; `None` if its plan is not stored.
    pub again: Option<&'a str>,
    /// What could not be read, and why, a sentence each.
    pub missing: &'a [String],
}

/// What all parts of the page use.
struct Parts<'a> {
    page: RunPage<'a>,
    grid: Grid,
    objectives: Vec<Option<Objective>>,
}

/// What the scripts get.
#[derive(Serialize)]
struct Data<'a> {
    end: f64,
    rows: RowColumns<'a>,
    panels: &'a [Panel],
    heat: Option<Heat>,
    cells_per_octave: u32,
    curve: Option<&'a Curve>,
    spikes: Vec<(f64, f64)>,
    /// Quantiles of steps and flows, by the label of their row.
    steps: Vec<tables::StepCurve>,
}

/// The rows as columns.
#[derive(Serialize)]
pub(crate) struct RowColumns<'a> {
    from: Vec<f64>,
    length: Vec<f64>,
    phase: Vec<&'a str>,
    released: Vec<u64>,
    completed: Vec<u64>,
    errors: Vec<u64>,
    in_flight: Vec<u64>,
    p50: Vec<Option<u64>>,
    p99: Vec<Option<u64>>,
    max: Vec<Option<u64>>,
    lateness: Vec<Option<u64>>,
    outcomes: Vec<(&'static str, Vec<u64>)>,
    /// Intervals in a row.
    joined: usize,
}

/// The page as one HTML file.
pub fn run(page: &RunPage<'_>) -> String {
    let document = page.document;
    let parts = Parts {
        page: *page,
        grid: Grid::of(&document.intervals, page.lines),
        objectives: document.slo.iter().map(Objective::of).collect(),
    };
    let panels = charts::panels(&parts);
    let known: Vec<Objective> = parts.objectives.iter().flatten().cloned().collect();
    let curve = Curve::of(document, &known);
    let profile = page.profile.filter(|profile| profile.is_sound() && !profile.is_empty());
    let leak = page.leak.filter(|leak| document.soak.is_some() && leak.is_something());
    let body = html! {
        main {
            (verdict::header(&parts))
            (figures::tiles(&parts))
            (figures::objectives(&parts))
            @if let Some(found) = &document.soak { (soak::section(found, page.timeline, leak)) }
            (figures::chosen(&parts))
            section aria-label="Charts over time" {
                h2 { "Over time" }
                (charts::figures(&parts, &panels))
            }
            @if let Some(curve) = &curve { (charts::percentiles(curve)) }
            @if let Some(profile) = profile { (charts::flame(profile)) }
            (tables::functions(document))
            (tables::steps(document))
            (tables::failures(document))
            (tables::findings(document))
            (facts::section(page))
        }
    };
    let mut blocks = Vec::new();
    if !parts.grid.rows.is_empty() {
        blocks.push(Block::of(shell::COURSES, &data(&parts, &panels, curve.as_ref())));
        blocks.extend(profile.map(|profile| profile.block(&parts.grid)));
    }
    blocks.extend(leak.map(FlameCut::leak_block));
    shell::page(&title(document), &body, &blocks)
}

fn title(document: &Document) -> String {
    let word = document.verdict.validity.to_uppercase();
    let url = without_secrets(&document.plan.url);
    match &document.plan.name {
        Some(name) => format!("{word} · {name} · {url}"),
        None => format!("{word} · {} {url}", document.plan.method),
    }
}

fn data<'a>(parts: &'a Parts<'_>, panels: &'a [Panel], curve: Option<&'a Curve>) -> Data<'a> {
    let grid = &parts.grid;
    let spikes = parts.page.document.target.iter().filter_map(|target| target.spikes.as_ref());
    Data {
        end: grid.end(),
        rows: RowColumns::of(grid),
        panels,
        heat: grid.has_times.then(|| Heat::of(grid)),
        cells_per_octave: CELLS_PER_OCTAVE,
        curve,
        spikes: spikes.flat_map(|it| &it.windows).map(|it| (it.from_s, it.to_s)).collect(),
        steps: tables::step_curves(parts.page.document),
    }
}

impl<'a> RowColumns<'a> {
    pub(crate) fn of(grid: &'a Grid) -> Self {
        let rows = &grid.rows;
        let times = |of: fn(&Row) -> Option<u64>| rows.iter().map(of).collect();
        let counts = |of: fn(&Row) -> u64| rows.iter().map(of).collect();
        // Thousandths of a second are as exact as the log of intervals.
        let seconds =
            |of: fn(&Row) -> f64| rows.iter().map(|row| (of(row) * 1e3).round() / 1e3).collect();
        let outcomes = Outcome::ALL.into_iter().map(|outcome| {
            let of = rows.iter().map(|row| row.outcomes[outcome as usize]);
            (outcome.key(), of.collect::<Vec<_>>())
        });
        Self {
            from: seconds(|row| row.from),
            length: seconds(|row| row.length),
            phase: rows.iter().map(|row| &*row.phase).collect(),
            released: counts(|row| row.released),
            completed: counts(|row| row.completed),
            errors: counts(|row| row.errors),
            in_flight: counts(|row| row.in_flight),
            p50: times(|row| row.p50),
            p99: times(|row| row.p99),
            max: times(|row| row.max),
            lateness: times(|row| row.lateness_p99),
            outcomes: outcomes.filter(|(_, counts)| counts.iter().any(|it| *it > 0)).collect(),
            joined: grid.joined,
        }
    }
}
