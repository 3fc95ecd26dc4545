//! docs/reference/run-json.md and result-json.md, generated from the serialised types and the
//! comments of their fields; also checks that the pages list every key of real documents.
//!
//! It parses only the part of Rust's grammar that those types use: one field per line, attributes
//! before it.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::pages::{anchor, is_up_to_date, root};

const PAGE: &str = "docs/reference/run-json.md";
const RESULTS_PAGE: &str = "docs/reference/result-json.md";
const HEAD: &str = "\
# run.json
Made of the types in the code; `UPDATE_DOCS=1 cargo test -p uringbench up_to_date` rewrites it. \
The keys that a program needs first: [in CI](../guide/ci.md#json).

Keys are added, never renamed or removed. Units are in the names: `_s` seconds, `_ns` \
nanoseconds, `_us` microseconds, `_bytes` bytes. Rates are per second, shares 0 to 1. A figure \
without samples is `null`, never 0. A missing key means the same as `null`, 0 or an empty list.
";
const RESULTS_HEAD: &str = "\
# Results of several runs
Made of the types in the code; `UPDATE_DOCS=1 cargo test -p uringbench up_to_date` rewrites it. \
The rules are those of [run.json](run-json.md), whose sections describe the parts that both have.
";
/// The files with the types.
const SOURCES: [&str; 12] = [
    "cli/document/src/capacity.rs",
    "cli/document/src/chaos.rs",
    "cli/document/src/comparison.rs",
    "cli/document/src/cost.rs",
    "cli/document/src/insight.rs",
    "cli/document/src/run.rs",
    "cli/document/src/run",
    "cli/document/src/target.rs",
    "cli/document/src/soak.rs",
    "cli/document/src/suite.rs",
    "cli/document/src/timeline.rs",
    "profiler/src/analysis",
];

/// A document: the name of its type.
pub(crate) const RUN: &str = "Document";
/// The pseudo type of `uringbench profile`'s document, which is built without a type.
pub(crate) const PROFILE: &str = "profile.json";

/// A serialised type.
struct Table {
    about: String,
    fields: Vec<Field>,
}

struct Field {
    name: String,
    kind: String,
    meaning: String,
    /// Whether the keys of its type take its place.
    is_flat: bool,
}

/// All serialised types, by name; one without fields is a choice of words.
pub(crate) struct Tables(BTreeMap<String, Table>);

impl Tables {
    pub(crate) fn read() -> Self {
        let mut tables = Self(BTreeMap::new());
        for source in SOURCES {
            let path = root().join(source);
            let mut files = vec![path.clone()];
            if path.is_dir() {
                let entries = fs::read_dir(path).expect("a folder of the workspace is readable");
                files = entries.map(|entry| entry.expect("an entry is readable").path()).collect();
                files.retain(|file| file.extension().is_some_and(|end| end == "rs"));
                files.sort();
            }
            for file in files {
                tables.add(&fs::read_to_string(file).expect("a source is UTF-8"));
            }
        }
        tables.0.insert(PROFILE.to_owned(), profile());
        tables
    }

    /// Adds the types of one file.
    fn add(&mut self, source: &str) {
        let (mut about, mut is_written) = (String::new(), false);
        let mut lines = source.lines();
        while let Some(line) = lines.next() {
            let item = line.trim_start_matches("pub(crate) ").trim_start_matches("pub ");
            if let Some(doc) = line.strip_prefix("///") {
                about.push_str(doc);
            } else if line.starts_with("#[derive(") {
                is_written = line.contains("Serialize");
            } else if let Some(name) = item.strip_prefix("struct ") {
                let body = lines.by_ref().take_while(|line| *line != "}");
                let fields = if line.ends_with('{') { fields(body) } else { Vec::new() };
                let table = Table { about: std::mem::take(&mut about), fields };
                let name = name.trim_end_matches(" {").to_owned();
                if std::mem::take(&mut is_written) && !table.fields.is_empty() {
                    let known = self.0.insert(name.clone(), table);
                    assert!(known.is_none(), "two types are called {name}: rename one");
                }
            } else if let Some(name) = item.strip_prefix("enum ") {
                let about = std::mem::take(&mut about);
                if std::mem::take(&mut is_written) {
                    let name = name.trim_end_matches(" {").to_owned();
                    self.0.insert(name, Table { about, fields: Vec::new() });
                }
            } else if line.is_empty() {
                about.clear();
                is_written = false;
            }
        }
    }

    fn get(&self, name: &str) -> &Table {
        self.0.get(name).unwrap_or_else(|| panic!("no type {name} is written"))
    }

    /// A one-line description of a type; empty if it repeats its key.
    fn about(&self, name: &str) -> String {
        let about = self.get(name).about.trim();
        let is_bare = about.starts_with("Key `") || about.starts_with("One of `");
        match about.split_once(": ").filter(|_| is_bare) {
            Some((_, more)) => format!("{}{}\n", more[..1].to_uppercase(), &more[1..]),
            None if is_bare => String::new(),
            None => format!("{about}\n"),
        }
    }

    /// The fields of a type, with those of flattened types in their place.
    fn fields(&self, name: &str) -> Vec<&Field> {
        let fields = self.get(name).fields.iter();
        fields
            .flat_map(|field| if field.is_flat { self.fields(&field.kind) } else { vec![field] })
            .collect()
    }

    /// Collects every key of `value` that the type lacks.
    pub(crate) fn unknown(&self, name: &str, value: &Value, path: &str, unknown: &mut Vec<String>) {
        let fields = self.fields(name);
        for (key, value) in value.as_object().into_iter().flatten() {
            let path = format!("{path}.{key}");
            let Some(field) = fields.iter().find(|field| field.name == *key) else {
                unknown.push(path);
                continue;
            };
            let inner = self.inner(field);
            let values =
                value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
            for value in values.iter().filter(|_| self.0.contains_key(inner)) {
                self.unknown(inner, value, &path, unknown);
            }
        }
    }

    /// The type of a field, or of its elements if it is a list.
    fn inner<'a>(&self, field: &'a Field) -> &'a str {
        let mut kind = field.kind.as_str();
        for around in ["Option<", "Vec<"] {
            kind =
                kind.strip_prefix(around).and_then(|kind| kind.strip_suffix('>')).unwrap_or(kind);
        }
        kind
    }
}

