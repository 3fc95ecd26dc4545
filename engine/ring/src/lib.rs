//! The io_uring driver: sockets by slot, operations by [`Token`], bytes in leased buffers.
//!
//! It knows sockets and the kernel, not HTTP and not the load. Only `kernel.rs` has `unsafe` code;
//! everything else is safe code on top of it. One [`Ring`] belongs to one thread: the kernel
//! refuses submissions from another (`IORING_SETUP_SINGLE_ISSUER`).
//!
//! A connection is in a slot of the ring's file table, so it costs no file descriptor and no
//! reference counting per operation. Requests are sent from immutable templates that the ring owns;
//! a send completes silently unless it fails (`IOSQE_CQE_SKIP_SUCCESS` with `MSG_WAITALL`).

mod buffer;
mod failure;
#[expect(unsafe_code, reason = "the one file that speaks to the kernel; invariants in its header")]
mod kernel;
mod outgoing;
mod peer;
mod probe;
mod ring;
mod sizes;
mod socket;
mod submission;
mod tcp_info;
mod token;

pub use buffer::{BufferId, BufferSizes, Room};
pub use failure::{Failure, SetupError};
pub use probe::{Ability, Features, Unavailable, probe};
pub use ring::{Completion, Config, PeerId, Ring, TemplateId, Wait};
pub use socket::{Listener, OpenError, PeerAddress, SocketOptions};
pub use tcp_info::TcpInfo;
pub use token::{Operation, Token};
