//! What a connection needs beyond requests that are sent whole and answers parsed as they come:
//! TLS around both, and requests too large to be sent at once.

use std::ops::Range;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use uringbench_core::outcome::Outcome;
use uringbench_core::plan::ProxyVersion;
use uringbench_core::time::Timestamp;

use crate::connection::{Connection, Link, Receive};
use crate::driver::{Driver, ReceiveMode};
use crate::event_loop::{ConnectFailure, EventLoop};
use crate::events::Source;
use crate::proxy;
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
    /// Whether connections say first whom they are made for.
    pub proxy: Option<ProxyVersion>,
}

/// One connection's part in it.
#[derive(Default)]
pub(crate) struct Session {
    tls: Option<Tls>,
    /// What is to be sent once the send under way has ended.
    outbox: Vec<u8>,
    /// What of the request has not been handed over to be sent.
    pub(crate) unsent: Range<usize>,
    /// Not before then more is received, and sent.
    pub(crate) read_at: Timestamp,
    pub(crate) write_at: Timestamp,
}

impl<D: Driver> EventLoop<D> {
    /// A connection stands: begin what comes before its first request. Whether its end has to be
    /// waited for.
    pub(crate) fn begin_session(&mut self, number: u32, now: Timestamp) -> bool {
        let is_slow = self.options.reading.is_some() || self.options.writing.is_some();
        let Terms { tls, proxy, .. } = &self.terms;
        if tls.is_none() && proxy.is_none() && !is_slow {
            return false;
        }
        let mut out = self.driver.spare();
        let turn = self.connections[number as usize].turn;
        if let Some(version) = *proxy
            && let Some(local) = self.driver.local_address(number)
            && let Some(peer) = self.driver.peer_address(number, turn)
        {
            out.extend_from_slice(&proxy::header(version, local, peer));
        }
        let begun = tls.as_ref().map(|(config, name)| Tls::begin(config, name, &mut out));
        let has_tls = begun.is_some();
        let connection = &mut self.connections[number as usize];
        match begun.transpose() {
            Ok(tls) => {
                connection.session = Some(Box::new(Session { tls, ..Session::default() }));
                if has_tls {
                    connection.link = Link::Opening { since: now };
                }
                self.post(number, out);
                if has_tls {
                    self.receive_records(number, now);
                }
            }
            Err(failure) => self.on_connect_failed(number, ConnectFailure::Tls(failure), now),
        }
        has_tls
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
            Err(failure) => self.on_tls_failure(number, failure, now),
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
            self.receive_records(number, now);
        }
    }

    /// The session is broken. Before it stood, that is why there is no connection.
    fn on_tls_failure(&mut self, number: u32, failure: TlsFailure, now: Timestamp) {
        if let Link::Opening { .. } = self.connections[number as usize].link {
            self.on_connect_failed(number, ConnectFailure::Tls(failure), now);
        } else {
            if self.connections[number as usize].in_flight > 0 {
                self.fail_oldest(number, 1, Outcome::Malformed, now);
            }
            self.lose(number, Outcome::Reset, now);
        }
    }

    /// Arm a receive unless one is.
    pub(crate) fn receive_records(&mut self, number: u32, now: Timestamp) {
        if let Some(trickle) = self.options.reading {
            return self.read_slowly(number, trickle, now);
        }
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

    /// Send requests that are encrypted, slow, or too large to be left to themselves.
    pub(crate) fn send_told(&mut self, number: u32, requests: u16, now: Timestamp) {
        let request = &self.terms.request;
        let connection = &mut self.connections[number as usize];
        let Some(session) = &mut connection.session else {
            connection.is_sending = true;
            return self.driver.send_range(number, connection.generation, 0..request.len());
        };
        match &mut session.tls {
            // What is small enough goes at once, however many there are.
            Some(tls) if self.options.writing.is_none() && request.len() <= SEALED_AT_ONCE => {
                let mut out = self.driver.spare();
                let sealed = (0..requests).try_for_each(|_| tls.seal(request, &mut out));
                if sealed.is_ok() {
                    self.post(number, out);
                }
            }
            _ => {
                session.unsent = 0..request.len();
                self.go_on_sending(number, now);
            }
        }
    }

    /// A send has ended: the next piece, if there is one.
    pub(crate) fn on_sent(&mut self, number: u32, now: Timestamp) {
        self.connections[number as usize].is_sending = false;
        self.go_on_sending(number, now);
        self.list(number);
    }

    /// Send what waited for the send before it, or the next piece of a request. Nothing may be
    /// under way.
    pub(crate) fn go_on_sending(&mut self, number: u32, now: Timestamp) {
        let connection = &mut self.connections[number as usize];
        let Some(session) = &mut connection.session else { return };
        if !session.outbox.is_empty() {
            let out = std::mem::take(&mut session.outbox);
            return self.post(number, out);
        }
        if session.unsent.is_empty() {
            return;
        }
        let mut piece = if session.tls.is_some() { SEALED_AT_ONCE } else { usize::MAX };
        if let Some(trickle) = self.options.writing {
            if session.write_at > now {
                self.sweep_at = self.sweep_at.min(session.write_at);
                return;
            }
            session.write_at = now + trickle.every;
            piece = piece.min(trickle.bytes as usize);
        }
        let start = session.unsent.start;
        let range = start..session.unsent.end.min(start.saturating_add(piece));
        session.unsent.start = range.end;
        match &mut session.tls {
            None => {
                connection.is_sending = true;
                self.driver.send_range(number, connection.generation, range);
            }
            Some(tls) => {
                let mut out = self.driver.spare();
                // A session that cannot encrypt any more fails where it is read, or in time.
                let _ = tls.seal(&self.terms.request[range], &mut out);
                self.post(number, out);
            }
        }
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
