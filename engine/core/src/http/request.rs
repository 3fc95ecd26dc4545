//! A request as bytes, made once and sent many times.

/// The bytes of one request, and what its answer depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestTemplate {
    bytes: Vec<u8>,
    is_head: bool,
}

impl RequestTemplate {
    /// The request, byte for byte.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it asks with HEAD, so that the answer has no body (RFC 9110 section 9.3.2).
    pub const fn is_head(&self) -> bool {
        self.is_head
    }
}
