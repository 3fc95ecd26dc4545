//! Answers of PostgreSQL: every message, split everywhere, against an oracle; hostile bytes.

use proptest::prelude::*;

use super::*;

/// Of messages of every kind, and two others.
const TAGS: &[u8] = b"12nTDCIsZENSAGX";

/// What the reader says about some bytes: the answers, or how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Answer { code: AnswerCode, rows: u64, payload: u64, status: BlockStatus },
    Aside,
    Fault(PostgresFault),
}

/// Everything in bytes that come in these pieces.
fn read(pieces: &[&[u8]]) -> Vec<Seen> {
    let mut reader = PostgresReader::default();
    let mut seen = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            match reader.feed(rest) {
                Ok(ReplyProgress::NeedMore) => break,
                Ok(ReplyProgress::Reply { consumed, reply }) => {
                    let WholeReply { code, payload } = reply;
                    let (rows, status) = (reader.rows(), reader.status());
                    seen.push(Seen::Answer { code, rows, payload, status });
                    assert_eq!(reader.error().is_some(), code.is_error());
                    assert!(!reader.has_begun());
                    rest = &rest[consumed..];
                }
                Ok(ReplyProgress::Aside { consumed }) => {
                    seen.push(Seen::Aside);
                    rest = &rest[consumed..];
                }
                Err(fault) => {
                    seen.push(Seen::Fault(fault));
                    return seen;
                }
            }
        }
    }
    seen
}

fn assert_same_when_split(bytes: &[u8], expected: &[Seen]) {
    assert_eq!(read(&[bytes]), expected, "{}", bytes.escape_ascii());
    for at in 0..=bytes.len() {
        let (left, right) = bytes.split_at(at);
        assert_eq!(read(&[left, right]), expected, "{} at {at}", bytes.escape_ascii());
    }
    let each: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(read(&each), expected, "{} byte by byte", bytes.escape_ascii());
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len() as u32 + 4;
    [&[tag][..], &length.to_be_bytes(), body].concat()
}

fn row(value: &[u8]) -> Vec<u8> {
    let length = value.len() as u32;
    message(b'D', &[&[0, 1][..], &length.to_be_bytes(), value].concat())
}

fn error(severity: &str, code: &str) -> Vec<u8> {
    let fields = format!("S{severity}\0V{severity}\0C{code}\0Mwhy\0Fx.c\0\0");
    message(b'E', fields.as_bytes())
}

fn ready(status: u8) -> Vec<u8> {
    message(b'Z', &[status])
}

fn state(code: &str) -> AnswerCode {
    AnswerCode::sql_state(code.as_bytes()).expect(code)
}

fn answer(code: &str, rows: u64, payload: u64, status: BlockStatus) -> Seen {
    Seen::Answer { code: state(code), rows, payload, status }
}

#[test]
fn every_kind_of_answer_is_read_the_same_however_it_is_split() {
    let columns =
        message(b'T', b"\0\x01abalance\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0");
    let (parsed, bound) = (message(b'1', b""), message(b'2', b""));
    let select = message(b'C', b"SELECT 2\0");
    let notice = message(b'N', b"SNOTICE\0C00000\0Mhello\0\0");
    let cases: Vec<(Vec<Vec<u8>>, Vec<Seen>)> = vec![
        (
            vec![bound.clone(), columns, row(b"12"), row(b""), select.clone(), ready(b'I')],
            vec![answer("00000", 2, 14, BlockStatus::Idle)],
        ),
        (
            vec![parsed, bound.clone(), message(b'n', b""), message(b'C', b"BEGIN\0"), ready(b'T')],
            vec![answer("00000", 0, 0, BlockStatus::Open)],
        ),
        (vec![message(b'I', b""), ready(b'I')], vec![answer("00000", 0, 0, BlockStatus::Idle)]),
        (
            vec![bound.clone(), row(b"x"), error("ERROR", "57014"), ready(b'E')],
            vec![answer("57014", 1, 7, BlockStatus::Failed)],
        ),
        // The first error is the cause.
        (
            vec![error("ERROR", "40001"), error("ERROR", "25P02"), ready(b'I')],
            vec![answer("40001", 0, 0, BlockStatus::Idle)],
        ),
        (
            vec![notice.clone(), bound, notice, message(b't', b"\0\0"), select, ready(b'I')],
            vec![Seen::Aside, Seen::Aside, answer("00000", 0, 0, BlockStatus::Idle)],
        ),
        (
            vec![
                message(b'S', b"TimeZone\0UTC\0"),
                message(b'A', b"\0\0\0\x01channel\0payload\0"),
                message(b's', b""),
                message(b'3', b""),
                ready(b'I'),
            ],
            vec![Seen::Aside, Seen::Aside, answer("00000", 0, 0, BlockStatus::Idle)],
        ),
        // With it the connection ends, and no ReadyForQuery follows.
        (
            vec![row(b"abc"), error("FATAL", "57P01")],
            vec![answer("57P01", 1, 9, BlockStatus::Idle)],
        ),
    ];
    let (mut all, mut expected) = (Vec::new(), Vec::new());
    for (messages, seen) in &cases {
        assert_same_when_split(&messages.concat(), seen);
        all.extend(messages.concat());
        expected.extend_from_slice(seen);
    }
    assert_same_when_split(&all, &expected);
}

