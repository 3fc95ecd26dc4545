//! `uringbench gate`: stored runs against a named baseline.

use anyhow::Context;
use uringbench_decision::{Pairing, group_of};
use uringbench_store::read_baseline;

use crate::args::GateArgs;
use crate::comparing;
use crate::exit::{Exit, Failure};
use crate::store_place::StorePlace;

/// Read baseline and runs, compare, print.
pub(crate) fn execute(args: &GateArgs) -> Result<Exit, Failure> {
    let settings = comparing::settings(&args.limits, Pairing::Independent)?;
    let place = StorePlace::of(&args.store)?;
    let baseline = read_baseline(&args.folder.path, &args.baseline).context("there is no gate")?;
    let runs = comparing::runs(&place, &args.runs)?;
    let label = args.runs.join(",");
    let groups = [group_of(&baseline), comparing::group(&label, &runs)];
    comparing::conclude(&place, &groups, settings, &args.form)
}
