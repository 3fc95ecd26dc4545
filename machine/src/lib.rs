//! Facts about this machine: CPUs, limits, the target's processes, events during a run.
//!
//! Each module separates reading from evaluation, so that tests evaluate text and values of other
//! machines. A value that cannot be read is `None`, never a guess. `cgroup`, `mounts`
//! and `cpu_set` are the only readers of control groups, mounts and lists of CPUs, `processes` of
//! process trees.

pub mod cgroup;
pub mod cpu_set;
pub mod cpus;
pub mod environment;
pub mod facts;
pub mod git;
pub mod limits;
pub mod mounts;
pub mod observe;
pub mod processes;
pub mod target;

use std::fs;
use std::path::Path;

/// The trimmed text of a file under `/proc` or `/sys`; `None` when it cannot be read.
pub(crate) fn line_of(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}
