//! What a connection needs beyond requests that are sent whole and answers parsed as they come:
//! TLS around both, and requests too large to be sent at once.

use std::ops::Range;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use uringbench_core::outcome::Outcome;
use uringbench_core::time::Timestamp;

use crate::connection::{Connection, Link, Receive};
use crate::driver::{Driver, ReceiveMode};
use crate::event_loop::{ConnectFailure, EventLoop};
use crate::events::Source;
use crate::tls::{Received, Tls, TlsFailure};

/// So much of a large request is encrypted at a time; the rest follows as it is sent.
pub(crate) const SEALED_AT_ONCE: usize = 64 << 10;

/// What every connection of a loop is told.
#[derive(Debug, Default)]
pub struct Terms {
    /// The bytes of one request, for what is not sent from the driver's own copy.
    pub request: Vec<u8>,
    /// TLS, and the name to ask for.
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

/// One connection's part in it.
pub(crate) struct Session {
    tls: Option<Tls>,
    /// What is to be sent once the send under way has ended.
    outbox: Vec<u8>,
    /// What of the request is not encrypted yet.
    unsealed: Range<usize>,
}

impl<D: Driver> EventLoop<D> {
    /// A connection stands: begin what comes before its first request. Whether anything does.
    pub(crate) fn begin_session(&mut self, number: u32, now: Timestamp) -> bool {
        let Some((config, name)) = &self.terms.tls else { return false };
        let mut out = self.driver.spare();
        let begun = Tls::begin(config, name, &mut out);
        let connection = &mut self.connections[number as usize];
        match begun {
            Ok(tls) => {
                connection.session =
                    Some(Box::new(Session { tls: Some(tls), outbox: Vec::new(), unsealed: 0..0 }));
                connection.link = Link::Opening { since: now };
                self.post(number, out);
                self.receive_records(number);
            }
            Err(failure) => self.on_connect_failed(number, ConnectFailure::Tls(failure), now),
        }
        true
    }

    /// Records have come: what was in them goes to the parser.
    pub(crate) fn on_records(&mut self, number: u32, buffer: &mut D::Buffer, now: Timestamp) {
        let mut plain = std::mem::take(&mut self.plain);
        let mut out = self.driver.spare();
        let connection = &mut self.connections[number as usize];
        let session = connection.session.as_mut().and_then(|session| session.tls.as_mut());
        let received = session
            .map(|tls| tls.receive(self.driver.bytes_mut(buffer), &mut plain, &mut out))
            .unwrap_or(Ok(Received::default()));
        self.post(number, out);
        match received {
            Ok(received) => self.on_plaintext(number, &plain, received, now),
            Err(failure) => {
                // Answers that came whole before it are answers, however they were received.
                let connection = &self.connections[number as usize];
                let (generation, is_up) = (connection.generation, connection.link == Link::Up);
                if is_up {
                    self.on_plaintext(number, &plain, Received::default(), now);
                }
                if self.connections[number as usize].generation == generation {
                    self.on_tls_failure(number, failure, now);
                }
            }
        }
        plain.clear();
        self.plain = plain;
    }

    fn on_plaintext(&mut self, number: u32, plain: &[u8], received: Received, now: Timestamp) {
        if let Some(established) = received.established
            && let Link::Opening { since } = self.connections[number as usize].link
        {
            self.recorder.shook_hands(now.since(since), established);
            self.open(number);
        }
        let generation = self.connections[number as usize].generation;
        if !plain.is_empty() {
            let fed = self.feed(number, Source::Decrypted(plain), now);
            self.after_bytes(number, fed, now);
        }
        let is_same = self.connections[number as usize].generation == generation;
        if is_same && received.is_closed {
            self.on_end_of_stream(number, now);
        } else if is_same {
            self.receive_records(number);
        }
    }

