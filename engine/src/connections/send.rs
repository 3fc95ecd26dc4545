//! Sends: requests whole or in pieces, TLS around them, frames of the protocol between them, and
//! the handshakes before the first request.

use std::ops::Range;
use std::sync::Arc;

use uringbench_core::flow::exchange::Socket;
use uringbench_core::http2::error::ErrorCode;
use uringbench_core::http2::machine::Http2Machine;
use uringbench_core::http2::streams::AnswerForm;
use uringbench_core::postgres::message::{TERMINATE, TLS_REQUEST};
use uringbench_core::time::{Nanos, Timestamp};

use super::Connections;
use super::connect_failure::ConnectFailure;
use super::connection::Link;
use super::in_flight::ExchangeId;
use super::sending::SEALED_AT_ONCE;
use super::streams::Streams;
use crate::drivers::{Driver, Until};
use crate::event_loop::LEFT_ALONE_MAX;
use crate::wire::http2::{Http2Config, Http2Requests};
use crate::wire::postgres::Postgres;
use crate::wire::tls::{Received, Tls, TlsFailure};
use crate::wire::websocket::WebSocket;
use crate::wire::{ConnectionConfig, Wire, proxy};

/// How long a body waits for `100 Continue`.
const CONSENT_MAX: Nanos = Nanos::SECOND;

/// TLS on a connection, and the bytes still to be sent on it.
#[derive(Default)]
pub(crate) struct Session {
    tls: Option<Tls>,
    /// The target has been asked whether it speaks TLS, and has not answered.
    asks_for_tls: bool,
    /// Bytes to send when the current send has ended.
    outbox: Vec<u8>,
    /// The part of the request that has not been passed to the driver.
    unsent: Range<usize>,
    /// Frames to send after the request: one frame must not be inside another. With HTTP/2 all
    /// that is sent.
    pub(super) replies: Vec<u8>,
    /// The body waits for `100 Continue`.
    is_held: bool,
    /// TLS may end without close_notify.
    tolerates_truncation: bool,
    /// Nothing more is received or sent before this time.
    pub(super) read_at: Timestamp,
    pub(super) write_at: Timestamp,
}

impl Session {
    /// TLS, if the connection has it.
    pub(super) const fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// Whether part of a request has not been passed to the driver.
    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// See [`super::connection::Connection::may_end_here`].
    pub(super) fn may_end_here(&self) -> bool {
        self.tolerates_truncation || self.tls.as_ref().is_none_or(Tls::is_closed_by_peer)
    }
}

/// The next step of a new connection.
pub(crate) enum Begun {
    /// Its first request.
    Up,
    /// A handshake first.
    Opening,
    /// It failed.
    Failed(ConnectFailure),
}

/// Before the first request, and after the last.
impl Connections {
    /// A connection is established: start its handshakes.
    pub(crate) fn begin_session<D: Driver>(
        &mut self,
        driver: &mut D,
        number: u32,
        now: Timestamp,
    ) -> Begun {
        if !self.has_sessions() {
            return Begun::Up;
        }
        let ConnectionConfig { tls, proxy, websocket, http2, postgres, .. } = &self.config;
        let connection = &mut self.all[number as usize];
        let mut out = driver.take_buffer();
        if let Some(version) = *proxy
            && let Some(local) = driver.local_address(number)
            && let Some(peer) = driver.peer_address(number, connection.attempts.turn)
        {
            out.extend_from_slice(&proxy::header(version, local, peer));
        }
        // PostgreSQL begins without TLS, on the same port.
        let asks_for_tls = tls.is_some() && postgres.is_some();
        if asks_for_tls {
            out.extend_from_slice(&TLS_REQUEST);
        }
        let at_once = tls.as_ref().filter(|_| !asks_for_tls);
        let tls = match at_once.map(|(config, name)| Tls::begin(config, name, &mut out)) {
            Some(Err(failure)) => return Begun::Failed(ConnectFailure::Tls(failure)),
            Some(Ok(tls)) => Some(tls),
            None => None,
        };
        let has_tls = tls.is_some() || asks_for_tls;
        let has_opening = websocket.is_some() || http2.is_some() || self.config.has_login();
        if let Some(config) = websocket {
            connection.wire = Wire::WebSocket(Box::new(config.websocket(number)));
        }
        let tolerates_truncation = self.config.tolerates_truncation;
        let session = Session { tls, asks_for_tls, tolerates_truncation, ..Session::default() };
        connection.session = Some(Box::new(session));
        if has_tls || has_opening {
            connection.link = Link::Opening { since: now };
        }
        self.post(driver, number, out);
        if has_tls {
            self.receive(driver, number, now);
            return Begun::Opening;
        }
        self.begin_protocol(driver, number, now)
    }

