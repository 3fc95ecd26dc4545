//! UTC calendar time from a point in time, for names and documents.

use std::time::{SystemTime, UNIX_EPOCH};

use time::{Date, Month, Time, UtcDateTime};

/// UTC calendar time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil(UtcDateTime);

impl Civil {
    /// `time` in UTC. A clock set before 1970 reads as 1970.
    pub fn of(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let known = UtcDateTime::from_unix_timestamp_nanos(since.as_nanos().cast_signed());
        Self(known.unwrap_or(UtcDateTime::MAX))
    }

    /// The time of a text as documents write it (`2026-02-28T23:59:59.120Z`), or of a shorter one:
    /// without a fraction, with a space in place of the T, or the date alone, which is its first
    /// moment. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('Z').unwrap_or(text);
        let (date, clock) = text.split_once(['T', ' ']).unwrap_or((text, "00:00:00"));
        let [year, month, day] = numbers(date, '-')?;
        let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
        let [hour, minute, second] = numbers(clock, ':')?;
        let is_plain = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
        let millis: String = format!("{fraction:0<3}").chars().take(3).collect();
        let millis = is_plain.then(|| millis.parse().ok())??;
        let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
        let year = i32::try_from(year).ok().filter(|year| (1970..=9999).contains(year))?;
        let date = Date::from_calendar_date(year, month, u8::try_from(day).ok()?).ok()?;
        let [hour, minute, second] = [hour, minute, second].map(u8::try_from);
        let time = Time::from_hms_milli(hour.ok()?, minute.ok()?, second.ok()?, millis).ok()?;
        Some(Self(UtcDateTime::new(date, time)))
    }

    /// Seconds since 1970.
    pub fn unix_seconds(self) -> f64 {
        self.0.unix_timestamp_nanos() as f64 / 1e9
    }

    /// RFC 3339, to the millisecond: `2026-02-28T23:59:59.120Z`.
    pub fn rfc3339(self) -> String {
        let (date, (hour, minute, second, millisecond)) = (self.0.date(), self.0.as_hms_milli());
        format!("{date}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
    }

    /// ISO 8601 without separators, fit for a file name: `20260228T235959Z`.
    pub fn compact(self) -> String {
        let (hour, minute, second) = self.0.as_hms();
        format!("{}T{hour:02}{minute:02}{second:02}Z", self.0.date().to_string().replace('-', ""))
    }
}

/// Three numbers with a separator, as wide as in `2026-02-28` and `23:59:59`.
fn numbers(text: &str, separator: char) -> Option<[u32; 3]> {
    let is_plain =
        |part: &&str| matches!(part.len(), 2 | 4) && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<_> = text.split(separator).filter(is_plain).collect();
    let [first, second, third] = parts[..] else { return None };
    let is_whole = first.len() + second.len() + third.len() + 2 == text.len();
    let number = |part: &str| part.parse().ok();
    is_whole.then_some([number(first)?, number(second)?, number(third)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn known_moments_read_as_the_calendar_has_them() {
        // From `date -u -d @N`.
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_772_323_199, "2026-02-28T23:59:59.000Z"),
            (1_772_323_200, "2026-03-01T00:00:00.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ];
        for (seconds, text) in cases {
            assert_eq!(Civil::of(UNIX_EPOCH + Duration::from_secs(seconds)).rfc3339(), text);
        }
        for (seconds, text) in cases {
            assert_eq!(Civil::parse(text).map(Civil::unix_seconds), Some(seconds as f64));
        }
        let moment = Civil::of(UNIX_EPOCH + Duration::from_millis(1_772_323_199_120));
        assert_eq!(Civil::parse("2026-02-28T23:59:59.120Z"), Some(moment));
        let day = Civil::parse("2026-02-28T00:00:00.000Z");
        assert_eq!((Civil::parse("2026-02-28"), Civil::parse("2026-02-28 00:00:00")), (day, day));
        for text in ["", "2026", "2026-02-30", "2026-2-1", "x2026-02-01", "2026-02-01T25:00:00Z"] {
            assert_eq!(Civil::parse(text), None, "{text}");
        }
        assert_eq!(moment.rfc3339(), "2026-02-28T23:59:59.120Z");
        assert_eq!(moment.compact(), "20260228T235959Z");
        assert_eq!(Civil::of(UNIX_EPOCH - Duration::from_secs(1)).compact(), "19700101T000000Z");
    }
}
