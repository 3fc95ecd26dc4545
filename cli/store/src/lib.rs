//! Results of a run on disk: the JSON document, the histogram log, and the folder they lie in.
//!
//! The document is the truth and its keys never change within a schema version; the `.hlog`
//! beside it is the same histograms for HdrHistogram's own tools. Nothing here reads a clock or
//! asks the machine anything: times and the [`Environment`] are given by the caller. Verdicts
//! and figures come ready from `uringbench-core`.

mod civil;
pub mod document;
mod hlog;
mod layout;
mod write;

pub use document::{Document, DocumentParts, Environment};
pub use hlog::{HistogramLog, TAGS};
pub use layout::run_folder;
pub use write::{Destination, StoreError};

#[cfg(test)]
use uringbench_core as words;
#[cfg(test)]
#[path = "../../../engine/core/src/summary/fixture.rs"]
mod fixture;
#[cfg(test)]
#[path = "../../../engine/core/src/summary/fixture_script.rs"]
mod fixture_script;
