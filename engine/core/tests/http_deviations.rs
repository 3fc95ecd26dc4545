//! Answers that are not as RFC 9112 has them: those that are read all the same, and why others are
//! not; whole, and cut at every byte.

use uringbench_core::http::deviation::{Deviation, Deviations};
use uringbench_core::http::header_cache::HeaderCache;
use uringbench_core::http::response::Persistence::{self, Ambiguous, Closed, Kept};
use uringbench_core::http::response::{Malformed, Progress, ResponseParser};

/// What a stream came to.
#[derive(Debug, Default)]
struct Read {
    /// Status, payload bytes and the fate of the connection, of each answer.
    answers: Vec<(u16, u64, Persistence)>,
    /// The kind, where and what it is, and the quotation.
    fault: Option<(Malformed, String, String)>,
    deviations: Deviations,
}

impl Read {
    fn deviations(&self) -> Vec<(Deviation, u64)> {
        self.deviations.list().map(|(deviation, count, _)| (deviation, count)).collect()
    }
}

fn read(stream: &[u8], cut: usize) -> Read {
    let (mut parser, mut header_cache) = (ResponseParser::new(), HeaderCache::new());
    let mut read = Read::default();
    let (first, second) = stream.split_at(cut);
    for mut bytes in [first, second] {
        while !bytes.is_empty() && read.fault.is_none() {
            match parser.feed(bytes, &mut header_cache, false) {
                Ok(Progress::NeedMore) => break,
                Ok(Progress::Dropped { consumed }) => bytes = &bytes[consumed..],
                Ok(Progress::Complete { consumed, response }) => {
                    bytes = &bytes[consumed..];
                    read.answers.push((response.status, response.body_bytes, response.persistence));
                }
                Ok(Progress::Continue { .. }) => panic!("reported without being requested"),
                Err(kind) => {
                    let fault = parser.fault().expect("it is kept");
                    read.fault = Some((kind, fault.to_string(), fault.quote().to_owned()));
                }
            }
        }
    }
    header_cache.drain_deviations(&mut read.deviations);
    read
}

#[test]
fn what_browsers_and_curl_read_is_read_and_noted() {
    use Deviation::{
        ChunkedRepeated, CodingInHttp10, ControlCharacter, FoldedLine, HeaderName, IdentityCoding,
        LengthBesideCoding, LengthForm, LengthRepeated, SpaceBeforeColon,
    };
    let length = "Content-Length: 2\r\n\r\nok";
    let chunks = "\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    for (stream, persistence, deviation, example) in [
        (format!("X-Powered-By : php\r\n{length}"), Kept, SpaceBeforeColon, "`X-Powered-By : php`"),
        ("Content-Length : 2\r\n\r\nok".to_owned(), Kept, SpaceBeforeColon, "`Content-Length : 2`"),
        (
            format!("Set-Cookie : a=b\r\n{length}"),
            Kept,
            SpaceBeforeColon,
            "`Set-Cookie :` (its value is left out)",
        ),
        (format!("a: b\r\n c\r\n{length}"), Kept, FoldedLine, r"`a: b\r\n c`"),
        (format!("<b>Warning</b>: x\r\n{length}"), Kept, HeaderName, "`<b>Warning</b>: x`"),
        (format!("a@b: x\r\n{length}"), Kept, HeaderName, "`a@b: x`"),
        (format!(": x\r\n{length}"), Kept, HeaderName, "`: x`"),
        (format!("a: b\x01\r\n{length}"), Kept, ControlCharacter, r"`a: b\x01`"),
        (format!("a: b\rc: d\r\n{length}"), Kept, ControlCharacter, r"`a: b\rc: d`"),
        (
            format!("Transfer-Encoding: identity\r\n{length}"),
            Kept,
            IdentityCoding,
            "`Transfer-Encoding: identity`",
        ),
        (
            format!("Content-Length: 9\r\nTransfer-Encoding: chunked{chunks}"),
            Ambiguous,
            LengthBesideCoding,
            "`Content-Length: 9`",
        ),
        (format!("Content-Length: 2\r\n{length}"), Kept, LengthRepeated, "`Content-Length: 2`"),
        ("Content-Length: 2, 2\r\n\r\nok".into(), Kept, LengthRepeated, "`Content-Length: 2, 2`"),
        ("Content-Length: +2\r\n\r\nok".into(), Kept, LengthForm, "`Content-Length: +2`"),
        ("Content-Length: 2 b\r\n\r\nok".into(), Kept, LengthForm, "`Content-Length: 2 b`"),
        ("Content-Length: 2,\r\n\r\nok".into(), Kept, LengthForm, "`Content-Length: 2,`"),
        (
            format!("Transfer-Encoding: chunked, chunked{chunks}"),
            Kept,
            ChunkedRepeated,
            "`Transfer-Encoding: chunked, chunked`",
        ),
    ] {
        let stream = format!("HTTP/1.1 200 OK\r\n{stream}");
        for cut in 0..=stream.len() {
            let read = read(stream.as_bytes(), cut);
            assert_eq!(read.answers, [(200, 2, persistence)], "{stream:?} cut at {cut}: {read:?}");
            let noted: Vec<_> = read.deviations.list().collect();
            assert_eq!(noted, [(deviation, 1, example)], "{stream:?} cut at {cut}");
        }
    }
    // Chunked in HTTP/1.0 is read, and the connection is not used again.
    let old =
        format!("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked{chunks}");
    let read = read(old.as_bytes(), 0);
    assert_eq!(
        (read.answers.as_slice(), read.deviations().as_slice()),
        (&[(200, 2, Ambiguous)][..], &[(CodingInHttp10, 1)][..])
    );
}

