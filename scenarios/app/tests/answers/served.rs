//! The application on a port of its own, and a client that shows every byte it answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;
use uringbench_app::{App, AppError, AppOptions, Database, Faults};

/// A hung answer fails its test.
const PATIENCE: Duration = Duration::from_secs(20);

/// The application, serving; stopped on drop.
pub(crate) struct Served {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<Result<(), AppError>>>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Served {
    /// Without faults, in memory.
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// With these faults.
    pub(crate) fn faulty(faults: Faults) -> Self {
        Self::start_with(|options| options.faults = faults)
    }

    /// Over this database.
    pub(crate) fn over(database: Database) -> Self {
        Self::start_with(|options| options.database = database)
    }

    /// With options changed.
    pub(crate) fn start_with(change: impl FnOnce(&mut AppOptions)) -> Self {
        let mut options = AppOptions {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            cpu: None,
            workers: 2,
            database: Database::Memory,
            files: None,
            faults: Faults::default(),
        };
        change(&mut options);
        let app = App::bind(&options).expect("a free port of this machine");
        let address = app.address();
        let (stop, stopping) = oneshot::channel();
        let serving = thread::spawn(move || {
            app.serve_until(async {
                let _told = stopping.await;
            })
        });
        Self { address, stop: Some(stop), serving: Some(serving) }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the application listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
        stream
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", b"")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, "", Some(body))
    }

    /// A request of JSON with a token; none of both where they are empty.
    pub(crate) fn call(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> Answer {
        let mut headers = String::new();
        if !token.is_empty() {
            headers = format!("Authorization: Bearer {token}\r\n");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        if !body.is_empty() {
            headers += "Content-Type: application/json\r\n";
        }
        self.send(method, path, &headers, body.as_bytes())
    }

    /// One request on a connection of its own.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let mut stream = self.connect();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("the application reads");
        // An answer may come, and the connection end, before a body that is refused has gone.
        let _refused = stream.write_all(body);
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        assert!(read.is_ok() || !bytes.is_empty(), "{method} {path}: {read:?}");
        Answer::new(&bytes)
    }

    /// Stop, and see how serving ended.
    pub(crate) fn stop(mut self) -> Result<(), AppError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), AppError> {
        drop(self.stop.take());
        self.serving.take().map_or(Ok(()), |serving| serving.join().expect("no panic"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _reported_by_the_test = self.end();
    }
}

impl Answer {
    fn new(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole header");
        let head = String::from_utf8(bytes[..end].to_vec()).expect("headers are text");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        let mut body = bytes[end + 4..].to_vec();
        if head.to_lowercase().contains("transfer-encoding: chunked") {
            body = unchunked(&body);
        }
        Self { status, head: head.to_lowercase(), body }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("JSON, not {}", self.text()))
    }
}

/// The body of chunks, which must be whole.
fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n").expect("a chunk's length");
        let digits = std::str::from_utf8(&rest[..line]).expect("digits");
        let length = usize::from_str_radix(digits, 16).expect("hexadecimal digits");
        rest = &rest[line + 2..];
        if length == 0 {
            assert_eq!(rest, b"\r\n", "nothing after the last chunk");
            return body;
        }
        body.extend_from_slice(&rest[..length]);
        assert_eq!(&rest[length..length + 2], b"\r\n", "the end of a chunk");
        rest = &rest[length + 2..];
    }
}
