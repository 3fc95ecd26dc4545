//! `uringbench compare`: two or more groups of stored runs.

use uringbench_decision::Pairing;

use super::report::comparison_page;
use crate::args::CompareArgs;
use crate::comparing;
use crate::console;
use crate::exit::{Exit, Failure};
use crate::page_file;
use crate::store_place::StorePlace;

/// Read the runs, compare, print, and write the page that is wanted.
pub(crate) fn execute(args: &CompareArgs) -> Result<Exit, Failure> {
    let settings = comparing::settings(&args.limits, Pairing::Independent)?;
    let place = StorePlace::of(&args.store)?;
    let mut groups = Vec::with_capacity(args.groups.len());
    for word in &args.groups {
        let runs = comparing::runs(&place, std::slice::from_ref(word))?;
        groups.push(comparing::group(word, &runs));
    }
    let document = comparing::compared(&place, &groups, settings)?;
    comparing::print(&document, &args.form)?;
    if let Some(out) = &args.out {
        page_file::store(out, &comparison_page(&document, None))?;
        // Standard output may be a document.
        console::note(&format!("the page is in {}", out.display()));
    }
    Ok(document.verdict.into())
}
