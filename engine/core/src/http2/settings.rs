//! SETTINGS: the target's, with what follows from a change, and this side's (RFC 9113 section 6.5).

use serde::{Deserialize, Serialize};

use super::error::Violation;
use super::frame::{self, PAYLOAD_MAX, PREFACE, kind};
use super::hpack::table::SIZE_DEFAULT;
use super::window::WINDOW_MAX;

/// Identifiers.
mod id {
    pub(super) const HEADER_TABLE_SIZE: u16 = 1;
    pub(super) const ENABLE_PUSH: u16 = 2;
    pub(super) const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub(super) const INITIAL_WINDOW_SIZE: u16 = 4;
    pub(super) const MAX_FRAME_SIZE: u16 = 5;
}

/// What this side allows the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Http2Settings {
    /// Bytes of the table in which the target may keep header fields; 0 for none.
    pub table: u32,
    /// Bytes that the target may send ahead on each stream, and on the connection, whose window is
    /// at least 65,535 bytes (RFC 9113 section 6.9.2). 1 to 2^31 - 1.
    pub window: u32,
}

impl Default for Http2Settings {
    /// Windows as h2load has them: they never bind.
    fn default() -> Self {
        Self { table: SIZE_DEFAULT as u32, window: (1 << 30) - 1 }
    }
}

impl Http2Settings {
    /// The window of the connection.
    pub(super) const fn connection_window(self) -> u32 {
        if self.window > WINDOW_DEFAULT { self.window } else { WINDOW_DEFAULT }
    }
}

/// Every window before anybody changes it.
pub(super) const WINDOW_DEFAULT: u32 = 65_535;

/// The target's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PeerSettings {
    /// The smallest table that it has allowed so far.
    pub(super) table_size_min: u32,
    /// Streams that may be open at once.
    pub(super) streams_max: u32,
    /// The window of a new stream.
    pub(super) window: u32,
}

impl Default for PeerSettings {
    fn default() -> Self {
        Self { table_size_min: SIZE_DEFAULT as u32, streams_max: u32::MAX, window: WINDOW_DEFAULT }
    }
}

impl PeerSettings {
    /// Apply the entries of a frame in their order.
    pub(super) fn apply(&mut self, payload: &[u8]) -> Result<(), Violation> {
        for entry in payload.chunks_exact(6) {
            let [i0, i1, v0, v1, v2, v3] = *entry else { break };
            let value = u32::from_be_bytes([v0, v1, v2, v3]);
            match u16::from_be_bytes([i0, i1]) {
                id::HEADER_TABLE_SIZE => self.table_size_min = self.table_size_min.min(value),
                id::ENABLE_PUSH if value != 0 => {
                    return Err(Violation::protocol("a server enables push in its SETTINGS"));
                }
                id::MAX_CONCURRENT_STREAMS => self.streams_max = value,
                id::INITIAL_WINDOW_SIZE => {
                    if i64::from(value) > WINDOW_MAX {
                        return Err(Violation::flow("SETTINGS give a window above 2^31 - 1"));
                    }
                    self.window = value;
                }
                id::MAX_FRAME_SIZE if !(PAYLOAD_MAX as u32..1 << 24).contains(&value) => {
                    return Err(Violation::protocol("SETTINGS give an impossible size of frames"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The first bytes on a connection: the preface, SETTINGS, and the connection's window.
pub(super) fn preface(settings: Http2Settings) -> Vec<u8> {
    let mut out = PREFACE.to_vec();
    let mut payload = Vec::new();
    let table = (id::HEADER_TABLE_SIZE, settings.table);
    let others = [(id::ENABLE_PUSH, 0), (id::INITIAL_WINDOW_SIZE, settings.window)];
    let table = Some(table).filter(|(_, size)| *size as usize != SIZE_DEFAULT);
    for (id, value) in table.into_iter().chain(others) {
        payload.extend_from_slice(&id.to_be_bytes());
        payload.extend_from_slice(&u32::to_be_bytes(value));
    }
    frame::write(&mut out, (kind::SETTINGS, 0, 0), &payload);
    let more = settings.connection_window() - WINDOW_DEFAULT;
    if more > 0 {
        frame::window_update(&mut out, 0, more);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(all: &[(u16, u32)]) -> Vec<u8> {
        let entry =
            |(id, value): &(u16, u32)| [id.to_be_bytes().as_slice(), &value.to_be_bytes()].concat();
        all.iter().flat_map(entry).collect()
    }

    #[test]
    fn entries_apply_in_order_and_unknown_ones_are_ignored() {
        let mut settings = PeerSettings::default();
        let payload =
            entries(&[(3, 9), (1, 100), (4, 7), (3, 128), (1, 8_192), (0x99, 1), (5, 16_384)]);
        assert_eq!(settings.apply(&payload), Ok(()));
        let expected = PeerSettings { table_size_min: 100, streams_max: 128, window: 7 };
        assert_eq!(settings, expected);
    }

    #[test]
    fn impossible_values_break_the_connection() {
        for (entry, part) in [
            ((2, 1), "push"),
            ((4, 1 << 31), "window"),
            ((5, 16_383), "size"),
            ((5, 1 << 24), "size"),
        ] {
            let why = PeerSettings::default().apply(&entries(&[entry]));
            assert!(why.is_err_and(|why| why.fault.contains(part)), "{entry:?}");
        }
    }

    #[test]
    fn the_opening_is_one_write_of_58_bytes() {
        let expected: [&[u8]; 3] = [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\0\0\x0c\x04\0\0\0\0\0\0\x02\0\0\0\0\0\x04\x3f\xff\xff\xff",
            b"\0\0\x04\x08\0\0\0\0\0\x3f\xff\0\0",
        ];
        let opening = preface(Http2Settings::default());
        assert_eq!(opening, expected.concat());
        assert_eq!(opening.len(), 58);
    }

    #[test]
    fn a_table_and_a_window_of_other_sizes_are_announced() {
        let expected: [&[u8]; 2] = [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\0\0\x12\x04\0\0\0\0\0\0\x01\0\0\0\0\0\x02\0\0\0\0\0\x04\0\0\x03\xe8",
        ];
        let settings = Http2Settings { table: 0, window: 1_000 };
        assert_eq!(preface(settings), expected.concat(), "the connection has the least window");
    }
}
