//! What uringbench prints: the results of a run, and the line that shows that it is under way.
//!
//! Pure: a document in, text out, so that a stored run reads as it did when it ended. Nothing here
//! opens a file, asks for the width of a terminal or knows whether there is one; the command line
//! says whether to colour. What is true of a run is decided in `uringbench-core`.

mod paint;
pub mod progress;
mod soak;
pub mod target;
pub mod text;
pub mod timeline;

pub use paint::Colour;
