//! The ring for the engine: slots, templates, tokens, completions.

use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd};

use crate::buffer::{BufferId, BufferSizes, Room};
use crate::failure::{Failure, SetupError};
use crate::kernel::{self, Kernel};
use crate::probe::{self, Features};
use crate::sizes::{self, KernelVersion};
use crate::socket::{self, Listener, OpenError, PeerAddress, SocketOptions};
use crate::tcp_info::TcpInfo;
use crate::token::{Operation, Token};

/// The size of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Slots for connections, at least 1.
    pub slots: u32,
    /// Small receive buffers. Few, so that they stay in the L2 cache: the kernel uses them in turn,
    /// so all of them are touched.
    pub small: BufferSizes,
    /// Large ones, for [`Room::Large`].
    pub large: BufferSizes,
    /// Entries of the completion queue, a power of two. Completions that arrive while it is full
    /// are late, and counted ([`Ring::overflows`]).
    pub completions: u32,
}

impl Config {
    /// For `slots` connections with small responses: buffers of 2 KiB, 128 or more of them.
    pub fn small_responses(slots: u32) -> Self {
        Self::of_connections(slots, 128, 2_048)
    }

    /// For `slots` connections with TLS: buffers of 16 KiB, 64 or more of them, so that most
    /// records arrive complete; small ones touch only the first lines of a buffer.
    pub fn records(slots: u32) -> Self {
        Self::of_connections(slots, 64, 16_384)
    }

    fn of_connections(slots: u32, least: u16, buffer_size: u32) -> Self {
        let version = KernelVersion::running();
        let count = sizes::buffers(version, slots, least, buffer_size);
        let completions = sizes::completions(version, slots, count);
        let small = BufferSizes { count, size: buffer_size };
        Self { slots, small, large: BufferSizes::NONE, completions }
    }

    /// The same with large buffers: 32 of 64 KiB. A receive of a large body fills one; small data
    /// touches only its first lines.
    #[must_use]
    pub fn with_large_buffers(self) -> Self {
        Self { large: BufferSizes { count: 32, size: 65_536 }, ..self }
    }
}

/// A request kept in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateId(usize);

/// A peer's address kept in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerId(usize);

/// How long one [`Ring::enter`] may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all: submit, and run what is due.
    No,
    /// Until something completes.
    Completion,
    /// Until something completes, at most this many nanoseconds.
    AtMost(u64),
    /// Until several operations have completed. With [`Features::minimum_wait`] only.
    Several {
        /// How many, at least 1.
        count: u32,
        /// After so many microseconds one is enough.
        patience: u32,
        /// The longest wait, nanoseconds.
        at_most: u64,
    },
}

/// One finished operation, or one round of a multishot one.
#[derive(Debug)]
pub struct Completion {
    /// What was submitted.
    pub token: Token,
    /// The operation's own result (bytes received, a slot accepted) or its failure.
    pub result: Result<u32, Failure>,
    /// Whether the operation continues; otherwise it has ended.
    pub more: bool,
    /// The received bytes; recycle them with [`Ring::recycle`].
    pub buffer: Option<BufferId>,
}

/// One io_uring with its sockets and buffers. Belongs to the thread that made it.
pub struct Ring {
    kernel: Kernel,
    features: Features,
    /// The result of the last completed [`Ring::inspect`].
    inspected: Option<(Token, TcpInfo)>,
}

impl Ring {
    /// A ring of the given size, on the thread that will use it.
    pub fn new(config: Config) -> Result<Self, SetupError> {
        let features = probe::probe()?;
        // A fuller submission queue is submitted early.
        let submissions = config.slots.clamp(64, sizes::SUBMISSIONS_MAX).next_power_of_two();
        let mut builder = probe::builder(&features);
        builder.setup_clamp().setup_cqsize(config.completions);
        let submissions = submissions.min(config.completions);
        let ring = builder
            .build(submissions)
            .map_err(|error| SetupError::from_io("setting up the ring", error))?;
        let mut kernel = Kernel::new(ring, features.deferred_work, [config.small, config.large])
            .map_err(|error| SetupError::from_io("registering receive buffers", error))?;
        kernel.submitter().register_files_sparse(config.slots).map_err(|error| {
            match error.raw_os_error() {
                Some(libc::EMFILE) => SetupError::TooManyFiles { slots: config.slots },
                _ => SetupError::from_io("registering the file table", error),
            }
        })?;
        if features.registered_ring {
            kernel
                .submitter()
                .register_ring_fd()
                .map_err(|error| SetupError::from_io("registering the ring", error))?;
        }
        Ok(Self { kernel, features, inspected: None })
    }

