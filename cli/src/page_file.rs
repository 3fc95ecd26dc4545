//! Pages on disk: written whole or not at all.

use std::path::Path;

use anyhow::Context;
use uringbench_profiler::profile::write_whole;

use crate::console;
use crate::exit::{Exit, Failure, usage};

/// Write a page to the named file, and say how large it is.
pub(crate) fn write(out: &Path, page: &str) -> Result<Exit, Failure> {
    let name = out.file_name().and_then(|name| name.to_str()).filter(|_| !out.is_dir());
    let name = name
        .ok_or_else(|| usage(format!("-o {}: name a file, such as report.html", out.display())))?;
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
    write_whole(folder.unwrap_or_else(|| Path::new(".")), name, |file| {
        file.write_all(page.as_bytes())
    })
    .context("name another file with -o FILE")?;
    let kilobytes = page.len().div_ceil(1_000);
    console::print(&format!("{} ({kilobytes} kB)\n", out.display()))?;
    Ok(Exit::Success)
}
