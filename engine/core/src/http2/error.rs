//! Error codes by name, and why a connection or a stream is broken.

use std::fmt;

/// A code of RST_STREAM or GOAWAY (RFC 9113 section 7), as received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode(pub u32);

impl ErrorCode {
    /// No error.
    pub const NO_ERROR: Self = Self(0);
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1);
    /// More was sent than a window allows.
    pub const FLOW_CONTROL_ERROR: Self = Self(3);
    /// A frame has an impossible length.
    pub const FRAME_SIZE_ERROR: Self = Self(6);
    /// The stream was not processed.
    pub const REFUSED_STREAM: Self = Self(7);
    /// The stream is not needed any more.
    pub const CANCEL: Self = Self(8);
    /// A header block cannot be decoded.
    pub const COMPRESSION_ERROR: Self = Self(9);
    /// The peer causes too much work.
    pub const ENHANCE_YOUR_CALM: Self = Self(11);
    /// The target wants HTTP/1.1.
    pub const HTTP_1_1_REQUIRED: Self = Self(13);
}

/// The names, by code.
const NAMES: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(self.0 as usize) {
            Some(name) => f.write_str(name),
            None => write!(f, "code {:#x}", self.0),
        }
    }
}

/// The target broke the protocol, so that the connection is of no further use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The code to close the connection with.
    pub code: ErrorCode,
    /// What is wrong, in words.
    pub fault: &'static str,
}

impl Violation {
    pub(super) const fn protocol(fault: &'static str) -> Self {
        Self { code: ErrorCode::PROTOCOL_ERROR, fault }
    }

    pub(super) const fn size(fault: &'static str) -> Self {
        Self { code: ErrorCode::FRAME_SIZE_ERROR, fault }
    }

    pub(super) const fn flow(fault: &'static str) -> Self {
        Self { code: ErrorCode::FLOW_CONTROL_ERROR, fault }
    }

    pub(super) const fn compression(fault: &'static str) -> Self {
        Self { code: ErrorCode::COMPRESSION_ERROR, fault }
    }

    /// The peer causes too much work.
    pub const fn flood(fault: &'static str) -> Self {
        Self { code: ErrorCode::ENHANCE_YOUR_CALM, fault }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_names_and_unknown_ones_numbers() {
        for (code, name) in [
            (ErrorCode::NO_ERROR, "NO_ERROR"),
            (ErrorCode::FRAME_SIZE_ERROR, "FRAME_SIZE_ERROR"),
            (ErrorCode::REFUSED_STREAM, "REFUSED_STREAM"),
            (ErrorCode::ENHANCE_YOUR_CALM, "ENHANCE_YOUR_CALM"),
            (ErrorCode::HTTP_1_1_REQUIRED, "HTTP_1_1_REQUIRED"),
            (ErrorCode(0x1000), "code 0x1000"),
        ] {
            assert_eq!(code.to_string(), name);
        }
    }
}
