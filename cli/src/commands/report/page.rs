//! `uringbench report RUN… -o FILE`: results as a page.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use anyhow::Context;
use uringbench_decision::ComparisonSettings;
use uringbench_document::capacity::CapacityDocument;
use uringbench_document::suite::SuiteDocument;
use uringbench_document::timeline::columns::TimelineDocument;
use uringbench_document::{Document, LogLine, read_log};
use uringbench_page::flame::{FlameCut, FlameProfile};
use uringbench_page::run::{RunPage, run};
use uringbench_profiler::profile::{STORED_FILE, read_stored};
use uringbench_store::{INTERVALS, StoredRun, read_comparison, read_plan};

use super::compared::comparison_page;
use super::profile;
use crate::commands::schedule::in_shell;
use crate::comparing;
use crate::exit::{Exit, Failure};
use crate::page_file;
use crate::store_place::StorePlace;

/// The file of its courses.
const TIMELINE: &str = "timeline.json";

/// The results whose documents have a page, by the files of their folders.
pub(crate) const DOCUMENTS: [(&str, Kind); 4] = [
    ("run.json", Kind::Run),
    ("suite.json", Kind::Suite),
    ("capacity.json", Kind::Capacity),
    ("comparison.json", Kind::Comparison),
];

/// What a document is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Run,
    Suite,
    Capacity,
    Comparison,
}

impl Kind {
    /// Its name.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Suite => "suite",
            Self::Capacity => "capacity",
            Self::Comparison => "comparison",
        }
    }
}

/// Make the page, write it, and say so.
pub(super) fn execute(place: &StorePlace, words: &[String], out: &Path) -> Result<Exit, Failure> {
    let page = match words {
        [word] => of_one(place, word)?,
        groups => of_groups(place, groups)?,
    };
    page_file::write(out, &page)
}

/// The page of what a word names: its folder, its document, or a run of the history.
fn of_one(place: &StorePlace, word: &str) -> Result<String, Failure> {
    page_of(&place.run(word).map_err(anyhow::Error::new)?)
}

/// The page of a folder or of a document.
pub(crate) fn page_of(path: &Path) -> Result<String, Failure> {
    let (file, kind) = match path.is_dir() {
        true => {
            let known = DOCUMENTS.into_iter().map(|(name, kind)| (path.join(name), kind));
            // Without any, the message is that of a run.
            let found = known.into_iter().find(|(file, _)| file.is_file());
            found.unwrap_or_else(|| (path.to_path_buf(), Kind::Run))
        }
        false => (path.to_path_buf(), kind_of(path)),
    };
    let text = || {
        fs::read_to_string(&file)
            .with_context(|| format!("cannot read {}: check its permissions", file.display()))
    };
    let damaged = || format!("{} is damaged: name another folder", file.display());
    Ok(match kind {
        Kind::Run => run_page(&StoredRun::open(path).context("there is nothing to report")?),
        Kind::Suite => {
            let document = SuiteDocument::read(&text()?).with_context(damaged)?;
            uringbench_page::suite(&document)
        }
        Kind::Capacity => {
            let document = CapacityDocument::read(&text()?).with_context(damaged)?;
            uringbench_page::capacity(&document)
        }
        Kind::Comparison => {
            let document = read_comparison(path).context("there is nothing to report")?;
            comparison_page(&document, file.parent())
        }
    })
}

/// What a document is, by its name.
fn kind_of(file: &Path) -> Kind {
    let is_it = |(name, _): &(&str, Kind)| file.ends_with(name);
    DOCUMENTS.into_iter().find(is_it).map_or(Kind::Run, |(_, kind)| kind)
}

/// The page of a comparison of the first group of runs with each other one.
fn of_groups(place: &StorePlace, words: &[String]) -> Result<String, Failure> {
    let mut groups = Vec::with_capacity(words.len());
    for word in words {
        let runs = comparing::runs(place, std::slice::from_ref(word))?;
        groups.push(comparing::group(word, &runs));
    }
    let document = comparing::compared(place, &groups, ComparisonSettings::default())?;
    Ok(comparison_page(&document, None))
}