    /// The session is broken. Before it stood, that is why there is no connection. Later it may
    /// be so too: with TLS 1.3 the peer refuses this side's certificate, or the want of one,
    /// when the handshake has ended here.
    fn on_tls_failure(&mut self, number: u32, failure: TlsFailure, now: Timestamp) {
        let is_the_peer_s_wish = failure.is_alert();
        let failure = ConnectFailure::Tls(failure);
        if let Link::Opening { .. } = self.connections[number as usize].link {
            return self.on_connect_failed(number, failure, now);
        }
        self.connect_failure = Some(failure);
        if !is_the_peer_s_wish && self.connections[number as usize].in_flight > 0 {
            self.fail_oldest(number, 1, Outcome::Malformed, now);
        }
        self.lose(number, Outcome::Reset, now);
    }

    /// Arm a receive unless one is.
    pub(crate) fn receive_records(&mut self, number: u32) {
        let has_multishot = self.driver.has_multishot();
        let connection = &mut self.connections[number as usize];
        if connection.receive == Receive::None {
            let (armed, mode) = if has_multishot {
                (Receive::Multi, ReceiveMode::Multi)
            } else {
                (Receive::Once, ReceiveMode::Now)
            };
            connection.receive = armed;
            self.driver.receive(number, connection.generation, mode);
        }
    }

    /// Send requests that are encrypted, or too large to be left to themselves.
    pub(crate) fn send_told(&mut self, number: u32, requests: u16) {
        let connection = &mut self.connections[number as usize];
        let Some(session) = &mut connection.session else {
            connection.is_sending = true;
            let whole = 0..self.terms.request.len();
            return self.driver.send_range(number, connection.generation, whole);
        };
        if self.terms.request.len() > SEALED_AT_ONCE {
            session.unsealed = 0..self.terms.request.len();
            return self.go_on_sending(number);
        }
        let mut out = self.driver.spare();
        let tls = session.tls.as_mut();
        let sealed = tls.map_or(Ok(()), |tls| {
            (0..requests).try_for_each(|_| tls.seal(&self.terms.request, &mut out))
        });
        if sealed.is_ok() {
            self.post(number, out);
        }
    }

    /// A send has ended: the next piece, if there is one.
    pub(crate) fn on_sent(&mut self, number: u32) {
        self.connections[number as usize].is_sending = false;
        self.go_on_sending(number);
        self.list(number);
    }

    fn go_on_sending(&mut self, number: u32) {
        let connection = &mut self.connections[number as usize];
        let Some(session) = &mut connection.session else { return };
        let mut out = std::mem::take(&mut session.outbox);
        if out.is_empty()
            && !session.unsealed.is_empty()
            && let Some(tls) = &mut session.tls
        {
            out = self.driver.spare();
            let start = session.unsealed.start;
            let end = session.unsealed.end.min(start + SEALED_AT_ONCE);
            // A session that cannot encrypt any more fails where it is read, or in time.
            let _ = tls.seal(&self.terms.request[start..end], &mut out);
            session.unsealed.start = end;
        }
        self.post(number, out);
    }

    /// Send bytes made for a connection, behind those under way.
    fn post(&mut self, number: u32, out: Vec<u8>) {
        let connection = &mut self.connections[number as usize];
        if out.is_empty() {
            return;
        }
        match &mut connection.session {
            Some(session) if connection.is_sending => session.outbox.extend_from_slice(&out),
            _ => {
                connection.is_sending = true;
                self.driver.send_bytes(number, connection.generation, out);
            }
        }
    }

    /// Say goodbye on a connection about to be closed in order.
    pub(crate) fn take_leave(&mut self, number: u32) {
        let connection = &mut self.connections[number as usize];
        if connection.is_sending {
            return;
        }
        // Handed to the kernel ahead of the closing, which cancels it only if it has to wait.
        if let Some(tls) = connection.session.as_mut().and_then(|session| session.tls.as_mut()) {
            let mut out = self.driver.spare();
            tls.close(&mut out);
            self.post(number, out);
        }
    }
}

impl Connection {
    /// Whether the end of the stream may be the end of an answer: within TLS only what the peer
    /// says is an end; anything else may be an attack (RFC 8446 section 6.1).
    pub(crate) fn may_end_here(&self) -> bool {
        self.session
            .as_ref()
            .is_none_or(|session| session.tls.as_ref().is_none_or(Tls::is_closed_by_peer))
    }
}
