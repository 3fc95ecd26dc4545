//! How a fault is undone, as data: it is written down before the fault is there, so that any
//! process can do it.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use serde::{Deserialize, Serialize};
use uringbench_machine::processes;

use crate::commands;
use crate::process::ProcessId;

/// How long an undo may take until it is seen.
const SEEN_WITHIN: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(1);

/// The undo of one fault. All can be done twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// Processes continue.
    Continue {
        /// Those that were stopped.
        processes: Vec<ProcessId>,
    },
    /// A file of a control group gets its value back.
    Write {
        /// The file.
        file: PathBuf,
        /// The value.
        value: String,
    },
    /// A process may open as many files as before.
    Files {
        /// The process.
        process: ProcessId,
        /// Its soft limit; `None` for none.
        soft: Option<u64>,
        /// The limit of the fault: what it started meanwhile has it too.
        new: u64,
    },
    /// A command of the user.
    Command {
        /// The folder it runs in, absolute.
        folder: PathBuf,
        /// Ends the fault.
        stop: String,
        /// Succeeds while the fault is there.
        verify: Option<String>,
    },
}

/// Why a fault is still there, and the command that ends it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}; undo it with: {fix}")]
pub struct UndoError {
    /// The cause.
    cause: String,
    /// A command for a shell.
    fix: String,
}

impl Undo {
    /// Undoes the fault and verifies that it is gone. A target that is gone has no fault any more.
    ///
    /// # Errors
    /// The fault is still there.
    pub fn apply(&self) -> Result<(), UndoError> {
        let error = |cause: String| UndoError { cause, fix: self.by_hand() };
        let refused = match self.order() {
            // Nothing else shows whether it is gone.
            Err(why) if matches!(self, Self::Command { .. }) => return Err(error(why)),
            // A fault that was refused is not there: what may not be begun need not be ended.
            ordered => ordered.err(),
        };
        let asked = Instant::now();
        while !self.is_done() {
            if asked.elapsed() > SEEN_WITHIN {
                let vain = || "the undo was done, and the fault is still there".to_owned();
                return Err(error(refused.unwrap_or_else(vain)));
            }
            let is_command = matches!(self, Self::Command { .. });
            thread::sleep(if is_command { commands::LOOK_AGAIN } else { LOOK });
        }
        Ok(())
    }

    /// Does it once, for as much of it as can be done.
    fn order(&self) -> Result<(), String> {
        let mut done = Ok(());
        match self {
            Self::Continue { processes } => {
                for process in processes {
                    if let Err(why) = process.signal(Signal::CONT) {
                        done = Err(format!("process {} stands: {why}", process.pid));
                    }
                }
            }
            Self::Write { file, value } => {
                done = fs::write(file, value).map_err(|why| format!("{}: {why}", file.display()));
            }
            Self::Files { process, soft, new } => {
                for limited in limited(*process, *new) {
                    if let Err(why) = set_soft(limited, *soft) {
                        done = Err(why);
                    }
                }
            }
            Self::Command { stop, folder, .. } => done = commands::run(stop, folder),
        }
        done
    }

    /// Whether the fault is not there.
    pub fn is_done(&self) -> bool {
        match self {
            Self::Continue { processes } => processes.iter().all(|process| !process.is_stopped()),
            Self::Write { file, value } => {
                fs::read_to_string(file).map_or(true, |now| now.trim() == value.trim())
            }
            Self::Files { process, new, .. } => limited(*process, *new).is_empty(),
            Self::Command { verify, folder, .. } => {
                verify.as_ref().is_none_or(|verify| commands::run(verify, folder).is_err())
            }
        }
    }

    /// Whether both change the same thing.
    pub(crate) fn touches(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Continue { processes: one }, Self::Continue { processes: other }) => {
                one.iter().any(|process| other.contains(process))
            }
            (Self::Write { file: one, .. }, Self::Write { file: other, .. }) => one == other,
            (Self::Files { process: one, .. }, Self::Files { process: other, .. }) => one == other,
            (
                Self::Command { stop: one, folder: here, .. },
                Self::Command { stop: other, folder: there, .. },
            ) => one == other && here == there,
            _ => false,
        }
    }

    /// The command that undoes it, for a shell.
    fn by_hand(&self) -> String {
        match self {
            Self::Continue { processes } => {
                let pids: Vec<_> = processes.iter().map(|it| it.pid.to_string()).collect();
                format!("kill -CONT {}", pids.join(" "))
            }
            Self::Write { file, value } => {
                format!("echo {} > {}", value.trim(), file.display())
            }
            Self::Files { process, soft, .. } => {
                let soft = soft.map_or_else(|| "unlimited".to_owned(), |soft| soft.to_string());
                format!("prlimit --pid {} --nofile={soft}:", process.pid)
            }
            Self::Command { stop, folder, .. } => format!("cd {} && {stop}", folder.display()),
        }
    }
}

/// A process and its descendants, as far as they have this soft limit of open files.
fn limited(process: ProcessId, limit: u64) -> Vec<ProcessId> {
    if !process.is_there() {
        return Vec::new();
    }
    let family = processes::descendants(&[process.pid]).into_iter().filter_map(ProcessId::of);
    let has_it = |process: &ProcessId| {
        let pid = Pid::from_raw(process.pid.cast_signed());
        let soft = pid.and_then(|pid| soft_limit(pid).ok());
        soft.is_some_and(|(soft, _)| soft == Some(limit))
    };
    family.filter(has_it).collect()
}

/// Sets the soft limit of open files of a process, up to its hard one; `false` if it has ended.
///
/// # Errors
/// It may not be changed.
pub(crate) fn set_soft(process: ProcessId, soft: Option<u64>) -> Result<bool, String> {
    // Without a PID the system call would be for this process.
    let pid = Pid::from_raw(process.pid.cast_signed()).filter(|_| process.is_there());
    let Some(pid) = pid else { return Ok(false) };
    let set = soft_limit(pid).and_then(|(_, hard)| {
        // No limit is more than every limit.
        let current = soft.into_iter().chain(hard).min();
        prlimit(Some(pid), Resource::Nofile, Rlimit { current, maximum: hard })
            .map_err(|why| why.to_string())
    });
    match set {
        Ok(_) => Ok(true),
        Err(_) if !process.is_there() => Ok(false),
        Err(why) => Err(format!("limit of open files of process {}: {why}", process.pid)),
    }
}

/// The soft and the hard limit of open files of a process.
pub(crate) fn soft_limit(pid: Pid) -> Result<(Option<u64>, Option<u64>), String> {
    let path = format!("/proc/{}/limits", pid.as_raw_nonzero());
    let text = fs::read_to_string(&path).map_err(|why| format!("{path}: {why}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"));
    let mut fields = line.into_iter().flat_map(str::split_whitespace);
    let mut limit = || match fields.next() {
        Some("unlimited") => Some(None),
        Some(number) => number.parse().ok().map(Some),
        None => None,
    };
    limit().zip(limit()).ok_or_else(|| format!("{path} has no limit of open files"))
}
