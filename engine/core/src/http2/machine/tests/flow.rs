//! Windows: bodies that wait for them, windows that shrink below zero, and large answers.

use super::*;

/// The DATA among the sent frames: stream, length and whether they end it.
fn data(client: &mut Client) -> Vec<(u32, usize, bool)> {
    let sent = client.sent();
    let data = sent.iter().filter(|(kind, ..)| *kind == kind::DATA);
    data.map(|(_, flags, stream, payload)| (*stream, payload.len(), *flags == 1)).collect()
}

fn opened(settings: &[(u16, u32)]) -> Client {
    let mut client = Client::new(4);
    assert_eq!(client.hear(&settings_of(settings)), Ok(vec![StreamEvent::Opened]));
    client
}

fn update(stream: u32, bytes: u32) -> Vec<u8> {
    frame_of(kind::WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes())
}

impl Client {
    fn begin(&mut self, exchange: u32, request: &RequestFrames) {
        self.machine.begin(exchange, request, &mut self.out);
    }

    fn send(&mut self, request: &RequestFrames) {
        self.machine.send_bodies(|_| request.body(0), usize::MAX, &mut self.out);
    }
}

#[test]
fn a_small_body_goes_with_its_header() {
    let mut client = opened(&[]);
    let request = post(b"hello");
    client.begin(1, &request);
    assert!(client.machine.has_unsent());
    client.send(&request);
    assert!(!client.machine.has_unsent());
    let sent = client.sent();
    assert_eq!((sent[1].0, sent[1].1), (kind::HEADERS, flag::END_HEADERS));
    assert_eq!(sent[2], (kind::DATA, flag::END_STREAM, 1, b"hello".to_vec()));
}

#[test]
fn a_body_of_64_kib_is_one_byte_larger_than_the_window() {
    let mut client = opened(&[]);
    let request = post(&[7; 65_536]);
    client.begin(1, &request);
    client.send(&request);
    let first = data(&mut client);
    assert_eq!(
        first,
        [(1, 16_384, false), (1, 16_384, false), (1, 16_384, false), (1, 16_383, false)]
    );
    // The connection's window alone is not enough.
    assert_eq!(client.hear(&update(0, 100)), Ok(vec![StreamEvent::Room]));
    client.send(&request);
    assert_eq!(data(&mut client), []);
    assert_eq!(client.hear(&update(1, 100)), Ok(vec![StreamEvent::Room]));
    client.send(&request);
    assert_eq!(data(&mut client), [(1, 1, true)]);
    // Room that nobody waits for is no event.
    assert_eq!(client.hear(&update(0, 100)), Ok(vec![]));
}

#[test]
fn streams_share_the_connection_s_window_in_turn() {
    let mut client = opened(&[(4, 1_000_000)]);
    let request = post(&[7; 40_000]);
    (0..3).for_each(|exchange| client.begin(exchange, &request));
    client.send(&request);
    let sent = data(&mut client);
    let streams: Vec<_> = sent.iter().map(|(stream, ..)| *stream).collect();
    assert_eq!(streams, [1, 3, 5, 1]);
    assert_eq!(sent.iter().map(|(_, length, _)| length).sum::<usize>(), 65_535);
    assert_eq!(client.hear(&update(0, 1 << 20)), Ok(vec![StreamEvent::Room]));
    // A bound on what is sent at once.
    client.machine.send_bodies(|_| request.body(0), 20_000, &mut client.out);
    assert_eq!(data(&mut client).len(), 2);
    client.send(&request);
    assert_eq!(data(&mut client).iter().filter(|(.., is_last)| *is_last).count(), 3);
}

#[test]
fn settings_move_the_windows_of_open_streams_below_zero() {
    let mut client = opened(&[]);
    let request = post(&[7; 70_000]);
    client.begin(1, &request);
    client.send(&request);
    client.out.clear();
    // 65,535 are sent; the window is 100 now, so -65,435.
    assert_eq!(client.hear(&settings_of(&[(4, 100)])), Ok(vec![StreamEvent::Room]));
    let room = [update(0, 1 << 20), update(1, 65_435)].concat();
    assert_eq!(client.hear(&room), Ok(vec![StreamEvent::Room; 2]));
    client.send(&request);
    assert_eq!(data(&mut client), []);
    assert_eq!(client.hear(&settings_of(&[(4, 110)])), Ok(vec![StreamEvent::Room]));
    client.send(&request);
    assert_eq!(data(&mut client), [(1, 10, false)]);
    assert_eq!(client.hear(&settings_of(&[(4, 65_535)])), Ok(vec![StreamEvent::Room]));
    client.send(&request);
    assert_eq!(data(&mut client), [(1, 4_455, true)]);
}