/// The page of a run, with everything in its folder.
pub(crate) fn run_page(stored: &StoredRun) -> String {
    let (folder, document) = (stored.folder.as_path(), &stored.document);
    let mut missing = Vec::new();
    let mut kept = |found: Result<(), String>| missing.extend(found.err());
    let lines = lines(&folder.join(INTERVALS));
    kept(lines.as_ref().map(|_| ()).map_err(Clone::clone));
    let timeline = document.timeline.as_ref().map(|_| timeline(&folder.join(TIMELINE)));
    if let Some(Err(why)) = &timeline {
        kept(Err(why.clone()));
    }
    let flames = flames(folder, document);
    kept(flames.as_ref().map(|_| ()).map_err(Clone::clone));
    let flames = flames.unwrap_or_default();
    let shown = folder.display().to_string();
    let again = again(folder, &shown);
    run(&RunPage {
        document,
        lines: lines.as_deref().unwrap_or_default(),
        timeline: timeline.as_ref().and_then(|read| read.as_ref().ok()),
        profile: flames.run.as_ref(),
        leak: flames.leak.as_ref(),
        folder: &shown,
        again: again.as_deref(),
        missing: &missing,
    })
}

/// The response times of each interval.
fn lines(path: &Path) -> Result<Vec<LogLine>, String> {
    let file = File::open(path).map_err(|why| {
        format!(
            "There is no heat map, and no percentiles of a stretch: {} cannot be read ({why}); \
             name the run's folder, not a copy of its run.json.",
            path.display()
        )
    })?;
    let lines: Result<Vec<_>, _> = read_log(BufReader::new(file)).collect();
    lines.map_err(|why| format!("There is no heat map: {}: {why}.", path.display()))
}

/// The courses of target and host.
fn timeline(path: &Path) -> Result<TimelineDocument, String> {
    let text = fs::read_to_string(path).map_err(|why| why.to_string());
    let read = text.and_then(|text| {
        serde_json::from_str::<TimelineDocument>(&text).map_err(|why| why.to_string())
    });
    let whole = read.and_then(|timeline| match timeline.is_aligned() {
        true => Ok(timeline),
        false => Err("its columns have different lengths".to_owned()),
    });
    whole.map_err(|why| {
        let shown = path.display();
        format!("There are no courses of target and host: {shown} cannot be read ({why}).")
    })
}

/// What of a profile is drawn.
#[derive(Default)]
struct Flames {
    run: Option<FlameProfile>,
    leak: Option<FlameCut>,
}

/// The profile, if the run has one.
fn flames(folder: &Path, document: &Document) -> Result<Flames, String> {
    if !folder.join(STORED_FILE).exists() {
        return Ok(Flames::default());
    }
    let unreadable = |why: String| format!("There is no flame graph: {why}.");
    let stored = read_stored(folder).map_err(|why| unreadable(why.to_string()))?;
    let run = profile::flame(&stored, &document.intervals);
    let leak = document.soak.as_ref().map(|soak| profile::leak(&stored, soak)).transpose();
    let read = run.and_then(|run| Ok(Flames { run, leak: leak?.flatten() }));
    read.map_err(|why| unreadable(why.to_string()))
}

/// The command that repeats the run; secrets have to be given again.
fn again(folder: &Path, shown: &str) -> Option<String> {
    let (plan, _) = read_plan(folder).ok()?;
    let quoted = in_shell(shown);
    let missing: Vec<String> = plan.withheld.iter().map(ToString::to_string).collect();
    Some(match missing.is_empty() {
        true => format!("uringbench run --again {quoted}"),
        false => {
            let missing = missing.join(", ");
            format!(
                "uringbench run --again {quoted}\n# Its secrets are not stored, give: {missing}"
            )
        }
    })
}
