//! Arguments of `uringbench trend`.

use std::path::PathBuf;

use clap::Args;
use uringbench_document::history::{FIGURES, FigureKind};

use super::history::FilterArgs;
use crate::units;

/// Options of `uringbench trend`.
#[derive(Args, Clone, Debug)]
pub(crate) struct TrendArgs {
    /// Name of the benchmark; a tag, branch, folder or pattern works too
    #[arg(value_name = "NAME")]
    pub(crate) benchmark: String,

    /// The figure: rate, p50, p95, p99, p99.9, mean, max, cpu, memory, errors, time, or a name of
    /// `uringbench history show` [default: rate of a closed loop, p99 of an open one]
    #[arg(long, value_name = "FIGURE", value_parser = figure)]
    pub(crate) metric: Option<FigureKind>,

    /// Time before the newest run over which the slope is fitted: 30d, 12h
    #[arg(long, value_name = "AGE", value_parser = units::age, default_value = "30d")]
    pub(crate) window: u64,

    #[command(flatten)]
    pub(crate) filter: FilterArgs,

    /// Folder of the results, or a database postgres://… [default: the environment variable
    /// URINGBENCH_STORE, or else results]
    #[arg(long, value_name = "DIR|URL")]
    pub(crate) store: Vec<String>,

    /// Write a page instead: one HTML file that needs no network
    #[arg(short, long, value_name = "FILE", conflicts_with = "json")]
    pub(crate) out: Option<PathBuf>,

    /// Print the trend as one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

fn figure(text: &str) -> Result<FigureKind, String> {
    let mut kinds = FIGURES.into_iter();
    let found = kinds.find(|kind| kind.name == text || (!text.is_empty() && kind.short == text));
    found.ok_or_else(|| {
        let shorts: Vec<_> = FIGURES.iter().map(|kind| kind.short).collect();
        let shorts: Vec<_> = shorts.into_iter().filter(|short| !short.is_empty()).collect();
        format!("expected one of {}", shorts.join(", "))
    })
}
