//! Formats of services and tools that follow benchmarks: by our JSON Schemas, by a round trip, and
//! by the grammar of Go's format.

use serde_json::Value;
use uringbench_export::action_benchmark::{self, ActionEntry, EntryDirection};
use uringbench_export::bencher::{self, BencherDocument};
use uringbench_export::benchfmt;
use uringbench_export::benchmark::benchmarks;

use crate::{OPEN, SCRIPT, all, empty, hostile, stored};

const BENCHER_SCHEMA: &str = include_str!("bencher.schema.json");
const ACTION_SCHEMA: &str = include_str!("action-benchmark.schema.json");

/// Checks a document against a schema.
fn check(schema: &str, document: &Value) -> Result<(), String> {
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    let schema = serde_json::from_str(schema).expect("a schema is JSON");
    compiler.add_resource("mem:///schema.json", schema).expect("it is ours");
    let index = compiler.compile("mem:///schema.json", &mut schemas).expect("it compiles");
    schemas.validate(document, index).map_err(|why| format!("{why:#}"))
}

#[test]
fn bencher_gets_its_measures_in_its_units() {
    let document = bencher::document(&benchmarks(&all()).expect("they are whole"));
    let json = serde_json::to_value(&document).expect("it is JSON");
    check(BENCHER_SCHEMA, &json).unwrap_or_else(|why| panic!("{why}\n{json}"));
    let read: BencherDocument = serde_json::from_value(json.clone()).expect("it is read back");
    assert_eq!(read, document);
    // Nanoseconds and requests per second.
    let document = bencher::document(&benchmarks(&[stored(OPEN)]).expect("it is whole"));
    let golden = &document["golden"];
    assert_eq!(golden["throughput"].value, 50_000.0);
    assert_eq!(golden["latency"].value, stored(OPEN).latency_ns.response.mean.unwrap() as f64);
    assert_eq!(golden["latency"].lower_value, None);
    let wrong = serde_json::json!({ "x": { "latency": { "value": "1" } } });
    assert!(check(BENCHER_SCHEMA, &wrong).is_err());
}

#[test]
fn several_runs_of_a_name_are_one_benchmark_with_bounds() {
    let mut second = stored(OPEN);
    second.rate.completed = 40_000.0;
    let mut other = stored(SCRIPT);
    other.plan.name = Some("other".to_owned());
    let runs = [stored(OPEN), other, second];
    let grouped = benchmarks(&runs).expect("they are whole");
    assert_eq!(grouped.len(), 2);
    let value = bencher::document(&grouped)["golden"]["throughput"];
    let bounds = (value.lower_value, value.value, value.upper_value);
    assert_eq!(bounds, (Some(40_000.0), 45_000.0, Some(50_000.0)));
    let entries = action_benchmark::entries(&grouped, EntryDirection::BiggerIsBetter);
    assert_eq!(
        entries[0],
        ActionEntry {
            name: "golden rate".to_owned(),
            unit: "req/s".to_owned(),
            value: 45_000.0,
            range: Some("± 5000".to_owned()),
            extra: Some("2 runs".to_owned()),
        }
    );
}

#[test]
fn a_list_for_github_has_one_direction() {
    let grouped = benchmarks(&all()).expect("they are whole");
    let smaller = action_benchmark::entries(&grouped, EntryDirection::SmallerIsBetter);
    let bigger = action_benchmark::entries(&grouped, EntryDirection::BiggerIsBetter);
    for entries in [&smaller, &bigger] {
        let json = serde_json::to_value(entries).expect("it is JSON");
        check(ACTION_SCHEMA, &json).unwrap_or_else(|why| panic!("{why}\n{json}"));
        let read: Vec<ActionEntry> = serde_json::from_value(json).expect("it is read back");
        assert_eq!(&read, entries);
    }
    assert!(bigger.iter().all(|entry| entry.unit == "req/s"), "{bigger:?}");
    let named = |name: &str| smaller.iter().any(|it| it.name == name && it.unit == "ns");
    assert!(named("golden response p99") && named("golden response mean"), "{smaller:?}");
}

/// A result line of https://go.dev/design/14313-benchmark-format: name, iterations, then pairs of
/// value and unit.
fn is_result(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    let name = words.next().and_then(|name| name.strip_prefix("Benchmark"));
    let is_named = name.is_some_and(|rest| !rest.starts_with(|c: char| c.is_lowercase()));
    let has_count = words.next().is_some_and(|count| count.parse::<u64>().is_ok_and(|n| n > 0));
    let pairs: Vec<_> = words.collect();
    let are_values = pairs.iter().step_by(2).all(|value| value.parse::<f64>().is_ok());
    is_named && has_count && !pairs.is_empty() && pairs.len() % 2 == 0 && are_values
}

/// A configuration line: a key of small letters, digits and hyphens, a colon, a value.
fn is_configuration(line: &str) -> bool {
    let Some((key, value)) = line.split_once(':') else { return false };
    let is_key = key.starts_with(|c: char| c.is_lowercase())
        && key.chars().all(|c| !c.is_uppercase() && !c.is_whitespace());
    is_key && (value.is_empty() || value.starts_with([' ', '\t']))
}

fn is_unit(line: &str) -> bool {
    let words: Vec<_> = line.split_ascii_whitespace().collect();
    matches!(words[..], ["Unit", _, "better=higher" | "better=lower"])
}

#[test]
fn every_line_is_one_of_go_s_grammar() {
    let text = benchfmt::text(&all()).expect("they are whole");
    for line in text.lines() {
        assert!(is_result(line) || is_configuration(line) || is_unit(line), "{line}\n{text}");
    }
    let results: Vec<_> = text.lines().filter(|line| is_result(line)).collect();
    assert_eq!(results.len(), all().len(), "{text}");
    let golden = "Benchmark/golden/connections=64/rate=50000 100001 50000 req/s ";
    assert!(results[0].starts_with(golden), "{}", results[0]);
    assert!(results[0].contains(" response-p99-ns"), "{}", results[0]);
    // Units are known before the first result.
    let units = text.lines().take_while(|line| is_unit(line)).count();
    assert_eq!(units, text.lines().filter(|line| is_unit(line)).count());
    for one in [hostile(), empty()] {
        let text = benchfmt::text(&[one]).expect("it is whole");
        assert_eq!(text.lines().filter(|line| is_result(line)).count(), 1, "{text}");
    }
}
