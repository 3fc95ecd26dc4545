//! The outcome of a suite as a document.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use uringbench_decision::suite::{
    cell_figures, conclude, decide_claims, distrust, places, typical,
};
use uringbench_document::Document;
use uringbench_document::suite::{
    CellSoak, CellState, ClaimVerdict, SCHEMA, SuiteCell, SuiteClaim, SuiteDocument, SuiteSettings,
    SuiteTarget,
};
use uringbench_scenario::suite::{ClaimPlan, Restart, TargetPlan};

use super::{CellOutcome, CellRun, Suite, SuiteOutcome};

impl Suite {
    /// The document of an outcome. `flamegraphs` are the kept pictures by the folders of their
    /// runs.
    pub fn document(
        &self,
        outcome: &SuiteOutcome,
        flamegraphs: &BTreeMap<PathBuf, String>,
    ) -> SuiteDocument {
        let plan = &self.plan;
        let all = outcome.cells.iter().flat_map(|cell| &cell.runs).map(|run| &run.document);
        let first = all.min_by(|a, b| a.started.cmp(&b.started));
        let mut cells: Vec<SuiteCell> = outcome
            .cells
            .iter()
            .map(|cell| {
                let picture = cell.profile.as_ref().and_then(|folder| flamegraphs.get(folder));
                self.cell(cell, picture)
            })
            .collect();
        let cases = outcome.cells.chunks(plan.targets.len());
        let cases: Vec<Vec<Vec<&Document>>> =
            cases.map(|cells| cells.iter().map(counted).collect()).collect();
        for (cells, places) in cells.chunks_mut(plan.targets.len()).zip(places(&cases)) {
            let count = places.iter().flatten().count();
            for (cell, place) in cells.iter_mut().zip(places) {
                let (Some(place), Some(figures)) = (place, &mut cell.figures) else { continue };
                figures.rate_interval = Some(place.interval);
                // Being the only one, or as fast as the load, is no place.
                let has_place = count > 1 && figures.offered.is_none();
                cell.rank = has_place.then_some(place.rank);
            }
        }
        let settings = &plan.settings;
        let mut document = SuiteDocument {
            schema: SCHEMA.to_owned(),
            name: plan.name.clone(),
            title: plan.title.clone(),
            started: first.map(|run| run.started.clone()),
            is_complete: cells.iter().all(|cell| cell.state != CellState::Unfinished),
            settings: SuiteSettings {
                runs: settings.runs,
                warmup_s: settings.warmup.map(|span| span.as_secs_f64()),
                duration_s: settings.duration.map(|span| span.as_secs_f64()),
                restart: match settings.restart {
                    Restart::Run => "run".to_owned(),
                    Restart::Round => "round".to_owned(),
                },
                seed: settings.seed,
                target_cpus: self.cpus.to_string(),
                took_s: outcome.took.0.as_secs_f64(),
                loaded_s: outcome.took.1.as_secs_f64(),
            },
            host: first.map(|run| run.host.clone()),
            notes: outcome
                .unlimited
                .iter()
                .map(|why| format!("Targets ran without limits: {why}."))
                .collect(),
            conclusions: Vec::new(),
            targets: plan.targets.iter().map(target).collect(),
            cells,
            claims: plan.claims.iter().map(claim).collect(),
            scaling: Vec::new(),
        };
        let tests = |name: &str, cell: usize| plan.cases[outcome.cells[cell].case].is_called(name);
        decide_claims(&mut document, &cases.concat(), tests);
        conclude(&mut document);
        document
    }

    fn cell(&self, outcome: &CellOutcome, flamegraph: Option<&String>) -> SuiteCell {
        let (target, case) = (&self.plan.targets[outcome.target], &self.plan.cases[outcome.case]);
        let runs: Vec<&Document> = outcome.runs.iter().map(|run| &run.document).collect();
        let state = match &outcome.failure {
            _ if outcome.is_lacking => CellState::Lacking,
            _ if case.is_check_only && (outcome.is_checked || outcome.is_wrong) => {
                CellState::Checked
            }
            Some(_) => CellState::Failed,
            None if runs.len() < self.plan.settings.runs as usize => CellState::Unfinished,
            None => CellState::Measured,
        };
        let figures = cell_figures(&runs);
        let median = figures.as_ref().and_then(|figures| typical(&runs, figures));
        let relative = |folder: &Path| {
            folder.strip_prefix(&self.results).unwrap_or(folder).display().to_string()
        };
        SuiteCell {
            target: target.name.clone(),
            case: case.name.clone(),
            category: case.category.clone(),
            scenario: case.scenario.clone(),
            flow: case.flow.clone(),
            connections: case.connections,
            state,
            reason: outcome.failure.clone().or_else(|| distrust(&runs)),
            rank: None,
            insights: median.map_or_else(Vec::new, |run| run.insights.clone()),
            slo: median.map_or_else(Vec::new, |run| run.slo.clone()),
            figures,
            runs: outcome.runs.iter().map(|run| relative(&run.folder)).collect(),
            flamegraph: flamegraph.cloned(),
            is_wrong: outcome.is_wrong,
            soak: outcome.soak.as_ref().and_then(|run| soak(run, relative(&run.folder))),
            killed_for_memory: outcome.killed_for_memory,
        }
    }
}

/// The runs of a cell that count. One that failed has no place, whatever it managed before.
fn counted(cell: &CellOutcome) -> Vec<&Document> {
    let runs = cell.runs.iter().filter(|_| cell.failure.is_none());
    runs.map(|run| &run.document).collect()
}

fn soak(run: &CellRun, folder: String) -> Option<CellSoak> {
    let soak = run.document.soak.as_ref()?;
    let bytes_per_request = soak.memory.as_ref().and_then(|memory| memory.per_request);
    Some(CellSoak {
        verdict: soak.verdict.clone(),
        reason: soak.reason.clone(),
        bytes_per_request,
        requests: run.document.counts.completed,
        run: folder,
    })
}

/// A claim without its verdict.
fn claim(plan: &ClaimPlan) -> SuiteClaim {
    SuiteClaim {
        text: plan.text.clone(),
        source: plan.source.clone(),
        target: plan.target.clone(),
        against: plan.against.clone(),
        case: plan.case.clone(),
        figure: plan.figure.name().to_owned(),
        at_least: plan.at_least,
        at_most: plan.at_most,
        times: plan.times,
        is_average: plan.is_average,
        cpus: plan.cpus,
        verdict: ClaimVerdict::CannotBeDecided,
        reason: String::new(),
        decided_in: None,
        measured: None,
        per_cpu: None,
    }
}

fn target(target: &TargetPlan) -> SuiteTarget {
    SuiteTarget {
        name: target.name.clone(),
        command: target.command.clone(),
        workers: target.workers,
        limit_cpus: target.limits.cpus,
        limit_memory_bytes: target.limits.memory,
        ..SuiteTarget::default()
    }
}
