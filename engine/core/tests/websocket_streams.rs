//! Streams of frames made of known parts: the parser returns these parts for any split of the
//! stream, whether payload is fed or skipped.

use proptest::collection::vec;
use proptest::prelude::*;
use uringbench_core::websocket::frame::{Kind, Masks};
use uringbench_core::websocket::handshake::{Opening, OpeningParts};
use uringbench_core::websocket::machine::{Broken, FrameProgress, Machine, SocketEnd, SocketStage};

/// A frame or message that a server sends.
#[derive(Clone, Debug)]
enum Sent {
    Message { kind: Kind, payload: Vec<u8>, cuts: Vec<usize>, between: Vec<Control> },
    Control(Control),
}

#[derive(Clone, Debug)]
enum Control {
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

/// An event that the client reports.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    /// `matches` is `None` if a part of the message was skipped.
    Message {
        kind: Kind,
        payload_bytes: u64,
        matches: Option<bool>,
    },
    Pong(Vec<u8>),
    Closed {
        code: Option<u16>,
        is_answered: bool,
    },
}

/// How a stream is fed.
#[derive(Clone, Copy, Debug)]
struct Feeding<'a> {
    /// Sizes of the pieces, repeated in a cycle.
    pieces: &'a [usize],
    /// Whether each payload that may be skipped is skipped, repeated in a cycle.
    skips: &'a [bool],
    checks_text: bool,
}

fn control() -> impl Strategy<Value = Control> {
    let payload = prop_oneof![vec(any::<u8>(), 0..20), vec(any::<u8>(), 120..126)];
    (any::<bool>(), payload).prop_map(|(is_ping, payload)| {
        if is_ping { Control::Ping(payload) } else { Control::Pong(payload) }
    })
}

fn sent() -> impl Strategy<Value = Sent> {
    let text = prop_oneof!["[ -~]{0,30}", "\\PC{0,30}", "[a-z€]{100,200}"];
    let binary = prop_oneof![
        4 => vec(any::<u8>(), 0..150),
        1 => vec(any::<u8>(), 65_530..65_540),
    ];
    let payload = prop_oneof![
        text.prop_map(|text| (Kind::Text, text.into_bytes())),
        binary.prop_map(|bytes| (Kind::Binary, bytes)),
    ];
    let cuts = vec(any::<proptest::sample::Index>(), 0..4);
    let message =
        (payload, cuts, vec(control(), 0..3)).prop_map(|((kind, payload), cuts, between)| {
            let mut cuts: Vec<usize> =
                cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
            cuts.sort_unstable();
            Sent::Message { kind, payload, cuts, between }
        });
    prop_oneof![3 => message, 1 => control().prop_map(Sent::Control)]
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = match payload.len() {
        short @ ..126 => vec![short as u8],
        long @ ..0x1_0000 => [&[126], (long as u16).to_be_bytes().as_slice()].concat(),
        huge => [&[127], (huge as u64).to_be_bytes().as_slice()].concat(),
    };
    [&[first], length.as_slice(), payload].concat()
}

impl Control {
    fn frame(&self) -> Vec<u8> {
        match self {
            Self::Ping(payload) => frame(0x89, payload),
            Self::Pong(payload) => frame(0x8a, payload),
        }
    }

    fn event(&self) -> Option<Event> {
        match self {
            Self::Ping(payload) => Some(Event::Pong(payload.clone())),
            Self::Pong(_) => None,
        }
    }
}

impl Sent {
    fn frames(&self) -> Vec<u8> {
        let Self::Message { kind, payload, cuts, between } = self else {
            let Self::Control(control) = self else { unreachable!("there are two kinds") };
            return control.frame();
        };
        let mut between = between.iter();
        let mut bytes = Vec::new();
        let mut start = 0;
        for (at, end) in cuts.iter().copied().chain([payload.len()]).enumerate() {
            let opcode = match (at, kind) {
                (0, Kind::Text) => 0x1,
                (0, Kind::Binary) => 0x2,
                _ => 0x0,
            };
            let is_last = at == cuts.len();
            bytes.extend(frame(u8::from(is_last) << 7 | opcode, &payload[start..end]));
            if !is_last {
                bytes.extend(between.next().map(Control::frame).unwrap_or_default());
            }
            start = end;
        }
        bytes
    }

