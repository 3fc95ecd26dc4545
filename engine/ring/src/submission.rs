//! Submission entries, one constructor per operation. They refer to memory by address and are
//! harmless until they are pushed, which only `kernel.rs` does: it keeps the memory alive.

use std::os::fd::RawFd;

use io_uring::types::{CancelBuilder, DestinationSlot, Fd, Fixed};
use io_uring::{opcode, squeue};

use crate::buffer::Room;
use crate::socket::SocketOptions;

/// Values of socket options, which are never freed.
static YES: libc::c_int = 1;
static RESET: libc::linger = libc::linger { l_onoff: 1, l_linger: 0 };

/// A send of all of `bytes`, however many attempts it takes.
#[inline]
pub(crate) fn send(slot: u32, bytes: &[u8]) -> squeue::Entry {
    opcode::Send::new(Fixed(slot), bytes.as_ptr(), bytes.len() as u32)
        .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
        .build()
}

/// Creates a stream socket in a slot and sets its options, in this order; each step completes only
/// if it fails.
pub(crate) fn open(slot: u32, family: i32, options: SocketOptions) -> [Option<squeue::Entry>; 3] {
    let Ok(place) = DestinationSlot::try_from_slot_target(slot) else { return [None, None, None] };
    // It has no descriptor, so there is nothing to close on exec.
    let socket = opcode::Socket::new(family, libc::SOCK_STREAM, 0).file_index(Some(place)).build();
    let is_tcp = family != libc::AF_UNIX;
    let nodelay = is_tcp.then(|| {
        let value = std::ptr::from_ref(&YES).cast();
        set_option(slot, libc::IPPROTO_TCP, libc::TCP_NODELAY, value, size_of_val(&YES))
    });
    let linger = (is_tcp && options.resets).then(|| {
        let value = std::ptr::from_ref(&RESET).cast();
        set_option(slot, libc::SOL_SOCKET, libc::SO_LINGER, value, size_of_val(&RESET))
    });
    [Some(socket), nodelay, linger]
        .map(|entry| entry.map(|entry| entry.flags(squeue::Flags::SKIP_SUCCESS)))
}

fn set_option(
    slot: u32,
    level: libc::c_int,
    name: libc::c_int,
    value: *const libc::c_void,
    length: usize,
) -> squeue::Entry {
    let (level, name) = (level as u32, name as u32);
    opcode::SetSockOpt::new(Fixed(slot), level, name, value, length as u32).build()
}

pub(crate) fn connect(
    slot: u32,
    (address, length): (*const libc::sockaddr, libc::socklen_t),
) -> squeue::Entry {
    opcode::Connect::new(Fixed(slot), address, length).build()
}

#[inline]
pub(crate) fn receive_multi(slot: u32) -> squeue::Entry {
    opcode::RecvMulti::new(Fixed(slot), Room::Small as u16).build()
}

/// One receive into a buffer of this size class, of at most `length` bytes.
#[inline]
pub(crate) fn receive_once(slot: u32, room: Room, length: u32, poll_first: bool) -> squeue::Entry {
    const IORING_RECVSEND_POLL_FIRST: u16 = 1;
    opcode::Recv::new(Fixed(slot), std::ptr::null_mut(), length)
        .ioprio(if poll_first { IORING_RECVSEND_POLL_FIRST } else { 0 })
        .buf_group(room as u16)
        .build()
        .flags(squeue::Flags::BUFFER_SELECT)
}

/// With MSG_TRUNC on TCP nothing is written, so it refers to no memory.
#[inline]
pub(crate) fn skip(slot: u32, length: u32) -> squeue::Entry {
    opcode::Recv::new(Fixed(slot), std::ptr::null_mut(), length).flags(libc::MSG_TRUNC).build()
}

/// By its user data, which the kernel finds by hashing: cancelling by descriptor, or any, visits
/// every armed operation of the ring (12 % of a run's CPU time at 9,000 connections).
pub(crate) fn cancel(target: u64) -> squeue::Entry {
    let all = CancelBuilder::user_data(target).all();
    opcode::AsyncCancel2::new(all).build().flags(squeue::Flags::SKIP_SUCCESS)
}

pub(crate) fn close(slot: u32) -> squeue::Entry {
    opcode::Close::new(Fixed(slot)).build()
}

pub(crate) fn accept_multi(listener: RawFd) -> squeue::Entry {
    opcode::AcceptMulti::new(Fd(listener)).allocate_file_index(true).build()
}

/// `IORING_OP_FIXED_FD_INSTALL` (6.8): the slot keeps its socket.
pub(crate) fn install(slot: u32) -> squeue::Entry {
    opcode::FixedFdInstall::new(Fixed(slot), 0).build()
}
