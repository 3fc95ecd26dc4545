//! Answer codes: how a target says that it answered, in the words of its protocol. HTTP and
//! WebSockets use two kinds; gRPC, PostgreSQL and Redis have theirs, so that records, counts and
//! verdicts are the same for all.
//!
//! A code is one number, so that two are compared and one is counted in a few instructions; its
//! parts are read with [`AnswerCode::word`]. The codes of HTTP are the numbers themselves.

use std::fmt;

use crate::grpc::status;

/// The code of one answer: four bytes, whatever the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnswerCode(u32);

/// A code, by its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeWord {
    /// An answer without a code: a message of a WebSocket.
    Message,
    /// An HTTP status code; three digits, of which 100 to 599 have a meaning (RFC 9110 section 15).
    Http(u16),
    /// The status of a gRPC call, 0 (OK) to 16 (gRPC's `statuscodes.md`).
    Grpc(u8),
    /// A SQLSTATE: five digits and upper-case letters (ISO 9075-2 section 24).
    SqlState([u8; 5]),
    /// The first word of a Redis error; `None` when Redis itself knows no such word.
    Redis(Option<&'static str>),
    /// A Redis reply that is no error.
    RedisReply(RedisReply),
    /// An error whose code is not counted apart, since there were too many codes.
    Other,
}

/// What a Redis reply without an error says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisReply {
    /// Something was found: a string, an array, a map.
    Value,
    /// Nothing was found: null.
    Nil,
    /// `OK`, or a number.
    Status,
}

/// First HTTP status that says that the request failed (RFC 9110 section 15.5).
const FIRST_ERROR: u16 = 400;
/// HTTP statuses have three digits.
const STATUSES: usize = 1_000;
/// Greatest value that is an HTTP status, however odd.
const HTTP_MAX: u32 = u16::MAX as u32;
/// Highest status that gRPC has.
const GRPC_MAX: u8 = 16;
/// The upper bits tell the protocol; HTTP and messages have none set.
const GRPC: u32 = 1 << 28;
const SQL_STATE: u32 = 2 << 28;
const REDIS: u32 = 3 << 28;
const OTHER: u32 = 4 << 28;
/// Codes of other protocols than HTTP that are counted apart: a target could send any number.
const KINDS_MAX: usize = 64;
const VALUE: u32 = (1 << 28) - 1;

/// Redis replies that are no errors, by [`RedisReply`].
const REDIS_REPLY: u32 = REDIS | 1 << 16;

/// The error words of Redis 7 (its sources: `server.c` createSharedObjects, `cluster.c`,
/// `script.c`, `acl.c`).
const REDIS_WORDS: [&str; 29] = [
    "ASK",
    "BUSY",
    "BUSYGROUP",
    "BUSYKEY",
    "CLUSTERDOWN",
    "CROSSSLOT",
    "ERR",
    "EXECABORT",
    "INPROG",
    "IOERR",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "MOVED",
    "NOAUTH",
    "NOGOODSLAVE",
    "NOGROUP",
    "NOMASTERLINK",
    "NOPERM",
    "NOPROTO",
    "NOREPLICAS",
    "NOSCRIPT",
    "NOTBUSY",
    "OOM",
    "READONLY",
    "TRYAGAIN",
    "UNKILLABLE",
    "WRONGPASS",
    "WRONGTYPE",
];

impl AnswerCode {
    /// An answer without a code.
    pub const MESSAGE: Self = Self(0);

    /// SQLSTATE 00000: an answer of PostgreSQL without an error.
    pub const SQL_SUCCESS: Self = Self(SQL_STATE);

    /// One of too many errors to count each by its code.
    pub const OTHER: Self = Self(OTHER);

    /// An HTTP status code, as a parser read it.
    #[inline]
    pub const fn http(status: u16) -> Self {
        Self(status as u32)
    }

    /// The status of a gRPC call; numbers above 16 are 2 (UNKNOWN), as gRPC has it.
    pub const fn grpc(status: u8) -> Self {
        const UNKNOWN: u8 = 2;
        Self(GRPC | if status > GRPC_MAX { UNKNOWN } else { status } as u32)
    }

    /// A SQLSTATE. `None` unless it is five digits and upper-case letters.
    pub fn sql_state(state: &[u8]) -> Option<Self> {
        let digit = |byte: &u8| match byte {
            b'0'..=b'9' | b'A'..=b'Z' => char::from(*byte).to_digit(36),
            _ => None,
        };
        let state: &[u8; 5] = state.try_into().ok()?;
        let value = state.iter().try_fold(0, |value, byte| Some(value * 36 + digit(byte)?))?;
        Some(Self(SQL_STATE | value))
    }

    /// The error of a Redis reply that begins with this word.
    pub fn redis(word: &[u8]) -> Self {
        let known = REDIS_WORDS.binary_search_by(|known| known.as_bytes().cmp(word));
        Self(REDIS | known.map_or(REDIS_WORDS.len(), |index| index) as u32)
    }

    /// A Redis reply that is no error.
    pub const fn redis_reply(reply: RedisReply) -> Self {
        Self(REDIS_REPLY | reply as u32)
    }

