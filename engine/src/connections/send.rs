//! Everything that is sent: requests as they are or in pieces, TLS around them, frames of the
//! protocol between them, and what is said before the first request.

use std::ops::Range;
use std::sync::Arc;

use uringbench_core::flow::exchange::Socket;
use uringbench_core::time::{Nanos, Timestamp};

use super::Connections;
use super::connect_failure::ConnectFailure;
use super::connection::Link;
use crate::drivers::{Driver, Until};
use crate::event_loop::{LEFT_ALONE_MAX, LoopOptions};
use crate::wire::tls::{Received, Tls, TlsFailure};
use crate::wire::websocket::WebSocket;
use crate::wire::{ConnectionConfig, Wire, proxy};

/// So much of a large request is encrypted at a time; the rest follows as it is sent.
const SEALED_AT_ONCE: usize = 64 << 10;
/// How long a body waits for the target's consent.
const CONSENT_MAX: Nanos = Nanos::SECOND;

/// TLS on a connection, and what is still to be sent on it.
#[derive(Default)]
pub(crate) struct Session {
    tls: Option<Tls>,
    /// What is to be sent once the send under way has ended.
    outbox: Vec<u8>,
    /// What of the request has not been handed over to be sent.
    unsent: Range<usize>,
    /// Frames to be sent once it has been: one must not stand within another.
    replies: Vec<u8>,
    /// The body waits for the target's consent.
    is_held: bool,
    /// TLS may end without a notice.
    tolerates_truncation: bool,
    /// Not before then more is received, and sent.
    pub(super) read_at: Timestamp,
    pub(super) write_at: Timestamp,
}

impl Session {
    /// Whether something of a request has not been handed over to be sent.
    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// See [`super::connection::Connection::may_end_here`].
    pub(super) fn may_end_here(&self) -> bool {
        self.tolerates_truncation || self.tls.as_ref().is_none_or(Tls::is_closed_by_peer)
    }
}

/// How a connection that was made goes on.
pub(crate) enum Begun {
    /// With its first request.
    Up,
    /// With what comes before it.
    Opening,
    /// Not at all.
    Failed(ConnectFailure),
}

/// How requests of a run are sent, which is decided once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sending {
    /// Requests sent together at most: large ones go one by one.
    pub(super) batch_max: u16,
    /// In pieces, however small they are.
    is_pieced: bool,
    /// As they are, so that small ones are left to the kernel.
    is_plain: bool,
}

impl Sending {
    pub(super) fn of(options: &LoopOptions, config: &ConnectionConfig) -> Self {
        let is_pieced = options.writing.is_some() || config.held_at.is_some();
        let at_once = if config.tls.is_some() { SEALED_AT_ONCE } else { LEFT_ALONE_MAX };
        let pipelined = config.request.len() * usize::from(options.pipeline);
        let is_together = pipelined <= at_once && !is_pieced;
        Self {
            batch_max: if is_together { options.pipeline } else { 1 },
            is_pieced,
            is_plain: config.tls.is_none() && !is_pieced,
        }
    }
}

/// What comes before the first request, and after the last.
impl Connections {
    /// A connection stands: begin what comes before its first request.
    pub(crate) fn begin_session<D: Driver>(
        &mut self,
        driver: &mut D,
        number: u32,
        now: Timestamp,
    ) -> Begun {
        if !self.has_sessions() {
            return Begun::Up;
        }
        let ConnectionConfig { tls, proxy, websocket, .. } = &self.config;
        let connection = &mut self.all[number as usize];
        let mut out = driver.take_buffer();
        if let Some(version) = *proxy
            && let Some(local) = driver.local_address(number)
            && let Some(peer) = driver.peer_address(number, connection.attempts.turn)
        {
            out.extend_from_slice(&proxy::header(version, local, peer));
        }
        let tls = match tls.as_ref().map(|(config, name)| Tls::begin(config, name, &mut out)) {
            Some(Err(failure)) => return Begun::Failed(ConnectFailure::Tls(failure)),
            Some(Ok(tls)) => Some(tls),
            None => None,
        };
        let (has_tls, has_websocket) = (tls.is_some(), websocket.is_some());
        if let Some(config) = websocket {
            connection.wire = Wire::WebSocket(Box::new(config.websocket(number)));
        }
        let tolerates_truncation = self.config.tolerates_truncation;
        let session = Session { tls, tolerates_truncation, ..Session::default() };
        connection.session = Some(Box::new(session));
        if has_tls || has_websocket {
            connection.link = Link::Opening { since: now };
        }
        self.post(driver, number, out);
        if has_tls {
            self.receive(driver, number, now);
        } else if has_websocket {
            self.ask_for_websocket(driver, number, now);
        } else {
            return Begun::Up;
        }
        Begun::Opening
    }

