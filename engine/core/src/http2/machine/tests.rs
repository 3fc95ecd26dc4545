//! Scripts of a server, and what the machine makes of them; `conformance` has those of h2spec.

mod calls;
mod conformance;
mod flow;
mod own;
mod whole;

use std::num::NonZeroUsize;

use super::*;
use crate::http::body::Body;
use crate::http::request::{RequestParts, RequestTemplate};
use crate::http2::block::Blocks;
use crate::http2::error::ErrorCode;
use crate::http2::frame::{flag, kind};
use crate::http2::request::RequestFrames;

/// A frame of the server.
fn frame_of(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::write(&mut out, (kind, flags, stream), payload);
    out
}

fn settings_of(entries: &[(u16, u32)]) -> Vec<u8> {
    let entry =
        |(id, value): &(u16, u32)| [id.to_be_bytes().as_slice(), &value.to_be_bytes()].concat();
    let payload: Vec<u8> = entries.iter().flat_map(entry).collect();
    frame_of(kind::SETTINGS, 0, 0, &payload)
}

/// HEADERS with a block of its own.
fn headers_of(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    frame_of(kind::HEADERS, flags | flag::END_HEADERS, stream, block)
}

/// `:status: 200`.
const OK: &[u8] = b"\x88";
/// `:status: 200`, `content-length: 5`.
const OK_FIVE: &[u8] = b"\x88\x0f\x0d\x015";

fn answer(stream: u32, body: &[u8]) -> Vec<u8> {
    let data = frame_of(kind::DATA, flag::END_STREAM, stream, body);
    [headers_of(stream, 0, OK), data].concat()
}

fn get() -> RequestFrames {
    let request = RequestTemplate::build(RequestParts::new("GET", "h", "/"));
    RequestFrames::new(&request.expect("valid"), "http").expect("valid")
}

fn post(body: &[u8]) -> RequestFrames {
    let parts = RequestParts { body: Body::Bytes(body), ..RequestParts::new("POST", "h", "/") };
    let request = RequestTemplate::build(parts).expect("valid");
    RequestFrames::new(&request, "http").expect("valid")
}

/// A machine, and what it sent.
struct Client {
    machine: Http2Machine,
    blocks: Blocks,
    out: Vec<u8>,
}

impl Client {
    fn new(depth: u16) -> Self {
        Self {
            machine: Http2Machine::new(depth, Http2Settings::default()),
            blocks: Blocks::default(),
            out: Vec::new(),
        }
    }

    /// One whose connection is open, with so many GETs in flight, named 100, 101 …
    fn with_gets(depth: u16, count: u32) -> Self {
        let mut client = Self::new(depth);
        assert_eq!(client.hear(&settings_of(&[])), Ok(vec![StreamEvent::Opened]));
        (0..count).for_each(|n| client.machine.begin(100 + n, &get(), &mut client.out));
        client.out.clear();
        client
    }

