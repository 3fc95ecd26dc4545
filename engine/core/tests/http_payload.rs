//! Payload is read as it was sent, exactly once and in order, for any split of the stream and any
//! skipped part; a `100 Continue` is reported to a parser that waits for it.

use uringbench_core::http::header_cache::HeaderCache;
use uringbench_core::http::response::{Malformed, Progress, Response, ResponseParser, StreamEnd};

const LENGTH: &str = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello, world";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                       5;a=b\r\nhello\r\n2\r\n, \r\n05\r\nworld\r\n0\r\nDigest: x\r\n\r\n";
const CLOSE: &str = "HTTP/1.1 200 OK\r\n\r\nhello, world";
const BODY: &[u8] = b"hello, world";

/// Feeds `pieces` one after the other; returns the payload read, and the response.
fn read(
    pieces: &[&[u8]],
    header_cache: &mut HeaderCache,
    is_head: bool,
) -> Result<(Vec<u8>, Option<Response>), Malformed> {
    let mut parser = ResponseParser::new();
    let mut payload = Vec::new();
    for piece in pieces {
        let mut collect = |lent: &[u8]| {
            assert!(!lent.is_empty());
            payload.extend_from_slice(lent);
        };
        let fed = parser.feed_into(piece, header_cache, is_head, &mut collect)?;
        if let Progress::Complete { response, .. } = fed {
            return Ok((payload, Some(response)));
        }
    }
    match parser.end_of_stream() {
        StreamEnd::Complete(response) => Ok((payload, Some(response))),
        StreamEnd::Clean | StreamEnd::Truncated => Ok((payload, None)),
    }
}

#[test]
fn payload_is_the_body_at_every_split() {
    for stream in [LENGTH, CHUNKED, CLOSE].map(str::as_bytes) {
        for header_cache in [&mut HeaderCache::new(), &mut HeaderCache::disabled()] {
            for second in 0..=stream.len() {
                for first in 0..=second {
                    let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
                    let (payload, response) = read(&pieces, header_cache, false).unwrap();
                    assert_eq!(payload, BODY, "split at {first} and {second}");
                    assert_eq!(response.map(|response| response.body_bytes), Some(12));
                }
            }
            let bytes: Vec<&[u8]> = stream.chunks(1).collect();
            assert_eq!(read(&bytes, header_cache, false).unwrap().0, BODY);
        }
    }
}

#[test]
fn payload_ends_where_the_response_does() {
    let followed = [LENGTH, CHUNKED, LENGTH, CLOSE].concat();
    let mut rest = followed.as_bytes();
    let (mut parser, header_cache) = (ResponseParser::new(), &mut HeaderCache::new());
    for _ in 0..3 {
        let mut payload = Vec::new();
        let mut collect = |lent: &[u8]| payload.extend_from_slice(lent);
        match parser.feed_into(rest, header_cache, false, &mut collect) {
            Ok(Progress::Complete { consumed, .. }) => rest = &rest[consumed..],
            other => panic!("{other:?}"),
        }
        assert_eq!(payload, BODY);
    }
    assert_eq!(rest, CLOSE.as_bytes());
}