/// The document that `cli/src/commands/profile.rs` builds.
fn profile() -> Table {
    let field = |name: &str, kind: &str, meaning: &str| Field {
        name: name.to_owned(),
        kind: kind.to_owned(),
        meaning: meaning.to_owned(),
        is_flat: false,
    };
    Table {
        about: "What `uringbench profile` stores and prints with `--json`.".to_owned(),
        fields: vec![
            field("schema", "String", "`uringbench.profile/1`."),
            field("subject", "String", "The process, the command, or the stored run."),
            field("duration_s", "f64", "How long was sampled."),
            field("view", "object", "With `--read`: the stretch, its windows and its requests."),
            field("target", "TargetFigures", "What was sampled."),
            field("difference", "Option<Comparison>", "With `--against`: what changed."),
        ],
    }
}

fn fields<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Field> {
    let (mut meaning, mut is_flat) = (String::new(), false);
    let mut fields = Vec::new();
    for line in lines.map(str::trim) {
        let item = line.trim_start_matches("pub(crate) ").trim_start_matches("pub ");
        if let Some(doc) = line.strip_prefix("///") {
            meaning.push_str(doc);
        } else if line.starts_with("#[") {
            is_flat = line.contains("flatten");
            assert!(!line.contains("rename"), "a renamed key is not understood here: {line}");
        } else if let Some((name, kind)) = item.trim_end_matches(',').split_once(": ") {
            let meaning = std::mem::take(&mut meaning).replace("[`", "`").replace("`]", "`");
            let (name, kind) = (name.to_owned(), kind.to_owned());
            fields.push(Field { name, kind, meaning, is_flat });
            is_flat = false;
        }
    }
    fields
}

/// Writes the page, one table after another in the order of the keys that lead to them.
struct Writer<'a> {
    tables: &'a Tables,
    /// Types that have a section, and the section's title.
    sections: BTreeMap<String, String>,
    waiting: Vec<(String, String)>,
    /// The name of the document that is being described.
    document: String,
    text: String,
}

