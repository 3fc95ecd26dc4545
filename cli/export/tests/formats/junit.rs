//! JUnit XML by a schema and by an independent reader.

use std::io::Write;

use uringbench_export::checks::CheckGroup;
use uringbench_export::junit::xml;

use crate::outside::{PYTHON, is_there, python, read_by};
use crate::{OPEN, all, compared, empty, hostile, stored};

/// The elements and attributes that Jenkins accepts.
const SCHEMA: &str = include_str!("junit.xsd");

/// The number of cases, failures, errors and skipped ones, and all names.
const READER: &str = "\
import sys, json, junitparser
xml = junitparser.JUnitXml.fromstring(sys.stdin.buffer.read())
cases = [case for suite in xml for case in suite]
kind = lambda case: [type(result).__name__ for result in case.result]
print(json.dumps({
    'suites': [[s.name, s.tests, s.failures, s.errors, s.skipped, s.time] for s in xml],
    'cases': [[case.name, case.classname, kind(case)] for case in cases],
    'properties': [[p.name, p.value] for s in xml for p in s.properties()],
}))
";

fn groups() -> Vec<CheckGroup> {
    let mut groups: Vec<_> = all().iter().map(CheckGroup::of_run).collect();
    groups.extend(CheckGroup::of_comparison(&compared()));
    groups
}

#[test]
fn jenkins_schema_accepts_every_document() {
    if !is_there("xmllint", &["--version"]) {
        return;
    }
    let mut schema = tempfile::NamedTempFile::new().expect("room for a file");
    schema.write_all(SCHEMA.as_bytes()).expect("room for a file");
    let path = schema.path().to_str().expect("a temporary path is text");
    let words = ["--noout", "--schema", path, "-"];
    for page in [xml(&groups()), xml(&[]), xml(&[CheckGroup::of_run(&empty())])] {
        let output = read_by("xmllint", &words, &page);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}\n{page}");
    }
    // The schema can refuse: Jenkins knows no such attribute here.
    let foreign = xml(&groups()).replacen("<testsuites ", "<testsuites skipped=\"0\" ", 1);
    assert!(!read_by("xmllint", &words, &foreign).status.success(), "{foreign}");
}

#[test]
fn junitparser_reads_the_counts_and_every_case() {
    if !is_there(PYTHON, &["-c", "import junitparser"]) {
        return;
    }
    let groups = groups();
    let read: serde_json::Value =
        serde_json::from_str(&python(READER, &xml(&groups))).expect("Python prints JSON");
    let suites = read["suites"].as_array().expect("suites are listed");
    assert_eq!(suites.len(), groups.len());
    for (suite, group) in suites.iter().zip(&groups) {
        assert_eq!(suite[1], group.checks.len(), "{suite}");
    }
    let cases: Vec<_> = read["cases"].as_array().expect("cases are listed").clone();
    assert_eq!(cases.len(), groups.iter().map(|group| group.checks.len()).sum::<usize>());
    let count = |kind: &str| cases.iter().filter(|case| case[2][0] == kind).count();
    let counted = |at: usize| suites.iter().filter_map(|it| it[at].as_u64()).sum::<u64>() as usize;
    assert_eq!([count("Failure"), count("Error"), count("Skipped")], [2, 3, 4].map(counted));
    assert!(count("Failure") > 1 && count("Error") > 0, "{cases:?}");
}

#[test]
fn every_state_has_its_element_and_jenkins_gets_one_for_each_case() {
    let mut run = stored(OPEN);
    let page = xml(&[CheckGroup::of_run(&run)]);
    assert!(page.contains("<failure type=\"missed\" message=\"objective rate &gt; "), "{page}");
    assert!(page.contains("<skipped message=\"objective p99.99 &lt; 1.00 s not"), "{page}");
    assert!(page.contains("<system-out>steal: "), "{page}");
    assert!(!page.contains("<error"), "{page}");
    run.verdict.validity = "invalid".to_owned();
    let page = xml(&[CheckGroup::of_run(&run)]);
    // An invalid measurement says nothing about objectives.
    assert!(page.contains("<error type=\"invalid\"") && !page.contains("<failure"), "{page}");
    assert_eq!(page.matches("<skipped message=\"not decided: the measurement").count(), 3);
}

#[test]
fn a_comparison_has_a_case_for_each_gate() {
    let groups = CheckGroup::of_comparison(&compared());
    let page = xml(&groups);
    assert!(page.contains("tests=\"2\" failures=\"1\""), "{page}");
    assert!(
        page.contains("<testcase name=\"rate\" classname=\"uringbench.old and new\""),
        "{page}"
    );
    assert!(page.contains("message=\"response p99: 1.00 ms to 1.20 ms, +20.0 % (95 %: +15.0 %"));
}

#[test]
fn texts_stay_within_their_places() {
    let page = xml(&[CheckGroup::of_run(&hostile())]);
    assert!(!page.contains("</d>") && !page.contains('\u{0}') && !page.contains('\u{fffe}'));
    assert_eq!(page.matches("<testcase ").count(), 1 + hostile().slo.len());
}
