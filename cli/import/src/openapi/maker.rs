//! Generates values that match a schema: its own examples if they match, otherwise values made of
//! its types and bounds.
//!
//! A schema is combined with everything else that applies, in any order. Of alternatives it takes
//! the first with which the whole matches.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::HashSet;

use serde_json::{Map, Value};

use super::document::{Document, Joined, reference, strings};
use super::fit::{Fit, Misfit, of_member};
use super::sample::Sample;
use super::scalar;

/// The largest depth: schemas may refer to themselves.
const DEPTH_MAX: usize = 12;
/// The largest number of items made for a lower bound.
const ITEMS_MAX: u64 = 10;
/// The largest number of members in all objects of one value: schemas can branch without end.
const MEMBERS_MAX: usize = 500;
/// The largest number of values made in the search for one that matches.
const TRIES_MAX: usize = 2_000;
/// The largest number of schemas checked in this search.
const STEPS_MAX: usize = 200_000;

/// The largest number of reported members that do not match.
const MISFITS_MAX: usize = 10;

/// Generates values for the schemas of a document.
pub(super) struct Maker<'a> {
    document: &'a Document,
    /// The references that are being followed.
    open: Vec<&'a str>,
    /// Number of members that may still be made.
    budget: usize,
    /// Number of values that may still be made.
    tries: usize,
    /// Number of schemas that may still be checked.
    steps: Cell<usize>,
    /// Optional members are left out.
    is_least: bool,
    /// Members that only answers have.
    answered: HashSet<String>,
    /// Notes on the value.
    notes: Vec<String>,
}

/// The kind of a value by its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Object,
    Array,
    Number,
    Integer,
    Boolean,
    Null,
    Text,
}

impl<'a> Maker<'a> {
    pub(super) fn new(document: &'a Document) -> Self {
        Self {
            document,
            open: Vec::new(),
            budget: MEMBERS_MAX,
            tries: TRIES_MAX,
            steps: Cell::new(STEPS_MAX),
            is_least: false,
            answered: HashSet::new(),
            notes: Vec::new(),
        }
    }

    /// A value for a schema, and notes on it.
    pub(super) fn sample(mut self, schema: &'a Value) -> (Sample, Vec<String>) {
        let mut sample = self.at(&[schema], DEPTH_MAX);
        if self.misfit(&sample.value(), schema, &self.answered).is_some() {
            let notes = std::mem::take(&mut self.notes);
            (self.is_least, self.budget) = (true, MEMBERS_MAX);
            let least = self.at(&[schema], DEPTH_MAX);
            if self.misfit(&least.value(), schema, &self.answered).is_none() {
                sample = least;
            } else {
                self.notes = notes;
            }
        }
        self.notes.extend(self.misfits(&sample, schema));
        (sample, self.notes)
    }

    /// The value of an example in the document for a schema.
    pub(super) fn given(mut self, example: &Value, schema: &Value) -> (Sample, Vec<String>) {
        let sample = Sample::of(example);
        // An example may be an answer, and then have additional members; none may be missing.
        let misfits = self.misfits(&sample, schema);
        self.notes.extend(misfits.iter().map(|why| format!("its example: {why}")));
        (sample, self.notes)
    }

    /// Whether a schema says anything about its values.
    pub(super) fn is_known(document: &Document, schema: &Value) -> bool {
        const SAYING: [&str; 20] = [
            "type",
            "properties",
            "required",
            "additionalProperties",
            "patternProperties",
            "items",
            "prefixItems",
            "enum",
            "const",
            "oneOf",
            "anyOf",
            "example",
            "examples",
            "default",
            "format",
            "pattern",
            "minimum",
            "maximum",
            "minLength",
            "maxLength",
        ];
        let joined = document.joined(&[schema]);
        joined.parts.iter().any(|part| SAYING.iter().any(|keyword| part.contains_key(*keyword)))
    }

