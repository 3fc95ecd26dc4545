//! The cases that h2spec has for clients (`client/*.go`, RFC 9113 sections 3.4 to 6.10), as
//! scripts.
//! Its cases for behaviour that a client may choose are in the other tests.

use super::*;

/// How a script ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// The connection is broken, with this code.
    Violation(ErrorCode),
    /// The stream is ended, with this code.
    Stream(ErrorCode),
    /// Nothing is wrong.
    Fine,
}

const PROTOCOL: End = End::Violation(ErrorCode::PROTOCOL_ERROR);
const SIZE: End = End::Violation(ErrorCode::FRAME_SIZE_ERROR);
const FLOW: End = End::Violation(ErrorCode::FLOW_CONTROL_ERROR);
const COMPRESSION: End = End::Violation(ErrorCode::COMPRESSION_ERROR);
const STREAM: End = End::Stream(ErrorCode::PROTOCOL_ERROR);

/// The end of a script that the server sends after its SETTINGS, with streams 1 and 3 in flight.
fn end_of(script: &[u8]) -> End {
    let mut client = Client::with_gets(4, 2);
    let events = match client.hear(script) {
        Ok(events) => events,
        Err(broken) => return End::Violation(broken.code),
    };
    let sent = client.sent();
    let reset = sent.iter().find(|(kind, ..)| *kind == kind::RST_STREAM);
    let is_malformed = events.iter().any(|event| matches!(event, StreamEvent::Malformed { .. }));
    assert_eq!(reset.is_some(), is_malformed, "{events:?} {sent:?}");
    match reset {
        Some((.., payload)) => End::Stream(ErrorCode(u32::from(payload[3]))),
        None => End::Fine,
    }
}

fn check(cases: &[(&str, &[Vec<u8>], End)]) {
    for (name, script, end) in cases {
        assert_eq!(end_of(&script.concat()), *end, "{name}");
    }
}

#[test]
fn the_first_frame_is_settings() {
    let beginnings: [(&str, Vec<u8>, Option<&str>); 6] = [
        ("settings", settings_of(&[]), None),
        ("acknowledgement", frame_of(kind::SETTINGS, flag::ACK, 0, b""), Some("acknowledges")),
        ("ping", frame_of(kind::PING, 0, 0, b"12345678"), Some("does not speak HTTP/2")),
        ("goaway", frame_of(kind::GOAWAY, 0, 0, &[0; 8]), Some("does not speak HTTP/2")),
        ("HTTP/1.1", b"HTTP/1.1 400 Bad Request\r\n".to_vec(), Some("answers in HTTP/1.1")),
        ("other", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), Some("does not speak HTTP/2")),
    ];
    for (name, bytes, part) in beginnings {
        match (Client::new(1).hear(&bytes), part) {
            (Ok(events), None) => assert_eq!(events, [StreamEvent::Opened]),
            (Err(broken), Some(part)) => assert!(broken.fault.contains(part), "{name}: {broken}"),
            (found, _) => panic!("{name}: {found:?}"),
        }
    }
}

#[test]
fn frames_in_general() {
    let ping = || frame_of(kind::PING, 0, 0, b"12345678");
    check(&[
        ("4.1 an unknown type", &[frame_of(0x16, 0, 0, b"12345678"), ping()], End::Fine),
        ("4.1 undefined flags", &[frame_of(kind::PING, 0x16, 0, b"12345678")], End::Fine),
        ("4.2 too large DATA", &[headers_of(1, 0, OK), frame_of(0, 0, 1, &[0; 16_385])], SIZE),
        ("4.2 too large HEADERS", &[headers_of(1, 0, &[0; 16_385])], SIZE),
        ("4.2 too large GOAWAY", &[frame_of(kind::GOAWAY, 0, 0, &[0; 16_385])], SIZE),
        ("4.3 a block cut short", &[headers_of(1, 1, b"\x88\x40\x01a")], COMPRESSION),
        (
            "4.3 another frame within a block",
            &[frame_of(kind::HEADERS, 0, 1, OK), frame_of(kind::PRIORITY, 0, 1, &[0; 5])],
            PROTOCOL,
        ),
        (
            "4.3 another stream within a block",
            &[frame_of(kind::HEADERS, 0, 1, OK), headers_of(3, 1, OK)],
            PROTOCOL,
        ),
        (
            "5.5 an unknown frame within a block",
            &[frame_of(kind::HEADERS, 0, 1, OK), frame_of(0x16, 0, 0, b"")],
            PROTOCOL,
        ),
    ]);
}

