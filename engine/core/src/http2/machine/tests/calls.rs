//! Calls of gRPC: how they end, by trailers and by headers alone; their messages at every split.

use std::sync::Arc;

use super::*;
use crate::grpc::messages::append;
use crate::grpc::status::text;

fn literal(name: &str, value: &str) -> Vec<u8> {
    let part = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    [&[0][..], &part(name), &part(value)].concat()
}

fn head_of(content_type: &str) -> Vec<u8> {
    [OK, &literal("content-type", content_type)].concat()
}

fn head() -> Vec<u8> {
    head_of("application/grpc")
}

fn trailer(stream: u32, status: &str) -> Vec<u8> {
    headers_of(stream, flag::END_STREAM, &literal("grpc-status", status))
}

fn body(messages: &[&[u8]]) -> Vec<u8> {
    let mut body = Vec::new();
    messages.iter().for_each(|message| append(message, &mut body));
    body
}

fn data(stream: u32, bytes: &[u8]) -> Vec<u8> {
    frame_of(kind::DATA, 0, stream, bytes)
}

/// A client with so many calls in flight, named 100, 101 …, which send these rows in turn.
fn client(answers: CallAnswers, count: u32, rows: &[&[u8]]) -> Client {
    let parts =
        RequestParts { body: Body::Bytes(b"own"), ..RequestParts::new("POST", "h", "/s/m") };
    let request = RequestTemplate::build(parts).expect("valid");
    let rows: Vec<Vec<u8>> = rows.iter().map(|row| row.to_vec()).collect();
    let length = rows.len().max(1) as u32;
    let frames = RequestFrames::of_call(&request, "http", &Arc::new(rows)).expect("valid");
    let mut client = Client::new(8);
    client.machine = Http2Machine::new(8, Http2Settings::default()).for_calls(answers);
    assert_eq!(client.hear(&settings_of(&[])), Ok(vec![StreamEvent::Opened]));
    client.out.clear();
    for number in 0..count {
        let row = number % length;
        client.machine.begin_row(100 + number, (&frames, row), &mut client.out);
    }
    client.machine.send_bodies(|row| frames.body(row), usize::MAX, &mut client.out);
    client
}

const fn called(exchange: u32, status: Option<u8>, body_bytes: u64) -> StreamEvent {
    let answer = StreamAnswer { status: 200, body_bytes, grpc_status: status };
    StreamEvent::Answered { exchange, answer }
}

const fn message(exchange: u32, number: u32) -> StreamEvent {
    StreamEvent::Message { exchange, number }
}

#[test]
fn each_call_sends_its_row_without_a_length() {
    let rows: [&[u8]; 3] = [b"\0\0\0\0\x01a", b"\0\0\0\0\x02bb", b"\0\0\0\0\0"];
    let mut client = client(CallAnswers::One, 4, &rows);
    let sent = client.sent();
    let bodies: Vec<_> = sent.iter().filter(|frame| frame.0 == kind::DATA).collect();
    assert_eq!(bodies.len(), 4);
    for (number, (_, flags, stream, payload)) in bodies.into_iter().enumerate() {
        assert_eq!((*flags, *stream as usize), (flag::END_STREAM, 2 * number + 1));
        assert_eq!(payload, rows[number % 3]);
    }
    let block = &sent.iter().find(|frame| frame.0 == kind::HEADERS).expect("a header").3;
    let mut names = Vec::new();
    let mut decoder = crate::http2::hpack::decode::Decoder::new(4_096);
    let read = decoder.decode(block, |(name, _)| names.push(name.to_vec()));
    assert!(read.is_ok() && !names.contains(&b"content-length".to_vec()), "{names:?}");
    // Without rows the request's own body is sent.
    let mut client = self::client(CallAnswers::One, 1, &[]);
    assert!(client.sent().iter().any(|frame| frame.3 == b"own"));
}

