//! Numbers as users write them: `100k`, `1.5M`, `1m30s`, `500ms`. Text in, exact integers out.
//!
//! Only the form is checked here; the caller checks whether a value makes sense. Errors say what
//! was expected; the caller puts the option's name before.

use crate::rate::Rate;
use crate::time::Nanos;

/// The longest span: a year. More is a typing error.
const SPAN_MAX: u64 = 365 * 24 * 3_600 * Nanos::SECOND.0;

/// A span such as `30s`, `1m30s`, `500ms`, `2h`; a plain number is seconds, as in wrk.
///
/// # Errors
/// What was expected instead.
pub fn span(text: &str) -> Result<Nanos, String> {
    let expected = || "expected a time such as 30s, 1m30s, 500ms or 2h".to_owned();
    let nanos = match scaled(text, Nanos::SECOND.0) {
        Some(seconds) => seconds,
        None => with_units(text).ok_or_else(expected)?,
    };
    match u64::try_from(nanos) {
        Ok(nanos) if nanos <= SPAN_MAX => Ok(Nanos(nanos)),
        _ => Err("that is more than a year".to_owned()),
    }
}

/// A rate in requests per second such as `50000`, `100k`, `1.5M` or `0.5`.
///
/// # Errors
/// What was expected instead.
pub fn rate(text: &str) -> Result<Rate, String> {
    let expected = "expected requests per second such as 50000, 100k, 1.5M or 0.5";
    let (number, scale) = without_multiplier(text);
    let milli = match scaled(number, scale * 1_000) {
        Some(milli) => milli,
        None if is_decimal(number) => return Err("at most three decimals, from 0.001".to_owned()),
        None => return Err(expected.to_owned()),
    };
    if milli == 0 {
        return Err("a rate is above 0; leave -R out for a closed loop".to_owned());
    }
    u64::try_from(milli)
        .ok()
        .and_then(Rate::from_milli)
        .ok_or_else(|| "a rate is at most 1000M requests per second".to_owned())
}

/// A whole number of at least 1, such as `64`, `10k` or `2M`.
///
/// # Errors
/// What was expected instead.
pub fn count(text: &str) -> Result<u64, String> {
    match whole(text)? {
        0 => Err("must be at least 1".to_owned()),
        whole => Ok(whole),
    }
}

fn whole(text: &str) -> Result<u64, String> {
    let (number, scale) = without_multiplier(text);
    let whole = scaled(number, scale).and_then(|whole| u64::try_from(whole).ok());
    whole.ok_or_else(|| "expected a whole number such as 64, 10k or 2M".to_owned())
}

/// A size in bytes, which may be 0.
///
/// # Errors
/// What was expected instead.
pub fn size(text: &str) -> Result<u32, String> {
    u32::try_from(whole(text)?).map_err(|_| format!("must be at most {}", u32::MAX))
}

/// As [`count`], but at most 2^32 - 1: these are kept in memory one by one.
///
/// # Errors
/// What was expected instead.
pub fn small_count(text: &str) -> Result<u32, String> {
    u32::try_from(count(text)?).map_err(|_| format!("must be at most {}", u32::MAX))
}

fn without_multiplier(text: &str) -> (&str, u64) {
    if let Some(number) = text.strip_suffix(['k', 'K']) {
        (number, 1_000)
    } else if let Some(number) = text.strip_suffix('M') {
        (number, 1_000_000)
    } else {
        (text, 1)
    }
}

/// The sum of `number unit` pairs in nanoseconds.
fn with_units(text: &str) -> Option<u128> {
    let mut rest = text;
    let mut total = 0u128;
    while !rest.is_empty() {
        let (number, after) = split_before(rest, |c: char| c.is_ascii_alphabetic())?;
        let (unit, after) =
            split_before(after, |c: char| !c.is_ascii_alphabetic()).unwrap_or((after, ""));
        let scale = match unit {
            "h" => 3_600 * Nanos::SECOND.0,
            "m" => 60 * Nanos::SECOND.0,
            "s" => Nanos::SECOND.0,
            "ms" => Nanos::MILLISECOND.0,
            "us" => Nanos::MICROSECOND.0,
            "ns" => 1,
            _ => return None,
        };
        total = total.checked_add(scaled(number, scale)?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

fn split_before(text: &str, stop: impl Fn(char) -> bool) -> Option<(&str, &str)> {
    text.find(stop).map(|at| text.split_at(at))
}

fn is_decimal(text: &str) -> bool {
    scaled(text, 10u64.pow(18)).is_some()
}

/// A plain decimal times `scale`, if that is a whole number. At most 18 digits on either side of
/// the point, so that nothing overflows.
fn scaled(text: &str, scale: u64) -> Option<u128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| {
        ((1..=18).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()))
            .then(|| part.parse::<u128>().ok())
            .flatten()
    };
    let (units, scale) = (digits(whole)?, u128::from(scale));
    let parts = digits(fraction)?.checked_mul(scale)?;
    let divisor = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    (parts % divisor == 0).then(|| units * scale + parts / divisor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
        let cases = [
            ("30s", 30_000_000_000),
            ("1m30s", 90_000_000_000),
            ("500ms", 500_000_000),
            ("2h", 7_200_000_000_000),
            ("10", 10_000_000_000),
            ("0.5", 500_000_000),
            ("1.5s", 1_500_000_000),
            ("250us", 250_000),
            ("0", 0),
            ("365000m", 21_900_000_000_000_000),
        ];
        for (text, nanos) in cases {
            assert_eq!(span(text), Ok(Nanos(nanos)), "{text}");
        }
        let bad = ["", "s", "1x", "-1s", "1s2", "1 s", "1..5s", ".", "9999h", "1e9", "0.5ns", "∞"];
        for text in bad {
            assert!(span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_are_exact_and_never_zero_or_absurd() {
        let cases = [
            ("50000", 50_000_000),
            ("100k", 100_000_000),
            ("1.5M", 1_500_000_000),
            ("0.5", 500),
            ("0.001", 1),
            ("1000M", 1_000_000_000_000),
        ];
        for (text, milli) in cases {
            assert_eq!(rate(text).map(Rate::milli), Ok(milli), "{text}");
        }
        let bad = ["0", "0.0", "0k", "1001M", "0.0001", "-5", "fast", "", "k", "1m", "NaN"];
        for text in bad {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts_are_whole_and_at_least_one() {
        assert_eq!(count("64"), Ok(64));
        assert_eq!(count("1.5k"), Ok(1_500));
        assert_eq!(count("50M"), Ok(50_000_000));
        for text in ["0", "-1", "1.5", "x", "", "1e3", "99999999999999999999"] {
            assert!(count(text).is_err(), "{text}");
        }
        assert!(small_count("5000M").is_err());
        assert_eq!((size("0"), size("2k")), (Ok(0), Ok(2_000)));
        assert!(size("5000M").is_err() && size("-1").is_err());
    }
}