#[test]
fn frames_on_idle_and_closed_streams() {
    let reset = |stream| frame_of(kind::RST_STREAM, 0, stream, &[0, 0, 0, 8]);
    check(&[
        ("5.1 DATA, idle", &[frame_of(kind::DATA, 1, 5, b"x")], PROTOCOL),
        ("5.1 HEADERS, idle", &[headers_of(5, 1, OK)], PROTOCOL),
        ("5.1 RST_STREAM, idle", &[reset(5)], PROTOCOL),
        ("5.1 WINDOW_UPDATE, idle", &[frame_of(8, 0, 5, &[0, 0, 0, 1])], PROTOCOL),
        ("5.1 CONTINUATION, idle", &[frame_of(9, 4, 5, OK)], PROTOCOL),
        ("5.1 PRIORITY, idle", &[frame_of(2, 0, 5, &[0; 5])], End::Fine),
        ("5.1.1 HEADERS, even", &[headers_of(2, 1, OK)], PROTOCOL),
        ("5.1 DATA, closed", &[answer(1, b""), frame_of(0, 1, 1, b"x")], End::Fine),
        ("5.1 HEADERS, closed", &[answer(1, b""), headers_of(1, 1, OK)], End::Fine),
        ("5.1 WINDOW_UPDATE, closed", &[reset(1), frame_of(8, 0, 1, &[0, 0, 0, 1])], End::Fine),
        ("5.1 RST_STREAM, closed", &[reset(1), reset(1)], End::Fine),
        ("5.1 CONTINUATION, closed", &[answer(1, b""), frame_of(9, 4, 1, OK)], PROTOCOL),
    ]);
}

#[test]
fn each_type_of_frame() {
    check(&[
        ("6.1 DATA on 0", &[frame_of(0, 1, 0, b"x")], PROTOCOL),
        ("6.1 DATA before HEADERS", &[frame_of(0, 1, 1, b"x")], STREAM),
        ("6.1 padding", &[headers_of(1, 0, OK), frame_of(0, 9, 1, b"\x06abcde")], PROTOCOL),
        (
            "6.1 padding alone",
            &[headers_of(1, 0, OK), frame_of(0, 9, 1, b"\x05\0\0\0\0\0")],
            End::Fine,
        ),
        ("6.1 no padding", &[headers_of(1, 0, OK), frame_of(0, 9, 1, b"")], SIZE),
        ("6.2 HEADERS on 0", &[headers_of(0, 1, OK)], PROTOCOL),
        ("6.2 padding", &[headers_of(1, 9, b"\x09\x88\0\0")], PROTOCOL),
        ("6.2 no padding", &[headers_of(1, 9, b"")], SIZE),
        ("6.2 no priority", &[headers_of(1, 0x21, b"\0\0\0\0")], SIZE),
        ("6.3 PRIORITY on 0", &[frame_of(2, 0, 0, &[0; 5])], PROTOCOL),
        ("6.3 PRIORITY of 4", &[frame_of(2, 0, 1, &[0; 4])], SIZE),
        ("6.4 RST_STREAM on 0", &[frame_of(3, 0, 0, &[0; 4])], PROTOCOL),
        ("6.4 RST_STREAM of 3", &[frame_of(3, 0, 1, &[0; 3])], SIZE),
        ("6.5 ACK with payload", &[frame_of(4, 1, 0, &[0; 6])], SIZE),
        ("6.5 SETTINGS on 1", &[frame_of(4, 0, 1, &[0; 6])], PROTOCOL),
        ("6.5 SETTINGS of 3", &[frame_of(4, 0, 0, &[0; 3])], SIZE),
        ("6.5.2 push", &[settings_of(&[(2, 1)])], PROTOCOL),
        ("6.5.2 push of 2", &[settings_of(&[(2, 2)])], PROTOCOL),
        ("6.5.2 window", &[settings_of(&[(4, 1 << 31)])], FLOW),
        ("6.5.2 frames too small", &[settings_of(&[(5, 16_383)])], PROTOCOL),
        ("6.5.2 frames too large", &[settings_of(&[(5, 1 << 24)])], PROTOCOL),
        ("6.5.2 unknown", &[settings_of(&[(0xff, 1)])], End::Fine),
        ("6.6 PUSH_PROMISE", &[frame_of(5, 4, 1, b"\0\0\0\x02\x82")], PROTOCOL),
        ("6.7 PING on 1", &[frame_of(6, 0, 1, &[0; 8])], PROTOCOL),
        ("6.7 PING of 6", &[frame_of(6, 0, 0, &[0; 6])], SIZE),
        ("6.7 unasked ACK", &[frame_of(6, 1, 0, &[0; 8])], End::Fine),
        ("6.8 GOAWAY on 1", &[frame_of(7, 0, 1, &[0; 8])], PROTOCOL),
        ("6.8 GOAWAY of 6", &[frame_of(7, 0, 0, &[0; 6])], SIZE),
        ("6.9 update of 0", &[frame_of(8, 0, 0, &[0; 4])], PROTOCOL),
        ("6.9 update of 0 on 1", &[frame_of(8, 0, 1, &[0; 4])], STREAM),
        ("6.9 update of 3", &[frame_of(8, 0, 0, &[0; 3])], SIZE),
        ("6.10 CONTINUATION first", &[frame_of(9, 4, 1, OK)], PROTOCOL),
        ("6.10 CONTINUATION on 0", &[frame_of(1, 0, 1, OK), frame_of(9, 4, 0, b"")], PROTOCOL),
        (
            "6.10 two continue",
            &[frame_of(1, 1, 1, b""), frame_of(9, 0, 1, OK), frame_of(9, 4, 1, b"")],
            End::Fine,
        ),
    ]);
}

