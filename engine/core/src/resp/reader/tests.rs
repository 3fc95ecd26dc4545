//! Replies of Redis: every kind, split everywhere, against an oracle; hostile bytes.

use proptest::prelude::*;

use super::*;

/// The bytes that mean something in replies, and two others.
const LETTERS: &[u8] = b"+-:$*_#,(!=%~>|019\r\nab";

/// What the reader says about some bytes: the replies, or how it ended.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Reply(AnswerCode, u64),
    Aside,
    Fault(ReplyFault),
}

/// Everything in bytes that come in these pieces.
fn read(pieces: &[&[u8]]) -> Vec<Seen> {
    let mut reader = ReplyReader::default();
    let mut seen = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            match reader.feed(rest) {
                Ok(ReplyProgress::NeedMore) => break,
                Ok(ReplyProgress::Reply { consumed, reply }) => {
                    seen.push(Seen::Reply(reply.code, reply.payload));
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

fn error(word: &str) -> AnswerCode {
    AnswerCode::redis(word.as_bytes())
}

#[test]
fn every_kind_of_reply_is_read_the_same_however_it_is_split() {
    let cases: &[(&[u8], AnswerCode, u64)] = &[
        (b"+OK\r\n", STATUS, 0),
        (b"+\r\n", STATUS, 0),
        (b":-42\r\n", STATUS, 0),
        (b":+9223372036854775807\r\n", STATUS, 0),
        (b"$3\r\nxyz\r\n", VALUE, 3),
        (b"$0\r\n\r\n", VALUE, 0),
        (b"$5\r\n\r\n$1\r\r\n", VALUE, 5),
        (b"$-1\r\n", NIL, 0),
        (b"*-1\r\n", NIL, 0),
        (b"_\r\n", NIL, 0),
        (b"*0\r\n", NIL, 0),
        (b"*2\r\n$1\r\na\r\n$-1\r\n", VALUE, 1),
        (b"*2\r\n*1\r\n*1\r\n:1\r\n-ERR inner\r\n", VALUE, 0),
        (b"-WRONGTYPE Operation\r\n", error("WRONGTYPE"), 0),
        (b"-ERR\r\n", error("ERR"), 0),
        (b"-\r\n", error(""), 0),
        (b"-MINE own\r\n", error("MINE"), 0),
        (b"!9\r\nOOM limit\r\n", error("OOM"), 9),
        (b"!0\r\n\r\n", error(""), 0),
        (b"=8\r\ntxt:some\r\n", VALUE, 8),
        (b"#t\r\n", STATUS, 0),
        (b"#f\r\n", STATUS, 0),
        (b",1.5e3\r\n", STATUS, 0),
        (b",inf\r\n", STATUS, 0),
        (b"(3492890328409238509324850943850943825024385\r\n", STATUS, 0),
        (b"~2\r\n+a\r\n+b\r\n", VALUE, 0),
        (b"%1\r\n+key\r\n$2\r\nab\r\n", VALUE, 2),
        (b"%0\r\n", NIL, 0),
        // An attribute belongs to the value behind it, at any depth.
        (b"|1\r\n+ttl\r\n:3600\r\n$2\r\nab\r\n", VALUE, 2),
        (b"|0\r\n_\r\n", NIL, 0),
        (b"*2\r\n|1\r\n+a\r\n+b\r\n:1\r\n:2\r\n", VALUE, 0),
        (b"|1\r\n+a\r\n*1\r\n_\r\n-NOAUTH x\r\n", error("NOAUTH"), 0),
    ];
    for &(bytes, code, payload) in cases {
        assert_same_when_split(bytes, &[Seen::Reply(code, payload)]);
    }
    // All of them in a row, with pushes between them.
    let push = b">3\r\n+message\r\n$1\r\nc\r\n$-1\r\n";
    let (mut bytes, mut expected) = (Vec::new(), Vec::new());
    for &(reply, code, payload) in cases {
        bytes.extend_from_slice(push);
        bytes.extend_from_slice(reply);
        expected.extend([Seen::Aside, Seen::Reply(code, payload)]);
    }
    assert_same_when_split(&bytes, &expected);
}

#[test]
fn bytes_that_are_no_reply_are_refused_at_any_split() {
    let deep = [b"*1\r\n".repeat(DEPTH_MAX), b"*1\r\n".to_vec()].concat();
    let attributes = [b"|1\r\n".repeat(DEPTH_MAX), b"|1\r\n".to_vec()].concat();
    for (bytes, fault) in [
        (&b"HTTP/1.1 200 OK\r\n"[..], ReplyFault::Type(b'H')),
        (b"\r\n", ReplyFault::Type(b'\r')),
        (b"$\r\n", ReplyFault::Length),
        (b"$-2\r\n", ReplyFault::Length),
        (b"$x\r\n", ReplyFault::Length),
        (b"$?\r\n", ReplyFault::Length),
        (b"$+1\r\n", ReplyFault::Length),
        (b"$536870913\r\n", ReplyFault::Length),
        (b"$2147483648\r\n", ReplyFault::Length),
        (b"$99999999999999999999999\r\n", ReplyFault::Length),
        (b"*4294967296\r\n", ReplyFault::Length),
        (b"%-1\r\n", ReplyFault::Length),
        (b"*9223372036854775807\r\n", ReplyFault::Length),
        (b"$1\r\nab\r\n", ReplyFault::End),
        (b"$1\r\na\n", ReplyFault::End),
        (b"$1\r\na\r\r", ReplyFault::End),
        (b"+a\n", ReplyFault::End),
        (b"+a\rb\r\n", ReplyFault::End),
        (b"+a\r\r\n", ReplyFault::End),
        (b":\r\n", ReplyFault::Value),
        (b":-\r\n", ReplyFault::Value),
        (b":1.5\r\n", ReplyFault::Value),
        (b"#x\r\n", ReplyFault::Value),
        (b"#\r\n", ReplyFault::Value),
        (b"_0\r\n", ReplyFault::Value),
        (b"*1\r\n>0\r\n", ReplyFault::Push),
        (&deep, ReplyFault::Depth),
        (&attributes, ReplyFault::Depth),
    ] {
        assert_same_when_split(bytes, &[Seen::Fault(fault)]);
    }
}

#[test]
fn hostile_replies_cost_bounded_memory() {
    let mut reader = ReplyReader::default();
    // A line without an end, of an error, which is kept.
    let mut fault = reader.feed(b"-").err();
    for _ in 0..=LINE_MAX / 1_000 {
        fault = fault.or_else(|| reader.feed(&[b'x'; 1_000]).err());
    }
    assert_eq!(fault, Some(ReplyFault::Line));
    assert!(reader.error.capacity() <= 2 * ERROR_KEPT, "{}", reader.error.capacity());
    // Attributes without an end, and without elements.
    let mut reader = ReplyReader::default();
    for _ in 0..100_000 {
        assert_eq!(reader.feed(b"|0\r\n|1\r\n+a\r\n+b\r\n"), Ok(ReplyProgress::NeedMore));
    }
    assert!(reader.open.capacity() <= DEPTH_MAX);
    // A billion elements.
    let mut reader = ReplyReader::default();
    assert_eq!(reader.feed(b"*1000000000\r\n"), Ok(ReplyProgress::NeedMore));
    for _ in 0..100_000 {
        assert_eq!(reader.feed(b"*0\r\n"), Ok(ReplyProgress::NeedMore));
    }
    assert!(reader.open.capacity() <= DEPTH_MAX);
}

#[test]
fn errors_keep_their_text() {
    let mut reader = ReplyReader::default();
    for (piece, kept) in [(&b"-ERR un"[..], "ERR un"), (b"known\r\n", "ERR unknown")] {
        let _ = reader.feed(piece);
        assert_eq!(reader.error(), kept.as_bytes());
    }
    let _ = reader.feed(b"+OK\r\n");
    assert_eq!(reader.error(), b"");
}

#[test]
fn payload_may_be_discarded_unread() {
    let payload = [b'p'; 10_000];
    let bytes = [b"$10000\r\n", &payload[..], b"\r\n"].concat();
    for read in [0, 1, 5_000, 9_999] {
        for skipped in [1, 4_000, 10_000 - read] {
            let mut reader = ReplyReader::default();
            let at = b"$10000\r\n".len() + read;
            assert_eq!(reader.feed(&bytes[..at]), Ok(ReplyProgress::NeedMore));
            assert_eq!(reader.opaque(), 10_000 - read as u64);
            let skipped = skipped.min(10_000 - read);
            reader.skip(skipped as u64);
            let rest = &bytes[at + skipped..];
            let reply = WholeReply { code: VALUE, payload: 10_000 };
            let consumed = rest.len();
            assert_eq!(reader.feed(rest), Ok(ReplyProgress::Reply { consumed, reply }));
        }
    }
    // Neither an error's text nor what is behind a string.
    for (bytes, opaque) in [(&b"!4\r\nE"[..], 0), (b"$1\r\na", 0), (b"*1\r\n$4\r\na", 3)] {
        let mut reader = ReplyReader::default();
        assert_eq!(reader.feed(bytes), Ok(ReplyProgress::NeedMore));
        assert_eq!(reader.opaque(), opaque);
    }
}

/// A value, as the oracle has it.
#[derive(Clone, Debug)]
enum Value {
    Simple(u8, String),
    Integer(i64),
    Boolean(bool),
    Nil(u8),
    Bulk(u8, Vec<u8>),
    Elements(u8, Vec<Self>),
    Attributed(Vec<Self>, Box<Self>),
}

impl Value {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Simple(kind, text) => {
                out.push(*kind);
                out.extend_from_slice(format!("{text}\r\n").as_bytes());
            }
            Self::Integer(number) => out.extend_from_slice(format!(":{number}\r\n").as_bytes()),
            Self::Boolean(yes) => out.extend_from_slice(if *yes { b"#t\r\n" } else { b"#f\r\n" }),
            Self::Nil(b'_') => out.extend_from_slice(b"_\r\n"),
            Self::Nil(kind) => {
                out.push(*kind);
                out.extend_from_slice(b"-1\r\n");
            }
            Self::Bulk(kind, bytes) => {
                out.push(*kind);
                out.extend_from_slice(format!("{}\r\n", bytes.len()).as_bytes());
                out.extend_from_slice(bytes);
                out.extend_from_slice(b"\r\n");
            }
            Self::Elements(kind, elements) => {
                let count = if *kind == b'%' { elements.len() / 2 } else { elements.len() };
                out.push(*kind);
                out.extend_from_slice(format!("{count}\r\n").as_bytes());
                let elements = &elements[..if *kind == b'%' { 2 * count } else { count }];
                elements.iter().for_each(|element| element.write(out));
            }
            Self::Attributed(attribute, value) => {
                let pairs = attribute.len() / 2;
                out.extend_from_slice(format!("|{pairs}\r\n").as_bytes());
                attribute[..2 * pairs].iter().for_each(|element| element.write(out));
                value.write(out);
            }
        }
    }

    fn code(&self) -> AnswerCode {
        let word = |text: &[u8]| {
            AnswerCode::redis(text.split(|byte| *byte == b' ').next().unwrap_or_default())
        };
        match self {
            Self::Simple(b'-', text) => word(text.as_bytes()),
            Self::Simple(..) | Self::Integer(_) | Self::Boolean(_) => STATUS,
            Self::Nil(_) => NIL,
            Self::Bulk(b'!', bytes) => word(bytes),
            // Of a map, one element is no pair, and is not written.
            Self::Elements(b'%', elements) if elements.len() < 2 => NIL,
            Self::Elements(_, elements) if elements.is_empty() => NIL,
            Self::Bulk(..) | Self::Elements(..) => VALUE,
            Self::Attributed(_, value) => value.code(),
        }
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let simple = (prop::sample::select(&b"+-,("[..]), "[A-Z]{0,6} ?[a-z0-9]{0,6}");
    let leaf = prop_oneof![
        simple.prop_map(|(kind, text)| Value::Simple(kind, text)),
        any::<i64>().prop_map(Value::Integer),
        any::<bool>().prop_map(Value::Boolean),
        prop::sample::select(&b"_$*"[..]).prop_map(Value::Nil),
        (prop::sample::select(&b"$=!"[..]), prop::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(kind, bytes)| Value::Bulk(kind, bytes)),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let some = prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            (prop::sample::select(&b"*~%"[..]), some.clone())
                .prop_map(|(kind, all)| Value::Elements(kind, all)),
            (some, inner).prop_map(|(all, of)| Value::Attributed(all, Box::new(of))),
        ]
    })
}

