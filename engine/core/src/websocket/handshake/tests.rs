//! The handshake on the wire, and every kind of answer: accepting, refusing, and neither.

use super::*;
use crate::http::protocol::OtherProtocol;
use crate::http::response::Persistence;

const SAMPLE: OpeningParts<'static> = OpeningParts {
    authority: "server.example.com",
    target: "/chat",
    headers: &[],
    protocols: &[],
    key: *b"the sample nonce",
};

/// RFC 6455 section 1.3.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn opening(protocols: &[&str]) -> Opening {
    let protocols: Vec<String> = protocols.iter().map(|name| (*name).to_owned()).collect();
    Opening::build(OpeningParts { protocols: &protocols, ..SAMPLE }).unwrap()
}

fn switching(lines: &str) -> String {
    format!("HTTP/1.1 101 Switching Protocols\r\n{lines}\r\n")
}

fn accepting(more: &str) -> String {
    let lines = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";
    switching(&format!("{lines}{ACCEPT}\r\n{more}"))
}

type Outcome = Result<Option<(usize, Verdict)>, AnswerError>;

/// Feed `bytes` in pieces of `size`.
fn receive(bytes: &[u8], size: usize, opening: &Opening) -> Outcome {
    let mut answer = Answer::new();
    for (at, piece) in bytes.chunks(size).enumerate() {
        if let Some((taken, verdict)) = answer.feed(piece, opening)? {
            return Ok(Some((at * size + taken, verdict)));
        }
    }
    Ok(None)
}

/// The same at every size of the pieces.
fn receive_alike(text: &str, opening: &Opening) -> Outcome {
    let bytes = text.as_bytes();
    let whole = receive(bytes, bytes.len(), opening);
    for size in 1..bytes.len() {
        assert_eq!(receive(bytes, size, opening), whole, "{text:?} in pieces of {size}");
    }
    whole
}

#[test]
fn the_opening_is_these_bytes() {
    let given = [("Origin".to_owned(), "http://example.com".to_owned())];
    let protocols = ["chat".to_owned(), "superchat".to_owned()];
    let parts = OpeningParts { headers: &given, protocols: &protocols, ..SAMPLE };
    let opening = Opening::build(parts).unwrap();
    let agent = concat!("User-Agent: uringbench/", env!("CARGO_PKG_VERSION"));
    let expected = format!(
        "GET /chat HTTP/1.1\r\nHost: server.example.com\r\n{agent}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: chat, superchat\r\nOrigin: http://example.com\r\n\r\n"
    );
    assert_eq!(String::from_utf8(opening.bytes().to_vec()).unwrap(), expected);
    assert_eq!(opening.accept(), ACCEPT);
    let plain = Opening::build(SAMPLE).unwrap();
    assert!(!String::from_utf8(plain.bytes).unwrap().contains("Protocol"));
}

#[test]
fn parts_that_contradict_the_opening_are_refused() {
    let with = |name: &str| {
        let headers = [(name.to_owned(), "x".to_owned())];
        Opening::build(OpeningParts { headers: &headers, ..SAMPLE }).unwrap_err()
    };
    for name in ["upgrade", "Connection", "sec-websocket-key", "Sec-WebSocket-Accept"] {
        assert_eq!(with(name), OpeningError::HeaderTaken(name.to_owned()));
    }
    assert_eq!(with("Sec-WebSocket-Extensions"), OpeningError::Extensions);
    assert_eq!(with("sec-websocket-protocol"), OpeningError::ProtocolHeader);
    assert_eq!(with("transfer-encoding"), OpeningError::Request(RequestError::TransferEncoding));
    let asking = |protocols: &[&str]| {
        let protocols: Vec<String> = protocols.iter().map(|name| (*name).to_owned()).collect();
        Opening::build(OpeningParts { protocols: &protocols, ..SAMPLE }).unwrap_err()
    };
    for name in ["", "a b", "a,b", "ä", "a\r\n"] {
        assert_eq!(asking(&["x", name]), OpeningError::Protocol(name.to_owned()));
    }
    assert_eq!(asking(&["a", "b", "a"]), OpeningError::ProtocolTwice("a".to_owned()));
}

