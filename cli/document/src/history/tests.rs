//! Entries made of documents of every age.

use super::*;
use crate::Document;

const FIRST: &str = include_str!("../../tests/run-v1-first.json");
const SOAK: &str = include_str!("../../tests/run-v1-soak.json");
const SCENARIO: &str = include_str!("../../tests/run-v1-scenario-first.json");

#[test]
fn an_entry_has_the_figures_of_its_document() {
    let document = Document::read(SOAK).expect("it is one");
    let entry = HistoryEntry::of_run(SOAK).expect("it is one");
    assert_eq!(entry.timestamp, document.started);
    assert_eq!(entry.validity, document.verdict.validity);
    assert_eq!(entry.figure("rate_completed"), Some(document.rate.completed));
    assert_eq!(entry.figure("requests"), Some(document.counts.released as f64));
    let p50 = document.latency_ns.response.p50.expect("there is one");
    assert_eq!(entry.figure("response_p50_ns"), Some(p50 as f64));
    let memory = document.timeline.expect("there is one").series;
    let memory = memory.iter().find(|series| series.name == "rss anon").expect("there is one");
    assert_eq!(entry.figure("target_memory_bytes"), Some(memory.max));
    let known: Vec<_> = FIGURES.iter().map(|kind| kind.name).collect();
    assert!(entry.results.keys().all(|name| known.contains(&name.as_str())), "{entry:?}");
}

#[test]
fn a_run_is_called_by_its_name_or_by_what_it_sent() {
    let unnamed = FIRST.replacen("\"name\": \"golden\"", "\"name\": null", 1);
    let first = HistoryEntry::of_run(&unnamed).expect("it is one");
    assert_eq!(first.benchmark_name, first.scenario);
    assert!(first.scenario.starts_with("GET /"), "{}", first.scenario);
    assert_eq!(first.commit_sha, None);
    let named = HistoryEntry::of_run(FIRST).expect("it is one");
    assert_eq!((named.benchmark_name.as_str(), named.scenario), ("golden", first.scenario));
    assert_ne!(named.run_id, first.run_id);
    let scenario = Document::read(SCENARIO).expect("it is one");
    let flows: Vec<_> = scenario.flows.iter().map(|flow| flow.name.as_str()).collect();
    assert_eq!(HistoryEntry::of_run(SCENARIO).expect("it is one").scenario, flows.join(", "));
}

#[test]
fn the_insights_of_a_run_are_listed_with_it() {
    assert_eq!(HistoryEntry::of_run(FIRST).expect("it is one").insights, []);
    let insight = r#""insights": [{"kind": "long_tail", "severity": "warning", "figures": {},
        "description": "p99 is 9 x p95", "recommendations": ["look"]}], "verdict""#;
    let text = FIRST.replacen("\"verdict\"", insight, 1);
    let insights = HistoryEntry::of_run(&text).expect("it is one").insights;
    let expected = InsightEntry {
        insight_type: "long_tail".to_owned(),
        description: "p99 is 9 x p95".to_owned(),
        severity: "warning".to_owned(),
        recommendations: vec!["look".to_owned()],
    };
    assert_eq!(insights, [expected]);
}

#[test]
fn a_document_without_fingerprints_gets_those_that_it_would_have_now() {
    let document = Document::read(FIRST).expect("it is one");
    let entry = HistoryEntry::of_run(FIRST).expect("it is one");
    let steps = document.steps.iter().map(|step| step.name.as_str());
    assert_eq!(entry.plan_fingerprint, Some(document.plan.compute_fingerprint(steps)));
    assert_eq!(entry.host_fingerprint, Some(document.host.compute_fingerprint()));
}

#[test]
fn something_else_is_refused_as_by_the_reader_of_documents() {
    for text in ["{}", "[1]", "", &FIRST.replacen("run/1", "run/2", 1)] {
        let (ours, theirs) = (HistoryEntry::of_run(text), Document::read(text));
        let (ours, theirs) = (ours.expect_err("it is none"), theirs.expect_err("it is none"));
        assert_eq!(ours.to_string(), theirs.to_string());
    }
}