    /// Whether connections need any of this at all.
    const fn has_sessions(&self) -> bool {
        let ConnectionConfig { tls, proxy, websocket, held_at, .. } = &self.config;
        tls.is_some()
            || proxy.is_some()
            || websocket.is_some()
            || held_at.is_some()
            || self.options.reading.is_some()
            || self.options.writing.is_some()
    }

    /// Send the opening of a WebSocket, where there is to be one. Whether there is.
    pub(crate) fn ask_for_websocket<D: Driver>(
        &mut self,
        driver: &mut D,
        number: u32,
        now: Timestamp,
    ) -> bool {
        let Some(config) = &self.config.websocket else { return false };
        let opening = config.plan.opening.bytes().to_vec();
        self.all[number as usize].receive_continuously();
        self.reply(driver, number, &opening, now);
        self.receive(driver, number, now);
        true
    }

    /// The run is over: say goodbye on every connection, so that no target takes it for a loss.
    pub(crate) fn send_close_all<D: Driver>(&mut self, driver: &mut D) {
        // The last WebSocket of a flow may have ended this moment, its goodbye not handed over yet.
        let ConnectionConfig { tls, websocket, flows, .. } = &self.config;
        if tls.is_none() && websocket.is_none() && flows.is_none() {
            return;
        }
        for number in 0..self.count() {
            if self.all[number as usize].is_up() {
                self.send_close(driver, number);
            }
        }
        let now = driver.now();
        let _gone = driver.wait(Until::Around(now));
    }

    /// Say goodbye on a connection about to be closed in order.
    pub(super) fn send_close<D: Driver>(&mut self, driver: &mut D, number: u32) {
        let connection = &mut self.all[number as usize];
        let Some(session) = &mut connection.session else { return };
        if connection.is_sending {
            return;
        }
        // Handed to the kernel ahead of the closing, which cancels it only if it has to wait.
        let mut out = driver.take_buffer();
        let goodbye = match &mut connection.wire {
            Wire::WebSocket(socket) => socket.goodbye(),
            Wire::Http(_) => Vec::new(),
        };
        match &mut session.tls {
            None => out.extend_from_slice(&goodbye),
            Some(tls) => {
                // If it cannot be sealed, the end has to speak for itself.
                let _ = tls.seal(&goodbye, &mut out);
                tls.close(&mut out);
            }
        }
        self.post(driver, number, out);
    }
}

/// Requests.
impl Connections {
    /// Send `copies` of a request that is always the same: `range` of the bytes the driver keeps.
    #[inline]
    pub(crate) fn send_shared<D: Driver>(
        &mut self,
        driver: &mut D,
        number: u32,
        (range, copies): (Range<usize>, u16),
        now: Timestamp,
    ) {
        let length = range.len() * usize::from(copies);
        if self.sending.is_plain && length <= LEFT_ALONE_MAX {
            let connection = &self.all[number as usize];
            let range = range.start..range.start + length;
            driver.send_part(number, connection.generation, range);
        } else {
            self.send_tracked(driver, number, (range, copies), now);
        }
    }