#[test]
fn windows_of_one_byte_are_obeyed() {
    let mut client = opened(&[(4, 0)]);
    let request = post(b"abc");
    client.begin(1, &request);
    client.send(&request);
    assert_eq!(data(&mut client), []);
    for is_last in [false, false, true] {
        client.hear(&update(1, 1)).expect("valid");
        client.send(&request);
        assert_eq!(data(&mut client), [(1, 1, is_last)]);
    }
}

#[test]
fn an_early_answer_ends_the_rest_of_a_body() {
    let mut client = opened(&[(4, 10)]);
    let request = post(&[7; 100]);
    client.begin(1, &request);
    client.send(&request);
    client.out.clear();
    assert_eq!(
        client.hear(&headers_of(1, flag::END_STREAM, b"\x8d")),
        Ok(vec![answered(1, 404, 0)])
    );
    assert_eq!(client.sent(), [(kind::RST_STREAM, 0, 1, vec![0, 0, 0, 8])]);
    assert!(!client.machine.has_unsent());
}

#[test]
fn windows_that_grow_too_large_end_the_stream_or_the_connection() {
    let mut client = opened(&[]);
    let request = post(&[7; 100]);
    client.begin(1, &request);
    client.out.clear();
    let events = client.hear(&update(1, (1 << 31) - 1)).expect("valid");
    assert!(matches!(events[..], [StreamEvent::Malformed { exchange: 1, .. }]));
    assert_eq!(client.sent(), [(kind::RST_STREAM, 0, 1, vec![0, 0, 0, 3])]);
    let why = client.hear(&update(0, (1 << 31) - 1)).expect_err("too large");
    assert_eq!(why.code, ErrorCode::FLOW_CONTROL_ERROR);
    // Settings may do it too.
    let mut client = opened(&[]);
    client.begin(1, &request);
    client.hear(&update(1, (1 << 31) - 1 - 65_535)).expect("valid");
    let why = client.hear(&settings_of(&[(4, 65_536)])).expect_err("too large");
    assert_eq!(why.code, ErrorCode::FLOW_CONTROL_ERROR);
}

#[test]
fn received_bytes_are_given_back_with_their_padding() {
    let mut client = Client::with_gets(1, 1);
    client.hear(&headers_of(1, 0, OK)).expect("valid");
    let payload = [&[255], [7; 16_383].as_slice()].concat();
    let frame = frame_of(kind::DATA, flag::PADDED, 1, &payload);
    for _ in 0..32_768 {
        client.hear(&frame).expect("valid");
    }
    let half = (1u32 << 29).to_be_bytes().to_vec();
    let sent = client.sent();
    let expected = [0, 1].map(|stream| (kind::WINDOW_UPDATE, 0, stream, half.clone()));
    assert_eq!(sent, expected);
    // Those of closed streams count to the connection.
    let last = frame_of(kind::DATA, flag::END_STREAM, 1, b"");
    let bytes = (16_384 - 256) * 32_768;
    assert_eq!(client.hear(&last), Ok(vec![answered(100, 200, bytes)]));
    for _ in 0..16_000 {
        client.hear(&frame).expect("valid");
    }
}

#[test]
fn a_long_upload_is_no_flood() {
    let mut client = opened(&[(4, 10)]);
    let request = post(&[7; 20_100]);
    client.begin(1, &request);
    client.send(&request);
    for _ in 0..20_000 {
        client.out.clear();
        assert_eq!(client.hear(&update(1, 1)), Ok(vec![StreamEvent::Room]));
        // The connection's window is given back too, and the target asks for signs of life.
        client.hear(&update(0, 1)).expect("the body goes on");
        client.hear(&frame_of(kind::PING, 0, 0, b"01234567")).expect("the body goes on");
        client.send(&request);
    }
    assert!(client.machine.has_unsent());
}
