//! The formats of other programs: which results each of them takes, and its text.

use anyhow::Context;
use serde::Serialize;
use uringbench_document::Document;
use uringbench_document::comparison::ComparisonDocument;
use uringbench_export::action_benchmark::{self, EntryDirection};
use uringbench_export::benchmark::{benchmarks, name_of};
use uringbench_export::checks::CheckGroup;
use uringbench_export::metrics::{self, MetricNames};
use uringbench_export::speedscope;
use uringbench_export::{bencher, benchfmt, github, hgrm, intervals, junit, markdown, prometheus};
use uringbench_report::comparison;
use uringbench_store::StoredRun;

use super::StoredResult;
use super::stacks::cpu_stacks;
use crate::args::{PrometheusNames, ReportFormat};
use crate::exit::{Failure, usage};

/// The results in a format; text and pages are not those of other programs.
pub(super) fn formatted(
    results: &[StoredResult],
    format: ReportFormat,
    names: PrometheusNames,
) -> Result<String, Failure> {
    match format {
        ReportFormat::Text | ReportFormat::Html => Ok(super::report(results, true)),
        ReportFormat::Markdown => Ok(pages(results)),
        ReportFormat::Junit => Ok(junit::xml(&groups(results))),
        ReportFormat::Github => Ok(github::annotations(&groups(results))),
        ReportFormat::Json => one_json(results),
        ReportFormat::Csv => Ok(intervals::csv(&runs(results)?)),
        ReportFormat::Benchfmt => converted(benchfmt::text(&runs(results)?)),
        ReportFormat::Bmf => {
            json(&bencher::document(&benchmarks(&runs(results)?).map_err(anyhow::Error::new)?))
        }
        ReportFormat::GithubBenchmark => entries(results, EntryDirection::SmallerIsBetter),
        ReportFormat::GithubBenchmarkRates => entries(results, EntryDirection::BiggerIsBetter),
        ReportFormat::Prometheus => {
            let families = metrics::of_run(&one(results)?.document, names.into());
            Ok(prometheus::text(&families.map_err(anyhow::Error::new)?))
        }
        ReportFormat::Hgrm => converted(hgrm::text(&one(results)?.document)),
        ReportFormat::Speedscope => profile(one(results)?),
    }
}

fn pages(results: &[StoredResult]) -> String {
    let pages = results.iter().map(|result| match result {
        StoredResult::Run(run) => {
            markdown::page(&run.document, Some(&run.folder.display().to_string()))
        }
        StoredResult::Comparison(document) => comparison::markdown(document),
    });
    pages.collect::<Vec<_>>().join("\n")
}

fn groups(results: &[StoredResult]) -> Vec<CheckGroup> {
    let groups = results.iter().flat_map(|result| match result {
        StoredResult::Run(run) => vec![CheckGroup::of_run(&run.document)],
        StoredResult::Comparison(document) => CheckGroup::of_comparison(document),
    });
    groups.collect()
}

/// The documents of results that must all be runs.
fn runs(results: &[StoredResult]) -> Result<Vec<Document>, Failure> {
    let runs = results.iter().map(|result| match result {
        StoredResult::Run(run) => Ok(run.document.clone()),
        StoredResult::Comparison(_) => Err(not_a_run()),
    });
    runs.collect()
}

/// The only result, a run.
fn one(results: &[StoredResult]) -> Result<&StoredRun, Failure> {
    match results {
        [StoredResult::Run(run)] => Ok(run),
        [StoredResult::Comparison(_)] => Err(not_a_run()),
        _ => Err(several()),
    }
}

fn not_a_run() -> Failure {
    usage(
        "this format is of runs, and a comparison is none: name runs, or use --format junit, \
         github, markdown or json",
    )
}

fn several() -> Failure {
    usage("this format takes one run: call `uringbench report` once for each")
}

fn one_json(results: &[StoredResult]) -> Result<String, Failure> {
    match results {
        [StoredResult::Run(run)] => {
            let text = run.document.to_json().context("cannot write JSON")?;
            Ok(format!("{text}\n"))
        }
        [StoredResult::Comparison(document)] => json::<ComparisonDocument>(document),
        _ => Err(several()),
    }
}

fn entries(results: &[StoredResult], direction: EntryDirection) -> Result<String, Failure> {
    let benchmarks = benchmarks(&runs(results)?).map_err(anyhow::Error::new)?;
    json(&action_benchmark::entries(&benchmarks, direction))
}

fn profile(run: &StoredRun) -> Result<String, Failure> {
    let stacks = cpu_stacks(&run.folder)?;
    json(&speedscope::document(&name_of(&run.document), &stacks))
}

fn json<T: Serialize>(value: &T) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value).context("cannot write JSON")?;
    Ok(format!("{text}\n"))
}

fn converted(text: Result<String, uringbench_export::ExportError>) -> Result<String, Failure> {
    Ok(text.map_err(anyhow::Error::new)?)
}

impl From<PrometheusNames> for MetricNames {
    fn from(names: PrometheusNames) -> Self {
        match names {
            PrometheusNames::Own => Self::Own,
            PrometheusNames::Api => Self::Api,
        }
    }
}
