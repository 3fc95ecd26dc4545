//! A target started for a run: in a process group of its own, on CPUs of its own, waited for until
//! it answers, and ended with everything that it started.
//!
//! It also ends if this process does, in whatever way: a process beside it reads a pipe that only
//! this process holds open, and kills the group when the pipe closes. A process that has left the
//! group is known by a variable of its environment: it is killed when the target is ended, or by
//! [`kill_left`] in the next process.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use rustix::thread::{CpuSet as Affinity, sched_setaffinity};
use uringbench_core::plan::Peer;
use uringbench_engine::{Command as Signalled, Control};
use uringbench_machine::cpu_set::CpuSet;
use uringbench_machine::processes::{self, ProcessEntry};

/// How long a server usually may take until it answers.
pub const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long a server may take to end when it is asked to.
const ENDED_WITHIN: Duration = Duration::from_secs(5);
/// How long an address may still be in use by what ends there.
const FREE_WITHIN: Duration = Duration::from_secs(1);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(10);
/// How long one answer may take while the server starts.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Bytes of an answer that are read.
const BODY_MAX: u64 = 1 << 20;
/// Lines of a server's output in a message.
const LINES_SHOWN: usize = 3;

/// The shell's part: output to a file, the control groups, the watching process, the command.
const SCRIPT: &str = "exec 3<&0 </dev/null >\"$URINGBENCH_LOG\" 2>&1; \
                      for group in $URINGBENCH_GROUPS; do \
                      echo $$ >\"$group/cgroup.procs\" || exit; done; \
                      unset URINGBENCH_GROUPS; \
                      (cat <&3 >/dev/null; kill -KILL 0) & \
                      exec sh -c \"$URINGBENCH_COMMAND\" 3<&-";
/// The variable by which a process is known that this process, or one it started, has started:
/// the process, its start, and the number of the server.
const MARK: &str = "URINGBENCH_STARTED_BY";

static SERVERS: AtomicU64 = AtomicU64::new(0);

/// How to start a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerCommand {
    /// The command, for a shell. It must stay in the foreground.
    pub command: String,
    /// The folder it runs in.
    pub folder: PathBuf,
    /// The CPUs it may use; all if there are none.
    pub cpus: CpuSet,
    /// The file for its output.
    pub log: PathBuf,
    /// Further environment variables.
    pub variables: Vec<(String, String)>,
    /// The folders of control groups that it becomes a member of.
    pub groups: Vec<PathBuf>,
}

/// How to find out whether a server is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Where it listens.
    pub peer: Peer,
    /// What it does when it is ready.
    pub ready: Ready,
    /// How long it may take until then.
    pub within: Duration,
}

/// What a server does when it is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// It accepts a connection.
    Accepts,
    /// It answers a request for this path, other than with a fault of its own.
    Answers(String),
    /// It answers a request for this path with a status below 400.
    Succeeds(String),
}

/// Why a server did not become ready, and the fix.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Something answers before the server is started.
    #[error("{0} is in use before `{1}` is started: stop what listens there")]
    InUse(String, String),
    /// The shell cannot be started.
    #[error("`{0}` cannot be started: {1}")]
    NotStarted(String, io::Error),
    /// It ended.
    #[error(
        "`{command}` ended before it answered; it must listen at {peer} and stay in the \
         foreground{}",
        said(output)
    )]
    Ended {
        /// The command.
        command: String,
        /// Where it should listen.
        peer: String,
        /// The end of its output.
        output: String,
    },
    /// It did not answer in time.
    #[error("`{command}` is not ready at {peer} within {within:?}{}", said(output))]
    Silent {
        /// How long it was waited for.
        within: Duration,
        /// The command.
        command: String,
        /// Where it should listen.
        peer: String,
        /// The end of its output.
        output: String,
    },
    /// It ended with a fault.
    #[error("`{command}` failed{}", said(output))]
    Failed {
        /// The command.
        command: String,
        /// The end of its output.
        output: String,
    },
    /// The user ended it.
    #[error("ended during `{0}`")]
    Interrupted(String),
}

fn said(output: &str) -> String {
    if output.is_empty() { String::new() } else { format!("; its output ends with: {output}") }
}

/// A server that runs; it ends when this is dropped.
#[derive(Debug)]
pub struct RunningServer {
    child: Child,
    mark: String,
    probe: Option<Probe>,
    is_reaped: bool,
}

