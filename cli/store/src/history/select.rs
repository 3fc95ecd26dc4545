//! From a word of the command line to runs: a folder, a pattern, a name, a tag, a commit, a branch.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use uringbench_document::history::HistoryEntry;

use super::error::HistoryError;
use super::filter::HistoryFilter;
use super::folders::Below;
use super::local::History;
use super::{FILE, folders, pattern};
use crate::read::{ReadRunError, StoredRun};

/// The fewest digits that are taken for a commit's hash.
const HASH_MIN: usize = 6;

/// A run that was chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundRun {
    /// Its folder.
    pub folder: PathBuf,
    /// Its entry in the history; one outside of the history has one too.
    pub entry: HistoryEntry,
}

/// Why a word chooses no runs.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// Nothing is called like that.
    #[error(
        "there is no run `{word}`: no folder with a run.json, and no name, tag, commit or branch \
         in {}; `uringbench history list` shows them, `uringbench history rebuild` adds missing \
         ones",
        history.display()
    )]
    NotFound {
        /// The word.
        word: String,
        /// The history's file.
        history: PathBuf,
    },
    /// Several kinds of things are called like that.
    #[error("`{word}` is {}: write {}", meanings(found), spellings(found, word))]
    Ambiguous {
        /// The word.
        word: String,
        /// What it could be, and of how many runs.
        found: Vec<(&'static str, usize)>,
    },
    /// The history cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// A document cannot be read.
    #[error(transparent)]
    Unreadable(#[from] ReadRunError),
}

fn meanings(found: &[(&'static str, usize)]) -> String {
    let meaning = |(kind, count): &(&'static str, usize)| match count {
        1 => format!("the {kind} of 1 run"),
        count => format!("the {kind} of {count} runs"),
    };
    found.iter().map(meaning).collect::<Vec<_>>().join(" or ")
}

fn spellings(found: &[(&'static str, usize)], word: &str) -> String {
    let spelled = found.iter().map(|(kind, _)| format!("{kind}:{word}"));
    spelled.collect::<Vec<_>>().join(" or ")
}

/// The kinds of words, and how each is looked up.
const KINDS: [(&str, LookUp); 5] = [
    ("name", |history, word| listed_by(history, |filter, word| filter.name = word, word)),
    ("tag", |history, word| listed_by(history, |filter, word| filter.tag = word, word)),
    ("commit", commits),
    ("branch", |history, word| listed_by(history, |filter, word| filter.branch = word, word)),
    ("folder", of_folders),
];

type LookUp = fn(&History, &str) -> Found;
type Found = Result<Vec<HistoryEntry>, HistoryError>;

/// The runs that a word names, oldest first, with their documents. See [`select_entries`].
///
/// # Errors
/// See [`select_entries`]; and if a document cannot be read, such as an imported benchmark's.
pub fn select(root: &Path, word: &str) -> Result<Vec<StoredRun>, SelectError> {
    let found = select_entries(root, word)?;
    let runs = found.iter().map(|run| StoredRun::open(&run.folder));
    Ok(runs.collect::<Result<Vec<_>, _>>()?)
}

/// The runs that a word names, oldest first. The word is a path: of a run's folder, of the
/// `run.json` in it, or of a folder with runs below it. Or it is what the history in `root` knows
/// as a name, tag, commit, branch or folder; `tag:x` asks for a tag alone. `*` and `?` stand for
/// letters, and commas separate several words.
///
/// # Errors
/// If there is no such run, several kinds of things are called like that, or the history cannot
/// be read.
pub fn select_entries(root: &Path, word: &str) -> Result<Vec<FoundRun>, SelectError> {
    let mut found: Vec<FoundRun> = Vec::new();
    for part in word.split(',').map(str::trim) {
        for run in of_word(root, part)? {
            if !found.iter().any(|known| known.entry.run_id == run.entry.run_id) {
                found.push(run);
            }
        }
    }
    found.sort_by(|a, b| a.entry.timestamp.cmp(&b.entry.timestamp));
    Ok(found)
}

fn of_word(root: &Path, word: &str) -> Result<Vec<FoundRun>, SelectError> {
    let on_disk = on_disk(root, word)?;
    if !on_disk.is_empty() {
        return Ok(on_disk);
    }
    let not_found = || SelectError::NotFound { word: word.to_owned(), history: root.join(FILE) };
    let history = History::open_existing(root)?.ok_or_else(not_found)?;
    let (asked, plain) = match word.split_once(':') {
        Some((kind, rest)) if KINDS.iter().any(|(known, _)| *known == kind) => (Some(kind), rest),
        _ => (None, word),
    };
    let mut found = Vec::new();
    for (kind, look_up) in KINDS.iter().filter(|(kind, _)| asked.is_none_or(|it| it == *kind)) {
        let entries = look_up(&history, plain)?;
        if !entries.is_empty() {
            found.push((*kind, entries));
        }
    }
    let sets: BTreeSet<Vec<_>> = found.iter().map(|(_, entries)| ids(entries)).collect();
    if sets.len() > 1 {
        let found = found.iter().map(|(kind, entries)| (*kind, entries.len())).collect();
        return Err(SelectError::Ambiguous { word: word.to_owned(), found });
    }
    let (_, entries) = found.into_iter().next().ok_or_else(not_found)?;
    let found = entries.into_iter();
    Ok(found.map(|entry| FoundRun { folder: history.folder_of(&entry), entry }).collect())
}

fn ids(entries: &[HistoryEntry]) -> Vec<String> {
    let mut ids: Vec<_> = entries.iter().map(|entry| entry.run_id.clone()).collect();
    ids.sort();
    ids
}

/// The runs at the paths that a word names, which may be outside of the results.
fn on_disk(root: &Path, word: &str) -> Result<Vec<FoundRun>, SelectError> {
    let mut folders = Vec::new();
    for path in existing(word) {
        match path.parent().filter(|_| path.is_file()) {
            Some(parent) if parent.as_os_str().is_empty() => folders.push(PathBuf::from(".")),
            Some(parent) => folders.push(parent.to_path_buf()),
            None if folders::has_result(&path) => folders.push(path),
            None => folders.extend(Below::of(&path)?.whole()?),
        }
    }
    let read = |folder: PathBuf| Ok(FoundRun { entry: folders::entry(root, &folder)?, folder });
    folders.into_iter().map(read).collect()
}

/// The existing paths that a word names, in which each part may be a pattern.
fn existing(word: &str) -> Vec<PathBuf> {
    let start = if word.starts_with('/') { "/" } else { "" };
    let mut paths = vec![PathBuf::from(start)];
    for part in word.split('/').filter(|part| !part.is_empty()) {
        paths = match pattern::is_pattern(part) {
            true => paths.iter().flat_map(|path| entries_like(path, part)).collect(),
            false => paths.into_iter().map(|path| path.join(part)).collect(),
        };
    }
    paths.retain(|path| !path.as_os_str().is_empty() && path.exists());
    paths
}

fn entries_like(folder: &Path, part: &str) -> Vec<PathBuf> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let is_like = |name: &String| !name.starts_with('.') && pattern::matches(part, name);
    let names = names.filter_map(|name| name.into_string().ok()).filter(is_like);
    names.map(|name| folder.join(name)).collect()
}

fn listed_by(history: &History, set: fn(&mut HistoryFilter, Option<String>), word: &str) -> Found {
    let mut filter = HistoryFilter::default();
    set(&mut filter, Some(word.to_owned()));
    history.list(&filter)
}

/// A word too short for a hash, or of other letters, is none.
fn commits(history: &History, word: &str) -> Found {
    let is_hash = word.len() >= HASH_MIN && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hash {
        return Ok(Vec::new());
    }
    listed_by(history, |filter, word| filter.commit = word, word)
}

/// Runs whose folder, with or without that of the results, or its last part is this word.
fn of_folders(history: &History, word: &str) -> Found {
    let root = history.root().to_string_lossy();
    let below = word.strip_prefix(&*root).map_or(word, |rest| rest.trim_start_matches('/'));
    let mut all = history.list(&HistoryFilter::default())?;
    all.retain(|entry| {
        let last = entry.folder.rsplit('/').next().unwrap_or_default();
        pattern::matches(below, &entry.folder) || pattern::matches(word, last)
    });
    Ok(all)
}

#[cfg(test)]
mod tests;
