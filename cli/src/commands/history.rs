//! `uringbench history`: lists, shows, exports, deletes and imports stored runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use uringbench_core::summary::plural;
use uringbench_document::GitRevision;
use uringbench_document::civil::Civil;
use uringbench_document::history::{HISTORY_SCHEMA, HistoryEntry, HistoryList};
use uringbench_machine::git::SourceRevision;
use uringbench_report::history as page;
use uringbench_store::{
    FoundRun, History, HistoryFilter, ImportOrigin, RemoteHistory, import_results, select_entries,
};

use crate::args::{ExportForm, FilterArgs, HistoryArgs, HistoryCommand};
use crate::console;
use crate::exit::{Exit, Failure, usage};
use crate::store_place::StorePlace;
use crate::units;

/// Do what was asked.
pub(crate) fn execute(args: HistoryArgs) -> Result<Exit, Failure> {
    let place = StorePlace::of(&args.store)?;
    match args.command {
        HistoryCommand::List { filter, limit, json } => list(&place, &filter, limit, json),
        HistoryCommand::Show { run, json } => show(&place, &run, json),
        HistoryCommand::Export { filter, format } => export(&place, &filter, format),
        HistoryCommand::Prune { filter, keep, older_than, yes } => {
            prune(&place.root, &filter, &Limits { keep, older_than }, yes)
        }
        HistoryCommand::Import { paths, tags } => import(&place, &paths, &tags),
        HistoryCommand::Rebuild => rebuild(&place),
    }
}

fn list(place: &StorePlace, filter: &FilterArgs, limit: u64, json: bool) -> Result<Exit, Failure> {
    // One more shows whether there are more.
    let limited = Some(limit + 1).filter(|_| limit > 0);
    let filter = HistoryFilter { limit: limited, ..filter_of(filter, SystemTime::now())? };
    let mut runs = runs(place, &filter)?;
    let is_cut = limit > 0 && runs.len() as u64 > limit;
    if is_cut {
        runs.pop();
    }
    if json {
        return print_json(&HistoryList { schema: HISTORY_SCHEMA.to_owned(), runs });
    }
    let mut text = page::table(&runs, console::colour());
    if runs.is_empty() {
        text = format!("no runs in {}\n", named(place));
    } else if is_cut {
        text.push_str(&format!("the newest {}; --limit 0 lists all\n", runs.len()));
    }
    console::print(&text).map(|()| Exit::Success)
}

fn show(place: &StorePlace, word: &str, json: bool) -> Result<Exit, Failure> {
    let found = match place.database {
        Some(_) => in_database(place, word)?,
        None => select_entries(&place.root, word).map_err(anyhow::Error::new)?,
    };
    // Oldest first, and never empty.
    let Some(newest) = found.last() else { return Ok(Exit::Success) };
    if json {
        return print_json(&newest.entry);
    }
    let mut text = page::entry(&newest.entry, &newest.folder);
    if found.len() > 1 {
        text.push_str(&format!("the newest of {}\n", plural(found.len() as u64, "run")));
    }
    console::print(&text).map(|()| Exit::Success)
}

/// The runs that the database knows as a name, a tag, a commit or a branch: the first of these
/// that there is.
fn in_database(place: &StorePlace, word: &str) -> Result<Vec<FoundRun>, Failure> {
    let some = || Some(word.to_owned());
    let none = HistoryFilter::default;
    let filters = [
        HistoryFilter { name: some(), ..none() },
        HistoryFilter { tag: some(), ..none() },
        HistoryFilter { commit: some(), ..none() },
        HistoryFilter { branch: some(), ..none() },
    ];
    for filter in filters {
        let mut found = runs(place, &filter)?;
        found.reverse();
        if !found.is_empty() {
            let of = |entry: HistoryEntry| FoundRun { folder: PathBuf::from(&entry.folder), entry };
            return Ok(found.into_iter().map(of).collect());
        }
    }
    Err(Failure::CannotRun(anyhow::anyhow!(
        "there is no run `{word}` in {}: no name, tag, commit or branch; `uringbench history list` \
         shows them",
        named(place)
    )))
}

