//! Results of a run on disk: the folder they lie in, and files that are there whole or not at all.
//!
//! What the files hold is decided in `uringbench-document`. Nothing here reads a clock: times are
//! given by the caller.

mod interval_file;
mod layout;
mod read;
mod write;

pub use interval_file::IntervalFile;
pub use layout::run_folder;
pub use read::{PlanReadError, ReadRunError, StoredRun, read_plan};
pub use write::{Destination, StoreError};
