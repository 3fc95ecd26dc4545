//! What must hold of the WebSocket machine whatever bytes it is fed.
//!
//! The plain reading beside it has the whole stream in hand, takes it frame by frame, and keeps
//! every payload.

use std::str;

use uringbench_core::websocket::frame::{Kind, Masks};
use uringbench_core::websocket::handshake::{Opening, OpeningParts};
use uringbench_core::websocket::machine::{
    Broken, FrameProgress, Machine, Message, SocketEnd, SocketStage,
};

use super::Choices;

/// RFC 6455 section 1.3: the answer to the key that `opening` sends.
const ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
     Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// What every message is expected to carry.
const EXPECTED: &[u8] = b"hello";

// Whatever comes, a connection holds no more than this, and within a control frame its payload.
const _: () = assert!(size_of::<Machine>() <= 100);

/// Frames read as a plain reading of RFC 6455 section 5 does, and with an answer to the opening
/// ahead of them alike, however the stream is split and whether payload is fed or skipped.
/// Returns how many messages it held.
pub fn websocket(input: &[u8]) -> usize {
    let Some((mut choices, stream)) = Choices::take(input) else { return 0 };
    let (has_answer, checks_text) = (choices.0 & 3 == 3, choices.0 & 4 == 4);
    let opening = opening();
    let start = || {
        let mut machine = Machine::new(Masks::new(1), checks_text);
        if !has_answer {
            let opened = machine.feed(ANSWER.as_bytes(), &opening, None);
            assert_eq!(opened, Ok(FrameProgress::Opened { consumed: ANSWER.len() }));
        }
        machine
    };
    let whole = receive(start(), stream, &opening, None);
    let split = receive(start(), stream, &opening, Some(&mut choices));
    assert_eq!(known(&whole.events, &split.events), split.events);
    // A header that never ends may be found at fault at any byte of it.
    let is_lenient = |end: &End| matches!(end, End::Broken(Broken::Answer(_)) | End::Truncated);
    assert!(
        whole.end == split.end || (is_lenient(&whole.end) && is_lenient(&split.end)),
        "{:?} became {:?}",
        whole.end,
        split.end
    );
    if !has_answer {
        let plain = read(stream, checks_text);
        let is_cut_short = matches!(plain.end, End::Truncated);
        assert_eq!(plain.events, whole.events);
        // A fault in a frame that is cut short is found before the frame is whole.
        assert!(plain.end == whole.end || (is_cut_short && matches!(whole.end, End::Broken(_))));
    }
    whole.events.iter().filter(|event| matches!(event, Event::Message(_))).count()
}

/// Everything one stream said.
#[derive(Debug)]
struct Received {
    events: Vec<Event>,
    end: End,
}

#[derive(Clone, Debug, PartialEq)]
enum Event {
    /// The end of an answer, by its status.
    Answer(u16),
    Message(Message),
    /// Some of the payload was skipped, so that nobody knows whether it matches.
    Skipped(Kind, u64),
    Pong(Vec<u8>),
    Closed(Option<u16>),
}

#[derive(Debug, PartialEq)]
enum End {
    Closed,
    Between,
    Truncated,
    Broken(Broken),
}

fn opening() -> Opening {
    let parts = OpeningParts {
        authority: "a",
        target: "/",
        headers: &[],
        protocols: &[],
        key: *b"the sample nonce",
    };
    Opening::build(parts).expect("the parts are in order")
}

/// Whole, or in pieces as `choices` says.
fn receive(
    mut machine: Machine,
    stream: &[u8],
    opening: &Opening,
    mut choices: Option<&mut Choices>,
) -> Received {
    let mut events = Vec::new();
    let mut rest = stream;
    let mut is_skipped = false;
    while !rest.is_empty() {
        let len = choices.as_deref_mut().map_or(rest.len(), |choices| {
            let most = rest.len().min(1 << choices.up_to(12));
            choices.up_to(most)
        });
        let opaque = machine.opaque().min(len as u64);
        if opaque > 0 && choices.as_deref_mut().is_some_and(|choices| choices.next() & 1 == 1) {
            is_skipped = true;
            if let Some(message) = machine.skip(opaque) {
                assert!(!message.matches && machine.is_between());
                events.push(Event::Skipped(message.kind, message.payload_bytes));
                is_skipped = false;
            }
            rest = &rest[opaque as usize..];
            continue;
        }
        let (consumed, event) = match machine.feed(&rest[..len], opening, Some(EXPECTED)) {
            Err(broken) => {
                assert_eq!(machine.stage(), SocketStage::Broken);
                return Received { events, end: End::Broken(broken) };
            }
            Ok(FrameProgress::NeedMore) => {
                rest = &rest[len..];
                continue;
            }
            Ok(FrameProgress::Opened { consumed }) => (consumed, Event::Answer(101)),
            Ok(FrameProgress::Refused { consumed, response }) => {
                (consumed, Event::Answer(response.status))
            }
            Ok(FrameProgress::Message { consumed, message }) if is_skipped => {
                is_skipped = false;
                assert!(!message.matches);
                (consumed, Event::Skipped(message.kind, message.payload_bytes))
            }
            Ok(FrameProgress::Message { consumed, message }) => (consumed, Event::Message(message)),
            Ok(FrameProgress::Reply { consumed, frame }) => {
                (consumed, Event::Pong(unmasked(frame.bytes())))
            }
            Ok(FrameProgress::Closed { consumed, code, reply }) => {
                let reply = reply.expect("we sent no Close frame");
                let echo = code.map_or_else(Vec::new, |code| code.to_be_bytes().to_vec());
                assert_eq!(unmasked(reply.bytes()), echo);
                (consumed, Event::Closed(code))
            }
        };
        assert!(0 < consumed && consumed <= len);
        events.push(event);
        rest = &rest[consumed..];
    }
    let end = match machine.end_of_stream() {
        SocketEnd::Closed => End::Closed,
        SocketEnd::Unclosed | SocketEnd::Unopened => End::Between,
        SocketEnd::Refused(_) | SocketEnd::Truncated => End::Truncated,
    };
    assert_eq!(machine.stage(), SocketStage::Opening);
    Received { events, end }
}

