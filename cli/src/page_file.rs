//! Pages on disk: written whole or not at all.

use std::path::Path;

use anyhow::Context;
use uringbench_store::write_file;

use crate::console;
use crate::exit::{Exit, Failure};

/// Write a text to the file that the user named.
pub(crate) fn store(out: &Path, text: &str) -> Result<(), Failure> {
    let why = || format!("cannot write {}: name another file with -o FILE", out.display());
    Ok(write_file(out, text.as_bytes()).with_context(why)?)
}

/// Write a page to the named file, and say how large it is.
pub(crate) fn write(out: &Path, page: &str) -> Result<Exit, Failure> {
    store(out, page)?;
    let kilobytes = page.len().div_ceil(1_000);
    console::print(&format!("{} ({kilobytes} kB)\n", out.display()))?;
    Ok(Exit::Success)
}
