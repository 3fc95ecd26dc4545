//! A server that keeps every request it receives, and answers each with the result of a function.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;

use super::acceptor::Acceptor;
use super::requests::Requests;

/// A request as received.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The connection on which it arrived, from 0.
    pub(crate) connection: u64,
    /// When its last byte was read.
    pub(crate) at: Instant,
    /// Header and body.
    pub(crate) bytes: Vec<u8>,
}

/// What the server does in response.
pub(crate) enum Answer {
    /// Sends these bytes.
    Bytes(Vec<u8>),
    /// Sends these bytes after this time.
    Late(Duration, Vec<u8>),
    /// Sends these bytes and closes the connection.
    Last(Vec<u8>),
    /// Resets the connection.
    Reset,
    /// Sends nothing; reads further requests.
    Silence,
}

/// A running server; on drop it stops and its connections end.
pub(crate) struct Recording {
    acceptor: Acceptor,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Recording {
    /// Listens on a free port of 127.0.0.1.
    pub(crate) fn start<F>(answer: F) -> Self
    where
        F: Fn(&Asked) -> Answer + Send + Sync + 'static,
    {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let keeps = Arc::clone(&asked);
        let acceptor =
            Acceptor::start(move |stream, number| serve(stream, number, &keeps, &answer));
        Self { acceptor, asked }
    }

    /// One that answers every request with a small 200.
    pub(crate) fn good() -> Self {
        Self::start(|_| Answer::Bytes(ok("hello")))
    }

    /// The address it listens on.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.acceptor.address()
    }

    /// The target to name in a scenario.
    pub(crate) fn target(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> u64 {
        self.acceptor.connections()
    }

    /// Every request so far, in the order in which they were read.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no thread panics with it").clone()
    }

    /// Number of requests so far.
    pub(crate) fn count(&self) -> u64 {
        self.asked.lock().expect("no thread panics with it").len() as u64
    }
}

impl Asked {
    /// Method and target.
    pub(crate) fn line(&self) -> String {
        let head = self.head();
        let line = head.lines().next().unwrap_or_default();
        line.trim_end_matches(" HTTP/1.1").to_owned()
    }

    /// Everything before the body.
    pub(crate) fn head(&self) -> String {
        String::from_utf8_lossy(&self.bytes[..self.head_len()]).into_owned()
    }

    /// The value of a header.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let head = self.head();
        let mut fields = head.lines().filter_map(|line| line.split_once(':'));
        let found = fields.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(found.1.trim().to_owned())
    }

    /// Its content.
    pub(crate) fn body(&self) -> &[u8] {
        &self.bytes[self.head_len()..]
    }

    fn head_len(&self) -> usize {
        let end = self.bytes.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        end.expect("a whole request has been read") + 4
    }
}

/// A 200 with this body.
pub(crate) fn ok(body: &str) -> Vec<u8> {
    answer(200, &[], body)
}

/// An answer with this status and these header lines.
pub(crate) fn answer(status: u16, fields: &[&str], body: &str) -> Vec<u8> {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let length = body.len();
    format!("HTTP/1.1 {status} Said So\r\n{fields}Content-Length: {length}\r\n\r\n{body}").into()
}

fn serve(
    stream: &TcpStream,
    connection: u64,
    keeps: &Mutex<Vec<Asked>>,
    answer: &dyn Fn(&Asked) -> Answer,
) -> io::Result<()> {
    let (mut requests, mut writer) = (Requests::new(stream), stream);
    while let Some(bytes) = requests.next()? {
        let asked = Asked { connection, at: Instant::now(), bytes };
        let answer = answer(&asked);
        keeps.lock().expect("no thread panics with it").push(asked);
        match answer {
            Answer::Bytes(bytes) => writer.write_all(&bytes)?,
            Answer::Late(after, bytes) => {
                thread::sleep(after);
                writer.write_all(&bytes)?;
            }
            Answer::Last(bytes) => return writer.write_all(&bytes),
            Answer::Reset => {
                set_socket_linger(stream, Some(Duration::ZERO))?;
                return Ok(());
            }
            Answer::Silence => {}
        }
    }
    Ok(())
}
