//! Files that decisions are based on: named baselines in the repository of the program under test,
//! and noise floors beside the results.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use uringbench_document::baseline::{BaselineDocument, BaselineError};
use uringbench_document::comparison::ComparisonDocument;
use uringbench_document::noise::NoiseDocument;

use crate::layout::plain;
use crate::read::ReadRunError;
use crate::write::{Destination, StoreError};

/// The folder of baselines, in the repository of the program under test.
pub const BASELINES: &str = "benchmarks/baselines";
/// The folder of noise floors, below that of results.
const NOISE: &str = "noise";
/// A comparison, beside its runs.
const COMPARISON: &str = "comparison.json";

/// Why a baseline cannot be read, and the fix.
#[derive(Debug, thiserror::Error)]
pub enum BaselineFileError {
    /// The file does not exist, or may not be read.
    #[error(
        "there is no baseline {}: {cause}; make one with `uringbench baseline set NAME RUN…`",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// The file has other content.
    #[error("cannot use {}: {cause}", path.display())]
    NoBaseline {
        /// The file.
        path: PathBuf,
        /// The fault.
        cause: BaselineError,
    },
}

/// The baseline with this name in `folder`, or in the file with this path.
///
/// # Errors
/// If there is none, or it cannot be read.
pub fn read_baseline(folder: &Path, name: &str) -> Result<BaselineDocument, BaselineFileError> {
    let path = match Path::new(name).is_file() {
        true => PathBuf::from(name),
        false => baseline_file(folder, name),
    };
    match fs::read_to_string(&path).map(|text| BaselineDocument::read(&text)) {
        Ok(Ok(baseline)) => Ok(baseline),
        Ok(Err(cause)) => Err(BaselineFileError::NoBaseline { path, cause }),
        Err(cause) => Err(BaselineFileError::Unreadable { path, cause }),
    }
}

/// Writes a baseline into `folder`, in the place of one with the same name.
///
/// # Errors
/// If it cannot be written.
pub fn write_baseline(folder: &Path, baseline: &BaselineDocument) -> Result<PathBuf, StoreError> {
    write(folder, &format!("{}.json", plain(&baseline.name)), baseline)
}

/// The names of the baselines in `folder`, by the alphabet.
pub fn baseline_names(folder: &Path) -> Vec<String> {
    let paths = json_files(folder).into_iter();
    let names = paths.filter_map(|path| path.file_stem()?.to_str().map(str::to_owned));
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// Writes a noise floor below the folder of results, in the place of an earlier one of this
/// `name`.
///
/// # Errors
/// If it cannot be written.
pub fn write_noise(
    results: &Path,
    name: &str,
    noise: &NoiseDocument,
) -> Result<PathBuf, StoreError> {
    write(&results.join(NOISE), &format!("{}.json", plain(name)), noise)
}

/// Writes the comparison of the runs in `folder` beside them: `comparison.json`.
///
/// # Errors
/// If it cannot be written.
pub fn write_comparison(
    folder: &Path,
    comparison: &ComparisonDocument,
) -> Result<PathBuf, StoreError> {
    write(folder, COMPARISON, comparison)
}

/// The comparison at `path`: its folder, or its document.
///
/// # Errors
/// If there is none, or it cannot be read.
pub fn read_comparison(path: &Path) -> Result<ComparisonDocument, ReadRunError> {
    let file = if path.is_dir() { path.join(COMPARISON) } else { path.to_path_buf() };
    match fs::read_to_string(&file).map(|text| ComparisonDocument::read(&text)) {
        Ok(Ok(document)) => Ok(document),
        Ok(Err(cause)) => Err(ReadRunError::NoRun { path: file, cause }),
        Err(cause) => Err(ReadRunError::Unreadable { path: file, cause }),
    }
}

/// All noise floors below the folder of results. Files that are none are passed over.
pub fn read_noise(results: &Path) -> Vec<NoiseDocument> {
    let texts = json_files(&results.join(NOISE)).into_iter().filter_map(|path| {
        let text = fs::read_to_string(path).ok()?;
        serde_json::from_str::<NoiseDocument>(&text).ok()
    });
    texts.filter(|noise| noise.schema == uringbench_document::noise::SCHEMA).collect()
}

fn baseline_file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{}.json", plain(name)))
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "json")).collect()
}

fn write(folder: &Path, name: &str, document: &impl Serialize) -> Result<PathBuf, StoreError> {
    Destination::prepare(folder)?.write(name, |file| {
        serde_json::to_writer_pretty(&mut *file, document)?;
        file.write_all(b"\n")
    })
}

#[cfg(test)]
mod tests {
    use uringbench_document::baseline::{ConditionFigures, SCHEMA};

    use super::*;

    fn baseline(name: &str) -> BaselineDocument {
        BaselineDocument {
            schema: SCHEMA.to_owned(),
            name: name.to_owned(),
            established: "2026-01-01T00:00:00Z".to_owned(),
            uringbench: Vec::new(),
            conditions: ConditionFigures::default(),
            runs: Vec::new(),
            figures: Vec::new(),
        }
    }

    #[test]
    fn a_baseline_is_found_by_its_name_or_its_file() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(BASELINES);
        assert!(baseline_names(&folder).is_empty());
        let path = write_baseline(&folder, &baseline("feature/x")).unwrap();
        write_baseline(&folder, &baseline("main")).unwrap();
        assert_eq!(baseline_names(&folder), ["feature_x", "main"]);
        assert_eq!(read_baseline(&folder, "feature/x").unwrap().name, "feature/x");
        let by_path = read_baseline(Path::new("elsewhere"), path.to_str().unwrap());
        assert_eq!(by_path.unwrap().name, "feature/x");
        let why = read_baseline(&folder, "other").unwrap_err().to_string();
        assert!(why.contains("other.json: No such file") && why.contains("baseline set"), "{why}");
        fs::write(folder.join("other.json"), "{}").unwrap();
        let why = read_baseline(&folder, "other").unwrap_err().to_string();
        assert!(why.contains("not a baseline"), "{why}");
    }

    #[test]
    fn noise_floors_are_kept_beside_the_results() {
        let root = tempfile::tempdir().unwrap();
        let noise = NoiseDocument {
            schema: uringbench_document::noise::SCHEMA.to_owned(),
            measured: "2026-01-01T00:00:00Z".to_owned(),
            conditions: ConditionFigures::default(),
            runs: 10,
            figures: Vec::new(),
        };
        write_noise(root.path(), "h:80 GET /", &noise).unwrap();
        fs::write(root.path().join(NOISE).join("x.json"), "{}").unwrap();
        assert_eq!(read_noise(root.path()), [noise]);
    }
}
