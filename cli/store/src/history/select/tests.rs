//! Words against a history with runs of several names, tags, commits and branches.

use std::fs;

use super::*;

const RUN: &str = include_str!("../../../../document/tests/run-v1-first.json");

/// A run in `h/N` with its name, tag, commit and branch.
fn add(history: &mut History, n: u32, [name, tag, commit, branch]: [&str; 4]) {
    let head = format!(
        "\"started\": \"2026-01-01T00:00:{n:02}.000Z\", \"tags\": [\"{tag}\"], \"git\": \
         {{\"commit\": \"{commit}\", \"branch\": \"{branch}\"}}"
    );
    let text = RUN.replacen("\"started\": \"2026-02-28T23:59:59.120Z\"", &head, 1).replacen(
        "\"name\": \"golden\"",
        &format!("\"name\": \"{name}\""),
        1,
    );
    let folder = history.root().join(format!("h/{n}"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("run.json"), text).unwrap();
    history.add(&folder, false).unwrap();
}

#[test]
fn a_word_names_runs_by_whatever_they_are_called() {
    let root = tempfile::tempdir().unwrap();
    let mut history = History::open(root.path()).unwrap();
    add(&mut history, 1, ["web", "before", "aaaaaaa1", "main"]);
    add(&mut history, 2, ["web", "after", "bbbbbbb2", "main"]);
    add(&mut history, 3, ["api", "after", "bbbbbbb2", "topic"]);
    add(&mut history, 4, ["topic", "main", "ccccccc3", "other"]);
    drop(history);
    let root = root.path();
    let chosen = |word: &str| -> Result<Vec<String>, String> {
        let found = select_entries(root, word).map_err(|error| error.to_string())?;
        Ok(found.into_iter().map(|run| run.entry.folder).collect())
    };
    let ok = |folders: &[&str]| Ok(folders.iter().map(|it| (*it).to_owned()).collect());
    assert_eq!(chosen("web"), ok(&["h/1", "h/2"]), "oldest first");
    assert_eq!(chosen("after"), ok(&["h/2", "h/3"]));
    assert_eq!(chosen("bbbbbb"), ok(&["h/2", "h/3"]));
    assert_eq!(chosen("commit:aaaaaaa1"), ok(&["h/1"]));
    assert_eq!(chosen("other"), ok(&["h/4"]));
    assert_eq!(chosen("h/3"), ok(&["h/3"]));
    assert_eq!(chosen("h/?"), ok(&["h/1", "h/2", "h/3", "h/4"]));
    assert_eq!(chosen("w*"), ok(&["h/1", "h/2"]));
    assert_eq!(chosen("after, h/1,bbbbbb"), ok(&["h/1", "h/2", "h/3"]), "each once");
    assert_eq!(chosen(&format!("{}/?/*", root.display())).map(|it| it.len()), Ok(4));
    assert_eq!(chosen(root.join("h").to_str().unwrap()), ok(&["h/1", "h/2", "h/3", "h/4"]));
    assert_eq!(chosen(root.join("h/2/run.json").to_str().unwrap()), ok(&["h/2"]));
    assert_eq!(
        chosen("topic"),
        Err("`topic` is the name of 1 run or the branch of 1 run: write name:topic or \
             branch:topic"
            .to_owned())
    );
    assert_eq!(chosen("branch:topic"), ok(&["h/3"]));
    let missing = chosen("nothing").unwrap_err();
    assert!(missing.starts_with("there is no run `nothing`: no folder"), "{missing}");
    assert!(missing.contains("`uringbench history list`"), "{missing}");
    assert!(chosen("tag:web").unwrap_err().starts_with("there is no run `tag:web`"));
}

#[test]
fn a_folder_needs_no_history() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("out");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("run.json"), RUN).unwrap();
    let results = root.path().join("results");
    let found = select_entries(&results, folder.to_str().unwrap()).unwrap();
    let read = select(&results, folder.to_str().unwrap()).unwrap();
    assert_eq!(read[0].document.plan.name.as_deref(), Some("golden"));
    assert_eq!((found.len(), found[0].folder.as_path()), (1, folder.as_path()));
    assert!(!results.exists(), "looking makes nothing");
    fs::write(folder.join("run.json"), "{}").unwrap();
    let damaged = select_entries(&results, folder.to_str().unwrap()).unwrap_err().to_string();
    assert!(damaged.contains("no key `schema`"), "{damaged}");
}
