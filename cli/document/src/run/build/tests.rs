//! The document against the sample of its schema, which is kept for ever.

use std::time::{Duration, UNIX_EPOCH};

use hdrhistogram::serialization::Deserializer;
use serde_json::Value;
use uringbench_core::answer_code::AnswerCode;
use uringbench_core::time::Nanos;
use uringbench_core::validity::{Reason, Validity};

use super::*;
use crate::{fixture, fixture_script};

/// What schema run/1 looks like. Never regenerated: documents of this form are on users' disks.
const OPEN_V1: &str = include_str!("../../../tests/run-v1-open.json");

/// Keys `flows` and `steps` of a scenario; the same holds of them.
const SCRIPT_V1: &str = include_str!("../../../tests/run-v1-script.json");

/// Words of the verdict and the objectives are given, so that rewording them changes no sample.
fn verdict_given() -> Verdict {
    Verdict {
        validity: Validity::Suspect,
        reasons: vec![Reason {
            code: "steal",
            message: "the hypervisor took 2.0 % of the CPU time".to_owned(),
            severity: Severity::Suspect,
        }],
        notes: vec!["a note".to_owned()],
    }
}

fn objectives() -> Vec<SloFinding> {
    let finding = |text: &str, measured: &str, met| SloFinding {
        text: text.to_owned(),
        measured: measured.to_owned(),
        met,
    };
    vec![
        finding("p99 < 20.0 ms", "30.3 µs", Met::Yes),
        finding("rate > 60,000/s", "50,000/s", Met::No),
        finding("p99.99 < 1.00 s", "too few samples", Met::Unknown),
    ]
}

fn document_of(plan: &Plan, record: &RunRecord) -> Document {
    let summary = Summary::of(plan, record);
    Document::build(DocumentParts {
        cost: None,
        plan,
        url: "http://127.0.0.1:8080/",
        method: "GET",
        name: Some("golden"),
        started: UNIX_EPOCH + Duration::from_millis(1_772_323_199_120),
        record,
        summary: &summary,
        verdict: &verdict_given(),
        slo: &objectives(),
        target_usage: None,
        git: Some(GitRevision {
            commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            branch: Some("main".to_owned()),
        }),
        tags: &["nightly".to_owned()],
        target: None,
        soak: None,
        timeline: None,
        environment: &Environment {
            kernel: Some("6.18.5".to_owned()),
            cpu: Some("A CPU".to_owned()),
            cores: Some(2),
            engine: Some("ring".to_owned()),
            clock: Some("tsc".to_owned()),
            congestion_control: Some("cubic".to_owned()),
            hostname: Some("bench".to_owned()),
            ..Environment::default()
        },
    })
    .expect("a document")
}

fn open_document() -> Document {
    let plan = fixture::open();
    let mut record = fixture::record(&plan);
    record.counts.released += 2;
    record.counts.end(Outcome::Status, 1);
    record.counts.end(Outcome::Timeout, 1);
    record.codes.add(AnswerCode::http(503), 1);
    record.times.censored = 1;
    document_of(&plan, &record)
}

#[test]
fn named_parts_of_the_measured_window_are_phases_of_what_is_measured() {
    let plan = fixture::open();
    let mut record = fixture::record(&plan);
    let whole = document_of(&plan, &record);
    let from = record.windows.measured().expect("a measured window").start;
    let fault = from + Nanos::from_millis(500)..from + Nanos::from_millis(750);
    record.windows.name("fault", fault);
    let cut = document_of(&plan, &record);
    let names: Vec<_> = cut.phases.iter().map(|phase| &*phase.name).collect();
    assert_eq!(names, ["warmup", "measure", "fault", "measure", "drain"]);
    assert_eq!((cut.phases[2].start_s, cut.phases[2].duration_s), (1.5, 0.25));
    assert_eq!(cut.measured(), whole.measured());
    assert_eq!(cut.rate, whole.rate);
}

/// Whether everything in `sample` is in `document` too: keys may be added, never go or change.
#[track_caller]
fn assert_holds(document: &Value, sample: &Value, at: &str) {
    match (document, sample) {
        (Value::Object(document), Value::Object(sample)) => {
            for (key, value) in sample {
                let found = document.get(key).unwrap_or_else(|| panic!("{at}.{key} is gone"));
                assert_holds(found, value, &format!("{at}.{key}"));
            }
        }
        (Value::Array(document), Value::Array(sample)) => {
            assert_eq!(document.len(), sample.len(), "{at}");
            let pairs = document.iter().zip(sample).enumerate();
            pairs.for_each(|(n, (found, value))| assert_holds(found, value, &format!("{at}[{n}]")));
        }
        // Deflate's output is its implementation's choice; what it holds is tested below.
        _ if at.starts_with("run.histograms.") => assert!(document.is_string(), "{at}"),
        _ => assert_eq!(document, sample, "{at}"),
    }
}

