//! Reserves the machine: timing-sensitive tests run alone, all others together.
//!
//! A lock on one file in the target folder, so that it works between the threads of this test
//! program and between test programs that run in parallel.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// The right to run, released on drop.
pub(crate) struct Turn {
    _lock: File,
}

impl Turn {
    /// Waits until no other test runs, and keeps others waiting.
    pub(crate) fn alone() -> Self {
        Self::take(FlockOperation::LockExclusive)
    }

    /// Waits until no test that must run alone is running.
    pub(crate) fn together() -> Self {
        Self::take(FlockOperation::LockShared)
    }

    fn take(operation: FlockOperation) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("turn.lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .unwrap_or_else(|e| panic!("cannot open {}: {e}", path.display()));
        flock(&lock, operation).expect("a lock without a time limit is granted in the end");
        Self { _lock: lock }
    }
}

/// Prints that a test could not run here, bypassing the capture of the test's output. If CI is set,
/// the machine must have everything, and a skip is a failure.
pub(crate) fn skip(test: &str, reason: &str) {
    // A closed stderr is no reason to fail a test.
    let _ = writeln!(std::io::stderr(), "SKIP {test}: {reason}");
    assert!(std::env::var_os("CI").is_none(), "{test} must not be skipped in CI: {reason}");
}
