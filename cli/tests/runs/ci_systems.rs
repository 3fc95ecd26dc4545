//! CI systems: the output where GitHub Actions runs uringbench, and the files for GitHub, GitLab
//! and pre-commit, whose shell scripts are run.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::run::Run;
use crate::support::target::Target;

/// What GitHub's runner sets.
const AS_GITHUB: &str = "export GITHUB_ACTIONS=true GITHUB_STEP_SUMMARY=summary.md; exec \"$@\"";

/// Debian's Python, which has a reader of YAML.
const PYTHON: &str = "/usr/bin/python3";
const YAML_TO_JSON: &str =
    "import sys, json, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A YAML file of the repository; `None` if nothing here reads YAML.
fn yaml(path: &str) -> Option<Value> {
    let file = root().join(path);
    let output = Command::new(PYTHON).args(["-c", YAML_TO_JSON]).arg(file).output();
    let output = output.ok().filter(|output| {
        let is_read = output.status.success();
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(is_read || why.contains("No module named 'yaml'"), "{path}: {why}");
        is_read
    });
    assert!(output.is_some() || std::env::var_os("CI").is_none(), "CI must have python3-yaml");
    let Some(output) = output else {
        eprintln!("SKIPPED {path}: python3-yaml is not installed");
        return None;
    };
    Some(serde_json::from_slice(&output.stdout).expect("Python prints JSON"))
}

#[test]
fn a_run_adds_to_the_summary_and_prints_annotations() {
    let target = Target::start();
    let load = format!("-q -o out -c 2 -R 1k -d 500ms --slo p50<5s,rate>1M {}", target.url());
    let run = Run::text(&load).through("", AS_GITHUB).finish();
    // On a busy machine the measurement is invalid, which leaves objectives undecided.
    let annotations: Vec<_> = run.stdout.lines().filter(|line| line.starts_with("::")).collect();
    assert!(annotations.iter().any(|it| it.starts_with("::error title=")), "{run}");
    assert!(annotations.iter().any(|it| it.contains("rate > 1%2C000%2C000/s::")), "{run}");
    let summary = std::fs::read_to_string(run.folder().join("summary.md")).expect("it is there");
    assert!(
        summary.starts_with("### ❌ ") && summary.contains("| rate &gt; 1,000,000/s |"),
        "{summary}"
    );
    assert!(summary.contains("- stored in out"), "{summary}");
    // Elsewhere there is neither.
    let run = Run::text(&load).finish();
    assert!(!run.stdout.contains("::error") && run.files("summary.md").is_empty(), "{run}");
}

#[test]
fn stdout_of_a_document_has_no_annotations() {
    let target = Target::start();
    let load = format!("-c 2 -R 1k -d 500ms --slo rate>1M {}", target.url());
    let run = Run::json(&load).through("", AS_GITHUB).finish();
    run.document();
    assert!(run.stderr.lines().any(|line| line.starts_with("::error title=")), "{run}");
}

#[test]
fn gates_are_reported_and_markdown_is_left_to_the_caller() {
    let target = Target::start();
    let load = format!("-q -o a -c 2 -n 500 {}", target.url());
    let run = Run::text(&load).finish();
    let compared = |words: &str| {
        let output = Command::new("sh")
            .args(["-c", AS_GITHUB, "sh", env!("CARGO_BIN_EXE_uringbench")])
            .args(words.split(' '))
            .current_dir(run.folder())
            .output()
            .expect("a shell starts");
        String::from_utf8(output.stdout).expect("the output is UTF-8")
    };
    let text = compared("compare a a");
    // Two runs decide nothing, so a figure is named; on a busy machine they are invalid, and the
    // comparison is.
    assert!(text.contains(" title=a and a%3A "), "{text}");
    let summary = run.folder().join("summary.md");
    let first = std::fs::read_to_string(&summary).expect("it is there");
    assert!(first.starts_with("**IN"), "{first}");
    let markdown = compared("compare a a --markdown");
    assert!(markdown.starts_with("**IN") && !markdown.contains(" title="), "{markdown}");
    assert_eq!(std::fs::read_to_string(&summary).expect("it is there"), first);
}

#[test]
fn a_summary_that_cannot_be_written_is_a_note() {
    let target = Target::start();
    let script = AS_GITHUB.replace("summary.md", "gone/summary.md");
    let run = Run::text(&format!("-q -c 2 -n 100 {}", target.url())).through("", &script).finish();
    let run = run.expect_code(0);
    assert!(run.stderr.contains("the summary of the job has no result, gone/summary.md"), "{run}");
}

