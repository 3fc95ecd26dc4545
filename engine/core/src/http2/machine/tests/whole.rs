//! Answers read at once mean the same as frame by frame, whatever the server sends.

use super::*;
use crate::statistics::random::Random;

/// Blocks with and without a body, a length, entries for the table, references to it, and faults.
const BLOCKS: [&[u8]; 11] = [
    OK,
    OK,
    OK_FIVE,
    b"\x89",
    b"\x8b",
    b"\x88\x40\x01a\x01b",
    b"\x88\xbe",
    b"\x8d\x0f\x0d\x010",
    b"\x08\x03103",
    b"\x40\x01a\x01b",
    b"\x88\x00\x01A\x01b",
];

/// Some frames of a server, mostly an answer of the commonest form to its request number `nth`.
fn said(random: &mut Random, nth: usize) -> Vec<u8> {
    let nth = if random.below(12) == 0 { random.below(nth + 2) } else { nth };
    let stream = 1 + 2 * nth as u32;
    let block = BLOCKS[random.below(BLOCKS.len())];
    let body = &b"hello, hello"[..[5, 5, 0, 12][random.below(4)]];
    let data_flags = if random.below(12) == 0 { 0 } else { flag::END_STREAM };
    let data = frame_of(kind::DATA, data_flags, stream, body);
    match random.below(24) {
        0 => headers_of(stream, flag::END_STREAM, block),
        1 => frame_of(kind::DATA, flag::PADDED | flag::END_STREAM, stream, b"\x01x\0"),
        2 => frame_of(kind::PING, 0, 0, b"01234567"),
        3 => [headers_of(stream, 0, block), frame_of(kind::PING, 0, 0, b"76543210"), data].concat(),
        4 => frame_of(kind::RST_STREAM, 0, stream, &[0, 0, 0, 7]),
        _ => [headers_of(stream, 0, block), data].concat(),
    }
}

/// The events of the bytes apart from beginnings, the frames sent, and how many answers were read
/// at once. A broken protocol ends it.
fn heard(
    bytes: &[u8],
    (blocks, reads_whole): (&mut Blocks, bool),
    mut piece: impl FnMut() -> usize,
) -> (Vec<StreamEvent>, Vec<u8>, Result<(), Violation>, u32) {
    let Client { mut machine, mut out, .. } = Client::with_gets(16, 0);
    let (mut events, mut named, mut whole, mut end) = (Vec::new(), 0, 0, Ok(()));
    let mut rest = bytes;
    while !rest.is_empty() && end.is_ok() {
        let (mut now, later) = rest.split_at(piece().min(rest.len()));
        rest = later;
        while !now.is_empty() {
            while machine.live() < machine.allowed() {
                let request = if named % 5 == 4 { post(b"body") } else { get() };
                machine.begin(named, &request, &mut out);
                named += 1;
            }
            if reads_whole && let Some(answered) = machine.feed_whole(now, blocks) {
                let WholeAnswer { consumed, exchange, answer } = answered;
                events.push(StreamEvent::Answered { exchange, answer });
                now = &now[consumed..];
                whole += 1;
                continue;
            }
            match machine.feed(now, blocks, &mut out) {
                Ok(progress) => {
                    now = &now[progress.consumed..];
                    events.extend(progress.event);
                }
                Err(broken) => {
                    end = Err(broken);
                    break;
                }
            }
        }
    }
    events.retain(|event| !matches!(event, StreamEvent::Began { .. }));
    (events, out, end, whole)
}

#[test]
fn answers_read_at_once_mean_the_same_as_frame_by_frame() {
    let (mut all, mut answered, mut broken) = (0, 0, 0);
    for seed in 0..400 {
        let mut random = Random::new(seed);
        let bytes: Vec<u8> = (0..60).flat_map(|nth| said(&mut random, nth)).collect();
        let mut blocks = Blocks::default();
        for most in [usize::MAX, 200, 40] {
            let mut lengths = Random::new(seed);
            let split = || if most == usize::MAX { most } else { 1 + lengths.below(most) };
            let (events, out, end, whole) = heard(&bytes, (&mut blocks, true), split);
            let slowly = heard(&bytes, (&mut Blocks::disabled(), false), || usize::MAX);
            assert_eq!((&events, &out, &end), (&slowly.0, &slowly.1, &slowly.2), "{seed} {most}");
            let is_answer = |event: &&StreamEvent| matches!(event, StreamEvent::Answered { .. });
            all += events.iter().filter(is_answer).count();
            answered += whole;
            broken += u32::from(end.is_err());
        }
    }
    // Both ways are taken, and some servers break the protocol.
    let answered = answered as usize;
    assert!(all > 10_000 && answered > all / 8 && answered < all, "{answered} of {all}");
    assert!(broken > 0, "{broken}");
}

#[test]
fn what_asks_for_a_frame_or_is_kept_is_not_read_at_once() {
    let mut client = Client::with_gets(4, 3);
    let Client { machine, blocks, .. } = &mut client;
    assert_eq!(machine.feed_whole(&answer(1, b"hello"), blocks), None, "the block is not known");
    client.hear(&answer(1, b"hello")).expect("valid");
    let Client { machine, blocks, .. } = &mut client;
    let behind = [answer(3, b"hello"), b"more".to_vec()].concat();
    assert_eq!(machine.feed_whole(&behind[..behind.len() - 5], blocks), None, "a byte is missing");
    let expected = StreamAnswer { status: 200, body_bytes: 5, grpc_status: None };
    let consumed = behind.len() - 4;
    let read = machine.feed_whole(&behind, blocks);
    assert_eq!(read, Some(WholeAnswer { consumed, exchange: 101, answer: expected }));
    assert_eq!(machine.feed_whole(&behind, blocks), None, "its stream has ended");
    client.hear(&answer(5, b"hello")).expect("valid");
    assert_eq!(client.machine.live(), 0);
    // Room for the connection has to be given back: that is a frame.
    let long = vec![b'x'; PAYLOAD];
    let given = (0..).find(|nth| {
        client.machine.begin(200 + nth, &get(), &mut client.out);
        let id = 7 + 2 * nth;
        let Client { machine, blocks, .. } = &mut client;
        let is_left = machine.feed_whole(&answer(id, &long), blocks).is_none();
        if is_left {
            client.out.clear();
            client.hear(&answer(id, &long)).expect("valid");
            assert_eq!(client.sent()[0].0, kind::WINDOW_UPDATE);
        }
        is_left
    });
    assert!(given.is_some_and(|nth| nth > 2), "{given:?}");
}

const PAYLOAD: usize = frame::PAYLOAD_MAX;
