//! One connection's life, from the answer to the opening to the end of the stream.

use uringbench_core::http::protocol::OtherProtocol;
use uringbench_core::http::response::{Malformed, Persistence, Response};
use uringbench_core::websocket::frame::{self, Kind, Masks};
use uringbench_core::websocket::handshake::{AnswerError, Opening, OpeningParts};
use uringbench_core::websocket::machine::{
    Broken, FrameProgress, Machine, Message, SocketEnd, SocketStage,
};

/// RFC 6455 section 1.3.
const ANSWER: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

struct Client {
    machine: Machine,
    opening: Opening,
}

impl Client {
    fn new() -> Self {
        let parts = OpeningParts {
            authority: "server.example.com",
            target: "/chat",
            headers: &[],
            protocols: &[],
            key: *b"the sample nonce",
        };
        let opening = Opening::build(parts).expect("the parts are in order");
        Self { machine: Machine::new(Masks::new(1), false), opening }
    }

    fn opened() -> Self {
        let mut client = Self::new();
        assert_eq!(client.feed(ANSWER), Ok(FrameProgress::Opened { consumed: ANSWER.len() }));
        assert_eq!(client.machine.stage(), SocketStage::Open);
        client
    }

    fn feed(&mut self, bytes: &[u8]) -> Result<FrameProgress, Broken> {
        self.machine.feed(bytes, &self.opening, None)
    }

    fn expect(&mut self, bytes: &[u8], expected: &[u8]) -> Option<bool> {
        match self.machine.feed(bytes, &self.opening, Some(expected)) {
            Ok(FrameProgress::Message { message, .. }) => Some(message.matches),
            Ok(FrameProgress::NeedMore) => None,
            other => panic!("{other:?}"),
        }
    }
}

fn message(consumed: usize, kind: Kind, payload_bytes: u64) -> Result<FrameProgress, Broken> {
    Ok(FrameProgress::Message { consumed, message: Message { kind, payload_bytes, matches: true } })
}

#[test]
fn the_examples_of_the_rfc_are_read() {
    // RFC 6455 section 5.7, all that a server may send.
    let mut client = Client::opened();
    let text = message(7, Kind::Text, 5);
    assert_eq!(client.feed(b"\x81\x05\x48\x65\x6c\x6c\x6f"), text);
    let fragments = b"\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f";
    assert_eq!(client.feed(fragments), message(9, Kind::Text, 5));
    assert_eq!(client.feed(b"\x8a\x05\x48\x65\x6c\x6c\x6f"), Ok(FrameProgress::NeedMore));
    let large = [b"\x82\x7e\x01\x00".as_slice(), &[7; 256]].concat();
    assert_eq!(client.feed(&large), message(260, Kind::Binary, 256));
    let huge = [b"\x82\x7f\0\0\0\0\0\x01\0\0".as_slice(), &[7; 65_536]].concat();
    assert_eq!(client.feed(&huge), message(65_546, Kind::Binary, 65_536));
    let ping = b"\x89\x05\x48\x65\x6c\x6c\x6f";
    let pong = frame::pong(b"Hello", &mut Masks::new(1)).unwrap();
    assert_eq!(client.feed(ping), Ok(FrameProgress::Reply { consumed: 7, frame: pong }));
    // "A masked text message" is one that only a client may send.
    let masked = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    let broken = client.feed(masked).unwrap_err();
    assert_eq!(broken.close_code(), Some(1002));
    assert_eq!(client.feed(b""), Err(broken), "in each call");
}

#[test]
fn frames_may_follow_the_answer_at_once() {
    let mut client = Client::new();
    let stream = [ANSWER, b"\x81\x02hi"].concat();
    assert_eq!(client.feed(&stream), Ok(FrameProgress::Opened { consumed: ANSWER.len() }));
    assert_eq!(client.feed(&stream[ANSWER.len()..]), message(4, Kind::Text, 2));
}

