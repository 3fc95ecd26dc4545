//! The only file that speaks to the kernel about rings. What makes its `unsafe` sound:
//!
//! 1. Memory named in a submission outlives its operation: templates and peer addresses are
//!    boxed, only ever added, and freed when nothing can touch them any more (`Kernel::drop`);
//!    bytes sent once are kept until the completion of their send has been seen.
//! 2. A receive buffer is the kernel's or ours, never both: a completion hands out a
//!    [`BufferId`], which cannot be copied, and [`Kernel::recycle`] takes it back.
//! 3. A full submission queue is flushed; what it still does not take waits in order, and what
//!    such an entry names is kept like what a queued one names.
//! 4. What the kernel returns is data: buffer numbers and lengths are checked against bounds.
//! 5. The queues borrow the ring's mappings for as long as they live: the ring is boxed and
//!    leaked while they exist, and dropped after them, all within this type.

use std::collections::VecDeque;
use std::io;
use std::mem::{self, ManuallyDrop};
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::{BufRingEntry, CancelBuilder, SubmitArgs, Timespec};
use io_uring::{CompletionQueue, EnterFlags, IoUring, SubmissionQueue, Submitter};
use io_uring::{cqueue, squeue};

use crate::buffer::{BufferId, BufferSizes, Room};
use crate::outgoing::Outgoing;
use crate::peer::Peer;
use crate::socket::{PeerAddress, SocketOptions};
use crate::submission;
use crate::tcp_info::TCP_INFO_BYTES;

/// One page, so that a boxed slice of them is aligned as the kernel wants its buffer ring.
#[repr(C, align(4096))]
#[derive(Clone)]
struct Page([u8; 4096]);

/// One completion, as the kernel posted it.
pub(crate) struct Posted {
    pub(crate) user_data: u64,
    pub(crate) result: i32,
    pub(crate) more: bool,
    pub(crate) buffer: Option<BufferId>,
}

/// The ring, its queues and all memory the kernel may touch.
#[expect(
    clippy::vec_box,
    reason = "a submission names the address: it must not move when more come"
)]
pub(crate) struct Kernel {
    submitter: ManuallyDrop<Submitter<'static>>,
    submissions: ManuallyDrop<SubmissionQueue<'static>>,
    completions: ManuallyDrop<CompletionQueue<'static>>,
    ring: NonNull<IoUring>,
    is_deferred: bool,
    /// Completions taken out of the queue to make room, older than those in it.
    aside: VecDeque<cqueue::Entry>,
    /// Entries for which the submission queue had no room. It is full as long as there are any.
    backlog: VecDeque<squeue::Entry>,
    /// The small ones, then the large ones; numbers continue.
    buffers: [Buffers; 2],
    templates: Vec<Box<[u8]>>,
    peers: Vec<Box<Peer>>,
    /// Bytes that are sent once.
    outgoing: Outgoing,
    enters: u64,
    overflows: u64,
}

/// A ring of provided buffers: its entries in `entries`, its bytes in `bytes`.
struct Buffers {
    entries: Box<[Page]>,
    bytes: NonNull<[u8]>,
    /// The number of the first.
    first: u16,
    count: u16,
    size: u32,
    tail: u16,
}

