//! Redis on a connection: the reader of its replies and how far its opening is.
//! `event_loop::replies` acts on what is read.

use std::sync::Arc;

use uringbench_core::plan::Commands;
use uringbench_core::resp::opening::OpeningStep;
use uringbench_core::resp::reader::ReplyReader;
use uringbench_core::schedule::Share;

/// The Redis commands of a loop.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    /// What is sent, and how connections are opened.
    pub commands: Arc<Commands>,
    /// This loop's part of the run.
    pub share: Share,
    /// Milliseconds since 1970 at the zero of the driver's clock.
    pub epoch: u64,
}

/// One connection.
#[derive(Debug, Default)]
pub(crate) struct Redis {
    reader: ReplyReader,
    /// How many steps of the opening are answered.
    answered: usize,
}

impl Redis {
    /// What reads its replies.
    #[inline]
    pub(crate) const fn reader(&self) -> &ReplyReader {
        &self.reader
    }

    /// The same, mutable.
    #[inline]
    pub(crate) const fn reader_mut(&mut self) -> &mut ReplyReader {
        &mut self.reader
    }

    /// The step of the opening that the next reply answers, if it is not over.
    pub(crate) fn opening(&self, steps: &[OpeningStep]) -> Option<OpeningStep> {
        steps.get(self.answered).copied()
    }

    /// A step was accepted.
    pub(crate) const fn accept(&mut self) {
        self.answered += 1;
    }
}
