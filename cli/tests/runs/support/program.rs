//! A program with known use of the CPU, running next to the binary under test.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// The longest time that a test waits for a program to use some CPU time.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running program; killed on drop, with the processes that it started.
pub(crate) struct Program {
    child: Child,
    /// Kept open, so that the program can continue to write.
    _stdout: BufReader<ChildStdout>,
    said: String,
}

impl Program {
    /// Starts it and waits for its first line.
    pub(crate) fn start(program: &Path, words: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|e| panic!("{} does not start: {e}", program.display()));
        let mut stdout = BufReader::new(child.stdout.take().expect("it was piped"));
        let mut said = String::new();
        stdout.read_line(&mut said).expect("a pipe can be read");
        Self { child, _stdout: stdout, said: said.trim().to_owned() }
    }

    /// The first line that it printed.
    pub(crate) fn said(&self) -> &str {
        &self.said
    }

    /// The process ID.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has used this much more CPU time.
    pub(crate) fn burn(&self, more: Duration) {
        let wanted = self.cpu_used() + more;
        let began = Instant::now();
        while self.cpu_used() < wanted {
            assert!(began.elapsed() < PATIENCE, "{more:?} of CPU time take over {PATIENCE:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn cpu_used(&self) -> Duration {
        let text = std::fs::read_to_string(format!("/proc/{}/schedstat", self.pid()));
        let text = text.expect("the program runs");
        let used = text.split_ascii_whitespace().next().and_then(|used| used.parse().ok());
        Duration::from_nanos(used.expect("schedstat begins with the CPU time"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Fails only if nothing is left of the group.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}
