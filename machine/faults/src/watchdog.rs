//! A process beside the run that undoes its faults when the run is gone, or late.
//!
//! It is the same program, in a session of its own. It holds one end of a pipe: the end of the run,
//! in whatever way, closes the other. It reads the journal, so it knows every fault that is there.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::setsid;

use crate::journal;
use crate::now;

/// The words of the hidden command that [`keep`] belongs to.
pub const COMMAND: [&str; 2] = ["chaos", "watchdog"];
/// What it says when it is ready.
const READY: &str = "ready";
/// How often it looks for faults that should have ended.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// How late a fault may be undone by the run itself.
const LATE_NS: u64 = 1_000_000_000;

/// The watchdog of this run; it ends with the run.
#[derive(Debug)]
pub struct Watchdog {
    child: Child,
    pipe: Option<ChildStdin>,
}

impl Watchdog {
    /// Starts one for this journal, and waits until it is ready.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(program: &Path, journal: &Path) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(COMMAND)
            .arg(journal)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let pipe = child.stdin.take();
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let dog = Self { child, pipe };
        if line.trim() == READY { Ok(dog) } else { Err(io::Error::other("it did not begin")) }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.pipe = None;
        // It undoes what is left, which takes as long as that does.
        let _status = self.child.wait();
    }
}

/// The life of the watchdog: until its input ends.
///
/// # Errors
/// It gets no session of its own, or cannot say that it is ready.
pub fn keep(journal: &Path) -> io::Result<()> {
    // Otherwise what ends the run from a terminal would end it too.
    setsid()?;
    let mut output = io::stdout();
    writeln!(output, "{READY}")?;
    output.flush()?;
    let mut input = io::stdin();
    let mut byte = [0];
    let mut handled = BTreeSet::new();
    loop {
        let ready = poll(&mut [PollFd::new(&input.as_fd(), PollFlags::IN)], Some(&LOOK));
        if ready.is_ok_and(|ready| ready > 0) && !matches!(input.read(&mut byte), Ok(1..)) {
            break;
        }
        let present = now().0;
        // Each once: the run reports what is still there.
        let mut is_late = |open: &journal::Open| {
            present > open.deadline.saturating_add(LATE_NS) && handled.insert(open.id)
        };
        for late in journal::open(journal).into_iter().filter(&mut is_late) {
            // The run verifies it too, and reports it.
            let _undone = late.undo.apply();
        }
    }
    if journal::undo_all(journal).iter().all(|left| left.undone.is_ok()) {
        // The run may have removed it.
        let _removed = fs::remove_file(journal);
    }
    Ok(())
}
