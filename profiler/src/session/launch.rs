//! Starts a command stopped, so that it can be sampled from its first instruction.
//!
//! A shell stops itself, the profiler attaches to it, and then it executes the command: no fork, no
//! race, and the same process ID.

use std::ffi::OsString;
use std::io;
use std::process::{Child, Command, ExitStatus};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use thiserror::Error;

/// Why a command was not started.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// There is no shell, or no process can be created.
    #[error("cannot start a shell for the command: {0}")]
    Shell(io::Error),
    /// The shell ended before it stopped itself.
    #[error("the shell that was to start the command ended at once; is it allowed to run here?")]
    Ended,
}

/// A command, stopped before its first instruction.
#[derive(Debug)]
pub struct Launched {
    child: Child,
    pid: Pid,
}

impl Launched {
    /// Starts a shell that waits to execute `words`: a program and its arguments.
    ///
    /// # Errors
    /// There is no shell, or no process can be created.
    pub fn stopped(words: &[OsString]) -> Result<Self, LaunchError> {
        let child = Command::new("/bin/sh")
            .args(["-c", r#"kill -STOP "$$"; exec "$@""#, "sh"])
            .args(words)
            .spawn()
            .map_err(LaunchError::Shell)?;
        let pid = Pid::from_child(&child);
        match waitpid(Some(pid), WaitOptions::UNTRACED) {
            Ok(Some((_, status))) if status.stopped() => Ok(Self { child, pid }),
            _ => Err(LaunchError::Ended),
        }
    }

    /// The process ID, which is also the command's.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets it execute the command.
    ///
    /// # Errors
    /// It was killed in the meantime.
    pub fn release(&self) -> io::Result<()> {
        Ok(kill_process(self.pid, Signal::CONT)?)
    }

    /// Its exit status, if it has ended.
    ///
    /// # Errors
    /// See [`Child::try_wait`].
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Sends SIGTERM.
    pub fn end(&self) {
        // Fails only if it has already ended.
        let _gone = kill_process(self.pid, Signal::TERM);
    }
}

impl Drop for Launched {
    /// Otherwise a command that is still stopped would never end.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.end();
            let _gone = kill_process(self.pid, Signal::CONT);
            let _reaped = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn words(line: &[&str]) -> Vec<OsString> {
        line.iter().map(OsString::from).collect()
    }

    #[test]
    fn a_command_waits_until_it_is_released_and_keeps_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("says who it is");
        let script = format!("echo $$ > '{}'; exit 3", file.display());
        let mut command = Launched::stopped(&words(&["/bin/sh", "-c", &script])).unwrap();
        let pid = command.pid();
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        assert!(state.contains(") T "), "{state}");
        assert!(!file.exists());
        command.release().unwrap();
        let ended = loop {
            if let Some(ended) = command.ended().unwrap() {
                break ended;
            }
            std::thread::yield_now();
        };
        assert_eq!(ended.code(), Some(3));
        assert_eq!(fs::read_to_string(file).unwrap().trim(), pid.to_string());
    }

    #[test]
    fn a_command_that_is_let_go_does_not_stay() {
        let pid = Launched::stopped(&words(&["sleep", "600"])).unwrap().pid();
        assert!(!fs::exists(format!("/proc/{pid}")).unwrap());
    }
}
