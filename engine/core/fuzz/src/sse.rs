//! A plain reading of server-sent events: the whole stream in hand, line by line, as WHATWG HTML
//! section 9.2.6 puts it; and the incremental reading it is compared with.

use uringbench_core::sse::{Event, EventReader};

/// What a stream of events comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    pub events: Vec<Event>,
    pub comments: u64,
    pub retry: Option<u32>,
    /// Whether it ends with data of an event that was not dispatched.
    pub is_cut: bool,
}

/// Read all of it at once.
pub fn plainly(stream: &[u8]) -> Reading {
    let stream = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
    let mut lines = lines(stream);
    let unfinished = lines.pop().unwrap_or_default();
    let mut reading = Reading::default();
    let (mut data, mut kind, mut has_id) = (Vec::new(), Vec::new(), false);
    for line in lines {
        if line.is_empty() {
            // "If the data buffer is an empty string, set it and the type to the empty string".
            if data.pop().is_some() {
                let (data_bytes, has_type) = (data.len() as u64, !kind.is_empty());
                reading.events.push(Event { data_bytes, has_type, has_id });
            }
            (data, kind, has_id) = (Vec::new(), Vec::new(), false);
            continue;
        }
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            None => (line.as_slice(), &b""[..]),
            Some(0) => {
                reading.comments += 1;
                continue;
            }
            Some(colon) => (&line[..colon], &line[colon + 1..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => {
                data.extend_from_slice(value);
                data.push(b'\n');
            }
            b"event" => kind = value.to_vec(),
            b"id" if !value.contains(&0) => has_id = true,
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let digits = String::from_utf8_lossy(value);
                reading.retry = Some(digits.parse().unwrap_or(u32::MAX));
            }
            _ => {}
        }
    }
    reading.is_cut = !data.is_empty() || unfinished.starts_with(b"data:");
    reading
}

/// Read it in pieces, each of a length chosen from how much is left.
pub fn in_pieces(stream: &[u8], mut choose: impl FnMut(usize) -> usize) -> Reading {
    let mut reader = EventReader::new();
    let mut events = Vec::new();
    let mut rest = stream;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(choose(rest.len()).min(rest.len()));
        reader.feed(piece, &mut |event| events.push(event));
        rest = after;
    }
    let is_cut = reader.end_of_stream();
    Reading { events, comments: reader.comments(), retry: reader.retry(), is_cut }
}

/// The lines, and what stands behind the last line end.
fn lines(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut lines = vec![Vec::new()];
    let mut previous = 0;
    for &byte in stream {
        match (previous, byte) {
            (b'\r', b'\n') => {}
            (_, b'\r' | b'\n') => lines.push(Vec::new()),
            _ => lines.last_mut().expect("begun with one").push(byte),
        }
        previous = byte;
    }
    lines
}
