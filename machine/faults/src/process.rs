//! A process that is never mistaken for another: by its PID and its start, signalled by a pidfd.

use std::fs;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use uringbench_machine::processes::ProcessEntry;

/// A process of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Its PID.
    pub pid: u32,
    /// Its start in ticks since boot.
    pub start: u64,
}

impl ProcessId {
    /// The process that has this PID now; `None` if it has ended.
    pub fn of(pid: u32) -> Option<Self> {
        let entry = ProcessEntry::read(pid).filter(|entry| !entry.is_ended)?;
        Some(Self { pid, start: entry.start })
    }

    /// This process.
    pub fn own() -> Self {
        let pid = std::process::id();
        Self::of(pid).unwrap_or(Self { pid, start: 0 })
    }

    /// Whether it still runs: not ended, and no other has its PID.
    pub fn is_there(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Whether it stands still by a signal.
    pub(crate) fn is_stopped(self) -> bool {
        let Ok(stat) = fs::read_to_string(format!("/proc/{}/stat", self.pid)) else { return false };
        // The name before the state may contain anything.
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        self.is_there() && matches!(state, Some('T'))
    }

    /// Sends it a signal; `false` if it has ended.
    pub(crate) fn signal(self, signal: Signal) -> Result<bool, Errno> {
        let Some(pid) = Pid::from_raw(self.pid.cast_signed()) else { return Ok(false) };
        let sent = pidfd_open(pid, PidfdFlags::empty()).and_then(|handle| {
            // The handle is of whoever has the PID now, and stays of that process.
            if self.is_there() { pidfd_send_signal(&handle, signal) } else { Err(Errno::SRCH) }
        });
        match sent {
            Ok(()) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(why) => Err(why),
        }
    }

    /// The PIDs of its ancestors, from its parent on.
    pub(crate) fn ancestors(self) -> Vec<u32> {
        let mut found = Vec::new();
        let mut pid = self.pid;
        while let Some(parent) = ProcessEntry::read(pid).map(|entry| entry.parent) {
            if parent == 0 || found.contains(&parent) {
                break;
            }
            found.push(parent);
            pid = parent;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_with_the_pid_of_an_ended_one_is_another() {
        let mut child = Command::new("sleep").arg("100").spawn().expect("it starts");
        let id = ProcessId::of(child.id()).expect("it runs");
        let older = ProcessId { start: id.start - 1, ..id };
        assert!(id.is_there() && !older.is_there());
        assert_eq!(older.signal(Signal::KILL), Ok(false));
        assert!(id.is_there() && id.ancestors().contains(&std::process::id()));
        assert_eq!(id.signal(Signal::KILL), Ok(true));
        child.wait().expect("it ended");
        assert_eq!(id.signal(Signal::KILL), Ok(false));
    }
}
