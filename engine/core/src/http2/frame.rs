//! The layout of frames (RFC 9113 sections 4.1 and 6): headers read and written, and the small
//! frames that a client sends. What frames mean is decided by `machine`.

use super::error::ErrorCode;

/// The length of a frame's header.
pub const HEADER_BYTES: usize = 9;
/// The first bytes of a client on a connection, before its SETTINGS (RFC 9113 section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The largest payload that either side sends before it is allowed more; this side keeps it.
pub const PAYLOAD_MAX: usize = 16_384;

/// The types of frames.
pub mod kind {
    /// A part of a body.
    pub const DATA: u8 = 0;
    /// The beginning of a header block.
    pub const HEADERS: u8 = 1;
    /// Deprecated, and ignored.
    pub const PRIORITY: u8 = 2;
    /// One stream ends.
    pub const RST_STREAM: u8 = 3;
    /// Parameters of a side, or the receipt of the other's.
    pub const SETTINGS: u8 = 4;
    /// A request of the server: not allowed here.
    pub const PUSH_PROMISE: u8 = 5;
    /// A question whether the other side is there, or its answer.
    pub const PING: u8 = 6;
    /// No further streams.
    pub const GOAWAY: u8 = 7;
    /// Room for more DATA.
    pub const WINDOW_UPDATE: u8 = 8;
    /// Further bytes of a header block.
    pub const CONTINUATION: u8 = 9;
}

/// The flags of frames.
pub mod flag {
    /// Nothing follows on the stream.
    pub const END_STREAM: u8 = 0x1;
    /// The receipt of SETTINGS or PING.
    pub const ACK: u8 = 0x1;
    /// The header block is complete.
    pub const END_HEADERS: u8 = 0x4;
    /// The payload begins with the length of its padding.
    pub const PADDED: u8 = 0x8;
    /// Five bytes of priority stand in front of the header block.
    pub const PRIORITY: u8 = 0x20;
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameHeader {
    /// The length of the payload, below 2^24.
    pub length: u32,
    /// One of [`kind`], or unknown.
    pub kind: u8,
    /// Of [`flag`]; the others mean nothing.
    pub flags: u8,
    /// The stream, below 2^31; 0 is the connection.
    pub stream: u32,
}

impl FrameHeader {
    /// Read one; the reserved bit of the stream is ignored.
    #[inline]
    pub fn read(bytes: &[u8; HEADER_BYTES]) -> Self {
        let [a, b, c, kind, flags, s0, s1, s2, s3] = *bytes;
        let first = u32::from_be_bytes([a, b, c, kind]);
        Self {
            length: first >> 8,
            kind,
            flags,
            stream: u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff,
        }
    }

    /// Add it to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let [_, a, b, c] = self.length.to_be_bytes();
        out.extend_from_slice(&[a, b, c, self.kind, self.flags]);
        out.extend_from_slice(&self.stream.to_be_bytes());
    }

    /// Whether a flag is set.
    #[inline]
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// A frame with this payload.
pub fn write(out: &mut Vec<u8>, (kind, flags, stream): (u8, u8, u32), payload: &[u8]) {
    FrameHeader { length: payload.len() as u32, kind, flags, stream }.write(out);
    out.extend_from_slice(payload);
}

/// The receipt of the server's SETTINGS.
pub(super) fn settings_ack(out: &mut Vec<u8>) {
    write(out, (kind::SETTINGS, flag::ACK, 0), &[]);
}

/// The answer to a PING.
pub(super) fn ping_ack(out: &mut Vec<u8>, payload: &[u8]) {
    write(out, (kind::PING, flag::ACK, 0), payload);
}

/// Room for so many more bytes, at least 1, on a stream or the connection.
pub(super) fn window_update(out: &mut Vec<u8>, stream: u32, bytes: u32) {
    write(out, (kind::WINDOW_UPDATE, 0, stream), &bytes.to_be_bytes());
}

/// This side ends a stream.
pub(super) fn rst_stream(out: &mut Vec<u8>, stream: u32, code: ErrorCode) {
    write(out, (kind::RST_STREAM, 0, stream), &code.0.to_be_bytes());
}

/// This side ends the connection. No stream of the server was processed: there are none.
pub(super) fn goaway(out: &mut Vec<u8>, code: ErrorCode) {
    let mut payload = [0; 8];
    payload[4..].copy_from_slice(&code.0.to_be_bytes());
    write(out, (kind::GOAWAY, 0, 0), &payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_read_as_they_were_written() {
        let header = FrameHeader { length: 0x00ff_fefd, kind: 9, flags: 0x2d, stream: 0x7fff_fffe };
        let mut bytes = Vec::new();
        header.write(&mut bytes);
        let mut bytes: [u8; HEADER_BYTES] = bytes.try_into().expect("it has this length");
        assert_eq!(FrameHeader::read(&bytes), header);
        bytes[5] |= 0x80;
        assert_eq!(FrameHeader::read(&bytes), header, "the reserved bit means nothing");
        assert!(header.has(flag::END_HEADERS) && !header.has(0x10));
    }

    #[test]
    fn small_frames_are_those_of_the_rfc() {
        let mut out = Vec::new();
        settings_ack(&mut out);
        ping_ack(&mut out, b"12345678");
        window_update(&mut out, 5, 0x3fff_ffff);
        rst_stream(&mut out, 7, ErrorCode::CANCEL);
        goaway(&mut out, ErrorCode::NO_ERROR);
        let expected: [&[u8]; 5] = [
            b"\0\0\0\x04\x01\0\0\0\0",
            b"\0\0\x08\x06\x01\0\0\0\x0012345678",
            b"\0\0\x04\x08\0\0\0\0\x05\x3f\xff\xff\xff",
            b"\0\0\x04\x03\0\0\0\0\x07\0\0\0\x08",
            b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0",
        ];
        assert_eq!(out, expected.concat());
    }
}
