//! The cases of the Autobahn test suite that are about frames, by their numbers: the frames that
//! its server sends, and the frames that it expects from the client.
//!
//! Strict behaviour throughout: where the suite accepts two results, the one it calls OK. Its cases
//! of timing, of size (9) and of compression (12, 13) do not concern this module.

use Event::{Close, Message, Pong};
use uringbench_core::websocket::frame::{Kind, Masks};
use uringbench_core::websocket::handshake::{Opening, OpeningParts};
use uringbench_core::websocket::machine::{Broken, FrameProgress, Machine, SocketStage};

/// The frames that the suite receives from a client that echoes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    /// A message of this many bytes that equals the expected one.
    Message(Kind, usize),
    Pong(Vec<u8>),
    Close(Option<u16>),
}

/// One case: the frames sent, and the expected result; `Err`: the connection fails with that code.
struct Case {
    number: &'static str,
    frames: Vec<Vec<u8>>,
    events: Vec<Event>,
    end: Result<(), u16>,
}

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
/// Without FIN.
const TEXT_BEGINS: u8 = 0x01;
const GOES_ON: u8 = 0x00;
const ENDS: u8 = 0x80;

const HELLO: &[u8] = b"Hello, world!";

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let mut bytes = vec![first];
    if length <= 125 {
        bytes.push(length as u8);
    } else if length <= 65_535 {
        bytes.push(126);
        bytes.extend((length as u16).to_be_bytes());
    } else {
        bytes.push(127);
        bytes.extend((length as u64).to_be_bytes());
    }
    bytes.extend(payload);
    bytes
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(CLOSE, &[&code.to_be_bytes(), reason].concat())
}

fn passes(number: &'static str, frames: Vec<Vec<u8>>, events: Vec<Event>) -> Case {
    Case { number, frames, events, end: Ok(()) }
}

fn fails(number: &'static str, frames: Vec<Vec<u8>>, events: Vec<Event>, code: u16) -> Case {
    Case { number, frames, events, end: Err(code) }
}

fn opened() -> (Opening, Machine) {
    let parts = OpeningParts {
        authority: "localhost",
        target: "/",
        headers: &[],
        protocols: &[],
        key: [0; 16],
    };
    let opening = Opening::build(parts).expect("the parts are in order");
    let mut machine = Machine::new(Masks::new(1), true);
    let answer = format!(
        "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        opening.accept()
    );
    let opened = machine.feed(answer.as_bytes(), &opening, None);
    assert_eq!(opened, Ok(FrameProgress::Opened { consumed: answer.len() }));
    (opening, machine)
}

/// The payload of a frame from the client.
fn unmasked(frame: &[u8]) -> Vec<u8> {
    assert_eq!(usize::from(frame[1] & 0x7f) + 6, frame.len());
    frame[6..].iter().enumerate().map(|(at, byte)| byte ^ frame[2 + at % 4]).collect()
}

/// Feeds `stream` in pieces of `size`; every message must equal `expected`.
fn receive(stream: &[u8], size: usize, expected: &[u8]) -> (Vec<Event>, Result<(), Broken>) {
    let (opening, mut machine) = opened();
    let mut events = Vec::new();
    for mut chop in stream.chunks(size) {
        loop {
            let taken = match machine.feed(chop, &opening, Some(expected)) {
                Err(broken) => {
                    assert_eq!(machine.stage(), SocketStage::Broken);
                    return (events, Err(broken));
                }
                Ok(FrameProgress::NeedMore) => break,
                Ok(FrameProgress::Message { consumed, message }) => {
                    assert!(message.matches, "{message:?}");
                    events.push(Message(message.kind, message.payload_bytes as usize));
                    consumed
                }
                Ok(FrameProgress::Reply { consumed, frame }) => {
                    assert_eq!(frame.bytes()[0], PONG);
                    events.push(Pong(unmasked(frame.bytes())));
                    consumed
                }
                Ok(FrameProgress::Closed { consumed, code, reply }) => {
                    let reply = reply.expect("a Close frame is answered");
                    assert_eq!(reply.bytes()[0], CLOSE);
                    let echo = code.map_or_else(Vec::new, |code| code.to_be_bytes().to_vec());
                    assert_eq!(unmasked(reply.bytes()), echo);
                    events.push(Close(code));
                    consumed
                }
                Ok(other) => panic!("{other:?}"),
            };
            chop = &chop[taken..];
        }
    }
    (events, Ok(()))
}

