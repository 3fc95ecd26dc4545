//! What a suite leaves outside its own folder: files with the date in their names, and benchmarks
//! of functions in the history.

use std::fs;
use std::time::SystemTime;

use anyhow::Context;
use serde_json::Value;
use uringbench_document::Document;
use uringbench_document::civil::Civil;
use uringbench_document::suite::{SuiteDocument, SuiteTarget};
use uringbench_experiment::suite::{Suite, SuiteOutcome};
use uringbench_report::suite as report;
use uringbench_scenario::suite::TargetPlan;
use uringbench_store::{History, ImportOrigin, SuiteFiles, import_results};

use super::pretty;
use crate::exit::Failure;
use crate::store_place::StorePlace;

/// Enters the benchmarks, and writes the files if the suite has them.
pub(super) fn store(
    suite: &Suite,
    outcome: &SuiteOutcome,
    document: &SuiteDocument,
    place: &StorePlace,
) -> Result<(), Failure> {
    for target in &suite.plan.targets {
        enter_benchmarks(suite, target, place)?;
    }
    if suite.plan.has_dated_files {
        for target in &document.targets {
            write_dated(suite, outcome, (document, target), place)?;
        }
    }
    Ok(())
}

/// The benchmarks of a target into the history; those that are in it already stay.
fn enter_benchmarks(suite: &Suite, target: &TargetPlan, place: &StorePlace) -> Result<(), Failure> {
    let Some(microbench) = &target.microbench else { return Ok(()) };
    if !suite.microbench_file(&target.name).exists() {
        return Ok(());
    }
    let results = suite.folder.join(&target.folder).join(&microbench.criterion);
    let mut history = History::open(&place.root).map_err(anyhow::Error::new)?;
    let tags = vec![format!("suite/{}", suite.plan.name), target.name.clone()];
    let is_pending = place.database.is_some();
    let origin = ImportOrigin { git: None, tags, is_pending };
    import_results(&mut history, &results, &origin).map_err(anyhow::Error::new)?;
    Ok(())
}

/// `{target}/load_test_YYYY-MM-DD.json` and the others, below the folder of results; a later suite
/// of the same day replaces them.
fn write_dated(
    suite: &Suite,
    outcome: &SuiteOutcome,
    (document, target): (&SuiteDocument, &SuiteTarget),
    place: &StorePlace,
) -> Result<(), Failure> {
    let date = Civil::of(SystemTime::now()).rfc3339();
    let date = date.split('T').next().unwrap_or_default();
    let files = SuiteFiles::at(&place.root.join(&target.name))
        .context("the files with the date are not stored")?;
    let write = |kind: &str, value: &Value| -> Result<(), Failure> {
        let written = files.write(&format!("{kind}_{date}.json"), &pretty(value)?);
        Ok(written.context("a file with the date is not stored")?)
    };
    write("load_test", &report::load_test(document, target, date))?;
    let resources = suite.results.join("resources").join(format!("{}.csv", target.name));
    let peak = fs::read_to_string(resources).ok().and_then(|it| report::peak_memory(&it));
    let soaks: Vec<(String, &Document)> = document
        .cells
        .iter()
        .zip(&outcome.cells)
        .filter_map(|(cell, measured)| {
            Some((cell.soak.as_ref()?.run.clone(), &measured.soak.as_ref()?.document))
        })
        .collect();
    write("memory", &report::memory_use(document, target, (date, peak), &soaks))?;
    let Ok(benchmarks) = fs::read_to_string(suite.microbench_file(&target.name)) else {
        return Ok(());
    };
    let benchmarks = serde_json::from_str(&benchmarks).context("the benchmarks are damaged")?;
    write("microbench", &report::microbench(document, &target.name, date, &benchmarks))
}
