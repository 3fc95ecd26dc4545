//! `uringbench report`: prints the report of a stored run, or writes its page.

mod page;
mod profile;

use anyhow::Context;
use uringbench_report::text;
use uringbench_store::StoredRun;

use crate::args::ReportArgs;
use crate::console;
use crate::exit::{Exit, Failure, usage};
use crate::store_place::StorePlace;

/// Read the run, and print its report.
pub(crate) fn execute(args: &ReportArgs) -> Result<Exit, Failure> {
    let place = StorePlace::of(&args.store)?;
    if let Some(out) = &args.out {
        return page::execute(&place, &args.runs, out);
    }
    let [run] = args.runs.as_slice() else {
        return Err(usage("the text is about one run: name one, or write a page with -o FILE"));
    };
    let path = place.run(run).map_err(anyhow::Error::new)?;
    let run = StoredRun::open(&path).context("there is nothing to report")?;
    let page = text::summary(&run.document, Some(&run.folder), console::colour());
    console::print(&page).map(|()| Exit::Success)
}