    /// The code by its protocol.
    pub fn word(self) -> CodeWord {
        let value = self.0 & VALUE;
        match self.0 & !VALUE {
            GRPC => CodeWord::Grpc(value as u8),
            SQL_STATE => {
                let digit = |place: u32| {
                    let digit = char::from_digit(value / 36_u32.pow(place) % 36, 36);
                    digit.map_or(b'0', |digit| digit.to_ascii_uppercase() as u8)
                };
                CodeWord::SqlState([4, 3, 2, 1, 0].map(digit))
            }
            REDIS if self.0 >= REDIS_REPLY => CodeWord::RedisReply(match self.0 - REDIS_REPLY {
                0 => RedisReply::Value,
                1 => RedisReply::Nil,
                _ => RedisReply::Status,
            }),
            REDIS => CodeWord::Redis(REDIS_WORDS.get(value as usize).copied()),
            OTHER => CodeWord::Other,
            _ if value == 0 => CodeWord::Message,
            _ => CodeWord::Http(value as u16),
        }
    }

    /// The HTTP status; `None` for other codes.
    #[inline]
    pub const fn status(self) -> Option<u16> {
        if self.0 > 0 && self.0 <= HTTP_MAX { Some(self.0 as u16) } else { None }
    }

    /// Whether it is neither a plain success nor a message: HTTP from 300 on, and errors.
    #[inline]
    pub fn is_unusual(self) -> bool {
        const FIRST_REDIRECT: u32 = 300;
        (FIRST_REDIRECT..=HTTP_MAX).contains(&self.0) || self.is_error()
    }

    /// Whether the target says that the request failed: HTTP from 400 on, gRPC but 0, SQLSTATE
    /// classes but 00, 01 and 02 (success, warning, no data), every error of Redis.
    #[inline]
    pub fn is_error(self) -> bool {
        if self.0 <= HTTP_MAX {
            return self.0 >= u32::from(FIRST_ERROR);
        }
        match self.word() {
            CodeWord::Grpc(status) => status != 0,
            CodeWord::SqlState(state) => !matches!(&state[..2], b"00" | b"01" | b"02"),
            CodeWord::Redis(_) | CodeWord::Other => true,
            CodeWord::Message | CodeWord::Http(_) | CodeWord::RedisReply(_) => false,
        }
    }
}

impl fmt::Display for AnswerCode {
    /// As the protocol writes it, with the protocol's name where it is not HTTP.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.word() {
            CodeWord::Message => f.write_str("message"),
            CodeWord::Http(status) => write!(f, "{status}"),
            CodeWord::Grpc(code) => write!(f, "gRPC {}", status::name(code)),
            CodeWord::SqlState(state) => write!(f, "SQLSTATE {}", state.escape_ascii()),
            CodeWord::Redis(word) => write!(f, "Redis {}", word.unwrap_or("error")),
            CodeWord::RedisReply(RedisReply::Value) => f.write_str("Redis value"),
            CodeWord::RedisReply(RedisReply::Nil) => f.write_str("Redis nil"),
            CodeWord::RedisReply(RedisReply::Status) => f.write_str("Redis status"),
            CodeWord::Other => f.write_str("other"),
        }
    }
}

/// Answers by their code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeCounts {
    /// By HTTP status; messages at 0.
    statuses: Box<[u64]>,
    /// Codes of other protocols, of which a run sees few.
    others: Vec<(AnswerCode, u64)>,
}

impl Default for CodeCounts {
    fn default() -> Self {
        Self { statuses: vec![0; STATUSES].into(), others: Vec::new() }
    }
}

impl CodeCounts {
    /// Count answers.
    #[inline]
    pub fn add(&mut self, code: AnswerCode, answers: u64) {
        match self.statuses.get_mut(code.0 as usize) {
            Some(sum) => *sum += answers,
            None => self.add_other(code, answers),
        }
    }

    #[inline(never)]
    fn add_other(&mut self, code: AnswerCode, answers: u64) {
        let is_new = !self.others.iter().any(|(known, _)| *known == code);
        let is_too_much = is_new && self.others.len() >= KINDS_MAX && code.is_error();
        let code = if is_too_much { AnswerCode::OTHER } else { code };
        match self.others.iter_mut().find(|(known, _)| *known == code) {
            Some((_, sum)) => *sum += answers,
            None => self.others.push((code, answers)),
        }
    }

    /// Count what another has counted.
    pub fn merge(&mut self, other: &Self) {
        other.iter().for_each(|(code, answers)| self.add(code, answers));
    }

    /// Begin at nothing; memory is kept.
    pub fn clear(&mut self) {
        self.statuses.fill(0);
        self.others.clear();
    }

    /// The codes that were seen and their answers: messages, HTTP by status, then others in the
    /// order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (AnswerCode, u64)> {
        let statuses = (0..).map(AnswerCode).zip(self.statuses.iter().copied());
        statuses.filter(|(_, answers)| *answers > 0).chain(self.others.iter().copied())
    }

    /// Answers with this code.
    pub fn get(&self, code: AnswerCode) -> u64 {
        self.iter().find(|(known, _)| *known == code).map_or(0, |(_, answers)| answers)
    }
}

