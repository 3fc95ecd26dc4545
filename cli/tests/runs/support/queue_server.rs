//! A server with one worker and a known service time: requests of all connections wait in one line,
//! in the order they were read, and each is served for exactly this time.
//!
//! The times of the line are computed, not measured: a thread that wakes up late answers its own
//! request late, but does not delay those behind it. So a busy machine adds little to the times.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::acceptor::Acceptor;
use super::requests::Requests;
use super::script::GOOD;

/// Starts one.
pub(crate) fn queue_server(service: Duration) -> Acceptor {
    let line = Arc::new(Mutex::new(Instant::now()));
    Acceptor::start(move |stream, _| serve(stream, service, &line))
}

fn serve(stream: &TcpStream, service: Duration, line: &Mutex<Instant>) -> io::Result<()> {
    let mut requests = Requests::new(stream);
    let mut writer = stream;
    while requests.next()?.is_some() {
        let done = {
            let mut free = line.lock().expect("no thread panics with it");
            *free = (*free).max(Instant::now()) + service;
            *free
        };
        thread::sleep(done.saturating_duration_since(Instant::now()));
        writer.write_all(GOOD)?;
    }
    Ok(())
}
