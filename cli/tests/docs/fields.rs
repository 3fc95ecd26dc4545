//! docs/reference/scenario-fields.md and suite-fields.md, generated from the JSON Schemas of
//! scenario and suite files.

use std::path::Path;

use serde_json::{Map, Value};

use crate::commands::uringbench;
use crate::pages::{anchor, is_up_to_date};

const SCENARIO_HEAD: &str = "\
# Scenario fields
Made of the schema that `uringbench schema` prints; `UPDATE_DOCS=1 cargo test -p uringbench \
up_to_date` rewrites it. How flows run, and examples: [scenarios](../guide/scenarios.md).

Fields marked with * must be given. A key that is not listed is an error.
";
const SUITE_HEAD: &str = "\
# Suite fields
Made of the schema that `uringbench schema --suite` prints; `UPDATE_DOCS=1 cargo test -p \
uringbench up_to_date` rewrites it. What happens, and examples: [suites](../guide/suites.md).

Fields marked with * must be given. A key that is not listed is an error.
";

#[test]
fn scenario_fields_page_is_up_to_date() {
    let text = page(&["schema"], SCENARIO_HEAD, "Scenario");
    is_up_to_date("docs/reference/scenario-fields.md", &text);
}

#[test]
fn suite_fields_page_is_up_to_date() {
    let text = page(&["schema", "--suite"], SUITE_HEAD, "Suite");
    is_up_to_date("docs/reference/suite-fields.md", &text);
}

fn page(words: &[&str], head: &str, name: &str) -> String {
    let output = uringbench(Path::new(".")).args(words).output().expect("the binary starts");
    let schema: Value = serde_json::from_slice(&output.stdout).expect("the schema is JSON");
    let mut text = head.to_owned();
    section(&mut text, name, &schema);
    let types = schema["$defs"].as_object().expect("the schema has types");
    for (name, of) in types {
        section(&mut text, name, of);
    }
    text
}

/// Writes the section of a type: its fields, its variants, or its permitted words.
fn section(text: &mut String, name: &str, of: &Value) {
    text.push_str(&format!("\n## {name}\n"));
    if let Some(about) = of["description"].as_str() {
        text.push_str(&format!("{}\n", about.replace('\n', " ").replace("  ", "\n\n")));
    }
    if let Some(fields) = of["properties"].as_object() {
        let required = of["required"].as_array().cloned().unwrap_or_default();
        text.push_str("\n| field | type | meaning |\n|---|---|---|\n");
        for (field, of) in fields {
            let mark = if required.contains(&Value::from(field.as_str())) { " *" } else { "" };
            text.push_str(&format!("| `{field}`{mark} | {} | {} |\n", kind(of), meaning(of)));
        }
    } else if let Some(forms) = of["oneOf"].as_array() {
        text.push_str("\n| one of | meaning |\n|---|---|\n");
        for form in forms {
            text.push_str(&format!("| {} | {} |\n", shape(form), meaning(form)));
        }
    } else {
        text.push_str(&format!("\nA value of this type is: {}.\n", kind(of)));
    }
}

/// A variant of a type: a word, or a table with these keys.
fn shape(form: &Value) -> String {
    if let Some(word) = form["const"].as_str() {
        return format!("`\"{word}\"`");
    }
    let keys = form["properties"].as_object().into_iter().flatten();
    let keys = keys.map(|(key, of)| format!("`{key}` = {}", kind(of)));
    keys.collect::<Vec<_>>().join(", ")
}

/// Describes the type of a value.
fn kind(of: &Value) -> String {
    if let Some(target) = of["$ref"].as_str() {
        let name = target.rsplit('/').next().unwrap_or(target);
        return format!("[{name}](#{})", anchor(name));
    }
    if let Some(forms) = of["anyOf"].as_array() {
        let forms = forms.iter().filter(|form| form["type"] != "null").map(kind);
        return forms.collect::<Vec<_>>().join(" or ");
    }
    let names = match &of["type"] {
        Value::String(name) => vec![name.as_str()],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let names = names.into_iter().filter(|name| *name != "null");
    names.map(|name| one_kind(name, of)).collect::<Vec<_>>().join(" or ")
}

fn one_kind(name: &str, of: &Value) -> String {
    match (name, &of["items"], &of["prefixItems"], &of["additionalProperties"]) {
        ("array", Value::Object(items), ..) => format!("list of {}", of_items(items)),
        ("array", _, Value::Array(items), _) => {
            format!("`[`{}`]`", items.iter().map(kind).collect::<Vec<_>>().join(", "))
        }
        ("object", .., Value::Object(values)) => format!("table of {}", of_items(values)),
        ("object", ..) => "table".to_owned(),
        ("array", ..) => "list".to_owned(),
        ("string", ..) => "text".to_owned(),
        (name, ..) => name.to_owned(),
    }
}

fn of_items(items: &Map<String, Value>) -> String {
    kind(&Value::Object(items.clone()))
}

fn meaning(of: &Value) -> String {
    of["description"].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|")
}
