//! Server-sent events (WHATWG HTML section 9.2), received in pieces of any size.
//!
//! This file decides where an event ends and what counts as one; data is measured and skipped,
//! never kept. The response parser passes the payload on, and the caller knows when an event
//! arrived.

/// U+FEFF in UTF-8, which is allowed at the very beginning.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Longest field name with a meaning.
const NAME_BYTES_MAX: usize = 5;

/// One event, dispatched by the empty line after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Bytes of its data as received: the values of its `data` lines, and a line feed between any
    /// two. There is at least one such line; all may be empty.
    pub data_bytes: u64,
    /// Whether it names its type; otherwise it is a `message`.
    pub has_type: bool,
    /// Whether it has an id, empty or not.
    pub has_id: bool,
}

/// The position in one stream of events, and its counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventReader {
    comments: u64,
    retry: Option<u32>,
    /// The current event, from its complete lines; its data, as far as it has arrived.
    event: Event,
    /// Whether it has a `data` line.
    has_data: bool,
    /// The start of the current line.
    name: [u8; NAME_BYTES_MAX],
    /// Above `NAME_BYTES_MAX` if the name is longer than any known one.
    name_len: u8,
    place: Place,
    /// The current line, from its colon on.
    field: Field,
    /// Whether its value is not empty so far.
    has_value: bool,
    /// Whether its value is ignored: an id with a NUL, a time that is not a number.
    is_void: bool,
    /// Its value as a number, for `retry` only.
    number: u32,
    /// Nothing except for a byte-order mark has arrived.
    is_at_start: bool,
    /// The last line ended with a CR: a LF right after it belongs to the same line end.
    is_after_cr: bool,
}

// One per connection, as the response parser.
const _: () = assert!(size_of::<EventReader>() <= 64);

/// The part of the current line that the next byte belongs to, unless it ends the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Name,
    /// Right after the colon, where one space is not part of the value.
    ValueStart,
    Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Data,
    Type,
    Id,
    Retry,
    /// A line that begins with a colon.
    Comment,
    Unknown,
}

impl Default for EventReader {
    fn default() -> Self {
        Self::new()
    }
}

impl EventReader {
    /// Before the first byte of a stream.
    pub const fn new() -> Self {
        Self {
            comments: 0,
            retry: None,
            event: Event::EMPTY,
            has_data: false,
            name: [0; NAME_BYTES_MAX],
            name_len: 0,
            place: Place::Name,
            field: Field::Unknown,
            has_value: false,
            is_void: false,
            number: 0,
            is_at_start: true,
            is_after_cr: false,
        }
    }

    /// Read the next bytes of the stream, and report each event that ended among them.
    pub fn feed(&mut self, payload: &[u8], on_event: &mut impl FnMut(Event)) {
        let mut rest = payload;
        if self.is_after_cr && !rest.is_empty() {
            self.is_after_cr = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
            self.take(&rest[..end]);
            self.end_line(on_event);
            // An event does not wait for the LF that may follow a CR.
            rest = match &rest[end..] {
                [b'\r', b'\n', after @ ..] => after,
                [b'\r'] => {
                    self.is_after_cr = true;
                    return;
                }
                ended => &ended[1..],
            };
        }
        self.take(rest);
    }

    /// The stream ended. An event without the empty line after it does not count: returns whether
    /// there was data of one. The reader is ready for the next stream; its counts stay.
    pub fn end_of_stream(&mut self) -> bool {
        let is_in_data = self.place != Place::Name && self.field == Field::Data;
        let is_cut = self.has_data || is_in_data;
        *self = Self { comments: self.comments, retry: self.retry, ..Self::new() };
        is_cut
    }

    /// Comment lines so far, with which servers keep the connection alive.
    pub const fn comments(&self) -> u64 {
        self.comments
    }

    /// The last `retry` of the server, in milliseconds, at most `u32::MAX`.
    pub const fn retry(&self) -> Option<u32> {
        self.retry
    }

    /// Continue the current line.
    fn take(&mut self, part: &[u8]) {
        let mut value = part;
        if self.place == Place::Name {
            let colon = part.iter().position(|byte| *byte == b':');
            self.take_name(&part[..colon.unwrap_or(part.len())]);
            let Some(colon) = colon else { return };
            self.field = if self.name_len == 0 { Field::Comment } else { self.field_named() };
            self.place = Place::ValueStart;
            value = &part[colon + 1..];
        }
        if self.place == Place::ValueStart && !value.is_empty() {
            self.place = Place::Value;
            value = value.strip_prefix(b" ").unwrap_or(value);
        }
        self.take_value(value);
    }

    fn take_name(&mut self, part: &[u8]) {
        for byte in part {
            let Some(next) = self.name.get_mut(usize::from(self.name_len)) else {
                self.name_len = NAME_BYTES_MAX as u8 + 1;
                return;
            };
            *next = *byte;
            self.name_len += 1;
            if self.is_at_start && self.name() == BYTE_ORDER_MARK {
                self.name_len = 0;
                self.is_at_start = false;
            }
        }
    }

    fn take_value(&mut self, part: &[u8]) {
        self.has_value |= !part.is_empty();
        match self.field {
            Field::Data => self.event.data_bytes += part.len() as u64,
            Field::Id => self.is_void |= part.contains(&0),
            Field::Retry => {
                for byte in part {
                    self.is_void |= !byte.is_ascii_digit();
                    let digit = u32::from(byte.wrapping_sub(b'0'));
                    self.number = self.number.saturating_mul(10).saturating_add(digit);
                }
            }
            Field::Type | Field::Comment | Field::Unknown => {}
        }
    }

    fn end_line(&mut self, on_event: &mut impl FnMut(Event)) {
        match self.place {
            Place::Name if self.name_len == 0 => self.dispatch(on_event),
            Place::Name => {
                self.field = self.field_named();
                self.end_field();
            }
            Place::ValueStart | Place::Value => self.end_field(),
        }
        self.place = Place::Name;
        self.field = Field::Unknown;
        (self.name_len, self.number) = (0, 0);
        (self.has_value, self.is_void, self.is_at_start) = (false, false, false);
    }

    fn end_field(&mut self) {
        match self.field {
            Field::Data => {
                self.event.data_bytes += u64::from(self.has_data);
                self.has_data = true;
            }
            Field::Type => self.event.has_type = self.has_value,
            Field::Id => self.event.has_id |= !self.is_void,
            Field::Retry if self.has_value && !self.is_void => self.retry = Some(self.number),
            Field::Comment => self.comments += 1,
            Field::Retry | Field::Unknown => {}
        }
    }

    /// An empty line: the lines since the last one are an event if they have data.
    fn dispatch(&mut self, on_event: &mut impl FnMut(Event)) {
        let event = std::mem::replace(&mut self.event, Event::EMPTY);
        if std::mem::take(&mut self.has_data) {
            on_event(event);
        }
    }

    /// Empty if the name is longer than any known one.
    fn name(&self) -> &[u8] {
        self.name.get(..usize::from(self.name_len)).unwrap_or_default()
    }

    fn field_named(&self) -> Field {
        match self.name() {
            b"data" => Field::Data,
            b"event" => Field::Type,
            b"id" => Field::Id,
            b"retry" => Field::Retry,
            _ => Field::Unknown,
        }
    }
}

impl Event {
    const EMPTY: Self = Self { data_bytes: 0, has_type: false, has_id: false };
}
