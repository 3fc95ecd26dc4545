//! A cell with its runs, and what its check says.

use std::path::PathBuf;

use uringbench_core::summary::plural;
use uringbench_document::Document;

/// One run of a cell.
#[derive(Clone, Debug)]
pub struct CellRun {
    /// Its number, from 1; an earlier one may be missing. 0 of a soak.
    pub number: u32,
    /// Its folder.
    pub folder: PathBuf,
    /// Its result.
    pub document: Document,
}

/// A cell: a target with a case.
#[derive(Clone, Debug)]
pub struct CellOutcome {
    /// The number of the target in the plan.
    pub target: usize,
    /// The number of the case in the plan.
    pub case: usize,
    /// Why it is not measured, or not to its end.
    pub failure: Option<String>,
    /// Whether the target cannot answer it, by the suite's file.
    pub is_lacking: bool,
    /// Whether no further run of it is made.
    pub(super) is_closed: bool,
    /// Its runs, in the order of their numbers.
    pub runs: Vec<CellRun>,
    /// The folder of its profiled run.
    pub profile: Option<PathBuf>,
    /// Its soak.
    pub soak: Option<CellRun>,
    /// Whether its check passed.
    pub(super) is_checked: bool,
    /// Whether it failed because an answer was not as the scenario demands.
    pub is_wrong: bool,
    /// How often the kernel killed a process of the target because its memory was used up.
    pub killed_for_memory: u64,
}

impl CellOutcome {
    /// Makes no further run. Where only a profile or a soak is missing, it is measured all the
    /// same.
    pub(super) fn close(&mut self, why: String, runs: u32) {
        self.is_closed = true;
        if self.runs.len() < runs as usize {
            self.failure.get_or_insert(why);
        }
    }
}

/// Why the answers of a target are not those that the scenario demands, if they are not.
pub(super) fn refusal(document: &Document) -> Option<String> {
    let failed = document.steps.iter().filter_map(|step| Some((step, step.failures.first()?)));
    let failed: Vec<_> = failed.collect();
    let of_step = failed.first().map(|(step, failure)| {
        let flow = step.flow.as_ref().map_or_else(String::new, |flow| format!("{flow}/"));
        let more = match failed.len() - 1 {
            0 => String::new(),
            more => format!("; and {}", plural(more as u64, "further step")),
        };
        format!("{flow}{}: {}{more}", step.name, failure.what)
    });
    let of_cause = || document.counts.causes.first().map(|cause| cause.cause.clone());
    let outcomes = &document.counts.outcomes;
    let of_outcome = || {
        (outcomes.errors() > 0).then(|| {
            let status = document.counts.by_status.keys().find(|status| **status >= 400);
            let status = status.map_or_else(String::new, |status| format!(" (status {status})"));
            format!("{} of {} requests failed{status}", outcomes.errors(), document.counts.released)
        })
    };
    let none = || (outcomes.ok == 0).then(|| "no answer within the check".to_owned());
    of_step.or_else(of_cause).or_else(of_outcome).or_else(none)
}
