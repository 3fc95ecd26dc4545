//! Sockets for the ring: blocking, without Nagle's delay.
//!
//! Blocking, because io_uring itself waits: for a socket marked `O_NONBLOCK` it reports EAGAIN
//! instead (seastar b4eaa9f59).

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, sockopt};
use thiserror::Error;

use crate::kernel;

/// Why a socket could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// This process or the system has no file descriptor left.
    #[error("no file descriptor left for another connection; raise `ulimit -n`")]
    TooManyFiles,
    /// Anything else.
    #[error("opening a socket failed: {0}")]
    Other(Errno),
}

impl From<Errno> for OpenError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::MFILE | Errno::NFILE => Self::TooManyFiles,
            other => Self::Other(other),
        }
    }
}

/// The peer of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerAddress {
    /// A TCP address.
    Tcp(SocketAddr),
    /// The path of a Unix socket, at most 107 bytes.
    Unix(PathBuf),
}

/// The options of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SocketOptions {
    /// The local address; if `None`, the kernel chooses.
    pub source: Option<IpAddr>,
    /// Whether closing resets the connection instead of ending it in order.
    pub resets: bool,
    /// Whether its port is chosen before it connects, so that it can be reported.
    pub chooses_port: bool,
    /// Size of the kernel's receive buffer in bytes; if `None`, the kernel chooses.
    pub receive_buffer: Option<u32>,
}

impl SocketOptions {
    /// Whether the ring can create such a socket by itself.
    pub(crate) const fn are_simple(&self) -> bool {
        self.source.is_none() && !self.chooses_port && self.receive_buffer.is_none()
    }
}

/// The address family of a peer.
pub(crate) const fn family(peer: &PeerAddress) -> i32 {
    match peer {
        PeerAddress::Tcp(SocketAddr::V4(_)) => libc::AF_INET,
        PeerAddress::Tcp(SocketAddr::V6(_)) => libc::AF_INET6,
        PeerAddress::Unix(_) => libc::AF_UNIX,
    }
}

/// A stream socket for a connection to `peer`. The options apply to TCP only.
///
/// Also returns the address it will connect from, if the options choose it here.
pub(crate) fn open(
    peer: &PeerAddress,
    options: SocketOptions,
) -> Result<(OwnedFd, Option<SocketAddr>), OpenError> {
    let family = match peer {
        PeerAddress::Tcp(SocketAddr::V4(_)) => AddressFamily::INET,
        PeerAddress::Tcp(SocketAddr::V6(_)) => AddressFamily::INET6,
        PeerAddress::Unix(_) => {
            let (kind, flags) = (SocketType::STREAM, SocketFlags::CLOEXEC);
            return Ok((rustix::net::socket_with(AddressFamily::UNIX, kind, flags, None)?, None));
        }
    };
    let socket = rustix::net::socket_with(
        family,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        Some(ipproto::TCP),
    )?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    if options.resets {
        sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
    }
    if let Some(bytes) = options.receive_buffer {
        sockopt::set_socket_recv_buffer_size(&socket, bytes as usize)?;
    }
    let Some(source) = options.source else { return Ok((socket, None)) };
    if !options.chooses_port {
        // The port is chosen when the peer is known, so that ports towards different peers, and
        // from different sources, do not run out together (Linux 4.2).
        kernel::bind_without_port(socket.as_fd())?;
    }
    rustix::net::bind(&socket, &SocketAddr::new(source, 0))?;
    let local = rustix::net::getsockname(&socket)?;
    let local = SocketAddr::try_from(local).ok().filter(|_| options.chooses_port);
    Ok((socket, local))
}

/// A listening TCP socket; connections accepted from it inherit TCP_NODELAY.
#[derive(Debug)]
pub struct Listener(TcpListener);

impl Listener {
    /// Listen on `address`; port 0 chooses a free one.
    pub fn bind(address: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        // The standard library asks for a backlog of 128; thousands of connections at once need
        // more. Listening again only changes the backlog, capped by net.core.somaxconn.
        rustix::net::listen(&listener, 65_535)?;
        sockopt::set_tcp_nodelay(&listener, true)?;
        Ok(Self(listener))
    }

    /// Its local address.
    pub fn local_address(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
