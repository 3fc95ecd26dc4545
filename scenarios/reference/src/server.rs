//! The reference target's event loop.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};
use thiserror::Error;
use uringbench_ring::{
    BufferId, Completion, Config, Failure, Listener, Operation, Ring, SetupError, TemplateId, Wait,
};

use crate::answer::answer;
use crate::http2::{Answers, Broken, Http2};
use crate::request::{Request, Scan, scan};

/// Where and how to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeOptions {
    /// The address to listen on; port 0 chooses a free one.
    pub listen: SocketAddr,
    /// The CPU to run on, if any.
    pub cpu: Option<usize>,
    /// The most connections at once, 1 to the limit of open files.
    pub connections: u32,
}

/// Why the target cannot serve.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The address is in use or not local.
    #[error("cannot listen on {address}: {source}; choose another with --listen")]
    Listen {
        /// The requested address.
        address: SocketAddr,
        /// The kernel's error.
        source: io::Error,
    },
    /// The CPU does not exist or is not allowed.
    #[error("cannot run on CPU {cpu}: {source}; choose another with --cpu")]
    Cpu {
        /// The requested CPU.
        cpu: usize,
        /// The kernel's error.
        source: io::Error,
    },
    /// No ring.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The ring failed while serving.
    #[error("serving failed: {0}")]
    Ring(Failure),
}

/// Requests seen before, byte for byte, are answered without parsing; at most this many.
const KNOWN_MAX: usize = 256;
/// Answers up to this size are kept in several copies, to answer a pipeline with one send.
const COPIES_FOR: usize = 4_096;
const COPIES: usize = 64;
/// A request header longer than this ends its connection.
const HEAD_MAX: usize = 64 << 10;

/// A bound, not yet serving target.
pub struct Server {
    listener: Listener,
    ring: Ring,
    connections: Vec<Connection>,
    answers: Vec<Prepared>,
    by_request: HashMap<(String, bool, bool), usize>,
    known: Vec<Known>,
    /// Answers over HTTP/2.
    streamed: Answers,
}

#[derive(Default)]
struct Connection {
    generation: u32,
    carry: Vec<u8>,
    body_left: usize,
    /// The answer to the request whose body is incomplete.
    owed: Option<usize>,
    /// HTTP/2, if it speaks that.
    http2: Option<Box<Http2>>,
    /// A send of HTTP/2 is in progress.
    is_sending: bool,
}

/// An answer in the ring.
#[derive(Clone, Copy)]
struct Prepared {
    template: TemplateId,
    length: usize,
    copies: usize,
    close: bool,
}

/// A request without a body, byte for byte, and its answer.
struct Known {
    bytes: Box<[u8]>,
    answer: usize,
}

impl Server {
    /// Listen and set up the ring, on the thread that will serve.
    pub fn bind(options: &ServeOptions) -> Result<Self, ServeError> {
        if let Some(cpu) = options.cpu {
            let mut set = CpuSet::new();
            if cpu < CpuSet::MAX_CPU {
                set.set(cpu);
            }
            sched_setaffinity(None::<Pid>, &set)
                .map_err(|errno| ServeError::Cpu { cpu, source: errno.into() })?;
        }
        let listener = Listener::bind(options.listen)
            .map_err(|source| ServeError::Listen { address: options.listen, source })?;
        let ring = Ring::new(Config::small_responses(options.connections))?;
        let connections = (0..options.connections).map(|_| Connection::default()).collect();
        Ok(Self {
            listener,
            ring,
            connections,
            answers: Vec::new(),
            by_request: HashMap::new(),
            known: Vec::new(),
            streamed: Answers::default(),
        })
    }

