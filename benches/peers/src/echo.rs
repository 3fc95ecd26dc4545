//! The echo server: small HTTP answers and echoed WebSocket messages on one port.
//!
//! One thread, one ring and no checks: it must be faster than the clients compared, and does not
//! report errors. It accepts requests and frames that arrive split or several at once.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha1::{Digest, Sha1};
use uringbench_ring::{BufferId, Completion, Config, Listener, Operation, Ring, Token, Wait};

/// The largest number of connections at once.
const SLOTS: u32 = 4_096;
const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, world!";
/// The text that a server appends to the key before it hashes it (RFC 6455 section 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

fn main() -> ExitCode {
    match serve() {
        Ok(never) => match never {},
        Err(message) => {
            eprintln!("echo: {message}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<Infallible, String> {
    let listener =
        Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).map_err(|e| e.to_string())?;
    let address = listener.local_address().map_err(|e| e.to_string())?;
    let ring = Ring::new(Config::small_responses(SLOTS)).map_err(|e| e.to_string())?;
    let connections = (0..SLOTS).map(|_| Connection::default()).collect();
    let mut server = Server { listener, ring, connections };
    server.ring.accept_multi(&server.listener);
    println!("listening on http://{address}/");
    loop {
        server.ring.enter(Wait::Completion).map_err(|e| e.to_string())?;
        while let Some(completion) = server.ring.next_completion() {
            server.on_completion(completion);
        }
    }
}

struct Server {
    listener: Listener,
    ring: Ring,
    /// Connections by slot.
    connections: Vec<Connection>,
}

#[derive(Default)]
struct Connection {
    generation: u32,
    stream: Stream,
    /// Bytes received of a request or frame that is not yet complete.
    carry: Vec<u8>,
    /// Bytes to send after the send in progress.
    answers: Vec<u8>,
    is_sending: bool,
}

impl Server {
    fn on_completion(&mut self, completion: Completion) {
        let token = completion.token;
        match token.operation() {
            Some(Operation::Accept) => {
                // A full table refuses the connection (ENFILE); the listener keeps accepting.
                if let Ok(slot) = completion.result {
                    self.ring.receive_multi(slot, self.connections[slot as usize].generation);
                }
                if !completion.more {
                    self.ring.accept_multi(&self.listener);
                }
            }
            Some(Operation::Receive) => self.on_receive(completion),
            Some(Operation::SendNotify) => self.on_sent(token, completion.result.is_ok()),
            // Completions of connections that have been closed.
            _ => {}
        }
    }

    fn on_receive(&mut self, completion: Completion) {
        let (token, slot) = (completion.token, completion.token.slot());
        let is_current = token.is_of(self.connections[slot as usize].generation);
        match (completion.result, completion.buffer) {
            (Ok(1..), Some(buffer)) if is_current => self.on_bytes(slot, buffer),
            (Err(failure), None) if is_current && failure.is_out_of_buffers() => {}
            (_, buffer) => {
                if let Some(buffer) = buffer {
                    self.ring.recycle(buffer);
                }
                if is_current {
                    self.end(slot);
                }
                return;
            }
        }
        let generation = self.connections[slot as usize].generation;
        if !completion.more && token.is_of(generation) {
            self.ring.receive_multi(slot, generation);
        }
    }

    fn on_bytes(&mut self, slot: u32, buffer: BufferId) {
        let connection = &mut self.connections[slot as usize];
        let Connection { stream, carry, answers, .. } = connection;
        let bytes = self.ring.bytes(&buffer);
        if carry.is_empty() {
            let taken = stream.answer(bytes, answers);
            carry.extend_from_slice(&bytes[taken..]);
        } else {
            carry.extend_from_slice(bytes);
            let taken = stream.answer(carry, answers);
            carry.drain(..taken);
        }
        self.ring.recycle(buffer);
        self.send(slot);
    }

    /// Sends the answers that are ready, one send at a time per connection.
    fn send(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        if connection.is_sending || connection.answers.is_empty() {
            return;
        }
        connection.is_sending = true;
        let answers = std::mem::take(&mut connection.answers);
        self.ring.send_bytes(slot, connection.generation, answers);
    }

    fn on_sent(&mut self, token: Token, has_succeeded: bool) {
        let (slot, bytes) = (token.slot(), self.ring.sent(token));
        let connection = &mut self.connections[slot as usize];
        if !token.is_of(connection.generation) {
            return;
        }
        connection.is_sending = false;
        if connection.answers.is_empty()
            && let Some(mut bytes) = bytes
        {
            // Reuse the memory for the next answers.
            bytes.clear();
            connection.answers = bytes;
        }
        if !has_succeeded || connection.stream == Stream::Closed && connection.answers.is_empty() {
            return self.end(slot);
        }
        self.send(slot);
    }

    fn end(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        let generation = connection.generation;
        // Later completions for this slot belong to the next connection.
        *connection =
            Connection { generation: generation.wrapping_add(1), ..Connection::default() };
        self.ring.cancel(slot, generation, Operation::Receive);
        self.ring.cancel(slot, generation, Operation::SendNotify);
        self.ring.close(slot, generation);
    }
}

/// The protocol that a connection carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stream {
    #[default]
    Http,
    WebSocket,
    /// A WebSocket after its close frame.
    Closed,
}

impl Stream {
    /// Appends the answers to each complete request or frame in `bytes`, and returns the number of
    /// bytes they took.
    fn answer(&mut self, bytes: &[u8], answers: &mut Vec<u8>) -> usize {
        let mut at = 0;
        while let Some(taken) = self.answer_one(&bytes[at..], answers) {
            at += taken;
        }
        at
    }

    fn answer_one(&mut self, bytes: &[u8], answers: &mut Vec<u8>) -> Option<usize> {
        match self {
            Self::Http => {
                let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
                match websocket_key(&bytes[..end]) {
                    Some(key) => {
                        answers.extend_from_slice(switching(key).as_bytes());
                        *self = Self::WebSocket;
                    }
                    None => answers.extend_from_slice(HELLO),
                }
                Some(end)
            }
            Self::WebSocket => {
                let frame = Frame::parse(bytes)?;
                frame.echo(bytes, answers);
                if frame.opcode() == CLOSE {
                    *self = Self::Closed;
                }
                Some(frame.end)
            }
            Self::Closed => None,
        }
    }
}

fn websocket_key(head: &[u8]) -> Option<&str> {
    let head = std::str::from_utf8(head).ok()?;
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let (_, key) = fields.find(|(name, _)| name.eq_ignore_ascii_case("Sec-WebSocket-Key"))?;
    Some(key.trim())
}

fn switching(key: &str) -> String {
    let accept = BASE64.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

/// A complete masked frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    /// The first byte: FIN and opcode.
    first: u8,
    mask: [u8; 4],
    /// Where its payload begins, and where it ends.
    payload: usize,
    end: usize,
}

impl Frame {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (&first, &second) = (bytes.first()?, bytes.get(1)?);
        // RFC 6455 section 5.2: lengths up to 125 are in this byte, others in the next two or eight
        // bytes.
        let (length, at) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)), 4),
            127 => (u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?), 10),
            length => (u64::from(length), 2),
        };
        let mask = *bytes.get(at..)?.first_chunk()?;
        let payload = at + 4;
        let end = payload.checked_add(usize::try_from(length).ok()?)?;
        (end <= bytes.len()).then_some(Self { first, mask, payload, end })
    }

    const fn opcode(&self) -> u8 {
        self.first & 0x0f
    }

    /// Appends the payload unmasked; answers a ping with a pong, and ignores a pong.
    fn echo(&self, bytes: &[u8], answers: &mut Vec<u8>) {
        let payload = &bytes[self.payload..self.end];
        let first = match self.opcode() {
            PONG => return,
            PING => self.first & 0xf0 | PONG,
            _ => self.first,
        };
        answers.push(first);
        match payload.len() {
            // At most 125, by the pattern.
            length @ 0..=125 => answers.push(length as u8),
            length => match u16::try_from(length) {
                Ok(length) => {
                    answers.push(126);
                    answers.extend_from_slice(&length.to_be_bytes());
                }
                Err(_) => {
                    answers.push(127);
                    answers.extend_from_slice(&(length as u64).to_be_bytes());
                }
            },
        }
        let start = answers.len();
        answers.extend_from_slice(payload);
        for chunk in answers[start..].chunks_mut(self.mask.len()) {
            chunk.iter_mut().zip(self.mask).for_each(|(byte, mask)| *byte ^= mask);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From RFC 6455 sections 1.3 and 5.7.
    const OPENING: &[u8] = b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\n\
        Upgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    const MASKED: &[u8] = &[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    const ECHOED: &[u8] = b"\x81\x05Hello";

    fn masked(first: u8, length: &[u8], payload: usize) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let masked = (0..payload).map(|at| b'x' ^ mask[at % 4]);
        [first].into_iter().chain(length.iter().copied()).chain(mask).chain(masked).collect()
    }

    /// Feeds `bytes` in pieces of `size`, and keeps incomplete bytes as the server does.
    fn answers(bytes: &[u8], size: usize) -> (Stream, Vec<u8>) {
        let (mut stream, mut carry, mut answers) = (Stream::default(), Vec::new(), Vec::new());
        for piece in bytes.chunks(size) {
            carry.extend_from_slice(piece);
            let taken = stream.answer(&carry, &mut answers);
            carry.drain(..taken);
        }
        (stream, answers)
    }

    #[test]
    fn requests_and_messages_are_answered_however_they_are_split() {
        let get = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let close = [0x88, 0x80, 0, 0, 0, 0];
        let sent = [get, get.as_slice(), OPENING, MASKED, MASKED, &close].concat();
        let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        let opened = switching("dGhlIHNhbXBsZSBub25jZQ==");
        assert!(opened.contains(&format!("Sec-WebSocket-Accept: {accept}\r\n\r\n")), "{opened}");
        let wanted = [HELLO, HELLO, opened.as_bytes(), ECHOED, ECHOED, &[0x88, 0]].concat();
        for size in [1, 7, 100, sent.len()] {
            assert_eq!(answers(&sent, size), (Stream::Closed, wanted.clone()), "{size}");
        }
    }

    #[test]
    fn messages_of_every_length_come_back() {
        let long: [u8; 9] = [0xff, 0, 0, 0, 0, 0, 1, 0x11, 0x70];
        for (length, back, payload) in [
            (&[0xfd_u8][..], &[0x7d_u8][..], 125),
            (&[0xfe, 0x01, 0x00], &[126, 0x01, 0x00], 256),
            (&long, &[127, 0, 0, 0, 0, 0, 1, 0x11, 0x70], 70_000),
        ] {
            let sent = [OPENING, &masked(0x82, length, payload)].concat();
            let (_, answers) = answers(&sent, 4_096);
            let echoed = [&[0x82], back, &vec![b'x'; payload]].concat();
            assert!(answers.ends_with(&echoed), "{payload}");
        }
    }

    #[test]
    fn a_ping_is_answered_and_a_pong_is_not() {
        let sent = [OPENING, &masked(0x8a, &[0x81], 1), &masked(0x89, &[0x81], 1)].concat();
        let (stream, answers) = answers(&sent, 4_096);
        assert_eq!(stream, Stream::WebSocket);
        assert!(answers.ends_with(b"\r\n\r\n\x8a\x01x"), "{answers:?}");
    }
}