impl Kernel {
    /// Take over a ring. `is_deferred`: it was set up with deferred task work. At most 32,768 small
    /// and large buffers together.
    pub(crate) fn new(
        ring: IoUring,
        is_deferred: bool,
        [small, large]: [BufferSizes; 2],
    ) -> io::Result<Self> {
        let ring = NonNull::from(Box::leak(Box::new(ring)));
        // SAFETY: just leaked, so valid until `drop` rebuilds the box; no `&mut` is ever made.
        let shared: &'static IoUring = unsafe { ring.as_ref() };
        // SAFETY: the only submission queue view of this ring, used from one thread (`Kernel` is
        // not `Send`, as it holds raw pointers).
        let submissions = unsafe { shared.submission_shared() };
        // SAFETY: likewise the only completion queue view.
        let completions = unsafe { shared.completion_shared() };
        let mut kernel = Self {
            submitter: ManuallyDrop::new(shared.submitter()),
            submissions: ManuallyDrop::new(submissions),
            completions: ManuallyDrop::new(completions),
            ring,
            is_deferred,
            aside: VecDeque::new(),
            backlog: VecDeque::new(),
            buffers: [Buffers::new(0, small), Buffers::new(small.count, large)],
            templates: Vec::new(),
            peers: Vec::new(),
            outgoing: Outgoing::default(),
            enters: 0,
            overflows: 0,
        };
        for (group, buffers) in (0..).zip(&mut kernel.buffers) {
            if buffers.count > 0 {
                let (address, count) = (buffers.entries.as_ptr() as u64, buffers.count);
                // SAFETY: `entries` is page-aligned, holds `count` zeroed entries and is freed
                // only after the ring is gone (invariant 1).
                unsafe { kernel.submitter.register_buf_ring_with_flags(address, count, group, 0) }?;
                (buffers.first..buffers.first + count).for_each(|number| buffers.offer(number));
                buffers.publish();
            }
        }
        Ok(kernel)
    }

