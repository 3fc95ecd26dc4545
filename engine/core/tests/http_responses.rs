//! Every kind of response framing, and every way of being malformed, one by one.

use uringbench_core::http::chunked::ChunkedError;
use uringbench_core::http::header_cache::HeaderCache;
use uringbench_core::http::protocol::OtherProtocol;
use uringbench_core::http::response::{
    Malformed, Persistence, Progress, Response, ResponseParser, StreamEnd,
};

fn feed(stream: &str, is_head: bool) -> Result<Progress, Malformed> {
    ResponseParser::new().feed(stream.as_bytes(), &mut HeaderCache::disabled(), is_head)
}

/// The response that `stream` is, to its last byte, whatever follows.
fn response(stream: &str, is_head: bool) -> Response {
    let followed = format!("{stream}HTTP/1.1 500 Next\r\n");
    match feed(&followed, is_head) {
        Ok(Progress::Complete { consumed, response }) if consumed == stream.len() => response,
        other => panic!("{stream:?}: {other:?}"),
    }
}

fn status_body_alive(stream: &str) -> (u16, u64, bool) {
    let response = response(stream, false);
    (response.status, response.body_bytes, response.is_kept())
}

#[test]
fn a_content_length_ends_the_body() {
    let stream = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let expected = Response {
        status: 200,
        persistence: Persistence::Kept,
        is_event_stream: false,
        head_bytes: 38,
        body_bytes: 5,
    };
    assert_eq!(response(stream, false), expected);
    for lines in [
        "Content-Length: 5\r\nContent-Length: 5",
        "content-length: 5, 5",
        "CONTENT-LENGTH:005",
        "Content-Length:  5 \t",
    ] {
        let stream = format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\nhello");
        assert_eq!(status_body_alive(&stream), (200, 5, true), "{lines}");
    }
    assert_eq!(status_body_alive("HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n"), (404, 0, true));
    assert_eq!(status_body_alive("HTTP/1.1 999\nContent-Length: 1\n\nx"), (999, 1, true));
}

#[test]
fn a_last_chunk_ends_the_body() {
    for (coding, body, bytes) in [
        ("chunked", "5\r\nhello\r\n0\r\n\r\n", 5),
        ("Chunked", "0\r\n\r\n", 0),
        ("gzip, chunked", "3;a=b\r\nabc\r\n1\r\nd\r\n0;z\r\nDigest: x\r\n\r\n", 4),
        ("gzip\r\nTransfer-Encoding: chunked", "2\r\nab\r\n0\r\n\r\n", 2),
    ] {
        let stream = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n{body}");
        assert_eq!(status_body_alive(&stream), (200, bytes, true), "{coding}");
    }
}

#[test]
fn some_responses_have_no_body_whatever_their_header_says() {
    for status in ["204 No Content", "304 Not Modified"] {
        for length in ["", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
            let stream = format!("HTTP/1.1 {status}\r\n{length}\r\n");
            assert_eq!(response(&stream, false).body_bytes, 0);
        }
    }
    for length in ["", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        let response = response(&format!("HTTP/1.1 200 OK\r\n{length}\r\n"), true);
        assert_eq!((response.body_bytes, response.is_kept()), (0, true));
    }
}

#[test]
fn a_close_ends_the_body_where_nothing_else_does() {
    for lines in [
        "",
        "Connection: keep-alive\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding:\r\n",
    ] {
        let mut parser = ResponseParser::new();
        let stream = format!("HTTP/1.1 200 OK\r\n{lines}\r\nhello");
        let fed = parser.feed(stream.as_bytes(), &mut HeaderCache::disabled(), false);
        assert_eq!((fed, parser.opaque()), (Ok(Progress::NeedMore), u64::MAX));
        assert_eq!(parser.skip(7), None);
        let head_bytes = stream.len() as u32 - 5;
        let response = Response {
            status: 200,
            persistence: Persistence::Closed,
            is_event_stream: false,
            head_bytes,
            body_bytes: 12,
        };
        assert_eq!(parser.end_of_stream(), StreamEnd::Complete(response), "{lines}");
        assert!(parser.is_between());
    }
}

