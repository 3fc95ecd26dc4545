//! A real server on the loopback interface, correct or faulty, that counts connections and
//! requests.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use rustix::time::{ClockId, clock_gettime};
use uringbench_core::time::Timestamp;

use crate::secure::Secure;

/// How a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Each request with a body of this many bytes and a declared length.
    Whole(usize),
    /// The same, in chunks of this many bytes.
    Chunked(usize, usize),
    /// The same as [`Manner::Whole`], but a request's body must be [`body`], or the server refuses
    /// it.
    Checking,
    /// Each request, and closes the connection after the answer.
    Closing,
    /// This many requests of a connection completely, the next with half an answer before it closes
    /// the connection.
    CutShort(u64),
    /// The same with a reset instead.
    Resetting(u64),
    /// Never.
    Silent,
    /// Over TLS.
    Secure,
}

/// The counts of a server.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) connections: AtomicU64,
    pub(crate) requests: AtomicU64,
    /// TLS sessions that the client closed with a close notify.
    pub(crate) goodbyes: AtomicU64,
    /// The most open descriptors of this process at the start of a connection.
    pub(crate) files_max: AtomicU64,
    /// When each request was read.
    pub(crate) times: Mutex<Vec<Timestamp>>,
    is_over: AtomicBool,
}

/// A server that runs until dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Seen>,
}

impl Server {
    pub(crate) fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound listener");
        let seen = Arc::new(Seen::default());
        let its_seen = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if its_seen.is_over.load(Ordering::Relaxed) {
                    return;
                }
                its_seen.connections.fetch_add(1, Ordering::Relaxed);
                its_seen.files_max.fetch_max(files(), Ordering::Relaxed);
                let seen = Arc::clone(&its_seen);
                std::thread::spawn(move || {
                    // It is no error if a client disconnects.
                    let _left = serve(stream, manner, &seen);
                });
            }
        });
        Self { address, seen }
    }

    pub(crate) fn requests(&self) -> u64 {
        self.seen.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn connections(&self) -> u64 {
        self.seen.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.seen.is_over.store(true, Ordering::Relaxed);
        // Connects once more, so that the thread notices the end.
        let _noticed = TcpStream::connect(self.address);
    }
}

/// The number of open descriptors of this process.
pub(crate) fn files() -> u64 {
    std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64)
}

/// The body that a [`Manner::Checking`] server requires: no two parts of it are equal.
pub(crate) fn body(length: usize) -> Vec<u8> {
    (0..length as u32 / 4).flat_map(|word| word.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

fn serve(stream: TcpStream, manner: Manner, seen: &Seen) -> std::io::Result<()> {
    if manner == Manner::Secure {
        return serve_secure(stream, seen);
    }
    stream.set_nodelay(true)?;
    let mut requests = Requests { stream: &stream, ahead: Vec::new() };
    let mut out = &stream;
    let mut answered = 0;
    while let Some(sent) = requests.next()? {
        note(seen);
        match manner {
            Manner::Silent => continue,
            Manner::Whole(length) => out.write_all(&whole(200, length))?,
            Manner::Chunked(length, chunk) => out.write_all(&chunked(length, chunk))?,
            Manner::Checking => {
                let is_right = sent == body(sent.len());
                out.write_all(&whole(if is_right { 200 } else { 400 }, 2))?;
            }
            Manner::Closing => {
                out.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
                return stream.shutdown(Shutdown::Both);
            }
            Manner::CutShort(well) | Manner::Resetting(well) if answered < well => {
                out.write_all(&whole(200, 100))?;
            }
            Manner::CutShort(_) => {
                out.write_all(&whole(200, 100)[..60])?;
                return stream.shutdown(Shutdown::Both);
            }
            Manner::Resetting(_) => {
                out.write_all(&whole(200, 100)[..60])?;
                set_socket_linger(&stream, Some(Duration::ZERO))?;
                return Ok(());
            }
            Manner::Secure => {}
        }
        answered += 1;
    }
    Ok(())
}

/// Counts one request.
fn note(seen: &Seen) {
    seen.requests.fetch_add(1, Ordering::Relaxed);
    let now = clock_gettime(ClockId::Monotonic);
    let now = Timestamp(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64);
    seen.times.lock().expect("no thread panicked").push(now);
}

fn serve_secure(mut stream: TcpStream, seen: &Seen) -> std::io::Result<()> {
    let mut session = Secure::new();
    let mut buffer = [0; 16 << 10];
    let (mut ahead, mut answered, mut last_was_plain) = (Vec::new(), 0, true);
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            // After an answer a client sends only a request or its close notify.
            let is_goodbye = answered > 0 && !last_was_plain;
            seen.goodbyes.fetch_add(u64::from(is_goodbye), Ordering::Relaxed);
            return stream.write_all(&session.end());
        }
        let (plain, reply) = session.receive(&buffer[..length]);
        stream.write_all(&reply)?;
        last_was_plain = !plain.is_empty();
        ahead.extend_from_slice(&plain);
        while let Some(end) = find_end(&ahead) {
            ahead.drain(..end);
            note(seen);
            answered += 1;
            stream.write_all(&session.seal(&whole(200, 2)))?;
        }
    }
}

fn whole(status: u16, length: usize) -> Vec<u8> {
    let mut answer =
        format!("HTTP/1.1 {status} Word\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + length, b'x');
    answer
}

fn chunked(length: usize, chunk: usize) -> Vec<u8> {
    let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let mut left = length;
    while left > 0 {
        let part = left.min(chunk);
        answer.extend_from_slice(format!("{part:x}\r\n").as_bytes());
        answer.resize(answer.len() + part, b'x');
        answer.extend_from_slice(b"\r\n");
        left -= part;
    }
    answer.extend_from_slice(b"0\r\n\r\n");
    answer
}

/// The requests of one connection in order.
struct Requests<'a> {
    stream: &'a TcpStream,
    ahead: Vec<u8>,
}

impl Requests<'_> {
    /// The body of the next request; `None` once the client has disconnected.
    fn next(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let mut buffer = [0; 64 << 10];
        loop {
            if let Some(end) = find_end(&self.ahead) {
                let head = String::from_utf8_lossy(&self.ahead[..end]).to_lowercase();
                let length = head.split("content-length: ").nth(1);
                let length = length.and_then(|rest| rest.split("\r\n").next()?.parse().ok());
                let whole = end + length.unwrap_or(0);
                if self.ahead.len() >= whole {
                    let body = self.ahead[end..whole].to_vec();
                    self.ahead.drain(..whole);
                    return Ok(Some(body));
                }
            }
            let length = self.stream.read(&mut buffer)?;
            if length == 0 {
                return Ok(None);
            }
            self.ahead.extend_from_slice(&buffer[..length]);
        }
    }
}

fn find_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|end| end == b"\r\n\r\n").map(|at| at + 4)
}
