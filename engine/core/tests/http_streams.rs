//! Streams of responses made from known parts: what comes out is what went in, payload byte for
//! byte, however the stream is split and whether payload is fed or skipped.

use proptest::collection::vec;
use proptest::prelude::*;
use uringbench_core::http::header_cache::HeaderCache;
use uringbench_core::http::response::{Persistence, Progress, Response, ResponseParser, StreamEnd};

/// One response on the wire, and what must be read from it.
#[derive(Clone, Debug)]
struct Sent {
    bytes: Vec<u8>,
    is_head: bool,
    payload: Vec<u8>,
    expected: Response,
}

/// What a parser made of a stream: its responses, the payload of each and of one cut short, and
/// how it ended.
#[derive(Debug)]
struct Received {
    responses: Vec<Response>,
    payloads: Vec<Vec<u8>>,
    end: StreamEnd,
}

/// How the bytes of one response's body are marked off.
#[derive(Clone, Debug)]
enum Body {
    Length(Vec<u8>),
    Chunked { chunks: Vec<Vec<u8>>, extension: &'static str, trailers: &'static str },
    Bodyless { status: u16, line: &'static str },
    Head { line: &'static str },
    Close(Vec<u8>),
}

#[derive(Clone, Debug)]
struct Lines {
    interims: Vec<&'static str>,
    is_http10: bool,
    status: u16,
    more: Vec<(usize, String)>,
    connection: usize,
}

/// Connection lines, with what they say where the version leaves it open.
const CONNECTIONS: [(&str, Option<bool>); 4] = [
    ("", None),
    ("connection: keep-alive\r\n", Some(true)),
    ("Connection: x, CLOSE\r\n", Some(false)),
    ("Connection: keep-alive\r\nConnection: close\r\n", Some(false)),
];

const NAMES: [&str; 5] = ["Date", "Server", "X-Request-Id", "ETag", "Content-Type"];

const EVENTS: &str = "text/event-stream";

fn payload() -> impl Strategy<Value = Vec<u8>> {
    // Bytes that would mean something anywhere else.
    let byte = prop_oneof![proptest::sample::select(b"\r\n0HTP/1. :;".to_vec()), any::<u8>()];
    prop_oneof![4 => vec(byte.clone(), 0..40), 1 => vec(byte, 1000..3000)]
}

fn body() -> impl Strategy<Value = Body> {
    let chunk = payload().prop_filter("an empty chunk is the last", |chunk| !chunk.is_empty());
    let framing = vec!["", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n"];
    let line = proptest::sample::select(framing);
    let extension = proptest::sample::select(vec!["", ";a", " ;name=\"a, b; c\"", "\t"]);
    let trailers = proptest::sample::select(vec!["", "Digest: x\r\n", "a:\r\nb: \tc\r\n"]);
    prop_oneof![
        3 => payload().prop_map(Body::Length),
        3 => (vec(chunk, 0..4), extension, trailers).prop_map(|(chunks, extension, trailers)| {
            Body::Chunked { chunks, extension, trailers }
        }),
        1 => (proptest::sample::select(vec![204, 304]), line.clone())
            .prop_map(|(status, line)| Body::Bodyless { status, line }),
        1 => line.prop_map(|line| Body::Head { line }),
    ]
}

fn lines() -> impl Strategy<Value = Lines> {
    let interim = proptest::sample::select(vec![
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nContent-Length: 4\r\n\r\n",
    ]);
    // Few values of few lengths, so that headers are learned, merged and recognised.
    let more = (0..NAMES.len(), prop_oneof![9 => "[a-c]{3}|[ -~]{0,9}", 1 => Just(EVENTS.into())]);
    (
        prop_oneof![4 => Just(vec![]), 1 => vec(interim, 1..3)],
        any::<bool>(),
        proptest::sample::select(vec![200, 404, 503]),
        vec(more, 0..4),
        0..CONNECTIONS.len(),
    )
        .prop_map(|(interims, is_http10, status, more, connection)| Lines {
            interims,
            is_http10,
            status,
            more,
            connection,
        })
}

fn sent((lines, body): (Lines, Body)) -> Sent {
    let is_chunked = |line: &str| line.starts_with("Transfer");
    let (framing, status, payload, wire, is_head) = match &body {
        Body::Length(bytes) => {
            let line = format!("Content-Length: {}\r\n", bytes.len());
            (line, lines.status, bytes.clone(), bytes.clone(), false)
        }
        Body::Chunked { chunks, extension, trailers } => {
            let mut wire = Vec::new();
            for chunk in chunks {
                wire.extend(format!("{:X}{extension}\r\n", chunk.len()).bytes());
                wire.extend(chunk.iter().chain(b"\r\n"));
            }
            wire.extend(format!("0{extension}\r\n{trailers}\r\n").bytes());
            let line = "Transfer-Encoding: gzip, chunked\r\n".to_owned();
            (line, lines.status, chunks.concat(), wire, false)
        }
        Body::Bodyless { status, line } => ((*line).to_owned(), *status, vec![], vec![], false),
        Body::Head { line } => ((*line).to_owned(), lines.status, vec![], vec![], true),
        Body::Close(bytes) => (String::new(), lines.status, bytes.clone(), bytes.clone(), false),
    };
    // HTTP/1.0 knows no codings.
    let is_http10 = lines.is_http10 && !is_chunked(&framing);
    let (connection, said) = CONNECTIONS[lines.connection];
    let more: String =
        lines.more.iter().map(|(name, value)| format!("{}: {value}\r\n", NAMES[*name])).collect();
    let version = if is_http10 { "1.0" } else { "1.1" };
    let head = format!("HTTP/{version} {status} R\r\n{more}{connection}{framing}\r\n");
    let mut bytes = lines.interims.concat().into_bytes();
    bytes.extend(head.bytes());
    let keep_alive = said.unwrap_or(!is_http10) && !matches!(body, Body::Close(_));
    let (head_bytes, body_bytes) = (bytes.len() as u32, payload.len() as u64);
    bytes.extend(wire);
    let is_event_stream = lines.more.iter().rfind(|(name, _)| NAMES[*name] == "Content-Type");
    let is_event_stream = is_event_stream.is_some_and(|(_, value)| value == EVENTS);
    let persistence = if keep_alive { Persistence::Kept } else { Persistence::Closed };
    let expected = Response { status, persistence, is_event_stream, head_bytes, body_bytes };
    Sent { bytes, is_head, payload, expected }
}

/// Some responses, the last of them perhaps ended by the close alone.
fn stream() -> impl Strategy<Value = Vec<Sent>> {
    let closing = (lines(), payload().prop_map(Body::Close)).prop_map(sent);
    let responses = vec((lines(), body()).prop_map(sent), 0..8);
    (responses, proptest::option::of(closing)).prop_map(|(mut responses, closing)| {
        responses.extend(closing);
        responses
    })
}

/// Receive `sent` in pieces of the sizes given, over and over; skip payload where `skips` says.
fn receive(
    sent: &[Sent],
    pieces: &[usize],
    skips: &[bool],
    header_cache: &mut HeaderCache,
) -> Received {
    let stream: Vec<u8> = sent.iter().flat_map(|sent| sent.bytes.clone()).collect();
    let mut pieces = pieces.iter().cycle();
    let mut skips = skips.iter().cycle();
    let mut parser = ResponseParser::new();
    let mut found = Vec::new();
    let mut payloads = vec![Vec::new()];
    let mut arrived = stream.as_slice();
    while !arrived.is_empty() {
        let len = *pieces.next().expect("a cycle of at least one");
        let (mut piece, rest) = arrived.split_at(arrived.len().min(len));
        arrived = rest;
        while !piece.is_empty() {
            let opaque = parser.opaque().min(piece.len() as u64);
            if opaque > 0 && *skips.next().expect("a cycle of at least one") {
                payloads[found.len()].extend_from_slice(&piece[..opaque as usize]);
                piece = &piece[opaque as usize..];
                if let Some(response) = parser.skip(opaque) {
                    found.push(response);
                    payloads.push(Vec::new());
                }
                continue;
            }
            let is_head = sent.get(found.len()).is_some_and(|sent| sent.is_head);
            let payload = &mut payloads[found.len()];
            let mut read = |piece: &[u8]| payload.extend_from_slice(piece);
            let fed = parser.feed_into(piece, header_cache, is_head, &mut read);
            match fed.expect("every response sent is well formed") {
                Progress::NeedMore => break,
                Progress::Continue { .. } => panic!("reported without being requested"),
                Progress::Dropped { .. } => panic!("every byte is some response's"),
                Progress::Complete { consumed, response } => {
                    found.push(response);
                    payloads.push(Vec::new());
                    piece = &piece[consumed..];
                }
            }
        }
    }
    let end = parser.end_of_stream();
    if let StreamEnd::Complete(response) = end {
        found.push(response);
        payloads.push(Vec::new());
    }
    Received { responses: found, payloads, end }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn any_split_of_a_stream_reads_alike(
        sent in stream(),
        pieces in vec(prop_oneof![1..4_usize, 1..200_usize, 1000..9000_usize], 1..8),
        skips in vec(any::<bool>(), 1..4),
    ) {
        let expected: Vec<Response> = sent.iter().map(|sent| sent.expected).collect();
        let mut payloads: Vec<Vec<u8>> = sent.iter().map(|sent| sent.payload.clone()).collect();
        payloads.push(Vec::new());
        let mut header_cache = HeaderCache::new();
        // The first round learns the headers, the second uses them.
        for pieces in [&[usize::MAX], pieces.as_slice(), &[1], pieces.as_slice()] {
            for skips in [&[false], skips.as_slice()] {
                let found = receive(&sent, pieces, skips, &mut header_cache);
                prop_assert_eq!(&found.responses, &expected);
                prop_assert_eq!(&found.payloads, &payloads);
                prop_assert_ne!(found.end, StreamEnd::Truncated);
            }
        }
        let found = receive(&sent, &pieces, &skips, &mut HeaderCache::disabled());
        prop_assert_eq!(&found.responses, &expected);
        prop_assert_eq!(&found.payloads, &payloads);
    }

    #[test]
    fn a_stream_cut_anywhere_loses_the_last_response_alone(
        sent in stream(),
        cut in any::<proptest::sample::Index>(),
        pieces in vec(1..100_usize, 1..4),
    ) {
        let total: usize = sent.iter().map(|sent| sent.bytes.len()).sum();
        let mut left = if total == 0 { 0 } else { cut.index(total) };
        let mut cut_stream = sent.clone();
        for sent in &mut cut_stream {
            sent.bytes.truncate(left);
            left -= sent.bytes.len();
        }
        let mut whole: Vec<Response> = Vec::new();
        let mut is_between = true;
        for (sent, cut) in sent.iter().zip(&cut_stream) {
            is_between &= cut.bytes.is_empty() || cut.bytes.len() == sent.bytes.len();
            if cut.bytes.len() == sent.bytes.len() {
                whole.push(sent.expected);
            }
        }
        let found = receive(&cut_stream, &pieces, &[true, false], &mut HeaderCache::new());
        for (payload, sent) in found.payloads.iter().zip(&sent) {
            prop_assert!(sent.payload.starts_with(payload));
        }
        match found.end {
            StreamEnd::Clean => prop_assert!(is_between && found.responses == whole),
            StreamEnd::Truncated => prop_assert!(!is_between && found.responses == whole),
            // A close-delimited body ends with what came, the cut unseen.
            StreamEnd::Complete(_) => prop_assert!(found.responses.len() == sent.len()),
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        pieces in vec(prop_oneof![vec(any::<u8>(), 0..50), payload()], 0..20),
        beginning in proptest::sample::select(vec![
            "",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ]),
        is_head in any::<bool>(),
    ) {
        let mut parser = ResponseParser::new();
        let mut header_cache = HeaderCache::new();
        for piece in std::iter::once(beginning.as_bytes().to_vec()).chain(pieces) {
            let mut rest = piece.as_slice();
            while let Ok(Progress::Complete { consumed, .. }) =
                parser.feed(rest, &mut header_cache, is_head)
            {
                prop_assert!(consumed <= rest.len());
                rest = &rest[consumed..];
            }
        }
        parser.end_of_stream();
        prop_assert!(parser.is_between() && parser.opaque() == 0);
    }
}
