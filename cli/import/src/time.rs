//! Times as logs and recordings write them, in microseconds since 1970.

use time::{Date, Month, UtcDateTime};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// A time in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) at: i64,
    /// Whether the text has a time zone; otherwise it is read as UTC.
    pub(crate) has_zone: bool,
}

/// A time with its date, in any of the formats of logs.
pub(crate) fn stamp(text: &str) -> Option<Stamp> {
    let text = text.trim();
    if !text.is_ascii() || text.len() < 10 {
        return None;
    }
    common_log(text)
        .or_else(|| iso_like(text))
        .or_else(|| in_words(text))
        .or_else(|| seconds(text).map(|at| Stamp { at, has_zone: true }))
}

/// ISO 8601 with date, time and zone: `2026-11-21T14:07:35.123Z`, `2026-11-21T14:07:35+01:00`.
pub(crate) fn iso(text: &str) -> Option<i64> {
    iso_like(text.trim()).filter(|stamp| stamp.has_zone).map(|stamp| stamp.at)
}

/// The same with a blank before the time or the zone, with `/` in the date, or without a zone.
fn iso_like(text: &str) -> Option<Stamp> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let mut date = date.split(['-', '/']);
    let (year, month, day) = (number(date.next()?)?, number(date.next()?)?, number(date.next()?)?);
    if date.next().is_some() {
        return None;
    }
    let rest = rest.trim_start().trim_start_matches("- ");
    let at = rest.find(['Z', 'z', '+', '-', ' ']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(at);
    micros(days(year, month, day)?, clock, zone)
}

/// The format of Apache and nginx: `21/Nov/2026:14:07:35 +0100`; development servers have a blank
/// before the time.
fn common_log(text: &str) -> Option<Stamp> {
    let (date, rest) = text.split_once([':', ' '])?;
    let mut date = date.split('/');
    let (day, month, year) = (date.next()?, date.next()?, date.next()?);
    let (clock, zone) = rest.split_once(' ').unwrap_or((rest, ""));
    micros(days(number(year)?, month_of(month)?, number(day)?)?, clock, zone)
}

/// `Fri Jan  2 03:04:05 2026` as `ctime` writes it, and `Fri, 02 Jan 2026 03:04:05 GMT`.
fn in_words(text: &str) -> Option<Stamp> {
    let mut words = text.split_ascii_whitespace();
    let day = words.next()?.trim_end_matches(',');
    if !DAYS.contains(&day) {
        return None;
    }
    let words: Vec<&str> = words.collect();
    let (day, month, year, clock, zone) = match words.as_slice() {
        [month, day, clock, year] if clock.contains(':') => (day, month, year, clock, ""),
        [month, day, clock, zone, year] if clock.contains(':') => (day, month, year, clock, *zone),
        [day, month, year, clock] => (day, month, year, clock, ""),
        [day, month, year, clock, zone] => (day, month, year, clock, *zone),
        _ => return None,
    };
    micros(days(number(year)?, month_of(month)?, number(day)?)?, clock, zone)
}

fn month_of(name: &str) -> Option<i64> {
    let at = MONTHS.iter().position(|known| known.eq_ignore_ascii_case(name))?;
    i64::try_from(at + 1).ok()
}

/// Seconds since 1970 with a fraction, as in nginx's `$msec`.
fn seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.')?;
    let whole = number(whole).filter(|_| (9..=11).contains(&whole.len()))?;
    whole.checked_mul(1_000_000)?.checked_add(fraction_micros(fraction)?)
}

/// Seconds, milliseconds, microseconds or nanoseconds since 1970, by their magnitude.
pub(crate) fn since_epoch(text: &str) -> Option<i64> {
    if let Some(at) = seconds(text) {
        return Some(at);
    }
    let whole = text.split('.').next().unwrap_or(text);
    let is_number = whole.bytes().all(|digit| digit.is_ascii_digit());
    let number = whole.parse::<i64>().ok().filter(|_| is_number)?;
    match whole.len() {
        9..=10 => Some(number * 1_000_000),
        12..=13 => Some(number * 1_000),
        15..=16 => Some(number),
        18..=19 => Some(number / 1_000),
        _ => None,
    }
}

