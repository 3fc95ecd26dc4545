//! GitHub Actions: results as annotations and in the summary of the job, where GitHub runs us.
//!
//! Annotations go to stdout after the result, or to stderr where stdout is for one document; the
//! runner reads both. A failure here is a note: the result itself is printed and stored.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use uringbench_document::Document;
use uringbench_document::comparison::ComparisonDocument;
use uringbench_export::checks::CheckGroup;
use uringbench_export::{github, markdown};
use uringbench_report::comparison;

use crate::console;
use crate::exit::Failure;

/// Says that GitHub runs us.
const VARIABLE: &str = "GITHUB_ACTIONS";
/// The file to which a step appends Markdown.
const SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// Where annotations go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stdout {
    /// Text, to which lines may be added.
    Text,
    /// One document, to which nothing may be added.
    Document,
}

/// Whether GitHub Actions runs this process.
pub(crate) fn is_running() -> bool {
    std::env::var_os(VARIABLE).is_some_and(|value| value == "true")
}

/// Text of which no line is a command to GitHub, if GitHub reads it.
pub(crate) fn shown(text: String) -> String {
    if is_running() { github::inert(&text) } else { text }
}

/// Report a run, if GitHub runs us.
pub(crate) fn run_ended(
    run: &Document,
    stored: Option<&Path>,
    stdout: Stdout,
) -> Result<(), Failure> {
    if !is_running() {
        return Ok(());
    }
    let stored = stored.map(|folder| folder.display().to_string());
    summarise(&markdown::page(run, stored.as_deref()));
    annotate(&[CheckGroup::of_run(run)], stdout)
}

/// Report a comparison, if GitHub runs us.
pub(crate) fn compared(document: &ComparisonDocument, stdout: Stdout) -> Result<(), Failure> {
    if !is_running() {
        return Ok(());
    }
    summarise(&comparison::markdown(document));
    annotate(&CheckGroup::of_comparison(document), stdout)
}

fn annotate(groups: &[CheckGroup], stdout: Stdout) -> Result<(), Failure> {
    let lines = github::annotations(groups);
    match stdout {
        Stdout::Text => console::print(&lines),
        Stdout::Document => {
            lines.lines().for_each(console::command);
            Ok(())
        }
    }
}

fn summarise(page: &str) {
    let Some(file) = std::env::var_os(SUMMARY).filter(|file| !file.is_empty()) else { return };
    let file = PathBuf::from(file);
    if let Err(why) = append(&file, page) {
        console::note(&format!(
            "uringbench: the summary of the job has no result, {}: {why}; see ${SUMMARY}",
            file.display()
        ));
    }
}

/// All results of a step share the size that GitHub accepts.
fn append(file: &Path, page: &str) -> io::Result<()> {
    let mut summary = OpenOptions::new().append(true).create(true).open(file)?;
    let used = usize::try_from(summary.metadata()?.len()).unwrap_or(usize::MAX);
    let room = github::SUMMARY_MAX.saturating_sub(used);
    summary.write_all(format!("{}\n", github::fitting(page, room)).as_bytes())
}
