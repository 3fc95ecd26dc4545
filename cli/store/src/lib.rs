//! Results of a run on disk: their folder, and files that are written completely or not at all.
//!
//! `uringbench-document` defines their content. Nothing here reads a clock: the caller passes
//! times.

mod interval_file;
mod layout;
mod read;
mod select;
mod write;

pub use interval_file::IntervalFile;
pub use layout::run_folder;
pub use read::{PlanReadError, ReadRunError, StoredRun, read_plan};
pub use select::{SelectError, select};
pub use write::{Destination, StoreError};