/// Kills what processes like this one have started and left, if they are no more, and waits for the
/// end of it.
pub fn kill_left() {
    let marked = processes::with_variable(MARK).into_iter();
    let left: Vec<u32> = marked.filter(|(_, mark)| has_gone(mark)).map(|(pid, _)| pid).collect();
    left.iter().for_each(|pid| kill(*pid));
    let killed = Instant::now();
    let is_there = |pid: &u32| ProcessEntry::read(*pid).is_some_and(|entry| !entry.is_ended);
    while left.iter().any(is_there) && killed.elapsed() < ENDED_WITHIN {
        thread::sleep(LOOK);
    }
}

/// The name of what this process makes, for itself alone: its number and start.
pub(crate) fn own_name() -> String {
    let pid = std::process::id();
    let start = ProcessEntry::read(pid).map_or(0, |entry| entry.start);
    format!("{pid}-{start}")
}

/// Whether the process that has this [`own_name`] is no more.
pub(crate) fn has_gone(name: &str) -> bool {
    let mut numbers = name.split('-').map(|number| number.parse::<u64>().ok());
    let (Some(Some(pid)), Some(Some(start))) = (numbers.next(), numbers.next()) else {
        return false;
    };
    let owner = u32::try_from(pid).ok().and_then(ProcessEntry::read);
    owner.is_none_or(|owner| owner.start != start || owner.is_ended)
}

fn kill(pid: u32) {
    // It may have ended since it was seen.
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let _gone = pid.map(|pid| kill_process(pid, Signal::KILL));
}

impl ServerCommand {
    /// A command in a folder, with a file for its output, on all CPUs.
    pub fn new(
        command: impl Into<String>,
        folder: impl Into<PathBuf>,
        log: impl Into<PathBuf>,
    ) -> Self {
        Self {
            command: command.into(),
            folder: folder.into(),
            cpus: CpuSet::default(),
            log: log.into(),
            variables: Vec::new(),
            groups: Vec::new(),
        }
    }

    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// If it does not, or the address is in use already.
    pub fn start(&self, probe: &Probe, control: &Control) -> Result<RunningServer, ServerError> {
        let command = self.command.clone();
        let peer = probe.peer.to_string();
        let asked = Instant::now();
        while probe.connect().is_some() {
            // Whatever listens may be ending.
            if asked.elapsed() > FREE_WITHIN || control.command() != Signalled::Run {
                return Err(ServerError::InUse(peer, command));
            }
            thread::sleep(LOOK);
        }
        let mut server = self.spawn()?;
        server.probe = Some(probe.clone());
        let started = Instant::now();
        while !probe.answers() {
            if control.command() != Signalled::Run {
                return Err(ServerError::Interrupted(command));
            }
            if server.has_ended() {
                let output = self.output();
                return Err(ServerError::Ended { command, peer, output });
            }
            let within = probe.within;
            if started.elapsed() > within {
                let output = self.output();
                return Err(ServerError::Silent { within, command, peer, output });
            }
            thread::sleep(LOOK);
        }
        Ok(server)
    }

    /// Runs it to its end, as a build.
    ///
    /// # Errors
    /// If it cannot be started, fails, or `control` ends it.
    pub fn complete(&self, control: &Control) -> Result<(), ServerError> {
        let command = self.command.clone();
        let mut running = self.spawn()?;
        while !running.has_ended() {
            if control.command() != Signalled::Run {
                return Err(ServerError::Interrupted(command));
            }
            thread::sleep(LOOK);
        }
        match running.stop() {
            Some(status) if status.success() => Ok(()),
            _ => Err(ServerError::Failed { command, output: self.output() }),
        }
    }

    /// A child has the affinity of the thread that starts it, so a thread of its own does.
    fn spawn(&self) -> Result<RunningServer, ServerError> {
        let number = SERVERS.fetch_add(1, Ordering::Relaxed);
        let mark = format!("{}-{number}", own_name());
        let child = self.spawn_marked(&mark);
        let child = child.map_err(|why| ServerError::NotStarted(self.command.clone(), why))?;
        Ok(RunningServer { child, mark, probe: None, is_reaped: false })
    }

