//! One Python process, read from outside: recognising it, attaching, reading a stack.
//!
//! Attaching maps nothing and stops no thread; it needs the right to read the process's memory, as
//! ptrace(2) grants it (`PTRACE_MODE_ATTACH`). A reading races with the interpreter: it can fail or
//! miss outer frames, which `sampler` counts.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use procfs::ProcError;
use procfs::process::{MMapPath, Process};
use py_spy::config::{Config, LineNo, LockingStrategy};
use py_spy::{PythonSpy, StackTrace};

use super::stacks::PythonFrame;

/// Up to this many Python threads of a process are all read each time; with more, only the one that
/// holds the interpreter's lock.
const FEW_THREADS: usize = 4;
/// All are read at least once in this many readings, to find new ones.
const COUNT_EVERY: u32 = 64;

/// Why a Python process's functions cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PythonFailure {
    /// The kernel does not permit to read its memory.
    #[error(
        "may not read Python's stacks in process {0}: run as root or its user with \
         `sysctl kernel.yama.ptrace_scope=0`, in a container with `--cap-add SYS_PTRACE`"
    )]
    NotPermitted(u32),
    /// A version of the interpreter whose structures are unknown.
    #[error(
        "process {pid} runs a Python that py-spy cannot read ({version}): use 2.7 or 3.3..3.14"
    )]
    UnknownVersion {
        /// The process.
        pid: u32,
        /// Its version, as far as known.
        version: String,
    },
    /// The interpreter was not found in its memory.
    #[error(
        "no Python interpreter could be read in process {pid} ({cause}): its stacks stay native"
    )]
    NotFound {
        /// The process.
        pid: u32,
        /// The reader's error.
        cause: String,
    },
}

/// Whether a process runs CPython: its program or a mapped library has that name. `None` if it has
/// ended or may not be read.
pub fn is_python(pid: u32) -> Option<bool> {
    let process = Process::new(pid as i32).ok()?;
    if process.exe().is_ok_and(|path| is_interpreter(&path)) {
        return Some(true);
    }
    match process.maps() {
        Ok(maps) => Some(
            maps.iter()
                .any(|map| matches!(&map.pathname, MMapPath::Path(path) if is_interpreter(path))),
        ),
        // Unknown, so the reader tries, and reports what is missing.
        Err(ProcError::PermissionDenied(_)) => {
            Some(process.stat().is_ok_and(|stat| is_interpreter(Path::new(&stat.comm))))
        }
        Err(_) => None,
    }
}