#[test]
fn bytes_that_are_no_answer_are_refused_at_any_split() {
    for (bytes, fault) in [
        (&b"HTTP/1.1 200 OK\r\n"[..], PostgresFault::Copy),
        (b"\x15\x03\x03\0\x02", PostgresFault::Tag(0x15)),
        (b"R\0\0\0\x08\0\0\0\0", PostgresFault::Tag(b'R')),
        (b"G\0\0\0\x04", PostgresFault::Copy),
        (b"D\0\0\0\x05\0", PostgresFault::Length(b'D')),
        (b"D\x80\0\0\0", PostgresFault::Length(b'D')),
        (b"D\x40\0\0\0", PostgresFault::Length(b'D')),
        (b"E\0\0\0\0", PostgresFault::Length(b'E')),
        (b"C\xff\xff\xff\xff", PostgresFault::Length(b'C')),
        (b"2\0\0\0\x05x", PostgresFault::Length(b'2')),
        (b"Z\0\0\0\x04", PostgresFault::Length(b'Z')),
        (b"Z\0\0\0\x05X", PostgresFault::Status(b'X')),
        (b"E\0\0\0\x06x\0", PostgresFault::Error),
        (b"E\0\0\0\x0aC123\0\0", PostgresFault::Error),
    ] {
        assert_same_when_split(bytes, &[Seen::Fault(fault)]);
    }
}

#[test]
fn hostile_answers_cost_bounded_memory() {
    let mut reader = PostgresReader::default();
    // The fields of an error without an end.
    assert_eq!(reader.feed(b"E\x3f\xff\xff\xffSERROR\0C42601\0M"), Ok(ReplyProgress::NeedMore));
    for _ in 0..1_000 {
        assert_eq!(reader.feed(&[b'x'; 1_000]), Ok(ReplyProgress::NeedMore));
    }
    assert!(reader.fields.capacity() <= 2 * FIELDS_KEPT, "{}", reader.fields.capacity());
    // Errors without an end of the answer.
    let mut reader = PostgresReader::default();
    for _ in 0..10_000 {
        assert_eq!(reader.feed(&error("ERROR", "42601")), Ok(ReplyProgress::NeedMore));
    }
    assert!(reader.fields.capacity() <= 2 * FIELDS_KEPT);
}

#[test]
fn an_error_lasts_until_the_next_answer() {
    let mut reader = PostgresReader::default();
    let bytes = [error("ERROR", "57014"), ready(b'I')].concat();
    assert!(matches!(reader.feed(&bytes), Ok(ReplyProgress::Reply { .. })));
    assert_eq!(reader.error().map(|error| error.message.as_str()), Some("why"));
    assert_eq!(reader.farewell(), None);
    assert!(matches!(reader.feed(&ready(b'I')), Ok(ReplyProgress::Reply { .. })));
    assert_eq!(reader.error(), None);
    assert!(matches!(reader.feed(&error("FATAL", "57P01")), Ok(ReplyProgress::Reply { .. })));
    assert!(reader.farewell().is_some());
}

#[test]
fn payload_may_be_discarded_unread() {
    let body = [b'p'; 10_000];
    let bytes = [row(&body), ready(b'I')].concat();
    let payload = 10_006;
    for read in [0, 1, 5_000, 10_005] {
        for skipped in [1, 4_000, payload - read] {
            let mut reader = PostgresReader::default();
            let at = HEADER + read;
            assert_eq!(reader.feed(&bytes[..at]), Ok(ReplyProgress::NeedMore));
            assert_eq!(reader.opaque(), (payload - read) as u64);
            let skipped = skipped.min(payload - read);
            reader.skip(skipped as u64);
            let rest = &bytes[at + skipped..];
            let reply = WholeReply { code: AnswerCode::SQL_SUCCESS, payload: payload as u64 };
            let consumed = rest.len();
            assert_eq!(reader.feed(rest), Ok(ReplyProgress::Reply { consumed, reply }));
            assert_eq!(reader.rows(), 1);
        }
    }
    let mut reader = PostgresReader::default();
    assert_eq!(reader.feed(b"C\0\0\0\x0aSEL"), Ok(ReplyProgress::NeedMore));
    assert_eq!(reader.opaque(), 0);
}

