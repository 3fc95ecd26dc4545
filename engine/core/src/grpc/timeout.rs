//! Deadlines as servers get them: the field `grpc-timeout`, at most eight digits and a unit.

use crate::time::Nanos;

/// The units, the largest first, with their lengths in nanoseconds.
const UNITS: [(char, u64); 6] = [
    ('H', 3_600_000_000_000),
    ('M', 60_000_000_000),
    ('S', 1_000_000_000),
    ('m', 1_000_000),
    ('u', 1_000),
    ('n', 1),
];
const DIGITS_MAX: u64 = 99_999_999;

/// The value of `grpc-timeout` for this time: exact if a unit gives it exactly, otherwise rounded
/// up as little as eight digits allow.
pub fn encoded(timeout: Nanos) -> String {
    let exact = |(_, length): &&(char, u64)| {
        timeout.0.is_multiple_of(*length) && timeout.0 / length <= DIGITS_MAX
    };
    let fits = |(_, length): &&(char, u64)| timeout.0.div_ceil(*length) <= DIGITS_MAX;
    let found = UNITS.iter().find(exact).or_else(|| UNITS.iter().rev().find(fits));
    // The longest time in nanoseconds has seven digits of hours.
    let (unit, length) = found.copied().unwrap_or(UNITS[0]);
    format!("{}{unit}", timeout.0.div_ceil(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_have_eight_digits_at_most_and_are_never_shorter() {
        for (nanos, expected) in [
            (1, "1n"),
            (99_999_999, "99999999n"),
            (500_000_000, "500m"),
            (1_500_000, "1500u"),
            (1_000_000_000, "1S"),
            (90_000_000_000, "90S"),
            (7_200_000_000_000, "2H"),
            (100_000_001, "100001u"),
            (123_456_789_123, "123457m"),
            (u64::MAX, "5124096H"),
        ] {
            assert_eq!(encoded(Nanos(nanos)), expected);
        }
    }

    #[test]
    fn every_timeout_reads_back_within_its_unit() {
        let mut nanos = 1_u64;
        while nanos < u64::MAX / 3 {
            let text = encoded(Nanos(nanos));
            let (digits, unit) = text.split_at(text.len() - 1);
            assert!(digits.len() <= 8, "{text}");
            let unit = UNITS.iter().find(|(name, _)| unit.starts_with(*name));
            let (_, length) = unit.expect("it is one of them");
            let read = u128::from(digits.parse::<u64>().expect("digits")) * u128::from(*length);
            let over = read - u128::from(nanos);
            assert!(over < u128::from(*length) && over * 100_000 <= u128::from(nanos), "{text}");
            nanos = nanos * 3 + 1;
        }
    }
}
