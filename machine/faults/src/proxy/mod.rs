//! A TCP proxy in the path of the load or of a dependency, on a thread of its own.
//!
//! It passes bytes: it cannot delay a handshake, which the kernel answers, nor lose packets; TLS
//! passes through. Its plan is read once per turn, so a toxic begins for all connections at once,
//! old and new. It ends with this process. Its own cost is in the parts of a run without a fault as
//! well, since it is in the path from the start.

mod connection;
mod pipe;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use uringbench_core::chaos::{PlannedProxy, ProxyDirection, Toxic};

use self::connection::ProxiedConnection;
use crate::now;

/// Most connections at a time; more wait in the kernel.
const CONNECTIONS_MAX: usize = 4_096;
/// How often an address that is in use is tried again.
const RETRY_NS: u64 = 10_000_000;
/// How long a change may take until it is seen.
const SEEN_WITHIN: Duration = Duration::from_secs(5);

/// A proxy that runs until this is dropped.
#[derive(Debug)]
pub struct Proxy {
    control: Arc<ProxyControl>,
    thread: Option<JoinHandle<()>>,
}

/// What a proxy does now, and to what.
#[derive(Debug)]
pub struct ProxyControl {
    toxic: Mutex<Option<(Toxic, ProxyDirection)>>,
    /// Grows with each change.
    number: AtomicU64,
    /// The change that the proxy follows.
    seen: AtomicU64,
    is_over: AtomicBool,
    waker: UnixStream,
}

impl ProxyControl {
    /// From now on do this, or nothing.
    pub(crate) fn set(&self, toxic: Option<(Toxic, ProxyDirection)>) {
        *self.toxic.lock().unwrap_or_else(PoisonError::into_inner) = toxic;
        self.number.fetch_add(1, Ordering::Release);
        self.wake();
    }

    /// Whether the proxy follows the latest change.
    pub(crate) fn is_seen(&self) -> bool {
        self.seen.load(Ordering::Acquire) == self.number.load(Ordering::Acquire)
    }

    /// Waits until it does; `false` if that takes too long.
    pub(crate) fn await_seen(&self) -> bool {
        let mut left = SEEN_WITHIN.as_micros() / 100;
        while !self.is_seen() && left > 0 {
            thread::sleep(Duration::from_micros(100));
            left -= 1;
        }
        self.is_seen()
    }

    fn wake(&self) {
        // A full pipe wakes as well.
        let _written = (&self.waker).write(&[1]);
    }
}

impl Proxy {
    /// Begins to accept connections.
    ///
    /// # Errors
    /// The address is not free.
    pub fn start(plan: &PlannedProxy) -> io::Result<Self> {
        let listener = listen(plan.listen)?;
        let (waker, woken) = UnixStream::pair()?;
        waker.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        let control = Arc::new(ProxyControl {
            toxic: Mutex::new(None),
            number: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            waker,
        });
        let mut turning = Turning {
            control: Arc::clone(&control),
            woken,
            listen: plan.listen,
            to: plan.to,
            listener: Some(listener),
            connections: Vec::new(),
            number: 0,
            toxic: None,
            accepted: 0,
            accepts_from: 0,
        };
        let thread = thread::Builder::new()
            .name("proxy".to_owned())
            .spawn(move || while turning.turn() {})?;
        Ok(Self { control, thread: Some(thread) })
    }

