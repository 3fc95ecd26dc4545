//! What uringbench prints: the summary of a run and the line that shows it is under way.
//!
//! Pure: values in, text out. Nothing here opens a file, asks for the width of a terminal or
//! knows whether there is one; the command line says whether to colour. What is true of a run is
//! decided in `uringbench-core`.

mod paint;
pub mod progress;
pub mod text;

pub use paint::Colour;
