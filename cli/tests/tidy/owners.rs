//! The rules of ownership in the engine: each type has one home, and only code there changes it.

use std::collections::{BTreeMap, BTreeSet};

use crate::hold;
use crate::source::{Offence, Source, TREE, list};

/// The folder in which the rules hold.
const ROOMS: &str = "engine/src/";
/// The largest number of files with methods of one type; a type with more has several tasks.
const FILES_MAX: usize = 3;
/// The largest number of fields of a type; a type with more has several tasks.
const FIELDS_MAX: usize = 16;

/// A struct in the source.
struct Struct<'a> {
    name: &'a str,
    /// The line with its name.
    line: usize,
    /// The lines of its fields with their code.
    fields: Vec<(usize, &'a str)>,
}

impl Struct<'_> {
    /// The fields that are visible outside the struct's folder.
    fn shown(&self) -> impl Iterator<Item = usize> {
        let is_shown = |code: &str| code.starts_with("pub ") || code.starts_with("pub(crate) ");
        self.fields.iter().filter(move |(_, code)| is_shown(code)).map(|&(line, _)| line)
    }
}

/// The code of a file up to its tests.
fn code(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    let lines = source.lines.iter().map(|line| line.code.as_str()).enumerate();
    lines.take_while(|(_, code)| !code.trim_start().starts_with("#[cfg(test)]"))
}

fn is_of_rooms(path: &str) -> bool {
    path.starts_with(ROOMS) && path.ends_with(".rs") && !path.ends_with("tests.rs")
}

/// The structs with named fields in a file formatted by rustfmt.
fn structs(source: &Source) -> Vec<Struct<'_>> {
    let mut found: Vec<Struct<'_>> = Vec::new();
    let mut is_within = false;
    for (line, code) in code(source) {
        if code == "}" {
            is_within = false;
        }
        let words = code.split_once("struct ").map(|(_, rest)| rest);
        if let Some(rest) = words.filter(|_| !code.starts_with(' ') && code.ends_with('{')) {
            let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
            found.push(Struct { name: &rest[..end], line, fields: Vec::new() });
            is_within = true;
        } else if let Some(of) = found.last_mut().filter(|_| is_within) {
            let is_field = code.starts_with("    ") && !code.starts_with("     ");
            if is_field && code.contains(": ") {
                of.fields.push((line, code.trim_start()));
            }
        }
    }
    found
}

/// The type of the `impl` that begins on this line, unless it implements a trait.
fn implemented(code: &str) -> Option<&str> {
    let rest = code.strip_prefix("impl").filter(|rest| rest.starts_with([' ', '<']))?;
    if rest.contains(" for ") {
        return None;
    }
    // Skip the parameters of the block.
    let rest = match rest.strip_prefix('<') {
        Some(generic) => generic.split_once("> ")?.1,
        None => rest.trim_start(),
    };
    let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
    Some(&rest[..end])
}

#[test]
fn a_type_has_few_fields() {
    let with = |count: usize| {
        let fields: String = (0..count).map(|n| format!("    pub f{n}: u32,\n")).collect();
        format!("struct Many {{\n    own: u8,\n{fields}}}\n")
    };
    let bad = [("engine/src/a.rs", with(FIELDS_MAX))];
    let good = [
        ("engine/src/a.rs", with(FIELDS_MAX - 1)),
        ("profiler/src/a.rs", with(FIELDS_MAX)),
        // Plain records of results and options, whose fields everybody may read.
        ("engine/src/a.rs", with(FIELDS_MAX + 9).replace("    own: u8,\n", "")),
    ];
    hold(field_counts, &bad, &good);
}

fn field_counts(source: &Source) -> Vec<Offence> {
    if !is_of_rooms(&source.path) {
        return Vec::new();
    }
    let is_record = |of: &Struct<'_>| of.shown().count() == of.fields.len();
    let all = structs(source);
    let large = all.iter().filter(|of| of.fields.len() > FIELDS_MAX && !is_record(of));
    let say = |of: &Struct<'_>| {
        let what =
            format!("{}: {} fields: group those that belong together", of.name, of.fields.len());
        source.offence(of.line, what)
    };
    large.map(say).collect()
}

#[test]
fn nobody_changes_the_fields_of_another_s_type() {
    let with = |field: &str, method: &str| {
        format!(
            "struct A {{\n    {field}: u32,\n    own: u8,\n}}\n\nimpl A {{\n    {method} {{}}\n}}\n"
        )
    };
    let bad = [
        ("engine/src/a.rs", with("pub(crate) f", "fn f(&mut self)")),
        ("engine/src/a.rs", with("pub f", "fn f(&mut self, x: u8)")),
    ];
    let good = [
        ("engine/src/a.rs", with("pub(super) f", "fn f(&mut self)")),
        ("engine/src/a.rs", with("pub(crate) f", "fn f(&self)")),
        ("cli/src/a.rs", with("pub(crate) f", "fn f(&mut self)")),
    ];
    hold(shown_fields, &bad, &good);
}

fn shown_fields(source: &Source) -> Vec<Offence> {
    if !is_of_rooms(&source.path) {
        return Vec::new();
    }
    let mut of = None;
    let mut changing = BTreeSet::new();
    for (_, code) in code(source) {
        of = implemented(code).or(if code == "}" { None } else { of });
        if let Some(of) = of.filter(|_| code.contains("fn ") && code.contains("(&mut self")) {
            changing.insert(of);
        }
    }
    let all = structs(source);
    let changed = all.iter().filter(|of| changing.contains(of.name));
    // A plain record may have methods that fill it.
    let owned = changed.filter(|of| of.shown().count() < of.fields.len());
    let say = |line| source.offence(line, "has methods that change it: keep the field private");
    owned.flat_map(|of| of.shown().map(say)).collect()
}

/// The types with methods in too many files.
fn spread(tree: &[Source]) -> Vec<Offence> {
    let mut files: BTreeMap<&str, Vec<(&Source, usize)>> = BTreeMap::new();
    for source in tree.iter().filter(|source| is_of_rooms(&source.path)) {
        for (line, code) in code(source) {
            if let Some(name) = implemented(code) {
                let places = files.entry(name).or_default();
                if places.last().is_none_or(|(last, _)| last.path != source.path) {
                    places.push((source, line));
                }
            }
        }
    }
    let spread = files.into_iter().filter(|(_, places)| places.len() > FILES_MAX);
    let say = |(name, places): (&str, Vec<(&Source, usize)>)| {
        let (source, line) = places[FILES_MAX];
        source.offence(line, format!("`{name}` has methods in {} files: split it", places.len()))
    };
    spread.map(say).collect()
}

#[test]
fn a_type_is_written_in_few_files() {
    let parts = |count: usize| -> Vec<Source> {
        let part = |n| Source::new(&format!("engine/src/{n}.rs"), "impl<D: Driver> Loop<D> {\n}\n");
        (0..count).map(part).collect()
    };
    assert_eq!(spread(&parts(FILES_MAX + 1)).len(), 1);
    assert_eq!(spread(&parts(FILES_MAX)).len(), 0);
    let found = spread(&TREE);
    assert!(found.is_empty(), "{} to fix:\n{}", found.len(), list(&found));
}