fn micros(days: i64, clock: &str, zone: &str) -> Option<Stamp> {
    let (clock, fraction) = clock.split_once(['.', ',']).unwrap_or((clock, ""));
    let mut parts = clock.split(':');
    let (hour, minute) = (number(parts.next()?)?, number(parts.next()?)?);
    let second = parts.next().map_or(Some(0), number)?;
    // 60 is a leap second.
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let zone = zone.trim();
    let offset = if zone.is_empty() { 0 } else { zone_seconds(zone)? };
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    let at = seconds * 1_000_000 + fraction_micros(fraction)?;
    Some(Stamp { at, has_zone: !zone.is_empty() })
}

fn fraction_micros(fraction: &str) -> Option<i64> {
    let is_number = fraction.bytes().all(|digit| digit.is_ascii_digit());
    let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
    if is_number { number(&digits) } else { None }
}

fn zone_seconds(zone: &str) -> Option<i64> {
    let (sign, digits) = match zone.split_at_checked(1)? {
        _ if ["z", "utc", "gmt"].iter().any(|name| zone.eq_ignore_ascii_case(name)) => {
            return Some(0);
        }
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits = digits.replace(':', "");
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = if minutes.is_empty() { 0 } else { number(minutes)? };
    Some(sign * (number(hours)? * 3_600 + minutes * 60))
}

/// A number of at most eleven digits, so that sums do not overflow.
fn number(text: &str) -> Option<i64> {
    let is_number = (1..=11).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// Days since 1970-01-01.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let year = i32::try_from(year).ok().filter(|year| *year >= 1970)?;
    let date = Date::from_calendar_date(year, month, u8::try_from(day).ok()?).ok()?;
    Some(i64::from(date.to_julian_day() - UtcDateTime::UNIX_EPOCH.to_julian_day()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let cases = [
            (iso("1970-01-01T00:00:00Z"), Some(0)),
            (iso("2000-02-29T12:00:00.25Z"), Some(951_825_600_250_000)),
            (iso("2026-11-21T14:07:35.123456789+01:00"), Some(1_795_266_455_123_456)),
            (iso("2026-11-21T13:07Z"), Some(1_795_266_420_000_000)),
            (iso("2026-11-21"), None),
            (iso("2026-13-21T00:00:00Z"), None),
            (iso("2026-02-29T00:00:00Z"), None),
            (iso("2026-11-21T00:00:00"), None),
            (seconds("1795266455.123"), Some(1_795_266_455_123_000)),
            (seconds("12.5"), None),
            (since_epoch("1795266455"), Some(1_795_266_455_000_000)),
            (since_epoch("1795266455123"), Some(1_795_266_455_123_000)),
            (since_epoch("1795266455123456789"), Some(1_795_266_455_123_456)),
            (since_epoch("1795266455.5"), Some(1_795_266_455_500_000)),
            (since_epoch("-795266455"), None),
            (since_epoch("0.003"), None),
        ];
        for (at, (found, expected)) in cases.into_iter().enumerate() {
            assert_eq!(found, expected, "case {at}");
        }
    }

    #[test]
    fn times_of_logs_are_read() {
        let (zoned, bare) =
            (|at| Some(Stamp { at, has_zone: true }), |at| Some(Stamp { at, has_zone: false }));
        let at = 971_186_136_000_000;
        for (text, expected) in [
            ("10/Oct/2000:13:55:36 +0000", zoned(at)),
            ("10/Oct/2000:13:55:36 -0700", zoned(at + 25_200_000_000)),
            ("10/Oct/2000 13:55:36", bare(at)),
            ("10/Oct/2000:13:55:36.250", bare(at + 250_000)),
            ("2000-10-10 13:55:36,250", bare(at + 250_000)),
            ("2000-10-10 13:55:36 +0000", zoned(at)),
            ("2000-10-10 13:55:36 UTC", zoned(at)),
            ("2000/10/10 - 13:55:36", bare(at)),
            ("2000/10/10 13:55:36", bare(at)),
            ("Tue Oct 10 13:55:36 2000", bare(at)),
            ("Tue Oct 10 13:55:36 UTC 2000", zoned(at)),
            ("Tue, 10 Oct 2000 13:55:36 GMT", zoned(at)),
            ("971186136.25", zoned(at + 250_000)),
            ("10/Okt/2000:13:55:36 -0700", None),
            ("10/Oct/2000:25:55:36 -0700", None),
            ("10/Oct/2000:13:55:36 somewhere", None),
            ("Tue Oct 10 13:55:36", None),
            ("10.0.0.1", None),
            ("é".repeat(20).as_str(), None),
        ] {
            assert_eq!(stamp(text), expected, "{text}");
        }
    }
}
