//! The texts that uringbench prints: the results of a run, its progress, and the terminal view.
//!
//! Pure: a document in, text out, so that a stored run reads as it did when it ended. Nothing here
//! opens a file or queries the terminal; the command line decides whether to colour.
//! `uringbench-core` computes the facts about a run.

pub mod baseline;
pub mod capacity;
mod chaos;
pub mod comparison;
mod cost;
pub mod history;
mod insight;
pub mod live;
pub mod markdown;
pub mod noise;
mod paint;
pub mod progress;
pub mod soak;
pub mod suite;
mod svg;
mod table;
pub mod target;
pub mod text;
pub mod timeline;
pub mod trend;

pub use paint::Colour;