fn export(place: &StorePlace, filter: &FilterArgs, form: ExportForm) -> Result<Exit, Failure> {
    let runs = runs(place, &filter_of(filter, SystemTime::now())?)?;
    let text = match form {
        ExportForm::Csv => page::csv(&runs),
        ExportForm::Jsonl => {
            let lines = runs.iter().map(serde_json::to_string);
            let lines: Result<Vec<_>, _> = lines.collect();
            lines.context("cannot write JSON")?.iter().map(|line| format!("{line}\n")).collect()
        }
    };
    console::print(&text).map(|()| Exit::Success)
}

/// How much is kept.
struct Limits {
    keep: Option<usize>,
    /// In seconds.
    older_than: Option<u64>,
}

fn prune(root: &Path, args: &FilterArgs, limits: &Limits, yes: bool) -> Result<Exit, Failure> {
    let now = SystemTime::now();
    let filter = filter_of(args, now)?;
    let Some(mut history) = History::open_existing(root).map_err(anyhow::Error::new)? else {
        return Err(no_history(root));
    };
    let runs = history.list(&filter).map_err(anyhow::Error::new)?;
    let oldest = limits.older_than.map(|age| Civil::of(now - Duration::from_secs(age)).rfc3339());
    let mut kept: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut doomed = Vec::new();
    // Newest first, so that the first of each benchmark are kept.
    for run in runs {
        let of_benchmark = (run.target.clone(), run.benchmark_name.clone());
        let number = kept.entry(of_benchmark).or_default();
        *number += 1;
        let is_beyond = limits.keep.is_none_or(|keep| *number > keep);
        let is_old = oldest.as_ref().is_none_or(|oldest| run.timestamp < *oldest);
        if is_beyond && is_old && (run.tags.is_empty() || filter.tag.is_some()) {
            doomed.push(run);
        }
    }
    if doomed.is_empty() {
        return console::print("nothing to delete\n").map(|()| Exit::Success);
    }
    for run in &doomed {
        let folder = history.folder_of(run);
        let is_ours = is_below(root, &folder);
        let verb = match (is_ours, yes) {
            (true, true) => "deleted",
            (true, false) => "would delete",
            (false, true) => "forgotten (outside of the results)",
            (false, false) => "would forget (outside of the results)",
        };
        if yes && is_ours {
            delete(root, &folder)?;
        }
        if yes {
            history.forget(std::slice::from_ref(run)).map_err(anyhow::Error::new)?;
        }
        console::print(&format!("{verb} {} ({})\n", folder.display(), run.benchmark_name))?;
    }
    let count = plural(doomed.len() as u64, "run");
    let end = if yes { format!("{count}\n") } else { format!("{count}; --yes deletes them\n") };
    console::print(&end).map(|()| Exit::Success)
}

/// Whether a run's folder lies in the folder of the results, by its real path, and is not that
/// folder itself.
fn is_below(root: &Path, folder: &Path) -> bool {
    match (fs::canonicalize(root), fs::canonicalize(folder)) {
        (Ok(root), Ok(folder)) => folder.starts_with(&root) && folder != root,
        // What is gone already is only forgotten.
        _ => false,
    }
}

/// Remove a run's folder, and the folders above it that are empty then.
fn delete(root: &Path, folder: &Path) -> Result<(), Failure> {
    fs::remove_dir_all(folder).with_context(|| format!("cannot delete {}", folder.display()))?;
    for above in folder.ancestors().skip(1).take_while(|above| is_below(root, above)) {
        // Folders with other runs stay.
        if fs::remove_dir(above).is_err() {
            break;
        }
    }
    Ok(())
}

fn import(place: &StorePlace, paths: &[PathBuf], tags: &[String]) -> Result<Exit, Failure> {
    let mut history = History::open(&place.root).map_err(anyhow::Error::new)?;
    let (mut new, mut known) = (0, 0);
    for path in paths {
        let found = SourceRevision::of(path);
        let found = found.map(|found| found.in_ci(|name| std::env::var(name).ok()));
        let git = found.map(|it| GitRevision { commit: it.commit, branch: it.branch });
        let is_pending = place.database.is_some();
        let origin = ImportOrigin { git, tags: tags.to_vec(), is_pending };
        let imported = import_results(&mut history, path, &origin).map_err(anyhow::Error::new)?;
        for result in imported {
            let folder = history.folder_of(&result.entry);
            let verb = if result.is_known { "known already:" } else { "imported" };
            console::print(&format!(
                "{verb} {} ({})\n",
                folder.display(),
                result.entry.benchmark_name
            ))?;
            *(if result.is_known { &mut known } else { &mut new }) += 1;
        }
    }
    let new = plural(new, "result");
    console::print(&format!("{new} imported, {known} known already\n"))?;
    send(place, &mut history)
}