#[test]
fn status_lines_are_read_in_all_their_forms() {
    for (line, status, persistence) in [
        ("http/1.1 404 Not Found", 404, Kept),
        ("Http/1.0 200 OK", 200, Closed),
        ("HTTP/2 200", 200, Kept),
        ("HTTP/2.0 200 OK", 200, Kept),
        ("HTTP/1.1   200 OK", 200, Kept),
        ("HTTP/1.1 200OK", 200, Kept),
        ("HTTP/1.1 200-OK", 200, Kept),
        ("HTTP/1.1 999\tOK", 999, Kept),
        ("HTTP/1.1 600 a\x01b", 600, Kept),
        ("HTTP/1.1 200 a\rb", 200, Kept),
    ] {
        let stream = format!("{line}\r\nContent-Length: 2\r\n\r\nok");
        for cut in 0..=stream.len() {
            let read = read(stream.as_bytes(), cut);
            assert_eq!(
                read.answers,
                [(status, 2, persistence)],
                "{stream:?} cut at {cut}: {read:?}"
            );
            assert_eq!(read.deviations(), [(Deviation::StatusLine, 1)], "{stream:?} cut at {cut}");
        }
    }
    for line in ["HTTP/1.1 200", "HTTP/1.1 600 ", "HTTP/1.1 999 \u{e9}"] {
        let stream = format!("{line}\r\nX : y\r\nContent-Length: 2\r\n\r\nok");
        let read = read(stream.as_bytes(), 0);
        assert_eq!(read.deviations(), [(Deviation::SpaceBeforeColon, 1)], "{read:?}");
    }
}

#[test]
fn chunks_are_read_in_all_their_forms() {
    use Deviation::{ChunkLineEnd, ChunkSizeLine, TrailerLine};
    for (body, kinds, example) in [
        ("2\nok\r\n0\r\n\r\n", &[ChunkLineEnd][..], r"`2\n`"),
        ("2\r\nok\n0\r\n\r\n", &[ChunkLineEnd], r"`ok\n`"),
        ("1\no\n1\nk\n0\n\n", &[ChunkLineEnd], r"`1\n`"),
        ("2\r\nok\r\n0\r\n\n", &[ChunkLineEnd], r"`\n`"),
        ("2\r\r\nok\r\n0\r\n\r\n", &[ChunkLineEnd], r"`2\r\r\n`"),
        ("2 x\r\nok\r\n0\r\n\r\n", &[ChunkSizeLine], r"`2 x\r\n`"),
        ("2\r\nok\r\n0\r\na : b\r\n c\r\n\r\n", &[TrailerLine], r"`a : b\r\n`"),
        ("2\r\nok\r\n0 x\n:\n\n", &[ChunkLineEnd, ChunkSizeLine, TrailerLine], r"`0 x\n`"),
    ] {
        let stream = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        for cut in 0..=stream.len() {
            // The second answer is recognised by its header.
            let read = read(format!("{stream}{stream}").as_bytes(), cut);
            assert_eq!(read.answers, [(200, 2, Kept); 2], "{stream:?} cut at {cut}: {read:?}");
            let expected: Vec<_> = kinds.iter().map(|kind| (*kind, 2)).collect();
            assert_eq!(read.deviations(), expected, "{stream:?} cut at {cut}");
        }
        let read = read(stream.as_bytes(), 0);
        let quoted = read.deviations.list().next().map(|(_, _, example)| example.to_owned());
        assert_eq!(quoted.as_deref(), Some(example), "{stream:?}");
    }
}

