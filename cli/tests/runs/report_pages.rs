//! `uringbench report … -o FILE`: pages of real runs, and what they say if files are missing.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::run::Run;
use crate::support::target::Target;

/// The text of the page that these words write.
#[track_caller]
fn page(folder: &Path, words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_uringbench"))
        .args(words)
        .args(["-o", "page.html"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("the binary under test starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {stderr}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.starts_with("page.html (") && stdout.ends_with(" kB)\n"), "{stdout}");
    fs::read_to_string(folder.join("page.html")).expect("it was written")
}

/// The text between the tags of the first heading.
fn first_line(page: &str) -> &str {
    let rest = page.split("<h1>").nth(1).expect("a first line");
    rest.split("</h1>").next().unwrap_or_default()
}

#[test]
fn a_profiled_run_has_a_page_with_everything() {
    let target = Target::start();
    let (pid, url) = (target.pid(), target.url());
    let run = format!(
        "-q -o out -c 2 -R 500 -d 1s --slo p50<5s,rate>1M --profile {pid} -H Authorization:hunter2 \
         {url}"
    );
    let finished = Run::text(&run).finish();
    let page = page(finished.folder(), &["report", "out"]);
    assert!(first_line(&page).contains("misses rate &gt; 1,000,000/s"), "{}", first_line(&page));
    for part in
        ["data-plot=\"times\"", "data-plot=\"target_cpu\"", "id=\"data\"", "data-plot=\"curve\""]
    {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.contains("uringbench run --again out") && page.contains("Authorization: …"));
    assert!(!page.contains("hunter2") && !page.contains("cannot be read"));
    // Its document alone has no heat map, and says why.
    fs::create_dir(finished.folder().join("alone")).expect("the folder is ours");
    let from = finished.folder().join("out/run.json");
    fs::copy(from, finished.folder().join("alone/run.json")).expect("it is there");
    let alone = self::page(finished.folder(), &["report", "alone/run.json"]);
    assert!(alone.contains("There is no heat map") && alone.contains("no courses of target"));
    assert!(!alone.contains("--again"), "its plan is not there");
}

#[test]
fn groups_of_runs_and_trends_have_pages() {
    let target = Target::start();
    let run = format!("-q --store results --name web -c 2 -n 300 {}", target.url());
    let finished = Run::text(&run).finish();
    let trend = page(finished.folder(), &["trend", "web"]);
    assert!(first_line(&trend).contains("is steady"), "{}", first_line(&trend));
    let compared = page(finished.folder(), &["report", "web", "web"]);
    // On a busy machine the run does not count, and the page says so instead.
    let has_values = compared.contains("Values of the runs");
    assert!(has_values || compared.contains("no run of web measures the target"), "{compared}");
    assert!(compared.contains("script-src 'none'"));
}

#[test]
fn what_cannot_be_written_is_said_in_one_line() {
    let run = Run::text("report gone -o page.html");
    run.finish().expect_code(1).expect_line(&["no run `gone`"]);
    let nowhere = Run::text("report a --format html");
    nowhere.finish().expect_code(2).expect_line(&["--format html", "-o report.html"]);
}
