//! Failures of a ring, with cause and fix.

use std::fmt;
use std::io;

use rustix::io::Errno;
use thiserror::Error;

/// An operation the kernel refused, by its error number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Failure(pub Errno);

impl Failure {
    /// From the negative result of a completion.
    #[inline]
    pub fn from_result(result: i32) -> Self {
        Self(Errno::from_raw_os_error(result.saturating_neg()))
    }

    /// A multishot receive found no free buffer: it is armed again, not an error.
    #[inline]
    pub fn is_out_of_buffers(self) -> bool {
        self.0 == Errno::NOBUFS
    }

    /// The operation was cancelled, as requested.
    pub fn is_cancelled(self) -> bool {
        self.0 == Errno::CANCELED
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Why no ring could be set up.
#[derive(Debug, Error)]
pub enum SetupError {
    /// The kernel or a sandbox forbids or lacks io_uring.
    #[error(transparent)]
    Unavailable(#[from] crate::Unavailable),
    /// A limit of this process is too low.
    #[error(
        "the ring's file table of {slots} connections exceeds the limit of open files; raise it \
         (`ulimit -n {slots}`) or use fewer connections per core"
    )]
    TooManyFiles {
        /// Slots requested.
        slots: u32,
    },
    /// Locked memory is exhausted (kernels before 5.12 charge rings to RLIMIT_MEMLOCK).
    #[error("no memory for the ring: raise the locked-memory limit (`ulimit -l unlimited`)")]
    NoMemory,
    /// The kernel has no wait for several completions.
    #[error("--wait batch needs Linux 6.12 or newer; use --wait block")]
    NoMinimumWait,
    /// Anything else, with the step it happened in.
    #[error("{step} failed: {source}")]
    Other {
        /// The step.
        step: &'static str,
        /// The kernel's error.
        source: io::Error,
    },
}

impl SetupError {
    pub(crate) fn from_io(step: &'static str, source: io::Error) -> Self {
        match source.raw_os_error() {
            Some(libc::ENOMEM) => Self::NoMemory,
            _ => Self::Other { step, source },
        }
    }
}
