//! What a connection needs beyond requests that are sent whole and answers parsed as they come:
//! what is said before the first request, TLS around everything, requests sent in pieces.

use std::ops::Range;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use uringbench_core::outcome::Outcome;
use uringbench_core::plan::{Plan, ProxyVersion, StreamPlan};
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_core::websocket::machine::Machine;
use uringbench_ring::Room;

use crate::connect_failure::ConnectFailure;
use crate::connection::{Connection, Link, Receive, STEADY};
use crate::driver::{Driver, ReceiveMode, Until};
use crate::event_loop::EventLoop;
use crate::flows::{self, FlowConfig};
use crate::proxy;
use crate::receive::Source;
use crate::retry::End;
use crate::stream::Stream;
use crate::tls::{Received, Tls, TlsFailure};
use crate::unasked::Held;
use crate::websocket::WebSocketConfig;

/// So much of a large request is encrypted at a time; the rest follows as it is sent.
pub(crate) const SEALED_AT_ONCE: usize = 64 << 10;
/// How long a body waits for the target's consent.
const CONSENT_MAX: Nanos = Nanos::SECOND;

/// What every connection of a loop is told.
#[derive(Debug, Default)]
pub struct ConnectionConfig {
    /// The bytes of one request, for what is not sent from the driver's own copy.
    pub request: Arc<Vec<u8>>,
    /// TLS, and the name to ask for.
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// Whether an answer may end with the connection where TLS does not say that it is the end.
    pub tolerates_truncation: bool,
    /// Whether connections say first whom they are made for.
    pub proxy: Option<ProxyVersion>,
    /// WebSocket: the request is a message.
    pub websocket: Option<WebSocketConfig>,
    /// Answers are streams.
    pub stream: Option<StreamPlan>,
    /// The length of the request's header, if its body waits for `100 Continue`.
    pub held_at: Option<usize>,
    /// What users do step by step; the request is then all of theirs that are always the same.
    pub flows: Option<FlowConfig>,
}

impl ConnectionConfig {
    /// Whether what comes is read otherwise than as plain answers.
    pub(crate) const fn is_read_otherwise(&self) -> bool {
        self.websocket.is_some()
            || self.stream.is_some()
            || self.held_at.is_some()
            || self.flows.is_some()
    }

    /// Whether every byte of payload is wanted.
    pub(crate) fn reads_payload(&self) -> bool {
        self.stream.is_some()
            || self.websocket.as_ref().is_some_and(|terms| terms.plan.expected.is_some())
            || self.flows.as_ref().is_some_and(|terms| flows::read_payload(&terms.script))
    }

    /// What a plan says of them, TLS apart: that has to be set up.
    pub fn of(plan: &Plan) -> Self {
        let websocket = plan.workload.websocket().cloned();
        Self {
            request: Arc::clone(plan.workload.bytes()),
            tls: None,
            tolerates_truncation: plan.tls().is_some_and(|tls| tls.tolerates_truncation),
            proxy: plan.proxy(),
            websocket: websocket.map(|websocket| WebSocketConfig::new(websocket, plan.seed)),
            stream: plan.workload.stream(),
            held_at: plan.workload.held_at(),
            flows: None,
        }
    }
}

/// One connection's part in it.
#[derive(Default)]
pub(crate) struct Session {
    tls: Option<Tls>,
    /// What is to be sent once the send under way has ended.
    outbox: Vec<u8>,
    /// What of the request has not been handed over to be sent.
    pub(crate) unsent: Range<usize>,
    /// Frames to be sent once it has been: one must not stand within another.
    replies: Vec<u8>,
    /// The body waits for the target's consent.
    is_held: bool,
    /// TLS may end without a notice.
    tolerates_truncation: bool,
    pub(crate) websocket: Option<Machine>,
    /// Messages that the target is still to send before the first of this side.
    pub(crate) greeting: u32,
    /// When the message began to come whose rest has not come yet.
    pub(crate) begun: Option<Timestamp>,
    /// Messages that may answer nothing.
    pub(crate) held: Option<Box<Held>>,
    pub(crate) stream: Option<Stream>,
    /// Not before then more is received, and sent.
    pub(crate) read_at: Timestamp,
    pub(crate) write_at: Timestamp,
}

