//! Results in the formats that other programs read: CI systems, services that follow benchmarks,
//! spreadsheets, Prometheus, and viewers of profiles.
//!
//! Pure: documents in, text out, so that every format can be made of a stored run at any time.
//! Nothing here opens a file or knows where the text goes. Texts for people are made by
//! `uringbench-report`.

pub mod action_benchmark;
pub mod bencher;
pub mod benchfmt;
pub mod benchmark;
pub mod checks;
pub mod exponential;
pub mod github;
pub mod hgrm;
pub mod intervals;
pub mod junit;
pub mod live;
pub mod markdown;
pub mod metrics;
pub mod otlp;
pub mod prometheus;
pub mod remote_write;
pub mod speedscope;

use uringbench_document::EncodeError;

/// Why a result has no form in a format.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The histogram or a figure of the document is damaged.
    #[error("the run cannot be converted: {0}; copy its run.json again, or repeat the run")]
    Damaged(#[from] EncodeError),
    /// The document cannot be read back.
    #[error("the run cannot be converted: {0}")]
    Unreadable(#[from] uringbench_document::ReadError),
}
