//! The command that ends a run before its limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// The command for the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Command {
    /// Continue.
    Run,
    /// Release nothing more; wait for requests in flight.
    Finish,
    /// Stop at once; requests in flight are recorded at their age.
    Abort,
}

/// A handle on a run, for a signal handler's thread. Clones share one command.
#[derive(Clone, Debug, Default)]
pub struct Control(Arc<AtomicU8>);

impl Control {
    /// A run that continues.
    pub fn new() -> Self {
        Self::default()
    }

    /// Request the end: the first time with a drain, from the second time on at once.
    pub fn interrupt(&self) {
        let next = if self.command() == Command::Run { Command::Finish } else { Command::Abort };
        self.0.store(next as u8, Ordering::Relaxed);
    }

    /// End it at once, whatever was requested before.
    pub fn abort(&self) {
        self.0.store(Command::Abort as u8, Ordering::Relaxed);
    }

    /// The current command.
    #[inline]
    pub fn command(&self) -> Command {
        match self.0.load(Ordering::Relaxed) {
            0 => Command::Run,
            1 => Command::Finish,
            _ => Command::Abort,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_again_is_more_urgent() {
        let control = Control::new();
        let seen = control.clone();
        assert_eq!(seen.command(), Command::Run);
        control.interrupt();
        assert_eq!(seen.command(), Command::Finish);
        control.interrupt();
        control.interrupt();
        assert_eq!(seen.command(), Command::Abort);
        let control = Control::new();
        control.abort();
        control.interrupt();
        assert_eq!(control.command(), Command::Abort, "it is never taken back");
    }
}
