//! Runs the checks of the fuzz targets on a fixed number of generated inputs: pieces of HTTP,
//! HTTP/2, WebSocket and event streams in random order, nearly correct, then damaged a little.

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

#[expect(unreachable_pub, reason = "it is a crate of its own for the fuzz targets")]
#[path = "../fuzz/src/lib.rs"]
mod checks;

const CASES: u64 = 60_000;

#[test]
fn streams_of_responses_read_alike_in_every_way() {
    let pieces: Vec<Vec<u8>> = RESPONSES.iter().map(|piece| piece.as_bytes().to_vec()).collect();
    let responses: usize = inputs(&pieces).map(|input| checks::response(&input)).sum();
    assert!(responses > CASES as usize, "only {responses} responses came out whole");
}

#[test]
fn chunked_bodies_read_as_the_rfc_says() {
    let mut pieces: Vec<Vec<u8>> = CHUNKS.iter().map(|piece| piece.as_bytes().to_vec()).collect();
    pieces.push([b"0;", "x".repeat(8200).as_bytes()].concat());
    pieces.push([b"a:", "x".repeat(40_000).as_bytes(), b"\r\n"].concat());
    let whole = inputs(&pieces).filter(|input| checks::chunked(input)).count();
    assert!(whole > CASES as usize / 20, "only {whole} bodies came out whole");
}

#[test]
fn websockets_read_as_the_rfc_says() {
    let mut frames: Vec<Vec<u8>> = FRAMES.iter().map(|piece| piece.to_vec()).collect();
    // A payload that would be valid frames if it were read as such.
    frames.insert(5, [b"\x82\x7e\x03\xe8".as_slice(), &[0x81; 1000]].concat());
    frames.insert(5, [b"\x82\x7f\0\0\0\0\0\x01\0\0".as_slice(), &[0x81; 65_536]].concat());
    let answers = ANSWERS.iter().map(|piece| piece.as_bytes().to_vec());
    let answered: Vec<Vec<u8>> = answers.chain(frames.iter().cloned()).collect();
    for pieces in [frames, answered] {
        let messages: usize = inputs(&pieces).map(|input| checks::websocket(&input)).sum();
        assert!(messages > CASES as usize / 3, "only {messages} messages came out whole");
    }
}

#[test]
fn events_read_as_the_whatwg_says() {
    let pieces: Vec<Vec<u8>> = EVENTS.iter().map(|piece| piece.as_bytes().to_vec()).collect();
    let events: usize = inputs(&pieces).map(|input| checks::events(&input)).sum();
    assert!(events > CASES as usize, "only {events} events came out whole");
}

#[test]
fn http_2_reads_alike_however_it_is_split() {
    let ends: usize = inputs(&h2_frames()).map(|input| checks::h2_machine(&input)).sum();
    assert!(ends > CASES as usize / 3, "only {ends} exchanges ended");
}

#[test]
fn replies_of_redis_read_alike_however_they_are_split() {
    let mut pieces: Vec<Vec<u8>> = REPLIES.iter().map(|piece| piece.as_bytes().to_vec()).collect();
    pieces.push([b"$5000\r\n", "+OK\r\n".repeat(1_000).as_bytes(), b"\r\n"].concat());
    let replies: usize = inputs(&pieces).map(|input| checks::resp(&input)).sum();
    assert!(replies > CASES as usize, "only {replies} replies came out whole");
}

#[test]
fn answers_of_postgresql_read_alike_however_they_are_split() {
    let message = |(tag, body): &(u8, &str)| {
        let length = body.len() as u32 + 4;
        [&[*tag][..], &length.to_be_bytes(), body.as_bytes()].concat()
    };
    let mut pieces: Vec<Vec<u8>> = SQL_ANSWERS.iter().map(message).collect();
    pieces.push(message(&(b'D', &"\0\x01\0\0\0\x05Z\0\0\0\x05I".repeat(400))));
    let answers: usize = inputs(&pieces).map(|input| checks::postgres(&input).0).sum();
    assert!(answers > CASES as usize, "only {answers} answers came out whole");
    let pieces: Vec<Vec<u8>> = SQL_OPENINGS.iter().map(message).collect();
    let opened = inputs(&pieces).filter(|input| checks::postgres(input).1).count();
    assert!(opened > CASES as usize / 40, "only {opened} connections were opened");
}

#[test]
fn header_blocks_mean_the_same_with_and_without_the_memo() {
    let blocks: [&[u8]; 10] = [
        b"\x81\x88",
        b"\xc6\x88\x40\x01a\x01b",
        b"\xc4\x8d\x61\x01a",
        b"\x42\x20\x88",
        b"\xc2\x88\xbe",
        b"\x05\x88\x0f\x0d\x011",
        b"\xc2\x88\xbf",
        b"\x45\x88\x7e\x02xy",
        b"\x44\x3f\xe1\x1f\x88",
        b"\x06\x48\x83\xf1\xe3\xc7\x88",
    ];
    let blocks: Vec<Vec<u8>> = blocks.iter().map(|block| block.to_vec()).collect();
    let read: usize = inputs(&blocks).map(|input| checks::hpack_decode(&input[8..])).sum();
    assert!(read > CASES as usize, "only {read} blocks were read");
}

