//! Scripts of clients, and this program's own client as one.

use uringbench_core::http::request::{RequestParts, RequestTemplate};
use uringbench_core::http2::block::Blocks;
use uringbench_core::http2::machine::{Http2Machine, StreamEvent};
use uringbench_core::http2::request::RequestFrames;
use uringbench_core::http2::settings::Http2Settings;

use super::*;

fn frame_of(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::write(&mut out, (kind, flags, stream), payload);
    out
}

/// The frames that it sends for these bytes, fed in pieces of this size.
fn sent(bytes: &[u8], pieces: usize) -> Result<Vec<(u8, u8, u32, usize)>, Broken> {
    let (mut http2, mut answers) = (Http2::new(), Answers::default());
    let mut out = Vec::new();
    for piece in bytes.chunks(pieces) {
        http2.feed(piece, &mut answers)?;
        out.append(http2.queued());
    }
    let (mut frames, mut rest) = (Vec::new(), out.as_slice());
    while let Some((header, behind)) = rest.split_first_chunk() {
        let header = FrameHeader::read(header);
        frames.push((header.kind, header.flags, header.stream, header.length as usize));
        rest = &behind[header.length as usize..];
    }
    Ok(frames)
}

/// The preface, SETTINGS with this window, and these frames.
fn client(window: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let settings = [&INITIAL_WINDOW_SIZE.to_be_bytes()[..], &window.to_be_bytes()].concat();
    [PREFACE, &frame_of(kind::SETTINGS, 0, 0, &settings), &frames.concat()].concat()
}

/// `GET /bytes/40`.
const GET: &[u8] = b"\x82\x86\x04\x09/bytes/40";

#[test]
fn answers_are_the_same_at_every_split() {
    let requests =
        [frame_of(kind::HEADERS, 5, 1, GET), frame_of(kind::HEADERS, 5, 3, b"\x82\x86\x84")];
    let bytes = client(65_535, &requests);
    let whole = sent(&bytes, usize::MAX).expect("it is valid");
    let data: Vec<_> = whole.iter().filter(|it| it.0 == kind::DATA).collect();
    assert_eq!(data, [&(0, 1, 1, 40), &(0, 1, 3, 13)]);
    for pieces in 1..bytes.len() {
        assert_eq!(sent(&bytes, pieces).expect("it is valid"), whole, "{pieces}");
    }
}

#[test]
fn no_more_is_sent_than_the_windows_allow() {
    let get = frame_of(kind::HEADERS, 5, 1, GET);
    let update = frame_of(kind::WINDOW_UPDATE, 0, 1, &20_u32.to_be_bytes());
    let data = |frames: &[Vec<u8>]| {
        let sent = sent(&client(15, frames), 7).expect("it is valid");
        sent.into_iter().filter(|it| it.0 == kind::DATA).map(|it| (it.1, it.3)).collect::<Vec<_>>()
    };
    assert_eq!(data(std::slice::from_ref(&get)), [(0, 15)]);
    assert_eq!(data(&[get.clone(), update.clone()]), [(0, 15), (0, 20)]);
    assert_eq!(data(&[get, update.clone(), update]), [(0, 15), (0, 20), (1, 5)]);
}

#[test]
fn what_breaks_the_protocol_ends_the_connection() {
    let zero = frame_of(kind::WINDOW_UPDATE, 0, 0, &[0; 4]);
    for (frames, broken) in [
        (vec![frame_of(kind::HEADERS, 5, 2, GET)], PROTOCOL),
        (vec![frame_of(kind::HEADERS, 5, 3, GET), frame_of(kind::HEADERS, 5, 1, GET)], PROTOCOL),
        (vec![frame_of(kind::HEADERS, 1, 1, GET), frame_of(kind::PING, 0, 0, &[0; 8])], PROTOCOL),
        (vec![frame_of(kind::HEADERS, 5, 1, b"\xff")], Broken(ErrorCode::COMPRESSION_ERROR)),
        (vec![frame_of(kind::DATA, 1, 1, b"x")], PROTOCOL),
        (vec![frame_of(kind::PING, 0, 0, b"x")], SIZE),
        (vec![zero], FLOW),
        (vec![frame_of(kind::PING, 0, 0, &[0; 8]); 70_000], CALM),
        (vec![vec![0xff; 9]], SIZE),
    ] {
        assert_eq!(sent(&client(65_535, &frames), usize::MAX), Err(broken));
    }
    assert_eq!(sent(b"PRI * HTTP/2.1\r\n", usize::MAX), Err(PROTOCOL));
    let streams: Vec<_> =
        (0..300).map(|nth| frame_of(kind::HEADERS, 4, 2 * nth + 1, GET)).collect();
    let refused = sent(&client(65_535, &streams), usize::MAX).expect("it is valid");
    assert_eq!(refused.iter().filter(|it| it.0 == kind::RST_STREAM).count(), 300 - 256);
}

#[test]
fn this_program_s_client_gets_every_answer_whole() {
    for (path, expected) in [("/", 13), ("/bytes/0", 0), ("/bytes/300000", 300_000)] {
        let parts = RequestParts::new("GET", "h", path);
        let request = RequestTemplate::build(parts).expect("it is valid");
        let request = RequestFrames::new(&request, "http").expect("it can be");
        let (mut machine, mut blocks) =
            (Http2Machine::new(7, Http2Settings::default()), Blocks::default());
        let (mut http2, mut answers) = (Http2::new(), Answers::default());
        let (mut to_server, mut done) = (Http2Machine::preface(Http2Settings::default()), 0);
        while done < 50 {
            http2.feed(&to_server, &mut answers).expect("the client is right");
            to_server.clear();
            let to_client = std::mem::take(http2.queued());
            let mut rest = to_client.as_slice();
            while !rest.is_empty() {
                let fed = machine.feed(rest, &mut blocks, &mut to_server);
                let fed = fed.expect("the server is right");
                rest = &rest[fed.consumed..];
                if let Some(StreamEvent::Answered { answer, .. }) = fed.event {
                    assert_eq!((answer.status, answer.body_bytes), (200, expected));
                    done += 1;
                }
            }
            while machine.is_open() && machine.live() < machine.allowed() {
                machine.begin(done * 10 + u32::from(machine.live()), &request, &mut to_server);
            }
        }
        assert!(blocks.hits() > 40, "its header blocks are recognised");
    }
}
