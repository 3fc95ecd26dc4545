//! Results of elsewhere into the folder of results: runs of uringbench, and benchmarks that
//! Criterion measured. What is imported is a copy with a folder of its own, as if it had been
//! measured here, so that the history can be made again without the originals.

mod criterion;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde::Deserialize;
use uringbench_document::civil::Civil;
use uringbench_document::history::HistoryEntry;
use uringbench_document::{EncodeError, GitRevision, MicroBenchmark};

use crate::history::{Below, History, HistoryError, entry_in};
use crate::layout::run_folder;
use crate::write::{BENCHMARK, DOCUMENT, Destination, PLAN, StoreError};

/// Files that a run may have beside its document, those of a profile aside: they are in it.
const FILES: [&str; 4] = [PLAN, "response.hlog", "intervals.hlog", "timeline.json"];

/// What an import did with one result.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportedResult {
    /// Its origin.
    pub from: PathBuf,
    /// Its entry in the history.
    pub entry: HistoryEntry,
    /// Whether it was in the history already, and so was left alone.
    pub is_known: bool,
}

/// What an import adds: the revision and the tags to benchmarks, whose files do not say them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportOrigin {
    /// The revision that was measured.
    pub git: Option<GitRevision>,
    /// Tags.
    pub tags: Vec<String>,
    /// Whether imported results have to be sent to another database.
    pub is_pending: bool,
}

/// Why something cannot be imported, and the fix.
#[derive(Debug, thiserror::Error)]
pub enum ResultImportError {
    /// There is nothing to import.
    #[error(
        "{} has nothing to import: name a run.json, a folder with runs below it, or Criterion's \
         folder target/criterion",
        path.display()
    )]
    Nothing {
        /// The path.
        path: PathBuf,
    },
    /// A file that cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// A file of Criterion with other content.
    #[error(
        "{} is not as Criterion writes it ({cause}): run the benchmark again",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The fault.
        cause: serde_json::Error,
    },
    /// The copy cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A figure without a form in JSON.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A run that cannot be read, or the history.
    #[error(transparent)]
    History(#[from] HistoryError),
}

/// The newest measurements below a folder of Criterion's, by name.
///
/// # Errors
/// If a file of them cannot be read.
pub fn criterion_benchmarks(folder: &Path) -> Result<Vec<MicroBenchmark>, ResultImportError> {
    Ok(criterion::below(folder)?.into_iter().map(|(_, benchmark)| benchmark).collect())
}

/// Import what is at `path`: a `run.json`, a folder with runs, or Criterion's folder.
///
/// # Errors
/// If there is nothing to import, or it cannot be read or written. What was imported before stays.
pub fn import_results(
    history: &mut History,
    path: &Path,
    origin: &ImportOrigin,
) -> Result<Vec<ImportedResult>, ResultImportError> {
    let folder = if path.is_file() { path.parent().unwrap_or(path) } else { path };
    let runs = match path.is_file() {
        true => vec![folder.to_path_buf()],
        false => Below::of(folder)?.whole()?,
    };
    let benchmarks = criterion::below(folder)?;
    if runs.is_empty() && benchmarks.is_empty() {
        return Err(ResultImportError::Nothing { path: path.to_path_buf() });
    }
    let mut imported = Vec::new();
    for run in runs {
        imported.push(import_run(history, run, origin)?);
    }
    for benchmark in benchmarks {
        imported.push(import_benchmark(history, benchmark, origin)?);
    }
    Ok(imported)
}

fn import_run(
    history: &mut History,
    from: PathBuf,
    origin: &ImportOrigin,
) -> Result<ImportedResult, ResultImportError> {
    let entry = entry_in(history.root(), &from)?;
    if let Some(entry) = history.find(&entry.run_id)? {
        return Ok(ImportedResult { from, entry, is_known: true });
    }
    let destination = place(history.root(), &entry)?;
    let unreadable =
        |path: &Path, cause| ResultImportError::Unreadable { path: path.to_owned(), cause };
    for name in files_of_run(&from) {
        let path = from.join(&name);
        let mut source = fs::File::open(&path).map_err(|cause| unreadable(&path, cause))?;
        destination.write(&name, |file| {
            // A plan is for its owner alone.
            file.set_permissions(source.metadata()?.permissions())?;
            io::copy(&mut source, file).map(drop)
        })?;
    }
    let entry = history.add(destination.folder(), origin.is_pending)?;
    Ok(ImportedResult { from, entry, is_known: false })
}

/// The files of the run in a folder, in which others may lie; the result itself last, so that a
/// folder with it is whole.
fn files_of_run(folder: &Path) -> Vec<String> {
    #[derive(Default, Deserialize)]
    struct Written {
        target: Option<Profiled>,
    }
    #[derive(Deserialize)]
    struct Profiled {
        #[serde(default)]
        files: Vec<String>,
    }
    let text = fs::read_to_string(folder.join(DOCUMENT)).unwrap_or_default();
    let written: Written = serde_json::from_str(&text).unwrap_or_default();
    let mut names: Vec<String> = FILES.map(str::to_owned).into();
    names.extend(written.target.into_iter().flat_map(|target| target.files));
    names.sort();
    names.dedup();
    names.extend([DOCUMENT, BENCHMARK].map(str::to_owned));
    // A document of elsewhere may name anything.
    let is_plain = |name: &String| Path::new(name).file_name() == Some(name.as_ref());
    names.retain(|name| is_plain(name) && folder.join(name).is_file());
    names
}

fn import_benchmark(
    history: &mut History,
    (from, benchmark): (PathBuf, MicroBenchmark),
    origin: &ImportOrigin,
) -> Result<ImportedResult, ResultImportError> {
    let ImportOrigin { git, tags, is_pending } = origin.clone();
    let benchmark = MicroBenchmark { git, tags, ..benchmark };
    let entry = benchmark.entry();
    if let Some(entry) = history.find(&entry.run_id)? {
        return Ok(ImportedResult { from, entry, is_known: true });
    }
    let destination = place(history.root(), &entry)?;
    let text = benchmark.to_json()?;
    destination.write(BENCHMARK, |file| file.write_all(text.as_bytes()))?;
    let entry = history.add(destination.folder(), is_pending)?;
    Ok(ImportedResult { from, entry, is_known: false })
}

/// A new folder where the result would lie if it had been measured here.
fn place(root: &Path, entry: &HistoryEntry) -> Result<Destination, StoreError> {
    let began = Civil::parse(&entry.timestamp).map_or(0.0, Civil::unix_seconds);
    let began = UNIX_EPOCH + Duration::from_secs_f64(began.max(0.0));
    Destination::prepare_new(&run_folder(root, &entry.target, &entry.benchmark_name, began))
}

#[cfg(test)]
mod tests;