/// Frames of a server whose client has streams 1, 3 and so on in flight.
fn h2_frames() -> Vec<Vec<u8>> {
    let frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        let header = [0, (payload.len() >> 8) as u8, payload.len() as u8, kind, flags, 0, 0, 0];
        [header.as_slice(), &[stream], payload].concat()
    };
    let mut frames = Vec::new();
    for stream in [1, 3, 5, 7, 9, 11] {
        frames.push(frame(1, 5, stream, b"\x88"));
        frames.push([frame(1, 4, stream, b"\x88"), frame(0, 1, stream, b"hello")].concat());
    }
    // Calls of gRPC: with a message in pieces, with a status alone, without an end.
    let head = b"\x88\x0f\x10\x10application/grpc";
    let status = |status: &[u8]| [b"\0\x0bgrpc-status\x01", status].concat();
    for stream in [1, 3, 5] {
        let message = b"\0\0\0\0\x03abc";
        let pieces = [frame(0, 0, stream, &message[..4]), frame(0, 0, stream, &message[4..])];
        let end = frame(1, 5, stream, &status(b"0"));
        frames.push([frame(1, 4, stream, head), pieces.concat(), end].concat());
        frames.push(frame(1, 5, stream, &[&head[..], &status(b"8")].concat()));
        frames.push([frame(1, 4, stream, head), frame(0, 1, stream, message)].concat());
    }
    frames.push(frame(4, 0, 0, b"\0\x03\0\0\0\x64"));
    frames.push(frame(6, 0, 0, b"01234567"));
    frames.push([frame(1, 0, 13, b"\x88\x40\x01a"), frame(9, 4, 13, b"\x01b")].concat());
    frames.push(frame(1, 5, 3, b"\x88\xbe"));
    frames.push(frame(3, 0, 5, b"\0\0\0\x07"));
    frames.push(frame(0, 8, 7, b"\x02ab\0\0"));
    frames.push(frame(1, 4, 9, b"\x08\x03103"));
    frames.push(frame(8, 0, 0, b"\0\0\x40\0"));
    frames.push(frame(7, 0, 0, b"\0\0\0\x05\0\0\0\0"));
    frames.push(frame(0xfa, 0, 0, &[7; 300]));
    frames
}

/// Eight bytes that select how the input is fed, up to twelve pieces, and damage in every other
/// input.
fn inputs(pieces: &[Vec<u8>]) -> impl Iterator<Item = Vec<u8>> {
    (0..CASES).map(move |seed| {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut below = |bound: usize| (random.next_u64() % bound as u64) as usize;
        let mut input: Vec<u8> = (0..8).map(|_| below(256) as u8).collect();
        for _ in 0..1 + below(12) {
            // The first pieces are the valid ones: choose them more often.
            let piece = below(pieces.len()).min(below(pieces.len()));
            input.extend_from_slice(&pieces[piece]);
        }
        for _ in 0..below(2) * below(4) {
            let at = 8 + below(input.len() - 8);
            match below(4) {
                0 => input[at] = below(256) as u8,
                1 => input[at] = b"\r\n\t :,;0fF\x7f\0"[below(12)],
                2 => input.truncate(at + 1),
                _ => drop(input.splice(at..at, *b"\r\n")),
            }
        }
        input
    })
}

const RESPONSES: [&str; 29] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nDate: Mon, 20 Nov 2023 22:28:00 GMT\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nDate: Tue, 21 Nov 2023 00:00:01 GMT\r\nContent-Length: 5\r\n\r\nthere",
    "HTTP/1.1 200 OK\r\nX-Id: 123\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX-Id: 456\r\nTransfer-Encoding: chunked\r\n\r\n0;x\r\na: b\r\n\r\n",
    "HTTP/1.1 204 No Content\r\nX-Id: 123\r\n\r\n",
    "HTTP/1.1 204 No Content\r\nX-Id: 456\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n",
    "HTTP/1.1 404 Not Found\nContent-Length: 1\n\nx",
    "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\nuntil the close",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nuntil the close",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 500 Oh\r\nContent-Length: 3, 3\r\n\r\nabc",
    "http/1.1  200OK\r\nContent-Length: +2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nX-Id : 1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n2\nok\n0\n\n",
    "http/1.1 204 No Content\r\n\r\n",
    "HTTP/2 404\r\nContent-Length: 1,\r\n\r\nx",
    "HTTP/1.1 999-X\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 2",
    "Content-Length: 5\r\n",
    "hello",
    "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n",
    "\r\n",
];