    pub(crate) fn submitter(&mut self) -> &mut Submitter<'static> {
        &mut self.submitter
    }

    /// Keep `bytes` for sends, until the ring is dropped.
    pub(crate) fn add_template(&mut self, bytes: &[u8]) -> usize {
        self.templates.push(bytes.into());
        self.templates.len() - 1
    }

    /// Keep a peer's address, until the ring is dropped.
    pub(crate) fn add_peer(&mut self, address: &PeerAddress) -> usize {
        self.peers.push(Box::new(Peer::new(address)));
        self.peers.len() - 1
    }

    /// Put `fd` (or nothing, −1) into the file table.
    pub(crate) fn set_file(&mut self, slot: u32, fd: RawFd) -> io::Result<()> {
        self.submitter.register_files_update(slot, &[fd]).map(drop)
    }

    /// Send a range of a template; silent on success.
    #[inline]
    pub(crate) fn send(&mut self, user_data: u64, slot: u32, template: usize, range: Range<usize>) {
        let entry = submission::send(slot, &self.templates[template][range]);
        self.push(entry.flags(squeue::Flags::SKIP_SUCCESS), user_data);
    }

    /// The same; completes with success too.
    pub(crate) fn send_range(
        &mut self,
        user_data: u64,
        slot: u32,
        template: usize,
        range: Range<usize>,
    ) {
        let entry = submission::send(slot, &self.templates[template][range]);
        self.push(entry, user_data);
    }

    /// Send `bytes`, which [`Kernel::sent`] returns once the operation has completed.
    pub(crate) fn send_bytes(&mut self, user_data: u64, slot: u32, bytes: Vec<u8>) {
        let entry = submission::send(slot, &bytes);
        // The bytes on the heap stay in place when the vector that owns them is moved.
        self.outgoing.keep(user_data, slot, bytes);
        self.push(entry, user_data);
    }

    /// The send submitted with this user data has completed: returns its bytes, if it came from
    /// [`Kernel::send_bytes`].
    pub(crate) fn sent(&mut self, user_data: u64, slot: u32) -> Option<Vec<u8>> {
        self.outgoing.take(user_data, slot)
    }

    /// Create a stream socket in a slot with these options; silent on success. None of its steps
    /// waits, so it is done before anything submitted later begins.
    pub(crate) fn open(&mut self, user_data: u64, slot: u32, family: i32, options: SocketOptions) {
        for entry in submission::open(slot, family, options).into_iter().flatten() {
            self.push(entry, user_data);
        }
    }

    pub(crate) fn connect(&mut self, user_data: u64, slot: u32, peer: usize) {
        let entry = submission::connect(slot, self.peers[peer].as_raw());
        self.push(entry, user_data);
    }

    /// Receive repeatedly, each time into a buffer of the ring.
    #[inline]
    pub(crate) fn receive_multi(&mut self, user_data: u64, slot: u32) {
        self.push(submission::receive_multi(slot), user_data);
    }

    /// Receive once into a buffer of the ring; `poll_first` if no data can have arrived yet.
    #[inline]
    pub(crate) fn receive_once(&mut self, user_data: u64, slot: u32, room: Room, poll_first: bool) {
        let size = self.buffers[room as usize].size;
        self.push(submission::receive_once(slot, room, size, poll_first), user_data);
    }

    /// Receive once into a buffer of the ring, at most `length` bytes.
    pub(crate) fn receive_at_most(&mut self, user_data: u64, slot: u32, length: u32) {
        let length = length.clamp(1, self.buffers[0].size);
        self.push(submission::receive_once(slot, Room::Small, length, false), user_data);
    }

    /// Let the kernel discard up to `length` received bytes without a copy (tcp(7), MSG_TRUNC).
    #[inline]
    pub(crate) fn skip(&mut self, user_data: u64, slot: u32, length: u32) {
        self.push(submission::skip(slot, length), user_data);
    }

    /// Cancel every operation submitted as `target`, if any; silent.
    pub(crate) fn cancel(&mut self, user_data: u64, target: u64) {
        self.push(submission::cancel(target), user_data);
    }

    /// Take the socket out of the slot; it closes once its last operation has ended.
    pub(crate) fn close(&mut self, user_data: u64, slot: u32) {
        self.push(submission::close(slot), user_data);
    }

    /// Accept repeatedly, each time into a free slot of the file table.
    pub(crate) fn accept_multi(&mut self, user_data: u64, listener: RawFd) {
        self.push(submission::accept_multi(listener), user_data);
    }

    /// Give the socket in a slot a descriptor of this process, which the completion returns: for
    /// [`tcp_info`].
    pub(crate) fn install(&mut self, user_data: u64, slot: u32) {
        self.push(submission::install(slot), user_data);
    }

    #[inline]
    fn push(&mut self, entry: squeue::Entry, user_data: u64) {
        let entry = entry.user_data(user_data);
        // SAFETY: every entry made above names templates or peers (kept until after the ring,
        // invariant 1), outgoing bytes (kept until their completion), statics, buffers of the ring
        // by group, or no memory at all.
        if unsafe { self.submissions.push(&entry) }.is_err() {
            self.make_room_for(entry);
        }
    }

    /// The queue is full (invariant 3). If the kernel has refused to empty it, it is not tried
    /// again before the next `enter`.
    #[cold]
    fn make_room_for(&mut self, entry: squeue::Entry) {
        self.backlog.push_back(entry);
        if self.backlog.len() == 1 {
            self.submit();
        }
    }

    /// Submit the queued entries, and nothing more: task work that ran here would take receive
    /// buffers that are not recycled before the next `enter`. Entries that the kernel does not
    /// take, because memory is missing, stay queued; the next `enter` reports it.
    #[inline(never)]
    pub(crate) fn submit(&mut self) {
        // Take posted completions first, to make room for those that this causes.
        self.completions.sync();
        self.aside.extend(self.completions.by_ref());
        // Submitted operations may take a buffer at once.
        self.publish();
        self.submissions.sync();
        let queued = self.submissions.len() as u32;
        self.enters += 1;
        // SAFETY: no argument is passed, and none is announced.
        let _ = unsafe { self.submitter.enter::<libc::sigset_t>(queued, 0, 0, None) };
        self.submissions.sync();
        self.note_overflow();
        self.refill();
    }

    /// Queue as much of the backlog as fits.
    fn refill(&mut self) {
        while let Some(entry) = self.backlog.front() {
            // SAFETY: made above like every other (see `push`).
            if unsafe { self.submissions.push(entry) }.is_err() {
                return;
            }
            self.backlog.pop_front();
        }
    }

    /// Submit the backlog. Returns whether all of it was taken.
    #[cold]
    fn clear_backlog(&mut self) -> bool {
        let mut left = usize::MAX;
        while !self.backlog.is_empty() && self.backlog.len() < left {
            left = self.backlog.len();
            self.submit();
        }
        self.backlog.is_empty()
    }

    /// The queue may have been full when an operation completed; the kernel then reports it until
    /// it has found room for the completions on its overflow list.
    #[inline]
    fn note_overflow(&mut self) {
        self.overflows += u64::from(self.submissions.cq_overflow());
    }

    /// One system call: submit queued entries, run due work, and wait for `want` completions or
    /// until `timeout` nanoseconds have passed. After `patience` microseconds, if that is not 0,
    /// one completion is enough; the kernel must have [`crate::Features::minimum_wait`] then.
    #[inline]
    pub(crate) fn enter(
        &mut self,
        want: u32,
        timeout: Option<u64>,
        patience: u32,
    ) -> io::Result<()> {
        // The backlog must not wait for its own completions.
        let want = if self.backlog.is_empty() || self.clear_backlog() { want } else { 0 };
        self.publish();
        self.submissions.sync();
        self.completions.sync();
        let queued = self.submissions.len() as u32;
        let flags = EnterFlags::GETEVENTS.bits();
        self.enters += 1;
        let entered = if let Some(nanos) = timeout {
            let (seconds, rest) = (nanos / 1_000_000_000, (nanos % 1_000_000_000) as u32);
            let span = Timespec::new().sec(seconds).nsec(rest);
            let arguments = SubmitArgs::new().min_wait_usec(patience).timespec(&span);
            let flags = flags | EnterFlags::EXT_ARG.bits();
            // SAFETY: `arguments` is what EXT_ARG announces, and lives across the call.
            unsafe { self.submitter.enter(queued, want, flags, Some(&arguments)) }
        } else {
            // SAFETY: no argument is passed, and none is announced.
            unsafe { self.submitter.enter::<libc::sigset_t>(queued, want, flags, None) }
        };
        self.submissions.sync();
        self.completions.sync();
        self.note_overflow();
        self.refill();
        match entered {
            Ok(_) => Ok(()),
            // The time is over, or a signal arrived: both leave the queues in order.
            Err(error) => match error.raw_os_error() {
                Some(libc::ETIME | libc::EINTR) => Ok(()),
                _ => Err(error),
            },
        }
    }

    /// Whether an `enter` would find completions to run, or on the overflow list.
    #[inline]
    pub(crate) fn is_work_pending(&mut self) -> bool {
        self.submissions.taskrun() || self.submissions.cq_overflow() || self.has_completions()
    }

    /// Whether completions have been posted.
    #[inline]
    pub(crate) fn has_completions(&mut self) -> bool {
        self.completions.sync();
        !self.completions.is_empty() || !self.aside.is_empty()
    }

    /// The next posted completion, if any.
    #[inline]
    pub(crate) fn next_posted(&mut self) -> Option<Posted> {
        let entry = match self.aside.pop_front() {
            None => self.completions.next()?,
            Some(entry) => entry,
        };
        let (result, flags) = (entry.result(), entry.flags());
        let [small, large] = &self.buffers;
        let count = small.count + large.count;
        let number = cqueue::buffer_select(flags).filter(|&number| number < count);
        Some(Posted {
            user_data: entry.user_data(),
            result,
            more: cqueue::more(flags),
            buffer: number.map(|number| BufferId {
                number,
                length: (result.max(0) as u32).min(self.buffers[self.room_of(number)].size),
            }),
        })
    }

    /// The ring of a buffer.
    #[inline]
    fn room_of(&self, number: u16) -> usize {
        usize::from(number >= self.buffers[1].first)
    }

    /// The address of a leased buffer's bytes.
    #[inline]
    fn place_of(&self, buffer: &BufferId) -> NonNull<u8> {
        let buffers = &self.buffers[self.room_of(buffer.number)];
        let start = usize::from(buffer.number - buffers.first) * buffers.size as usize;
        // SAFETY: number and length were checked against the slab when the lease was made.
        unsafe { buffers.bytes.cast::<u8>().add(start) }
    }

    /// The bytes received into a buffer.
    #[inline]
    pub(crate) fn bytes(&self, buffer: &BufferId) -> &[u8] {
        let first = self.place_of(buffer);
        // SAFETY: the lease is ours (invariant 2) and `recycle` needs `&mut self`, so the kernel
        // does not write here while the slice lives; the bytes were initialised with zeroes.
        unsafe { std::slice::from_raw_parts(first.as_ptr(), buffer.length as usize) }
    }

    /// The same, mutable.
    #[inline]
    pub(crate) fn bytes_mut(&mut self, buffer: &mut BufferId) -> &mut [u8] {
        let first = self.place_of(buffer);
        // SAFETY: the lease is ours alone (invariant 2) and both it and the slab are borrowed
        // mutably while the slice lives; the bytes were initialised with zeroes.
        unsafe { std::slice::from_raw_parts_mut(first.as_ptr(), buffer.length as usize) }
    }

    /// Recycle a buffer; the kernel sees it at the next `enter`.
    #[inline]
    #[expect(clippy::needless_pass_by_value, reason = "taking the lease is what ends it")]
    pub(crate) fn recycle(&mut self, buffer: BufferId) {
        self.buffers[self.room_of(buffer.number)].offer(buffer.number);
    }

    /// Publish every recycled buffer to the kernel.
    #[inline]
    fn publish(&mut self) {
        let [small, large] = &mut self.buffers;
        small.publish();
        if large.count > 0 {
            large.publish();
        }
    }

    /// `io_uring_enter` calls made.
    pub(crate) fn enters(&self) -> u64 {
        self.enters
    }

    /// Calls after which the kernel had completions on its overflow list because the queue was
    /// full. It does not report their number.
    pub(crate) fn overflows(&self) -> u64 {
        self.overflows
    }

    /// Completions for which it had no memory either: they are lost.
    pub(crate) fn dropped(&self) -> u32 {
        self.completions.overflow()
    }
}