impl Writer<'_> {
    fn document(&mut self, name: &str, heading: &str) {
        heading.trim_end_matches(".json").clone_into(&mut self.document);
        self.waiting.push((name.to_owned(), heading.to_owned()));
        self.sections.insert(name.to_owned(), heading.to_owned());
        while !self.waiting.is_empty() {
            let (name, heading) = self.waiting.remove(0);
            self.table(&name, &heading);
        }
    }

    fn table(&mut self, name: &str, heading: &str) {
        let tables = self.tables;
        self.text.push_str(&format!("\n## {heading}\n{}", tables.about(name)));
        self.text.push_str("\n| key | type | meaning |\n|---|---|---|\n");
        let path = if heading.starts_with('`') {
            format!("{}.", heading.trim_matches('`'))
        } else {
            String::new()
        };
        for field in tables.fields(name) {
            let kind = self.kind(&field.kind, field, &path);
            let meaning = field.meaning.trim().replace('|', "\\|");
            assert!(!meaning.is_empty(), "say what {name}.{} means", field.name);
            self.text.push_str(&format!("| `{}` | {kind} | {meaning} |\n", field.name));
        }
    }

    /// Describes the type of a value; one of our types links to its section.
    fn kind(&mut self, kind: &str, field: &Field, path: &str) -> String {
        if let Some(inner) = kind.strip_prefix("Option<") {
            let inner = self.kind(inner.trim_end_matches('>'), field, path);
            return format!("{inner} or `null`");
        }
        if let Some(inner) = kind.strip_prefix("Vec<") {
            return format!("list of {}", self.kind(inner.trim_end_matches('>'), field, path));
        }
        if kind.starts_with("BTreeMap<") {
            return "object".to_owned();
        }
        match kind {
            "String" | "&'static str" | "Unit" => "text".to_owned(),
            "bool" => "boolean".to_owned(),
            "f64" => "number".to_owned(),
            "object" => "object".to_owned(),
            "u16" | "u32" | "u64" | "i64" | "usize" => "integer".to_owned(),
            kind if self.tables.get(kind).fields.is_empty() => "text".to_owned(),
            _ => self.link(field, path),
        }
    }

    fn link(&mut self, field: &Field, path: &str) -> String {
        let inner = self.tables.inner(field).to_owned();
        let is_list = field.kind.contains("Vec<");
        if !self.sections.contains_key(&inner) {
            let mut heading = format!("`{path}{}{}`", field.name, if is_list { "[]" } else { "" });
            // Two documents may have a key of one name, but not a section.
            while self.sections.values().any(|known| *known == heading) {
                heading = format!("`{}.{}", self.document, heading.trim_start_matches('`'));
            }
            self.sections.insert(inner.clone(), heading.clone());
            self.waiting.push((inner.clone(), heading));
        }
        let heading = &self.sections[&inner];
        format!("[{}](#{})", heading, anchor(heading))
    }
}

fn expect_page(page: &str, head: &str, documents: &[(&str, &str)]) {
    let tables = Tables::read();
    let mut writer = Writer {
        tables: &tables,
        sections: BTreeMap::new(),
        waiting: Vec::new(),
        document: String::new(),
        text: head.to_owned(),
    };
    for (name, heading) in documents {
        writer.document(name, heading);
    }
    is_up_to_date(page, &writer.text);
}

#[test]
fn run_json_page_is_up_to_date() {
    expect_page(PAGE, HEAD, &[(RUN, "The document"), (PROFILE, "profile.json")]);
}

#[test]
fn result_json_page_is_up_to_date() {
    let documents = [
        ("SuiteDocument", "suite.json"),
        ("ComparisonDocument", "comparison.json"),
        ("CapacityDocument", "capacity.json"),
    ];
    expect_page(RESULTS_PAGE, RESULTS_HEAD, &documents);
}

#[test]
fn stored_documents_have_no_other_keys() {
    let folder = root().join("cli/document/tests");
    let files = fs::read_dir(folder).expect("the folder is there");
    let files = files.map(|file| file.expect("an entry is readable").path());
    let mut seen = 0;
    for file in files.filter(|file| file.extension().is_some_and(|end| end == "json")) {
        let text = fs::read_to_string(&file).expect("it is text");
        no_other_keys(RUN, &serde_json::from_str(&text).expect("it is JSON"));
        seen += 1;
    }
    assert!(seen >= 2, "{seen} documents are stored");
}

/// Checks that the page lists every key of a document.
pub(crate) fn no_other_keys(name: &str, document: &Value) {
    let mut unknown = Vec::new();
    Tables::read().unknown(name, document, "", &mut unknown);
    assert!(document.is_object() && unknown.is_empty(), "{PAGE} lacks {unknown:?}");
}