fn is_interpreter(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let version = name.strip_prefix("lib").unwrap_or(name).strip_prefix("python");
    version.is_some_and(|rest| rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// A Python process that can be read.
pub(super) struct Interpreter {
    pid: u32,
    spy: PythonSpy,
    threads: ThreadNumbers,
    /// Python's threads, by their ids in this namespace, in the last reading of all.
    known: Vec<u32>,
    until_count: u32,
}

/// The result of one reading.
pub(super) enum Reading {
    /// No Python code ran.
    Idle,
    /// The threads that ran: each with its id (`None`: unknown) and frames, innermost first.
    Running(Vec<(Option<u32>, Vec<PythonFrame>)>),
    /// The interpreter changed while it was read, or it has ended.
    Failed,
}

impl Interpreter {
    /// Attach to a running process; takes 10 to 100 ms of this side's CPU.
    pub(super) fn attach(pid: u32) -> Result<Self, PythonFailure> {
        let config = Config {
            // The default pauses the process for each reading, and so its requests.
            blocking: LockingStrategy::NonBlocking,
            gil_only: true,
            native: false,
            lineno: LineNo::NoLine,
            collect_thread_names: false,
            ..Config::default()
        };
        // The reader follows pointers in memory that changes; if it panics, that is a failed
        // reading, not the end of the load run.
        let attached = catch_unwind(|| PythonSpy::new(pid as i32, &config));
        match attached {
            Ok(Ok(spy)) => {
                let threads = ThreadNumbers::of(pid);
                Ok(Self { pid, spy, threads, known: vec![pid], until_count: 0 })
            }
            Ok(Err(error)) => Err(explain(pid, format!("{error:#}"))),
            Err(_) => Err(PythonFailure::NotFound { pid, cause: "the reader broke off".into() }),
        }
    }

    /// Read the threads that are on a CPU. Those that hold the interpreter's lock are not the same:
    /// C code releases it around system calls and long computations, whose callers would never be
    /// seen. With many threads only the lock's holder is read, since reading them all would cost a
    /// core (py-spy #811).
    pub(super) fn read(&mut self) -> Reading {
        self.until_count = self.until_count.checked_sub(1).unwrap_or(COUNT_EVERY);
        let is_count = self.until_count == 0;
        self.spy.config.gil_only = self.known.len() > FEW_THREADS && !is_count;
        if self.spy.config.gil_only {
            let Some(traces) = self.traces() else { return Reading::Failed };
            return Reading::of(self.numbered(traces));
        }
        let Some(running) = running(self.pid, &self.known) else { return Reading::Failed };
        if running.is_empty() && !is_count {
            return Reading::Idle;
        }
        let Some(traces) = self.traces() else { return Reading::Failed };
        let mut threads = self.numbered(traces);
        self.known = threads.iter().filter_map(|(tid, _)| *tid).collect();
        threads.retain(|(tid, _)| tid.is_none_or(|tid| running.contains(&tid)));
        Reading::of(threads)
    }

    fn traces(&mut self) -> Option<Vec<StackTrace>> {
        catch_unwind(AssertUnwindSafe(|| self.spy.get_stack_traces())).ok()?.ok()
    }

    fn numbered(&mut self, traces: Vec<StackTrace>) -> Vec<(Option<u32>, Vec<PythonFrame>)> {
        traces
            .into_iter()
            .filter(|trace| !trace.frames.is_empty())
            .map(|trace| (self.threads.number(self.pid, &trace), frames(trace)))
            .collect()
    }
}

impl Reading {
    fn of(threads: Vec<(Option<u32>, Vec<PythonFrame>)>) -> Self {
        if threads.is_empty() { Self::Idle } else { Self::Running(threads) }
    }
}

/// Whether a process still exists (a zombie has no memory).
pub(super) fn is_alive(pid: u32) -> bool {
    Process::new(pid as i32)
        .and_then(|process| process.stat())
        .is_ok_and(|stat| !matches!(stat.state, 'Z' | 'X'))
}

/// The threads that are on a CPU or wait for one; `None` if all have ended.
fn running(pid: u32, threads: &[u32]) -> Option<Vec<u32>> {
    let mut is_alive = threads.is_empty();
    let mut running = Vec::new();
    for &tid in threads {
        let stat = std::fs::read(format!("/proc/{pid}/task/{tid}/stat")).unwrap_or_default();
        // The name before the state may contain any byte, also a parenthesis.
        let end = stat.iter().rposition(|&byte| byte == b')');
        match end.and_then(|end| stat.get(end + 2)) {
            None | Some(b'Z' | b'X') => {}
            Some(state) => {
                is_alive = true;
                running.extend((*state == b'R').then_some(tid));
            }
        }
    }
    is_alive.then_some(running)
}

fn frames(trace: StackTrace) -> Vec<PythonFrame> {
    let named = trace.frames.into_iter().map(|frame| {
        let file = frame.short_filename.as_deref().unwrap_or(&frame.filename);
        PythonFrame {
            name: format!("{} ({file})", frame.name),
            is_entry: frame.is_entry || frame.is_shim_entry,
        }
    });
    named.collect()
}

/// `cause` is the reader's own chain of errors; it has no types to distinguish them.
fn explain(pid: u32, cause: String) -> PythonFailure {
    // Opening a process's memory needs the same right as reading it. Yama refuses only that, and
    // the reader then reports that it cannot find an interpreter.
    let is_refused = File::open(format!("/proc/{pid}/mem"))
        .is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
    if is_refused || cause.contains("ermission denied") || cause.contains("not permitted") {
        PythonFailure::NotPermitted(pid)
    } else if cause.contains("version") {
        PythonFailure::UnknownVersion { pid, version: cause }
    } else {
        PythonFailure::NotFound { pid, cause }
    }
}

/// Thread ids: the interpreter knows its threads by the ids of their own PID namespace, the
/// kernel's samples have those of this one.
#[derive(Default)]
struct ThreadNumbers {
    /// By the number in the process's own namespace.
    ours: HashMap<u32, u32>,
}

impl ThreadNumbers {
    fn of(pid: u32) -> Self {
        let mut threads = Self::default();
        threads.list(pid);
        threads
    }

    fn number(&mut self, pid: u32, trace: &StackTrace) -> Option<u32> {
        if let Some(inner) = trace.os_thread_id.map(|id| id as u32) {
            if !self.ours.contains_key(&inner) {
                self.list(pid);
            }
            if let Some(&tid) = self.ours.get(&inner) {
                return Some(tid);
            }
        }
        // Before 3.11 the interpreter does not store it; and after a fork it may still have its
        // parent's id. The main thread is the one that runs the module.
        let outermost = trace.frames.last()?;
        let is_main = outermost.name == "<module>" || outermost.filename.contains("runpy");
        (is_main || self.ours.len() == 1).then_some(pid)
    }

    fn list(&mut self, pid: u32) {
        self.ours.clear();
        let tasks = Process::new(pid as i32).and_then(|process| process.tasks());
        for task in tasks.into_iter().flatten().flatten() {
            let inner = task.status().ok().and_then(|status| status.nspid?.last().copied());
            self.ours.insert(inner.unwrap_or(task.tid) as u32, task.tid as u32);
        }
    }
}