#[test]
fn the_document_holds_every_key_and_figure_of_the_sample() {
    let text = open_document().to_json().unwrap();
    let value = |text| serde_json::from_str::<Value>(text).unwrap();
    assert_holds(&value(&text), &value(OPEN_V1), "run");
}

#[test]
fn keys_stand_in_the_order_of_the_contract() {
    let text = open_document().to_json().unwrap();
    let keys = [
        "schema",
        "verdict",
        "plan",
        "host",
        "phases",
        "rate",
        "counts",
        "latency_ns",
        "bytes",
        "client",
        "steps",
        "intervals",
        "target",
        "histograms",
    ];
    let places: Vec<_> =
        keys.iter().map(|key| text.find(&format!("\n  \"{key}\": ")).expect(key)).collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn causes_stand_beside_the_outcomes() {
    let plan = fixture::open();
    let mut record = fixture::record(&plan);
    record.causes.add(Outcome::Reset, "it closed", 1);
    record.causes.add(Outcome::Malformed, "no colon", 2);
    let text = document_of(&plan, &record).to_json().unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let expected = serde_json::json!([
        { "outcome": "malformed", "cause": "no colon", "count": 2 },
        { "outcome": "reset", "cause": "it closed", "count": 1 },
    ]);
    assert_eq!(document["counts"]["causes"], expected);
}

#[test]
fn the_sample_reads_back() {
    let sample: Document = serde_json::from_str(OPEN_V1).unwrap();
    assert_eq!(sample.schema, SCHEMA);
    assert_eq!(sample.latency_ns.response.p9999, Some(121_215));
    let document = open_document();
    let read: Document = serde_json::from_str(&document.to_json().unwrap()).unwrap();
    assert_eq!(read, document);
}

#[test]
fn histograms_come_back_with_every_count() {
    let plan = fixture::open();
    let record = fixture::record(&plan);
    let stored: Document = serde_json::from_str(OPEN_V1).unwrap();
    let pairs = [
        (&stored.histograms.response, &record.times.response),
        (&stored.histograms.service, &record.times.service),
        (&stored.histograms.lateness, &record.times.lateness),
    ];
    for (encoded, recorded) in pairs {
        let bytes = STANDARD.decode(encoded).unwrap();
        let decoded: Histogram<u64> =
            Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
        assert!(decoded == *recorded, "{} values", decoded.len());
    }
}

#[test]
fn a_closed_loop_has_no_rate_and_nulls_where_nothing_was_timed() {
    let plan = fixture::closed();
    let text = document_of(&plan, &fixture::record(&plan)).to_json().unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["plan"]["load"], "closed");
    for key in ["rate", "arrivals", "wait"] {
        assert_eq!(document["plan"][key], Value::Null, "{key}");
    }
    assert_eq!(document["rate"]["offered"], Value::Null);
    assert_eq!(document["rate"]["completed"], 150_000.0);
    assert_eq!(document["target"], Value::Null);
    let lateness = document["latency_ns"]["lateness"].as_object().unwrap();
    for (key, value) in lateness {
        let expected = if key == "count" { Value::from(0) } else { Value::Null };
        assert_eq!(*value, expected, "{key}");
    }
    assert_eq!(document["latency_ns"]["response"]["p9999"], 2_400_255);
}

#[test]
fn a_scenario_has_its_flows_and_steps() {
    let plan = fixture_script::scripted(fixture::closed(), Some(20));
    let record = fixture_script::scripted_record(fixture::record(&plan));
    let document = document_of(&plan, &record);
    let text = document.to_json().unwrap();
    let read: Document = serde_json::from_str(&text).unwrap();
    assert_eq!((read.steps, read.flows), (document.steps, document.flows), "they read back");
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["plan"]["users"], 20);
    assert_eq!(value["counts"]["messages"], 0);
    let sample: Value = serde_json::from_str(SCRIPT_V1).unwrap();
    assert_holds(&value["flows"], &sample["flows"], "flows");
    assert_holds(&value["steps"], &sample["steps"], "steps");
}