/// Let a socket be bound to an address without a port, which is chosen when it connects
/// (IP_BIND_ADDRESS_NO_PORT, which works for IPv6 too).
pub(crate) fn bind_without_port(socket: BorrowedFd<'_>) -> Result<(), rustix::io::Errno> {
    let yes: libc::c_int = 1;
    // SAFETY: the option's value is the integer that is named with its size, and the call is over
    // before it goes.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            std::ptr::from_ref(&yes).cast(),
            size_of_val(&yes) as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(last_error()) }
}

/// The result of `getsockopt(TCP_INFO)`, with the fields that this kernel knows; the rest is 0.
/// `installed` is the result of a completed [`Kernel::install`]: the descriptor is closed.
pub(crate) fn tcp_info(installed: u32) -> Result<[u8; TCP_INFO_BYTES], rustix::io::Errno> {
    // SAFETY: the kernel has just made it for us, and each completion is taken from the queue once,
    // so nobody else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(installed as RawFd) };
    let mut bytes = [0; TCP_INFO_BYTES];
    let mut length = TCP_INFO_BYTES as libc::socklen_t;
    // SAFETY: at most `length` bytes are written, all of them ours, before the call is over.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            bytes.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result == 0 { Ok(bytes) } else { Err(last_error()) }
}

fn last_error() -> rustix::io::Errno {
    let error = io::Error::last_os_error();
    rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO)
}

