//! Finds the best way to sample the target: tries all ways, the best first, and keeps the reasons
//! why better ones failed for the report.

use std::fs::File;
use std::path::Path;

use rustc_hash::FxHashSet;
use uringbench_machine::processes;
use uringbench_perf::{PerfError, SampleScope, SamplingConfig, Session};

use crate::record::{Content, Record, decode};
use crate::selector::Found;

/// The way in which samples are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By the kernel, for the target's control group.
    Cgroup,
    /// For every process; the profiler discards those of others.
    SystemWide,
    /// For each of the target's threads and those they start.
    Tasks,
}

impl Mode {
    /// Its name in documents.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::SystemWide => "system_wide",
            Self::Tasks => "tasks",
        }
    }
}

/// Whether and in which way the target is sampled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// Samples are taken.
    Sampling {
        /// The way.
        mode: Mode,
        /// Whether only user code is sampled; frames of the kernel are missing.
        is_user_only: bool,
        /// Why no better way was possible; one line each, with the fix.
        instead_of: Vec<String>,
    },
    /// Only the data in `/proc`: cause and fix for every way that failed.
    ProcfsOnly(Vec<String>),
    /// Only the data in `/proc`, as planned.
    Unsampled,
}

/// Records read while attaching, each with its CPU.
pub(super) type Backlog = Vec<(u32, Box<[u8]>)>;

/// An open session and its way.
pub(super) struct Opened {
    pub(super) session: Session,
    pub(super) mode: Mode,
    pub(super) is_user_only: bool,
    pub(super) instead_of: Vec<String>,
    pub(super) backlog: Backlog,
}

/// Opens the best possible session for `found`. Sampling is not enabled yet.
///
/// # Errors
/// The reason why each way failed.
pub(super) fn open(
    found: &Found,
    config: &SamplingConfig,
    cpus: &[u32],
) -> Result<Opened, Vec<String>> {
    let mut instead_of = Vec::new();
    if let Some(folder) = &found.cgroup {
        match open_cgroup(folder, config, cpus) {
            Ok(session) => {
                return Ok(Opened {
                    session,
                    mode: Mode::Cgroup,
                    is_user_only: false,
                    instead_of,
                    backlog: Backlog::new(),
                });
            }
            Err(why) => instead_of.push(why),
        }
    }
    let wider = [
        (Mode::SystemWide, SampleScope::System, false),
        (Mode::Tasks, SampleScope::Tasks, false),
        (Mode::Tasks, SampleScope::Tasks, true),
    ];
    for (mode, scope, is_user_only) in wider {
        let config = SamplingConfig { user_only: is_user_only, ..config.clone() };
        let opened = Session::open(scope, &config, cpus).map_err(|why| why.to_string());
        let mut backlog = Backlog::new();
        let attached = opened.and_then(|mut session| match mode {
            Mode::Tasks => attach_tasks(&mut session, found, &mut backlog).map(|()| session),
            Mode::Cgroup | Mode::SystemWide => Ok(session),
        });
        match attached {
            Ok(session) => {
                return Ok(Opened { session, mode, is_user_only, instead_of, backlog });
            }
            Err(why) => instead_of.push(why),
        }
    }
    instead_of.dedup();
    Err(instead_of)
}

/// Opens a session only for first touches, and only for the target's tasks: a system-wide one would
/// sample every page that others touch. If a thread is attached twice the result is the same: only
/// the last touch of a page counts.
///
/// # Errors
/// Cause and fix.
pub(super) fn open_for_memory(found: &Found, cpus: &[u32]) -> Result<Session, String> {
    let config = SamplingConfig {
        samples_cpu: false,
        switches: false,
        first_touch_period: Some(1),
        ..SamplingConfig::default()
    };
    let mut failure = String::new();
    for user_only in [false, true] {
        let config = SamplingConfig { user_only, ..config.clone() };
        let opened =
            Session::open(SampleScope::Tasks, &config, cpus).map_err(|why| why.to_string());
        let attached = opened.and_then(|mut session| {
            attach_tasks(&mut session, found, &mut Backlog::new()).map(|()| session)
        });
        match attached {
            Ok(session) => return Ok(session),
            Err(why) => failure = why,
        }
    }
    Err(failure)
}

fn open_cgroup(folder: &Path, config: &SamplingConfig, cpus: &[u32]) -> Result<Session, String> {
    let folder_handle = File::open(folder)
        .map_err(|why| format!("cannot open the control group {}: {why}", folder.display()))?;
    Session::open(SampleScope::Cgroup(folder_handle.into()), config, cpus)
        .map_err(|why| why.to_string())
}

/// The largest number of listings of a target that keeps starting threads; the threads that they
/// start inherit the events.
const LISTINGS_MAX: usize = 4;

/// Attaches to every thread. A thread inherits the events of the thread that starts it, so
/// attaching to it as well would count it twice: threads that the kernel announces
/// (`PERF_RECORD_FORK` of an attached creator) are skipped, whether the announcement comes before
/// or after they are attached, since they can be listed first.
fn attach_tasks(session: &mut Session, found: &Found, backlog: &mut Backlog) -> Result<(), String> {
    session.enable().map_err(|why| why.to_string())?;
    let mut known = FxHashSet::default();
    let mut failure = None;
    for _ in 0..LISTINGS_MAX {
        let members = processes::descendants(&found.members);
        let threads: Vec<u32> = members.iter().flat_map(|&pid| processes::threads(pid)).collect();
        leave_announced(session, &mut known, backlog);
        let unknown: Vec<u32> = threads.into_iter().filter(|&tid| known.insert(tid)).collect();
        if unknown.is_empty() {
            break;
        }
        for tid in unknown {
            match session.add_task(tid) {
                // It does not matter if a thread has ended since it was listed.
                Ok(()) | Err(PerfError::TaskGone { .. }) => {}
                Err(why) => failure = Some(why.to_string()),
            }
        }
    }
    leave_announced(session, &mut known, backlog);
    match failure {
        Some(why) if session.tasks() == 0 => Err(why),
        _ => Ok(()),
    }
}

fn leave_announced(session: &mut Session, known: &mut FxHashSet<u32>, backlog: &mut Backlog) {
    let mut announced = Vec::new();
    session.drain(&mut |cpu, bytes| {
        if let Ok(Record { content: Content::Fork { tid, .. }, .. }) = decode(bytes) {
            announced.push(tid);
        }
        backlog.push((cpu, bytes.into()));
    });
    for tid in announced {
        known.insert(tid);
        session.remove_task(tid);
    }
}