    /// The kernel's abilities.
    pub const fn features(&self) -> &Features {
        &self.features
    }

    /// Keep a request's bytes.
    pub fn add_template(&mut self, bytes: &[u8]) -> TemplateId {
        TemplateId(self.kernel.add_template(bytes))
    }

    /// Keep a peer's address.
    pub fn add_peer(&mut self, address: &PeerAddress) -> PeerId {
        PeerId(self.kernel.add_peer(address))
    }

    /// Open a socket towards `address` in an empty slot. [`Ring::connect`] connects it, from the
    /// returned address if the options choose it here. Failures of its submission complete as
    /// [`Operation::Open`], and the connect then fails too.
    pub fn open(
        &mut self,
        slot: u32,
        generation: u32,
        address: &PeerAddress,
        options: SocketOptions,
    ) -> Result<Option<SocketAddr>, OpenError> {
        if self.features.ring_sockets && options.are_simple() {
            let token = Token::new(Operation::Open, generation, slot);
            self.kernel.open(token.user_data(), slot, socket::family(address), options);
            return Ok(None);
        }
        let (socket, local) = socket::open(address, options)?;
        // The table keeps its own reference: the descriptor itself is closed at once, so
        // connections do not count against the limit of open files.
        self.kernel.set_file(slot, socket.as_raw_fd()).map_err(|error| {
            OpenError::from(
                rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO),
            )
        })?;
        Ok(local)
    }

    /// Connect the socket in a slot. Completes as [`Operation::Connect`].
    pub fn connect(&mut self, slot: u32, generation: u32, peer: PeerId) {
        let token = Token::new(Operation::Connect, generation, slot);
        self.kernel.connect(token.user_data(), slot, peer.0);
    }

    /// Send a range of a template whole. Completes as [`Operation::Send`] only if it fails.
    #[inline]
    pub fn send(&mut self, slot: u32, generation: u32, template: TemplateId, range: Range<usize>) {
        let token = Token::new(Operation::Send, generation, slot);
        self.kernel.send(token.user_data(), slot, template.0, range);
    }

    /// The same. Completes as [`Operation::SendNotify`].
    pub fn send_range(
        &mut self,
        slot: u32,
        generation: u32,
        template: TemplateId,
        range: Range<usize>,
    ) {
        let token = Token::new(Operation::SendNotify, generation, slot);
        self.kernel.send_range(token.user_data(), slot, template.0, range);
    }

    /// Send all bytes. Completes as [`Operation::SendNotify`], after which [`Ring::sent`] returns
    /// them. One at a time per connection.
    pub fn send_bytes(&mut self, slot: u32, generation: u32, bytes: Vec<u8>) {
        let token = Token::new(Operation::SendNotify, generation, slot);
        self.kernel.send_bytes(token.user_data(), slot, bytes);
    }

    /// The bytes whose [`Operation::SendNotify`] has completed with this token, if they were its
    /// own.
    pub fn sent(&mut self, token: Token) -> Option<Vec<u8>> {
        self.kernel.sent(token.user_data(), token.slot())
    }

    /// Receive repeatedly until it ends (no [`Completion::more`]). Needs
    /// [`Features::multishot_receive`].
    #[inline]
    pub fn receive_multi(&mut self, slot: u32, generation: u32) {
        let token = Token::new(Operation::Receive, generation, slot);
        self.kernel.receive_multi(token.user_data(), slot);
    }

    /// Receive once. `poll_first` if nothing can have arrived yet: saves an unsuccessful attempt.
    #[inline]
    pub fn receive_once(&mut self, slot: u32, generation: u32, room: Room, poll_first: bool) {
        let token = Token::new(Operation::Receive, generation, slot);
        self.kernel.receive_once(token.user_data(), slot, room, poll_first);
    }

    /// Receive once, at most `length` bytes.
    pub fn receive_at_most(&mut self, slot: u32, generation: u32, length: u32) {
        let token = Token::new(Operation::Receive, generation, slot);
        self.kernel.receive_at_most(token.user_data(), slot, length);
    }

    /// Discard up to `length` bytes that arrive next. Completes as [`Operation::Skip`] with their
    /// number; 0 is the end of the stream.
    #[inline]
    pub fn skip(&mut self, slot: u32, generation: u32, length: u32) {
        let token = Token::new(Operation::Skip, generation, slot);
        self.kernel.skip(token.user_data(), slot, length);
    }

    /// Cancel the slot's operations of one kind, if any; each completes as cancelled.
    pub fn cancel(&mut self, slot: u32, generation: u32, operation: Operation) {
        let target = Token::new(operation, generation, slot);
        let token = Token::new(Operation::Cancel, generation, slot);
        self.kernel.cancel(token.user_data(), target.user_data());
    }

    /// Close the slot's connection once its operations have ended; the caller has cancelled those
    /// that would not end by themselves. When this completes as [`Operation::Close`], the slot is
    /// empty and may be opened again.
    pub fn close(&mut self, slot: u32, generation: u32) {
        self.kernel.close(Token::new(Operation::Close, generation, slot).user_data(), slot);
    }

    /// Read the TCP state of the connection in a slot. Completes as [`Operation::Inspect`], after
    /// which [`Ring::inspected`] returns it. It uses a descriptor until then. Fails without a
    /// connection, if it is not TCP, and on kernels before 6.8.
    pub fn inspect(&mut self, slot: u32, generation: u32) {
        let token = Token::new(Operation::Inspect, generation, slot);
        self.kernel.install(token.user_data(), slot);
    }

    /// The state whose [`Operation::Inspect`] has completed with this token, once and only until
    /// the next of them completes.
    pub fn inspected(&mut self, token: Token) -> Option<TcpInfo> {
        self.inspected.take_if(|(of, _)| *of == token).map(|(_, info)| info)
    }

    /// Accept connections into free slots until it ends. Completes as [`Operation::Accept`] with
    /// the slot.
    pub fn accept_multi(&mut self, listener: &Listener) {
        let token = Token::new(Operation::Accept, 0, 0);
        self.kernel.accept_multi(token.user_data(), listener.as_fd().as_raw_fd());
    }

    /// One system call: submit queued entries, run due work, wait as given.
    #[inline]
    pub fn enter(&mut self, wait: Wait) -> Result<(), Failure> {
        let entered = match wait {
            Wait::No => self.kernel.enter(0, None, 0),
            Wait::Completion => self.kernel.enter(1, None, 0),
            Wait::AtMost(nanos) => self.kernel.enter(1, Some(nanos), 0),
            Wait::Several { count, patience, at_most } => {
                self.kernel.enter(count, Some(at_most), patience)
            }
        };
        entered.map_err(|error| {
            Failure(rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO))
        })
    }

    /// One system call: submit queued entries, and no more. Failures here occur again in the next
    /// [`Ring::enter`], which reports them.
    pub fn submit(&mut self) {
        self.kernel.submit();
    }

    /// Whether [`Ring::next_completion`] would find one: a load, no system call.
    #[inline]
    pub fn has_completions(&mut self) -> bool {
        self.kernel.has_completions()
    }

    /// Whether an enter would find something to do: a load or two, no system call.
    #[inline]
    pub fn is_work_pending(&mut self) -> bool {
        self.kernel.is_work_pending()
    }

    /// The next completion, if one has been posted.
    #[inline]
    pub fn next_completion(&mut self) -> Option<Completion> {
        let posted = self.kernel.next_posted()?;
        let mut completion = Completion {
            token: Token::from_user_data(posted.user_data),
            result: u32::try_from(posted.result).map_err(|_| Failure::from_result(posted.result)),
            more: posted.more,
            buffer: posted.buffer,
        };
        if completion.token.operation() == Some(Operation::Inspect) {
            self.read_tcp_info(&mut completion);
        }
        Some(completion)
    }

    /// The result is a descriptor, which is used and closed here.
    #[cold]
    fn read_tcp_info(&mut self, completion: &mut Completion) {
        let Ok(installed) = completion.result else { return };
        completion.result = match kernel::tcp_info(installed) {
            Ok(bytes) => {
                self.inspected = Some((completion.token, TcpInfo::of(&bytes)));
                Ok(0)
            }
            Err(errno) => Err(Failure(errno)),
        };
    }

    /// The bytes of a received buffer.
    #[inline]
    pub fn bytes(&self, buffer: &BufferId) -> &[u8] {
        self.kernel.bytes(buffer)
    }

    /// The bytes of a received buffer, mutable.
    #[inline]
    pub fn bytes_mut(&mut self, buffer: &mut BufferId) -> &mut [u8] {
        self.kernel.bytes_mut(buffer)
    }

    /// Return a received buffer to the kernel.
    #[inline]
    pub fn recycle(&mut self, buffer: BufferId) {
        self.kernel.recycle(buffer);
    }

    /// `io_uring_enter` calls made so far.
    pub fn enters(&self) -> u64 {
        self.kernel.enters()
    }

    /// Calls after which the kernel had completions on its overflow list because the queue was
    /// full; 0 in a healthy run.
    pub fn overflows(&self) -> u64 {
        self.kernel.overflows()
    }

    /// Completions lost because the kernel had no memory for them either.
    pub fn dropped(&self) -> u32 {
        self.kernel.dropped()
    }
}
