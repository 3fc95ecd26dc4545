//! An address on this machine that neither accepts nor refuses.
//!
//! The accept queue of a listener with a backlog of 0 holds one connection; while it is full the
//! kernel drops further SYNs (`tcp_conn_request`, net/ipv4/tcp_input.c), and a client waits.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrV4, SocketType, bind, listen, socket};

/// A listener that never accepts, with a full queue.
pub(crate) struct FullBacklog {
    address: SocketAddr,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl FullBacklog {
    /// Makes one and fills its queue.
    pub(crate) fn start() -> Self {
        let fd = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        let any_port = SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0);
        bind(&fd, &any_port).expect("a free port of the loopback interface");
        listen(&fd, 0).expect("a bound socket listens");
        let listener = TcpListener::from(fd);
        let address = listener.local_addr().expect("a bound socket has an address");
        let mut queued = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            queued.push(stream);
            assert!(queued.len() < 16, "the kernel queues more than a backlog of 0 allows");
        }
        Self { address, _listener: listener, _queued: queued }
    }

    /// The address; connecting to it never completes.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}
