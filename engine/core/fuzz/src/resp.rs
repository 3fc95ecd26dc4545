//! Redis: replies are read alike however their bytes are split, and payload may be skipped.

use uringbench_core::reply::ReplyProgress;
use uringbench_core::resp::reader::{ReplyFault, ReplyReader};

use super::replies::{Replies, read_alike};

/// Bytes are the same replies however they are split, with payload read or discarded. Returns how
/// many replies ended.
pub fn resp(input: &[u8]) -> usize {
    read_alike::<ReplyReader>(input)
}

impl Replies for ReplyReader {
    type Fault = ReplyFault;

    fn feed(&mut self, bytes: &[u8]) -> Result<ReplyProgress, ReplyFault> {
        Self::feed(self, bytes)
    }

    fn opaque(&self) -> u64 {
        Self::opaque(self)
    }

    fn skip(&mut self, count: u64) {
        Self::skip(self, count);
    }

    fn rows(&self) -> u64 {
        0
    }
}
