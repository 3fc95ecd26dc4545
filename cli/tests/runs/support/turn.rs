//! Who may use the machine now: timing-sensitive tests alone, all others together.
//!
//! A lock on one file in the target folder, so that it holds between the threads of this test
//! program and between test programs run side by side.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// The right to run, given back on drop.
pub(crate) struct Turn {
    _lock: File,
}

impl Turn {
    /// Wait until no other test runs, and keep them waiting.
    pub(crate) fn alone() -> Self {
        Self::take(FlockOperation::LockExclusive)
    }

    /// Wait until no test that must run alone does.
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

/// Say that a test could not run here, past the capture of the test program's output. Where CI is
/// set, the machine is meant to have everything, and a skip is a failure.
pub(crate) fn skip(test: &str, reason: &str) {
    // A closed stderr is no reason to fail a test.
    let _ = writeln!(std::io::stderr(), "SKIP {test}: {reason}");
    assert!(std::env::var_os("CI").is_none(), "{test} must not be skipped in CI: {reason}");
}