#[test]
fn the_action_measures_gates_and_reports() {
    let Some(action) = yaml("action.yml") else { return };
    assert_eq!(action["runs"]["using"], "composite");
    let steps = action["runs"]["steps"].as_array().expect("an action has steps");
    let scripts = steps.iter().filter(|step| !step["run"].is_null());
    assert!(scripts.clone().all(|step| step["shell"] == "bash"), "each script names its shell");
    // Text of a caller reaches a script as a variable, never as a part of it.
    let is_plain = |step: &Value| !step["run"].as_str().is_some_and(|it| it.contains("${{"));
    assert!(scripts.clone().all(is_plain), "an expression within a script");
    let measure = steps.iter().find(|step| step["id"] == "measure").expect("it measures");
    let target = Target::start();
    let folder = tempfile::tempdir().expect("the machine has room for a folder");
    let script = measure["run"].as_str().expect("a script is text");
    let line = format!("-c 2 -n 400 -H 'X-Name: two words $(touch hacked)' {}", target.url());
    let program = env!("CARGO_BIN_EXE_uringbench");
    let run = |binary: &str, baseline: &str, line: &str, results: &str| {
        let output = Command::new("bash")
            .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script])
            .current_dir(folder.path())
            .envs([("BINARY", binary), ("RUN", line), ("RUNS", "2"), ("RESULTS", results)])
            .envs([("BASELINE", baseline), ("BASELINES", "baselines")])
            .envs([("GITHUB_OUTPUT", "output"), ("GITHUB_ACTIONS", "true")])
            .env("GITHUB_STEP_SUMMARY", "summary.md")
            .output()
            .expect("bash starts");
        let outputs = std::fs::read_to_string(folder.path().join("output")).unwrap_or_default();
        let _none = std::fs::remove_file(folder.path().join("output"));
        (outputs, format!("{output:?}"))
    };
    let text = |file: &str| std::fs::read_to_string(folder.path().join(file)).unwrap_or_default();
    let (outputs, said) = run(program, "", &line, "first");
    assert!(outputs.starts_with("exit-code=0\nmarkdown=first/comment.md\n"), "{outputs}\n{said}");
    assert_eq!(text("first/junit.xml").matches("<testsuite ").count(), 2, "{said}");
    assert!(!folder.path().join("hacked").exists(), "{said}");
    // Whether two runs differ depends on the machine, so the verdict of the gate is given.
    let comparison = root().join("cli/export/tests/formats/comparison.json");
    let gate = format!(
        "#!/bin/sh\n[ $1 != gate ] && exec {program} \"$@\"\n\
         echo \"$@\" > gate.txt\ncat {}\nexit 10\n",
        comparison.display()
    );
    let stub = folder.path().join("stub");
    std::fs::write(&stub, gate).expect("the folder is ours");
    std::fs::set_permissions(&stub, Permissions::from_mode(0o755)).expect("the file is ours");
    let stub = stub.to_str().expect("a temporary path is text");
    let (outputs, said) = run(stub, "main", &line, "second");
    assert!(outputs.starts_with("exit-code=10\n"), "{outputs}\n{said}");
    let words = "gate --json --baselines baselines --baseline main second/runs\n";
    assert_eq!(text("gate.txt"), words);
    assert!(text("second/comment.md").starts_with("**FAIL**"), "{said}");
    assert_eq!(text("second/junit.xml").matches("<testsuite ").count(), 3, "{said}");
    // Without its baseline, and without a run at all.
    let (outputs, said) = run(program, "gone", &line, "third");
    assert!(outputs.starts_with("exit-code=1\n"), "{outputs}\n{said}");
    assert!(!folder.path().join("third/comparison.json").exists(), "{said}");
    let (outputs, said) = run(program, "", "--no-such-option", "fourth");
    assert!(outputs.starts_with("exit-code=2\n"), "{outputs}\n{said}");
}

#[test]
fn the_example_for_gitlab_keeps_the_exit_code() {
    let Some(file) = yaml("docs/examples/gitlab-ci.yml") else { return };
    let job = &file["load-test"];
    let lines = job["script"].as_array().expect("a job has a script");
    let lines: Vec<_> = lines.iter().map(|line| line.as_str().expect("a line is text")).collect();
    // As GitLab does, in one shell that ends at the first failure.
    let script = format!("set -e\n{}", lines.join("\n")).replace("-d 10s", "-d 300ms");
    let target = Target::start();
    let folder = tempfile::tempdir().expect("the machine has room for a folder");
    let binaries = Path::new(env!("CARGO_BIN_EXE_uringbench")).parent().expect("it is in a folder");
    let path = format!("{}:/usr/bin:/bin", binaries.display());
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .envs([("PATH", path), ("TARGET", target.url().to_owned())])
        .env_remove("GITHUB_ACTIONS")
        .output()
        .expect("bash starts");
    assert!(matches!(output.status.code(), Some(0 | 11 | 12 | 13)), "{output:?}");
    for file in ["junit.xml", "metrics.txt", "results/1/run.json"] {
        assert!(folder.path().join(file).is_file(), "{file}: {output:?}");
    }
    assert_eq!(job["artifacts"]["reports"]["junit"], "junit.xml");
}

#[test]
fn hooks_for_pre_commit_name_commands_that_exist() {
    let Some(hooks) = yaml(".pre-commit-hooks.yaml") else { return };
    for hook in hooks.as_array().expect("hooks are listed") {
        for key in ["id", "name", "entry", "language"] {
            assert!(hook[key].is_string(), "{key}: {hook}");
        }
        let entry = hook["entry"].as_str().expect("just checked");
        let words = entry.strip_prefix("uringbench ").expect("it calls uringbench").split(' ');
        let help =
            Command::new(env!("CARGO_BIN_EXE_uringbench")).args(words).arg("--help").output();
        assert!(help.expect("the binary under test starts").status.success(), "{entry}");
    }
}
