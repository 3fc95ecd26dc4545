//! The floor probe over HTTP/2 in the clear: sends header frames made before, whose stream ids it
//! changes, and counts received bytes until the length of the answers is reached.
//!
//! The frames are those that uringbench sends once its table is primed, so that the server does the
//! same work. Nothing is decoded: all answers have the length of the first.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use uringbench_ring::{Operation, Ring, Wait};

/// The opening: the preface, SETTINGS with the largest windows, and that of the connection.
const OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x0c\x04\0\0\0\0\0\0\x02\0\0\0\0\0\
                         \x04\x7f\xff\xff\xff\0\0\x04\x08\0\0\0\0\0\x7f\xff\0\0";
const SETTINGS_ACK: &[u8] = b"\0\0\0\x04\x01\0\0\0\0";
/// Where a frame has the id of its stream.
const ID_AT: usize = 5;
const HEADER_BYTES: usize = 9;

/// The header of a GET, with and without insertions into the server's table.
pub(crate) struct FloorRequest {
    priming: Vec<u8>,
    steady: Vec<u8>,
}

impl FloorRequest {
    pub(crate) fn new(address: SocketAddr, path: &str) -> Self {
        let agent = format!("uringbench/{}", env!("CARGO_PKG_VERSION"));
        // :method GET, :scheme http, :authority, :path, user-agent.
        let mut priming = vec![0x82, 0x86];
        field(0x41, &address.to_string(), &mut priming);
        let mut steady = vec![0x82, 0x86];
        if path == "/" {
            priming.push(0x84);
            steady.extend_from_slice(&[0xbf, 0x84]);
        } else {
            field(0x44, path, &mut priming);
            steady.extend_from_slice(&[0xc0, 0xbf]);
        }
        field(0x7a, &agent, &mut priming);
        steady.push(0xbe);
        Self { priming: headers(&priming), steady: headers(&steady) }
    }

    /// The frames of so many requests.
    pub(crate) fn batch(&self, count: usize) -> Vec<u8> {
        self.steady.repeat(count)
    }

    /// Give the frames of a batch the next ids.
    pub(crate) fn number(&self, batch: &mut [u8], next: &mut u32) {
        for frame in batch.chunks_exact_mut(self.steady.len()) {
            frame[ID_AT..HEADER_BYTES].copy_from_slice(&next.to_be_bytes());
            *next += 2;
        }
    }

    /// What a connection sends first: the opening, and a request that fills the server's table.
    fn first(&self) -> Vec<u8> {
        let mut priming = self.priming.clone();
        priming[ID_AT..HEADER_BYTES].copy_from_slice(&1_u32.to_be_bytes());
        [OPENING, SETTINGS_ACK, &priming].concat()
    }

    /// The length of an answer, received over a plain socket.
    pub(crate) fn measure_answer(&self, address: SocketAddr) -> Result<u64, String> {
        let fail = |error: std::io::Error| format!("{address}: {error}");
        let mut stream = TcpStream::connect(address).map_err(fail)?;
        stream.set_read_timeout(Some(Duration::from_millis(300))).map_err(fail)?;
        stream.write_all(&self.first()).map_err(fail)?;
        until_quiet(&mut stream);
        let (mut frames, mut next) = (self.batch(2), 3);
        self.number(&mut frames, &mut next);
        stream.write_all(&frames).map_err(fail)?;
        match until_quiet(&mut stream) / 2 {
            0 => Err(format!("{address} did not answer over HTTP/2")),
            length => Ok(length),
        }
    }
}

/// How many bytes come until the server is silent.
fn until_quiet(stream: &mut TcpStream) -> u64 {
    let (mut total, mut buffer) = (0, vec![0; 1 << 20]);
    while let Ok(bytes @ 1..) = stream.read(&mut buffer) {
        total += bytes as u64;
    }
    total
}

fn field(name: u8, value: &str, block: &mut Vec<u8>) {
    // Shorter than 127 bytes, so that the length is one byte.
    block.extend_from_slice(&[name, value.len().min(126) as u8]);
    block.extend_from_slice(&value.as_bytes()[..value.len().min(126)]);
}

/// A block as the header of a request without a body, for stream 0.
fn headers(block: &[u8]) -> Vec<u8> {
    let mut frame = vec![0, 0, block.len() as u8, 1, 5, 0, 0, 0, 0];
    frame.extend_from_slice(block);
    frame
}

/// One connection.
struct Connection {
    /// The frames of its next batch, while they are not being sent.
    frames: Option<Vec<u8>>,
    next: u32,
    /// Bytes of answers that must still come.
    missing: u64,
}

/// The connections of a run.
pub(crate) struct Probe {
    request: FloorRequest,
    connections: Vec<Connection>,
    depth: usize,
    answer_length: u64,
    pub(crate) responses: u64,
}

impl Probe {
    pub(crate) fn new(request: FloorRequest, answer_length: u64, depth: usize, count: u32) -> Self {
        let connection = |_| Connection { frames: Some(request.batch(depth)), next: 3, missing: 0 };
        let connections = (0..count).map(connection).collect();
        Self { request, connections, depth, answer_length, responses: 0 }
    }

    /// Open HTTP/2 on every connection, and await the answer to its first request.
    pub(crate) fn open(&mut self, ring: &mut Ring) -> Result<(), String> {
        for slot in 0..self.connections.len() as u32 {
            ring.receive_multi(slot, 0);
            ring.send_bytes(slot, 0, self.request.first());
        }
        // Until nothing comes for a while: the length of what opens a connection is not known.
        loop {
            ring.enter(Wait::AtMost(300_000_000)).map_err(|error| error.to_string())?;
            let mut has_come = false;
            while let Some(completion) = ring.next_completion() {
                has_come = true;
                let (slot, operation) = (completion.token.slot(), completion.token.operation());
                if let Some(buffer) = completion.buffer {
                    ring.recycle(buffer);
                }
                if operation == Some(Operation::SendNotify) {
                    ring.sent(completion.token);
                } else if !completion.more {
                    ring.receive_multi(slot, 0);
                }
            }
            if !has_come {
                return Ok(());
            }
        }
    }

    /// The next batch of requests, once the last is sent and answered.
    pub(crate) fn send(&mut self, ring: &mut Ring, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        let Some(mut frames) = connection.frames.take() else { return };
        self.request.number(&mut frames, &mut connection.next);
        connection.missing = self.answer_length * self.depth as u64;
        ring.send_bytes(slot, 0, frames);
    }

    /// Handle what has completed.
    pub(crate) fn turn(&mut self, ring: &mut Ring) -> Result<(), String> {
        while let Some(completion) = ring.next_completion() {
            let slot = completion.token.slot();
            if let Some(buffer) = completion.buffer {
                ring.recycle(buffer);
            }
            let is_send = completion.token.operation() == Some(Operation::SendNotify);
            let received = match completion.result {
                Ok(_) if is_send => {
                    self.connections[slot as usize].frames = ring.sent(completion.token);
                    0
                }
                Ok(0) => return Err("the server closed a connection".to_owned()),
                Ok(bytes) => u64::from(bytes),
                Err(failure) if failure.is_out_of_buffers() => 0,
                Err(failure) => return Err(failure.to_string()),
            };
            if !is_send && !completion.more {
                ring.receive_multi(slot, 0);
            }
            let connection = &mut self.connections[slot as usize];
            connection.missing = connection.missing.saturating_sub(received);
            if connection.missing == 0 {
                self.responses += if received > 0 { self.depth as u64 } else { 0 };
                self.send(ring, slot);
            }
        }
        Ok(())
    }
}
