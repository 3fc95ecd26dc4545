//! A server that runs a function for each connection on a separate thread, for peers that need more
//! than fixed bytes and an end.
//!
//! It accepts the connections, and closes all of them on drop. The function sends and receives.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};

/// A running server; on drop it stops and its connections end.
pub(crate) struct Acceptor {
    address: SocketAddr,
    listener: Arc<TcpListener>,
    accepted: Arc<AtomicU64>,
    accepting: Option<JoinHandle<()>>,
}

impl Acceptor {
    /// Listens on a free port of 127.0.0.1. `serve` gets each connection and its number, from 0;
    /// the connection ends when it returns. A peer that disconnects is no failure.
    pub(crate) fn start<F>(serve: F) -> Self
    where
        F: Fn(&TcpStream, u64) -> io::Result<()> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let listener = Arc::new(listener);
        let accepted = Arc::new(AtomicU64::new(0));
        let accepting = {
            let (listener, accepted) = (Arc::clone(&listener), Arc::clone(&accepted));
            thread::spawn(move || accept_all(&listener, &accepted, &Arc::new(serve)))
        };
        Self { address, listener, accepted, accepting: Some(accepting) }
    }

    /// The address it listens on.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Number of connections accepted so far.
    pub(crate) fn connections(&self) -> u64 {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        // Wakes the accepting thread: on Linux, accept on a shut-down listener fails at once.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Read);
        if let Some(accepting) = self.accepting.take() {
            accepting.join().expect("a connection's thread does not panic");
        }
    }
}

fn accept_all<F>(listener: &TcpListener, accepted: &AtomicU64, serve: &Arc<F>)
where
    F: Fn(&TcpStream, u64) -> io::Result<()> + Send + Sync + 'static,
{
    let mut serving: Vec<JoinHandle<()>> = Vec::new();
    let mut open: Vec<Weak<TcpStream>> = Vec::new();
    while let Ok((stream, _)) = listener.accept() {
        let number = accepted.fetch_add(1, Ordering::SeqCst);
        let _ = stream.set_nodelay(true);
        let (stream, serve) = (Arc::new(stream), Arc::clone(serve));
        open.retain(|stream| stream.strong_count() > 0);
        open.push(Arc::downgrade(&stream));
        serving.retain(|thread| !thread.is_finished());
        serving.push(thread::spawn(move || drop(serve(&stream, number))));
    }
    for stream in open.iter().filter_map(Weak::upgrade) {
        let _ = stream.shutdown(Shutdown::Both);
    }
    for thread in serving {
        thread.join().expect("a connection's thread does not panic");
    }
}
