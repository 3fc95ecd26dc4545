//! A worker's samples of answers other than plain successes, one per status, and its failed
//! requests by the target's addresses. Off the hot path: answers below 300 never come here.

use std::net::SocketAddr;

use uringbench_core::http::quote;
use uringbench_core::http::response::Response;
use uringbench_core::plan::Peer;
use uringbench_core::status::StatusSample;

use crate::record::recorder::add;

/// From here on a status says that the answer is not a plain success.
const FIRST_SAMPLED: u16 = 300;
/// From here on it says that the request failed (RFC 9110 section 15).
const FIRST_ERROR: u16 = 400;
/// The most statuses sampled: a target that keeps sending new ones cannot fill the memory.
const SAMPLES_MAX: usize = 16;
/// The most addresses counted separately.
const ADDRESSES_MAX: usize = 64;

/// The samples of one worker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statuses {
    samples: Vec<StatusSample>,
    /// How many requests failed at each address; empty where the target has only one.
    failed_at: Vec<(Peer, u64)>,
    /// The beginning of the first bytes that arrived while nothing was in flight.
    unsolicited: Option<String>,
    has_addresses: bool,
}

impl Statuses {
    /// For a target with so many addresses.
    pub(crate) fn new(peers: u16) -> Self {
        Self { has_addresses: peers > 1, ..Self::default() }
    }

    /// One answer of each status.
    pub(crate) fn samples(&self) -> &[StatusSample] {
        &self.samples
    }

    /// How many requests failed at each address; empty where the target has only one.
    pub(crate) fn failed_at(&self) -> &[(Peer, u64)] {
        &self.failed_at
    }

    /// The beginning of the first bytes that arrived while nothing was in flight.
    pub(crate) fn unsolicited_sample(&self) -> Option<&str> {
        self.unsolicited.as_deref()
    }

    /// An answer is complete, with `bytes` as its last or only ones, from the address that `at`
    /// gives.
    #[inline]
    pub(crate) fn answered(
        &mut self,
        status: u16,
        bytes: &[u8],
        at: impl FnOnce() -> Option<SocketAddr>,
    ) {
        if status >= FIRST_SAMPLED {
            self.refused(status, bytes, at);
        }
    }

    /// Bytes arrived that no request asked for.
    pub(crate) fn unsolicited(&mut self, bytes: &[u8]) {
        self.unsolicited.get_or_insert_with(|| quote::first_line(bytes));
    }

    /// An answer of [`FIRST_SAMPLED`] or above.
    #[cold]
    #[inline(never)]
    fn refused(&mut self, status: u16, bytes: &[u8], at: impl FnOnce() -> Option<SocketAddr>) {
        self.sample(status, bytes);
        if status >= FIRST_ERROR {
            self.failed(1, at);
        }
    }

    /// The answer under way, if there is one, may begin with `bytes`.
    #[inline]
    pub(crate) fn under_way(&mut self, response: Option<Response>, bytes: &[u8]) {
        if let Some(Response { status: status @ FIRST_SAMPLED.., .. }) = response {
            self.sample(status, bytes);
        }
    }

    /// A WebSocket was refused with this status, and `bytes` are the answer's last or only ones.
    #[cold]
    pub(crate) fn refusal(&mut self, status: u16, bytes: &[u8]) -> StatusSample {
        self.sample(status, bytes);
        let sample = self.samples.iter().find(|sample| sample.status == status);
        sample.cloned().unwrap_or_else(|| StatusSample { status, ..StatusSample::default() })
    }

    /// So many requests failed on a connection to the address that `at` gives.
    #[cold]
    #[inline(never)]
    pub(crate) fn failed(&mut self, requests: u16, at: impl FnOnce() -> Option<SocketAddr>) {
        let Some(address) = self.has_addresses.then(at).flatten() else { return };
        let peer = Peer::Tcp(address);
        let is_known = self.failed_at.iter().any(|(known, _)| *known == peer);
        if is_known || self.failed_at.len() < ADDRESSES_MAX {
            add(&mut self.failed_at, peer, requests.into());
        }
    }

    #[cold]
    #[inline(never)]
    fn sample(&mut self, status: u16, bytes: &[u8]) {
        let is_known = self.samples.iter().any(|sample| sample.status == status);
        if !is_known && self.samples.len() < SAMPLES_MAX {
            self.samples.extend(StatusSample::of(status, bytes));
        }
    }
}
