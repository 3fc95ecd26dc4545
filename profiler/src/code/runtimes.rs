//! The managed runtimes of all processes, whose functions are named from their memory.

use super::hotspot_program::JavaProcesses;
use super::python_program::PythonProcesses;
use super::v8_program::V8Processes;

/// One of each.
#[derive(Debug, Default)]
pub(super) struct Runtimes {
    pub(super) v8: V8Processes,
    pub(super) java: JavaProcesses,
    pub(super) python: PythonProcesses,
}

impl Runtimes {
    /// Forget a process that ended or runs another program.
    pub(super) fn forget(&mut self, pid: u32) {
        self.v8.forget(pid);
        self.java.forget(pid);
        self.python.forget(pid);
    }
}
