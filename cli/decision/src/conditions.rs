//! Whether two runs can be compared: the machine and the plan in the keys that must be equal.
//!
//! Names, seeds and the target's address may differ: two servers beside each other are compared as
//! well as two versions of one. So may the machine's name, since machines of one kind take turns in
//! CI; the CPU, the kernel and the engine may not.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use uringbench_core::http::secrets::without_secrets;
use uringbench_document::Document;
use uringbench_document::baseline::ConditionFigures;
use uringbench_document::comparison::ConditionDifference;

/// Keys of the plan that do not change the load.
const OF_ONE_RUN: [&str; 4] = ["name", "seed", "peers", "url"];
/// Keys of the host that differ between machines of one kind, or that are not of the machine.
const OF_ONE_HOST: [&str; 2] = ["hostname", "uringbench"];

/// Keys of the plan that every version since writes: `null` is a run of an older one.
const UNKNOWN_BEFORE: [&str; 2] = ["close", "connection_order"];

/// The conditions of a run.
pub(crate) fn conditions(run: &Document) -> ConditionFigures {
    let mut plan = keys(json!(run.plan), &OF_ONE_RUN);
    plan.retain(|key, value| !(value.is_null() && UNKNOWN_BEFORE.contains(&key.as_str())));
    plan.insert("request".to_owned(), json!(path(&run.plan.url)));
    let steps: Vec<&str> = run.steps.iter().map(|step| step.name.as_str()).collect();
    plan.insert("steps".to_owned(), json!(steps));
    let mut host = keys(json!(run.host), &OF_ONE_HOST);
    // What cannot be read is unknown.
    host.retain(|_, value| !value.is_null());
    ConditionFigures { host, plan }
}

/// The differences between two sets of conditions, by the alphabet. A key that an older version
/// did not write is unknown, not different.
pub(crate) fn differences(
    before: &ConditionFigures,
    after: &ConditionFigures,
) -> Vec<ConditionDifference> {
    let sides = [("host", &before.host, &after.host), ("plan", &before.plan, &after.plan)];
    let mut found = Vec::new();
    for (part, before, after) in sides {
        let both = before.iter().filter_map(|(key, value)| Some((key, value, after.get(key)?)));
        let is_other = |(_, one, other): &(&String, &Value, &Value)| !is_same(one, other);
        found.extend(both.filter(is_other).map(|(key, one, other)| ConditionDifference {
            key: format!("{part}.{key}"),
            before: shown(one),
            after: shown(other),
        }));
    }
    found
}

/// Scheme and path of a URL, without the address.
fn path(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let path = rest.find('/').map_or("/", |at| &rest[at..]);
    format!("{scheme} {path}")
}

fn keys(object: Value, without: &[&str]) -> BTreeMap<String, Value> {
    let object = match object {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    object.into_iter().filter(|(key, _)| !without.contains(&key.as_str())).collect()
}

/// Whole numbers may be written with and without a point.
fn is_same(one: &Value, other: &Value) -> bool {
    let (one, other) = (&without_secrets_in(one), &without_secrets_in(other));
    one == other || one.as_f64().is_some_and(|number| other.as_f64() == Some(number))
}

/// Addresses in it are compared as most runs store them: older ones, and those that keep secrets,
/// have more.
fn without_secrets_in(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_secrets(text)),
        Value::Array(list) => list.iter().map(without_secrets_in).collect(),
        other => other.clone(),
    }
}

fn shown(value: &Value) -> String {
    match without_secrets_in(value) {
        Value::String(text) => text,
        Value::Null => "none".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run;

    #[test]
    fn addresses_seeds_and_names_may_differ_and_the_load_may_not() {
        let (one, mut other) = (run(), run());
        other.plan.seed += 1;
        other.plan.name = Some("other".to_owned());
        other.plan.url = other.plan.url.replacen("127.0.0.1:8080", "127.0.0.1:8081", 1);
        other.host.hostname = Some("elsewhere".to_owned());
        let of = |other: &Document| differences(&conditions(&one), &conditions(other));
        assert_eq!(of(&other), []);
        other.plan.connections = 65;
        other.host.kernel = Some("7.0".to_owned());
        let found = of(&other);
        let found: Vec<_> = found.iter().map(|it| (&*it.key, &*it.after)).collect();
        assert_eq!(found, [("host.kernel", "7.0"), ("plan.connections", "65")]);
    }

    #[test]
    fn secrets_make_no_difference_and_what_is_asked_for_does() {
        let (mut one, mut other) = (run(), run());
        let mut found = |before: &str, after: &str| {
            one.plan.url = format!("http://h/a?{before}");
            other.plan.url = format!("http://h/a?{after}");
            differences(&conditions(&one), &conditions(&other)).len()
        };
        assert_eq!(found("token=1", "token=2"), 0);
        assert_eq!(found("token=…", "token=2"), 0, "one run keeps its secrets");
        for (before, after) in
            [("key=1", "key=2"), ("max_tokens=1", "max_tokens=2"), ("token=1", "user=1")]
        {
            assert_eq!(found(before, after), 1, "{before} {after}");
        }
    }

    #[test]
    fn conditions_that_a_version_did_not_know_are_no_difference() {
        let now = conditions(&run());
        let mut then = now.clone();
        then.plan.remove("idle_connections");
        assert_eq!(differences(&then, &now), []);
        assert_eq!(differences(&now, &then), []);
    }

    #[test]
    fn a_request_is_its_scheme_and_its_path() {
        let cases = [
            ("http://127.0.0.1:8080/a?b=1", "http /a?b=1"),
            ("https://h", "https /"),
            ("h:1/x", "http /x"),
        ];
        for (url, expected) in cases {
            assert_eq!(path(url), expected);
        }
    }
}
