//! The server's side of HTTP/2: it takes requests as streams, answers them in any order and form,
//! and misbehaves: refuses streams, resets them, goes away, breaks off, breaks the protocol.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use uringbench_core::grpc::messages;
use uringbench_core::http2::frame::{self, FrameHeader, PREFACE, flag, kind};
use uringbench_core::http2::machine::CallAnswers;
use uringbench_core::time::Nanos;

use super::{End, Happening, World};

/// The state of one connection.
#[derive(Default)]
pub(super) struct Streams {
    /// Bytes received of an incomplete frame.
    inbox: Vec<u8>,
    has_preface: bool,
    /// Streams to be answered.
    open: Vec<u32>,
    /// The last stream that is processed, if the server goes away.
    last: Option<u32>,
    has_inserted: bool,
    /// Bytes that the client may send on the connection, and on each stream with a body under way.
    window: i64,
    windows: BTreeMap<u32, i64>,
    /// What each new stream may send.
    window_first: i64,
    /// Streams of the client that have not ended.
    live: BTreeSet<u32>,
    /// How many there may be, once the client has confirmed it.
    limit: usize,
    /// SETTINGS that it has not confirmed: limit of streams, and window of each.
    unconfirmed: VecDeque<(u8, u16)>,
    /// It may open no stream at present.
    is_barred: bool,
    /// The latest stream that the client has opened.
    last_seen: u32,
}

/// The window of a connection, and of a stream before any SETTINGS.
const WINDOW: i64 = 65_535;

/// What the client may do.
impl Streams {
    /// It has confirmed the oldest SETTINGS.
    fn confirm(&mut self) {
        let (limit, window) = self.unconfirmed.pop_front().expect("it confirms what was sent");
        let change = i64::from(window) - self.window_first;
        self.windows.values_mut().for_each(|left| *left += change);
        self.window_first += change;
        self.limit = limit.into();
    }

    /// It begins a stream.
    fn begin(&mut self, stream: u32) {
        assert!(stream % 2 == 1 && stream > self.last_seen, "ids of streams rise");
        self.last_seen = stream;
        if self.last.is_some_and(|last| stream > last) {
            return;
        }
        self.live.insert(stream);
        assert!(
            self.live.len() <= self.limit,
            "{} streams, {} allowed",
            self.live.len(),
            self.limit
        );
        self.windows.insert(stream, self.window_first);
    }

    /// It sends part of a body. The server gives bytes of a stream back at once, those of the
    /// connection from half of its window on: returns how many now.
    fn take_data(&mut self, stream: u32, length: u32, is_end: bool) -> u32 {
        let length = i64::from(length);
        assert!(length <= self.window, "{length} bytes, {} allowed", self.window);
        self.window -= length;
        if let Some(left) = self.windows.get(&stream) {
            // A window may be negative, but then nothing is sent.
            assert!(length == 0 || length <= *left, "{length} bytes, {left} allowed");
        }
        if is_end {
            self.windows.remove(&stream);
        }
        let taken = WINDOW - self.window;
        if taken < WINDOW / 2 {
            return 0;
        }
        self.window = WINDOW;
        taken as u32
    }
}

fn frame_of(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::write(&mut out, (kind, flags, stream), payload);
    out
}

impl World {
    /// The server receives bytes of frames.
    pub(super) fn receive_frames(&mut self, connection: u32, generation: u32, bytes: &[u8]) {
        let simulated = self.current(connection, generation);
        simulated.streams.inbox.extend_from_slice(bytes);
        if !simulated.streams.has_preface {
            assert!(simulated.streams.inbox.starts_with(PREFACE), "the preface comes first");
            simulated.streams.inbox.drain(..PREFACE.len());
            simulated.streams.has_preface = true;
            simulated.streams.window = WINDOW;
            simulated.streams.window_first = WINDOW;
            simulated.streams.limit = usize::MAX;
            let limit = [2, 100][self.below(2) as usize];
            self.send_settings(connection, generation, limit);
        }
        loop {
            let simulated = self.current(connection, generation);
            let inbox = &mut simulated.streams.inbox;
            let Some(header) = inbox.first_chunk() else { return };
            let header = FrameHeader::read(header);
            let length = frame::HEADER_BYTES + header.length as usize;
            if inbox.len() < length {
                return;
            }
            let frame: Vec<u8> = inbox.drain(..length).collect();
            self.receive_frame(connection, generation, header, &frame[frame::HEADER_BYTES..]);
        }
    }

