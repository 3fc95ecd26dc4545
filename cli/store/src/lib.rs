//! Results of runs on disk: their folders, files that are written completely or not at all, and
//! the history that finds them again.
//!
//! `uringbench-document` defines their content. Nothing here reads a clock: the caller passes
//! times.

mod decision_files;
mod history;
mod import;
mod interval_file;
mod layout;
mod named_file;
mod read;
mod suite_files;
mod write;

pub use decision_files::{
    BASELINES, BaselineFileError, baseline_names, read_baseline, read_comparison, read_noise,
    write_baseline, write_comparison, write_noise,
};
pub use history::{
    DatabaseUrl, EnterError, FoundRun, History, HistoryError, HistoryFilter, HistoryPlace, Rebuilt,
    RemoteError, RemoteHistory, SelectError, select, select_entries,
};
pub use import::{
    ImportOrigin, ImportedResult, ResultImportError, criterion_benchmarks, import_results,
};
pub use interval_file::{INTERVALS, IntervalFile};
pub use layout::{run_folder, suite_folder};
pub use named_file::write_file;
pub use read::{PlanReadError, ReadRunError, StoredRun, read_plan};
pub use suite_files::{SuiteFiles, newest_suite};
pub use write::{Destination, StoreError};
