//! A target started for a run: in a process group of its own, on CPUs of its own, waited for until
//! it answers, and ended with everything that it started.
//!
//! It also ends if this process does, in whatever way: a process beside it reads a pipe that only
//! this process holds open, and kills the group when the pipe closes.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use rustix::thread::{CpuSet as Affinity, sched_setaffinity};
use uringbench_core::plan::Peer;
use uringbench_engine::{Command as Signalled, Control};
use uringbench_machine::cpu_set::CpuSet;
use uringbench_machine::processes::ProcessEntry;

/// How long a server may take until it answers.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long a server may take to end when it is asked to.
const ENDED_WITHIN: Duration = Duration::from_secs(5);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(10);
/// How long one answer may take while the server starts.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Lines of a server's output in a message.
const LINES_SHOWN: usize = 3;

/// The shell's part: output to a file, the watching process, the command.
const SCRIPT: &str = "exec 3<&0 </dev/null >\"$URINGBENCH_LOG\" 2>&1; \
                      (cat <&3 >/dev/null; kill -KILL 0) & \
                      exec sh -c \"$URINGBENCH_COMMAND\" 3<&-";

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
}

/// How to find out whether a server is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Where it listens.
    pub peer: Peer,
    /// The path to request; without one, a connection is enough.
    pub path: Option<String>,
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
    #[error("`{command}` does not answer at {peer} within {READY_WITHIN:?}{}", said(output))]
    Silent {
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
    probe: Option<Probe>,
    is_reaped: bool,
}

impl ServerCommand {
    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// If it does not, or the address is in use already.
    pub fn start(&self, probe: &Probe, control: &Control) -> Result<RunningServer, ServerError> {
        let command = self.command.clone();
        let peer = probe.peer.to_string();
        if probe.connect().is_some() {
            return Err(ServerError::InUse(peer, command));
        }
        let child = self.spawn().map_err(|why| ServerError::NotStarted(command.clone(), why))?;
        let server = RunningServer { child, probe: Some(probe.clone()), is_reaped: false };
        let started = Instant::now();
        while !probe.answers() {
            if control.command() != Signalled::Run {
                return Err(ServerError::Interrupted(command));
            }
            if server.has_ended() {
                let output = self.output();
                return Err(ServerError::Ended { command, peer, output });
            }
            if started.elapsed() > READY_WITHIN {
                let output = self.output();
                return Err(ServerError::Silent { command, peer, output });
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
        let child = self.spawn().map_err(|why| ServerError::NotStarted(command.clone(), why))?;
        let mut running = RunningServer { child, probe: None, is_reaped: false };
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
    fn spawn(&self) -> io::Result<Child> {
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg(SCRIPT)
            .current_dir(&self.folder)
            .env("URINGBENCH_LOG", std::path::absolute(&self.log)?)
            .env("URINGBENCH_COMMAND", &self.command)
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

    /// The end of its output, in one line.
    fn output(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
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

    fn has_ended(&self) -> bool {
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
    /// Whether the server accepts a connection and, if a path is known, answers a request for it
    /// other than with a fault of its own.
    fn answers(&self) -> bool {
        let Some(mut connection) = self.connect() else { return false };
        let Some(path) = &self.path else { return true };
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.peer);
        let mut answer = [0; 12];
        let is_answered = connection.write_all(request.as_bytes()).is_ok()
            && connection.read_exact(&mut answer).is_ok();
        is_answered && !(answer.starts_with(b"HTTP/1.") && answer[9] == b'5')
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