    /// Send requests that are encrypted, slow, or too large to be left to themselves.
    fn send_tracked<D: Driver>(
        &mut self,
        driver: &mut D,
        number: u32,
        (range, copies): (Range<usize>, u16),
        now: Timestamp,
    ) {
        let is_pieced = self.sending.is_pieced;
        let connection = &mut self.all[number as usize];
        let Some(session) = &mut connection.session else {
            connection.is_sending = true;
            return driver.send_range(number, connection.generation, range);
        };
        match &mut session.tls {
            // What is small enough goes at once, however many there are.
            Some(tls) if !is_pieced && range.len() <= SEALED_AT_ONCE => {
                let mut out = std::mem::take(&mut session.outbox);
                if out.capacity() == 0 {
                    out = driver.take_buffer();
                }
                let request = &self.config.request[range];
                let sealed = (0..copies).try_for_each(|_| tls.seal(request, &mut out));
                if sealed.is_ok() {
                    self.post(driver, number, out);
                }
            }
            _ => {
                session.unsent = range;
                session.is_held = self.config.held_at.is_some();
                self.go_on_sending(driver, number, now);
            }
        }
    }

    /// Send bytes that were made for this connection.
    pub(crate) fn send_made<D: Driver>(&mut self, driver: &mut D, number: u32, out: Vec<u8>) {
        if self.config.tls.is_some() {
            self.seal_and_post(driver, number, &out);
        } else {
            self.post(driver, number, out);
        }
    }

    /// A connection becomes a WebSocket of a user's step, whose opening is sent as its request.
    pub(crate) fn begin_websocket(&mut self, number: u32, socket: Arc<Socket>) {
        let connection = &mut self.all[number as usize];
        connection.wire = Wire::WebSocket(Box::new(WebSocket::of_step(socket, number)));
        // Pongs and messages may have to wait for each other.
        connection.session.get_or_insert_default();
    }

    /// A send has ended: the next piece, if there is one.
    pub(crate) fn on_sent<D: Driver>(&mut self, driver: &mut D, number: u32, now: Timestamp) {
        self.all[number as usize].is_sending = false;
        self.go_on_sending(driver, number, now);
    }

    /// Send what waited for the send before it, or the next piece of a request, unless something is
    /// under way.
    fn go_on_sending<D: Driver>(&mut self, driver: &mut D, number: u32, now: Timestamp) {
        let connection = &mut self.all[number as usize];
        if connection.is_sending {
            return;
        }
        let Some(session) = &mut connection.session else { return };
        if !session.outbox.is_empty() {
            let out = std::mem::take(&mut session.outbox);
            return self.post(driver, number, out);
        }
        if session.unsent.is_empty() {
            let replies = std::mem::take(&mut session.replies);
            return self.seal_and_post(driver, number, &replies);
        }
        let mut end = session.unsent.end;
        if let (true, Some(held_at)) = (session.is_held, self.config.held_at) {
            if session.unsent.start < held_at {
                end = held_at;
            } else if session.write_at > now {
                self.wakes_at = self.wakes_at.min(session.write_at);
                return;
            } else {
                // A target that says nothing gets the body all the same (RFC 9110 section 10.1.1).
                session.is_held = false;
            }
        }
        let mut piece = if session.tls.is_some() { SEALED_AT_ONCE } else { usize::MAX };
        if let Some(limit) = self.options.writing {
            if session.write_at > now {
                self.wakes_at = self.wakes_at.min(session.write_at);
                return;
            }
            session.write_at = now + limit.every;
            piece = piece.min(limit.bytes as usize);
        }
        let start = session.unsent.start;
        let range = start..end.min(start.saturating_add(piece));
        session.unsent.start = range.end;
        if session.is_held && Some(range.end) == self.config.held_at {
            session.write_at = now + CONSENT_MAX;
        }
        match &mut session.tls {
            None => {
                connection.is_sending = true;
                driver.send_range(number, connection.generation, range);
            }
            Some(tls) => {
                let mut out = driver.take_buffer();
                // A session that cannot encrypt any more fails where it is read, or in time.
                let _ = tls.seal(&self.config.request[range], &mut out);
                self.post(driver, number, out);
            }
        }
    }