impl Drop for Kernel {
    fn drop(&mut self) {
        // Armed operations refer to our memory. With deferred task work they end with the ring
        // without touching it: the kernel would do so only in an `enter` of this thread. Without
        // it, the kernel may touch it whenever this thread leaves the kernel, so everything is
        // cancelled first; that visits every armed operation once per operation.
        let is_over = self.is_deferred || {
            let (second, all) = (Timespec::new().sec(1), CancelBuilder::any().all());
            let cancelled = self.submitter.register_sync_cancel(Some(second), all);
            // If nothing is found, nothing was armed.
            cancelled.is_ok() || cancelled.is_err_and(|why| why.kind() == io::ErrorKind::NotFound)
        };
        // SAFETY: dropped once, here, and not used after.
        unsafe { ManuallyDrop::drop(&mut self.completions) };
        // SAFETY: likewise.
        unsafe { ManuallyDrop::drop(&mut self.submissions) };
        // SAFETY: likewise.
        unsafe { ManuallyDrop::drop(&mut self.submitter) };
        // SAFETY: the pointer came from `Box::leak`, and no view of the ring is left
        // (invariant 5).
        drop(unsafe { Box::from_raw(self.ring.as_ptr()) });
        if !is_over {
            // Linux before 6.0 cannot cancel like this: memory it may still touch is leaked.
            let buffers = self.buffers.each_mut().map(|buffers| mem::take(&mut buffers.entries));
            let (templates, peers) = (mem::take(&mut self.templates), mem::take(&mut self.peers));
            mem::forget((buffers, templates, peers, mem::take(&mut self.outgoing)));
            return;
        }
        for buffers in &self.buffers {
            // SAFETY: the pointer came from `Box::leak`; with the ring gone nobody writes there.
            drop(unsafe { Box::from_raw(buffers.bytes.as_ptr()) });
        }
    }
}