impl<D: Driver> EventLoop<D> {
    /// A connection stands: begin what comes before its first request. Whether its end has to be
    /// waited for.
    pub(crate) fn begin_session(&mut self, number: u32, now: Timestamp) -> bool {
        if !self.has_sessions() {
            return false;
        }
        let ConnectionConfig { tls, proxy, websocket, stream, .. } = &self.terms;
        let mut out = self.driver.take_buffer();
        let turn = self.connections[number as usize].turn;
        if let Some(version) = *proxy
            && let Some(local) = self.driver.local_address(number)
            && let Some(peer) = self.driver.peer_address(number, turn)
        {
            out.extend_from_slice(&proxy::header(version, local, peer));
        }
        let begun = tls.as_ref().map(|(config, name)| Tls::begin(config, name, &mut out));
        let has_tls = begun.is_some();
        let mut session = Session {
            websocket: websocket.as_ref().map(|terms| terms.machine(number)),
            greeting: websocket.as_ref().map_or(0, |terms| terms.plan.greeting),
            stream: stream.map(|_| Stream::default()),
            tolerates_truncation: self.terms.tolerates_truncation,
            ..Session::default()
        };
        let is_waited_for = has_tls || websocket.is_some();
        let connection = &mut self.connections[number as usize];
        match begun.transpose() {
            Ok(tls) => session.tls = tls,
            Err(failure) => {
                self.on_connect_failed(number, ConnectFailure::Tls(failure), now);
                return true;
            }
        }
        connection.session = Some(Box::new(session));
        if is_waited_for {
            connection.link = Link::Opening { since: now };
        }
        self.post(number, out);
        if has_tls {
            self.receive_records(number, now);
        } else if is_waited_for {
            self.ask_for_websocket(number, now);
        }
        is_waited_for
    }

    /// Whether connections need any of this at all.
    pub(crate) const fn has_sessions(&self) -> bool {
        let ConnectionConfig { tls, proxy, websocket, stream, held_at, .. } = &self.terms;
        tls.is_some()
            || proxy.is_some()
            || websocket.is_some()
            || stream.is_some()
            || held_at.is_some()
            || self.options.reading.is_some()
            || self.options.writing.is_some()
    }

    /// Send the opening of a WebSocket, where there is to be one. Whether there is.
    fn ask_for_websocket(&mut self, number: u32, now: Timestamp) -> bool {
        let Some(terms) = &self.terms.websocket else { return false };
        let connection = &mut self.connections[number as usize];
        // Messages come whenever they come: pings too, between answers.
        connection.small_in_row = STEADY;
        if let Some(session) = &mut connection.session {
            session.replies.extend_from_slice(terms.plan.opening.bytes());
        }
        self.send_replies(number, now);
        self.go_on_receiving(number, now);
        true
    }

    /// Records have come: what was in them goes to the parser.
    pub(crate) fn on_records(&mut self, number: u32, buffer: &mut D::Buffer, now: Timestamp) {
        let mut plain = std::mem::take(&mut self.plain);
        // Mostly nothing is to be said in answer, so no vector is taken for it yet.
        let mut out = std::mem::take(&mut self.answer);
        let connection = &mut self.connections[number as usize];
        let session = connection.session.as_mut().and_then(|session| session.tls.as_mut());
        let received = session
            .map(|tls| tls.receive(self.driver.bytes_mut(buffer), &mut plain, &mut out))
            .unwrap_or(Ok(Received::default()));
        match &received {
            // The end of the handshake goes with the first request, if one is due: the target then
            // wakes up once for both.
            Ok(Received { established: Some(_), .. }) => self.post_later(number, &out),
            _ if out.is_empty() => {}
            _ => {
                let mut bytes = self.driver.take_buffer();
                bytes.extend_from_slice(&out);
                self.post(number, bytes);
            }
        }
        out.clear();
        self.answer = out;
        match received {
            Ok(received) => self.on_plaintext(number, &plain, received, now),
            Err(failure) => {
                // Answers that came whole before it are answers, however they were received.
                let connection = &self.connections[number as usize];
                let (generation, is_up) = (connection.generation, connection.is_up());
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
            if !self.ask_for_websocket(number, now) {
                self.open(number, now);
            }
        }
        let generation = self.connections[number as usize].generation;
        if !plain.is_empty() {
            let fed = self.feed(number, Source::Decrypted(plain), now);
            self.after_bytes(number, fed, now);
        }
        let is_same = self.connections[number as usize].generation == generation;
        if is_same && received.is_closed {
            self.on_end_of_stream(number, now);
        } else if plain.is_empty() {
            // Otherwise what was done with the plaintext has seen to it.
            self.receive_records(number, now);
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
        self.connect_failure = Some(failure.clone());
        if !is_the_peer_s_wish && self.connections[number as usize].in_flight > 0 {
            self.fail_oldest_because(number, Outcome::Malformed, &failure, now);
        }
        self.fail_connection(number, End::Tls(&failure), now);
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
                (Receive::Once, ReceiveMode::Now(Room::Small))
            };
            connection.receive = armed;
            self.driver.receive(number, connection.generation, mode);
        }
    }

