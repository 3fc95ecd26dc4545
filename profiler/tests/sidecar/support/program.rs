//! A target: a program in a separate process, killed with its children when the test ends.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::wait_until;

/// A running program.
pub(crate) struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    /// Functions by name, and their addresses in the file.
    addresses: Vec<(String, u64)>,
    /// Whether its file has no symbol names.
    is_stripped: bool,
}

impl Program {
    /// Starts the burner and waits until it burns.
    pub(crate) fn burner(program: &Path, words: &[&str]) -> Self {
        let mut started = Self::start(program, words);
        // The file's own table is enough to identify the names.
        let file = std::fs::read(program).unwrap();
        started.is_stripped = !file.windows(7).any(|bytes| bytes == b".symtab");
        started.wait_ready();
        started
    }

    /// Starts a program.
    pub(crate) fn start(program: impl AsRef<OsStr>, words: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A process group of its own, so that all its children can be ended with it.
            .process_group(0)
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdin, stdout, addresses: Vec::new(), is_stripped: false }
    }

    /// Waits until the burner, which this program is or has executed, burns.
    pub(crate) fn wait_ready(&mut self) {
        loop {
            let line = self.line();
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["ready"] => break,
                ["function", name, address] => {
                    let address = u64::from_str_radix(address, 16).unwrap();
                    self.addresses.push((name.to_owned(), address));
                }
                _ => panic!("the burner says {line:?}"),
            }
        }
    }

    /// The process ID.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The name of a function in a profile: its symbol, or its address if the file has no names.
    pub(crate) fn called(&self, function: &str) -> String {
        let address = self.addresses.iter().find(|(name, _)| name == function);
        match address {
            Some((_, at)) if self.is_stripped => format!("burner+fn@{at:x}"),
            _ => function.to_owned(),
        }
    }

    /// Sends a line to its standard input.
    pub(crate) fn tell(&mut self) {
        self.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }

    /// Waits until it and the children it waited for have used this much more CPU time.
    pub(crate) fn burn(&self, more: Duration) {
        Self::burn_of(self.pid(), more);
    }

    /// The same for any process.
    pub(crate) fn burn_of(pid: u32, more: Duration) {
        let wanted = cpu_used(pid).unwrap() + more;
        wait_until("burning", || cpu_used(pid).is_none_or(|used| used >= wanted));
    }

    /// Its only child.
    pub(crate) fn child(&self) -> u32 {
        let pid = self.pid();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        children.unwrap().trim().parse().unwrap()
    }

    /// Stops it while `work` runs: 200 busy threads would leave no CPU time for that.
    pub(crate) fn resting<T>(&self, work: impl FnOnce() -> T) -> T {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::STOP).unwrap();
        let done = work();
        kill_process(pid, Signal::CONT).unwrap();
        done
    }

    /// Waits until it ends by itself; returns the CPU time that it printed, if it did.
    pub(crate) fn wait(mut self) -> Option<Duration> {
        let mut used = None;
        loop {
            let line = self.line();
            if line.is_empty() {
                break;
            }
            if let Some(nanos) = line.trim().strip_prefix("cpu_ns ") {
                used = Some(Duration::from_nanos(nanos.parse().unwrap()));
            }
        }
        self.child.wait().unwrap();
        used
    }

    /// Ends it; returns the CPU time that it and its children used.
    pub(crate) fn end(self) -> Duration {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.wait().unwrap()
    }

    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _gone = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _reaped = self.child.wait();
    }
}

/// CPU time of a process and of the children it waited for, in steps of 10 ms; `None` if it has
/// ended.
pub(crate) fn cpu_used(pid: u32) -> Option<Duration> {
    let stat = procfs::process::Process::new(pid.cast_signed()).ok()?.stat().ok()?;
    let children = stat.cutime.max(0).cast_unsigned() + stat.cstime.max(0).cast_unsigned();
    let ticks = stat.utime + stat.stime + children;
    let is_ended = matches!(stat.state, 'Z' | 'X');
    (!is_ended).then(|| Duration::from_millis(ticks * 1_000 / procfs::ticks_per_second()))
}

/// CPU time that a process and its children have used, including children still running.
pub(crate) fn tree_used(pid: u32) -> Duration {
    loop {
        // A child that ends between two readings would be counted never or twice.
        let before = cpu_used(pid).unwrap();
        let path = format!("/proc/{pid}/task/{pid}/children");
        let children = std::fs::read_to_string(path).unwrap();
        let living: Duration = children
            .split_ascii_whitespace()
            .filter_map(|child| std::fs::read_to_string(format!("/proc/{child}/schedstat")).ok())
            .filter_map(|text| text.split_ascii_whitespace().next()?.parse().ok())
            .map(Duration::from_nanos)
            .sum();
        if cpu_used(pid).unwrap() == before {
            return before + living;
        }
    }
}
