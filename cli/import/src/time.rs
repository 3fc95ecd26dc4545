//! Points in time as logs and recordings write them, in microseconds since 1970.

/// ISO 8601 with date, time and zone: `2026-11-21T14:07:35.123Z`, `2026-11-21T14:07:35+01:00`.
pub(crate) fn iso(text: &str) -> Option<i64> {
    let (date, rest) = text.trim().split_once(['T', 't', ' '])?;
    let mut date = date.split('-');
    let (year, month, day) = (number(date.next()?)?, number(date.next()?)?, number(date.next()?)?);
    if date.next().is_some() {
        return None;
    }
    let at = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(at);
    let (clock, fraction) = clock.split_once(['.', ',']).unwrap_or((clock, ""));
    micros(days(year, month, day)?, clock, fraction, zone)
}

/// As Apache and nginx write it: `21/Nov/2026:14:07:35 +0100`.
pub(crate) fn common_log(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (date, rest) = text.trim().split_once(':')?;
    let mut date = date.split('/');
    let (day, month, year) = (date.next()?, date.next()?, date.next()?);
    let month = MONTHS.iter().position(|known| known.eq_ignore_ascii_case(month))? as i64 + 1;
    let (clock, zone) = rest.split_once(' ').unwrap_or((rest, ""));
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    micros(days(number(year)?, month, number(day)?)?, clock, fraction, zone)
}

/// Seconds since 1970 with a fraction, as nginx's `$msec`.
pub(crate) fn seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.')?;
    let whole = number(whole).filter(|_| (9..=11).contains(&whole.len()))?;
    whole.checked_mul(1_000_000)?.checked_add(fraction_micros(fraction)?)
}

fn micros(days: i64, clock: &str, fraction: &str, zone: &str) -> Option<i64> {
    let mut parts = clock.split(':');
    let (hour, minute) = (number(parts.next()?)?, number(parts.next()?)?);
    let second = parts.next().map_or(Some(0), number)?;
    // 60 is a leap second.
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - zone_seconds(zone.trim())?;
    Some(seconds * 1_000_000 + fraction_micros(fraction)?)
}

fn fraction_micros(fraction: &str) -> Option<i64> {
    let is_number = fraction.bytes().all(|digit| digit.is_ascii_digit());
    let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
    if is_number { number(&digits) } else { None }
}

fn zone_seconds(zone: &str) -> Option<i64> {
    let (sign, digits) = match zone.split_at_checked(1)? {
        _ if zone.eq_ignore_ascii_case("z") => return Some(0),
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits = digits.replace(':', "");
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = if minutes.is_empty() { 0 } else { number(minutes)? };
    Some(sign * (number(hours)? * 3_600 + minutes * 60))
}

/// Up to eleven digits and nothing else, so that sums stay small.
fn number(text: &str) -> Option<i64> {
    let is_number = (1..=11).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// Days since 1970-01-01 in the Gregorian calendar (H. Hinnant, "chrono-compatible low-level date
/// algorithms").
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year / 400;
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
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
            (iso("2026-11-21T00:00:00"), None),
            (common_log("10/Oct/2000:13:55:36 -0700"), Some(971_211_336_000_000)),
            (common_log("10/Okt/2000:13:55:36 -0700"), None),
            (common_log("10/Oct/2000:25:55:36 -0700"), None),
            (seconds("1795266455.123"), Some(1_795_266_455_123_000)),
            (seconds("12.5"), None),
        ];
        for (at, (found, expected)) in cases.into_iter().enumerate() {
            assert_eq!(found, expected, "case {at}");
        }
    }
}
