//! How the requests of a run are sent: together or one by one, whole or in pieces. `send` does it.

use crate::event_loop::{LEFT_ALONE_MAX, LoopOptions};
use crate::wire::ConnectionConfig;

/// Part of a large request that is encrypted at a time; the rest follows as it is sent.
pub(super) const SEALED_AT_ONCE: usize = 64 << 10;

/// How requests of a run are sent, decided once at its start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sending {
    /// Requests per send at most; large ones are sent one by one.
    pub(super) batch_max: u16,
    /// Always in pieces, also if small.
    pub(super) is_pieced: bool,
    /// Unencrypted and unthrottled, so that the kernel can send small ones alone.
    pub(super) is_plain: bool,
}

impl Sending {
    pub(super) fn of(options: &LoopOptions, config: &ConnectionConfig) -> Self {
        let is_http2 = config.http2.is_some();
        let is_pieced = options.writing.is_some() || config.held_at.is_some();
        let at_once = if config.tls.is_some() { SEALED_AT_ONCE } else { LEFT_ALONE_MAX };
        let pipelined = config.request.len() * usize::from(options.pipeline);
        // The requests of HTTP/2 end one by one.
        let is_together = pipelined <= at_once && !is_pieced && !is_http2;
        Self {
            batch_max: if is_together { options.pipeline } else { 1 },
            is_pieced,
            is_plain: config.tls.is_none() && !is_pieced && !is_http2,
        }
    }
}
