//! Values generated for schemas, checked with an independent validator.

use std::cell::Cell;
use std::collections::HashSet;

use boon::{Compiler, Draft, Schemas};
use serde_json::{Value, json};

use super::document::Document;
use super::fit::Fit;
use super::maker::Maker;
use super::sample::Sample;
use crate::template::{self, Piece};

/// The schemas to which those of the tables refer.
const COMPONENTS: &str = r##"{
    "Pet": {"type": "object", "required": ["name"],
            "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}},
    "Page<User>": {"type": "object", "required": ["items"],
                   "properties": {"items": {"type": "array", "items": {"type": "string"}}}},
    "Result[Cat]": {"type": "object", "required": ["c"], "properties": {"c": {"type": "null"}}},
    "Page«User»": {"type": "object", "required": ["u"], "properties": {"u": {"type": "string"}}},
    "a/b~c": {"type": "object", "required": ["ab"], "properties": {"ab": {"type": "string"}}},
    "100%": {"type": "integer", "minimum": 7},
    "Tree": {"type": "object", "required": ["kids"], "properties": {
        "kids": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}},
        "next": {"$ref": "#/components/schemas/Tree"}}},
    "Term": {"oneOf": [{"type": "object", "required": ["and"], "additionalProperties": false,
        "properties": {"and": {"type": "array", "minItems": 1,
            "items": {"$ref": "#/components/schemas/Term"}}}}, {"type": "boolean"}]},
    "Self": {"allOf": [{"$ref": "#/components/schemas/Self"}, {"type": "integer"}]},
    "Cat": {"type": "object", "required": ["kind", "lives"],
            "properties": {"kind": {"type": "string"}, "lives": {"type": "integer"}}},
    "Dog": {"type": "object", "required": ["kind", "bark"],
            "properties": {"kind": {"const": "dog"}, "bark": {"type": "boolean"}}},
    "Animal": {"type": "object", "required": ["type"], "properties": {"type": {"type": "string"}},
        "discriminator": {"propertyName": "type",
                          "mapping": {"a-cow": "#/components/schemas/Cow"}}},
    "Cow": {"allOf": [{"$ref": "#/components/schemas/Animal"},
        {"type": "object", "required": ["milk"], "properties": {"milk": {"type": "number"}}}]},
    "Pig": {"allOf": [{"$ref": "#/components/schemas/Animal"}, {"required": ["mud"]}]}
}"##;

