//! A WebSocket server that sends frames which a library would not send, and keeps the messages that
//! it received.
//!
//! It defines the bytes of frames on the wire (RFC 6455 section 5.2); the test defines the answers.
//! Its own SHA-1 checks the client's computation as an independent implementation.

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::acceptor::Acceptor;

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
const PONG: u8 = 10;
const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;

/// The answer to an opening.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Opening {
    /// The correct answer.
    Accepted,
    /// These bytes; then nothing.
    Answered(&'static str),
    /// These bytes; then the connection closes.
    AnsweredAndClosed(&'static str),
    /// The answer for another key.
    OfAnotherKey,
    /// The correct answer, byte by byte, and these frames with the last byte.
    Slowly(&'static [u8]),
    /// The correct answer, and these frames in the same segment.
    Greeting(&'static [u8]),
    /// The correct answer, and these frames after this time.
    Later(Duration, &'static [u8]),
    /// The correct answer, and these frames repeated at this interval.
    Pushing(Duration, &'static [u8]),
}

/// A message of the client.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
    /// Number of earlier messages on this connection.
    pub(crate) index: u64,
}

/// The frames and openings that a server received.
#[derive(Default)]
pub(crate) struct Received {
    messages: AtomicU64,
    unmasked: AtomicU64,
    openings: Mutex<Vec<String>>,
    pongs: Mutex<Vec<Vec<u8>>>,
    closes: Mutex<Vec<u16>>,
    last: Mutex<Option<Said>>,
}

/// A running server; on drop it stops and its connections end.
pub(crate) struct SocketServer {
    acceptor: Acceptor,
    received: Arc<Received>,
}

impl SocketServer {
    /// Starts one that accepts every opening and answers every message with these writes.
    pub(crate) fn start<F>(answer: F) -> Self
    where
        F: Fn(&Said) -> Vec<Vec<u8>> + Send + Sync + 'static,
    {
        Self::opened(Opening::Accepted, answer)
    }

    /// Starts one that accepts every opening and echoes.
    pub(crate) fn echo() -> Self {
        Self::start(|said| vec![frame(said.opcode, &said.payload)])
    }

    /// Starts one that answers openings in this way.
    pub(crate) fn opened<F>(opening: Opening, answer: F) -> Self
    where
        F: Fn(&Said) -> Vec<Vec<u8>> + Send + Sync + 'static,
    {
        let received = Arc::new(Received::default());
        let hears = Arc::clone(&received);
        let acceptor = Acceptor::start(move |stream, _| serve(stream, &hears, opening, &answer));
        Self { acceptor, received }
    }

    /// The URL for uringbench.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}/", self.acceptor.address())
    }

    /// The address it listens on.
    pub(crate) const fn address(&self) -> std::net::SocketAddr {
        self.acceptor.address()
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> u64 {
        self.acceptor.connections()
    }

    /// Number of complete messages so far.
    pub(crate) fn messages(&self) -> u64 {
        self.received.messages.load(Ordering::SeqCst)
    }

    /// Frames that were not masked, which a client may not send (section 5.1).
    pub(crate) fn unmasked(&self) -> u64 {
        self.received.unmasked.load(Ordering::SeqCst)
    }

    /// The requests that opened its connections.
    pub(crate) fn openings(&self) -> Vec<String> {
        self.received.openings.lock().expect("no thread panics with it").clone()
    }

    /// The payloads of the pongs.
    pub(crate) fn pongs(&self) -> Vec<Vec<u8>> {
        self.received.pongs.lock().expect("no thread panics with it").clone()
    }

    /// The codes of the client's Close frames.
    pub(crate) fn closes(&self) -> Vec<u16> {
        self.received.closes.lock().expect("no thread panics with it").clone()
    }

    /// The latest message.
    pub(crate) fn last(&self) -> Said {
        let last = self.received.last.lock().expect("no thread panics with it").clone();
        last.expect("a message has come")
    }
}

/// A complete frame of a server.
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    fragment(FINAL | opcode, payload)
}

/// A frame with this first byte: without the FIN bit that [`frame`] sets, the message has more
/// fragments.
pub(crate) fn fragment(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ ..=125 => bytes.push(short as u8),
        middle @ ..=0xffff => {
            bytes.push(126);
            bytes.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            bytes.push(127);
            bytes.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}

fn serve(
    stream: &TcpStream,
    received: &Received,
    opening: Opening,
    answer: &dyn Fn(&Said) -> Vec<Vec<u8>>,
) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    let request = read_head(&mut reader)?;
    let lower = request.to_lowercase();
    let name = "sec-websocket-key:";
    let at = lower.find(name).map(|at| at + name.len()).unwrap_or_default();
    let key = request[at..].lines().next().unwrap_or_default().trim().to_owned();
    received.openings.lock().expect("no thread panics with it").push(request);
    match opening {
        Opening::Accepted => writer.write_all(accepted(&key).as_bytes())?,
        Opening::Greeting(more) => {
            writer.write_all(&[accepted(&key).as_bytes(), more].concat())?;
        }
        Opening::Later(pause, more) => {
            writer.write_all(accepted(&key).as_bytes())?;
            thread::sleep(pause);
            writer.write_all(more)?;
        }
        Opening::Pushing(pause, more) => {
            writer.write_all(accepted(&key).as_bytes())?;
            let mut pushing = stream.try_clone()?;
            thread::spawn(move || {
                // It ends with the connection.
                while pushing.write_all(more).is_ok() {
                    thread::sleep(pause);
                }
            });
        }
        Opening::OfAnotherKey => writer.write_all(accepted("another").as_bytes())?,
        Opening::Answered(bytes) => writer.write_all(bytes.as_bytes())?,
        Opening::AnsweredAndClosed(bytes) => return writer.write_all(bytes.as_bytes()),
        Opening::Slowly(more) => {
            let bytes = [accepted(&key).as_bytes(), more].concat();
            for byte in &bytes {
                thread::sleep(Duration::from_micros(50));
                writer.write_all(&[*byte])?;
            }
        }
    }
    let mut index = 0;
    loop {
        let (opcode, payload) = read_frame(&mut reader, received)?;
        match opcode {
            PONG => received.pongs.lock().expect("no thread panics with it").push(payload),
            CLOSE => {
                let code =
                    payload.get(..2).map_or(0, |code| u16::from_be_bytes([code[0], code[1]]));
                received.closes.lock().expect("no thread panics with it").push(code);
                return writer.write_all(&frame(CLOSE, &payload));
            }
            _ => {
                received.messages.fetch_add(1, Ordering::SeqCst);
                let said = Said { opcode, payload, index };
                index += 1;
                for write in answer(&said) {
                    writer.write_all(&write)?;
                    // Long enough that two writes are usually not received as one.
                    thread::sleep(Duration::from_micros(100));
                }
                *received.last.lock().expect("no thread panics with it") = Some(said);
            }
        }
    }
}

fn read_head(reader: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        reader.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// The next frame of the client, unmasked. It must be complete: uringbench sends no fragments.
fn read_frame(reader: &mut impl Read, received: &Received) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    reader.read_exact(&mut head)?;
    let length = match head[1] & !MASKED {
        126 => {
            let mut length = [0; 2];
            reader.read_exact(&mut length)?;
            u64::from(u16::from_be_bytes(length))
        }
        127 => {
            let mut length = [0; 8];
            reader.read_exact(&mut length)?;
            u64::from_be_bytes(length)
        }
        short => u64::from(short),
    };
    let mut mask = [0; 4];
    if head[1] & MASKED == 0 || head[0] & FINAL == 0 {
        received.unmasked.fetch_add(1, Ordering::SeqCst);
    } else {
        reader.read_exact(&mut mask)?;
    }
    let mut payload = vec![0; length as usize];
    reader.read_exact(&mut payload)?;
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    Ok((head[0] & 0x0f, payload))
}

/// The answer that opens a connection (section 4.2.2).
fn accepted(key: &str) -> String {
    let proof = base64(&sha1(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes()));
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {proof}\r\n\r\n"
    )
}

/// FIPS 180-4 section 6.1.2.
fn sha1(bytes: &[u8]) -> [u8; 20] {
    let mut padded = bytes.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(64), 0);
    let end = if bytes.len() % 64 > 55 { padded.len() + 64 } else { padded.len() };
    padded.resize(end, 0);
    padded[end - 8..].copy_from_slice(&(bytes.len() as u64 * 8).to_be_bytes());
    let mut state: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    for block in padded.chunks_exact(64) {
        let mut words: Vec<u32> = block
            .chunks_exact(4)
            .map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
            .collect();
        for at in 16..80 {
            let word = words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16];
            words.push(word.rotate_left(1));
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (round, word) in words.iter().enumerate() {
            let (mixed, constant) = match round {
                0..20 => ((b & c) | (!b & d), 0x5a82_7999),
                20..40 => (b ^ c ^ d, 0x6ed9_eba1),
                40..60 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6_u32),
            };
            let sum = a.rotate_left(5).wrapping_add(mixed).wrapping_add(e);
            let sum = sum.wrapping_add(constant).wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, sum);
        }
        for (sum, part) in state.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(part);
        }
    }
    let mut digest = [0; 20];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let at = |index: usize| u32::from(three.get(index).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for letter in 0..4 {
            let value = (bits >> (18 - 6 * letter)) & 63;
            text.push(if letter > three.len() { '=' } else { LETTERS[value as usize] as char });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_a_key_is_that_of_the_standard() {
        // The example of section 1.3.
        let answer = accepted("dGhlIHNhbXBsZSBub25jZQ==");
        assert!(answer.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    }
}
