//! The runs that a word on the command line names: a folder of a run, a folder with runs below
//! it, a pattern with `*` or `?`, or several of these with commas between them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::read::{ReadRunError, StoredRun};
use crate::write::DOCUMENT;

/// Levels below a folder in which runs are looked for: target, scenario, time.
const LEVELS: usize = 3;

/// Why a word names no runs, and the fix.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// Nothing is there.
    #[error(
        "`{0}` names no run: give the folder of a run, a folder with runs below it, or a pattern \
         such as 'results/*/GET/*'"
    )]
    Nothing(String),
    /// A run cannot be read.
    #[error(transparent)]
    Unreadable(#[from] ReadRunError),
}

/// The runs that `word` names, by the time at which they began.
///
/// # Errors
/// If there is none, or one cannot be read.
pub fn select(word: &str) -> Result<Vec<StoredRun>, SelectError> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for part in word.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let mut found = Vec::new();
        for path in matching(part) {
            if path.is_dir() { below(&path, LEVELS, &mut found) } else { found.push(path) }
        }
        if found.is_empty() {
            return Err(SelectError::Nothing(part.to_owned()));
        }
        paths.append(&mut found);
    }
    if paths.is_empty() {
        return Err(SelectError::Nothing(word.to_owned()));
    }
    paths.sort();
    paths.dedup();
    let mut runs = Vec::with_capacity(paths.len());
    for path in paths {
        runs.push(StoredRun::open(&path)?);
    }
    runs.sort_by(|a, b| a.document.started.cmp(&b.document.started));
    Ok(runs)
}

/// The folders of runs at or below `folder`.
fn below(folder: &Path, levels: usize, found: &mut Vec<PathBuf>) {
    if folder.join(DOCUMENT).is_file() {
        found.push(folder.to_path_buf());
        return;
    }
    if levels == 0 {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            below(&entry.path(), levels - 1, found);
        }
    }
}

/// The existing paths that a pattern matches.
fn matching(pattern: &str) -> Vec<PathBuf> {
    let start = if pattern.starts_with('/') { "/" } else { "" };
    let mut paths = vec![PathBuf::from(start)];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        paths = match part.contains(['*', '?']) {
            true => paths.iter().flat_map(|path| entries_like(path, part)).collect(),
            false => paths.into_iter().map(|path| path.join(part)).collect(),
        };
    }
    paths.retain(|path| path.exists());
    paths
}

fn entries_like(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let is_like = |name: &String| !name.starts_with('.') && is_match(pattern, name);
    let names = names.filter_map(|name| name.into_string().ok()).filter(is_like);
    names.map(|name| folder.join(name)).collect()
}

/// Whether a name matches a pattern, in which `*` is any letters and `?` is any letter.
fn is_match(pattern: &str, name: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return name.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    let mut letters = name.chars();
    match first {
        '*' => {
            is_match(rest, name)
                || (letters.next().is_some() && is_match(pattern, letters.as_str()))
        }
        '?' => letters.next().is_some() && is_match(rest, letters.as_str()),
        first => letters.next() == Some(first) && is_match(rest, letters.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = include_str!("../../document/tests/run-v1-first.json");

    #[test]
    fn patterns_match_as_in_a_shell() {
        let cases = [
            ("*", "", true),
            ("*", "abc", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("?b?", "abc", true),
            ("?", "", false),
            ("2026*", "20260101T000000Z", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(is_match(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_word_names_a_run_runs_below_a_folder_or_those_of_a_pattern() {
        let root = tempfile::tempdir().unwrap();
        let runs = [("a/GET/2", 5), ("a/GET/1", 7), ("a/POST/1", 6), ("b/GET/1", 8)];
        for (run, second) in runs {
            let folder = root.path().join(run);
            fs::create_dir_all(&folder).unwrap();
            let mut document: serde_json::Value = serde_json::from_str(FIRST).unwrap();
            document["started"] = format!("2026-01-01T00:00:0{second}Z").into();
            fs::write(folder.join(DOCUMENT), document.to_string()).unwrap();
        }
        fs::create_dir(root.path().join("empty")).unwrap();
        let of = |words: &str| -> Vec<String> {
            let at_root = |word| format!("{}/{word}", root.path().display());
            let words: Vec<_> = words.split(',').map(at_root).collect();
            let runs = select(&words.join(",")).unwrap_or_default();
            let shown = |run: StoredRun| {
                run.folder.strip_prefix(root.path()).unwrap().display().to_string()
            };
            runs.into_iter().map(shown).collect()
        };
        assert_eq!(of("a/GET/1"), ["a/GET/1"]);
        assert_eq!(of("a/GET/1/run.json").len(), 1);
        assert_eq!(of("a"), ["a/GET/2", "a/POST/1", "a/GET/1"]);
        assert_eq!(of("*/GET/*"), ["a/GET/2", "a/GET/1", "b/GET/1"]);
        assert_eq!(of("b,a/POST,b/GET/?"), ["a/POST/1", "b/GET/1"]);
        assert_eq!(of("empty"), [""; 0]);
        let why = select("nothing/*").unwrap_err().to_string();
        assert!(why.starts_with("`nothing/*` names no run: give the folder"), "{why}");
    }
}
