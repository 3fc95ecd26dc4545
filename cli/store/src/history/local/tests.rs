//! The history against folders that come, go, and are damaged.

use std::fs;
use std::process::Command;
use std::thread;

use super::*;

const RUN: &str = include_str!("../../../../document/tests/run-v1-first.json");
/// Made by `sqlite3 history.sqlite .dump` of the tables as other programs have them.
const VERSION_1: &str = include_str!("../../../tests/history-v1.sql");

/// A run in a folder below `root`, begun at a second of 2026.
fn run(root: &Path, folder: &str, name: &str, second: u32) -> PathBuf {
    let started =
        format!("2026-02-28T{:02}:{:02}:{:02}.000Z", second / 3_600, second / 60 % 60, second % 60);
    let text = RUN.replacen("2026-02-28T23:59:59.120Z", &started, 1).replacen(
        "\"name\": \"golden\"",
        &format!("\"name\": \"{name}\""),
        1,
    );
    assert!(text.contains(&started) && text.contains(name), "the sample has both");
    let folder = root.join(folder);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("run.json"), text).unwrap();
    folder
}

fn names(history: &History) -> Vec<String> {
    let all = history.list(&HistoryFilter::default()).unwrap();
    all.into_iter().map(|entry| entry.benchmark_name).collect()
}

#[test]
fn a_run_is_entered_and_read_as_its_document_says() {
    let root = tempfile::tempdir().unwrap();
    let mut history = History::open(root.path()).unwrap();
    let folder = run(root.path(), "host/GET/1", "a", 1);
    let insight = r#""insights": [{"kind": "x", "severity": "info", "description": "d"}],
        "verdict""#;
    let text = fs::read_to_string(folder.join("run.json")).unwrap();
    fs::write(folder.join("run.json"), text.replacen("\"verdict\"", insight, 1)).unwrap();
    let added = history.add(&folder, false).unwrap();
    assert_eq!(added.folder, "host/GET/1");
    assert_eq!(history.folder_of(&added), folder);
    let read = history.list(&HistoryFilter::default()).unwrap();
    assert_eq!(read, [added]);
    assert_eq!(read[0].insights[0].insight_type, "x");
    // Figures are columns too.
    let rate: f64 = history
        .connection
        .query_row("SELECT rate_completed FROM benchmark_results", [], |row| row.get(0))
        .unwrap();
    assert_eq!(Some(rate), read[0].figure("rate_completed"));
    // A run elsewhere keeps its whole path; one in the same folder replaces the one before.
    let elsewhere = tempfile::tempdir().unwrap();
    let folder = run(elsewhere.path(), "out", "b", 2);
    let outside = history.add(&folder, false).unwrap();
    assert_eq!(history.folder_of(&outside), fs::canonicalize(&folder).unwrap());
    run(elsewhere.path(), "out", "c", 3);
    history.add(&folder, false).unwrap();
    assert_eq!(names(&history), ["c", "a"]);
}

#[test]
fn filters_choose_among_the_runs() {
    let root = tempfile::tempdir().unwrap();
    let mut history = History::open(root.path()).unwrap();
    for n in 0..6 {
        let name = if n % 2 == 0 { "web" } else { "web[api]" };
        let folder = run(root.path(), &n.to_string(), name, n);
        let text = fs::read_to_string(folder.join("run.json")).unwrap();
        let commit = format!("{n}{}", "a".repeat(39));
        let git = format!(
            "\"tags\": [\"t{n}\", \"all\"], \"git\": {{\"commit\": \"{commit}\", \"branch\": \
             \"main\"}}, \"verdict\""
        );
        fs::write(folder.join("run.json"), text.replacen("\"verdict\"", &git, 1)).unwrap();
        history.add(&folder, false).unwrap();
    }
    let count = |change: fn(&mut HistoryFilter)| {
        let mut filter = HistoryFilter::default();
        change(&mut filter);
        history.list(&filter).unwrap().len()
    };
    assert_eq!(count(|filter| filter.name = Some("web".into())), 3);
    assert_eq!(count(|filter| filter.name = Some("web*".into())), 6);
    assert_eq!(count(|filter| filter.name = Some("web[a*".into())), 3);
    assert_eq!(count(|filter| filter.tag = Some("t3".into())), 1);
    assert_eq!(count(|filter| filter.tag = Some("t?".into())), 6);
    assert_eq!(count(|filter| filter.commit = Some("4AAAAAA".into())), 1);
    assert_eq!(count(|filter| filter.branch = Some("main".into())), 6);
    assert_eq!(count(|filter| filter.branch = Some("x' OR 1=1 --".into())), 0);
    assert_eq!(count(|filter| filter.target = Some("127.*".into())), 6);
    assert_eq!(count(|filter| filter.since = Some("2026-02-28T00:00:04.000Z".into())), 2);
    assert_eq!(count(|filter| filter.limit = Some(2)), 2);
}

