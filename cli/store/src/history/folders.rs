//! The results on disk from which the history is made.

use std::fs;
use std::path::{Path, PathBuf};

use uringbench_document::MicroBenchmark;
use uringbench_document::history::HistoryEntry;

use super::error::HistoryError;
use crate::read::ReadRunError;
use crate::write::{BENCHMARK, DOCUMENT};

/// Folders below one another, at most: target, scenario, time, and folders that group them.
const DEPTH_MAX: u32 = 12;

/// The entry of the run or of the imported benchmark in `folder`.
pub(crate) fn entry(root: &Path, folder: &Path) -> Result<HistoryEntry, HistoryError> {
    let (run, benchmark) = (folder.join(DOCUMENT), folder.join(BENCHMARK));
    let entry = if benchmark.is_file() && !run.is_file() {
        let text = fs::read_to_string(&benchmark)
            .map_err(|cause| HistoryError::File { path: benchmark.clone(), cause })?;
        let read = MicroBenchmark::read(&text);
        read.map_err(|cause| HistoryError::NoBenchmark { path: benchmark, cause })?.entry()
    } else {
        let text = match fs::read_to_string(&run) {
            Ok(text) => text,
            Err(cause) => return Err(ReadRunError::Unreadable { path: run, cause }.into()),
        };
        let read = HistoryEntry::of_run(&text);
        read.map_err(|cause| ReadRunError::NoRun { path: run, cause })?
    };
    Ok(HistoryEntry { folder: name(root, folder), ..entry })
}

/// Whether there is a result in the folder.
pub(super) fn has_result(folder: &Path) -> bool {
    [DOCUMENT, BENCHMARK].iter().any(|name| folder.join(name).is_file())
}

/// The folders with a result, `root` and all below it, in the order of their names.
pub(crate) fn below(root: &Path) -> Result<Vec<PathBuf>, HistoryError> {
    let mut found = Vec::new();
    walk(root, DEPTH_MAX, &mut found)?;
    found.sort();
    Ok(found)
}

fn walk(folder: &Path, depth: u32, found: &mut Vec<PathBuf>) -> Result<(), HistoryError> {
    if has_result(folder) {
        found.push(folder.to_path_buf());
    }
    let failed = |cause| HistoryError::File { path: folder.to_path_buf(), cause };
    for child in fs::read_dir(folder).map_err(failed)? {
        let child = child.map_err(failed)?;
        // Links are not followed: they could lead in a circle.
        let is_folder = child.file_type().map_err(failed)?.is_dir();
        if is_folder && depth > 0 {
            walk(&child.path(), depth - 1, found)?;
        }
    }
    Ok(())
}

/// How the history names a folder: relative to `root` below it, or else from the top.
fn name(root: &Path, folder: &Path) -> String {
    let absolute = |path: &Path| {
        fs::canonicalize(path)
            .or_else(|_| std::path::absolute(path))
            .unwrap_or_else(|_| path.to_path_buf())
    };
    let (root, folder) = (absolute(root), absolute(folder));
    let name = folder.strip_prefix(&root).unwrap_or(&folder).to_string_lossy();
    if name.is_empty() { ".".to_owned() } else { name.into_owned() }
}
