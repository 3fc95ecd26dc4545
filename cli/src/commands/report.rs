//! `uringbench report`: prints stored results, as a report or in the format of another program.

mod formats;
mod stacks;

use std::path::Path;

use anyhow::Context;
use uringbench_document::comparison::ComparisonDocument;
use uringbench_report::{Colour, comparison, text};
use uringbench_store::{StoredRun, read_comparison, write_file};

use crate::args::{ReportArgs, ReportFormat};
use crate::console;
use crate::exit::{Exit, Failure};
use crate::store_place::StorePlace;

/// A stored result.
enum StoredResult {
    Run(Box<StoredRun>),
    Comparison(ComparisonDocument),
}

/// Read the results, and print or write them.
pub(crate) fn execute(args: &ReportArgs) -> Result<Exit, Failure> {
    let place = StorePlace::of(&args.store)?;
    let results = args.runs.iter().map(|word| opened(&place, word));
    let results: Vec<_> = results.collect::<Result<_, _>>()?;
    let page = match args.format {
        None | Some(ReportFormat::Text) => report(&results, args.out.is_some()),
        Some(format) => formats::formatted(&results, format, args.prometheus_names)?,
    };
    match &args.out {
        None => console::print(&page)?,
        Some(file) => written(file, &page)?,
    }
    Ok(Exit::Success)
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

fn written(file: &Path, page: &str) -> Result<(), Failure> {
    let why = || format!("cannot write {}: name another file with -o FILE", file.display());
    Ok(write_file(file, page.as_bytes()).with_context(why)?)
}