    /// What it does.
    pub fn control(&self) -> Arc<ProxyControl> {
        Arc::clone(&self.control)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.control.is_over.store(true, Ordering::Relaxed);
        self.control.wake();
        if let Some(thread) = self.thread.take() {
            // After a panic there is nothing to end.
            let _ended = thread.join();
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The thread of a proxy.
struct Turning {
    control: Arc<ProxyControl>,
    woken: UnixStream,
    listen: SocketAddr,
    to: SocketAddr,
    /// None while it is down.
    listener: Option<TcpListener>,
    connections: Vec<ProxiedConnection>,
    number: u64,
    toxic: Option<(Toxic, ProxyDirection)>,
    accepted: u64,
    /// After an error it accepts again from this time on, on the clock of the load.
    accepts_from: u64,
}

impl Turning {
    /// One turn; `false` at the end.
    fn turn(&mut self) -> bool {
        self.follow();
        let ready = self.wait();
        if self.control.is_over.load(Ordering::Relaxed) {
            return false;
        }
        self.follow();
        let present = now().0;
        for (connection, [client, server]) in self.connections.iter_mut().zip(&ready) {
            connection.turn((*client, *server), self.toxic, present);
        }
        self.connections.retain(ProxiedConnection::is_open);
        self.accept();
        true
    }

    /// Reads the plan, if it changed.
    fn follow(&mut self) {
        let number = self.control.number.load(Ordering::Acquire);
        if number != self.number {
            self.toxic = *self.control.toxic.lock().unwrap_or_else(PoisonError::into_inner);
            self.number = number;
        }
        let is_down = matches!(self.toxic, Some((Toxic::Down, _)));
        if is_down && self.listener.is_some() {
            self.listener = None;
            self.connections.drain(..).for_each(ProxiedConnection::reset);
        } else if !is_down && self.listener.is_none() {
            self.listener = listen(self.listen).ok();
        }
        // While another has its address, it is still down.
        if is_down == self.listener.is_none() {
            self.control.seen.store(number, Ordering::Release);
        }
    }

    /// Waits for the first event. Returns what may be read of both sides of each connection.
    fn wait(&mut self) -> Vec<[bool; 2]> {
        let present = now().0;
        let mut until = u64::MAX;
        let mut fds = vec![PollFd::new(&self.woken, PollFlags::IN)];
        if let Some(listener) = &self.listener
            && self.connections.len() < CONNECTIONS_MAX
        {
            if present >= self.accepts_from {
                fds.push(PollFd::new(listener, PollFlags::IN));
            } else {
                until = self.accepts_from;
            }
        }
        let is_down = matches!(self.toxic, Some((Toxic::Down, _)));
        if self.listener.is_none() && !is_down {
            until = present + RETRY_NS;
        }
        // Where in `fds` both sides of each connection are. One without interest is left out: its
        // end would be reported without pause, before it can be passed on.
        let mut places = Vec::with_capacity(self.connections.len());
        for connection in &self.connections {
            let sides = [connection.client().as_fd(), connection.server().as_fd()];
            let mut place = [None; 2];
            for ((side, flags), place) in sides.iter().zip(connection.interest()).zip(&mut place) {
                if !flags.is_empty() {
                    *place = Some(fds.len());
                    fds.push(PollFd::from_borrowed_fd(*side, flags));
                }
            }
            places.push(place);
            until = until.min(connection.wakes_at(self.toxic, present));
        }
        let left = until.saturating_sub(present);
        let timeout = Timespec {
            tv_sec: (left / 1_000_000_000).cast_signed(),
            tv_nsec: (left % 1_000_000_000).cast_signed(),
        };
        let timeout = (until < u64::MAX).then_some(&timeout);
        // Interrupted by a signal: as if nothing had happened.
        let _events = poll(&mut fds, timeout);
        let is_woken = !fds[0].revents().is_empty();
        let readable = |place: Option<usize>| {
            let events = place.map_or(PollFlags::empty(), |place| fds[place].revents());
            events.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR)
        };
        let ready = places.iter().map(|place| place.map(readable)).collect();
        if is_woken {
            let mut bytes = [0; 64];
            while matches!((&self.woken).read(&mut bytes), Ok(1..)) {}
        }
        ready
    }

    fn accept(&mut self) {
        while let Some(listener) = &self.listener
            && self.connections.len() < CONNECTIONS_MAX
        {
            match listener.accept() {
                Ok((client, _)) => {
                    self.accepted += 1;
                    // Without a connection to the server the client's ends as well.
                    self.connections
                        .extend(ProxiedConnection::open(client, self.to, self.accepted).ok());
                }
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why) if why.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    // Such as without descriptors: the client still waits, and would be reported
                    // without pause.
                    self.accepts_from = now().0 + RETRY_NS;
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::time::Instant;

    use super::*;
    use uringbench_core::time::Nanos;

    /// A proxy before a server that sends back what it gets.
    fn echo() -> (Proxy, SocketAddr) {
        let server = TcpListener::bind("127.0.0.1:0").expect("a port");
        let to = server.local_addr().expect("an address");
        thread::spawn(move || {
            for stream in server.incoming().flatten() {
                thread::spawn(move || io::copy(&mut &stream, &mut &stream));
            }
        });
        let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
        let listen = free.expect("a port");
        let plan = PlannedProxy { name: "a".to_owned(), listen, to };
        (Proxy::start(&plan).expect("the port is free"), listen)
    }

    fn ask(stream: &mut TcpStream) -> io::Result<Duration> {
        let asked = Instant::now();
        stream.write_all(b"hello")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        assert_eq!(&answer, b"hello");
        Ok(asked.elapsed())
    }

    #[test]
    fn toxics_begin_and_end_for_connections_that_are_there() {
        let (proxy, address) = echo();
        let control = proxy.control();
        let set = |toxic: Option<Toxic>| {
            control.set(toxic.map(|toxic| (toxic, ProxyDirection::Both)));
            assert!(control.await_seen());
        };
        let mut stream = TcpStream::connect(address).expect("it accepts");
        ask(&mut stream).expect("an answer");
        set(Some(Toxic::Delay { delay: Nanos::from_millis(30), jitter: Nanos::ZERO }));
        assert!(ask(&mut stream).expect("an answer") >= Duration::from_millis(60));
        set(Some(Toxic::Timeout));
        stream.set_read_timeout(Some(Duration::from_millis(50))).expect("it is set");
        stream.write_all(b"hello").expect("the kernel takes it");
        let mut answer = [0; 5];
        assert_eq!(stream.read(&mut answer).expect_err("none").kind(), ErrorKind::WouldBlock);
        set(None);
        stream.set_read_timeout(None).expect("it is set");
        stream.read_exact(&mut answer).expect("what the black hole kept");
        ask(&mut stream).expect("an answer");
        set(Some(Toxic::ResetPeer));
        assert!(ask(&mut stream).is_err());
        set(Some(Toxic::Down));
        let refused = TcpStream::connect(address).expect_err("nobody listens");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let other = TcpListener::bind(address).expect("the address is free");
        control.set(None);
        drop(other);
        assert!(control.await_seen(), "it waits for its address");
        let mut stream = TcpStream::connect(address).expect("it accepts again");
        ask(&mut stream).expect("an answer");
        stream.shutdown(std::net::Shutdown::Write).expect("it is open");
        assert_eq!(stream.read(&mut answer).expect("the end is passed on"), 0);
    }
}