#[test]
fn bytes_that_belong_to_no_answer_are_passed_over() {
    use Deviation::{BytesBehind, EmptyLine};
    let next = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    for (first, status, deviation) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\r\n", 200, EmptyLine),
        ("HTTP/1.1 204 N\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 204, BytesBehind),
        ("HTTP/1.1 204 N\r\nContent-Length: 4\r\n\r\n\r\n{}", 204, BytesBehind),
        ("HTTP/1.1 304 N\r\n\r\n{}", 304, BytesBehind),
        ("HTTP/1.1 304 N\r\n\r\nh", 304, BytesBehind),
    ] {
        let stream = format!("{first}{next}{first}{next}");
        for cut in 0..=stream.len() {
            let read = read(stream.as_bytes(), cut);
            let statuses: Vec<_> = read.answers.iter().map(|(status, ..)| *status).collect();
            assert_eq!(statuses, [status, 200, status, 200], "{stream:?} cut at {cut}: {read:?}");
            assert!(
                read.answers.iter().all(|(_, _, persistence)| *persistence == Kept),
                "{stream:?}"
            );
            assert_eq!(read.deviations(), [(deviation, 2)], "{stream:?} cut at {cut}");
        }
    }
}

#[test]
fn what_deviates_is_counted_each_time_and_what_does_not_is_learned() {
    let (mut parser, mut header_cache) = (ResponseParser::new(), HeaderCache::new());
    for head in ["X: y", "X : y"] {
        let stream = format!("HTTP/1.1 200 OK\r\n{head}\r\nContent-Length: 0\r\n\r\n");
        for _ in 0..3 {
            let fed = parser.feed(stream.as_bytes(), &mut header_cache, false);
            assert!(matches!(fed, Ok(Progress::Complete { .. })), "{fed:?}");
        }
    }
    let mut deviations = Deviations::new();
    header_cache.drain_deviations(&mut deviations);
    header_cache.drain_deviations(&mut deviations);
    let counted: Vec<_> = deviations.list().map(|(_, count, _)| count).collect();
    assert_eq!((header_cache.hits(), counted), (2, vec![3]));
}

#[test]
fn a_fault_says_where_it_is_and_quotes_it() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (stream, what, quote) in [
        (
            "HTTP/1.1 200 OK\r\nA: b\r\nno colon\r\n\r\n".to_owned(),
            "header line 2: no colon",
            "`no colon`",
        ),
        (
            "HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n".to_owned(),
            "header line 1: a NUL byte",
            r"`A: b\x00c`",
        ),
        (
            "HTTP/1.1 200 OK\r\n a: b\r\n\r\n".to_owned(),
            "header line 1: not `name: value`",
            "` a: b`",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n".to_owned(),
            "header line 2: Content-Length is given more than once, with different values",
            "`Content-Length: 3`",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n".to_owned(),
            "header line 1: Content-Length is not a decimal number below 2^63",
            "`Content-Length: x`",
        ),
        (
            format!("{chunked}2\r\nok\r\nxyz\r\n"),
            "a chunk of the body does not begin with its size in hexadecimal digits",
            "`xyz`",
        ),
        (
            format!("{chunked}2\r\nokay\r\n"),
            "a chunk of the body is not followed by CRLF: its size is wrong",
            "`ay`",
        ),
    ] {
        let whole = read(stream.as_bytes(), 0).fault.expect(what);
        assert_eq!((whole.1.as_str(), whole.2.as_str()), (what, quote), "{stream:?}");
        for cut in 0..=stream.len() {
            let (kind, found, _) = read(stream.as_bytes(), cut).fault.expect(what);
            assert_eq!((kind, found.as_str()), (whole.0, what), "{stream:?} cut at {cut}");
        }
    }
    let status = read(b"HTTP/1.1 20 OK\r\n\r\n", 0).fault.expect("no status");
    assert_eq!((status.0, status.2.as_str()), (Malformed::StatusCode, "`HTTP/1.1 20 OK`"));
    let greeting = read(b"SSH-2.0-OpenSSH_9.6\r\n", 0).fault.expect("no HTTP");
    assert_eq!(greeting.1, "an SSH server answers");
    assert_eq!(greeting.2, "`SSH-2.0-OpenSSH_9.6`");
}
