//! A server that keeps every request in order of arrival, and answers 200.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A running server; it ends with the test program.
pub(crate) struct Recorder {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Recorder {
    /// Starts it on a free port of 127.0.0.1.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let keeps = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let keeps = Arc::clone(&keeps);
                thread::spawn(move || serve(stream, &keeps));
            }
        });
        Self { address, requests }
    }

    /// Its host and port.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// The requests since the last call. A request is recorded before it is answered.
    pub(crate) fn take(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.requests.lock().expect("no thread panics with it"))
    }
}

fn serve(mut stream: TcpStream, keeps: &Mutex<Vec<Vec<u8>>>) -> io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        let Some(head) = bytes.windows(4).position(|end| end == b"\r\n\r\n") else {
            if !more(&mut stream, &mut bytes)? {
                return Ok(());
            }
            continue;
        };
        let head = head + 4;
        let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
        if text.contains("\r\nexpect: 100-continue\r\n") {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
            .unwrap_or(0);
        let is_chunked = text.contains("\r\ntransfer-encoding: chunked\r\n");
        let is_short = |bytes: &[u8]| {
            bytes.len() < head + length || (is_chunked && !bytes.ends_with(b"\r\n0\r\n\r\n"))
        };
        while is_short(&bytes) {
            if !more(&mut stream, &mut bytes)? {
                return Ok(());
            }
        }
        // Nothing follows a chunked body before the answer.
        let length = if is_chunked { bytes.len() - head } else { length };
        let rest = bytes.split_off(head + length);
        let request = std::mem::replace(&mut bytes, rest);
        keeps.lock().expect("no thread panics with it").push(request);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
    }
}

/// Whether more bytes arrived.
fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<bool> {
    let mut room = [0; 65_536];
    let count = stream.read(&mut room)?;
    bytes.extend_from_slice(&room[..count]);
    Ok(count > 0)
}
