//! One connection through a proxy: two sockets, and a pipe in each direction.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_linger;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use uringbench_core::chaos::{ProxyDirection, Toxic};

use super::pipe::{Pipe, Step};

/// Bytes read at a time.
const READ: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct ProxiedConnection {
    client: TcpStream,
    server: TcpStream,
    /// From the client to the server, and back.
    ways: [Way; 2],
    is_open: bool,
}

#[derive(Debug)]
struct Way {
    pipe: Pipe,
    /// The receiving socket takes nothing now.
    is_blocked: bool,
    /// Its end was passed on.
    is_done: bool,
}

impl Way {
    fn new(seed: u64) -> Self {
        Self { pipe: Pipe::new(seed), is_blocked: false, is_done: false }
    }

    /// One turn of it; `Err` ends the connection.
    fn turn(
        &mut self,
        (mut from, mut to): (&TcpStream, &TcpStream),
        is_readable: bool,
        toxic: Option<Toxic>,
        now: u64,
    ) -> io::Result<()> {
        if is_readable && self.pipe.has_room() {
            let mut bytes = [0; READ];
            match from.read(&mut bytes) {
                Ok(0) => self.pipe.finish(now, toxic),
                Ok(count) => self.pipe.feed(now, &bytes[..count], toxic),
                Err(why) if is_patient(&why) => {}
                Err(why) => return Err(why),
            }
        }
        self.is_blocked = false;
        while !self.is_done {
            match self.pipe.poll(now, toxic) {
                Step::Release(bytes) => match to.write(bytes) {
                    Ok(count) => self.pipe.sent(count, now, toxic),
                    Err(why) if is_patient(&why) => {
                        self.is_blocked = true;
                        return Ok(());
                    }
                    Err(why) => return Err(why),
                },
                Step::Close => {
                    self.is_done = true;
                    // The other side may have ended it meanwhile.
                    let _shut = to.shutdown(Shutdown::Write);
                }
                Step::Reset => return Err(ErrorKind::ConnectionReset.into()),
                Step::Wait(_) | Step::Idle => return Ok(()),
            }
        }
        Ok(())
    }
}

/// Nothing can be read or written now: also while a connection is being made.
fn is_patient(why: &io::Error) -> bool {
    matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::NotConnected)
}

impl ProxiedConnection {
    /// Begins to connect a client to the server.
    pub(super) fn open(client: TcpStream, to: SocketAddr, seed: u64) -> io::Result<Self> {
        client.set_nonblocking(true)?;
        client.set_nodelay(true)?;
        let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::STREAM, flags, None)?;
        match connect(&socket, &to) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(why) => return Err(why.into()),
        }
        let server = TcpStream::from(socket);
        server.set_nodelay(true)?;
        let ways = [Way::new(2 * seed), Way::new(2 * seed + 1)];
        Ok(Self { client, server, ways, is_open: true })
    }

    pub(super) fn client(&self) -> &TcpStream {
        &self.client
    }

    pub(super) fn server(&self) -> &TcpStream {
        &self.server
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// What to wait for on the client's and the server's side.
    pub(super) fn interest(&self) -> [PollFlags; 2] {
        let [up, down] = &self.ways;
        let of = |reads: &Way, writes: &Way| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, reads.pipe.has_room());
            flags.set(PollFlags::OUT, writes.is_blocked);
            flags
        };
        [of(up, down), of(down, up)]
    }

    /// When something is due, in nanoseconds; `u64::MAX` if nothing is.
    pub(super) fn wakes_at(&self, toxic: Option<(Toxic, ProxyDirection)>, now: u64) -> u64 {
        let of = |way: &Way, direction| match way.pipe.poll(now, of_direction(toxic, direction)) {
            _ if way.is_done || way.is_blocked => u64::MAX,
            Step::Wait(until) => until,
            Step::Idle => u64::MAX,
            Step::Release(_) | Step::Close | Step::Reset => now,
        };
        of(&self.ways[0], ProxyDirection::Upstream)
            .min(of(&self.ways[1], ProxyDirection::Downstream))
    }

    /// One turn, with what may be read of the client's and the server's side.
    pub(super) fn turn(
        &mut self,
        (client, server): (bool, bool),
        toxic: Option<(Toxic, ProxyDirection)>,
        now: u64,
    ) {
        let [up, down] = &mut self.ways;
        let upstream = of_direction(toxic, ProxyDirection::Upstream);
        let downstream = of_direction(toxic, ProxyDirection::Downstream);
        let turned = up
            .turn((&self.client, &self.server), client, upstream, now)
            .and_then(|()| down.turn((&self.server, &self.client), server, downstream, now));
        let is_limited =
            |way: &Way, toxic| way.is_done && matches!(toxic, Some(Toxic::LimitData { .. }));
        if turned.is_err() {
            self.is_open = false;
            self.end_hard();
        } else if (up.is_done && down.is_done)
            || is_limited(up, upstream)
            || is_limited(down, downstream)
        {
            self.is_open = false;
        }
    }

    /// Ends it by a reset on both sides.
    pub(super) fn reset(self) {
        self.end_hard();
    }

    fn end_hard(&self) {
        for side in [&self.client, &self.server] {
            // Without it the end is an orderly one.
            let _set = set_socket_linger(side, Some(Duration::ZERO));
        }
    }
}

fn of_direction(
    toxic: Option<(Toxic, ProxyDirection)>,
    direction: ProxyDirection,
) -> Option<Toxic> {
    toxic.filter(|(_, of)| *of == ProxyDirection::Both || *of == direction).map(|(toxic, _)| toxic)
}
