//! Every form of document that was ever written, read: as the code that first had its keys wrote
//! it, and as they are written now.

use serde_json::Value;

use crate::Document;

/// Whole documents, oldest first. Never changed: documents like them are on users' disks.
const WRITTEN: [(&str, &str); 7] = [
    ("the first", include_str!("../../tests/run-v1-first.json")),
    ("with a profile, the first", include_str!("../../tests/run-v1-profile-first.json")),
    ("of a soak, the first", include_str!("../../tests/run-v1-soak-first.json")),
    ("of a scenario, the first", include_str!("../../tests/run-v1-scenario-first.json")),
    ("with messages", include_str!("../../tests/run-v1-open.json")),
    ("of a soak, with its timeline", include_str!("../../tests/run-v1-soak.json")),
    ("with revision, tags and fingerprints", include_str!("../../tests/run-v1-tagged.json")),
];

fn written(name: &str) -> Document {
    let (_, text) = WRITTEN.iter().find(|(known, _)| *known == name).expect("there is one");
    Document::read(text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_document_that_was_ever_written_is_read_and_loses_nothing() {
    for (name, text) in WRITTEN {
        let document = written(name);
        let again = document.to_json().expect("JSON");
        let (before, after) = (value(text), value(&again));
        assert_holds(&after, &before, name);
        assert_eq!(Document::read(&again).expect(name), document, "{name}");
    }
}

#[test]
fn what_is_written_now_is_written_again_letter_by_letter() {
    let (name, text) = WRITTEN[WRITTEN.len() - 1];
    let again = written(name).to_json().expect("JSON") + "\n";
    let first_other = again.lines().zip(text.lines()).find(|(again, text)| again != text);
    assert!(again == text, "{first_other:?}");
}

#[test]
fn keys_that_an_old_document_lacks_stand_for_nothing() {
    let first = written("the first");
    assert_eq!((first.counts.retried, first.counts.causes.len()), (0, 0));
    assert!(first.tls.is_none() && first.target.is_none() && first.timeline.is_none());
    let profile = written("with a profile, the first").target.expect("a target");
    assert!(profile.counters.is_none());
    assert_eq!(profile.waits.expect("waits").timed_s, 0.0);
    let soak = written("of a soak, the first").soak.expect("a soak");
    assert_eq!((soak.verdict.as_str(), soak.replaced_processes), ("inconclusive", 0));
    // What is infinite has no form in JSON.
    let memory = soak.memory.expect("memory");
    assert_eq!((memory.smallest_detectable, memory.below), (None, None));
    let scenario = written("of a scenario, the first");
    assert_eq!(scenario.flows[0].service.count, 0);
    assert_eq!((scenario.steps[1].rate, scenario.steps[1].ok.is_some()), (None, true));
}

#[test]
fn what_is_no_run_of_this_version_is_refused_in_one_line_with_what_to_do() {
    let (_, first) = WRITTEN[0];
    let with = |schema: &str| first.replacen("uringbench.run/1", schema, 1);
    let cut: String = first.chars().take(first.len() / 2).collect();
    let cases = [
        (with("uringbench.run/2"), "written by a newer uringbench", "update this one"),
        (with("uringbench.run/17"), "written by a newer uringbench", "update this one"),
        (with("uringbench.profile/1"), "not a run", "name the folder"),
        (with("uringbench.run/0"), "not a run", "name the folder"),
        (with("uringbench.run/x"), "not a run", "name the folder"),
        ("{}".to_owned(), "no key `schema`", "name a run's run.json"),
        (first.replacen("\"counts\"", "\"sums\"", 1), "missing field `counts`", "copy it again"),
        (
            first.replacen("\"pipeline\": 1", "\"pipeline\": \"x\"", 1),
            "expected u16",
            "copy it again",
        ),
        (cut, "EOF while parsing", "copy it again"),
        (String::new(), "EOF while parsing", "copy it again"),
        ("[1]".to_owned(), "damaged", "copy it again"),
    ];
    for (text, cause, fix) in cases {
        let error = Document::read(&text).err().unwrap_or_else(|| panic!("{cause}")).to_string();
        assert!(error.contains(cause) && error.contains(fix), "{cause}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// Whether everything in `before` is in `after` too.
#[track_caller]
fn assert_holds(after: &Value, before: &Value, at: &str) {
    match (after, before) {
        (Value::Object(after), Value::Object(before)) => {
            for (key, value) in before {
                let found = after.get(key).unwrap_or_else(|| panic!("{at}.{key} is gone"));
                assert_holds(found, value, &format!("{at}.{key}"));
            }
        }
        (Value::Array(after), Value::Array(before)) => {
            assert_eq!(after.len(), before.len(), "{at}");
            let pairs = after.iter().zip(before).enumerate();
            pairs.for_each(|(n, (found, value))| assert_holds(found, value, &format!("{at}[{n}]")));
        }
        _ => assert_eq!(after, before, "{at}"),
    }
}
