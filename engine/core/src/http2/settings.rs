//! SETTINGS: the target's, with what follows from a change, and this side's (RFC 9113 section 6.5).

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

/// The window of each stream and of the connection, as h2load has them: they never bind.
pub(super) const RECEIVE_WINDOW: u32 = (1 << 30) - 1;
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
pub(super) fn preface() -> Vec<u8> {
    let mut out = PREFACE.to_vec();
    let mut payload = Vec::new();
    for (id, value) in [(id::ENABLE_PUSH, 0), (id::INITIAL_WINDOW_SIZE, RECEIVE_WINDOW)] {
        payload.extend_from_slice(&id.to_be_bytes());
        payload.extend_from_slice(&u32::to_be_bytes(value));
    }
    frame::write(&mut out, (kind::SETTINGS, 0, 0), &payload);
    frame::window_update(&mut out, 0, RECEIVE_WINDOW - WINDOW_DEFAULT);
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
        assert_eq!(preface(), expected.concat());
        assert_eq!(preface().len(), 58);
    }
}
