//! Compiles the checks and captures of a step's answer.

use uringbench_core::flow::capture::{Capture, Source};
use uringbench_core::flow::check::{Check, Scalar};
use uringbench_core::flow::expected::Expected;
use uringbench_core::flow::pattern::Pattern;
use uringbench_core::flow::pointer::{Pointer, PointerError};

use crate::diagnostic::{Diagnostics, FieldPath};
use crate::format::{self, Step};
use crate::text::{Names, Text, name_error};

/// The longest capture, by default and at most.
const CAPTURE_BYTES: u32 = 256;
pub(crate) const CAPTURE_BYTES_MAX: u32 = 65_536;

/// Compiles the checks. If none is on the status, a status below 400 passes.
pub(crate) fn checks(
    step: &Step,
    place: &FieldPath,
    names: &Names<'_>,
    diagnostics: &mut Diagnostics<'_>,
) -> Vec<Check> {
    let mut checks = Vec::new();
    let is_type = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
    let has_type = step.check.as_ref().is_some_and(|given| given.header.0.iter().any(is_type));
    if step.events.is_some() && !has_type {
        let (name, value) = ("Content-Type".to_owned(), "text/event-stream".into());
        checks.push(Check::Header { name, value });
    }
    let Some(given) = &step.check else { return checks };
    if let Some(statuses) = &given.status {
        if statuses.is_empty() || statuses.iter().any(|s| !(100..1000).contains(s)) {
            let why = "a status is a number from 100 to 999: write [200]";
            diagnostics.add(&place.key("status"), why);
        }
        checks.push(Check::Status(statuses.clone()));
    }
    let text = |diagnostics: &mut Diagnostics<'_>, place: &FieldPath, written: &str| {
        let read = Text::read(written, names).and_then(|text| text.expected(written));
        diagnostics.take(place, read)
    };
    for (name, value) in &given.header.0 {
        let value = text(diagnostics, &place.key("header").key(name), value.trim());
        checks.extend(value.map(|value| Check::Header { name: name.clone(), value }));
    }
    checks.extend(given.length.map(Check::Length));
    let mut body = |field: &str, given: &Option<String>, check: fn(Expected) -> Check| {
        let given =
            given.as_ref().and_then(|written| text(diagnostics, &place.key(field), written));
        checks.extend(given.map(check));
    };
    body("contains", &given.contains, Check::Contains);
    body("excludes", &given.excludes, Check::Excludes);
    body("equals", &given.equals, Check::Equals);
    for (written, expected) in &given.json {
        let place = place.key("json").key(written);
        let expected = match &expected.0 {
            Scalar::Text(value) => text(diagnostics, &place, value.written()).map(Scalar::Text),
            other => Some(other.clone()),
        };
        let pointer = written.parse::<Pointer>().map_err(|why| why.to_string());
        let pointer = diagnostics.take(&place, pointer);
        let both = pointer.zip(expected);
        checks.extend(both.map(|(pointer, expected)| Check::Json { pointer, expected }));
    }
    checks
}

/// Compiles the captures of a step, numbered among `all`; later texts may use their names.
pub(crate) fn captures(
    step: &Step,
    place: &FieldPath,
    names: &mut Names<'_>,
    all: &mut Vec<String>,
    diagnostics: &mut Diagnostics<'_>,
) -> Vec<(usize, Capture)> {
    let mut captures = Vec::new();
    for (name, given) in &step.capture {
        let place = place.key(name);
        if let Some(why) = name_error(name) {
            diagnostics.add(&place, why);
        }
        let number = all.iter().position(|known| known == name);
        let number = number.unwrap_or_else(|| {
            all.push(name.clone());
            all.len() - 1
        });
        if !names.captures.iter().any(|(known, _)| known == name) {
            names.captures.push((name.clone(), number));
        }
        captures.extend(capture(given, &place, diagnostics).map(|capture| (number, capture)));
    }
    captures
}

fn capture(
    given: &format::Capture,
    place: &FieldPath,
    diagnostics: &mut Diagnostics<'_>,
) -> Option<Capture> {
    let source = match (&given.header, &given.cookie, &given.json, &given.regex) {
        (Some(name), None, None, None) => Source::Header(name.clone()),
        (None, Some(name), None, None) => Source::Cookie(name.clone()),
        (None, None, Some(text), None) => {
            let pointer = text.parse().map_err(|why: PointerError| why.to_string());
            Source::Json(diagnostics.take(&place.key("json"), pointer)?)
        }
        (None, None, None, Some(text)) => {
            let pattern = Pattern::new(text).map_err(|why| why.to_string());
            Source::Regex(diagnostics.take(&place.key("regex"), pattern)?)
        }
        _ => {
            let why = "a capture has one source: write one of header, cookie, json and regex";
            diagnostics.add(place, why);
            return None;
        }
    };
    let bytes_max = given.max.unwrap_or(CAPTURE_BYTES);
    if !(1..=CAPTURE_BYTES_MAX).contains(&bytes_max) {
        let why = format!("a capture has 1 to {CAPTURE_BYTES_MAX} bytes: write such a number");
        diagnostics.add(&place.key("max"), why);
    }
    Some(Capture { source, bytes_max: bytes_max as usize })
}
