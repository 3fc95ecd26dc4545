//! A peer's address in the kernel's form.

use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;

use crate::socket::PeerAddress;

/// One of three forms; it must not move while a submission refers to it.
pub(crate) enum Peer {
    V4(libc::sockaddr_in),
    V6(libc::sockaddr_in6),
    Unix(libc::sockaddr_un),
}

impl Peer {
    pub(crate) fn new(address: &PeerAddress) -> Self {
        let address = match address {
            PeerAddress::Tcp(address) => address,
            PeerAddress::Unix(path) => {
                let mut unix = libc::sockaddr_un {
                    sun_family: libc::AF_UNIX as libc::sa_family_t,
                    sun_path: [0; 108],
                };
                // One byte stays 0, as the end; a path that is too long reaches no listener.
                let bytes = path.as_os_str().as_bytes().iter().take(unix.sun_path.len() - 1);
                for (place, byte) in unix.sun_path.iter_mut().zip(bytes) {
                    *place = *byte as libc::c_char;
                }
                return Self::Unix(unix);
            }
        };
        match address {
            SocketAddr::V4(v4) => Self::V4(libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                sin_zero: [0; 8],
            }),
            SocketAddr::V6(v6) => Self::V6(libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            }),
        }
    }

    /// Its address and length.
    pub(crate) fn as_raw(&self) -> (*const libc::sockaddr, libc::socklen_t) {
        match self {
            Self::V4(v4) => (std::ptr::from_ref(v4).cast(), size_of_val(v4) as libc::socklen_t),
            Self::V6(v6) => (std::ptr::from_ref(v6).cast(), size_of_val(v6) as libc::socklen_t),
            Self::Unix(unix) => {
                (std::ptr::from_ref(unix).cast(), size_of_val(unix) as libc::socklen_t)
            }
        }
    }
}