    /// The mismatches of a value: one for each member, or one for the whole.
    fn misfits(&self, sample: &Sample, schema: &Value) -> Vec<String> {
        let (mut value, mut answered) = (sample.value(), self.answered.clone());
        let mut found = Vec::new();
        while let Some(misfit) = self.misfit(&value, schema, &answered) {
            found.push(misfit.message());
            // The rest is checked without that member.
            let name = misfit.pointer.split('/').nth(1).unwrap_or_default();
            let name = name.replace("~1", "/").replace("~0", "~");
            let is_left = value.as_object_mut().is_some_and(|all| all.remove(&name).is_some());
            if !is_left || found.len() == MISFITS_MAX {
                break;
            }
            answered.insert(name);
        }
        found
    }

    fn misfit(&self, value: &Value, schema: &Value, answered: &HashSet<String>) -> Option<Misfit> {
        let steps = Cell::new(STEPS_MAX);
        Fit::new(self.document, answered, &steps).check(value, schema).err()
    }

    fn fits(&self, value: &Value, schemas: &[&Value]) -> bool {
        Fit::new(self.document, &self.answered, &self.steps).is(value, schemas)
    }

    /// A value to which all schemas apply.
    fn at(&mut self, schemas: &[&'a Value], depth: usize) -> Sample {
        self.tries = self.tries.saturating_sub(1);
        let joined = self.document.joined(schemas);
        if let Some(literal) = self.literal(&joined, schemas) {
            return literal;
        }
        if depth == 0 || self.tries == 0 {
            return Sample::Bare("null".to_owned());
        }
        let before = self.open.len();
        self.open.extend(&joined.references);
        let sample = self.alternatives(schemas.to_vec(), 0, depth);
        self.open.truncate(before);
        sample
    }

    /// A value that the schemas give literally.
    fn literal(&mut self, joined: &Joined<'a>, schemas: &[&'a Value]) -> Option<Sample> {
        if let Some(only) = joined.all("const").next() {
            return Some(Sample::of(only));
        }
        let examples = joined.all("examples").filter_map(|all| all.as_array()?.first());
        let given = joined.all("example").chain(examples).chain(joined.all("default"));
        let given: Vec<&Value> = given.filter(|value| !value.is_null()).collect();
        for value in given {
            if self.fits(value, schemas) {
                return Some(Sample::of(value));
            }
            // Without quotes a version is a number in YAML.
            let text = value.to_string();
            if !value.is_string() && self.fits(&Value::from(text.as_str()), schemas) {
                return Some(scalar::literal(&text));
            }
        }
        let all = joined.all("enum").next()?.as_array()?;
        let fitting: Vec<&Value> = all.iter().filter(|value| self.fits(value, schemas)).collect();
        scalar::choice(&fitting)
    }

    /// Adds one of each `oneOf` and `anyOf` to the schemas, the first with which a value matches.
    fn alternatives(&mut self, schemas: Vec<&'a Value>, chosen: usize, depth: usize) -> Sample {
        let joined = self.document.joined(&schemas);
        let groups = joined.parts.iter().flat_map(|part| {
            ["oneOf", "anyOf"].into_iter().filter_map(|name| part.get(name)?.as_array())
        });
        let Some(group) = groups.filter(|group| !group.is_empty()).nth(chosen) else {
            return match self.variant(&joined) {
                Some(variant) => {
                    let with = [schemas, vec![variant]].concat();
                    let joined = self.document.joined(&with);
                    self.within(&joined, with, chosen, depth)
                }
                None => self.typed(&joined, depth),
            };
        };
        let modes: &[bool] = if self.is_least { &[true] } else { &[false, true] };
        let (was_least, budget, notes) = (self.is_least, self.budget, self.notes.len());
        let mut first = None;
        for (is_least, alternative) in
            modes.iter().flat_map(|mode| group.iter().map(move |one| (*mode, one)))
        {
            let is_null = alternative.get("type").and_then(Value::as_str) == Some("null");
            if (is_null && group.len() > 1) || (self.tries == 0 && first.is_some()) {
                continue;
            }
            self.tries = self.tries.saturating_sub(1);
            (self.is_least, self.budget) = (is_least, budget);
            self.notes.truncate(notes);
            let mut with = schemas.clone();
            with.push(alternative);
            let joined = self.document.joined(&with);
            let sample = match self.literal(&joined, &with) {
                Some(literal) => literal,
                None => self.within(&joined, with, chosen + 1, depth),
            };
            self.is_least = was_least;
            if self.fits(&sample.value(), &schemas) {
                return sample;
            }
            first = first.or(Some(sample));
        }
        first.unwrap_or_else(|| Sample::Bare("null".to_owned()))
    }

