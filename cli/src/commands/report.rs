//! `uringbench report`: prints stored results, as a report or in the format of another program, or
//! writes a page of them.

mod compared;
mod formats;
mod page;
mod profile;
mod stacks;

pub(crate) use compared::comparison_page;
pub(crate) use page::{DOCUMENTS, Kind, page_of, run_page};

use std::path::Path;

use anyhow::Context;
use uringbench_document::comparison::ComparisonDocument;
use uringbench_report::{Colour, comparison, text};
use uringbench_store::{StoredRun, read_comparison};

use crate::args::{PrometheusNames, ReportArgs, ReportFormat};
use crate::console;
use crate::exit::{Exit, Failure, usage};
use crate::page_file;
use crate::store_place::StorePlace;

/// A stored result.
enum StoredResult {
    Run(Box<StoredRun>),
    Comparison(ComparisonDocument),
}

/// Read the results, and print or write them.
pub(crate) fn execute(args: &ReportArgs) -> Result<Exit, Failure> {
    let place = StorePlace::of(&args.store)?;
    if is_page(args) {
        let out = args.out.as_deref().ok_or_else(|| {
            usage("--format html writes a page: name its file, such as -o report.html")
        })?;
        return page::execute(&place, &args.runs, out);
    }
    if args.prometheus_names.is_some() && args.format != Some(ReportFormat::Prometheus) {
        return Err(usage("--prometheus-names is for metrics: add --format prometheus"));
    }
    let names = args.prometheus_names.unwrap_or(PrometheusNames::Own);
    let results = args.runs.iter().map(|word| opened(&place, word));
    let results: Vec<_> = results.collect::<Result<_, _>>()?;
    let page = match args.format {
        None => report(&results, args.out.is_some()),
        Some(format) => formats::formatted(&results, format, names)?,
    };
    match &args.out {
        None => console::print(&page)?,
        Some(file) => page_file::store(file, &page)?,
    }
    Ok(Exit::Success)
}

/// Whether a page is wanted: by its format, or by the name of its file.
fn is_page(args: &ReportArgs) -> bool {
    let extension = args.out.as_deref().and_then(Path::extension);
    let is_html = extension.is_some_and(|end| end == "html" || end == "htm");
    args.format.map_or(is_html, |format| format == ReportFormat::Html)
}

fn opened(place: &StorePlace, word: &str) -> Result<StoredResult, Failure> {
    let path = place.run(word).map_err(anyhow::Error::new)?;
    let run = match StoredRun::open(&path) {
        Ok(run) => Ok(StoredResult::Run(Box::new(run))),
        Err(why) => read_comparison(&path).map(StoredResult::Comparison).map_err(|_| why),
    };
    Ok(run.context("there is nothing to report")?)
}

fn report(results: &[StoredResult], is_file: bool) -> String {
    let colour = if is_file { Colour::No } else { console::colour() };
    let pages = results.iter().map(|result| match result {
        StoredResult::Run(run) => text::summary(&run.document, Some(&run.folder), colour),
        StoredResult::Comparison(document) => comparison::text(document, colour),
    });
    pages.collect::<Vec<_>>().join("\n")
}