impl FromIterator<(AnswerCode, u64)> for CodeCounts {
    fn from_iter<I: IntoIterator<Item = (AnswerCode, u64)>>(codes: I) -> Self {
        let mut counts = Self::default();
        codes.into_iter().for_each(|(code, answers)| counts.add(code, answers));
        counts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn codes_of_each_protocol_come_back_as_they_went_in() {
        let of = AnswerCode::redis_reply;
        for (code, word, text, is_error) in [
            (AnswerCode::MESSAGE, CodeWord::Message, "message", false),
            (AnswerCode::http(200), CodeWord::Http(200), "200", false),
            (AnswerCode::http(399), CodeWord::Http(399), "399", false),
            (AnswerCode::http(400), CodeWord::Http(400), "400", true),
            (AnswerCode::http(999), CodeWord::Http(999), "999", true),
            (AnswerCode::grpc(0), CodeWord::Grpc(0), "gRPC OK", false),
            (AnswerCode::grpc(14), CodeWord::Grpc(14), "gRPC UNAVAILABLE", true),
            (AnswerCode::grpc(17), CodeWord::Grpc(2), "gRPC UNKNOWN", true),
            (AnswerCode::SQL_SUCCESS, CodeWord::SqlState(*b"00000"), "SQLSTATE 00000", false),
            (AnswerCode::OTHER, CodeWord::Other, "other", true),
            (AnswerCode::redis(b"MOVED"), CodeWord::Redis(Some("MOVED")), "Redis MOVED", true),
            (AnswerCode::redis(b"MINE"), CodeWord::Redis(None), "Redis error", true),
            (of(RedisReply::Value), CodeWord::RedisReply(RedisReply::Value), "Redis value", false),
            (of(RedisReply::Nil), CodeWord::RedisReply(RedisReply::Nil), "Redis nil", false),
            (
                of(RedisReply::Status),
                CodeWord::RedisReply(RedisReply::Status),
                "Redis status",
                false,
            ),
        ] {
            assert_eq!((code.word(), code.is_error()), (word, is_error));
            let is_redirect = code.status().is_some_and(|status| (300..400).contains(&status));
            assert_eq!(code.is_unusual(), is_error || is_redirect);
            assert_eq!(code.to_string(), text);
        }
        for (state, is_error) in
            [("00000", false), ("01004", false), ("02000", false), ("40P01", true), ("ZZZZZ", true)]
        {
            let code = AnswerCode::sql_state(state.as_bytes()).expect(state);
            assert_eq!(code.to_string(), format!("SQLSTATE {state}"));
            assert_eq!((code.is_error(), code.status()), (is_error, None));
        }
        for odd in ["", "4000", "400001", "200M01I1", "40p01", "4000é", "40 01"] {
            assert_eq!(AnswerCode::sql_state(odd.as_bytes()), None, "{odd}");
        }
        assert!(REDIS_WORDS.is_sorted());
    }

    #[test]
    fn codes_without_end_cost_bounded_memory_and_none_is_lost() {
        let mut counts = CodeCounts::default();
        for state in 10_000..20_000 {
            let code = AnswerCode::sql_state(state.to_string().as_bytes());
            counts.add(code.expect("five digits"), 1);
        }
        counts.add(AnswerCode::SQL_SUCCESS, 7);
        assert_eq!(counts.get(AnswerCode::SQL_SUCCESS), 7);
        assert_eq!(counts.get(AnswerCode::OTHER), 10_000 - KINDS_MAX as u64);
        assert!(counts.iter().count() <= KINDS_MAX + 2);
        assert_eq!(counts.iter().map(|(_, answers)| answers).sum::<u64>(), 10_007);
    }

    fn any_code() -> impl Strategy<Value = AnswerCode> {
        prop_oneof![
            (0..1_000_u16).prop_map(AnswerCode::http),
            any::<u8>().prop_map(AnswerCode::grpc),
            "[0-9A-Z]{5}".prop_filter_map("five", |s| AnswerCode::sql_state(s.as_bytes())),
            prop::sample::select(&REDIS_WORDS[..]).prop_map(|w| AnswerCode::redis(w.as_bytes())),
        ]
    }

    proptest! {
        /// A map of codes is the oracle.
        #[test]
        fn counts_are_of_their_codes_in_one_or_in_parts(
            codes in prop::collection::vec((any_code(), 1..100_u64), 0..50),
            cut in 0..50_usize,
        ) {
            let mut oracle = std::collections::BTreeMap::new();
            codes.iter().for_each(|(code, n)| *oracle.entry(*code).or_insert(0) += n);
            let (left, right) = codes.split_at(cut.min(codes.len()));
            let mut counts: CodeCounts = left.iter().copied().collect();
            counts.merge(&right.iter().copied().collect());
            let seen: std::collections::BTreeMap<_, _> = counts.iter().collect();
            prop_assert_eq!(&seen, &oracle);
            for (code, answers) in oracle {
                prop_assert_eq!(counts.get(code), answers);
            }
            counts.clear();
            prop_assert_eq!(counts, CodeCounts::default());
        }
    }
}
