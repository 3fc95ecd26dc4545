//! Requests of which each is its own, and answers whose bytes are kept; windows of other sizes.

use super::*;
use crate::http2::encoder::RequestEncoder;
use crate::http2::streams::AnswerForm;

const KEPT: AnswerForm = AnswerForm { is_head: false, is_kept: true };

/// A request for this path, with a body if there is one.
fn request(method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let parts = RequestParts { body: Body::Bytes(body), ..RequestParts::new(method, "h", path) };
    RequestTemplate::build(parts).expect("valid").bytes().to_vec()
}

impl Client {
    fn begin_own(&mut self, exchange: u32, request: &[u8], form: AnswerForm) {
        let encoder = RequestEncoder::new("h", false);
        self.machine.begin_own(exchange, request, form, &encoder, &mut self.out);
    }

    /// The answers that these bytes complete, at most so many at once: exchange, header and body.
    fn answers(&mut self, bytes: &[u8], most: usize) -> Vec<(u32, String, Vec<u8>)> {
        let mut answers = Vec::new();
        for piece in bytes.chunks(most) {
            let mut rest = piece;
            loop {
                let Self { machine, blocks, out } = self;
                let progress = machine.feed(rest, blocks, out).expect("the server is right");
                rest = &rest[progress.consumed..];
                match progress.event {
                    Some(StreamEvent::Answered { exchange, .. }) => {
                        let (mut head, mut body) = (Vec::new(), Vec::new());
                        machine.take_answer((&mut head, &mut body));
                        answers.push((exchange, String::from_utf8(head).expect("text"), body));
                    }
                    Some(_) => {}
                    None => break,
                }
            }
        }
        answers
    }
}

/// A client with three requests in flight, of which the last does not keep its answer.
fn with_three() -> Client {
    let mut client = Client::new(4);
    assert_eq!(client.hear(&settings_of(&[])), Ok(vec![StreamEvent::Opened]));
    client.begin_own(7, &request("GET", "/a", b""), KEPT);
    client.begin_own(8, &request("GET", "/b", b""), KEPT);
    client.begin_own(9, &request("GET", "/c", b""), AnswerForm::COUNTED);
    client
}

/// Answers to them: in pieces that take turns, with padding, an interim answer, a trailer.
fn served() -> Vec<u8> {
    [
        headers_of(3, 0, b"\x08\x03103\x40\x04link\x01x"),
        headers_of(1, 0, b"\x88\x40\x03x-a\x011"),
        frame_of(kind::DATA, 0, 1, b"hello "),
        // x-a: 1 from the table, which then has another entry.
        headers_of(3, 0, b"\x88\xbe\x40\x03x-b\x012"),
        frame_of(kind::DATA, flag::PADDED, 3, b"\x03theirs___"),
        frame_of(kind::DATA, flag::PADDED, 1, b"\x00world"),
        headers_of(5, 0, OK),
        frame_of(kind::DATA, flag::END_STREAM, 5, b"counted"),
        frame_of(kind::DATA, flag::END_STREAM, 3, b""),
        headers_of(1, flag::END_STREAM, b"\x40\x07trailer\x01t"),
    ]
    .concat()
}

#[test]
fn answers_are_kept_apart_at_every_split() {
    let expected = [
        (9, String::new(), Vec::new()),
        (8, "HTTP/2.0 200\r\nx-a: 1\r\nx-b: 2\r\n\r\n".to_owned(), b"theirs".to_vec()),
        (7, "HTTP/2.0 200\r\nx-a: 1\r\n\r\n".to_owned(), b"hello world".to_vec()),
    ];
    let bytes = served();
    for most in 1..=bytes.len() {
        let answers = with_three().answers(&bytes, most);
        assert_eq!(answers[1..], expected[1..], "{most}");
        assert_eq!(answers[0].0, 9);
    }
}

#[test]
fn nothing_of_an_answer_is_left_for_the_next_at_its_place() {
    let mut client = with_three();
    assert_eq!(client.answers(&served(), 10).len(), 3);
    for round in 0..40 {
        client.begin_own(round, &request("GET", "/d", b""), KEPT);
        let stream = 7 + 2 * round;
        let answers = client.answers(&answer(stream, b"short"), usize::MAX);
        let head = "HTTP/2.0 200\r\n\r\n".to_owned();
        assert_eq!(answers, [(round, head, b"short".to_vec())]);
    }
}

#[test]
fn each_request_sends_its_own_body() {
    let mut client = Client::new(4);
    assert_eq!(client.hear(&settings_of(&[(4, 4)])), Ok(vec![StreamEvent::Opened]));
    for (exchange, body) in [(1, &b"first body"[..]), (2, b"2nd"), (3, b"the third")] {
        client.begin_own(exchange, &request("POST", "/", body), KEPT);
    }
    client.sent();
    let mut bodies = [const { Vec::new() }; 3];
    for _ in 0..4 {
        let Client { machine, out, .. } = &mut client;
        machine.send_bodies(|_| b"", usize::MAX, out);
        for (kind, flags, stream, payload) in client.sent() {
            assert_eq!(kind, kind::DATA);
            let body = &mut bodies[stream as usize / 2];
            body.extend_from_slice(&payload);
            assert_eq!(flags == flag::END_STREAM, [10, 3, 9][stream as usize / 2] == body.len());
        }
        for stream in [1, 3, 5] {
            let update = frame_of(kind::WINDOW_UPDATE, 0, stream, &4_u32.to_be_bytes());
            client.hear(&update).expect("there is room");
        }
    }
    assert_eq!(
        bodies.map(|body| String::from_utf8(body).expect("text")),
        ["first body", "2nd", "the third"]
    );
    assert!(!client.machine.has_unsent());
}

#[test]
fn an_answer_to_a_head_beside_others_has_no_body() {
    let mut client = Client::new(4);
    client.hear(&settings_of(&[])).expect("it is right");
    client.begin_own(1, &request("HEAD", "/", b""), AnswerForm { is_head: true, is_kept: true });
    client.begin_own(2, &request("GET", "/", b""), KEPT);
    // Both with a length of 5 and no DATA: only one may be.
    let both = [1, 3].map(|stream| headers_of(stream, flag::END_STREAM, OK_FIVE)).concat();
    let events = client.hear(&both).expect("the connection lives on");
    assert_eq!(events[0], answered(1, 200, 0));
    assert!(matches!(events[1], StreamEvent::Malformed { exchange: 2, .. }), "{events:?}");
}

#[test]
fn windows_are_given_back_by_their_size() {
    let settings = Http2Settings { table: 0, window: 1_000 };
    let mut client = Client::new(2);
    client.machine = Http2Machine::new(2, settings);
    client.hear(&settings_of(&[])).expect("it is right");
    client.machine.begin(1, &get(), &mut client.out);
    client.sent();
    client.hear(&headers_of(1, 0, OK)).expect("it is right");
    let mut back = [0, 0];
    for _ in 0..100 {
        client.hear(&frame_of(kind::DATA, 0, 1, &[b'x'; 400])).expect("it is right");
        for (kind, _, stream, payload) in client.sent() {
            assert_eq!(kind, kind::WINDOW_UPDATE);
            let bytes = payload.try_into().map(u32::from_be_bytes).expect("four bytes");
            back[stream as usize] += bytes;
        }
    }
    // At half: at most 499 bytes are owed on the stream, 32,767 on the connection.
    assert!((39_501..=40_000).contains(&back[1]), "{back:?}");
    assert!((40_000 - 32_767..=40_000).contains(&back[0]), "{back:?}");
}
