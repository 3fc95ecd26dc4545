//! Numbers, texts and choices within the bounds of schemas.

use serde_json::Value;

use super::document::Joined;
use super::sample::Sample;
use crate::template::plain;

/// The longest text made for a lower bound.
const LETTERS_MAX: u64 = 65_536;
/// The range of a number without an upper bound.
const SPAN: i64 = 999;

/// One of several values, all of the kind of the first.
pub(super) fn choice(all: &[&Value]) -> Option<Sample> {
    let first = all.iter().find(|value| !value.is_null()).or_else(|| all.first())?;
    // The scenario chooses between words.
    let word = |value: &&Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let is_word = !text.is_empty()
            && !text.contains(|c: char| c.is_whitespace() || matches!(c, '{' | '}' | '"'));
        is_word.then_some(text)
    };
    let is_alike = |value: &&&Value| value.is_string() == first.is_string() && !value.is_null();
    let words: Option<Vec<String>> = all.iter().filter(is_alike).map(word).collect();
    let chosen = words.filter(|words| words.len() > 1).map(|words| words.join(" "));
    Some(match chosen {
        Some(words) if first.is_string() => Sample::Text(format!("{{{{choice {words}}}}}")),
        Some(words) if first.is_number() => Sample::Bare(format!("{{{{choice {words}}}}}")),
        _ => Sample::of(first),
    })
}

/// A bound, and whether it is excluded.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bound {
    at: f64,
    is_open: bool,
}

/// The tighter bound of all parts; `sign` is -1 for upper ones.
fn bound(joined: &Joined<'_>, name: &str, exclusive: &str, sign: f64) -> Option<Bound> {
    let of_part = |part: &&serde_json::Map<String, Value>| {
        let number = |name: &str| part.get(name).and_then(Value::as_f64);
        let is_open = part.get(exclusive) == Some(&Value::Bool(true));
        let own = number(name).map(|at| Bound { at, is_open });
        let open = number(exclusive).map(|at| Bound { at, is_open: true });
        [own, open]
    };
    let all = joined.parts.iter().flat_map(of_part).flatten();
    all.reduce(|a, b| {
        let is_tighter = b.at * sign > a.at * sign || (b.at == a.at && b.is_open);
        if is_tighter { b } else { a }
    })
}

/// A number within the bounds: one of several integers if there are any.
pub(super) fn number(joined: &Joined<'_>, is_integer: bool) -> Sample {
    let low = bound(joined, "minimum", "exclusiveMinimum", 1.0);
    let high = bound(joined, "maximum", "exclusiveMaximum", -1.0);
    let step = joined.all("multipleOf").filter(|step| step.as_f64().is_some_and(|step| step > 0.0));
    let step = step.max_by(|a, b| a.as_f64().partial_cmp(&b.as_f64()).expect("both are numbers"));
    if let Some(step) = step.filter(|step| step.as_u64() != Some(1)) {
        return multiple(low, high, step);
    }
    // Casts saturate at the range of the type.
    let least = low.map(|low| {
        let whole = low.at.ceil() as i64;
        if low.is_open && low.at.fract() == 0.0 { whole.saturating_add(1) } else { whole }
    });
    let most = high.map(|high| {
        let whole = high.at.floor() as i64;
        if high.is_open && high.at.fract() == 0.0 { whole.saturating_sub(1) } else { whole }
    });
    let (least, most) = match (least, most) {
        (None, None) => (1, 1 + SPAN),
        (Some(least), None) => (least, least.saturating_add(SPAN)),
        (None, Some(most)) if most >= 1 => (1, most),
        (None, Some(most)) => (most.saturating_sub(SPAN), most),
        (Some(least), Some(most)) => (least, most),
    };
    match most.checked_sub(least) {
        Some(0) => Sample::Bare(least.to_string()),
        Some(..0) if !is_integer => between(low, high),
        Some(..0) => Sample::Bare(least.to_string()),
        // Too large for a scenario value.
        None | Some(i64::MAX) => Sample::Bare(format!("{{{{int 1 {}}}}}", 1 + SPAN)),
        Some(_) => Sample::Bare(format!("{{{{int {least} {most}}}}}")),
    }
}

