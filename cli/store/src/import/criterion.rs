//! The folder in which Criterion leaves its results: `GROUP/FUNCTION/VALUE/new` with
//! `benchmark.json`, `estimates.json` and `sample.json`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use uringbench_document::civil::Civil;
use uringbench_document::{BENCHMARK_SCHEMA, MicroBenchmark, TimeEstimate};

use super::ResultImportError;

/// The folder of the newest measurement of a benchmark.
const NEWEST: &str = "new";
/// Folders below one another, at most: a name may have slashes.
const DEPTH_MAX: u32 = 8;

#[derive(Deserialize)]
struct Names {
    full_id: String,
}

#[derive(Deserialize)]
struct Estimates {
    mean: EstimateFigures,
    median: EstimateFigures,
    std_dev: EstimateFigures,
}

#[derive(Deserialize)]
struct EstimateFigures {
    confidence_interval: Confidence,
    point_estimate: f64,
}

#[derive(Deserialize)]
struct Confidence {
    confidence_level: f64,
    lower_bound: f64,
    upper_bound: f64,
}

#[derive(Deserialize)]
struct Samples {
    iters: Vec<f64>,
    times: Vec<f64>,
}

impl From<EstimateFigures> for TimeEstimate {
    fn from(figures: EstimateFigures) -> Self {
        let Confidence { confidence_level, lower_bound, upper_bound } = figures.confidence_interval;
        Self {
            value: figures.point_estimate,
            low: lower_bound,
            high: upper_bound,
            confidence: confidence_level,
        }
    }
}

/// The newest measurements of all benchmarks in the folder, each with its own folder.
pub(super) fn below(folder: &Path) -> Result<Vec<(PathBuf, MicroBenchmark)>, ResultImportError> {
    let mut folders = Vec::new();
    walk(folder, DEPTH_MAX, &mut folders);
    folders.sort();
    folders.into_iter().map(|folder| Ok((folder.clone(), read(&folder)?))).collect()
}

/// Folders that cannot be read have no benchmarks: whoever imports names a folder of their own.
fn walk(folder: &Path, depth: u32, found: &mut Vec<PathBuf>) {
    if folder.ends_with(NEWEST) && folder.join("estimates.json").is_file() {
        found.push(folder.to_path_buf());
        return;
    }
    for child in fs::read_dir(folder).into_iter().flatten().flatten() {
        if depth > 0 && child.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&child.path(), depth - 1, found);
        }
    }
}

fn read(folder: &Path) -> Result<MicroBenchmark, ResultImportError> {
    let estimates = folder.join("estimates.json");
    // No file says when it was measured.
    let written = fs::metadata(&estimates).and_then(|file| file.modified()).unwrap_or(UNIX_EPOCH);
    let Names { full_id } = parse(&folder.join("benchmark.json"))?;
    let Estimates { mean, median, std_dev } = parse(&estimates)?;
    let Samples { iters, times } = parse(&folder.join("sample.json"))?;
    Ok(MicroBenchmark {
        schema: BENCHMARK_SCHEMA.to_owned(),
        tool: "criterion".to_owned(),
        name: full_id,
        started: Civil::of(written).rfc3339(),
        git: None,
        tags: Vec::new(),
        mean_ns: mean.into(),
        median_ns: median.into(),
        std_dev_ns: std_dev.into(),
        samples_ns: iters.iter().zip(&times).map(|(count, time)| time / count).collect(),
    })
}

fn parse<T: DeserializeOwned>(path: &Path) -> Result<T, ResultImportError> {
    let text = fs::read_to_string(path)
        .map_err(|cause| ResultImportError::Unreadable { path: path.to_path_buf(), cause })?;
    serde_json::from_str(&text)
        .map_err(|cause| ResultImportError::Foreign { path: path.to_path_buf(), cause })
}