    fn receive_frame(
        &mut self,
        connection: u32,
        generation: u32,
        header: FrameHeader,
        payload: &[u8],
    ) {
        let FrameHeader { kind, stream, length, .. } = header;
        let streams = &mut self.current(connection, generation).streams;
        match kind {
            kind::SETTINGS if !header.has(flag::ACK) => {
                let ack = frame_of(kind::SETTINGS, flag::ACK, 0, &[]);
                self.send_frames(connection, generation, ack);
            }
            kind::SETTINGS => streams.confirm(),
            kind::HEADERS => {
                streams.begin(stream);
                self.witness.requests.set(self.witness.requests.get() + 1);
                if header.has(flag::END_STREAM) {
                    self.take_stream(connection, generation, stream);
                }
            }
            kind::DATA => {
                let back = streams.take_data(stream, length, header.has(flag::END_STREAM));
                let mut out = Vec::new();
                if back > 0 {
                    out.extend(frame_of(kind::WINDOW_UPDATE, 0, 0, &back.to_be_bytes()));
                }
                if header.has(flag::END_STREAM) {
                    self.take_stream(connection, generation, stream);
                } else if length > 0 {
                    let update = frame_of(kind::WINDOW_UPDATE, 0, stream, &length.to_be_bytes());
                    out.extend(update);
                }
                self.send_frames(connection, generation, out);
            }
            kind::RST_STREAM => {
                streams.open.retain(|open| *open != stream);
                streams.windows.remove(&stream);
                streams.live.remove(&stream);
            }
            kind::PING | kind::GOAWAY => assert_eq!(payload.len(), 8),
            _ => {}
        }
    }

    /// A request is complete.
    fn take_stream(&mut self, connection: u32, generation: u32, stream: u32) {
        let is_faulty = self.below(1_000) < self.climate.manners.fault_share;
        let fault = self.below(8);
        let service = Nanos(self.below(self.climate.service_max.0));
        let simulated = self.current(connection, generation);
        if simulated.is_silent || simulated.streams.last.is_some_and(|last| stream > last) {
            return;
        }
        if is_faulty && fault != 3 {
            simulated.streams.live.remove(&stream);
        }
        let reset = |code: u8| frame_of(kind::RST_STREAM, 0, stream, &[0, 0, 0, code]);
        let faulty = match fault {
            _ if !is_faulty => {
                simulated.streams.open.push(stream);
                let time = self.now + service;
                return self.at(time, Happening::Answers { connection, generation });
            }
            0 => reset(7),
            1 => reset(2),
            2 => {
                let last = stream.saturating_sub(2 * (fault as u32 + 1)) | 1;
                simulated.streams.last = Some(last);
                simulated.streams.open.retain(|open| *open <= last);
                simulated.streams.live.retain(|open| *open <= last);
                let payload = [&last.to_be_bytes()[..], &[0; 4]].concat();
                self.at(self.now, Happening::Answers { connection, generation });
                frame_of(kind::GOAWAY, 0, 0, &payload)
            }
            // It is never answered.
            3 => Vec::new(),
            // Without its content-length.
            4 => frame_of(kind::HEADERS, 5, stream, b"\x88\x0f\x0d\x015"),
            5 => frame_of(kind::PUSH_PROMISE, 4, stream, b"\0\0\0\x02\x82"),
            6 => {
                // In the middle of its answer.
                let begun = frame_of(kind::HEADERS, flag::END_HEADERS, stream, b"\x88");
                self.send_frames(connection, generation, begun);
                return self.end_streams(connection, generation, End::Close);
            }
            _ => return self.end_streams(connection, generation, End::Reset),
        };
        self.send_frames(connection, generation, faulty);
    }

    /// Limits for the streams and their windows, from when the client confirms them.
    fn send_settings(&mut self, connection: u32, generation: u32, limit: u8) {
        let window = [1_000, 30_000, WINDOW as u16][self.below(3) as usize];
        let streams = &mut self.current(connection, generation).streams;
        streams.is_barred = limit == 0;
        streams.unconfirmed.push_back((limit, window));
        let [high, low] = window.to_be_bytes();
        let settings = [0, 3, 0, 0, 0, limit, 0, 4, 0, 0, high, low];
        self.send_frames(connection, generation, frame_of(kind::SETTINGS, 0, 0, &settings));
    }

    /// The server allows no stream for a while, and some again.
    fn change_limits(&mut self, connection: u32, generation: u32) {
        let is_barred = self.current(connection, generation).streams.is_barred;
        let changes = self.below(40);
        if is_barred {
            self.send_settings(connection, generation, 3);
        } else if changes < 2 {
            self.send_settings(connection, generation, [0, 4][changes as usize]);
            let time = self.now + Nanos(self.below(2_000_000));
            self.at(time, Happening::Answers { connection, generation });
        }
    }