#[test]
fn the_connection_header_and_the_version_decide_about_keep_alive() {
    for (version, lines, keep_alive) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "connection: CLOSE\r\n", false),
        ("1.1", "Connection: foo, Close ,bar\r\n", false),
        ("1.1", "Connection: keep-alive\r\nConnection: x\r\nConnection: close\r\n", false),
        ("1.1", "Connection: closed, not-close\r\n", true),
        ("1.1", "Connection:\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", true),
        ("1.0", "Connection: Foo,Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
        ("1.0", "Connection: keep-alived\r\n", false),
    ] {
        let stream = format!("HTTP/{version} 200 OK\r\n{lines}Content-Length: 0\r\n\r\n");
        assert_eq!(response(&stream, false).is_kept(), keep_alive, "{version} {lines}");
    }
}

#[test]
fn an_event_stream_is_known_by_its_content_type() {
    for (lines, is_event_stream) in [
        ("", false),
        ("Content-Type: text/event-stream\r\n", true),
        ("content-type:TEXT/Event-Stream\r\n", true),
        ("Content-Type: text/event-stream ; charset=utf-8\r\n", true),
        ("Content-Type: text/event-stream;\r\n", true),
        ("Content-Type: text/event-streams\r\n", false),
        ("Content-Type: text/plain; x=text/event-stream\r\n", false),
        ("Content-Type:\r\n", false),
        ("Content-Type: text/html\r\nContent-Type: text/event-stream\r\n", true),
        ("Content-Type: text/event-stream\r\nContent-Type: text/html\r\n", false),
        ("X-Content-Type: text/event-stream\r\n", false),
    ] {
        let stream = format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: 0\r\n\r\n");
        assert_eq!(response(&stream, false).is_event_stream, is_event_stream, "{lines}");
        assert_eq!(response(&stream, true).is_event_stream, is_event_stream, "{lines}");
    }
}

#[test]
fn interim_responses_are_passed_over() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let last = "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nhi";
    let head_bytes = (interim.len() + last.len() - 2) as u32;
    let expected = Response {
        status: 201,
        persistence: Persistence::Kept,
        is_event_stream: false,
        head_bytes,
        body_bytes: 2,
    };
    assert_eq!(response(&format!("{interim}{last}"), false), expected);
    let mut parser = ResponseParser::new();
    let header_cache = &mut HeaderCache::new();
    assert_eq!(parser.feed(interim.as_bytes(), header_cache, false), Ok(Progress::NeedMore));
    assert_eq!((parser.is_between(), parser.opaque()), (false, 0));
    assert_eq!(parser.end_of_stream(), StreamEnd::Truncated);

    let many = |count: usize| "HTTP/1.1 102 P\r\n\r\n".repeat(count) + last;
    assert_eq!(response(&many(64), false).status, 201);
    assert_eq!(feed(&many(65), false), Err(Malformed::TooManyInterims));
}

#[test]
fn malformed_headers_are_refused_for_their_reason() {
    use Malformed::{
        ChunkedCoding, ContentLength, ContentLengthsDiffer, HeaderColon, HeaderLine, HeaderNul,
        NotHttp, StatusCode, Upgrade,
    };
    for (stream, reason) in [
        ("GET / HTTP/1.1\r\n", NotHttp),
        ("HTTP/1.2 200 OK\r\n\r\n", NotHttp),
        ("HTTP/3 200 OK\r\n\r\n", NotHttp),
        ("HTTP/1.1\t200 OK\r\n\r\n", NotHttp),
        ("HTTP/1.1\r\n\r\n", NotHttp),
        ("\x16\x03\x01", Malformed::Protocol(OtherProtocol::Tls)),
        ("SSH-2.0-OpenSSH_9.6\r\n", Malformed::Protocol(OtherProtocol::Ssh)),
        ("HTTP/1.1 20 OK\r\n\r\n", StatusCode),
        ("HTTP/1.1 099 OK\r\n\r\n", StatusCode),
        ("HTTP/1.1 2000 OK\r\n\r\n", StatusCode),
        ("HTTP/1.1 2x0 OK\r\n\r\n", StatusCode),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", Upgrade),
        ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", HeaderColon),
        ("HTTP/1.1 200 OK\r\n folded: first\r\n\r\n", HeaderLine),
        ("HTTP/1.1 200 OK\r\na: b\0\r\n\r\n", HeaderNul),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", ContentLengthsDiffer),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n", ContentLengthsDiffer),
        ("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", ContentLength),
        ("HTTP/1.1 200 OK\r\nContent-Length: ,5\r\n\r\n", ContentLength),
        ("HTTP/1.1 200 OK\r\nContent-Length: ++5\r\n\r\n", ContentLength),
        ("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", ContentLength),
        ("HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n", ContentLength),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n", ContentLength),
        ("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551621\r\n\r\n", ContentLength),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked;q=1\r\n\r\n", ChunkedCoding),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n",
            Malformed::Chunked(ChunkedError::PayloadEnd),
        ),
    ] {
        assert_eq!(feed(stream, false), Err(reason), "{stream:?}");
        let message = reason.to_string();
        assert!(!message.contains('\n') && message.len() < 100, "{message}");
    }
}