impl Buffers {
    fn new(first: u16, BufferSizes { count, size }: BufferSizes) -> Self {
        let is_fit = count == 0 || count.is_power_of_two();
        assert!(is_fit, "the kernel wants a power of two of buffers");
        let pages = (usize::from(count) * size_of::<BufRingEntry>()).div_ceil(4096);
        let bytes = vec![0u8; usize::from(count) * size as usize].into_boxed_slice();
        Self {
            entries: vec![Page([0; 4096]); pages].into_boxed_slice(),
            bytes: NonNull::from(Box::leak(bytes)),
            first,
            count,
            size,
            tail: 0,
        }
    }

    /// Add a buffer at the tail, not yet visible to the kernel.
    #[inline]
    fn offer(&mut self, number: u16) {
        let index = usize::from(self.tail & (self.count - 1));
        let entries = self.entries.as_mut_ptr().cast::<BufRingEntry>();
        // SAFETY: `index < count`, and `entries` holds `count` of them (see `new`).
        let entry = unsafe { entries.add(index) };
        // SAFETY: in bounds, aligned (a page holds whole entries) and zero-initialised; the
        // kernel reads entries only between its head and the published tail, so not this one.
        let entry = unsafe { &mut *entry };
        let start = usize::from(number - self.first) * self.size as usize;
        entry.set_addr(self.bytes.as_ptr().cast::<u8>() as u64 + start as u64);
        entry.set_len(self.size);
        entry.set_bid(number);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Publish every offered buffer to the kernel.
    #[inline]
    fn publish(&mut self) {
        let entries = self.entries.as_mut_ptr().cast::<BufRingEntry>();
        // SAFETY: the address of the first entry, which is initialised.
        let tail = unsafe { BufRingEntry::tail(entries) };
        // SAFETY: the tail is a 2-byte aligned field of the first entry, shared with the kernel,
        // which only reads it; `entries` was borrowed mutably, so writing is allowed.
        let tail = unsafe { AtomicU16::from_ptr(tail.cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