    /// TLS is established, or not used: the protocol's own opening follows, if it has one.
    pub(crate) fn begin_protocol<D: Driver>(
        &mut self,
        driver: &mut D,
        number: u32,
        now: Timestamp,
    ) -> Begun {
        if self.ask_for_websocket(driver, number, now) || self.log_in(driver, number, now) {
            return Begun::Opening;
        }
        let Some(config) = &self.config.http2 else { return Begun::Up };
        match self.streams.begin(&mut self.all[number as usize], config, now) {
            Ok(()) => {
                let preface = Http2Machine::preface(config.settings);
                self.queue(number, &preface);
                self.receive(driver, number, now);
                Begun::Opening
            }
            Err(failure) => Begun::Failed(failure),
        }
    }

    /// Frames of HTTP/2 are sent at the end of this turn, with its requests.
    pub(crate) fn queue(&mut self, number: u32, frames: &[u8]) {
        if let Some(session) = &mut self.all[number as usize].session {
            session.replies.extend_from_slice(frames);
            self.flush_later(number);
        }
    }

    /// Whether connections of this run need sessions.
    const fn has_sessions(&self) -> bool {
        let ConnectionConfig { tls, proxy, websocket, http2, held_at, .. } = &self.config;
        tls.is_some()
            || proxy.is_some()
            || websocket.is_some()
            || http2.is_some()
            || self.config.has_login()
            || held_at.is_some()
            || self.options.reading.is_some()
            || self.options.writing.is_some()
    }