#[test]
fn an_answer_that_refuses_leaves_room_for_another() {
    let mut client = Client::new();
    let refusal = b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno";
    let response = Response {
        status: 503,
        persistence: Persistence::Kept,
        head_bytes: 40,
        body_bytes: 2,
        is_event_stream: false,
    };
    let refused = Ok(FrameProgress::Refused { consumed: refusal.len(), response });
    assert_eq!(client.feed(&refusal[..39]), Ok(FrameProgress::NeedMore));
    assert_eq!(client.feed(&refusal[39..]), Ok(FrameProgress::Refused { consumed: 3, response }));
    assert_eq!(client.machine.stage(), SocketStage::Opening);
    assert_eq!(client.feed(refusal), refused);
    assert_eq!(client.feed(ANSWER), Ok(FrameProgress::Opened { consumed: ANSWER.len() }));
}

#[test]
fn a_broken_answer_has_no_close_code() {
    let mut client = Client::new();
    let broken = client.feed(b"220 smtp.example.com ESMTP\r\n").unwrap_err();
    assert_eq!(
        broken,
        Broken::Answer(AnswerError::Malformed(Malformed::Protocol(OtherProtocol::MailOrFtp)))
    );
    assert_eq!((broken.close_code(), client.machine.stage()), (None, SocketStage::Broken));
}

#[test]
fn the_end_of_the_stream_means_what_came_before() {
    let end = |answer: &[u8], stream: &[u8]| {
        let mut client = Client::new();
        let _ = client.feed(answer);
        let _ = client.feed(stream);
        let end = client.machine.end_of_stream();
        assert_eq!(client.feed(ANSWER), Ok(FrameProgress::Opened { consumed: ANSWER.len() }));
        end
    };
    assert_eq!(end(b"", b""), SocketEnd::Unopened);
    assert_eq!(end(b"HTTP/1.1 1", b""), SocketEnd::Truncated);
    let refusal = b"HTTP/1.1 404 No\r\n\r\nnothing here";
    let response = Response {
        status: 404,
        persistence: Persistence::Closed,
        head_bytes: 19,
        body_bytes: 12,
        is_event_stream: false,
    };
    assert_eq!(end(refusal, b""), SocketEnd::Refused(response));
    assert_eq!(end(ANSWER, b""), SocketEnd::Unclosed);
    for begun in [b"\x81".as_slice(), b"\x81\x02h", b"\x01\x02hi", b"\x89\x02h", b"\xff"] {
        assert_eq!(end(ANSWER, begun), SocketEnd::Truncated, "{begun:x?}");
    }
    assert_eq!(end(ANSWER, b"\x88\x00"), SocketEnd::Closed);
    assert_eq!(end(ANSWER, b"\x88\x00garbage"), SocketEnd::Closed);
}

#[test]
fn the_masks_go_on_from_one_connection_to_the_next() {
    let mut client = Client::opened();
    let mut masks = Masks::new(1);
    for _ in 0..3 {
        let frame = frame::pong(b"", &mut masks).unwrap();
        assert_eq!(client.feed(b"\x89\x00"), Ok(FrameProgress::Reply { consumed: 2, frame }));
        client.machine.end_of_stream();
        assert_eq!(client.feed(ANSWER), Ok(FrameProgress::Opened { consumed: ANSWER.len() }));
    }
}

#[test]
fn after_a_close_of_ours_messages_still_come_and_nothing_is_answered() {
    let mut client = Client::opened();
    client.machine.close_sent();
    assert_eq!(client.machine.stage(), SocketStage::Closing);
    assert_eq!(client.feed(b"\x81\x02hi"), message(4, Kind::Text, 2));
    assert_eq!(client.feed(b"\x89\x02hi\x02\x01h"), Ok(FrameProgress::NeedMore));
    assert_eq!(client.feed(b"\x80\x01i"), message(3, Kind::Binary, 2));
    let closed = FrameProgress::Closed { consumed: 4, code: Some(1000), reply: None };
    assert_eq!(client.feed(b"\x88\x02\x03\xe8\x81\x02hi"), Ok(closed));
    assert_eq!(client.machine.stage(), SocketStage::Closed);
    assert_eq!(client.feed(b"\x81\x02hi"), Ok(FrameProgress::NeedMore));
}