#[test]
fn a_rebuild_finds_what_the_history_lost_and_drops_what_is_gone() {
    let root = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let mut history = History::open(root.path()).unwrap();
    let gone = run(root.path(), "h/gone", "gone", 1);
    history.add(&gone, false).unwrap();
    history.add(&run(root.path(), "h/sent-later", "sent-later", 2), true).unwrap();
    history.add(&run(elsewhere.path(), "out", "outside", 3), false).unwrap();
    fs::remove_dir_all(&gone).unwrap();
    run(root.path(), "h/missed", "missed", 4);
    let half = run(root.path(), "h/half", "half", 5);
    fs::write(half.join("run.json"), &RUN[..RUN.len() / 2]).unwrap();
    drop(history);
    let (history, rebuilt) = History::rebuild(root.path()).unwrap();
    assert_eq!(names(&history), ["missed", "outside", "sent-later"]);
    assert_eq!((rebuilt.runs, rebuilt.gone, rebuilt.set_aside), (3, 1, None));
    assert_eq!(rebuilt.unreadable.len(), 1);
    assert!(rebuilt.unreadable[0].1.contains("it is damaged"), "{:?}", rebuilt.unreadable);
    let pending = history.pending().unwrap();
    assert_eq!(pending.len(), 1, "what was not sent yet is not forgotten");
    assert_eq!(pending[0].benchmark_name, "sent-later");
}

#[test]
fn a_history_that_is_missing_is_made_of_the_folders() {
    let root = tempfile::tempdir().unwrap();
    for n in 0..3 {
        run(root.path(), &format!("h/{n}"), &format!("run{n}"), n);
    }
    let history = History::open_existing(root.path()).unwrap().expect("there is a folder");
    assert_eq!(names(&history), ["run2", "run1", "run0"]);
    assert!(History::open_existing(&root.path().join("gone")).unwrap().is_none());
}

#[test]
fn runs_that_end_during_a_rebuild_are_kept() {
    const RUNS: u32 = 40;
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 0..RUNS {
                let folder = run(root, &n.to_string(), "x", n);
                History::open(root).unwrap().add(&folder, true).unwrap();
            }
        });
        while !writer.is_finished() {
            History::rebuild(root).unwrap();
        }
    });
    let history = History::open(root).unwrap();
    assert_eq!(names(&history).len(), RUNS as usize);
    assert_eq!(history.pending().unwrap().len(), RUNS as usize);
}

#[test]
fn a_damaged_history_is_named_with_its_fix_and_made_again() {
    let root = tempfile::tempdir().unwrap();
    let folder = run(root.path(), "h/1", "kept", 1);
    for damage in [b"no database at all, but long enough to be read".repeat(30), vec![0; 3_000]] {
        fs::write(root.path().join(FILE), &damage).unwrap();
        let error = History::open(root.path()).and_then(|mut history| history.add(&folder, false));
        let error = error.unwrap_err().to_string();
        assert!(error.contains("is damaged") && error.contains("`uringbench history rebuild`"));
        let (history, rebuilt) = History::rebuild(root.path()).unwrap();
        assert_eq!(names(&history), ["kept"]);
        let aside = rebuilt.set_aside.expect("the file is kept for a look");
        assert_eq!(fs::read(aside).unwrap(), damage);
    }
}

#[test]
fn pages_that_are_damaged_within_are_noticed_by_a_rebuild() {
    let root = tempfile::tempdir().unwrap();
    for n in 0..60 {
        run(root.path(), &format!("h/{n}"), "kept", n);
    }
    drop(History::open(root.path()).unwrap());
    let file = root.path().join(FILE);
    let mut bytes = fs::read(&file).unwrap();
    let (from, to) = (bytes.len() / 3, bytes.len() / 3 * 2);
    bytes[from..to].fill(0xa5);
    fs::write(&file, &bytes).unwrap();
    let (history, rebuilt) = History::rebuild(root.path()).unwrap();
    assert_eq!(names(&history).len(), 60);
    assert!(rebuilt.set_aside.is_some(), "the file is damaged");
}

#[test]
fn a_history_in_use_is_waited_for_and_then_named() {
    let root = tempfile::tempdir().unwrap();
    let folder = run(root.path(), "h/1", "a", 1);
    let mut history = History::open(root.path()).unwrap();
    let mut other = History::open(root.path()).unwrap();
    let lock = other.connection.transaction_with_behavior(TransactionBehavior::Exclusive).unwrap();
    history.connection.busy_timeout(std::time::Duration::from_millis(1)).unwrap();
    let error = history.add(&folder, false).unwrap_err();
    assert!(matches!(error, HistoryError::Locked { .. }), "{error}");
    assert!(error.to_string().contains("in use by another process"), "{error}");
    drop(lock);
    history.add(&folder, false).unwrap();
    assert_eq!(names(&history), ["a"]);
}