    /// Send requests that are encrypted, slow, or too large to be left to themselves.
    pub(crate) fn send_tracked(&mut self, number: u32, requests: u16, now: Timestamp) {
        let request = &self.terms.request;
        let connection = &mut self.connections[number as usize];
        let Some(session) = &mut connection.session else {
            connection.is_sending = true;
            return self.driver.send_range(number, connection.generation, 0..request.len());
        };
        let is_whole = self.options.writing.is_none() && self.terms.held_at.is_none();
        match &mut session.tls {
            // What is small enough goes at once, however many there are.
            Some(tls) if is_whole && request.len() <= SEALED_AT_ONCE => {
                let mut out = std::mem::take(&mut session.outbox);
                if out.capacity() == 0 {
                    out = self.driver.take_buffer();
                }
                let sealed = (0..requests).try_for_each(|_| tls.seal(request, &mut out));
                if sealed.is_ok() {
                    self.post(number, out);
                }
            }
            _ => {
                session.unsent = 0..request.len();
                session.is_held = self.terms.held_at.is_some();
                if !connection.is_sending {
                    self.go_on_sending(number, now);
                }
            }
        }
    }

    /// A send has ended: the next piece, if there is one.
    pub(crate) fn on_sent(&mut self, number: u32, now: Timestamp) {
        self.connections[number as usize].is_sending = false;
        self.go_on_sending(number, now);
        self.send_waiting(number);
        if self.connections[number as usize].owed > 0 {
            self.send_again(number, now);
        }
        self.mark_ready(number);
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
            let replies = std::mem::take(&mut session.replies);
            return self.seal_and_post(number, &replies);
        }
        let mut end = session.unsent.end;
        if let (true, Some(held_at)) = (session.is_held, self.terms.held_at) {
            if session.unsent.start < held_at {
                end = held_at;
            } else if session.write_at > now {
                self.sweep_at = self.sweep_at.min(session.write_at);
                return;
            } else {
                // A target that says nothing gets the body all the same (RFC 9110 section 10.1.1).
                session.is_held = false;
            }
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
        let range = start..end.min(start.saturating_add(piece));
        session.unsent.start = range.end;
        if session.is_held && Some(range.end) == self.terms.held_at {
            session.write_at = now + CONSENT_MAX;
        }
        match &mut session.tls {
            None => {
                connection.is_sending = true;
                self.driver.send_range(number, connection.generation, range);
            }
            Some(tls) => {
                let mut out = self.driver.take_buffer();
                // A session that cannot encrypt any more fails where it is read, or in time.
                let _ = tls.seal(&self.terms.request[range], &mut out);
                self.post(number, out);
            }
        }
    }

    /// The target wants the body.
    pub(crate) fn on_consent(&mut self, number: u32, now: Timestamp) {
        let connection = &mut self.connections[number as usize];
        if let Some(session) = &mut connection.session
            && std::mem::take(&mut session.is_held)
        {
            session.write_at = now;
            self.send_replies(number, now);
        }
    }

    /// Send frames of the protocol's own, which go between messages.
    pub(crate) fn reply(&mut self, number: u32, frames: &[u8], now: Timestamp) {
        let connection = &mut self.connections[number as usize];
        if let Some(session) = &mut connection.session {
            session.replies.extend_from_slice(frames);
            self.send_replies(number, now);
        }
    }