/// Checks the case with the stream whole, byte by byte, and in the pieces of the suite.
fn hold(case: &Case, expected: &[u8]) {
    let stream = case.frames.concat();
    for size in [stream.len(), 1, 2, 997] {
        let (events, end) = receive(&stream, size, expected);
        let number = case.number;
        assert_eq!(events, case.events, "case {number} in chops of {size}");
        let code = end.map_err(|broken| broken.close_code().expect("frames fail with a code"));
        assert_eq!(code, case.end, "case {number} in chops of {size}");
    }
}

#[test]
fn case_1_messages_of_every_form_of_length() {
    for length in [0, 125, 126, 127, 128, 65_535, 65_536] {
        for (first, kind, byte) in [(TEXT, Kind::Text, b'*'), (BINARY, Kind::Binary, 0xfe)] {
            let payload = vec![byte; length];
            let case = passes("1", vec![frame(first, &payload)], vec![Message(kind, length)]);
            hold(&case, &payload);
        }
    }
}

#[test]
fn case_2_pings_and_pongs() {
    let binary = [0x00, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0x00, 0xff];
    let pong = |payload: &[u8]| Pong(payload.to_vec());
    let ten: Vec<Vec<u8>> = (0..10).map(|n| format!("payload-{n}").into_bytes()).collect();
    for case in [
        passes("2.1", vec![frame(PING, b"")], vec![pong(b"")]),
        passes("2.2", vec![frame(PING, HELLO)], vec![pong(HELLO)]),
        passes("2.3", vec![frame(PING, &binary)], vec![pong(&binary)]),
        passes("2.4, 2.6", vec![frame(PING, &[0xfe; 125])], vec![pong(&[0xfe; 125])]),
        fails("2.5", vec![frame(PING, &[0xfe; 126])], vec![], 1002),
        passes("2.7", vec![frame(PONG, b"")], vec![]),
        passes("2.8", vec![frame(PONG, b"unsolicited pong payload")], vec![]),
        passes(
            "2.9",
            vec![frame(PONG, b"unsolicited pong payload"), frame(PING, b"ping payload")],
            vec![pong(b"ping payload")],
        ),
        passes(
            "2.10, 2.11",
            ten.iter().map(|payload| frame(PING, payload)).collect(),
            ten.iter().map(|payload| pong(payload)).collect(),
        ),
    ] {
        hold(&case, b"");
    }
}

#[test]
fn case_3_reserved_bits() {
    let hello = || Message(Kind::Text, HELLO.len());
    let rsv = |first: u8, bits: u8, payload: &[u8]| frame(first | bits << 4, payload);
    let then_ping = |bits| vec![frame(TEXT, HELLO), rsv(TEXT, bits, HELLO), frame(PING, b"")];
    for case in [
        fails("3.1", vec![rsv(TEXT, 1, HELLO)], vec![], 1002),
        fails("3.2", then_ping(2), vec![hello()], 1002),
        fails("3.3", then_ping(3), vec![hello()], 1002),
        fails("3.4", then_ping(4), vec![hello()], 1002),
        fails("3.5", vec![rsv(BINARY, 5, &[0x00, 0xff, 0xfe, 0xfd])], vec![], 1002),
        fails("3.6", vec![rsv(PING, 6, HELLO)], vec![], 1002),
        fails("3.7", vec![rsv(CLOSE, 7, b"")], vec![], 1002),
    ] {
        hold(&case, HELLO);
    }
}

#[test]
fn case_4_reserved_opcodes() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        for payload in [b"".as_slice(), HELLO] {
            let bad = || frame(ENDS | opcode, payload);
            hold(&fails("4.x.1, 4.x.2", vec![bad()], vec![], 1002), HELLO);
            let frames = vec![frame(TEXT, HELLO), bad(), frame(PING, b"")];
            let hello = Message(Kind::Text, HELLO.len());
            hold(&fails("4.x.3 to 4.x.5", frames, vec![hello], 1002), HELLO);
        }
    }
}

