//! The JSON Schemas of files, for editors and for messages about mistakes. `F` is the type of a
//! whole file.

use schemars::JsonSchema;
use serde_json::Value;

/// The schema as printed.
pub(crate) fn text<F: JsonSchema>() -> String {
    let schema = schemars::schema_for!(F);
    let text = serde_json::to_string_pretty(&schema);
    text.expect("a schema consists of strings, numbers and maps") + "\n"
}

/// The words permitted for `name` in the table at `place`, keys from the top such as `load.stage`.
/// `None` if it is not a word, or unknown.
pub(crate) fn values<F: JsonSchema>(place: &str, name: &str) -> Option<Vec<String>> {
    let root = serde_json::to_value(schemars::schema_for!(F)).ok()?;
    let at = found(&root, place.split('.').chain([name]))?;
    let variants = at["enum"].as_array().or_else(|| at["oneOf"].as_array())?;
    let word =
        |variant: &Value| variant.as_str().or_else(|| variant["const"].as_str()).map(str::to_owned);
    variants.iter().map(word).collect()
}

/// The fields of which the table `field` must have exactly one, keys from the top.
pub(crate) fn choice<F: JsonSchema>(field: &str) -> Option<Vec<String>> {
    let root = serde_json::to_value(schemars::schema_for!(F)).ok()?;
    let kinds = found(&root, field.split('.'))?["oneOf"].as_array()?;
    let name = |kind: &Value| kind["required"].as_array()?.first()?.as_str().map(str::to_owned);
    kinds.iter().map(name).collect()
}

/// The smallest and the largest number permitted in `field`, keys from the top such as
/// `load.users`; `most` if the field has no limit.
pub(crate) fn range<F: JsonSchema>(field: &str, most: u64) -> (u64, u64) {
    let root = serde_json::to_value(schemars::schema_for!(F)).unwrap_or_default();
    let at = found(&root, field.split('.')).unwrap_or(&Value::Null);
    let bound = |name: &str| at[name].as_u64();
    (bound("minimum").unwrap_or(0), bound("maximum").unwrap_or(most).min(most))
}

fn found<'a, 'k>(root: &'a Value, keys: impl Iterator<Item = &'k str>) -> Option<&'a Value> {
    let mut at = root;
    for key in keys {
        at = property(root, at, key)?;
    }
    Some(resolved(root, at))
}

/// The schema of a key, or of its elements if it is a list.
fn property<'a>(root: &'a Value, of: &'a Value, key: &str) -> Option<&'a Value> {
    let of = resolved(root, of);
    let own = |of: &'a Value| of["properties"].get(key).or_else(|| of.get("additionalProperties"));
    let kinds = of["oneOf"].as_array().into_iter().flatten();
    // Each variant has one field and no others.
    let found = own(of).or_else(|| kinds.filter_map(|kind| kind["properties"].get(key)).next())?;
    let found = resolved(root, found);
    Some(found.get("items").unwrap_or(found))
}

/// Resolves the reference of a schema, optional or not.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let of_option = schema["anyOf"].as_array().and_then(|any| any.first());
    let schema = of_option.unwrap_or(schema);
    let target = schema["$ref"].as_str().and_then(|target| target.strip_prefix('#'));
    target.and_then(|target| root.pointer(target)).unwrap_or(schema)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Scenario;

    #[test]
    fn words_are_found_wherever_they_may_stand() {
        assert_eq!(values::<Scenario>("load.stage", "shape").unwrap(), ["ramp", "step", "spike"]);
        assert_eq!(values::<Scenario>("load", "arrivals").unwrap(), ["constant", "poisson"]);
        assert_eq!(values::<Scenario>("load.stage", "rate"), None);
        assert_eq!(values::<Scenario>("no.such", "shape"), None);
    }
}