#[test]
fn headers_have_their_bounds_whole_and_split() {
    let long = |len: usize| format!("HTTP/1.1 204 N\r\na:{}\r\n\r\n", "x".repeat(len - 22));
    let many = |lines: usize| format!("HTTP/1.1 204 N\r\n{}\r\n", "a:b\r\n".repeat(lines));
    for piece in [1, 1000, 65_535, usize::MAX] {
        let receive = |stream: String| {
            let mut parser = ResponseParser::new();
            let header_cache = &mut HeaderCache::new();
            let mut pieces = stream.as_bytes().chunks(piece);
            let fed = pieces.try_fold(None, |_, bytes| {
                match parser.feed(bytes, header_cache, false)? {
                    Progress::NeedMore | Progress::Continue { .. } | Progress::Dropped { .. } => {
                        Ok(None)
                    }
                    Progress::Complete { response, .. } => Ok(Some(response.head_bytes as usize)),
                }
            });
            fed.map_err(|malformed: Malformed| malformed)
        };
        assert_eq!(receive(long(65_536)), Ok(Some(65_536)));
        assert_eq!(receive(long(65_537)), Err(Malformed::HeadTooLarge));
        assert_eq!(receive(long(200_000)), Err(Malformed::HeadTooLarge));
        assert_eq!(receive(many(128)), Ok(Some(16 + 128 * 5 + 2)));
        assert_eq!(receive(many(129)), Err(Malformed::TooManyHeaders));
    }
}

#[test]
fn garbage_without_a_line_end_is_found_before_the_bound() {
    let mut parser = ResponseParser::new();
    let header_cache = &mut HeaderCache::new();
    assert_eq!(parser.feed(b"HTTP/1.1 200 OK\r\nbad", header_cache, false), Ok(Progress::NeedMore));
    let mut fed = 0;
    while parser.feed(b"\0", header_cache, false).is_ok() {
        fed += 1;
        assert!(fed < 100);
    }
    assert_eq!(parser.feed(b"", header_cache, false), Err(Malformed::HeaderNul));
    assert_eq!(
        parser.feed(b"HTTP/1.1 204 N\r\n\r\n", header_cache, false),
        Err(Malformed::HeaderNul)
    );
    assert_eq!(parser.end_of_stream(), StreamEnd::Truncated);
    let fed = parser.feed(b"HTTP/1.1 204 N\r\n\r\n", header_cache, false);
    assert!(matches!(fed, Ok(Progress::Complete { consumed: 18, .. })));
}

#[test]
fn the_end_of_the_stream_is_told_apart_everywhere() {
    for stream in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\na: b\r\n\r\n",
    ] {
        for end in 0..=stream.len() {
            let mut parser = ResponseParser::new();
            let fed = parser.feed(&stream.as_bytes()[..end], &mut HeaderCache::disabled(), false);
            let is_whole = matches!(fed, Ok(Progress::Complete { .. }));
            assert_eq!(is_whole, end == stream.len());
            let is_outside = end == 0 || end == stream.len();
            assert_eq!(parser.is_between(), is_outside);
            let expected = if is_outside { StreamEnd::Clean } else { StreamEnd::Truncated };
            assert_eq!(parser.end_of_stream(), expected, "{:?}", &stream[..end]);
        }
    }
}

#[test]
fn payload_is_opaque_and_can_be_skipped_to_the_end() {
    let header_cache = &mut HeaderCache::new();
    for _ in 0..3 {
        let mut parser = ResponseParser::new();
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc";
        assert_eq!(parser.feed(head, header_cache, false), Ok(Progress::NeedMore));
        assert_eq!(parser.opaque(), 997);
        assert_eq!((parser.skip(990), parser.opaque()), (None, 7));
        assert_eq!(parser.feed(b"x", header_cache, false), Ok(Progress::NeedMore));
        let response = parser.skip(6).unwrap();
        assert_eq!((response.status, response.body_bytes), (200, 1000));
        assert!(parser.is_between() && parser.opaque() == 0);
    }
    assert_eq!((header_cache.hits(), header_cache.misses()), (2, 1));
}
