//! A server that follows a script, on threads: an accepting one, and one per connection.
//!
//! It counts the requests and connections it saw and keeps how long it held each request, so
//! that a test can compare what uringbench says with what happened.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;

use super::requests::Requests;
use super::script::{Behaviour, Delivery, End, GOOD, Script};

/// A running server; it stops, and its connections end, on drop.
pub(crate) struct Server {
    address: SocketAddr,
    listener: Arc<TcpListener>,
    seen: Arc<Seen>,
    accepting: Option<JoinHandle<()>>,
}

/// What a server saw.
#[derive(Default)]
struct Seen {
    requests: AtomicU64,
    connections: AtomicU64,
    held: Mutex<Vec<Duration>>,
    /// How long the threads that held requests waited for a CPU meanwhile, in nanoseconds.
    starved: AtomicU64,
    /// Weak, so that the thread that drops its stream really closes it.
    open: Mutex<Vec<Weak<TcpStream>>>,
}

impl Server {
    /// On a free port of 127.0.0.1.
    pub(crate) fn start(behaviour: &Behaviour) -> Self {
        Self::start_at("127.0.0.1:0", behaviour)
    }

    /// On `address`; its port may have been another server's a moment ago.
    pub(crate) fn start_at(address: &str, behaviour: &Behaviour) -> Self {
        let listener = TcpListener::bind(address)
            .unwrap_or_else(|e| panic!("the test server cannot listen on {address}: {e}"));
        let address = listener.local_addr().expect("a bound socket has an address");
        let listener = Arc::new(listener);
        let seen = Arc::new(Seen::default());
        let accepting = {
            let (listener, seen, script) =
                (Arc::clone(&listener), Arc::clone(&seen), behaviour.script());
            thread::spawn(move || accept_all(&listener, &seen, &script))
        };
        Self { address, listener, seen, accepting: Some(accepting) }
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to give to uringbench.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Whole requests read so far.
    pub(crate) fn requests(&self) -> u64 {
        self.seen.requests.load(Ordering::SeqCst)
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> u64 {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// How long a request waited for a CPU, on average of those that were held.
    pub(crate) fn starved(&self) -> Duration {
        let requests = self.seen.held.lock().expect("no thread panics with it").len() as u64;
        Duration::from_nanos(self.seen.starved.load(Ordering::SeqCst) / requests.max(1))
    }

    /// How long each answered request was held, in ascending order.
    pub(crate) fn held(&self) -> Vec<Duration> {
        let mut held = self.seen.held.lock().expect("no thread panics with it").clone();
        held.sort_unstable();
        held
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Wakes the accepting thread: on Linux, accept on a shut-down listener fails at once.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Read);
        if let Some(accepting) = self.accepting.take() {
            accepting.join().expect("the accepting thread does not panic");
        }
    }
}

fn accept_all(listener: &TcpListener, seen: &Arc<Seen>, script: &Script) {
    let mut serving = Vec::new();
    while let Ok((stream, _)) = listener.accept() {
        seen.connections.fetch_add(1, Ordering::SeqCst);
        let stream = Arc::new(stream);
        let mut open = seen.open.lock().expect("no thread panics with it");
        open.retain(|stream| stream.strong_count() > 0);
        open.push(Arc::downgrade(&stream));
        drop(open);
        let (seen, script) = (Arc::clone(seen), script.clone());
        serving.retain(|thread: &JoinHandle<()>| !thread.is_finished());
        serving.push(thread::spawn(move || {
            // The peer may leave at any moment; that ends the connection and is no failure.
            let _ = serve(&stream, &seen, &script);
        }));
    }
    for stream in seen.open.lock().expect("no thread panics with it").iter() {
        if let Some(stream) = stream.upgrade() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
    for thread in serving {
        thread.join().expect("a connection's thread does not panic");
    }
}

/// One connection, to its end.
fn serve(stream: &TcpStream, seen: &Seen, script: &Script) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream;
    writer.write_all(&script.greeting)?;
    let mut requests = Requests::new(stream);
    let mut good = 0;
    let mut starved = run_delay();
    while requests.next()?.is_some() {
        let arrived = Instant::now();
        let index = seen.requests.fetch_add(1, Ordering::SeqCst);
        if let Some(hold) = script.hold {
            thread::sleep(hold.of(index));
            let until_now = run_delay();
            seen.starved.fetch_add(until_now - starved, Ordering::SeqCst);
            starved = until_now;
            seen.held.lock().expect("no thread panics with it").push(arrived.elapsed());
        }
        if good < script.good_first {
            good += 1;
            writer.write_all(GOOD)?;
            continue;
        }
        deliver(writer, &script.answer, script.delivery, index)?;
        match script.end {
            End::Keep => {}
            End::Close => return Ok(()),
            End::Reset => {
                // Closing with a linger time of zero sends RST instead of FIN.
                set_socket_linger(stream, Some(Duration::ZERO))?;
                return Ok(());
            }
            End::Silence => {
                while requests.next()?.is_some() {
                    seen.requests.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
    }
    Ok(())
}

/// How long this thread has waited for a CPU so far, in nanoseconds; 0 where that is not counted.
fn run_delay() -> u64 {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    counted.split_whitespace().nth(1).and_then(|nanos| nanos.parse().ok()).unwrap_or_default()
}

fn deliver(mut to: &TcpStream, answer: &[u8], how: Delivery, index: u64) -> io::Result<()> {
    match how {
        Delivery::Whole => to.write_all(answer),
        Delivery::MovingCut => {
            let (head, tail) = answer.split_at(index as usize % answer.len());
            to.write_all(head)?;
            // Long enough that the halves are not received as one.
            thread::sleep(Duration::from_micros(300));
            to.write_all(tail)
        }
        Delivery::ByteEvery(gap) => answer.iter().try_for_each(|byte| {
            thread::sleep(gap);
            to.write_all(&[*byte])
        }),
    }
}
