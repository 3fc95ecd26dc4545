//! Numbers and lists that only options use: addresses, ranges of time, samples per second. Times,
//! rates and counts are parsed by the core's `units`.
//!
//! Only the form is checked here; `resolve` decides whether a value makes sense together with the
//! others. Errors say what was expected, since the argument parser puts the name before.

use std::collections::HashSet;
use std::net::IpAddr;

use uringbench_core::time::Nanos;
pub(crate) use uringbench_core::units::{count, rate, size, small_count, span};

use crate::args::Sources;

/// Most local addresses: more than there are ports for.
const SOURCES_MAX: usize = 1_024;
/// Addresses and ranges of them, each named once: `127.0.0.2-127.0.0.9,10.0.0.1`.
pub(crate) fn addresses(text: &str) -> Result<Sources, String> {
    let mut all: Vec<IpAddr> = Vec::new();
    for part in text.split(',') {
        let address = |text: &str| {
            text.trim().parse::<IpAddr>().map_err(|_| {
                format!("`{text}` is not an address; write 127.0.0.2-127.0.0.9,10.0.0.1")
            })
        };
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (address(first)?, address(last)?),
            None => (address(part)?, address(part)?),
        };
        let range: Vec<IpAddr> = match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => (u32::from(first)..=u32::from(last))
                .take(SOURCES_MAX + 1)
                .map(|bits| IpAddr::V4(bits.into()))
                .collect(),
            (first, last) if first == last => vec![first],
            _ => return Err(format!("`{part}` is not a range; only IPv4 addresses make ranges")),
        };
        if range.is_empty() {
            return Err(format!("`{part}` ends before it begins"));
        }
        all.extend(range);
    }
    let mut seen = HashSet::new();
    all.retain(|address| seen.insert(*address));
    if all.len() > SOURCES_MAX {
        return Err(format!("more than {SOURCES_MAX} addresses"));
    }
    Ok(Sources(all))
}

/// Samples per second, 1 to 10,000: more than the kernel accepts (`perf_event_max_sample_rate`).
pub(crate) fn sampling_rate(text: &str) -> Result<u32, String> {
    within(text, 10_000, "samples per second")
}

/// Rows of a timeline per second.
pub(crate) fn timeline_rate(text: &str) -> Result<u32, String> {
    within(text, 10, "rows per second")
}

/// A width such as `5%`, from 1 % to 50 %: less would take hours, more says nothing.
pub(crate) fn width(text: &str) -> Result<f64, String> {
    let percent = text.trim().trim_end_matches('%').trim().parse::<f64>().ok();
    let percent = percent.filter(|percent| (1.0..=50.0).contains(percent));
    percent.map(|percent| percent / 100.0).ok_or_else(|| "expected 1% to 50%".to_owned())
}

fn within(text: &str, most: u32, unit: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("expected 1 to {most} {unit}"))
}

/// A part of a run such as `3s-7s`: from and to, counted from its start.
pub(crate) fn stretch(text: &str) -> Result<(Nanos, Nanos), String> {
    let (from, to) = text.split_once('-').ok_or("expected a stretch such as 3s-7s")?;
    let (from, to) = (span(from)?, span(to)?);
    if from < to { Ok((from, to)) } else { Err("it ends before it begins".to_owned()) }
}

/// An age in seconds: `30d`, `12h`, `90m`.
pub(crate) fn age(text: &str) -> Result<u64, String> {
    let expected = || "expected an age such as 30d, 12h or 90m".to_owned();
    let unit = text.chars().next_back().ok_or_else(expected)?;
    let number: u64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| expected())?;
    let seconds = match unit {
        'd' => 86_400,
        'h' => 3_600,
        'm' => 60,
        _ => return Err(expected()),
    };
    // Ten thousand years are enough, and all that the calendar has.
    let age = number.checked_mul(seconds).filter(|age| *age < 300_000_000_000);
    age.ok_or_else(expected)
}

/// A tag: short, and without the letters that patterns and lists of tags need.
pub(crate) fn tag(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | '+' | '=');
    if text.is_empty() || text.len() > 64 || !text.chars().all(is_plain) {
        return Err("a tag is 1 to 64 letters, digits, or any of . - _ / + =".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_tags_have_a_form() {
        assert_eq!((age("30d"), age("12h"), age("90m")), (Ok(2_592_000), Ok(43_200), Ok(5_400)));
        for text in ["", "d", "30", "3w", "-1d", "1.5h", "99999999999999d", "3ü"] {
            assert!(age(text).is_err(), "{text}");
        }
        assert_eq!(tag("release/1.2+x"), Ok("release/1.2+x".to_owned()));
        for text in ["", "a b", "a*", "a,b", "tag:x", &"x".repeat(65)] {
            assert!(tag(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_and_ranges_become_a_list() {
        let list = |text: &str| {
            addresses(text).map(|Sources(all)| all.iter().map(ToString::to_string).collect())
        };
        let expected: Vec<String> =
            ["127.0.0.2", "127.0.0.3", "127.0.0.4", "10.0.0.1", "::1"].map(str::to_owned).to_vec();
        assert_eq!(list("127.0.0.2-127.0.0.4,10.0.0.1,127.0.0.3,::1"), Ok(expected));
        let refused = [
            ("", "not an address"),
            ("a-b", "not an address"),
            ("127.0.0.4-127.0.0.2", "before it begins"),
            ("::1-::4", "only IPv4"),
            ("10.0.0.0-10.255.255.255", "more than 1024"),
        ];
        for (text, part) in refused {
            let why: Result<Vec<String>, String> = list(text);
            assert!(why.as_ref().is_err_and(|why| why.contains(part)), "{text}: {why:?}");
        }
    }
}
