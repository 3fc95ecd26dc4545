//! HTTP/2, and calls of gRPC over it: the machine reads alike however its bytes are split, and the
//! memo of header blocks changes nothing.

use uringbench_core::http::request::{RequestParts, RequestTemplate};
use uringbench_core::http2::block::{BlockReader, Blocks};
use uringbench_core::http2::error::Violation;
use uringbench_core::http2::machine::{CallAnswers, Http2Machine, StreamEvent, WholeAnswer};
use uringbench_core::http2::request::RequestFrames;
use uringbench_core::http2::settings::Http2Settings;

use super::Choices;

/// Streams in flight.
const DEPTH: u16 = 4;

/// A server's bytes behind its SETTINGS bring the same events and replies however they are split,
/// with header blocks remembered or not. Returns how many exchanges ended.
pub fn h2_machine(input: &[u8]) -> usize {
    let Some((mut choices, stream)) = Choices::take(input) else { return 0 };
    let calls = [None, Some(CallAnswers::One), Some(CallAnswers::Stream)][choices.up_to(3) - 1];
    let stream = (stream, calls);
    let mut whole = listen(stream, (&mut Blocks::disabled(), false), |left| left);
    let mut blocks = Blocks::default();
    for _ in 0..2 {
        let split = listen(stream, (&mut blocks, false), |left| choices.up_to(left.min(16)));
        assert_eq!(whole, split);
    }
    // Answers that are read at once do not begin before they end.
    let mut at_once = listen(stream, (&mut blocks, true), |left| choices.up_to(left.min(64)));
    for heard in [&mut whole, &mut at_once] {
        heard.events.retain(|event| !matches!(event, StreamEvent::Began { .. }));
    }
    assert_eq!(whole, at_once);
    whole.events.iter().filter(|event| is_end(event)).count()
}

const fn is_end(event: &StreamEvent) -> bool {
    !matches!(
        event,
        StreamEvent::Opened
            | StreamEvent::Room
            | StreamEvent::Began { .. }
            | StreamEvent::Message { .. }
            | StreamEvent::GoingAway { .. }
    )
}

#[derive(Debug, PartialEq)]
struct Heard {
    events: Vec<StreamEvent>,
    out: Vec<u8>,
    end: Result<(), Violation>,
}

fn listen(
    (stream, calls): (&[u8], Option<CallAnswers>),
    (blocks, reads_whole): (&mut Blocks, bool),
    mut piece: impl FnMut(usize) -> usize,
) -> Heard {
    let request = RequestTemplate::build(RequestParts::new("GET", "h", "/"));
    let request = RequestFrames::new(&request.expect("it is valid"), "http").expect("it is valid");
    let mut machine = Http2Machine::new(DEPTH, Http2Settings::default());
    if let Some(answers) = calls {
        machine = machine.for_calls(answers);
    }
    let mut heard = Heard { events: Vec::new(), out: Vec::new(), end: Ok(()) };
    let opening = b"\0\0\0\x04\0\0\0\0\0";
    let opened = machine.feed(opening, blocks, &mut heard.out);
    assert!(opened.is_ok_and(|progress| progress.event == Some(StreamEvent::Opened)));
    let mut names = 0;
    let mut rest = stream;
    while !rest.is_empty() && heard.end.is_ok() {
        let length = piece(rest.len()).max(1);
        let (mut now, later) = rest.split_at(length);
        rest = later;
        while !now.is_empty() {
            while machine.live() < machine.allowed() {
                machine.begin(names, &request, &mut heard.out);
                names += 1;
            }
            if reads_whole && let Some(whole) = machine.feed_whole(now, blocks) {
                let WholeAnswer { consumed, exchange, answer } = whole;
                now = &now[consumed..];
                heard.events.push(StreamEvent::Answered { exchange, answer });
                continue;
            }
            match machine.feed(now, blocks, &mut heard.out) {
                Err(broken) => {
                    heard.end = Err(broken);
                    break;
                }
                Ok(progress) => {
                    assert!(progress.consumed <= now.len());
                    assert!(progress.event.is_some() || progress.consumed == now.len());
                    now = &now[progress.consumed..];
                    heard.events.extend(progress.event);
                }
            }
            while machine.next_unprocessed().is_some() {}
        }
    }
    heard
}

/// Header blocks mean the same with and without the memo. Each begins with its length, in one byte.
/// Returns how many were read.
pub fn hpack_decode(input: &[u8]) -> usize {
    let (mut on, mut off) = (Blocks::default(), Blocks::disabled());
    let (mut with, mut without) = (BlockReader::new(4_096), BlockReader::new(4_096));
    let mut rest = input;
    let mut count = 0;
    while let Some((&length, behind)) = rest.split_first() {
        let (block, behind) = behind.split_at(behind.len().min(usize::from(length & 0x3f)));
        rest = behind;
        for _ in 0..1 + (length >> 6) {
            let (found, expected) = (with.read(block, &mut on), without.read(block, &mut off));
            assert_eq!(found, expected);
            if found.is_err() {
                return count;
            }
            count += 1;
        }
    }
    count
}