const CHUNKS: [&str; 26] = [
    "5\r\nhello\r\n",
    "5;a=\"b\"\r\nhello\r\n",
    "05 \t\r\nhello\r\n",
    "A\r\n0123456789\r\n",
    "3\r\n\r\n0\r\n",
    "1\r\nx",
    "\r\n",
    "0\r\n",
    "0\r\n\r\n",
    "0;x\r\n\r\n",
    "0\r\nDigest: x\r\n\r\n",
    "0\r\na:\r\nb: c\r\n\r\n",
    "a: b\r\n",
    "7fffffffffffffff\r\n",
    "8000000000000000\r\n",
    "00000000000000000000002\r\nab\r\n",
    "2 2\r\nab\r\n",
    "2\nab\r\n",
    "fF\r\n",
    " : x\r\n",
    "2\nab\n",
    "2\r\r\nab\r\r\n",
    "0 x\r\na : b\n c\r\n\n",
    "0\n\n",
    "0x2\r\n",
    "2;\x01\0\r\nab\r\n",
];

const FRAMES: [&[u8]; 27] = [
    b"\x81\x05hello",
    b"\x82\x05hello",
    b"\x01\x03hel\x80\x02lo",
    b"\x89\x04ping",
    b"\x02\x00\x89\x00\x00\x02he\x8a\x00\x00\x00\x80\x03llo",
    b"\x81\x06\xe2\x82\xac\xc3\xa4x",
    b"\x01\x02\xe2\x82\x00\x02\xac\xc3\x89\x01x\x80\x01\xa4",
    b"\x8a\x04pong",
    b"\x82\x00",
    b"\x88\x02\x03\xe8",
    b"\x01\x03hel",
    b"\x80\x02lo",
    b"\x00\x01\xc3",
    b"\x80\x01\xa4",
    b"\x88\x04\x0f\xa0ok",
    b"\x88\x00",
    b"\x88\x02\x03\xed",
    b"\x88\x01\x03",
    b"\x88\x03\x03\xe8\xff",
    b"\x81\x02\xc3\x28",
    b"\x81\x01\xc3",
    b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
    b"\x82\x7e\x00\x05hello",
    b"\x02\x7f\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x82\x7f\x80\0\0\0\0\0\0\0",
    b"\x09\x00",
    b"\x83\x00",
];

const ANSWERS: [&str; 4] = [
    "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 101 S\r\nUpgrade: websocket\r\n",
];

const REPLIES: [&str; 18] = [
    "+OK\r\n",
    ":-1\r\n",
    "$3\r\nabc\r\n",
    "$0\r\n\r\n",
    "$-1\r\n",
    "*-1\r\n",
    "*2\r\n",
    "*0\r\n",
    "%1\r\n",
    "~1\r\n",
    "|1\r\n",
    ">2\r\n",
    "_\r\n",
    "#t\r\n",
    ",1.5\r\n",
    "-ERR no\r\n",
    "!5\r\nOOM x\r\n",
    "=5\r\ntxt:a\r\n",
];

/// Tags and bodies.
const SQL_ANSWERS: [(u8, &str); 11] = [
    (b'Z', "I"),
    (b'D', "\0\x01\0\0\0\x02ab"),
    (b'2', ""),
    (b'Z', "E"),
    (b'C', "SELECT 1\0"),
    (b'E', "SERROR\0VERROR\0C40001\0Mx\0\0"),
    (b'T', "\0\x01a\0"),
    (b'N', "SNOTICE\0C00000\0Mx\0\0"),
    (b'E', "SFATAL\0VFATAL\0C57P01\0Mx\0\0"),
    (b'1', ""),
    (b'S', "TimeZone\0UTC\0"),
];

const SQL_OPENINGS: [(u8, &str); 7] = [
    (b'R', "\0\0\0\0"),
    (b'Z', "I"),
    (b'S', "standard_conforming_strings\0off\0"),
    (b'R', "\0\0\0\x03"),
    (b'1', ""),
    (b'N', "SNOTICE\0C00000\0Mx\0\0"),
    (b'R', "\0\0\0\x0aSCRAM-SHA-256\0\0"),
];

const EVENTS: [&str; 22] = [
    "data: hello\n\n",
    "\n",
    "data:a\r\n",
    "\r\n",
    "id: 1\nevent: add\ndata: x\n\n",
    "data\n",
    "\r",
    "event: add\r\n",
    "id\n",
    ": keep the connection\n\n",
    "retry: 3000\n",
    "retry: 99999999999\r",
    "retry: 1x\n",
    "id: a\0b\n",
    "\u{feff}",
    "data:  two spaces\r\r",
    "datas: no\n",
    "dat",
    ":",
    " ",
    "event:\n",
    "unknown\n",
];