proptest! {
    #[test]
    fn replies_are_read_as_they_were_written(
        values in prop::collection::vec((any_value(), any::<bool>()), 1..6),
        cuts in prop::collection::vec(0..400_usize, 0..12),
    ) {
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        for (value, is_push) in &values {
            if *is_push {
                bytes.extend_from_slice(b">1\r\n");
                value.write(&mut bytes);
                expected.push((None, bytes.len()));
            } else {
                value.write(&mut bytes);
                expected.push((Some(value.code()), bytes.len()));
            }
        }
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut reader = ReplyReader::default();
        let mut seen = Vec::new();
        for cut in cuts.windows(2) {
            let mut at = cut[0];
            while at < cut[1] {
                match reader.feed(&bytes[at..cut[1]]) {
                    Ok(ReplyProgress::NeedMore) => break,
                    Ok(ReplyProgress::Reply { consumed, reply }) => {
                        at += consumed;
                        seen.push((Some(reply.code), at));
                    }
                    Ok(ReplyProgress::Aside { consumed }) => {
                        at += consumed;
                        seen.push((None, at));
                    }
                    Err(fault) => panic!("{fault} in {}", bytes.escape_ascii()),
                }
            }
        }
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn any_bytes_are_read_the_same_however_they_are_split(
        bytes in prop::collection::vec(prop::sample::select(LETTERS), 0..60),
        at in 0..60_usize,
    ) {
        let (left, right) = bytes.split_at(at.min(bytes.len()));
        prop_assert_eq!(read(&[&bytes]), read(&[left, right]));
    }
}