/// Schemas of 3.1 for which a value can be generated.
const MADE: &[&str] = &[
    // Alternatives next to members, in any order.
    r#"{"type": "object", "properties": {"a": {"type": "string"}, "b": {"enum": ["x", "y"]}},
        "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}"#,
    r##"{"oneOf": [{"$ref": "#/components/schemas/Pet"}], "required": ["kind"],
        "properties": {"kind": {"type": "string"}}}"##,
    r##"{"allOf": [{"description": "the pet"}, {"$ref": "#/components/schemas/Pet"}]}"##,
    r##"{"allOf": [{"required": ["age"]}, {"$ref": "#/components/schemas/Pet"}]}"##,
    r##"{"allOf": [{"$ref": "#/components/schemas/Pet"}, {"required": ["age"]}]}"##,
    r#"{"allOf": [{"properties": {"n": {"minimum": 5}}}, {"properties": {"n": {"maximum": 6}}}],
        "properties": {"n": {"type": "integer"}}, "required": ["n"]}"#,
    r#"{"oneOf": [{"required": ["a"]}, {"required": ["b"]}], "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}"#,
    r#"{"oneOf": [{"type": "object", "required": ["a"], "properties": {"a": {"type": "null"}}},
        {"type": "object", "required": ["a", "b"], "properties": {"b": {"type": "null"}}}]}"#,
    r#"{"anyOf": [{"type": "null"}, {"type": "array", "items": {"type": "integer"}}]}"#,
    r#"{"anyOf": [{"anyOf": [{"type": "string", "maxLength": 0}]}, {"type": "integer"}]}"#,
    r#"{"allOf": [{"oneOf": [{"type": "string"}, {"type": "integer"}]},
        {"oneOf": [{"type": "integer"}, {"type": "boolean"}]}]}"#,
    r#"{"type": "object", "properties": {"a": {"type": "string"}}, "not": {"required": ["a"]}}"#,
    r#"{"type": "object", "properties": {"a": {"const": 1}, "b": {"type": "string"}},
        "if": {"required": ["a"]}, "then": {"required": ["b"]}}"#,
    r#"{"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": false,
        "required": ["a"]}"#,
    // References.
    r##"{"$ref": "#/components/schemas/Page%3CUser%3E"}"##,
    r##"{"$ref": "#/components/schemas/Result%5BCat%5D"}"##,
    r##"{"$ref": "#/components/schemas/Page%C2%ABUser%C2%BB"}"##,
    r##"{"$ref": "#/components/schemas/a~1b~0c"}"##,
    r##"{"$ref": "#/components/schemas/a%7E1b%7e0c"}"##,
    r##"{"$ref": "#/components/schemas/100%25"}"##,
    r##"{"$ref": "#/components/schemas/Pet", "required": ["age"], "minProperties": 3}"##,
    r##"{"$ref": "#/components/schemas/Tree"}"##,
    r##"{"$ref": "#/components/schemas/Term"}"##,
    // Variants by name.
    r##"{"oneOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}],
        "discriminator": {"propertyName": "kind"}}"##,
    r##"{"$ref": "#/components/schemas/Animal"}"##,
    r##"{"$ref": "#/components/schemas/Cow"}"##,
    r##"{"$ref": "#/components/schemas/Pig"}"##,
    // Types and values.
    r#"{"type": ["null", "object"], "properties": {"a": {"type": "integer"}}}"#,
    r#"{"type": ["string", "integer"], "minimum": 3, "minLength": 20}"#,
    r#"{"allOf": [{"type": ["string", "integer"]}, {"type": ["integer", "null"]}]}"#,
    r#"{"const": null}"#,
    r#"{"const": {"a": [1, "x"]}}"#,
    r#"{"enum": [null, 1, 2]}"#,
    r#"{"type": "string", "enum": [1, "a b", "c"]}"#,
    r#"{"allOf": [{"enum": ["a", "b"]}, {"enum": ["b", "c"]}]}"#,
    r#"{"type": "integer", "examples": ["no", 5]}"#,
    r#"{"type": "integer", "example": "no"}"#,
    r#"{"type": "string", "example": 1.5}"#,
    r#"{"type": "integer", "default": 0, "minimum": 1}"#,
    r#"{"type": "boolean"}"#,
    r#"{"type": "null"}"#,
    "true",
    // Numbers.
    r#"{"type": "number", "minimum": 0.01, "maximum": 0.99}"#,
    r#"{"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}"#,
    r#"{"type": "number", "minimum": 2.5}"#,
    r#"{"type": "number", "maximum": -0.5}"#,
    r#"{"type": "number", "multipleOf": 0.25, "minimum": 0.3}"#,
    r#"{"type": "number", "multipleOf": 0.1, "exclusiveMinimum": 0.2}"#,
    r#"{"type": "number", "multipleOf": 0.01, "maximum": -5}"#,
    r#"{"type": "integer", "multipleOf": 10, "minimum": 5, "maximum": 25}"#,
    r#"{"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5}"#,
    r#"{"type": "integer", "minimum": -9223372036854775808, "maximum": 9223372036854775807}"#,
    r#"{"minimum": 10, "allOf": [{"minimum": 20}, {"maximum": 30}]}"#,
    // Texts.
    r#"{"type": "string", "minLength": 30, "allOf": [{"minLength": 40}]}"#,
    r#"{"type": "string", "maxLength": 3, "format": "date"}"#,
    r#"{"type": "string", "maxLength": 0}"#,
    r#"{"type": "string", "format": "email", "maxLength": 40}"#,
    // Lists.
    r#"{"prefixItems": [{"type": "string"}, {"type": "integer"}], "items": false}"#,
    r#"{"type": "array", "prefixItems": [{"const": 1}], "items": {"const": 2}, "minItems": 3}"#,
    r#"{"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 3, "uniqueItems": true}"#,
    r#"{"type": "array", "items": {"type": "integer"}, "minItems": 4, "uniqueItems": true}"#,
    r#"{"type": "array", "items": {"type": "string"}, "minItems": 3, "uniqueItems": true}"#,
    r#"{"type": "array", "items": {"properties": {"id": {"type": "string", "format": "uuid"}}},
        "minItems": 2, "uniqueItems": true}"#,
    r#"{"type": "array", "contains": {"const": "x"}, "items": {"type": "string"}}"#,
    r#"{"type": "array", "maxItems": 0, "items": {"type": "string"}}"#,
    r#"{"type": "array", "minItems": 2}"#,
    // Objects.
    r#"{"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 2}"#,
    r#"{"type": "object", "required": ["x"], "additionalProperties": {"type": "boolean"}}"#,
    r#"{"type": "object", "required": ["x-a"], "patternProperties": {"^x-": {"const": 3}}}"#,
    r#"{"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "required": ["c"],
        "maxProperties": 1}"#,
    r#"{"type": "object", "properties": {"a": false, "b": {"type": "string"}}}"#,
    r#"{"type": "object", "properties": {"p": {"type": "string", "pattern": "^[A-Z]{3}$"}}}"#,
    r#"{"properties": {"p": {"type": "string", "pattern": "^\\d+$", "example": "12"}},
        "required": ["p"]}"#,
    r#"{"type": "object", "properties": {"{{x": {"const": "{{y}}"}}, "required": ["{{x"]}"#,
];