#[test]
fn case_5_fragments_in_their_order() {
    let whole = b"fragment1fragment2";
    let (one, two) = (b"fragment1".as_slice(), b"fragment2".as_slice());
    let message = || Message(Kind::Text, whole.len());
    let ping = || frame(PING, b"ping payload");
    let pong = || Pong(b"ping payload".to_vec());
    let (begins, ends) = (|| frame(TEXT_BEGINS, one), || frame(ENDS, two));
    let stray = |first| frame(first, b"non-continuation payload");
    for case in [
        fails("5.1", vec![frame(PING & 0x7f, one), ends()], vec![], 1002),
        fails("5.2", vec![frame(PONG & 0x7f, one), ends()], vec![], 1002),
        passes("5.3 to 5.5", vec![begins(), ends()], vec![message()]),
        passes("5.6 to 5.8", vec![begins(), ping(), ends()], vec![pong(), message()]),
        fails("5.9 to 5.11", vec![stray(ENDS), frame(TEXT, HELLO)], vec![], 1002),
        fails("5.12 to 5.14", vec![stray(GOES_ON), frame(TEXT, HELLO)], vec![], 1002),
        fails(
            "5.15",
            vec![begins(), ends(), frame(GOES_ON, b"fragment3"), frame(TEXT, b"fragment4")],
            vec![message()],
            1002,
        ),
        fails("5.16", vec![frame(GOES_ON, one), begins(), ends()], vec![], 1002),
        fails("5.17", vec![frame(ENDS, one), begins(), ends()], vec![], 1002),
        fails("5.18", vec![begins(), frame(TEXT, two)], vec![], 1002),
    ] {
        hold(&case, whole);
    }
    let (first, second) = (b"pongme 1!", b"pongme 2!");
    let frames = vec![
        begins(),
        frame(GOES_ON, two),
        frame(PING, first),
        frame(GOES_ON, b"fragment3"),
        frame(GOES_ON, b"fragment4"),
        frame(PING, second),
        frame(ENDS, b"fragment5"),
    ];
    let events = vec![Pong(first.to_vec()), Pong(second.to_vec()), Message(Kind::Text, 45)];
    let expected = b"fragment1fragment2fragment3fragment4fragment5";
    hold(&passes("5.19, 5.20", frames, events), expected);
}

/// `text` as one message, in fragments of `size` bytes.
fn fragmented(text: &[u8], size: usize) -> Vec<Vec<u8>> {
    let count = text.len().div_ceil(size);
    let pieces = text.chunks(size).enumerate();
    let first = |at| match (at == 0, at + 1 == count) {
        (true, true) => TEXT,
        (true, false) => TEXT_BEGINS,
        (false, true) => ENDS,
        (false, false) => GOES_ON,
    };
    pieces.map(|(at, piece)| frame(first(at), piece)).collect()
}

#[test]
fn case_6_1_to_6_3_text_in_fragments() {
    let message = |length| vec![Message(Kind::Text, length)];
    let (begins, goes_on, ends) = (frame(TEXT_BEGINS, b""), frame(GOES_ON, b""), frame(ENDS, b""));
    hold(&passes("6.1.1", vec![frame(TEXT, b"")], message(0)), b"");
    hold(&passes("6.1.2", vec![begins.clone(), goes_on, ends.clone()], message(0)), b"");
    let middle = b"middle frame payload";
    let frames = vec![begins, frame(GOES_ON, middle), ends];
    hold(&passes("6.1.3", frames, message(middle.len())), middle);

    let valid = "Hello-µ@ßöäüàá-UTF-8!!".as_bytes();
    let greek = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";
    let invalid = [greek.as_slice(), b"\xed\xa0\x80edited"].concat();
    for (number, size) in [("6.2.1", 100), ("6.2.2", 13), ("6.2.3", 1)] {
        hold(&passes(number, fragmented(valid, size), message(valid.len())), valid);
    }
    hold(&passes("6.2.4", fragmented(greek, 1), message(greek.len())), greek);
    for (number, size) in [("6.3.1", 100), ("6.3.2", 1)] {
        hold(&fails(number, fragmented(&invalid, size), vec![], 1007), &invalid);
    }
}