/// Names what of the results is not in the history, and why.
pub(crate) fn note_left_out(unreadable: &[(PathBuf, String)]) {
    for (folder, why) in unreadable {
        console::note(&format!("uringbench: left out {}: {why}", folder.display()));
    }
}

fn rebuild(place: &StorePlace) -> Result<Exit, Failure> {
    let root = &place.root;
    if !root.is_dir() {
        return Err(no_history(root));
    }
    let (mut history, rebuilt) = History::rebuild(root).map_err(anyhow::Error::new)?;
    note_left_out(&rebuilt.unreadable);
    if let Some(aside) = &rebuilt.set_aside {
        console::note(&format!("uringbench: the damaged file is {} now", aside.display()));
    }
    let mut text = plural(rebuilt.runs as u64, "run");
    if rebuilt.gone > 0 {
        text.push_str(&format!(", {} forgotten (their folders are gone)", rebuilt.gone));
    }
    console::print(&format!("{text} in the history of {}\n", root.display()))?;
    if place.database.is_some() {
        // What it has already, it keeps.
        history.mark_all_pending().map_err(anyhow::Error::new)?;
    }
    send(place, &mut history)
}

/// Send what has not reached the database, if there is one.
fn send(place: &StorePlace, history: &mut History) -> Result<Exit, Failure> {
    place.history(false).send_pending(history).map_err(anyhow::Error::new)?;
    Ok(Exit::Success)
}

/// Where the runs are, without a password.
fn named(place: &StorePlace) -> String {
    let folder = || place.root.display().to_string();
    place.database.as_ref().map_or_else(folder, ToString::to_string)
}

fn no_history(root: &Path) -> Failure {
    Failure::CannotRun(anyhow::anyhow!(
        "there are no results in {}: name their folder with --store DIR",
        root.display()
    ))
}

/// The runs in the database, or else in the history of the folder; none if there is none.
pub(super) fn runs(
    place: &StorePlace,
    filter: &HistoryFilter,
) -> Result<Vec<HistoryEntry>, Failure> {
    if let Some(url) = &place.database {
        let found = RemoteHistory::connect(url).and_then(|remote| remote.list(filter));
        return Ok(found.with_context(|| format!("cannot read the database {url}"))?);
    }
    let history = History::open_existing(&place.root).map_err(anyhow::Error::new)?;
    note_left_out(history.as_ref().map(History::left_out).unwrap_or_default());
    let runs = history.map(|history| history.list(filter)).transpose();
    Ok(runs.map_err(anyhow::Error::new)?.unwrap_or_default())
}

/// The filter that was typed, at the time `now`.
pub(super) fn filter_of(args: &FilterArgs, now: SystemTime) -> Result<HistoryFilter, Failure> {
    let FilterArgs { name, target, tag, commit, branch, since } = args.clone();
    let since = since.map(|text| since_when(&text, now)).transpose()?;
    Ok(HistoryFilter { name, target, tag, commit, branch, since, ..HistoryFilter::default() })
}

fn since_when(text: &str, now: SystemTime) -> Result<String, Failure> {
    if let Ok(age) = units::age(text) {
        return Ok(Civil::of(now - Duration::from_secs(age)).rfc3339());
    }
    let time = Civil::parse(text).ok_or_else(|| {
        usage(format!("--since {text}: expected a day (2026-11-01), a time, or an age (7d, 12h)"))
    })?;
    Ok(time.rfc3339())
}

fn print_json(value: &impl serde::Serialize) -> Result<Exit, Failure> {
    let text = serde_json::to_string_pretty(value).context("cannot write JSON")?;
    console::print(&format!("{text}\n")).map(|()| Exit::Success)
}