    /// Answers one of the open streams; others follow.
    pub(super) fn answer_streams(&mut self, connection: u32, generation: u32) {
        self.change_limits(connection, generation);
        let (choice, form, size) = (self.below(1 << 20), self.below(6), self.below(20_000));
        let simulated = self.current(connection, generation);
        let streams = &mut simulated.streams;
        if simulated.is_silent {
            return;
        }
        if streams.open.is_empty() {
            if streams.last.is_some() {
                self.end_streams(connection, generation, End::Close);
            }
            return;
        }
        let stream = streams.open.swap_remove(choice as usize % streams.open.len());
        streams.live.remove(&stream);
        let body = vec![b'x'; if form == 0 { size as usize } else { 5 }];
        let block: &[u8] = match form {
            1 if streams.has_inserted => b"\x88\xbe",
            2 => b"\x8d",
            3 => b"\x08\x03503",
            _ => {
                streams.has_inserted = true;
                b"\x88\x40\x01a\x01b"
            }
        };
        let mut out = frame_of(kind::PING, 0, 0, b"12345678");
        if let Some(answers) = self.climate.calls {
            self.answer_call(stream, answers, &mut out);
            self.send_frames(connection, generation, out);
            let time = self.now + Nanos(self.below(20_000));
            return self.at(time, Happening::Answers { connection, generation });
        }
        if form == 4 {
            out.extend(frame_of(kind::HEADERS, 4, stream, b"\x08\x03103"));
            out.extend(frame_of(kind::HEADERS, 0, stream, &block[..1]));
            out.extend(frame_of(kind::CONTINUATION, 4, stream, &block[1..]));
        } else {
            out.extend(frame_of(kind::HEADERS, 4, stream, block));
        }
        for piece in body.chunks(9_000) {
            out.extend(frame_of(kind::DATA, 0, stream, piece));
        }
        out.extend(frame_of(kind::DATA, flag::END_STREAM, stream, b""));
        self.send_frames(connection, generation, out);
        let time = self.now + Nanos(self.below(20_000));
        self.at(time, Happening::Answers { connection, generation });
    }

    /// Answers a call: with messages and a status, with a status alone, or wrongly.
    fn answer_call(&mut self, stream: u32, answers: CallAnswers, out: &mut Vec<u8>) {
        const HEAD: &[u8] = b"\x88\x0f\x10\x10application/grpc";
        const STATUS: &[u8] = b"\x00\x0bgrpc-status\x01";
        let ended = |block: &[u8]| frame_of(kind::HEADERS, 5, stream, block);
        let form = self.below(12);
        match form {
            0 => return out.extend(ended(&[HEAD, STATUS, b"8"].concat())),
            1 => return out.extend(ended(b"\x08\x03503")),
            2 => return out.extend(ended(HEAD)),
            _ => out.extend(frame_of(kind::HEADERS, 4, stream, HEAD)),
        }
        let count = if answers == CallAnswers::One { 1 } else { self.below(5) };
        let mut body = Vec::new();
        for _ in 0..count {
            messages::append(&vec![b'm'; self.below(3_000) as usize], &mut body);
        }
        let piece = 1 + self.below(2_000) as usize;
        for piece in body.chunks(piece) {
            out.extend(frame_of(kind::DATA, 0, stream, piece));
        }
        match form {
            3 => out.extend(frame_of(kind::DATA, flag::END_STREAM, stream, b"")),
            4 => out.extend(ended(&[STATUS, b"5"].concat())),
            _ => out.extend(ended(&[STATUS, b"0"].concat())),
        }
    }

    fn send_frames(&mut self, connection: u32, generation: u32, frames: Vec<u8>) {
        let now = self.now;
        let (from, to) = self.climate.stall;
        let simulated = self.current(connection, generation);
        if simulated.is_silent || frames.is_empty() {
            return;
        }
        let mut time = simulated.busy_until.max(now);
        if (from..to).contains(&time) {
            time = to;
        }
        self.deliver(connection, generation, time, frames, None);
    }

    fn end_streams(&mut self, connection: u32, generation: u32, end: End) {
        let simulated = self.current(connection, generation);
        if !std::mem::replace(&mut simulated.is_silent, true) {
            let time = simulated.busy_until.max(self.now);
            self.deliver(connection, generation, time, Vec::new(), Some(end));
        }
    }
}
