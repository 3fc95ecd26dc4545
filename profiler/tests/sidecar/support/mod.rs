//! What the tests of the sidecar are written with: `program` runs a target, `taken` is what was
//! recorded of it, `ordinary` runs a test again as another user. Here is how a target is recorded,
//! and when a test cannot run.

pub(crate) mod ordinary;
pub(crate) mod program;
pub(crate) mod taken;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uringbench_profiler::selector::{self, Selector};
use uringbench_profiler::session::{Attachment, Mode, Sidecar, SidecarOptions};

use self::taken::Taken;

/// A slow machine's patience for what takes a fast one two seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// Samples per second of CPU time where all are wanted: no multiple of anything that ticks.
pub(crate) const HZ: u32 = 997;

/// How a target is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Of all processes; takes rights.
    System,
    /// Thread by thread, without the kernel's part.
    Ordinary,
}

impl Way {
    const fn mode(self) -> Mode {
        match self {
            Self::System => Mode::SystemWide,
            Self::Ordinary => Mode::Tasks,
        }
    }

    /// Why this user on this machine cannot, if so.
    pub(crate) fn obstacle(self) -> Option<String> {
        let capabilities = uringbench_profiler::capabilities::probe();
        let tried = match self {
            Self::System => capabilities.system_wide,
            Self::Ordinary => capabilities.per_task_user_only,
        };
        tried.err().map(|why| why.to_string())
    }
}

/// Say that a test cannot run here, past the capture of the test program's output.
pub(crate) fn skip(test: &str, reason: &str) {
    use std::io::Write;
    // A closed stderr is no reason to fail a test.
    let _closed = writeln!(std::io::stderr(), "SKIPPED {test}: {reason}");
}

/// One test at a time has the CPUs.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // Another test's failure is no reason to fail this one.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wait for something that takes CPU time.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what} takes over {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A sidecar at work, with its folder.
pub(crate) struct Recorder {
    sidecar: Sidecar,
    _folder: tempfile::TempDir,
}

impl Recorder {
    /// Attach to a target, in this way and no other.
    pub(crate) fn attach(selector: Selector, way: Way, hz: u32) -> Self {
        let recorder = Self::attach_somehow(selector, hz);
        match recorder.sidecar.attachment() {
            Attachment::Sampling { mode, is_user_only, .. }
                if *mode == way.mode() && *is_user_only == (way == Way::Ordinary) => {}
            other => panic!("{way:?} was asked for, not {other:?}"),
        }
        recorder
    }

    /// Attach to a target.
    pub(crate) fn attach_somehow(selector: Selector, hz: u32) -> Self {
        let found = selector::resolve(&selector).unwrap_or_else(|why| panic!("{why}"));
        Self::attach_to(selector, found, hz)
    }

    /// Attach to what was found before.
    pub(crate) fn attach_to(selector: Selector, found: selector::Found, hz: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = SidecarOptions {
            hz: Some(hz),
            timeline_hz: 20,
            follows_memory: false,
            cpus: Vec::new(),
            folder: PathBuf::from(folder.path()),
        };
        let sidecar = Sidecar::attach(selector, found, options);
        Self { sidecar, _folder: folder }
    }

    /// How it is sampled.
    pub(crate) const fn attachment(&self) -> &Attachment {
        self.sidecar.attachment()
    }

    /// The number of readings of the timeline so far.
    pub(crate) fn readings(&self) -> usize {
        self.sidecar.readings_after(0).len()
    }

    /// End it.
    pub(crate) fn detach(self) -> Taken {
        Taken::of(self.sidecar.detach())
    }
}