    /// The target wants the body.
    pub(crate) fn on_consent<D: Driver>(&mut self, driver: &mut D, number: u32, now: Timestamp) {
        if let Some(session) = &mut self.all[number as usize].session
            && std::mem::take(&mut session.is_held)
        {
            session.write_at = now;
            self.go_on_sending(driver, number, now);
        }
    }

    /// The time a connection waited for, to read or to send, may have come.
    pub(crate) fn go_on_slowly<D: Driver>(&mut self, driver: &mut D, number: u32, now: Timestamp) {
        if let Some(limit) = self.options.reading {
            self.receive_slowly(driver, number, limit, now);
        }
        self.go_on_sending(driver, number, now);
    }
}

/// Bytes.
impl Connections {
    /// Send frames of the protocol's own, which go between messages, behind those that wait.
    pub(crate) fn reply<D: Driver>(
        &mut self,
        driver: &mut D,
        number: u32,
        frames: &[u8],
        now: Timestamp,
    ) {
        if let Some(session) = &mut self.all[number as usize].session {
            session.replies.extend_from_slice(frames);
            self.go_on_sending(driver, number, now);
        }
    }

    /// Send plaintext made for a connection.
    fn seal_and_post<D: Driver>(&mut self, driver: &mut D, number: u32, plain: &[u8]) {
        if plain.is_empty() {
            return;
        }
        let mut out = driver.take_buffer();
        let session = self.all[number as usize].session.as_mut();
        match session.and_then(|session| session.tls.as_mut()) {
            None => out.extend_from_slice(plain),
            Some(tls) => {
                // As for requests: a failure shows where it is read.
                let _ = tls.seal(plain, &mut out);
            }
        }
        self.post(driver, number, out);
    }

    /// Send bytes made for a connection, behind those under way and those put off.
    fn post<D: Driver>(&mut self, driver: &mut D, number: u32, mut out: Vec<u8>) {
        let connection = &mut self.all[number as usize];
        if out.is_empty() {
            return;
        }
        if let Some(session) = &mut connection.session {
            if connection.is_sending {
                return session.outbox.extend_from_slice(&out);
            }
            if !session.outbox.is_empty() {
                session.outbox.append(&mut out);
                std::mem::swap(&mut session.outbox, &mut out);
            }
        }
        connection.is_sending = true;
        driver.send_bytes(number, connection.generation, out);
    }

    /// Send bytes at the end of this turn, with whatever is sent until then.
    fn post_later(&mut self, number: u32, out: &[u8]) {
        if let Some(session) = &mut self.all[number as usize].session {
            session.outbox.extend_from_slice(out);
            self.unflushed.push(number);
        }
    }

    /// Send what was put off in this turn and has not gone with anything else.
    #[inline]
    pub(crate) fn flush<D: Driver>(&mut self, driver: &mut D, now: Timestamp) {
        while let Some(number) = self.unflushed.pop() {
            self.go_on_sending(driver, number, now);
        }
    }

    /// Records have come: their plaintext is added to `plain`, and what TLS answers is sent.
    ///
    /// # Errors
    /// When the session is broken. What was added to `plain` came before that, and is to be
    /// trusted.
    pub(crate) fn decrypt<D: Driver>(
        &mut self,
        driver: &mut D,
        number: u32,
        buffer: &mut D::Buffer,
        plain: &mut Vec<u8>,
    ) -> Result<Received, TlsFailure> {
        let session = self.all[number as usize].session.as_mut();
        let Some(tls) = session.and_then(|session| session.tls.as_mut()) else {
            return Ok(Received::default());
        };
        // Mostly nothing is to be said in answer, so no vector is taken for it yet.
        let mut records = std::mem::take(&mut self.records);
        let received = tls.receive(driver.bytes_mut(buffer), plain, &mut records);
        match &received {
            // The end of the handshake goes with the first request, if one is due: the target then
            // wakes up once for both.
            Ok(Received { established: Some(_), .. }) => self.post_later(number, &records),
            _ if records.is_empty() => {}
            _ => {
                let mut out = driver.take_buffer();
                out.extend_from_slice(&records);
                self.post(driver, number, out);
            }
        }
        records.clear();
        self.records = records;
        received
    }
}
