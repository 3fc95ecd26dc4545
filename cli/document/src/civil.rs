//! UTC calendar time from a point in time, for names and documents.

use std::time::{SystemTime, UNIX_EPOCH};

use time::UtcDateTime;

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
        let moment = Civil::of(UNIX_EPOCH + Duration::from_millis(1_772_323_199_120));
        assert_eq!(moment.rfc3339(), "2026-02-28T23:59:59.120Z");
        assert_eq!(moment.compact(), "20260228T235959Z");
        assert_eq!(Civil::of(UNIX_EPOCH - Duration::from_secs(1)).compact(), "19700101T000000Z");
    }
}