/// A number between two bounds without an integer between them.
fn between(low: Option<Bound>, high: Option<Bound>) -> Sample {
    let (Some(low), Some(high)) = (low, high) else { return Sample::Bare("1".to_owned()) };
    let middle = if low.at == high.at { low.at } else { low.at + (high.at - low.at) / 2.0 };
    Sample::of(&Value::from(middle))
}

/// The smallest multiple within the bounds.
fn multiple(low: Option<Bound>, high: Option<Bound>, step: &Value) -> Sample {
    let size = step.as_f64().unwrap_or(1.0);
    let times = match (low, high) {
        (Some(low), _) => {
            let times = (low.at / size - 1e-9).ceil();
            let is_at = (times * size - low.at).abs() < 1e-9 * size;
            if low.is_open && is_at { times + 1.0 } else { times }
        }
        (None, Some(high)) if high.at < size => {
            let times = (high.at / size + 1e-9).floor();
            let is_at = (times * size - high.at).abs() < 1e-9 * size;
            if high.is_open && is_at { times - 1.0 } else { times }
        }
        _ => 1.0,
    };
    if let Some(step) = step.as_i64() {
        return Sample::Bare((times as i64).saturating_mul(step).to_string());
    }
    // As many digits as the step has: 3 × 0.1 is 0.3.
    let digits = step.to_string().split_once('.').map_or(0, |(_, digits)| digits.len());
    let text = |times: f64| {
        let text = format!("{:.*}", digits.min(17), times * size);
        let is_zero = text.trim_matches(['-', '0', '.']).is_empty();
        if is_zero { "0".to_owned() } else { text }
    };
    // Many servers divide binary fractions, for which 0.3 is not a multiple of 0.1, but 0.4 is.
    let is_exact = |text: &String| {
        let number = text.parse::<f64>().unwrap_or(0.0);
        (number / size).fract() == 0.0 && high.is_none_or(|high| number < high.at)
    };
    let near = (0..20).map(|more| text(times + f64::from(more)));
    Sample::Bare(near.into_iter().find(is_exact).unwrap_or_else(|| text(times)))
}

/// A text of a format, within the bounds of length.
pub(super) fn text(joined: &Joined<'_>) -> String {
    let least = joined.numbers("minLength").max().unwrap_or(0);
    let most = joined.numbers("maxLength").min().unwrap_or(u64::MAX);
    // The shortest and the longest text of each format.
    let formatted = match joined.all("format").find_map(Value::as_str).unwrap_or_default() {
        "uuid" => Some(("{{uuid}}", 36, 36)),
        "date-time" => Some(("2026-01-01T12:00:00Z", 20, 20)),
        "date" => Some(("2026-01-01", 10, 10)),
        "time" => Some(("12:00:00Z", 9, 9)),
        "duration" => Some(("PT1H", 4, 4)),
        "email" | "idn-email" => Some(("user{{seq}}@example.com", 17, 36)),
        "uri" | "url" | "uri-reference" | "iri" => Some(("http://example.com/{{seq}}", 20, 39)),
        "hostname" | "idn-hostname" => Some(("example.com", 11, 11)),
        "ipv4" => Some(("192.0.2.1", 9, 9)),
        "ipv6" => Some(("2001:db8::1", 11, 11)),
        "byte" => Some(("dGV4dA==", 8, 8)),
        _ => None,
    };
    if let Some((text, shortest, longest)) = formatted
        && shortest >= least
        && longest <= most
    {
        return text.to_owned();
    }
    match least.max(12).min(most).min(LETTERS_MAX) {
        0 => String::new(),
        length => format!("{{{{string {length}}}}}"),
    }
}

/// A literal text of the document, in the scenario's syntax.
pub(super) fn literal(text: &str) -> Sample {
    Sample::Text(plain(text))
}
