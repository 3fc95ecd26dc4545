//! `uringbench report --format`: a stored run in every format, and where it is written. The crate
//! that writes the formats tests their content.

use std::path::Path;

use crate::support::run::{Finished, Run};
use crate::support::target::Target;

const FORMATS: [(&str, &str); 13] = [
    ("text", "rate > 1,000,000/s"),
    ("markdown", "| objective | measured | |"),
    ("json", "\"schema\": \"uringbench.run/1\""),
    ("junit", "<testcase name=\"rate &gt; 1,000,000/s\""),
    ("github", "::error title="),
    ("csv", "run,started,validity,"),
    ("bmf", "\"throughput\""),
    ("github-benchmark", "\"unit\": \"ns\""),
    ("github-benchmark-rates", "\"unit\": \"req/s\""),
    ("prometheus", "uringbench_response_seconds_count{"),
    ("benchfmt", "Benchmark/shop/connections=2/rate=1000 "),
    ("hgrm", "1/(1-Percentile)"),
    ("speedscope", "\"https://www.speedscope.app/file-format-schema.json\""),
];

/// The output of a second command in the folder of a run.
fn report(folder: &Path, words: &str) -> (Option<i32>, String, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_uringbench"))
        .arg("report")
        .args(words.split(' '))
        .current_dir(folder)
        .output()
        .expect("the binary under test starts");
    let text = |bytes| String::from_utf8(bytes).expect("the output is UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn loaded(target: &Target) -> Finished {
    let pid = target.pid();
    let load = format!(
        "-q -o out --name shop -c 2 -R 1k -d 700ms --slo p50<5s,rate>1M --profile {pid} {}",
        target.url()
    );
    Run::text(&load).finish()
}

#[test]
fn a_run_is_written_in_every_format() {
    let target = Target::start();
    let run = loaded(&target);
    for (format, part) in FORMATS {
        let (code, printed, notes) = report(run.folder(), &format!("out --format {format}"));
        assert_eq!((code, &*notes), (Some(0), ""), "{format}: {run}");
        assert!(printed.contains(part), "{format}: {part}\n{printed}");
        let (code, stdout, _) = report(run.folder(), &format!("out --format {format} -o x/../y"));
        assert_eq!((code, &*stdout), (Some(1), ""), "there is no folder x");
        let (code, stdout, _) = report(run.folder(), &format!("out --format {format} -o y"));
        assert_eq!((code, &*stdout), (Some(0), ""), "{format}");
        let written = std::fs::read_to_string(run.folder().join("y")).expect("it was written");
        assert_eq!(written, printed, "{format}");
    }
}

#[test]
fn several_results_stand_together_where_the_format_can() {
    let target = Target::start();
    let run = loaded(&target);
    for (format, part, times) in
        [("junit", "<testsuite ", 2), ("benchfmt", "Benchmark/", 2), ("text", "stored ", 2)]
    {
        let (code, printed, _) =
            report(run.folder(), &format!("out out/run.json --format {format}"));
        assert_eq!((code, printed.matches(part).count()), (Some(0), times), "{printed}");
    }
    for format in ["json", "hgrm", "prometheus", "speedscope"] {
        let (code, _, why) = report(run.folder(), &format!("out out --format {format}"));
        assert!(code == Some(2) && why.contains("takes one run"), "{why}");
    }
}

#[test]
fn a_comparison_has_test_cases_and_no_seconds() {
    let comparison = include_str!("../../export/tests/formats/comparison.json");
    let run = Run::text("report c.json --format junit").file("c.json", comparison).finish();
    let run = run.expect_code(0);
    assert!(run.stdout.contains("<failure type=\"missed\" message=\"response p99"), "{run}");
    let (code, text, _) = report(run.folder(), "c.json");
    assert!(code == Some(0) && text.starts_with("FAIL "), "{text}");
    let (code, _, why) = report(run.folder(), "c.json --format csv");
    assert!(code == Some(2) && why.contains("a comparison is none"), "{why}");
}

#[test]
fn a_run_without_a_profile_has_none_to_convert() {
    let target = Target::start();
    let run = Run::text(&format!("-q -o out -c 2 -n 100 {}", target.url())).finish();
    let (code, _, why) = report(run.folder(), "out --format speedscope");
    assert!(code == Some(1) && why.contains("made with --profile"), "{why}");
}
