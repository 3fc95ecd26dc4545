//! `uringbench compare`: two or more groups of stored runs.

use uringbench_decision::Pairing;

use crate::args::CompareArgs;
use crate::comparing;
use crate::exit::{Exit, Failure};
use crate::store_place::StorePlace;

/// Read the runs, compare, print.
pub(crate) fn execute(args: &CompareArgs) -> Result<Exit, Failure> {
    let settings = comparing::settings(&args.limits, Pairing::Independent)?;
    let place = StorePlace::of(&args.store)?;
    let mut groups = Vec::with_capacity(args.groups.len());
    for word in &args.groups {
        let runs = comparing::runs(&place, std::slice::from_ref(word))?;
        groups.push(comparing::group(word, &runs));
    }
    comparing::conclude(&place, &groups, settings, &args.form)
}