    /// The value of an alternative, with its references marked as being followed.
    fn within(
        &mut self,
        joined: &Joined<'a>,
        schemas: Vec<&'a Value>,
        chosen: usize,
        depth: usize,
    ) -> Sample {
        let before = self.open.len();
        let new = joined.references.iter().copied().filter(|one| !self.open.contains(one));
        let new: Vec<&str> = new.collect();
        self.open.extend(new);
        let sample = self.alternatives(schemas, chosen, depth);
        self.open.truncate(before);
        sample
    }

    /// A value of the type that all parts permit.
    fn typed(&mut self, joined: &Joined<'a>, depth: usize) -> Sample {
        match kind(joined) {
            Kind::Object => self.object(joined, depth),
            Kind::Array => self.list(joined, depth),
            Kind::Integer => scalar::number(joined, true),
            Kind::Number => scalar::number(joined, false),
            Kind::Boolean => Sample::Bare("{{choice true false}}".to_owned()),
            Kind::Null => Sample::Bare("null".to_owned()),
            Kind::Text => Sample::Text(scalar::text(joined)),
        }
    }

    fn object(&mut self, joined: &Joined<'a>, depth: usize) -> Sample {
        let required: HashSet<&str> =
            joined.parts.iter().flat_map(|part| strings(part.get("required"))).collect();
        let least = joined.numbers("minProperties").max().unwrap_or(0).min(ITEMS_MAX) as usize;
        let most = joined.numbers("maxProperties").min().unwrap_or(u64::MAX);
        let mut members: Vec<(String, Sample)> = Vec::new();
        let order = names(joined, &required);
        // Required members come first if there is no room for all.
        let (first, others): (Vec<&str>, Vec<&str>) =
            order.iter().partition(|name| required.contains(*name));
        for name in first.into_iter().chain(others) {
            let schemas: Vec<&Value> =
                joined.parts.iter().flat_map(|part| of_member(part, name)).collect();
            let is_required = required.contains(name);
            let of_member = self.document.joined(&schemas);
            if of_member.all("readOnly").any(|value| value == &Value::Bool(true)) {
                self.answered.insert(name.to_owned());
                continue;
            }
            let has_room = (members.len() as u64) < most && self.budget > 0;
            let is_left_out = self.is_least
                || !has_room
                || schemas.contains(&&Value::Bool(false))
                || self.goes_on(&of_member);
            if !is_required && is_left_out {
                continue;
            }
            self.budget = self.budget.saturating_sub(1);
            let depth = if self.budget == 0 { 0 } else { depth - 1 };
            let sample = match self.discriminated(joined, name, &schemas) {
                Some(sample) => sample,
                None => self.at(&schemas, depth),
            };
            if !is_required && !self.fits(&sample.value(), &schemas) {
                let name = crate::shown(name);
                self.notes.push(format!("member {name}: left out, no matching value was found"));
                continue;
            }
            members.push((name.to_owned(), sample));
        }
        for at in members.len()..least {
            let name = format!("member{}", at + 1);
            let schemas: Vec<&Value> =
                joined.parts.iter().flat_map(|part| of_member(part, &name)).collect();
            members.push((name, self.at(&schemas, depth - 1)));
        }
        members.sort_by_key(|(name, _)| {
            order.iter().position(|one| one == name).unwrap_or(usize::MAX)
        });
        Sample::Object(members)
    }

