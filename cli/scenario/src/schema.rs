//! The JSON Schema of scenario files: for editors, and for what a mistake needs to say.

use serde_json::Value;

use crate::format::Scenario;

/// The schema as it is printed.
pub(crate) fn text() -> String {
    let schema = schemars::schema_for!(Scenario);
    let text = serde_json::to_string_pretty(&schema);
    text.expect("a schema consists of strings, numbers and maps") + "\n"
}

/// The words that may stand for `name` in the table at `place`, keys from the top such as
/// `load.stage`. `None` where it takes something else than words, or is not known.
pub(crate) fn values(place: &str, name: &str) -> Option<Vec<String>> {
    let root = serde_json::to_value(schemars::schema_for!(Scenario)).ok()?;
    let mut at = &root;
    for key in place.split('.').chain([name]) {
        at = property(&root, at, key)?;
    }
    let at = resolved(&root, at);
    let variants = at["enum"].as_array().or_else(|| at["oneOf"].as_array())?;
    let word =
        |variant: &Value| variant.as_str().or_else(|| variant["const"].as_str()).map(str::to_owned);
    variants.iter().map(word).collect()
}

/// The schema of a key; that of its elements where it is a list.
fn property<'a>(root: &'a Value, of: &'a Value, key: &str) -> Option<&'a Value> {
    let of = resolved(root, of);
    let found = of["properties"].get(key).or_else(|| of.get("additionalProperties"))?;
    let found = resolved(root, found);
    Some(found.get("items").unwrap_or(found))
}

/// What a schema refers to, optional or not.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let of_option = schema["anyOf"].as_array().and_then(|any| any.first());
    let schema = of_option.unwrap_or(schema);
    let target = schema["$ref"].as_str().and_then(|target| target.strip_prefix('#'));
    target.and_then(|target| root.pointer(target)).unwrap_or(schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_wherever_they_may_stand() {
        assert_eq!(values("load.stage", "shape").unwrap(), ["ramp", "step", "spike"]);
        assert_eq!(values("load", "arrivals").unwrap(), ["constant", "poisson"]);
        assert_eq!(values("load.stage", "rate"), None);
        assert_eq!(values("no.such", "shape"), None);
    }
}