    /// Feed all of the bytes, at most so many at once.
    fn hear_in(&mut self, bytes: &[u8], most: usize) -> Result<Vec<StreamEvent>, Violation> {
        let mut events = Vec::new();
        for piece in bytes.chunks(most) {
            let mut rest = piece;
            loop {
                let Self { machine, blocks, out } = self;
                let progress = machine.feed(rest, blocks, out)?;
                assert!(progress.event.is_some() || progress.consumed == rest.len());
                rest = &rest[progress.consumed..];
                match progress.event {
                    Some(event) => events.push(event),
                    None => break,
                }
            }
        }
        Ok(events)
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<Vec<StreamEvent>, Violation> {
        self.hear_in(bytes, usize::MAX)
    }

    /// The frames sent since the last look: type, flags, stream and payload.
    fn sent(&mut self) -> Vec<(u8, u8, u32, Vec<u8>)> {
        let out = std::mem::take(&mut self.out);
        let mut rest = out.as_slice();
        let mut sent = Vec::new();
        while let Some((head, behind)) = rest.split_first_chunk() {
            let FrameHeader { length, kind, flags, stream } = FrameHeader::read(head);
            let (payload, behind) = behind.split_at(length as usize);
            sent.push((kind, flags, stream, payload.to_vec()));
            rest = behind;
        }
        sent
    }
}

const fn answered(exchange: u32, status: u16, body_bytes: u64) -> StreamEvent {
    StreamEvent::Answered {
        exchange,
        answer: StreamAnswer { status, body_bytes, grpc_status: None },
    }
}

const fn began(exchange: u32) -> StreamEvent {
    StreamEvent::Began { exchange }
}

/// A long exchange of everything that is allowed, and its events.
fn everything() -> (Vec<u8>, Vec<StreamEvent>) {
    let trailer = b"\x40\x01a\x01b";
    let stream: [Vec<u8>; 17] = [
        settings_of(&[(3, 100)]),
        frame_of(kind::SETTINGS, flag::ACK, 0, b""),
        frame_of(kind::WINDOW_UPDATE, 0, 0, &[0, 1, 0, 0]),
        // Stream 5 is answered first.
        answer(5, b"hello"),
        frame_of(kind::PING, 0, 0, b"01234567"),
        // 103, then an answer in several frames with padding and a priority.
        headers_of(1, 0, b"\x08\x03103"),
        frame_of(kind::HEADERS, flag::PADDED | flag::PRIORITY, 1, b"\x02\0\0\0\x01\x10\x88\0\0"),
        frame_of(kind::CONTINUATION, 0, 1, b"\x0f\x0d"),
        frame_of(kind::CONTINUATION, flag::END_HEADERS, 1, b"\x015"),
        frame_of(kind::DATA, flag::PADDED, 1, b"\x03he\0\0\0"),
        frame_of(kind::DATA, 0, 1, b""),
        frame_of(0xfa, 0xff, 9, b"unknown"),
        frame_of(kind::DATA, 0, 1, b"llo"),
        headers_of(1, flag::END_STREAM, trailer),
        frame_of(kind::PRIORITY, 0, 99, b"\0\0\0\x01\x10"),
        // Refers to the entry that the trailer has inserted.
        headers_of(3, flag::END_STREAM, b"\x8d\xbe"),
        frame_of(kind::GOAWAY, 0, 0, b"\0\0\0\x05\0\0\0\0bye"),
    ];
    let events = vec![
        StreamEvent::Opened,
        began(102),
        answered(102, 200, 5),
        began(100),
        answered(100, 200, 5),
        answered(101, 404, 0),
        StreamEvent::GoingAway { code: ErrorCode::NO_ERROR },
    ];
    (stream.concat(), events)
}

#[test]
fn answers_come_in_any_order_and_split_anywhere() {
    let (stream, expected) = everything();
    for most in [usize::MAX, 1, 2, 3, 5, 8, 9, 10, 13, 64] {
        let mut client = Client::new(4);
        (0..3).for_each(|n| client.machine.begin(100 + n, &get(), &mut client.out));
        client.out.clear();
        assert_eq!(client.hear_in(&stream, most).as_deref(), Ok(expected.as_slice()), "{most}");
        assert_eq!((client.machine.live(), client.machine.allowed()), (0, 0));
        let sent = client.sent();
        let kinds: Vec<_> = sent.iter().map(|(kind, flags, ..)| (*kind, *flags)).collect();
        assert_eq!(kinds, [(kind::SETTINGS, flag::ACK), (kind::PING, flag::ACK)]);
        assert_eq!(sent[1].3, b"01234567");
    }
}

#[test]
fn one_split_at_every_position() {
    let (stream, expected) = everything();
    for cut in 0..=stream.len() {
        let mut client = Client::new(4);
        (0..3).for_each(|n| client.machine.begin(100 + n, &get(), &mut client.out));
        let mut events = client.hear(&stream[..cut]).expect("valid");
        events.extend(client.hear(&stream[cut..]).expect("valid"));
        assert_eq!(events, expected, "{cut}");
    }
}

#[test]
fn a_header_block_may_be_continued_byte_by_byte() {
    let mut client = Client::with_gets(1, 1);
    let block = [OK_FIVE, b"\0\x03x-a\x7f\x81\x02", &[b'v'; 384]].concat();
    let mut stream = frame_of(kind::HEADERS, flag::END_STREAM, 1, b"");
    for (index, byte) in block.iter().enumerate() {
        let flags = if index + 1 == block.len() { flag::END_HEADERS } else { 0 };
        stream.extend(frame_of(kind::CONTINUATION, flags, 1, &[*byte]));
    }
    let fault = "the body does not have its content-length";
    assert_eq!(client.hear(&stream), Ok(vec![StreamEvent::Malformed { exchange: 100, fault }]));
}

#[test]
fn the_first_request_primes_the_table_and_the_next_refer_to_it() {
    let mut client = Client::with_gets(8, 0);
    let request = get();
    for _ in 0..3 {
        client.machine.begin(1, &request, &mut client.out);
    }
    let sent = client.sent();
    let of = |index: usize| (sent[index].2, sent[index].3.len());
    assert!(of(0).1 > 15, "{sent:?}");
    assert_eq!([of(1), of(2)], [(3, 5), (5, 5)]);
    // The target's table shrinks in the middle: it is emptied, and not used any more.
    assert_eq!(client.hear(&settings_of(&[(1, 100)])), Ok(vec![StreamEvent::Room]));
    client.out.clear();
    for _ in 0..2 {
        client.machine.begin(1, &request, &mut client.out);
    }
    let sent = client.sent();
    assert_eq!((sent[0].3[0], sent[0].3.len()), (0x20, sent[1].3.len() + 1));
    assert_eq!(sent[0].3[1..], sent[1].3);
}

#[test]
fn limits_of_the_target_are_kept() {
    let mut client = Client::new(100);
    assert_eq!(client.hear(&settings_of(&[(3, 7)])), Ok(vec![StreamEvent::Opened]));
    assert_eq!((client.machine.allowed(), client.machine.streams_max()), (7, 7));
    assert_eq!(client.hear(&settings_of(&[(3, 0)])), Ok(vec![StreamEvent::Room]));
    assert_eq!(client.machine.allowed(), 0);
    assert_eq!(client.hear(&settings_of(&[(3, 1_000)])), Ok(vec![StreamEvent::Room]));
    assert_eq!(client.machine.allowed(), 100);
    // Settings that change nothing are acknowledged too.
    assert_eq!(client.hear(&settings_of(&[(3, 1_000)])), Ok(vec![]));
    assert_eq!(client.sent().len(), 4);
}

#[test]
fn what_was_not_processed_is_given_back() {
    let mut client = Client::with_gets(8, 6);
    let refused = frame_of(kind::RST_STREAM, 0, 3, &[0, 0, 0, 7]);
    assert_eq!(client.hear(&refused), Ok(vec![StreamEvent::Refused { exchange: 101 }]));
    let goaway = |last: u8| frame_of(kind::GOAWAY, 0, 0, &[0, 0, 0, last, 0, 0, 0, 0]);
    let going = Ok(vec![StreamEvent::GoingAway { code: ErrorCode::NO_ERROR }]);
    // The first one announces it (RFC 9113 section 6.8).
    let announced = frame_of(kind::GOAWAY, 0, 0, b"\x7f\xff\xff\xff\0\0\0\0");
    assert_eq!(client.hear(&announced), going);
    assert_eq!((client.machine.next_unprocessed(), client.machine.allowed()), (None, 0));
    assert_eq!(client.hear(&goaway(7)), going);
    let mut given_back = Vec::new();
    while let Some(exchange) = client.machine.next_unprocessed() {
        given_back.push(exchange);
    }
    assert_eq!(given_back, [104, 105]);
    // A third one cannot raise it.
    assert_eq!(client.hear(&goaway(11)), going);
    assert_eq!(client.machine.next_unprocessed(), None);
    let rest = [answer(1, b""), answer(7, b""), answer(5, b""), answer(9, b"")].concat();
    let ends = [100, 103, 102].map(|it| [began(it), answered(it, 200, 0)]).concat();
    assert_eq!(client.hear(&rest), Ok(ends));
    assert_eq!(client.machine.live(), 0);
}

#[test]
fn streams_end_by_code() {
    let mut client = Client::with_gets(8, 4);
    let reset = |stream, code| frame_of(kind::RST_STREAM, 0, stream, &[0, 0, 0, code]);
    let codes = [reset(1, 2), reset(3, 8), reset(5, 13), reset(5, 13)].concat();
    let expected = [(100, 2), (101, 8), (102, 13)]
        .map(|(exchange, code)| StreamEvent::Reset { exchange, code: ErrorCode(code) });
    assert_eq!(client.hear(&codes), Ok(expected.to_vec()));
    // After a complete answer a reset means nothing.
    let stream = [answer(7, b"x"), reset(7, 0)].concat();
    assert_eq!(client.hear(&stream), Ok(vec![began(103), answered(103, 200, 1)]));
}

#[test]
fn a_stream_is_refused_only_before_its_answer_begins() {
    let mut client = Client::with_gets(3, 3);
    let refused = |stream| frame_of(kind::RST_STREAM, 0, stream, &[0, 0, 0, 7]);
    assert_eq!(client.hear(&refused(1)), Ok(vec![StreamEvent::Refused { exchange: 100 }]));
    let stream = [headers_of(3, 0, OK), refused(3)].concat();
    let reset = StreamEvent::Reset { exchange: 101, code: ErrorCode::REFUSED_STREAM };
    assert_eq!(client.hear(&stream), Ok(vec![began(101), reset]));
    // An interim answer is none.
    let stream = [headers_of(5, 0, b"\x08\x03103"), refused(5)].concat();
    assert_eq!(client.hear(&stream), Ok(vec![StreamEvent::Refused { exchange: 102 }]));
}

#[test]
fn the_first_error_of_a_goaway_is_kept() {
    let mut client = Client::with_gets(1, 1);
    for (code, kept) in [(0, None), (11, Some(11)), (2, Some(11)), (0, Some(11))] {
        let payload = [0, 0, 0, 1, 0, 0, 0, code];
        let going = StreamEvent::GoingAway { code: ErrorCode(code.into()) };
        assert_eq!(client.hear(&frame_of(kind::GOAWAY, 0, 0, &payload)), Ok(vec![going]));
        assert_eq!(client.machine.expulsion(), kept.map(ErrorCode));
    }
}

#[test]
fn an_alert_of_tls_is_recognised() {
    let mut client = Client::new(1);
    assert_eq!(client.hear(b"\x15\x03\x01\x00\x02\x02\x46"), Ok(vec![]));
    assert!(client.machine.hears_tls());
    let mut client = Client::new(1);
    assert_eq!(client.hear(&settings_of(&[])[..5]), Ok(vec![]));
    assert!(!client.machine.hears_tls());
}

#[test]
fn a_stream_that_is_cancelled_is_forgotten_but_still_decoded() {
    let mut client = Client::with_gets(2, 2);
    let Client { machine, out, .. } = &mut client;
    assert!(machine.cancel(100, out) && !machine.cancel(100, out));
    assert_eq!(client.sent(), [(kind::RST_STREAM, 0, 1, vec![0, 0, 0, 8])]);
    // Its answer inserts an entry that the next one refers to.
    let late = [
        headers_of(1, 0, b"\x88\x40\x0econtent-length\x013"),
        frame_of(kind::DATA, flag::END_STREAM, 1, b"abc"),
        headers_of(3, 0, b"\x88\xbe"),
        frame_of(kind::DATA, flag::END_STREAM, 3, b"abc"),
    ];
    assert_eq!(client.hear(&late.concat()), Ok(vec![began(101), answered(101, 200, 3)]));
}

#[test]
fn heads_have_no_bodies_and_304_only_a_length() {
    let head = RequestTemplate::build(RequestParts::new("HEAD", "h", "/")).expect("valid");
    let frames = RequestFrames::new(&head, "http").expect("valid");
    assert!(frames.is_head());
    let mut client = Client::new(1);
    client.hear(&settings_of(&[])).expect("valid");
    client.machine.begin(1, &frames, &mut client.out);
    assert_eq!(
        client.hear(&headers_of(1, flag::END_STREAM, OK_FIVE)),
        Ok(vec![answered(1, 200, 0)])
    );
    let mut client = Client::with_gets(1, 1);
    let not_modified = headers_of(1, flag::END_STREAM, b"\x8b\x0f\x0d\x015");
    assert_eq!(client.hear(&not_modified), Ok(vec![answered(100, 304, 0)]));
}

#[test]
fn ids_run_out_in_order() {
    let mut client = Client::with_gets(2, 0);
    client.machine.next_id = ID_MAX - 2_000;
    let mut count = 0;
    while !client.machine.is_used_up() {
        client.machine.begin(count, &get(), &mut client.out);
        let id = client.machine.next_id - 2;
        assert_eq!(client.hear(&answer(id, b"")).map(|events| events.len()), Ok(2));
        count += 1;
    }
    assert!(client.machine.allowed() == 0 && client.machine.next_id < ID_MAX);
    assert_eq!(count, 993);
}

#[test]
fn floods_are_bounded() {
    let floods: [(&str, Vec<u8>); 6] = [
        ("ping", frame_of(kind::PING, 0, 0, b"01234567")),
        ("settings", settings_of(&[])),
        ("empty data", frame_of(kind::DATA, 0, 1, b"")),
        ("priority", frame_of(kind::PRIORITY, 0, 1, &[0; 5])),
        ("unknown", frame_of(0x77, 0, 0, b"")),
        ("window", frame_of(kind::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])),
    ];
    for (name, frame) in floods {
        let mut client = Client::with_gets(1, 1);
        client.hear(&headers_of(1, 0, OK)).expect("valid");
        let some = frame.repeat(4_000);
        assert!(client.hear(&some).is_ok(), "{name}");
        let why = client.hear(&some.repeat(5)).expect_err(name);
        assert_eq!(why.code, ErrorCode::ENHANCE_YOUR_CALM, "{name}");
    }
    // With progress between them nothing is a flood.
    let mut client = Client::with_gets(1, 0);
    for round in 0..20 {
        client.machine.begin(round, &get(), &mut client.out);
        client.hear(&frame_of(kind::PING, 0, 0, b"01234567").repeat(4_000)).expect("valid");
        client.hear(&answer(client.machine.next_id - 2, b"")).expect("valid");
    }
}

#[test]
fn a_request_in_chunks_is_not_one_of_http_2() {
    let parts = RequestParts {
        body: Body::Bytes(b"x"),
        chunk_bytes: NonZeroUsize::new(1),
        ..RequestParts::new("POST", "h", "/")
    };
    let request = RequestTemplate::build(parts).expect("valid");
    assert!(RequestFrames::new(&request, "http").is_err());
}