/// An answer, as the oracle has it.
#[derive(Clone, Debug)]
struct Whole {
    notices: Vec<usize>,
    rows: Vec<Vec<u8>>,
    error: Option<(String, bool)>,
    status: u8,
}

fn any_answer() -> impl Strategy<Value = Whole> {
    (
        prop::collection::vec(0..6_usize, 0..3),
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 0..5),
        prop::option::of(("[1-9A-Z][0-9A-Z]{4}", prop::bool::weighted(0.2))),
        prop::sample::select(&b"ITE"[..]),
    )
        .prop_map(|(notices, rows, error, status)| Whole { notices, rows, error, status })
}

impl Whole {
    /// Its bytes, and what is to be seen in them with the position behind each.
    fn write(&self, before: BlockStatus, out: &mut Vec<u8>) -> Vec<(Seen, usize)> {
        let mut seen = Vec::new();
        let mut notice = |place: usize, out: &mut Vec<u8>| {
            for _ in self.notices.iter().filter(|at| **at == place) {
                out.extend(message(b'N', b"SNOTICE\0C00000\0Mx\0\0"));
                seen.push((Seen::Aside, out.len()));
            }
        };
        notice(0, out);
        out.extend(message(b'2', b""));
        for (place, value) in self.rows.iter().enumerate() {
            notice(place + 1, out);
            out.extend(row(value));
        }
        let payload = self.rows.iter().map(|value| value.len() as u64 + 6).sum();
        let rows = self.rows.len() as u64;
        let code = self.error.as_ref().map_or(AnswerCode::SQL_SUCCESS, |(code, _)| state(code));
        let mut status = before;
        if let Some((code, is_fatal)) = &self.error {
            out.extend(error(if *is_fatal { "FATAL" } else { "ERROR" }, code));
        }
        if !self.error.as_ref().is_some_and(|(_, is_fatal)| *is_fatal) {
            out.extend(ready(self.status));
            status = match self.status {
                b'I' => BlockStatus::Idle,
                b'T' => BlockStatus::Open,
                _ => BlockStatus::Failed,
            };
        }
        seen.push((Seen::Answer { code, rows, payload, status }, out.len()));
        seen
    }
}

proptest! {
    #[test]
    fn answers_are_read_as_they_were_written(
        answers in prop::collection::vec(any_answer(), 1..6),
        cuts in prop::collection::vec(0..600_usize, 0..12),
    ) {
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        let mut status = BlockStatus::Idle;
        for answer in &answers {
            expected.extend(answer.write(status, &mut bytes));
            if let Some((Seen::Answer { status: last, .. }, _)) = expected.last() {
                status = *last;
            }
        }
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut reader = PostgresReader::default();
        let mut seen = Vec::new();
        for cut in cuts.windows(2) {
            let mut at = cut[0];
            while at < cut[1] {
                match reader.feed(&bytes[at..cut[1]]) {
                    Ok(ReplyProgress::NeedMore) => break,
                    Ok(ReplyProgress::Reply { consumed, reply: WholeReply { code, payload } }) => {
                        at += consumed;
                        let (rows, status) = (reader.rows(), reader.status());
                        seen.push((Seen::Answer { code, rows, payload, status }, at));
                    }
                    Ok(ReplyProgress::Aside { consumed }) => {
                        at += consumed;
                        seen.push((Seen::Aside, at));
                    }
                    Err(fault) => panic!("{fault} in {}", bytes.escape_ascii()),
                }
            }
        }
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn any_bytes_are_read_the_same_however_they_are_split(
        pieces in prop::collection::vec((prop::sample::select(TAGS), 0..9_usize), 0..20),
        at in 0..200_usize,
    ) {
        let body = [b'I'; 9];
        let messages = pieces.iter().map(|(tag, length)| message(*tag, &body[..*length]));
        let bytes = messages.collect::<Vec<_>>().concat();
        let (left, right) = bytes.split_at(at.min(bytes.len()));
        prop_assert_eq!(read(&[&bytes]), read(&[left, right]));
    }
}