#[test]
fn calls_end_by_their_status() {
    let message = body(&[b"hello"]);
    let failed = |exchange, fault| StreamEvent::Malformed { exchange, fault };
    let of = |head: &[u8], body: &[u8], end: Vec<u8>| {
        [headers_of(1, 0, head), data(1, body), end].concat()
    };
    let only = |block: &[u8]| headers_of(1, flag::END_STREAM, block);
    let grpc = head();
    for (bytes, end) in [
        (of(&grpc, &message, trailer(1, "0")), called(100, Some(0), 10)),
        (of(&grpc, &body(&[b""]), trailer(1, "0")), called(100, Some(0), 5)),
        (
            of(&head_of("application/grpc+proto"), &message, trailer(1, "0")),
            called(100, Some(0), 10),
        ),
        (of(&grpc, b"", trailer(1, "14")), called(100, Some(14), 0)),
        (of(&grpc, &message[..7], trailer(1, "4")), called(100, Some(4), 7)),
        (of(&grpc, b"", trailer(1, "999")), called(100, Some(2), 0)),
        // Headers alone: what gRPC calls Trailers-Only.
        (only(&[grpc.clone(), literal("grpc-status", "12")].concat()), called(100, Some(12), 0)),
        (only(&[OK, &literal("grpc-status", "7")].concat()), called(100, Some(7), 0)),
        (
            only(&[grpc.clone(), literal("grpc-status", "0")].concat()),
            failed(100, "the answer has no message, although its status is OK"),
        ),
        (of(&grpc, &message, data(1, b"")), began(100)),
        (
            of(&grpc, &message, frame_of(kind::DATA, flag::END_STREAM, 1, b"")),
            failed(100, "the answer ends without a grpc-status"),
        ),
        (
            of(&grpc, &message, headers_of(1, flag::END_STREAM, b"\x40\x01a\x01b")),
            failed(100, "the answer ends without a grpc-status"),
        ),
        (
            of(&grpc, &message, trailer(1, "fine")),
            failed(100, "the grpc-status of the answer is no number"),
        ),
        (
            of(&grpc, &message[..9], trailer(1, "0")),
            failed(100, "the answer ends in the middle of a message"),
        ),
        (
            of(&grpc, &body(&[b"a", b"b"]), trailer(1, "0")),
            failed(100, "the answer has several messages, and the method returns one"),
        ),
        (
            of(&head_of("text/html"), b"<html>", trailer(1, "0")),
            failed(100, "the answer is not of gRPC: its content-type is not application/grpc"),
        ),
        (
            of(&grpc, b"\x01\0\0\0\0", Vec::new()),
            failed(100, "a message is compressed, although this side offers no coding"),
        ),
        (
            of(&grpc, b"\x47ET", trailer(1, "0")),
            failed(100, "the answer ends in the middle of a message"),
        ),
    ] {
        let events = client(CallAnswers::One, 1, &[]).hear(&bytes);
        let last = events.expect("no violation").pop();
        assert_eq!(last, Some(end), "{bytes:?}");
    }
    // Another status of HTTP is the answer, whatever its body is.
    let html = [headers_of(1, 0, b"\x8e"), frame_of(kind::DATA, flag::END_STREAM, 1, b"<html>")];
    let events = client(CallAnswers::One, 1, &[]).hear(&html.concat());
    let answer = StreamAnswer { status: 500, body_bytes: 6, grpc_status: None };
    let answered = StreamEvent::Answered { exchange: 100, answer };
    assert_eq!(events.map(|mut events| events.pop()), Ok(Some(answered)));
}

/// Two streams of messages that take turns, with padding, and messages over several frames.
fn streamed() -> (Vec<u8>, Vec<StreamEvent>) {
    let first = body(&[b"one", b"", &[7; 400]]);
    let second = body(&[b"a", b"b"]);
    let bytes = [
        headers_of(1, 0, &head()),
        headers_of(3, 0, &head()),
        data(1, &first[..10]),
        frame_of(kind::DATA, flag::PADDED, 3, &[&[4][..], &second[..6], &[0; 4]].concat()),
        data(1, &first[10..200]),
        data(3, &second[6..]),
        data(1, &first[200..]),
        trailer(3, "0"),
        data(1, b""),
        trailer(1, "8"),
    ];
    let events = vec![
        began(100),
        began(101),
        message(100, 1),
        message(101, 1),
        message(100, 2),
        message(101, 2),
        message(100, 3),
        called(101, Some(0), 12),
        called(100, Some(8), 418),
    ];
    (bytes.concat(), events)
}

#[test]
fn messages_of_streams_are_events_at_every_split() {
    let (bytes, expected) = streamed();
    for most in 1..=bytes.len() {
        let events = client(CallAnswers::Stream, 2, &[]).hear_in(&bytes, most);
        assert_eq!(events.as_ref(), Ok(&expected), "{most}");
    }
    let counted: Vec<_> = expected
        .iter()
        .filter(|event| !matches!(event, StreamEvent::Message { .. }))
        .copied()
        .collect();
    let mut one = client(CallAnswers::One, 2, &[]);
    let events = one.hear(&bytes).expect("no violation");
    let several = "the answer has several messages, and the method returns one";
    assert_eq!(events[2], StreamEvent::Malformed { exchange: 101, fault: several });
    assert_eq!((events.len(), events[3]), (counted.len(), counted[3]));
}

#[test]
fn an_end_right_behind_a_message_is_the_end_of_the_answer() {
    let whole = body(&[b"last"]);
    let bytes =
        [headers_of(1, 0, &head()), frame_of(kind::DATA, flag::END_STREAM, 1, &whole)].concat();
    for most in 1..=bytes.len() {
        let mut client = client(CallAnswers::Stream, 1, &[]);
        let events = client.hear_in(&bytes, most).expect("no violation");
        let fault = "the answer ends without a grpc-status";
        assert_eq!(events, [began(100), StreamEvent::Malformed { exchange: 100, fault }], "{most}");
        assert_eq!(client.machine.live(), 0);
    }
}

#[test]
fn the_message_of_a_status_is_that_of_an_equal_block() {
    let mut client = client(CallAnswers::One, 6, &[]);
    let block = |status: &str, message: &str| {
        [head(), literal("grpc-status", status), literal("grpc-message", message)].concat()
    };
    for stream in [1, 3] {
        let bytes = headers_of(stream, flag::END_STREAM, &block("14", "no backend%0a%E2%82%AC"));
        client.hear(&bytes).expect("no violation");
        assert_eq!(text(client.blocks.grpc_message(14)), "no backend\n\u{20ac}");
    }
    assert!(client.blocks.hits() > 0, "the second was recognised");
    assert_eq!(client.blocks.grpc_message(5), b"");
    let long = "x".repeat(120);
    let many = (0..9).flat_map(|_| literal("grpc-message", &long)).collect::<Vec<_>>();
    let block = [head(), literal("grpc-status", "5"), many].concat();
    client.hear(&headers_of(5, flag::END_STREAM, &block)).expect("no violation");
    assert_eq!(client.blocks.grpc_message(5).len(), 120, "the last one");
}