    /// Whether a schema is being followed already.
    fn goes_on(&self, joined: &Joined<'a>) -> bool {
        let items: Vec<&Value> = joined.all("items").collect();
        let of_items = self.document.joined(&items).references;
        joined.references.iter().chain(&of_items).any(|one| self.open.contains(one))
    }

    /// The variants of a mapping, those with the most parts first.
    fn mapped(&self, discriminator: &'a Value) -> Vec<(&'a str, &'a Value)> {
        let mapping = discriminator.get("mapping").and_then(Value::as_object);
        let schemas = self.document.root.pointer("/components/schemas");
        let variant = |(name, target): (&'a String, &'a Value)| {
            let target = target.as_str()?;
            let by_name = schemas.and_then(|all| all.get(target));
            Some((name.as_str(), by_name.or_else(|| self.document.found(target))?))
        };
        let mut all: Vec<_> = mapping.into_iter().flatten().filter_map(variant).collect();
        all.sort_by_key(|(_, schema)| Reverse(self.document.joined(&[schema]).parts.len()));
        all
    }

    /// The first variant that a discriminator names, if the object is not a variant itself.
    fn variant(&self, joined: &Joined<'a>) -> Option<&'a Value> {
        let base = joined.parts.iter().copied().find(|part| {
            let is_choice = part.contains_key("oneOf") || part.contains_key("anyOf");
            part.contains_key("discriminator") && !is_choice
        })?;
        // A schema made of the base, other than the base itself.
        let is_variant = |schema: &Value| {
            let is_base = schema.as_object().is_some_and(|one| std::ptr::eq(one, base));
            let parts = self.document.joined(&[schema]).parts;
            !is_base && parts.iter().any(|part| std::ptr::eq(*part, base))
        };
        let mut named = joined.references.iter().filter_map(|one| self.document.found(one));
        let variants = self.mapped(base.get("discriminator")?);
        if named.any(is_variant) || variants.iter().any(|(_, schema)| joined.has(schema)) {
            return None;
        }
        variants.into_iter().map(|(_, schema)| schema).find(|schema| is_variant(schema))
    }

    /// The name of the variant, if a discriminator requires it in this member.
    fn discriminated(
        &self,
        joined: &Joined<'a>,
        name: &str,
        schemas: &[&'a Value],
    ) -> Option<Sample> {
        let is_here = |part: &&&Map<String, Value>| {
            let member = part.get("discriminator").and_then(|one| one.get("propertyName"));
            member.and_then(Value::as_str) == Some(name)
        };
        let part = joined.parts.iter().find(is_here)?;
        let mapped = self.mapped(part.get("discriminator")?).into_iter();
        let mapped =
            mapped.filter(|(_, schema)| joined.has(schema)).map(|(name, _)| name.to_owned());
        // Without a mapping it is the name of the schema.
        let choice = ["oneOf", "anyOf"].into_iter().filter_map(|name| part.get(name)?.as_array());
        let choice: Vec<&str> = choice.flatten().filter_map(reference).collect();
        let is_variant = |one: &&&str| choice.is_empty() || choice.contains(*one);
        let own = joined.references.iter().filter(is_variant).map(|one| last(one));
        let is_fitting = |name: &String| self.fits(&Value::from(name.as_str()), schemas);
        mapped.chain(own).find(is_fitting).map(|name| scalar::literal(&name))
    }

    fn list(&mut self, joined: &Joined<'a>, depth: usize) -> Sample {
        let least = joined.numbers("minItems").max();
        let most = joined.numbers("maxItems").min().unwrap_or(u64::MAX);
        let places = |at: usize| -> Vec<&'a Value> {
            let of_part = |part: &&'a Map<String, Value>| {
                let first = part.get("prefixItems").and_then(|all| all.as_array()?.get(at));
                first.or_else(|| part.get("items"))
            };
            joined.parts.iter().filter_map(of_part).collect()
        };
        let fixed = joined.all("prefixItems").filter_map(|all| Some(all.as_array()?.len()));
        let fixed = fixed.max().unwrap_or(0) as u64;
        let is_typed =
            fixed > 0 || !places(0).is_empty() || joined.all("contains").next().is_some();
        let is_over = self.document.joined(&places(fixed as usize));
        let by_itself =
            if self.is_least || !is_typed || self.goes_on(&is_over) { 0 } else { 1.max(fixed) };
        let count = least.unwrap_or(by_itself).max(by_itself).min(ITEMS_MAX.max(fixed)).min(most);
        let is_unique = joined.all("uniqueItems").any(|value| value == &Value::Bool(true));
        let mut items: Vec<Sample> = Vec::new();
        for at in 0..count as usize {
            let mut schemas = places(at);
            if schemas.contains(&&Value::Bool(false)) {
                break;
            }
            if at == 0 {
                schemas.extend(joined.all("contains"));
            }
            let item = self.at(&schemas, depth - 1);
            items.push(if is_unique && count > 1 { item.numbered(at) } else { item });
        }
        Sample::List(items)
    }
}