#[test]
fn a_full_disk_leaves_the_history_as_it_was() {
    let root = tempfile::tempdir().unwrap();
    let mut history = History::open(root.path()).unwrap();
    history.add(&run(root.path(), "h/1", "first", 1), false).unwrap();
    // SQLite's own limit of the file has the same effect.
    let pages: i64 =
        history.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    history.connection.pragma_update(None, "max_page_count", pages).unwrap();
    let full = (2..1_000)
        .find_map(|n| history.add(&run(root.path(), &format!("h/{n}"), "more", n), false).err());
    let full = full.expect("it cannot grow");
    assert!(matches!(full, HistoryError::Full { .. }), "{full}");
    assert!(full.to_string().contains("free some space"), "{full}");
    assert_eq!(names(&history).last().map(String::as_str), Some("first"));
}

#[test]
fn a_newer_history_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let history = History::open(root.path()).unwrap();
    history.connection.pragma_update(None, "user_version", schema::VERSION + 1).unwrap();
    drop(history);
    let error = History::open(root.path()).unwrap_err();
    assert!(matches!(error, HistoryError::Newer { .. }), "{error}");
    assert!(error.to_string().contains("update this one"), "{error}");
}

#[test]
fn rows_of_another_program_stay_and_are_listed() {
    // Tables that another program made are of no version, ours of the first.
    for version in [0, 1] {
        takes_over(version);
    }
}

fn takes_over(version: i64) {
    let root = tempfile::tempdir().unwrap();
    let before = Connection::open(root.path().join(FILE)).unwrap();
    before.execute_batch(VERSION_1).unwrap();
    before.pragma_update(None, "user_version", version).unwrap();
    drop(before);
    let mut history = History::open(root.path()).unwrap();
    let read = history.list(&HistoryFilter::default()).unwrap();
    assert_eq!(names(&history), ["api_users", "api_users"]);
    assert_eq!(read[0].branch.as_deref(), Some("main"));
    assert_eq!(read[0].figure("response_time_p95"), Some(12.5));
    assert_eq!(read[1].insights.len(), 1);
    assert_eq!(read[1].insights[0].severity, "warning");
    assert_eq!(read[1].insights[0].recommendations, ["Raise the pool."]);
    history.add(&run(root.path(), "h/1", "ours", 1), false).unwrap();
    drop(history);
    let (history, rebuilt) = History::rebuild(root.path()).unwrap();
    assert_eq!((names(&history).len(), rebuilt.gone), (3, 0));
}

#[test]
fn threads_that_write_at_once_lose_nothing() {
    const WRITERS: u32 = 4;
    const RUNS: u32 = 25;
    let root = tempfile::tempdir().unwrap();
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let root = root.path();
            scope.spawn(move || {
                for n in 0..RUNS {
                    let folder = run(root, &format!("{writer}/{n}"), "x", writer * RUNS + n);
                    History::open(root).unwrap().add(&folder, false).unwrap();
                }
            });
        }
    });
    let history = History::open(root.path()).unwrap();
    assert_eq!(names(&history).len(), (WRITERS * RUNS) as usize);
}

/// A process that is killed while it writes, over and over: the file is whole each time.
#[test]
fn a_writer_that_is_killed_leaves_a_whole_history() {
    let Some(root) = std::env::var_os("URINGBENCH_TEST_WRITER") else {
        return kill_writers();
    };
    // The other half of this test: write until killed.
    let root = PathBuf::from(root);
    let folder = run(&root, "h/killed", "killed", 1);
    loop {
        History::open(&root).unwrap().add(&folder, false).unwrap();
        println!("added");
    }
}

fn kill_writers() {
    let root = tempfile::tempdir().unwrap();
    for _ in 0..5 {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "history::local::tests::a_writer_that_is_killed_leaves_a_whole_history",
            ])
            .arg("--nocapture")
            .env("URINGBENCH_TEST_WRITER", root.path())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let output = std::io::BufReader::new(writer.stdout.take().unwrap());
        let added = std::io::BufRead::lines(output).map_while(Result::ok);
        assert!(added.filter(|line| line.contains("added")).nth(3).is_some(), "it writes");
        writer.kill().unwrap();
        writer.wait().unwrap();
        let history = History::open(root.path()).unwrap();
        let state: String = history
            .connection
            .pragma_query_value(None, "integrity_check", |row| row.get(0))
            .unwrap();
        assert_eq!(state, "ok");
        assert_eq!(names(&history), ["killed"]);
    }
}
