//! `uringbench report`: prints the report of a stored run.

use anyhow::Context;
use uringbench_report::text;
use uringbench_store::StoredRun;

use crate::args::ReportArgs;
use crate::console;
use crate::exit::{Exit, Failure};
use crate::store_place::StorePlace;

/// Read the run, and print its report.
pub(crate) fn execute(args: &ReportArgs) -> Result<Exit, Failure> {
    let place = StorePlace::of(&args.store)?;
    let path = place.run(&args.run).map_err(anyhow::Error::new)?;
    let run = StoredRun::open(&path).context("there is nothing to report")?;
    let page = text::summary(&run.document, Some(&run.folder), console::colour());
    console::print(&page).map(|()| Exit::Success)
}
