//! Results as pages: one HTML file each, that needs no server and no network.
//!
//! Pure: documents in, text out. A page reads well without JavaScript: its charts are SVG made
//! here. With it, charts are drawn again by uPlot (`assets/uplot`) and a stretch of time can be
//! chosen that every number follows. A policy in the page allows its own scripts alone, by their
//! hashes, and foreign texts pass through `foreign::Foreign`.

mod band;
mod capacity;
mod comparison;
mod curve;
pub mod flame;
mod foreign;
mod grid;
mod heat;
mod live;
mod objective;
mod panel;
mod plot;
pub mod run;
pub mod shelf;
mod shell;
mod show;
mod soak;
mod spark;
mod suite;
mod svg;
mod table;
mod trend;

pub use band::{PercentileBand, RunCurve};
pub use capacity::capacity;
pub use comparison::{ComparisonDetails, ComparisonPage, comparison};
pub use live::LiveCourse;
pub use suite::suite;
pub use trend::trend;
