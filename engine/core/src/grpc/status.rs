//! The status of a call, as it ends an answer: `grpc-status` and `grpc-message`.

use crate::http::percent;

/// The names of the statuses, by their number (gRPC's `statuscodes.md`).
const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];
/// Stands for every status that gRPC does not have.
const UNKNOWN: u8 = 2;
/// Bytes of a message that are kept: as on the wire, where one may take three.
pub const TEXT_BYTES_MAX: usize = 256;

/// The name of a status; `UNKNOWN` for one that gRPC does not have.
pub fn name(status: u8) -> &'static str {
    NAMES.get(usize::from(status)).copied().unwrap_or(NAMES[UNKNOWN as usize])
}

/// The field `grpc-status` of a header block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GrpcStatus {
    /// There is none.
    #[default]
    Missing,
    /// It is no number.
    Unreadable,
    /// Its number: 0 to 16.
    Code(u8),
}

impl GrpcStatus {
    /// The value of the field. Numbers that gRPC does not have are `UNKNOWN`.
    pub fn read(value: &[u8]) -> Self {
        let is_number = (1..=10).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
        if !is_number {
            return Self::Unreadable;
        }
        let number = value.iter().fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        let is_known = number < NAMES.len() as u64;
        Self::Code(if is_known { number as u8 } else { UNKNOWN })
    }
}

/// The text of a `grpc-message`, of which these bytes are kept: percent-encoded UTF-8.
pub fn text(value: &[u8]) -> String {
    let coded = String::from_utf8_lossy(value);
    // A text that is cut may end within a letter.
    String::from_utf8_lossy(&percent::decoded(&coded, b'+')).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_as_numbers() {
        for (value, status) in [
            (&b"0"[..], GrpcStatus::Code(0)),
            (b"14", GrpcStatus::Code(14)),
            (b"016", GrpcStatus::Code(16)),
            (b"17", GrpcStatus::Code(2)),
            (b"4294967296", GrpcStatus::Code(2)),
            (b"", GrpcStatus::Unreadable),
            (b"-1", GrpcStatus::Unreadable),
            (b"1 ", GrpcStatus::Unreadable),
            (b"UNAVAILABLE", GrpcStatus::Unreadable),
            (b"00000000000", GrpcStatus::Unreadable),
        ] {
            assert_eq!(GrpcStatus::read(value), status, "{value:?}");
        }
        assert_eq!([name(0), name(14), name(16), name(17)].map(str::len), [2, 11, 15, 7]);
    }

    #[test]
    fn messages_are_decoded_whatever_they_are() {
        for (value, expected) in [
            (&b"no such user"[..], "no such user"),
            (b"100%25 full: %e2%82%ac+1", "100% full: \u{20ac}+1"),
            (b"a%", "a%"),
            (b"a%zz%4", "a%zz%4"),
            (b"cut %e2%82", "cut \u{fffd}"),
            (b"raw \xff", "raw \u{fffd}"),
            (b"%00%0a", "\0\n"),
        ] {
            assert_eq!(text(value), expected);
        }
    }
}
