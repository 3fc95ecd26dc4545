//! The dates of `Expires`, parsed as leniently as RFC 6265 section 5.1.1 requires.

use time::{Date, Month, Time};

const MONTHS: [&[u8; 3]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];

/// Milliseconds since 1970, 0 for earlier times; `None` if it is not a date.
pub(super) fn unix_ms(text: &[u8]) -> Option<u64> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in text.split(|&byte| is_delimiter(byte)).filter(|token| !token.is_empty()) {
        if time.is_none()
            && let Some(found) = time_of_day(token)
        {
            time = Some(found);
        } else if day.is_none()
            && let Some(found) = number(token, 1, 2)
        {
            day = Some(found);
        } else if month.is_none()
            && let Some(found) = month_of(token)
        {
            month = Some(found);
        } else if year.is_none()
            && let Some(found) = number(token, 2, 4)
        {
            year = Some(found);
        }
    }
    let year = match year? {
        year @ 70..=99 => year + 1900,
        year @ 0..=69 => year + 2000,
        year => year,
    };
    if year < 1601 {
        return None;
    }
    let date = Date::from_calendar_date(year, month?, u8::try_from(day?).ok()?).ok()?;
    let seconds = date.with_time(time?).as_utc().unix_timestamp();
    Some(u64::try_from(seconds).unwrap_or(0) * 1_000)
}

const fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'/' | b';'..=b'@' | b'['..=b'`' | b'{'..=b'~')
}

/// The number at the start of `token`, if it has a number of digits in this range.
fn number(token: &[u8], least: usize, most: usize) -> Option<i32> {
    let count = token.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let digits = token.get(..count).filter(|_| (least..=most).contains(&count))?;
    Some(digits.iter().fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0')))
}

/// `hh:mm:ss`.
fn time_of_day(token: &[u8]) -> Option<Time> {
    let mut parts = token.splitn(3, |&byte| byte == b':');
    let whole = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    if !whole(hour) || !whole(minute) {
        return None;
    }
    let part = |token| u8::try_from(number(token, 1, 2)?).ok();
    Time::from_hms(part(hour)?, part(minute)?, part(second)?).ok()
}

fn month_of(token: &[u8]) -> Option<Month> {
    let begin = token.get(..3)?;
    let at = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(begin))?;
    Some(Month::January.nth_next(at as u8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_however_they_are_written() {
        let cases = [
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Wed, 09 Jun 2021 10:18:14 GMT", Some(1_623_233_894_000)),
            ("Wednesday, 09-Jun-21 10:18:14 GMT", Some(1_623_233_894_000)),
            ("Wed Jun  9 10:18:14 2021", Some(1_623_233_894_000)),
            ("9 june 2021 10:18:14xyz", Some(1_623_233_894_000)),
            ("Tue, 29 Feb 2000 23:59:59 GMT", Some(951_868_799_000)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(253_402_300_799_000)),
            ("Mon, 01 Jan 1601 00:00:00 GMT", Some(0)),
            ("Mon, 29 Feb 2100 00:00:00 GMT", None),
            ("Mon, 31 Jun 2021 00:00:00 GMT", None),
            ("Mon, 01 Jan 1600 00:00:00 GMT", None),
            ("Mon, 01 Jan 2021 24:00:00 GMT", None),
            ("Mon, 01 Jan 2021", None),
            ("01 Xyz 2021 00:00:00", None),
            ("123 Jan 2021 00:00:00", None),
            ("0", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(unix_ms(text.as_bytes()), expected, "{text}");
        }
    }
}