    /// Send the frames that wait, unless something is under way: then they follow it.
    fn send_replies(&mut self, number: u32, now: Timestamp) {
        if !self.connections[number as usize].is_sending {
            self.go_on_sending(number, now);
        }
    }

    /// Send plaintext made for a connection.
    pub(crate) fn seal_and_post(&mut self, number: u32, plain: &[u8]) {
        if plain.is_empty() {
            return;
        }
        let mut out = self.driver.take_buffer();
        let session = self.connections[number as usize].session.as_mut();
        match session.and_then(|session| session.tls.as_mut()) {
            None => out.extend_from_slice(plain),
            Some(tls) => {
                // As for requests: a failure shows where it is read.
                let _ = tls.seal(plain, &mut out);
            }
        }
        self.post(number, out);
    }

    /// Send bytes made for a connection, behind those under way and those put off.
    pub(crate) fn post(&mut self, number: u32, mut out: Vec<u8>) {
        let connection = &mut self.connections[number as usize];
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
        self.driver.send_bytes(number, connection.generation, out);
    }

    /// Send bytes at the end of this turn, with what is sent until then.
    fn post_later(&mut self, number: u32, out: &[u8]) {
        if let Some(session) = &mut self.connections[number as usize].session {
            session.outbox.extend_from_slice(out);
            self.unflushed.push(number);
        }
    }

    /// Send what was put off in this turn and has not gone with anything else.
    #[inline]
    pub(crate) fn flush(&mut self, now: Timestamp) {
        while let Some(number) = self.unflushed.pop() {
            if !self.connections[number as usize].is_sending {
                self.go_on_sending(number, now);
            }
        }
    }

    /// The run is over: say goodbye on every connection, so that no target takes it for a loss.
    pub(crate) fn send_close_all(&mut self) {
        // The last talk of a flow may have ended this moment, its goodbye not handed over yet.
        let has_talked = self.flows.is_some();
        if self.terms.tls.is_none() && self.terms.websocket.is_none() && !has_talked {
            return;
        }
        for number in 0..self.connections.len() as u32 {
            if self.connections[number as usize].is_up() {
                self.send_close(number);
            }
        }
        let now = self.driver.now();
        let _gone = self.driver.wait(Until::Around(now));
    }

    /// Say goodbye on a connection about to be closed in order.
    pub(crate) fn send_close(&mut self, number: u32) {
        let connection = &mut self.connections[number as usize];
        let Some(session) = &mut connection.session else { return };
        if connection.is_sending {
            return;
        }
        // Handed to the kernel ahead of the closing, which cancels it only if it has to wait.
        let mut out = self.driver.take_buffer();
        let goodbye =
            self.terms.websocket.as_ref().map(WebSocketConfig::goodbye).unwrap_or_default();
        match &mut session.tls {
            None => out.extend_from_slice(&goodbye),
            Some(tls) => {
                // If it cannot be sealed, the end has to speak for itself.
                let _ = tls.seal(&goodbye, &mut out);
                tls.close(&mut out);
            }
        }
        self.post(number, out);
    }
}

impl Connection {
    /// Whether a request is left of which the target has not been sent everything: the latest.
    pub(crate) fn owes_request(&self) -> bool {
        self.session.as_ref().is_some_and(|session| !session.unsent.is_empty())
    }

    /// The same when answers have ended exchanges: what is left of a request that has its answer
    /// would be taken for the next one.
    pub(crate) fn owes_answered(&self) -> bool {
        self.in_flight == self.owed && self.owes_request()
    }

    /// Whether the end of the stream may be the end of an answer: within TLS only what the peer
    /// says is an end; anything else may be an attack (RFC 8446 section 6.1), unless it is
    /// tolerated.
    pub(crate) fn may_end_here(&self) -> bool {
        self.session.as_ref().is_none_or(|session| {
            session.tolerates_truncation || session.tls.as_ref().is_none_or(Tls::is_closed_by_peer)
        })
    }

    /// Whether it is an end that leaves open whether the answer is whole.
    pub(crate) fn is_truncated(&self) -> bool {
        self.parser.opaque() == u64::MAX && !self.may_end_here()
    }
}