#[test]
fn an_echo_is_compared_as_it_comes() {
    let mut client = Client::opened();
    assert_eq!(client.expect(b"\x81\x05Hello", b"Hello"), Some(true));
    assert_eq!(client.expect(b"\x81\x05Hello", b"hello"), Some(false));
    assert_eq!(client.expect(b"\x81\x05Hello", b"Hell"), Some(false));
    assert_eq!(client.expect(b"\x81\x05Hello", b"Hello!"), Some(false));
    assert_eq!(client.expect(b"\x81\x00", b""), Some(true));
    for (expected, matches) in [
        (b"Hello".as_slice(), true),
        (b"Hellx", false),
        (b"xello", false),
        (b"Hell", false),
        (b"Hello!", false),
        (b"", false),
    ] {
        for (first, second) in [
            (b"\x81\x05Hel".as_slice(), b"lo".as_slice()),
            (b"\x01\x03Hel", b"\x80\x02lo"),
            (b"\x81", b"\x05Hello"),
            (b"\x01\x00\x89\x00", b"\x00\x02He\x80\x03llo"),
        ] {
            let mut client = Client::opened();
            let first = match client.machine.feed(first, &client.opening, Some(expected)) {
                Ok(FrameProgress::Reply { .. } | FrameProgress::NeedMore) => {
                    client.expect(second, expected)
                }
                other => panic!("{other:?}"),
            };
            assert_eq!(first, Some(matches), "{expected:?}");
        }
    }
}

#[test]
fn payload_can_be_skipped_instead_of_fed() {
    let mut client = Client::opened();
    assert_eq!((client.machine.opaque(), client.machine.skip(0)), (0, None));
    assert_eq!(
        client.feed(b"\x02\x7f\x7f\xff\xff\xff\xff\xff\xff\xfex"),
        Ok(FrameProgress::NeedMore)
    );
    assert_eq!(client.machine.opaque(), (1 << 63) - 3);
    assert_eq!(client.machine.skip((1 << 63) - 4), None);
    assert_eq!((client.machine.skip(1), client.machine.opaque()), (None, 0));
    assert!(!client.machine.is_between(), "its last fragment is awaited");
    assert_eq!(client.feed(b"\x80\x01"), Ok(FrameProgress::NeedMore));
    let skipped = Message { kind: Kind::Binary, payload_bytes: i64::MAX as u64, matches: false };
    assert_eq!(client.machine.skip(1), Some(skipped));
    assert!(client.machine.is_between());
    let next = client.expect(b"\x82\x01x", b"x");
    assert_eq!(next, Some(true), "the next one is compared again");

    let too_large = b"\x02\x7f\x7f\xff\xff\xff\xff\xff\xff\xff";
    assert_eq!(client.feed(too_large), Ok(FrameProgress::NeedMore));
    client.machine.skip(i64::MAX as u64);
    let broken = client.feed(b"\x80\x01").unwrap_err();
    assert_eq!((broken, broken.close_code()), (Broken::TooLarge, Some(1009)));
}

#[test]
fn text_is_opaque_unless_it_is_checked() {
    for (checks_text, opaque) in [(false, 9), (true, 0)] {
        let mut client = Client::new();
        client.machine = Machine::new(Masks::new(1), checks_text);
        client.feed(ANSWER).unwrap();
        assert_eq!(client.feed(b"\x81\x0ax"), Ok(FrameProgress::NeedMore));
        assert_eq!(client.machine.opaque(), opaque);
        let rest = client.feed(b"\xff12345678");
        assert_eq!(rest.is_err(), checks_text);
        // The code of a Close frame and its reason are always read.
        client.machine.end_of_stream();
        client.feed(ANSWER).unwrap();
        assert_eq!(client.feed(b"\x88\x03\x03\xe8\xff"), Err(Broken::CloseReason));
    }
}