/// The members of the schemas, and required members without a description.
fn names<'a>(joined: &Joined<'a>, required: &HashSet<&'a str>) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    let described = joined.all("properties").filter_map(Value::as_object).flat_map(Map::keys);
    for name in described {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let mut others: Vec<&str> =
        required.iter().copied().filter(|name| !names.contains(name)).collect();
    others.sort_unstable();
    names.extend(others);
    names
}

/// The name of the schema at a reference.
fn last(reference: &str) -> String {
    let name = reference.rsplit('/').next().unwrap_or(reference);
    let name = crate::url::percent_decoded(name).unwrap_or_else(|| name.to_owned());
    name.replace("~1", "/").replace("~0", "~")
}

/// The type that all parts permit; without a type, the one that other keywords imply.
fn kind(joined: &Joined<'_>) -> Kind {
    const ALL: [(&str, Kind); 7] = [
        ("object", Kind::Object),
        ("array", Kind::Array),
        ("string", Kind::Text),
        ("integer", Kind::Integer),
        ("number", Kind::Number),
        ("boolean", Kind::Boolean),
        ("null", Kind::Null),
    ];
    let allows = |types: &Value, name: &str| {
        let is = |one: &str| one == name || (one == "number" && name == "integer");
        types.as_str().map_or_else(|| strings(Some(types)).any(is), is)
    };
    let of_all = |name: &str| joined.all("type").all(|types| allows(types, name));
    // The first part has the author's order.
    let first = joined.all("type").next();
    let named = first.into_iter().flat_map(|types| {
        types.as_str().into_iter().chain(strings(Some(types))).filter(|name| *name != "null")
    });
    let by_name = |name: &str| ALL.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
    if let Some(kind) = named.filter(|name| of_all(name)).find_map(by_name) {
        return kind;
    }
    if first.is_some() {
        let allowed = ALL.iter().find(|(name, _)| of_all(name));
        return allowed.map_or(Kind::Text, |(_, kind)| *kind);
    }
    let has = |keywords: &[&str]| {
        joined.parts.iter().any(|part| keywords.iter().any(|keyword| part.contains_key(*keyword)))
    };
    if has(&["properties", "required", "additionalProperties", "patternProperties"]) {
        Kind::Object
    } else if has(&["items", "prefixItems", "contains", "minItems", "maxItems"]) {
        Kind::Array
    } else if has(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]) {
        Kind::Number
    } else {
        Kind::Text
    }
}