#[test]
fn a_header_in_place_is_not_one_of_the_openings_own() {
    let headers = ["Sec-WebSocketä", "Sec-Web"].map(|name| (name.to_owned(), "x".to_owned()));
    let refused = Opening::build(OpeningParts { headers: &headers[..1], ..SAMPLE }).unwrap_err();
    assert!(matches!(refused, OpeningError::Request(RequestError::HeaderName(_))), "{refused}");
    assert!(Opening::build(OpeningParts { headers: &headers[1..], ..SAMPLE }).is_ok());
}

#[test]
fn answers_that_open() {
    let asking = opening(&["chat", "superchat"]);
    let spaced = format!(
        "upgrade: h2c, WebSocket\nCONNECTION:keep-alive, UPGRADE \n\
         SEC-WEBSOCKET-ACCEPT: {ACCEPT} \nSec-WebSocket-Extensions:\n\
         Sec-WebSocket-Protocol: superchat\nContent-Length: 0\n"
    );
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    let large = accepting(&format!("X: {}\r\n", "x".repeat(2000)));
    for text in [
        accepting(""),
        accepting("Sec-WebSocket-Protocol: chat\r\n"),
        switching(&spaced),
        format!("{interim}{}", accepting("")),
        accepting("X : y\r\n z\r\n"),
        accepting("").replace("HTTP/1.1 101 ", "http/1.1  101"),
        large,
    ] {
        let followed = format!("{text}\u{1}\u{2}hi");
        let opened = Ok(Some((text.len(), Verdict::Opened)));
        assert_eq!(receive_alike(&followed, &asking), opened, "{text}");
        for end in 0..text.len() {
            assert_eq!(receive(&text.as_bytes()[..end], 64, &asking), Ok(None), "cut at {end}");
        }
    }
}

#[test]
fn a_101_that_does_not_open_says_why() {
    use AnswerError::{Accept, AcceptMissing, Connection, Extensions, Protocol, Upgrade};
    let accept = format!("Sec-WebSocket-Accept: {ACCEPT}\r\n");
    let (upgrade, connection) = ("Upgrade: websocket\r\n", "Connection: Upgrade\r\n");
    let usual = format!("{upgrade}{connection}");
    let wrong = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xoo=\r\n";
    let short = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo\r\n";
    for (lines, error) in [
        (format!("{connection}{accept}"), Upgrade),
        (format!("Upgrade: websockets\r\n{connection}{accept}"), Upgrade),
        (format!("Upgrade: h2c\r\n{connection}{accept}"), Upgrade),
        (format!("{upgrade}{accept}"), Connection),
        (format!("{upgrade}Connection: keep-alive\r\n{accept}"), Connection),
        (usual.clone(), AcceptMissing),
        (format!("{usual}Sec-WebSocket-Accept:\r\n"), Accept),
        (format!("{usual}{wrong}"), Accept),
        (format!("{usual}{short}"), Accept),
        (format!("{usual}{accept}{accept}"), Accept),
        (format!("{usual}{accept}Sec-WebSocket-Extensions: permessage-deflate\r\n"), Extensions),
        (format!("{usual}{accept}Sec-WebSocket-Protocol: other\r\n"), Protocol),
        (format!("{usual}{accept}Sec-WebSocket-Protocol: CHAT\r\n"), Protocol),
        (format!("{usual}{accept}Sec-WebSocket-Protocol:\r\n"), Protocol),
        (format!("{usual}{accept}Sec-WebSocket-Protocol: chat, superchat\r\n"), Protocol),
    ] {
        let asking = opening(&["chat", "superchat"]);
        assert_eq!(receive_alike(&switching(&lines), &asking), Err(error), "{lines}");
    }
    let unasked = accepting("Sec-WebSocket-Protocol: chat\r\n");
    assert_eq!(receive_alike(&unasked, &opening(&[])), Err(Protocol));
}