/// Schemas for which no value matches, with a part of the message.
const REPORTED: &[(&str, &str)] = &[
    (r#"{"type": "string", "pattern": "^[A-Z]{3}$"}"#, "it does not match `pattern`"),
    (
        r#"{"type": "object", "required": ["a"], "properties": {"a": {"pattern": "^x"}}}"#,
        "/a does not match `pattern`",
    ),
    (r#"{"type": "object", "properties": {"a": {"pattern": "^x"}}}"#, "member a: left out"),
    (r#"{"type": "integer", "minimum": 5, "maximum": 4}"#, "does not match"),
    (r#"{"allOf": [{"type": "string"}, {"type": "integer"}]}"#, "does not match `type`"),
    (
        r#"{"type": "array", "items": {"type": "boolean"}, "minItems": 3, "uniqueItems": true}"#,
        "uniqueItems",
    ),
    (r#"{"oneOf": [{"type": "integer"}, {"type": "number"}]}"#, "does not match `oneOf`"),
    (r#"{"not": {}}"#, "matches `not` of its schema"),
    (r#"{"oneOf": [{"type": "string"}, {"type": "string"}]}"#, "does not match `oneOf`"),
    (r#"{"type": "array", "items": {"type": "integer"}, "minItems": 11}"#, "minItems"),
];

/// Schemas of 3.0, where they differ.
const OLDER: &[&str] = &[
    r#"{"type": "integer", "minimum": 3, "exclusiveMinimum": true, "maximum": 4}"#,
    r#"{"type": "number", "maximum": 0, "exclusiveMaximum": true, "minimum": -1}"#,
    r##"{"$ref": "#/components/schemas/Pet", "required": ["no such"]}"##,
    r#"{"type": "object", "example": {"a": null}, "required": ["a"],
        "properties": {"a": {"type": "string", "nullable": true}}}"#,
];

fn document(version: &str, schema: &Value) -> Document {
    let components: Value = serde_json::from_str(COMPONENTS).unwrap();
    let text = json!({
        "openapi": version, "components": {"schemas": components}, "schema": schema,
    });
    Document::read(&text.to_string()).unwrap()
}

/// The result of the validator for a value.
fn verdict(document: &Document, draft: Draft, value: &Value) -> Result<(), String> {
    let mut root = document.root.clone();
    translate(&mut root);
    let mut compiler = Compiler::new();
    compiler.set_default_draft(draft);
    compiler.add_resource("http://a/document.json", root).unwrap();
    let mut schemas = Schemas::new();
    let schema = compiler.compile("http://a/document.json#/schema", &mut schemas);
    let schema = schema.unwrap_or_else(|why| panic!("{why}"));
    schemas.validate(value, schema).map_err(|why| why.to_string())
}

/// Converts OpenAPI's additions to JSON Schema: `nullable`, and variants chosen by a discriminator.
fn translate(value: &mut Value) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(translate),
        Value::Object(members) => {
            if members.get("nullable") == Some(&Value::Bool(true)) {
                let name = members["type"].clone();
                members.insert("type".to_owned(), json!([name, "null"]));
            }
            if members.contains_key("discriminator")
                && let Some(all) = members.remove("oneOf")
            {
                members.insert("anyOf".to_owned(), all);
            }
            members.values_mut().for_each(translate);
        }
        _ => {}
    }
}

/// The body with the largest of each of its values; the sample itself has the smallest.
fn greatest(sample: &Sample) -> Value {
    let piece = |piece: Piece| match piece {
        Piece::Literal(literal) => literal,
        Piece::Value(value) => {
            let words: Vec<&str> = super::sample::words(&value).collect();
            match words.as_slice() {
                ["int" | "choice", .., last] => (*last).to_owned(),
                ["string", length] => "Z".repeat(length.parse().unwrap()),
                ["uuid"] => "ffffffff-ffff-4fff-bfff-ffffffffffff".to_owned(),
                ["seq"] => "9".to_owned(),
                _ => panic!("{value} is not known"),
            }
        }
    };
    let text: String = template::pieces(&sample.json()).into_iter().map(piece).collect();
    serde_json::from_str(&text).unwrap_or_else(|why| panic!("{why}: {text}"))
}

fn hold(version: &str, draft: Draft, schemas: &[&str]) {
    for text in schemas {
        let schema: Value =
            serde_json::from_str(text).unwrap_or_else(|why| panic!("{why}: {text}"));
        let document = document(version, &schema);
        let (sample, notes) = Maker::new(&document).sample(&document.root["schema"]);
        for value in [sample.value(), greatest(&sample)] {
            let verdict = verdict(&document, draft, &value);
            assert!(verdict.is_ok(), "{text}\n{value}\n{}", verdict.unwrap_err());
        }
        let is_known = |note: &String| note.contains("left out");
        assert!(notes.iter().all(is_known), "{text}\n{}\n{notes:?}", sample.json());
    }
}

#[test]
fn values_fit_their_schemas() {
    hold("3.1.0", Draft::V2020_12, MADE);
    hold("3.0.3", Draft::V4, OLDER);
}

#[test]
fn what_does_not_fit_is_reported() {
    for (text, expected) in REPORTED {
        let document = document("3.1.0", &serde_json::from_str(text).unwrap());
        let (sample, notes) = Maker::new(&document).sample(&document.root["schema"]);
        let is_reported = notes.iter().any(|note| note.contains(expected));
        assert!(is_reported, "{text}\n{}\n{notes:?}", sample.json());
        let is_left_out = expected.contains("left out");
        let verdict = verdict(&document, Draft::V2020_12, &sample.value());
        assert_eq!(verdict.is_ok(), is_left_out, "{text}\n{}", sample.json());
    }
}

#[test]
fn our_verdict_is_that_of_the_validator() {
    let values = [
        json!(null),
        json!(true),
        json!(0),
        json!(3),
        json!(15),
        json!(0.5),
        json!(0.4),
        json!(-7),
        json!(1.0),
        json!(""),
        json!("a"),
        json!("abc"),
        json!("ABC"),
        json!([]),
        json!([1, 2]),
        json!(["a", "b", "c"]),
        json!([[1], [1]]),
        json!({}),
        json!({"a": 1}),
        json!({"a": 1, "b": "x"}),
        json!({"name": "x", "age": 1}),
        json!({"c": null, "x": true}),
        json!({"kids": [{"kids": [1]}]}),
        json!({"and": [{"and": []}, true]}),
        json!({"x-a": 3}),
        json!({"a": null, "b": null}),
        json!({"n": 5}),
        json!({"p": "12"}),
    ];
    let all = MADE.iter().chain(REPORTED.iter().map(|(text, _)| text));
    let mut count = 0;
    for text in all {
        let document = document("3.1.0", &serde_json::from_str(text).unwrap());
        for value in &values {
            let (answered, steps) = (HashSet::new(), Cell::new(1_000));
            let fit = Fit::new(&document, &answered, &steps);
            let ours = fit.check(value, &document.root["schema"]);
            let theirs = verdict(&document, Draft::V2020_12, value);
            assert_eq!(ours.is_ok(), theirs.is_ok(), "{text}\n{value}\n{ours:?}\n{theirs:?}");
            count += usize::from(theirs.is_ok());
        }
    }
    assert!(count > 100, "only {count} values fit anything");
}

#[test]
fn the_variant_is_named() {
    for (text, member, expected) in [
        (
            r##"{"oneOf": [{"$ref": "#/components/schemas/Cat"}],
                "discriminator": {"propertyName": "kind", "mapping": {"a cat": "Cat"}}}"##,
            "/kind",
            "a cat",
        ),
        (
            r##"{"oneOf": [{"$ref": "#/components/schemas/Cat"}],
                "discriminator": {"propertyName": "kind"}}"##,
            "/kind",
            "Cat",
        ),
        (
            r##"{"oneOf": [{"$ref": "#/components/schemas/Dog"}],
                "discriminator": {"propertyName": "kind"}}"##,
            "/kind",
            "dog",
        ),
        (r##"{"$ref": "#/components/schemas/Cow"}"##, "/type", "a-cow"),
        (r##"{"$ref": "#/components/schemas/Animal"}"##, "/type", "a-cow"),
        (r##"{"$ref": "#/components/schemas/Pig"}"##, "/type", "Pig"),
        (r##"{"type": "array", "items": {"$ref": "#/components/schemas/Pig"}}"##, "/0/type", "Pig"),
    ] {
        let document = document("3.1.0", &serde_json::from_str(text).unwrap());
        let (sample, notes) = Maker::new(&document).sample(&document.root["schema"]);
        let value = sample.value();
        assert_eq!(value.pointer(member), Some(&json!(expected)), "{text}\n{value}");
        assert_eq!(notes, Vec::<String>::new(), "{text}");
    }
}

#[test]
fn schemas_without_end_take_little_time() {
    // Each one contains itself in every member, and is an alternative of itself.
    let text = r##"{"type": "object", "required": ["a", "b", "c"],
        "oneOf": [{"required": ["d"]}, {"$ref": "#/schema"}, {"$ref": "#/schema"}],
        "properties": {"a": {"$ref": "#/schema"}, "b": {"$ref": "#/schema"},
                       "c": {"anyOf": [{"$ref": "#/schema"}, {"$ref": "#/schema"}]}}}"##;
    let document = document("3.1.0", &serde_json::from_str(text).unwrap());
    let (_, notes) = Maker::new(&document).sample(&document.root["schema"]);
    assert!(!notes.is_empty());
}