#[test]
fn what_has_no_body_has_no_payload() {
    for (stream, is_head) in [
        (LENGTH, true),
        (CHUNKED, true),
        ("HTTP/1.1 204 N\r\n\r\n", false),
        ("HTTP/1.1 304 N\r\nContent-Length: 12\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false),
    ] {
        let header_cache = &mut HeaderCache::new();
        // The first pass parses the response, the second recognises it.
        for _ in 0..2 {
            let (payload, response) = read(&[stream.as_bytes()], header_cache, is_head).unwrap();
            assert_eq!(payload, b"", "{stream:?}");
            assert_eq!(response.map(|response| response.body_bytes), Some(0), "{stream:?}");
        }
        assert_eq!(header_cache.hits(), 1, "{stream:?}");
    }
}

#[test]
fn skipped_payload_is_left_out_and_the_rest_still_in_order() {
    for stream in [LENGTH, CHUNKED, CLOSE].map(str::as_bytes) {
        for skipped in 1..=12_u64 {
            let (mut parser, header_cache) = (ResponseParser::new(), &mut HeaderCache::new());
            let (mut payload, mut left, mut bytes) = (Vec::new(), skipped, stream.iter());
            let mut whole = None;
            while bytes.len() > 0 {
                let opaque = parser.opaque().min(left).min(bytes.len() as u64);
                if opaque > 0 {
                    let ended = parser.skip(opaque);
                    whole = whole.or(ended);
                    bytes = bytes.as_slice()[opaque as usize..].iter();
                    left -= opaque;
                    continue;
                }
                let mut collect = |lent: &[u8]| payload.extend_from_slice(lent);
                let byte = &bytes.as_slice()[..1];
                bytes.next();
                if let Ok(Progress::Complete { response, .. }) =
                    parser.feed_into(byte, header_cache, false, &mut collect)
                {
                    whole = Some(response);
                }
            }
            if let StreamEnd::Complete(response) = parser.end_of_stream() {
                whole = Some(response);
            }
            assert_eq!(payload, &BODY[skipped as usize..], "{skipped} skipped");
            assert_eq!(whole.map(|response| response.body_bytes), Some(12));
        }
    }
}

#[test]
fn payload_ahead_of_a_fault_has_been_read() {
    let stream = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nxyz";
    let (mut parser, mut payload) = (ResponseParser::new(), Vec::new());
    let mut collect = |lent: &[u8]| payload.extend_from_slice(lent);
    let fed = parser.feed_into(stream, &mut HeaderCache::new(), false, &mut collect);
    assert!(matches!(fed, Err(Malformed::Chunked(_))), "{fed:?}");
    let again = parser.feed_into(b"more", &mut HeaderCache::new(), false, &mut collect);
    assert_eq!(again, fed);
    assert_eq!(payload, b"abcxy");
}

#[test]
fn a_body_under_way_is_told_with_what_is_known_of_it() {
    for (stream, cut, known) in [
        (LENGTH, " world", Some(12)),
        (CHUNKED, "2\r\n, ", Some(5)),
        (CLOSE, " world", Some(6)),
        (CLOSE, "OK", None),
    ] {
        let end = stream.find(cut).unwrap();
        let mut parser = ResponseParser::new();
        assert_eq!(parser.under_way(), None);
        let fed = parser.feed(&stream.as_bytes()[..end], &mut HeaderCache::new(), false);
        assert_eq!(fed, Ok(Progress::NeedMore));
        let under_way = parser.under_way();
        assert_eq!(under_way.map(|response| response.body_bytes), known, "{stream:?}");
        parser.end_of_stream();
        assert_eq!(parser.under_way(), None);
    }
}

#[test]
fn a_continue_is_told_to_who_waits_for_it() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let go_on = "HTTP/1.1 100 Continue\r\nX: y\r\n\r\n";
    let stream = [hints, go_on, hints, LENGTH].concat();
    let reported = hints.len() + go_on.len();
    for cut in 0..=stream.len() {
        let (mut parser, header_cache) =
            (ResponseParser::telling_continue(), &mut HeaderCache::new());
        // A new connection waits in the same way as the one before.
        parser.end_of_stream();
        let (mut at, mut told_at, mut whole) = (0, None, None);
        for end in [cut, stream.len()] {
            while at < end {
                match parser.feed(&stream.as_bytes()[at..end], header_cache, false).unwrap() {
                    Progress::NeedMore => at = end,
                    Progress::Dropped { .. } => panic!("every byte is some response's"),
                    Progress::Continue { consumed } => {
                        at += consumed;
                        assert_eq!(told_at.replace(at), None);
                        assert!(!parser.is_between() && parser.opaque() == 0);
                    }
                    Progress::Complete { consumed, response } => {
                        at += consumed;
                        whole = Some(response);
                    }
                }
            }
        }
        assert_eq!(told_at, Some(reported), "cut at {cut}");
        let heads = stream.len() - BODY.len();
        assert_eq!(whole.map(|response| response.head_bytes as usize), Some(heads));
    }
}

#[test]
fn a_final_response_may_come_without_a_continue() {
    let (mut parser, header_cache) = (ResponseParser::telling_continue(), &mut HeaderCache::new());
    for status in [417, 200, 413, 200] {
        let stream = format!("HTTP/1.1 {status} S\r\nContent-Length: 0\r\n\r\n");
        let fed = parser.feed(stream.as_bytes(), header_cache, false);
        assert!(matches!(fed, Ok(Progress::Complete { .. })), "{fed:?}");
    }
    let many = "HTTP/1.1 100 C\r\n\r\n".repeat(65);
    let (mut rest, mut reported) = (many.as_bytes(), 0);
    let end = loop {
        match parser.feed(rest, header_cache, false) {
            Ok(Progress::Continue { consumed }) => rest = &rest[consumed..],
            other => break other,
        }
        reported += 1;
    };
    assert_eq!((reported, end), (64, Err(Malformed::TooManyInterims)));
    parser.end_of_stream();
    let upgrade = parser.feed(b"HTTP/1.1 101 S\r\n\r\n", header_cache, false);
    assert_eq!(upgrade, Err(Malformed::Upgrade));
}