#[test]
fn any_other_answer_refuses_once_it_is_complete() {
    let refused = |status, is_kept, head_bytes, body_bytes| {
        let persistence = if is_kept { Persistence::Kept } else { Persistence::Closed };
        let is_event_stream = false;
        Verdict::Refused(Response { status, persistence, head_bytes, body_bytes, is_event_stream })
    };
    for (text, verdict) in [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone", refused(404, true, 45, 4)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", refused(200, true, 38, 2)),
        ("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", refused(401, true, 38, 0)),
        (
            "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 426 Upgrade Required\r\nConnection: close\r\n\
             Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            refused(426, false, 22 + 80, 3),
        ),
    ] {
        let followed = format!("{text}HTTP/1.1 ");
        let expected = Ok(Some((text.len(), verdict)));
        assert_eq!(receive_alike(&followed, &opening(&[])), expected, "{text}");
    }
}

#[test]
fn an_answer_may_end_with_the_stream() {
    let end = |text: &str| {
        let mut answer = Answer::new();
        assert_eq!(answer.feed(text.as_bytes(), &opening(&[])), Ok(None));
        answer.end_of_stream()
    };
    let response = Response {
        status: 500,
        persistence: Persistence::Closed,
        head_bytes: 19,
        body_bytes: 4,
        is_event_stream: false,
    };
    assert_eq!(end("HTTP/1.1 500 Oh\r\n\r\ndear"), StreamEnd::Complete(response));
    assert_eq!(end("HTTP/1.1 500 Oh\r\nContent-Length: 5\r\n\r\ndear"), StreamEnd::Truncated);
    assert_eq!(end("HTTP/1.1 101 Sw"), StreamEnd::Truncated);
    assert_eq!(end("HTTP/1.1 100 Continue\r\n\r\n"), StreamEnd::Truncated);
    assert_eq!(end(""), StreamEnd::Clean);
}

#[test]
fn what_is_no_answer_is_malformed_and_never_kept_for_long() {
    let asking = opening(&[]);
    for size in [1, 64, 100_000] {
        let refused = |bytes: &[u8]| receive(bytes, size, &asking).unwrap_err();
        let ssh = b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n";
        let named = AnswerError::Malformed(Malformed::Protocol(OtherProtocol::Ssh));
        let unnamed = AnswerError::Malformed(Malformed::NotHttp);
        assert_eq!(refused(ssh), if size < 4 { unnamed } else { named });
        let frame = b"\x81\x05Hello";
        assert_eq!(refused(frame), AnswerError::Malformed(Malformed::NotHttp));
        let endless = format!("HTTP/1.1 101 Sw\r\nX: {}", "x".repeat(70_000));
        let too_large = AnswerError::Malformed(Malformed::HeadTooLarge);
        assert_eq!(refused(endless.as_bytes()), too_large);
        assert_eq!(refused(format!("{endless}\r\n\r\n").as_bytes()), too_large);
        let interims = "HTTP/1.1 100 Continue\r\n\r\n".repeat(65);
        let too_many = AnswerError::Malformed(Malformed::TooManyInterims);
        assert_eq!(refused(interims.as_bytes()), too_many);
    }
    let mut answer = Answer::new();
    let begun = format!("HTTP/1.1 101 Sw\r\nX: {}", "x".repeat(40_000));
    assert_eq!(answer.feed(begun.as_bytes(), &asking), Ok(None));
    assert!(answer.feed(begun.as_bytes(), &asking).is_err());
    assert_eq!(answer.0.unwrap().head.len(), HEAD_BYTES_MAX);
}

#[test]
fn errors_are_one_line_with_a_remedy() {
    let errors = [AnswerError::Accept, AnswerError::Protocol, AnswerError::Upgrade];
    for text in errors.map(|error| error.to_string()) {
        assert!(text.contains(": check") || text.contains(": name"), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }
    assert!(AnswerError::Accept.to_string().starts_with("Sec-WebSocket-Accept is not the one for"));
}
