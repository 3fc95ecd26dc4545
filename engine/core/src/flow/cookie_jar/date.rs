//! The dates of `Expires`, read as forgivingly as RFC 6265 section 5.1.1 wants.

const MONTHS: [&[u8; 3]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];

/// Milliseconds since 1970, 0 for what lies before; `None` when it is no date.
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
    let (time, day, month) = (time?, day?, month?);
    let year = match year? {
        year @ 70..=99 => year + 1900,
        year @ 0..=69 => year + 2000,
        year => year,
    };
    if day == 0 || day > days_of(month, year) || year < 1601 {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + time;
    Some(u64::try_from(seconds).unwrap_or(0) * 1_000)
}

const fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'/' | b';'..=b'@' | b'['..=b'`' | b'{'..=b'~')
}

/// The number that `token` begins with, if it has so many digits and no more.
fn number(token: &[u8], least: usize, most: usize) -> Option<i64> {
    let count = token.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let digits = token.get(..count).filter(|_| (least..=most).contains(&count))?;
    Some(digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
}

/// Seconds of `hh:mm:ss`.
fn time_of_day(token: &[u8]) -> Option<i64> {
    let mut parts = token.splitn(3, |&byte| byte == b':');
    let whole = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    if !whole(hour) || !whole(minute) {
        return None;
    }
    let (hour, minute, second) =
        (number(hour, 1, 2)?, number(minute, 1, 2)?, number(second, 1, 2)?);
    (hour < 24 && minute < 60 && second < 60).then_some((hour * 60 + minute) * 60 + second)
}

/// 1 to 12.
fn month_of(token: &[u8]) -> Option<i64> {
    let begin = token.get(..3)?;
    let at = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(begin))?;
    Some(at as i64 + 1)
}

const fn days_of(month: i64, year: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// In the Gregorian calendar, counting years from March so that a leap day comes last.
const fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400;
    days + (month * 153 + 2) / 5 + day - 1 - 719_468
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

    #[test]
    fn every_day_follows_the_one_before() {
        let mut expected = days_since_1970(1601, 1, 1);
        for year in 1601..2500 {
            for month in 1..=12 {
                for day in 1..=days_of(month, year) {
                    assert_eq!(days_since_1970(year, month, day), expected);
                    expected += 1;
                }
            }
        }
        assert_eq!(days_since_1970(1970, 1, 1), 0);
    }
}
