//! Runs and benchmarks of elsewhere.

use super::*;
use crate::HistoryFilter;

const RUN: &str = include_str!("../../../document/tests/run-v1-first.json");
/// Written by Criterion 0.5.1 (`cargo bench`), samples shortened to four.
const BENCHMARK_FILE: &str = include_str!("../../tests/criterion/benchmark.json");
const ESTIMATES: &str = include_str!("../../tests/criterion/estimates.json");
const SAMPLE: &str = include_str!("../../tests/criterion/sample.json");

fn write(folder: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(folder).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
}

fn criterion(root: &Path) -> PathBuf {
    let folder = root.join("target/criterion/parse/header/new");
    write(
        &folder,
        &[
            ("benchmark.json", BENCHMARK_FILE),
            ("estimates.json", ESTIMATES),
            ("sample.json", SAMPLE),
        ],
    );
    // The measurement before, which Criterion keeps beside it.
    write(&folder.with_file_name("base"), &[("estimates.json", ESTIMATES)]);
    root.join("target/criterion")
}

#[test]
fn a_run_is_copied_with_its_files_once() {
    let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = elsewhere.path().join("nightly/7");
    let profiled = "\"target\": {\"files\": [\"flamegraph.svg\", \"../secret\", \"gone.svg\"]}";
    assert!(RUN.contains("\"target\": null"), "the sample has none");
    let text = RUN.replacen("\"target\": null", profiled, 1);
    write(&folder, &[("run.json", &text), ("response.hlog", "log"), ("flamegraph.svg", "<svg/>")]);
    write(&folder, &[("holiday.jpg", "not of the run"), ("../secret", "neither")]);
    let mut history = History::open(root.path()).unwrap();
    let imported =
        import_results(&mut history, elsewhere.path(), &ImportOrigin::default()).unwrap();
    let [run] = &imported[..] else { panic!("{imported:?}") };
    assert_eq!((run.from.as_path(), run.is_known), (folder.as_path(), false));
    assert_eq!(run.entry.folder, "127.0.0.1_8080/golden/20260228T235959Z");
    let copy = root.path().join(&run.entry.folder);
    assert_eq!(fs::read_to_string(copy.join("response.hlog")).unwrap(), "log");
    let mut names: Vec<_> =
        fs::read_dir(&copy).unwrap().map(|it| it.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["flamegraph.svg", "response.hlog", "run.json"]);
    let file = folder.join("run.json");
    let again = import_results(&mut history, &file, &ImportOrigin::default()).unwrap();
    assert!(again[0].is_known, "{again:?}");
    assert_eq!(history.list(&HistoryFilter::default()).unwrap().len(), 1);
}

#[test]
fn criterions_newest_measurement_becomes_a_result() {
    let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = criterion(elsewhere.path());
    let mut history = History::open(root.path()).unwrap();
    let git = GitRevision { commit: "a".repeat(40), branch: Some("main".to_owned()) };
    let origin = ImportOrigin { git: Some(git), tags: vec!["micro".to_owned()], is_pending: false };
    let imported = import_results(&mut history, &folder, &origin).unwrap();
    let [benchmark] = &imported[..] else { panic!("{imported:?}") };
    let entry = &benchmark.entry;
    assert_eq!((entry.benchmark_name.as_str(), entry.target.as_str()), (NAME, "criterion"));
    assert_eq!((entry.branch.as_deref(), entry.tags.as_slice()), (Some("main"), &*origin.tags));
    assert_eq!(entry.figure("time_mean_ns"), Some(MEAN));
    let stored = fs::read_to_string(root.path().join(&entry.folder).join(BENCHMARK)).unwrap();
    let stored = MicroBenchmark::read(&stored).unwrap();
    assert_eq!(stored.samples_ns.len(), 4);
    // Made again from the folders alone.
    drop(history);
    fs::remove_dir_all(elsewhere.path()).unwrap();
    fs::remove_file(root.path().join("history.sqlite")).unwrap();
    let (history, rebuilt) = History::rebuild(root.path()).unwrap();
    assert_eq!(rebuilt.runs, 1);
    assert_eq!(history.list(&HistoryFilter::default()).unwrap(), std::slice::from_ref(entry));
}
const NAME: &str = "parse/header";
const MEAN: f64 = 18.43650666082996;

#[test]
fn what_cannot_be_imported_is_named_with_the_fix() {
    let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut history = History::open(root.path()).unwrap();
    let nothing =
        import_results(&mut history, elsewhere.path(), &ImportOrigin::default()).unwrap_err();
    assert!(nothing.to_string().contains("name a run.json, a folder"), "{nothing}");
    let folder = criterion(elsewhere.path());
    let broken = folder.join("parse/header/new/sample.json");
    fs::write(&broken, "{}").unwrap();
    let foreign = import_results(&mut history, &folder, &ImportOrigin::default()).unwrap_err();
    assert!(foreign.to_string().contains("not as Criterion writes it"), "{foreign}");
}