    fn events(&self, is_expected: bool) -> Vec<Event> {
        match self {
            Self::Control(control) => control.event().into_iter().collect(),
            Self::Message { kind, payload, cuts, between } => {
                let within = between.iter().take(cuts.len());
                let payload_bytes = payload.len() as u64;
                let matches = Some(is_expected);
                let message = Event::Message { kind: *kind, payload_bytes, matches };
                within.filter_map(Control::event).chain([message]).collect()
            }
        }
    }

    fn payload(&self) -> Option<&[u8]> {
        match self {
            Self::Message { payload, .. } => Some(payload),
            Self::Control(_) => None,
        }
    }
}

fn opening() -> Opening {
    let parts =
        OpeningParts { authority: "a", target: "/", headers: &[], protocols: &[], key: [7; 16] };
    Opening::build(parts).expect("the parts are in order")
}

fn answer(opening: &Opening) -> Vec<u8> {
    let lines = "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    format!("{lines}Sec-WebSocket-Accept: {}\r\n\r\n", opening.accept()).into_bytes()
}

fn unmasked(frame: &[u8]) -> Vec<u8> {
    frame[6..].iter().enumerate().map(|(at, byte)| byte ^ frame[2 + at % 4]).collect()
}

/// Feeds the answer to the opening and then `stream`; message n must equal message n of `expected`.
fn receive(
    stream: &[u8],
    feeding: Feeding<'_>,
    expected: &[Option<&[u8]>],
) -> (Vec<Event>, Result<Machine, Broken>) {
    let opening = opening();
    let stream = [answer(&opening).as_slice(), stream].concat();
    let mut machine = Machine::new(Masks::new(5), feeding.checks_text);
    let mut pieces = feeding.pieces.iter().cycle();
    let mut skips = feeding.skips.iter().cycle();
    let mut events = Vec::new();
    let (mut messages, mut is_compared) = (0, true);
    let mut arrived = stream.as_slice();
    while !arrived.is_empty() {
        let size = *pieces.next().expect("a cycle of at least one");
        let (mut piece, rest) = arrived.split_at(arrived.len().min(size));
        arrived = rest;
        while !piece.is_empty() {
            let opaque = machine.opaque().min(piece.len() as u64);
            let (taken, message) = if opaque > 0 && *skips.next().expect("at least one") {
                is_compared = false;
                (opaque as usize, machine.skip(opaque))
            } else {
                let expected = expected.get(messages).copied().flatten();
                match machine.feed(piece, &opening, expected) {
                    Err(broken) => return (events, Err(broken)),
                    Ok(FrameProgress::NeedMore) => (piece.len(), None),
                    Ok(FrameProgress::Opened { consumed }) => (consumed, None),
                    Ok(FrameProgress::Message { consumed, message }) => (consumed, Some(message)),
                    Ok(FrameProgress::Reply { consumed, frame }) => {
                        events.push(Event::Pong(unmasked(frame.bytes())));
                        (consumed, None)
                    }
                    Ok(FrameProgress::Closed { consumed, code, reply }) => {
                        events.push(Event::Closed { code, is_answered: reply.is_some() });
                        (consumed, None)
                    }
                    Ok(FrameProgress::Refused { .. }) => panic!("a 101 does not refuse"),
                }
            };
            if let Some(message) = message {
                assert!(is_compared || !message.matches, "skipped, and yet it matches");
                events.push(Event::Message {
                    kind: message.kind,
                    payload_bytes: message.payload_bytes,
                    matches: is_compared.then_some(message.matches),
                });
                (messages, is_compared) = (messages + 1, true);
            }
            piece = &piece[taken..];
        }
    }
    (events, Ok(machine))
}

