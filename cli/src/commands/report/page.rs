//! `uringbench report RUN… -o FILE`: results as a page.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use anyhow::Context;
use uringbench_document::timeline::columns::TimelineDocument;
use uringbench_document::{Document, LogLine, read_log};
use uringbench_page::flame::FlameProfile;
use uringbench_page::run::{RunPage, run};
use uringbench_profiler::profile::{STORED_FILE, read_stored, write_whole};
use uringbench_store::{StoredRun, read_plan};

use super::profile;
use crate::console;
use crate::exit::{Exit, Failure, usage};
use crate::store_place::StorePlace;

/// The file of a run's response times.
const INTERVALS: &str = "intervals.hlog";
/// The file of its courses.
const TIMELINE: &str = "timeline.json";

/// Make the page, write it, and say so.
pub(super) fn execute(place: &StorePlace, words: &[String], out: &Path) -> Result<Exit, Failure> {
    let name = out.file_name().and_then(|name| name.to_str()).filter(|_| !out.is_dir());
    let name = name.ok_or_else(|| usage(format!("-o {}: name a file", out.display())))?;
    let page = page(place, words)?;
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    write_whole(folder, name, |file| file.write_all(page.as_bytes()))
        .with_context(|| format!("{} is not written; name another with -o FILE", out.display()))?;
    let kilobytes = page.len().div_ceil(1_000);
    console::print(&format!("{} ({kilobytes} kB)\n", out.display()))?;
    Ok(Exit::Success)
}

fn page(place: &StorePlace, words: &[String]) -> Result<String, Failure> {
    let [word] = words else {
        return Err(usage("a page is about one run, suite or search"));
    };
    let path = place.run(word).map_err(anyhow::Error::new)?;
    let stored = StoredRun::open(&path).context("there is nothing to report")?;
    Ok(of_run(&stored))
}

/// The page of a run, with everything in its folder.
fn of_run(stored: &StoredRun) -> String {
    let (folder, document) = (stored.folder.as_path(), &stored.document);
    let mut missing = Vec::new();
    let mut kept = |found: Result<(), String>| missing.extend(found.err());
    let lines = lines(&folder.join(INTERVALS));
    kept(lines.as_ref().map(|_| ()).map_err(Clone::clone));
    let timeline = document.timeline.as_ref().map(|_| timeline(&folder.join(TIMELINE)));
    if let Some(Err(why)) = &timeline {
        kept(Err(why.clone()));
    }
    let flame = flame(folder, document);
    kept(flame.as_ref().map(|_| ()).map_err(Clone::clone));
    let shown = folder.display().to_string();
    let again = again(folder, &shown);
    run(&RunPage {
        document,
        lines: lines.as_deref().unwrap_or_default(),
        timeline: timeline.as_ref().and_then(|read| read.as_ref().ok()),
        profile: flame.as_ref().ok().and_then(Option::as_ref),
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

/// The profile, if the run has one.
fn flame(folder: &Path, document: &Document) -> Result<Option<FlameProfile>, String> {
    if !folder.join(STORED_FILE).exists() {
        return Ok(None);
    }
    let unreadable = |why: String| format!("There is no flame graph: {why}.");
    let stored = read_stored(folder).map_err(|why| unreadable(why.to_string()))?;
    profile::flame(&stored, &document.intervals).map_err(|why| unreadable(why.to_string()))
}

/// The command that repeats the run; secrets have to be given again.
fn again(folder: &Path, shown: &str) -> Option<String> {
    let (plan, _) = read_plan(folder).ok()?;
    let quoted = quoted(shown);
    let missing: Vec<String> = plan.withheld.iter().map(ToString::to_string).collect();
    Some(match missing.is_empty() {
        true => format!("uringbench run --again {quoted}"),
        false => {
            let missing = missing.join(", ");
            format!("uringbench run --again {quoted}\n# Its secrets are not stored, give: {missing}")
        }
    })
}

/// For a shell.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-".contains(letter);
    match word.chars().all(is_plain) && !word.is_empty() {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}