    fn spawn_marked(&self, mark: &str) -> io::Result<Child> {
        let groups: Vec<_> = self.groups.iter().filter_map(|group| group.to_str()).collect();
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg(SCRIPT)
            .current_dir(&self.folder)
            .env("URINGBENCH_LOG", std::path::absolute(&self.log)?)
            .env("URINGBENCH_COMMAND", &self.command)
            .env("URINGBENCH_GROUPS", groups.join(" "))
            .env(MARK, mark)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .process_group(0);
        let cpus = &self.cpus;
        thread::scope(|scope| {
            let starts = scope.spawn(|| {
                if !cpus.is_empty() {
                    let mut affinity = Affinity::new();
                    cpus.iter().for_each(|cpu| affinity.set(cpu));
                    sched_setaffinity(None, &affinity)?;
                }
                shell.spawn()
            });
            starts.join().unwrap_or_else(|_| Err(io::Error::other("the starting thread failed")))
        })
    }

    fn output(&self) -> String {
        Self::last_words(&self.log)
    }

    /// The end of the output in a log, in one line.
    pub(crate) fn last_words(log: &Path) -> String {
        let text = fs::read(log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
        lines[lines.len().saturating_sub(LINES_SHOWN)..].join(" / ")
    }
}

impl RunningServer {
    /// The process at the root of the group.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&self) -> bool {
        self.is_reaped || ProcessEntry::read(self.child.id()).is_none_or(|entry| entry.is_ended)
    }

    /// Ends it and everything in its group, and waits until its address is free.
    fn stop(&mut self) -> Option<ExitStatus> {
        let group = Pid::from_child(&self.child);
        let asked = Instant::now();
        // Both fail only if nothing is left of the group. The root is a zombie until it is waited
        // for, so its number cannot become another group's before.
        if !self.has_ended() {
            let _asked = kill_process_group(group, Signal::TERM);
        }
        while !self.has_ended() && asked.elapsed() < ENDED_WITHIN {
            thread::sleep(LOOK);
        }
        if !self.is_reaped {
            let _killed = kill_process_group(group, Signal::KILL);
        }
        let status = self.child.wait().ok();
        self.is_reaped = true;
        let members = processes::with_variable(MARK).into_iter();
        members.filter(|(_, mark)| *mark == self.mark).for_each(|(pid, _)| kill(pid));
        let is_open = || self.probe.as_ref().is_some_and(|probe| probe.connect().is_some());
        while is_open() && asked.elapsed() < 2 * ENDED_WITHIN {
            thread::sleep(LOOK);
        }
        status
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        if !self.is_reaped {
            let _status = self.stop();
        }
    }
}

impl Probe {
    /// Whether the server is ready.
    fn answers(&self) -> bool {
        let Some(mut connection) = self.connect() else { return false };
        let (Ready::Answers(path) | Ready::Succeeds(path)) = &self.ready else { return true };
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.peer);
        let mut answer = [0; 12];
        let is_answered = connection.write_all(request.as_bytes()).is_ok()
            && connection.read_exact(&mut answer).is_ok();
        let class = answer.starts_with(b"HTTP/1.").then_some(answer[9]);
        is_answered
            && match self.ready {
                Ready::Succeeds(_) => matches!(class, Some(b'2' | b'3')),
                _ => class != Some(b'5'),
            }
    }

    /// The body of the answer to a request for `path`; `None` if there is none with status 200.
    pub fn fetch(&self, path: &str) -> Option<String> {
        let mut connection = self.connect()?;
        let request =
            format!("GET {path} HTTP/1.0\r\nHost: {}\r\nConnection: close\r\n\r\n", self.peer);
        connection.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        connection.take(BODY_MAX).read_to_end(&mut answer).ok()?;
        let answer = String::from_utf8(answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.split(' ').nth(1).filter(|status| *status == "200")?;
        Some(body.to_owned())
    }

    fn connect(&self) -> Option<Box<dyn Connection>> {
        match &self.peer {
            Peer::Tcp(address) => {
                let connection = TcpStream::connect_timeout(address, ANSWER_WITHIN).ok()?;
                connection.set_read_timeout(Some(ANSWER_WITHIN)).ok()?;
                Some(Box::new(connection))
            }
            Peer::Unix(path) => {
                let connection = UnixStream::connect(path).ok()?;
                connection.set_read_timeout(Some(ANSWER_WITHIN)).ok()?;
                Some(Box::new(connection))
            }
        }
    }
}

trait Connection: Read + Write {}
impl<T: Read + Write> Connection for T {}

#[cfg(test)]
mod tests;
