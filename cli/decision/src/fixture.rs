//! A run for tests.

use uringbench_document::Document;

/// A document of the first version.
pub(crate) fn run() -> Document {
    let text = include_str!("../../document/tests/run-v1-first.json");
    Document::read(text).expect("a document of the first version")
}
