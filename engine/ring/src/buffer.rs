//! Receive buffers for callers: their sizes, and leases on their bytes.

/// The size class of a receive's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// One of the small ones.
    Small,
    /// One of the large ones: for bodies that are read.
    Large,
}

/// Receive buffers of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferSizes {
    /// The number of buffers, a power of two, or zero.
    pub count: u16,
    /// Bytes of each.
    pub size: u32,
}

impl BufferSizes {
    /// No buffers at all.
    pub const NONE: Self = Self { count: 0, size: 0 };
}

/// A received buffer, leased from the kernel until it is recycled. Not `Clone`: only its holder can
/// use it, so the kernel cannot write to it in the meantime.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a buffer that is not recycled is lost to the ring"]
pub struct BufferId {
    pub(crate) number: u16,
    pub(crate) length: u32,
}