    /// Its local address.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_address()
    }

    /// Serve until the process ends.
    pub fn serve(mut self) -> Result<std::convert::Infallible, ServeError> {
        self.ring.accept_multi(&self.listener);
        loop {
            self.ring.enter(Wait::Completion).map_err(ServeError::Ring)?;
            while let Some(completion) = self.ring.next_completion() {
                self.on_completion(completion);
            }
        }
    }

    fn on_completion(&mut self, completion: Completion) {
        let (token, slot) = (completion.token, completion.token.slot());
        match token.operation() {
            Some(Operation::Accept) => {
                // A full table refuses the connection (ENFILE); the listener continues.
                if let Ok(slot) = completion.result {
                    let generation = self.connections[slot as usize].generation;
                    self.ring.receive_multi(slot, generation);
                }
                if !completion.more {
                    self.ring.accept_multi(&self.listener);
                }
            }
            Some(Operation::Receive) => {
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
            Some(Operation::SendNotify) => {
                let sent = self.ring.sent(token);
                if completion.result.is_ok()
                    && token.is_of(self.connections[slot as usize].generation)
                {
                    self.connections[slot as usize].is_sending = false;
                    self.send_frames(slot, sent.unwrap_or_default());
                }
            }
            // The peer has left; the receive reports it too, and ends the connection.
            _ => {}
        }
    }

    fn on_bytes(&mut self, slot: u32, buffer: BufferId) {
        let connection = &mut self.connections[slot as usize];
        let bytes = self.ring.bytes(&buffer);
        if let Some(http2) = &mut connection.http2 {
            let fed = http2.feed(bytes, &mut self.streamed);
            self.ring.recycle(buffer);
            return self.after_frames(slot, fed);
        }
        if connection.carry.is_empty()
            && connection.body_left == 0
            && let Some((answer, count)) = repeated(&self.known, bytes)
        {
            self.ring.recycle(buffer);
            return self.reply(slot, answer, count);
        }
        // Nothing of a body is kept, so nothing is copied.
        let is_body = connection.carry.is_empty();
        let dropped = if is_body { connection.body_left.min(bytes.len()) } else { 0 };
        connection.body_left -= dropped;
        connection.carry.extend_from_slice(&bytes[dropped..]);
        self.ring.recycle(buffer);
        self.on_carry(slot);
    }

    /// Answer every complete request among the bytes kept for a connection.
    fn on_carry(&mut self, slot: u32) {
        let generation = self.connections[slot as usize].generation;
        let mut bytes = std::mem::take(&mut self.connections[slot as usize].carry);
        let mut start = 0;
        loop {
            let connection = &mut self.connections[slot as usize];
            let dropped = connection.body_left.min(bytes.len() - start);
            connection.body_left -= dropped;
            start += dropped;
            if connection.body_left > 0 {
                break;
            }
            if let Some(answer) = connection.owed.take() {
                self.reply(slot, answer, 1);
                if self.connections[slot as usize].generation != generation {
                    return;
                }
            }
            if Http2::begins(&bytes[start..]) {
                let http2 = self.connections[slot as usize].http2.insert(Box::new(Http2::new()));
                let fed = http2.feed(&bytes[start..], &mut self.streamed);
                return self.after_frames(slot, fed);
            }
            match scan(&bytes[start..]) {
                Scan::Request(request) => {
                    let head = &bytes[start..start + request.head_length];
                    let answer = self.prepare(&request, head);
                    start += request.head_length;
                    let connection = &mut self.connections[slot as usize];
                    connection.body_left = request.body_length;
                    connection.owed = Some(answer);
                }
                Scan::Incomplete if bytes.len() - start <= HEAD_MAX => break,
                Scan::Incomplete | Scan::Malformed => return self.end(slot),
            }
        }
        bytes.drain(..start);
        self.connections[slot as usize].carry = bytes;
    }

    fn prepare(&mut self, request: &Request, head: &[u8]) -> usize {
        let key = (request.path.clone(), request.is_head, request.close);
        let index = match self.by_request.get(&key) {
            Some(&index) => index,
            None => {
                let bytes = answer(&key.0, key.1, key.2);
                let copies = if bytes.len() <= COPIES_FOR { COPIES } else { 1 };
                self.answers.push(Prepared {
                    template: self.ring.add_template(&bytes.repeat(copies)),
                    length: bytes.len(),
                    copies,
                    close: request.close,
                });
                self.by_request.insert(key, self.answers.len() - 1);
                self.answers.len() - 1
            }
        };
        let is_known = self.known.iter().any(|known| *known.bytes == *head);
        if request.body_length == 0 && !is_known && self.known.len() < KNOWN_MAX {
            self.known.push(Known { bytes: head.into(), answer: index });
        }
        index
    }

    fn reply(&mut self, slot: u32, answer: usize, mut count: usize) {
        let Prepared { template, length, copies, close } = self.answers[answer];
        let generation = self.connections[slot as usize].generation;
        while count > 0 {
            let now = count.min(copies);
            self.ring.send(slot, generation, template, 0..length * now);
            count -= now;
        }
        if close {
            self.forget(slot);
            // Except the sends: the connection closes once they have gone out.
            self.ring.cancel(slot, generation, Operation::Receive);
            self.ring.close(slot, generation);
        }
    }

    /// Frames have been read: what they ask for is sent, or the connection ends.
    fn after_frames(&mut self, slot: u32, fed: Result<(), Broken>) {
        match fed {
            Ok(()) => self.send_frames(slot, Vec::new()),
            Err(broken) => self.end_frames(slot, broken),
        }
    }

    /// Send the frames that are queued, unless a send is in progress; `spare` has been sent.
    fn send_frames(&mut self, slot: u32, mut spare: Vec<u8>) {
        let connection = &mut self.connections[slot as usize];
        let Some(http2) = connection.http2.as_mut().filter(|_| !connection.is_sending) else {
            return;
        };
        spare.clear();
        let queued = http2.queued();
        if queued.is_empty() {
            // Kept for the next answer: a large one would grow a new buffer, page by page.
            if spare.capacity() > queued.capacity() {
                *queued = spare;
            }
            return;
        }
        let out = std::mem::replace(queued, spare);
        connection.is_sending = true;
        self.ring.send_bytes(slot, connection.generation, out);
    }

    /// The client broke HTTP/2: it is sent away with the reason, unless it reads nothing.
    fn end_frames(&mut self, slot: u32, broken: Broken) {
        let connection = &mut self.connections[slot as usize];
        let generation = connection.generation;
        let goodbye = connection.http2.as_ref().map(|http2| http2.goodbye(broken));
        let Some(goodbye) = goodbye.filter(|_| !connection.is_sending) else {
            return self.end(slot);
        };
        self.ring.send_bytes(slot, generation, goodbye);
        self.forget(slot);
        self.ring.cancel(slot, generation, Operation::Receive);
        self.ring.close(slot, generation);
    }

    fn end(&mut self, slot: u32) {
        let generation = self.connections[slot as usize].generation;
        self.forget(slot);
        self.ring.cancel(slot, generation, Operation::Receive);
        self.ring.cancel(slot, generation, Operation::Send);
        self.ring.cancel(slot, generation, Operation::SendNotify);
        self.ring.close(slot, generation);
    }

    /// Data that arrives for the slot from now on belongs to the next connection.
    fn forget(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        connection.generation = connection.generation.wrapping_add(1);
        connection.carry.clear();
        connection.body_left = 0;
        connection.owed = None;
        connection.http2 = None;
        connection.is_sending = false;
    }
}

/// The answer to `bytes` if they are one known request, repeated any number of times, complete.
fn repeated(known: &[Known], bytes: &[u8]) -> Option<(usize, usize)> {
    let first = known.iter().find(|known| bytes.starts_with(&known.bytes))?;
    let mut requests = bytes.chunks_exact(first.bytes.len());
    let count = requests.len();
    (requests.remainder().is_empty() && requests.all(|request| *request == *first.bytes))
        .then_some((first.answer, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_repetitions_of_one_request_are_recognised() {
        let known = [Known { bytes: b"GET /".as_slice().into(), answer: 7 }];
        assert_eq!(repeated(&known, b"GET /GET /"), Some((7, 2)));
        assert_eq!(repeated(&known, b"GET /GET"), None);
        assert_eq!(repeated(&known, b"GET /HEAD/"), None);
        assert_eq!(repeated(&known, b"POST /"), None);
        assert_eq!(repeated(&known, b""), None);
    }
}