#[test]
fn answers_are_well_formed() {
    let trailer = b"\0\x01a\x01b";
    check(&[
        ("8.1 no status", &[headers_of(1, 1, trailer)], STREAM),
        ("8.1 interim that ends", &[headers_of(1, 1, b"\x08\x03100")], STREAM),
        ("8.1 101", &[headers_of(1, 0, b"\x08\x03101")], STREAM),
        ("8.1 65 interims", &vec![headers_of(1, 0, b"\x08\x03103"); 65], STREAM),
        ("8.1 64 interims", &vec![headers_of(1, 0, b"\x08\x03103"); 64], End::Fine),
        ("8.1 second header", &[headers_of(1, 0, OK), headers_of(1, 0, OK)], STREAM),
        ("8.1 status in a trailer", &[headers_of(1, 0, OK), headers_of(1, 1, OK)], STREAM),
        ("8.1 trailer goes on", &[headers_of(1, 0, OK), headers_of(1, 0, trailer)], STREAM),
        ("8.1 trailer", &[headers_of(1, 0, OK), headers_of(1, 1, trailer)], End::Fine),
        ("8.1.1 too short", &[headers_of(1, 0, OK_FIVE), frame_of(0, 1, 1, b"four")], STREAM),
        ("8.1.1 too long", &[headers_of(1, 0, OK_FIVE), frame_of(0, 1, 1, b"sixsix")], STREAM),
        ("8.1.1 none", &[headers_of(1, 1, OK_FIVE)], STREAM),
        ("8.1.1 204 with a body", &[headers_of(1, 0, b"\x89"), frame_of(0, 1, 1, b"x")], STREAM),
        ("8.2.1 capitals", &[headers_of(1, 1, b"\x88\0\x01A\x01b")], STREAM),
        ("8.2.2 connection", &[headers_of(1, 1, b"\x88\0\x0aconnection\x05close")], STREAM),
        ("8.3 request field", &[headers_of(1, 1, b"\x88\x84")], STREAM),
        ("8.3 behind a field", &[headers_of(1, 1, b"\0\x01a\x01b\x88")], STREAM),
        ("8.3 twice", &[headers_of(1, 1, b"\x88\x88")], STREAM),
        // The connection lives on.
        ("8.1.1 and others", &[headers_of(1, 1, OK_FIVE), answer(3, b"x")], STREAM),
    ]);
    // HPACK: RFC 7541 sections 2.3.3, 4.2, 5.2.
    check(&[
        ("index 0", &[headers_of(1, 1, b"\x80")], COMPRESSION),
        ("dangling index", &[headers_of(1, 1, b"\x88\xc6")], COMPRESSION),
        ("table too large", &[headers_of(1, 1, b"\x3f\xe2\x1f\x88")], COMPRESSION),
        ("size behind a field", &[headers_of(1, 1, b"\x88\x20")], COMPRESSION),
        ("size in front", &[headers_of(1, 1, b"\x20\x88")], End::Fine),
        ("huffman padding", &[headers_of(1, 1, b"\x08\x83\xff\xff\xff")], COMPRESSION),
        ("on a closed stream", &[answer(1, b""), headers_of(1, 1, b"\xc6")], COMPRESSION),
    ]);
}