    /// Send the WebSocket handshake, if the run uses WebSockets. Returns whether it does.
    fn ask_for_websocket<D: Driver>(
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

    /// Send the opening of a database, if the run loads one. Returns whether it does.
    fn log_in<D: Driver>(&mut self, driver: &mut D, number: u32, now: Timestamp) -> bool {
        let connection = &mut self.all[number as usize];
        let opening = match (&self.config.redis, &self.config.postgres) {
            (Some(config), _) => {
                connection.wire = Wire::Redis(Box::default());
                config.commands.login.bytes()
            }
            (None, Some(config)) => {
                let life = u64::from(connection.generation) << 32 | u64::from(number);
                connection.wire = Wire::Postgres(Box::new(Postgres::new(config, life)));
                config.terms().startup()
            }
            (None, None) => return false,
        };
        self.reply(driver, number, &opening, now);
        self.receive(driver, number, now);
        true
    }

    /// The run is over: send a close on every connection, so that the target does not report a lost
    /// client.
    pub(crate) fn send_close_all<D: Driver>(&mut self, driver: &mut D) {
        // The last WebSocket of a flow may have ended in this turn, with its close frame still
        // queued.
        let ConnectionConfig { tls, websocket, http2, postgres, flows, .. } = &self.config;
        let is_framed = websocket.is_some() || http2.is_some() || postgres.is_some();
        if tls.is_none() && !is_framed && flows.is_none() {
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

    /// Send a close on a connection that is closed in order.
    pub(super) fn send_close<D: Driver>(&mut self, driver: &mut D, number: u32) {
        let connection = &mut self.all[number as usize];
        let Some(session) = &mut connection.session else { return };
        if connection.is_sending {
            return;
        }
        // It is submitted before the close, which cancels it only if it has to wait.
        let mut out = driver.take_buffer();
        let goodbye = match &mut connection.wire {
            Wire::WebSocket(socket) => socket.goodbye(),
            Wire::Http2(_) => Http2Machine::goodbye(ErrorCode::NO_ERROR),
            Wire::Postgres(_) => TERMINATE.to_vec(),
            Wire::Http(_) | Wire::Redis(_) => Vec::new(),
        };
        match &mut session.tls {
            None => out.extend_from_slice(&goodbye),
            Some(tls) => {
                // If it cannot be encrypted, the connection ends without it.
                let _ = tls.seal(&goodbye, &mut out);
                tls.close(&mut out);
            }
        }
        self.post(driver, number, out);
    }
}

/// Requests.
impl Connections {
    /// Send `copies` of a constant request: `range` of the bytes that the driver holds. Returns the
    /// length of what is sent.
    #[inline]
    pub(crate) fn send_shared<D: Driver>(
        &mut self,
        driver: &mut D,
        (number, id): (u32, ExchangeId),
        (range, copies): (Range<usize>, u16),
        now: Timestamp,
    ) -> usize {
        let length = range.len() * usize::from(copies);
        if self.sending.is_plain && length <= LEFT_ALONE_MAX {
            let connection = &self.all[number as usize];
            let range = range.start..range.start + length;
            driver.send_part(number, connection.generation, range);
            length
        } else if let Some(Http2Config { requests: Http2Requests::Alike(request), .. }) =
            &self.config.http2
        {
            let row = self.in_flight.get(id).user();
            let connection = &mut self.all[number as usize];
            let (length, is_first) = Streams::open(connection, (request, row), id);
            if is_first {
                self.unflushed.push(number);
            }
            length
        } else {
            self.send_tracked(driver, number, (range, copies), now);
            length
        }
    }

    /// Send a request of a user over HTTP/2, as built for HTTP/1.1, at the end of this turn.
    /// Returns its length.
    pub(crate) fn send_own(
        &mut self,
        (number, id): (u32, ExchangeId),
        request: Vec<u8>,
        form: AnswerForm,
    ) -> usize {
        let mut sent = (0, false);
        if let Some(Http2Config { requests: Http2Requests::Own(encoder), .. }) = &self.config.http2
        {
            let connection = &mut self.all[number as usize];
            sent = Streams::open_own(connection, (&request, form), encoder, id);
        }
        let (length, is_first) = sent;
        if is_first {
            self.unflushed.push(number);
        }
        self.streams.rendered = request;
        length
    }

    /// An empty buffer for such a request.
    pub(crate) fn take_rendered(&mut self) -> Vec<u8> {
        let mut rendered = std::mem::take(&mut self.streams.rendered);
        rendered.clear();
        rendered
    }

    /// Send requests that are encrypted, throttled, or too large for one send.
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
            // A small batch is sent in one piece, however many requests it holds.
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

    /// Send bytes built for this connection.
    pub(crate) fn send_made<D: Driver>(&mut self, driver: &mut D, number: u32, out: Vec<u8>) {
        if self.config.tls.is_some() {
            self.seal_and_post(driver, number, &out);
        } else {
            self.post(driver, number, out);
        }
    }

    /// A connection becomes the WebSocket of a user's step; its handshake is sent as a request.
    pub(crate) fn begin_websocket(&mut self, number: u32, socket: Arc<Socket>) {
        let connection = &mut self.all[number as usize];
        connection.wire = Wire::WebSocket(Box::new(WebSocket::of_step(socket, number)));
        // Pongs and messages may have to wait for each other.
        connection.session.get_or_insert_default();
    }

    /// A send has ended: send the next piece, if there is one.
    pub(crate) fn on_sent<D: Driver>(&mut self, driver: &mut D, number: u32, now: Timestamp) {
        self.all[number as usize].is_sending = false;
        self.go_on_sending(driver, number, now);
    }

    /// Send the bytes that waited for the last send, or the next piece of a request, unless a send
    /// is in progress.
    fn go_on_sending<D: Driver>(&mut self, driver: &mut D, number: u32, now: Timestamp) {
        let connection = &mut self.all[number as usize];
        if connection.is_sending {
            return;
        }
        let Some(session) = &mut connection.session else { return };
        if let (Wire::Http2(http2), Some(config)) = (&mut connection.wire, &self.config.http2) {
            http2.send_bodies(config, &mut session.replies, now);
        }
        if session.unsent.is_empty() && !session.replies.is_empty() {
            let mut replies = std::mem::take(&mut session.replies);
            self.seal_and_post(driver, number, &replies);
            replies.clear();
            if let Some(session) = &mut self.all[number as usize].session {
                session.replies = replies;
            }
            return;
        }
        if !session.outbox.is_empty() {
            let out = std::mem::take(&mut session.outbox);
            return self.post(driver, number, out);
        }
        if session.unsent.is_empty() {
            return;
        }
        let mut end = session.unsent.end;
        if let (true, Some(held_at)) = (session.is_held, self.config.held_at) {
            if session.unsent.start < held_at {
                end = held_at;
            } else if session.write_at > now {
                self.wakes_at = self.wakes_at.min(session.write_at);
                return;
            } else {
                // Without any answer of the target the body is sent after a while (RFC 9110 section
                // 10.1.1).
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
                // If the session cannot encrypt, the receive side reports it, or the timeout does.
                let _ = tls.seal(&self.config.request[range], &mut out);
                self.post(driver, number, out);
            }
        }
    }

    /// The target has sent `100 Continue`.
    pub(crate) fn on_consent<D: Driver>(&mut self, driver: &mut D, number: u32, now: Timestamp) {
        if let Some(session) = &mut self.all[number as usize].session
            && std::mem::take(&mut session.is_held)
        {
            session.write_at = now;
            self.go_on_sending(driver, number, now);
        }
    }

    /// A throttled connection may have reached its next read or send.
    pub(crate) fn go_on_slowly<D: Driver>(&mut self, driver: &mut D, number: u32, now: Timestamp) {
        if let Some(limit) = self.options.reading {
            self.receive_slowly(driver, number, limit, now);
        }
        self.go_on_sending(driver, number, now);
    }
}

/// Raw bytes.
impl Connections {
    /// Send frames of the protocol itself, between messages, behind those that wait.
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

    /// Encrypt and send bytes built for a connection.
    fn seal_and_post<D: Driver>(&mut self, driver: &mut D, number: u32, plain: &[u8]) {
        if plain.is_empty() {
            return;
        }
        let mut out = driver.take_buffer();
        let session = self.all[number as usize].session.as_mut();
        match session.and_then(|session| session.tls.as_mut()) {
            None => out.extend_from_slice(plain),
            Some(tls) => {
                // As for requests: the receive side reports a failure.
                let _ = tls.seal(plain, &mut out);
            }
        }
        self.post(driver, number, out);
    }

    /// Send bytes built for a connection, behind those in progress and those delayed.
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

    /// Send bytes at the end of this turn, together with other bytes sent until then.
    fn post_later(&mut self, number: u32, out: &[u8]) {
        if let Some(session) = &mut self.all[number as usize].session {
            session.outbox.extend_from_slice(out);
            self.unflushed.push(number);
        }
    }

    /// Send the bytes that were delayed in this turn and have not been sent with others.
    #[inline]
    pub(crate) fn flush<D: Driver>(&mut self, driver: &mut D, now: Timestamp) {
        // In the order in which the first requests came: their stamps rest on it.
        let mut at = 0;
        while let Some(&number) = self.unflushed.get(at) {
            self.go_on_sending(driver, number, now);
            at += 1;
        }
        self.unflushed.clear();
    }

    /// Records have arrived: append their plaintext to `plain`, and send the records with which TLS
    /// answers.
    ///
    /// # Errors
    /// If the session is broken. The plaintext before that point is valid.
    pub(crate) fn decrypt<D: Driver>(
        &mut self,
        driver: &mut D,
        number: u32,
        buffer: &mut D::Buffer,
        plain: &mut Vec<u8>,
    ) -> Result<Received, TlsFailure> {
        let Some(session) = self.all[number as usize].session.as_mut() else {
            return Ok(Received::default());
        };
        if session.asks_for_tls {
            return self.begin_tls(driver, number, buffer);
        }
        let Some(tls) = session.tls.as_mut() else { return Ok(Received::default()) };
        // TLS rarely answers, so no vector is allocated yet.
        let mut records = std::mem::take(&mut self.records);
        let received = tls.receive(driver.bytes_mut(buffer), plain, &mut records);
        match &received {
            // The end of the handshake is sent with the first request, if one is due: the target
            // then wakes up once for both.
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

    /// The target has answered whether it speaks TLS: with one byte. More than that cannot be its
    /// own, since TLS has not begun.
    #[cold]
    fn begin_tls<D: Driver>(
        &mut self,
        driver: &mut D,
        number: u32,
        buffer: &D::Buffer,
    ) -> Result<Received, TlsFailure> {
        let answer = driver.bytes(buffer);
        if answer != b"S" {
            return Err(TlsFailure::not_offered(answer));
        }
        let Some((config, name)) = &self.config.tls else { return Ok(Received::default()) };
        let mut out = driver.take_buffer();
        let tls = Tls::begin(config, name, &mut out)?;
        if let Some(session) = &mut self.all[number as usize].session {
            session.asks_for_tls = false;
            session.tls = Some(tls);
        }
        self.post(driver, number, out);
        Ok(Received::default())
    }
}