/// `events`, less what skipping in `found` leaves open.
fn known(events: &[Event], found: &[Event]) -> Vec<Event> {
    let both = events.iter().zip(found.iter().map(Some).chain(std::iter::repeat(None)));
    both.map(|(event, found)| match (event, found) {
        (Event::Message(message), Some(Event::Skipped(..))) => {
            Event::Skipped(message.kind, message.payload_bytes)
        }
        _ => event.clone(),
    })
    .collect()
}

fn unmasked(frame: &[u8]) -> Vec<u8> {
    frame[6..].iter().enumerate().map(|(at, byte)| byte ^ frame[2 + at % 4]).collect()
}

/// The plain reading.
fn read(stream: &[u8], checks_text: bool) -> Received {
    let mut events = Vec::new();
    let mut message: Option<(Kind, Vec<u8>)> = None;
    let mut rest = stream;
    while !rest.is_empty() {
        let end = match read_frame(rest, checks_text, &mut message) {
            Ok((event, after)) => {
                let is_closed = matches!(event, Some(Event::Closed(_)));
                events.extend(event);
                rest = after;
                if !is_closed {
                    continue;
                }
                End::Closed
            }
            Err(end) => end,
        };
        return Received { events, end };
    }
    let end = if message.is_some() { End::Truncated } else { End::Between };
    Received { events, end }
}

type Frame<'a> = (Option<Event>, &'a [u8]);

/// One frame, all there: what it says, and what follows it.
fn read_frame<'a>(
    stream: &'a [u8],
    checks_text: bool,
    message: &mut Option<(Kind, Vec<u8>)>,
) -> Result<Frame<'a>, End> {
    use uringbench_core::websocket::frame::FrameError::{
        ControlFragmented, ControlTooLong, LengthNotMinimal, LengthTooLarge, Masked, Opcode,
        ReservedBits,
    };
    let fault =
        |error: uringbench_core::websocket::frame::FrameError| Err(End::Broken(error.into()));
    let [first, second, after @ ..] = stream else { return Err(End::Truncated) };
    let (opcode, is_final) = (first & 15, first >= &128);
    match (first >> 4 & 7, opcode) {
        (1.., _) => return fault(ReservedBits),
        (_, 3..=7 | 11..) => return fault(Opcode(opcode)),
        (_, 8..) if !is_final => return fault(ControlFragmented),
        _ if *second >= 128 => return fault(Masked),
        (_, 8..) if *second > 125 => return fault(ControlTooLong),
        _ => {}
    }
    let (digits, least) = match second {
        126 => (2, 126),
        127 => (8, 65_536),
        _ => (0, 0),
    };
    let (long, after) = after.split_at_checked(digits).ok_or(End::Truncated)?;
    let number = long.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let length = if digits == 0 { u64::from(*second) } else { number };
    if length < least {
        return fault(LengthNotMinimal);
    }
    if length > i64::MAX as u64 {
        return fault(LengthTooLarge);
    }
    let (payload, after) = usize::try_from(length)
        .ok()
        .and_then(|length| after.split_at_checked(length))
        .ok_or(End::Truncated)?;
    let event = match opcode {
        8 => Some(Event::Closed(read_close(payload).map_err(End::Broken)?)),
        9 => Some(Event::Pong(payload.to_vec())),
        10 => None,
        _ => read_data(opcode, is_final, payload, checks_text, message).map_err(End::Broken)?,
    };
    Ok((event, after))
}

fn read_close(payload: &[u8]) -> Result<Option<u16>, Broken> {
    if payload.len() < 2 {
        return if payload.is_empty() { Ok(None) } else { Err(Broken::CloseLength) };
    }
    let code = u16::from(payload[0]) * 256 + u16::from(payload[1]);
    let is_reserved = [1004, 1005, 1006].contains(&code) || (1015..3000).contains(&code);
    if !(1000..5000).contains(&code) || is_reserved {
        return Err(Broken::CloseCode(code));
    }
    str::from_utf8(&payload[2..]).map_err(|_| Broken::CloseReason)?;
    Ok(Some(code))
}

fn read_data(
    opcode: u8,
    is_final: bool,
    payload: &[u8],
    checks_text: bool,
    message: &mut Option<(Kind, Vec<u8>)>,
) -> Result<Option<Event>, Broken> {
    match (opcode, &message) {
        (0, None) => return Err(Broken::NothingToContinue),
        (0, Some(_)) => {}
        (_, Some(_)) => return Err(Broken::Interleaved),
        (1, None) => *message = Some((Kind::Text, Vec::new())),
        (_, None) => *message = Some((Kind::Binary, Vec::new())),
    }
    let Some((kind, whole)) = message else { return Ok(None) };
    whole.extend_from_slice(payload);
    if *kind == Kind::Text
        && checks_text
        && let Err(error) = str::from_utf8(whole)
        && (is_final || error.error_len().is_some())
    {
        return Err(Broken::Text);
    }
    if !is_final {
        return Ok(None);
    }
    let (kind, payload_bytes) = (*kind, whole.len() as u64);
    let found = Message { kind, payload_bytes, matches: whole == EXPECTED };
    *message = None;
    Ok(Some(Event::Message(found)))
}