/// The events without the facts that are unknown after skipping.
fn known(events: &[Event], found: &[Event]) -> Vec<Event> {
    let mut events = events.to_vec();
    for (event, found) in events.iter_mut().zip(found) {
        if let (Event::Message { matches, .. }, Event::Message { matches: None, .. }) =
            (event, found)
        {
            *matches = None;
        }
    }
    events
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_split_of_a_stream_reads_alike(
        sent in vec(sent(), 0..6),
        pieces in vec(prop_oneof![1..4_usize, 1..200_usize, 1000..90_000_usize], 1..8),
        skips in vec(any::<bool>(), 1..4),
        wrong in any::<proptest::sample::Index>(),
        code in proptest::option::of(Just(1001_u16)),
    ) {
        // One message is returned with another byte, or is longer or shorter than expected.
        let mut payloads: Vec<Vec<u8>> =
            sent.iter().filter_map(Sent::payload).map(<[u8]>::to_vec).collect();
        let wrong = wrong.index(payloads.len() + 1);
        if let Some(payload) = payloads.get_mut(wrong) {
            match (payload.pop(), payload.len() % 3) {
                (None, _) => payload.push(b'x'),
                (Some(last), 0) => payload.push(!last),
                (Some(last), 1) => payload.extend([last, b'x']),
                _ => {}
            }
        }
        let mut events = Vec::new();
        let mut messages = 0;
        for sent in &sent {
            events.extend(sent.events(messages != wrong));
            messages += usize::from(sent.payload().is_some());
        }
        events.push(Event::Closed { code, is_answered: true });
        let close = code.map_or_else(Vec::new, |code| code.to_be_bytes().to_vec());
        let frames = sent.iter().map(Sent::frames).chain([frame(0x88, &close), vec![0xff; 9]]);
        let stream: Vec<u8> = frames.flatten().collect();
        let expected: Vec<Option<&[u8]>> = payloads.iter().map(|p| Some(p.as_slice())).collect();
        for checks_text in [false, true] {
            for pieces in [&[usize::MAX], pieces.as_slice(), &[1]] {
                for skips in [&[false], skips.as_slice()] {
                    let feeding = Feeding { pieces, skips, checks_text };
                    let (found, machine) = receive(&stream, feeding, &expected);
                    prop_assert_eq!(&found, &known(&events, &found));
                    let mut machine = machine.expect("every frame sent is in order");
                    prop_assert_eq!(machine.stage(), SocketStage::Closed);
                    prop_assert_eq!(machine.end_of_stream(), SocketEnd::Closed);
                }
            }
        }
    }

    #[test]
    fn a_stream_cut_anywhere_loses_what_was_cut_alone(
        sent in vec(sent(), 1..5),
        cut in any::<proptest::sample::Index>(),
        pieces in vec(1..100_usize, 1..4),
    ) {
        let whole: Vec<Vec<u8>> = sent.iter().map(Sent::frames).collect();
        let cut = cut.index(whole.concat().len());
        let stream = &whole.concat()[..cut];
        let (mut at, mut is_between, mut events) = (0, cut == 0, Vec::new());
        for (sent, frames) in sent.iter().zip(&whole) {
            at += frames.len();
            if at <= cut {
                events.extend(sent.events(true));
                is_between |= at == cut;
            }
        }
        let feeding = Feeding { pieces: &pieces, skips: &[true, false], checks_text: true };
        let (mut found, machine) = receive(stream, feeding, &[]);
        let mut machine = machine.expect("every frame sent is in order");
        // Pings within the message that was cut were still answered.
        while found.len() > events.len() && matches!(found.last(), Some(Event::Pong(_))) {
            found.pop();
        }
        prop_assert_eq!(&found, &known(&events, &found));
        let end = if is_between { SocketEnd::Unclosed } else { SocketEnd::Truncated };
        prop_assert_eq!((machine.is_between(), machine.end_of_stream()), (is_between, end));
        prop_assert_eq!(machine.stage(), SocketStage::Opening);
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_break_at_the_same_byte(
        stream in vec(prop_oneof![
            3 => any::<u8>(),
            2 => proptest::sample::select(vec![0x00, 0x01, 0x80, 0x81, 0x82, 0x88, 0x89, 2, 3]),
        ], 0..300),
        pieces in vec(1..20_usize, 1..4),
        checks_text in any::<bool>(),
    ) {
        let feeding = |pieces| Feeding { pieces, skips: &[false], checks_text };
        let (events, end) = receive(&stream, feeding(&[1]), &[]);
        for pieces in [pieces.as_slice(), &[usize::MAX]] {
            let (found, found_end) = receive(&stream, feeding(pieces), &[]);
            prop_assert_eq!(&found, &events);
            prop_assert_eq!(found_end.err(), end.as_ref().err().copied());
        }
    }
}
