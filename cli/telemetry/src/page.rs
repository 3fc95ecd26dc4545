//! The page that Prometheus scrapes: `GET /metrics`, nothing else.
//!
//! One request at a time and a second for each: there is one reader, and a slow one must not keep
//! the others out for long.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use uringbench_export::prometheus::CONTENT_TYPE;

use crate::TelemetryError;
use crate::thread::keep_to;

/// Longest time for a request.
const PATIENCE: Duration = Duration::from_secs(1);
/// Pause after a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);
/// Longest head of a request in bytes.
const HEAD_MAX: usize = 8_192;
const HEADERS_MAX: usize = 64;

/// A page that is served as long as the process lives.
pub(crate) struct Page {
    address: SocketAddr,
    text: Arc<Mutex<String>>,
}

impl Page {
    /// Serve an empty page at this address, by a thread on these CPUs.
    pub(crate) fn serve(address: SocketAddr, cpus: Vec<usize>) -> Result<Self, TelemetryError> {
        let refused = |cause| TelemetryError::Listen { address, cause };
        let listener = TcpListener::bind(address).map_err(refused)?;
        let page = Self {
            address: listener.local_addr().map_err(refused)?,
            text: Arc::new(Mutex::new(String::new())),
        };
        let text = page.text();
        std::thread::Builder::new()
            .name("metrics".to_owned())
            .spawn(move || {
                keep_to(&cpus);
                for stream in listener.incoming() {
                    match stream {
                        // A reader that leaves early is its own fault.
                        Ok(stream) => drop(answer(stream, &text)),
                        // Such as no file left: the same error would come again at once.
                        Err(_) => std::thread::sleep(PAUSE),
                    }
                }
            })
            .map_err(TelemetryError::Thread)?;
        Ok(page)
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The text, to be replaced.
    pub(crate) fn text(&self) -> Arc<Mutex<String>> {
        Arc::clone(&self.text)
    }
}

fn answer(mut stream: TcpStream, text: &Mutex<String>) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let (status, body) = match asked(&mut stream)? {
        Some(path) if path == "/metrics" => {
            ("200 OK", text.lock().unwrap_or_else(PoisonError::into_inner).clone())
        }
        Some(_) => ("404 Not Found", "the metrics are at /metrics\n".to_owned()),
        None => ("400 Bad Request", "GET /metrics is all there is\n".to_owned()),
    };
    let kind = if status.starts_with('2') { CONTENT_TYPE } else { "text/plain" };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n{body}"
    )
}

/// The path of a GET; `None` for anything else.
fn asked(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let until = Instant::now() + PATIENCE;
    let mut head = Vec::new();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || head.len() > HEAD_MAX {
            return Ok(None);
        }
        stream.set_read_timeout(Some(left))?;
        let mut part = [0; 1_024];
        let read = stream.read(&mut part)?;
        head.extend_from_slice(&part[..read]);
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&head) {
            Ok(httparse::Status::Complete(_)) => {
                let is_get = request.method == Some("GET");
                return Ok(request.path.filter(|_| is_get).map(str::to_owned));
            }
            Ok(httparse::Status::Partial) if read > 0 => {}
            _ => return Ok(None),
        }
    }
}