#[test]
fn case_6_4_invalid_text_fails_at_the_first_octet_that_makes_it_so() {
    let text = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited";
    // 6.4.1 and 6.4.2 end a frame before the error, 6.4.3 and 6.4.4 a piece.
    let fragments = |cuts: [usize; 2]| {
        let [first, second] = cuts;
        let begins = frame(TEXT_BEGINS, &text[..first]);
        (begins, frame(GOES_ON, &text[first..second]), frame(ENDS, &text[second..]))
    };
    for cuts in [[11, 15], [12, 13]] {
        let (first, second, _) = fragments(cuts);
        assert_eq!(receive(&first, 100, text), (vec![], Ok(())));
        let stream = [first, second].concat();
        assert_eq!(receive(&stream, 100, text), (vec![], Err(Broken::Text)));
    }
    let whole = frame(TEXT, text);
    for (size, is_valid) in [(11, true), (12, true), (13, false), (15, false)] {
        let end = if is_valid { Ok(()) } else { Err(Broken::Text) };
        assert_eq!(receive(&whole[..2 + size], 100, text), (vec![], end), "up to {size}");
    }
}

/// Whether the text is valid, and the text: all kinds from 6.5 to 6.23, in their order. [`regular`]
/// makes those with a regular pattern.
const STRESS: [(bool, &[u8]); 84] = [
    (true, b"hello\x24world"),
    (true, b"hello\xc2\xa2world"),
    (true, b"hello\xe2\x82\xacworld"),
    (true, b"hello\xf0\xa4\xad\xa2world"),
    (true, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"),
    (false, b"\xce"),
    (true, b"\xce\xba"),
    (false, b"\xce\xba\xe1"),
    (false, b"\xce\xba\xe1\xbd"),
    (true, b"\xce\xba\xe1\xbd\xb9"),
    (false, b"\xce\xba\xe1\xbd\xb9\xcf"),
    (true, b"\xce\xba\xe1\xbd\xb9\xcf\x83"),
    (false, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce"),
    (true, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc"),
    (false, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce"),
    (true, b"\x00"),
    (true, b"\xc2\x80"),
    (true, b"\xe0\xa0\x80"),
    (true, b"\xf0\x90\x80\x80"),
    (false, b"\xf8\x88\x80\x80\x80"),
    (false, b"\xfc\x84\x80\x80\x80\x80"),
    (true, b"\x7f"),
    (true, b"\xdf\xbf"),
    (true, b"\xef\xbf\xbf"),
    (true, b"\xf4\x8f\xbf\xbf"),
    (false, b"\xf7\xbf\xbf\xbf"),
    (false, b"\xfb\xbf\xbf\xbf\xbf"),
    (false, b"\xfd\xbf\xbf\xbf\xbf\xbf"),
    (true, b"\xed\x9f\xbf"),
    (true, b"\xee\x80\x80"),
    (true, b"\xef\xbf\xbd"),
    (false, b"\xf4\x90\x80\x80"),
    (false, b"\x80"),
    (false, b"\xbf"),
    (false, b"\x80\xbf"),
    (false, b"\x80\xbf\x80"),
    (false, b"\x80\xbf\x80\xbf"),
    (false, b"\x80\xbf\x80\xbf\x80"),
    (false, b"\x80\xbf\x80\xbf\x80\xbf"),
    (false, b"\xc0"),
    (false, b"\xe0\x80"),
    (false, b"\xf0\x80\x80"),
    (false, b"\xf8\x80\x80\x80"),
    (false, b"\xfc\x80\x80\x80\x80"),
    (false, b"\xdf"),
    (false, b"\xef\xbf"),
    (false, b"\xf7\xbf\xbf"),
    (false, b"\xfb\xbf\xbf\xbf"),
    (false, b"\xfd\xbf\xbf\xbf\xbf"),
    (false, b"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80\xfc\x80\x80\x80\x80\xdf\xef\xbf\xf7"),
    (false, b"\xfe"),
    (false, b"\xff"),
    (false, b"\xfe\xfe\xff\xff"),
    (false, b"\xc0\xaf"),
    (false, b"\xe0\x80\xaf"),
    (false, b"\xf0\x80\x80\xaf"),
    (false, b"\xf8\x80\x80\x80\xaf"),
    (false, b"\xfc\x80\x80\x80\x80\xaf"),
    (false, b"\xc1\xbf"),
    (false, b"\xe0\x9f\xbf"),
    (false, b"\xf0\x8f\xbf\xbf"),
    (false, b"\xf8\x87\xbf\xbf\xbf"),
    (false, b"\xfc\x83\xbf\xbf\xbf\xbf"),
    (false, b"\xc0\x80"),
    (false, b"\xe0\x80\x80"),
    (false, b"\xf0\x80\x80\x80"),
    (false, b"\xf8\x80\x80\x80\x80"),
    (false, b"\xfc\x80\x80\x80\x80\x80"),
    (false, b"\xed\xa0\x80"),
    (false, b"\xed\xad\xbf"),
    (false, b"\xed\xae\x80"),
    (false, b"\xed\xaf\xbf"),
    (false, b"\xed\xb0\x80"),
    (false, b"\xed\xbe\x80"),
    (false, b"\xed\xbf\xbf"),
    (false, b"\xed\xa0\x80\xed\xb0\x80"),
    (false, b"\xed\xad\xbf\xed\xbf\xbf"),
    (false, b"\xed\xae\x80\xed\xb0\x80"),
    (false, b"\xed\xaf\xbf\xed\xbf\xbf"),
    (true, b"\xef\xbf\xbe"),
    (true, b"\xef\xbf\xb9"),
    (true, b"\xef\xbf\xba"),
    (true, b"\xef\xbf\xbb"),
    (true, b"\xef\xbf\xbc"),
];

/// 6.12.8 and 6.13: single continuation bytes and single start bytes. 6.22.3 on: code points that
/// are not characters.
fn regular() -> Vec<(bool, Vec<u8>)> {
    let mut texts = vec![(false, (0x80..0xbf).collect())];
    for leads in [0xc0..0xdf, 0xe0..0xef, 0xf0..0xf7, 0xf8..0xfb, 0xfc..0xfd_u8] {
        texts.push((false, leads.flat_map(|lead| [lead, b' ']).collect()));
    }
    for plane in 1..=16_u32 {
        for last in [0xfffe, 0xffff] {
            let letter = char::from_u32(plane << 16 | last).expect("no surrogate");
            texts.push((true, letter.to_string().into_bytes()));
        }
    }
    texts
}

#[test]
fn case_6_5_to_6_23_the_stress_test_of_utf_8() {
    let given = STRESS.into_iter().map(|(is_valid, text)| (is_valid, text.to_vec()));
    for (is_valid, text) in given.chain(regular()) {
        for size in [text.len(), 1, 3] {
            let frames = fragmented(&text, size);
            let case = if is_valid {
                passes("6.x", frames, vec![Message(Kind::Text, text.len())])
            } else {
                fails("6.x", frames, vec![], 1007)
            };
            hold(&case, &text);
        }
    }
}

#[test]
fn case_7_1_to_7_5_the_closing_handshake() {
    let hello = || Message(Kind::Text, HELLO.len());
    let closed = |code| vec![Close(code)];
    let normal = || close(1000, b"");
    let invalid = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited";
    let fragment = frame(TEXT_BEGINS, b"fragment1");
    let ends = || frame(ENDS, b"fragment2");
    for case in [
        passes("7.1.1", vec![frame(TEXT, HELLO), normal()], vec![hello(), Close(Some(1000))]),
        passes("7.1.2", vec![normal(), frame(CLOSE, b"")], closed(Some(1000))),
        passes("7.1.3", vec![normal(), frame(PING, b"")], closed(Some(1000))),
        passes("7.1.4", vec![normal(), frame(TEXT, HELLO)], closed(Some(1000))),
        passes("7.1.5", vec![fragment, normal(), ends()], closed(Some(1000))),
        passes(
            "7.1.6",
            vec![frame(TEXT, HELLO), normal(), frame(PING, b"")],
            vec![hello(), Close(Some(1000))],
        ),
        passes("7.3.1", vec![frame(CLOSE, b"")], closed(None)),
        fails("7.3.2", vec![frame(CLOSE, b"a")], vec![], 1002),
        passes("7.3.3", vec![close(1000, b"")], closed(Some(1000))),
        passes("7.3.4", vec![close(1000, b"Hello World!")], closed(Some(1000))),
        passes("7.3.5", vec![close(1000, &[b'*'; 123])], closed(Some(1000))),
        fails("7.3.6", vec![close(1000, &[b'*'; 124])], vec![], 1002),
        fails("7.5.1", vec![close(1000, invalid)], vec![], 1007),
    ] {
        hold(&case, HELLO);
    }
}

#[test]
fn case_7_7_to_7_13_close_codes() {
    let valid = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
    // Registered later: restart, try again later, bad gateway.
    for code in valid.into_iter().chain([1012, 1013, 1014]) {
        hold(&passes("7.7", vec![close(code, b"")], vec![Close(Some(code))]), b"");
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        hold(&fails("7.9, 7.13", vec![close(code, b"")], vec![], 1002), b"");
    }
}
