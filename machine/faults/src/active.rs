//! A fault from its plan to the thing itself: find the target, refuse what would hit the wrong one,
//! prepare the undo, act, and see that it works.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::fs::{FallocateFlags, Mode, OFlags, fallocate, fstatvfs, open, stat};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use rustix::thread::{CpuSet, sched_setaffinity};
use uringbench_core::chaos::{FaultKind, ProxyDirection, Toxic};
use uringbench_core::summary::plural;
use uringbench_machine::{cgroup, processes};

use crate::commands;
use crate::process::ProcessId;
use crate::proxy::ProxyControl;
use crate::undo::{Undo, set_soft, soft_limit};

/// How long a fault may take until it is seen to work.
const SEEN_WITHIN: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_micros(200);
/// Processes of this name keep the machine reachable.
const KEPT: &str = "sshd";
const ALL_ENDED: &str = "all its processes have ended";
/// A full file system is filled in steps down to this size, in bytes.
const STEP_MIN: u64 = 4_096;

/// The processes that a fault is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundProcesses {
    /// All of them, in order of PID.
    pub members: Vec<u32>,
    /// The folder of their control group, if one was named.
    pub cgroup: Option<PathBuf>,
}

/// The targets of faults, by name.
pub trait Targets: Send + Sync {
    /// The processes of this name now.
    ///
    /// # Errors
    /// There are none: cause and fix.
    fn find(&self, name: &str) -> Result<FoundProcesses, String>;
    /// Whether the run has started it, and can start it again.
    fn is_ours(&self, name: &str) -> bool;
    /// Starts it again, and waits until it is ready; `false` if the user ended the run meanwhile.
    ///
    /// # Errors
    /// It does not become ready.
    fn restart(&self, name: &str) -> Result<bool, String>;
    /// The proxy of this name.
    fn proxy(&self, name: &str) -> Option<Arc<ProxyControl>>;
    /// Folders on file systems that must not be full, such as that of the results.
    fn kept_folders(&self) -> Vec<PathBuf>;
    /// CPUs that no thread of a fault may use.
    fn kept_cpus(&self) -> Vec<usize>;
    /// The folder in which commands run, absolute.
    fn folder(&self) -> PathBuf;
}

/// Why a fault did not begin: cause and fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BeginError(pub(crate) String);

impl From<String> for BeginError {
    fn from(cause: String) -> Self {
        Self(cause)
    }
}

/// Everything that is needed to begin a fault.
#[derive(Debug)]
pub(crate) enum Prepared {
    Nothing,
    Stop(Vec<ProcessId>),
    Write { file: PathBuf, old: String, new: String },
    Files(Vec<(ProcessId, Option<u64>, u64)>),
    Fill { folder: OwnedFd, leave: u64 },
    Burn { cpus: Vec<usize> },
    Exec { start: String, verify: Option<String>, stop: String, folder: PathBuf },
    Kill { processes: Vec<ProcessId>, signal: Signal },
    Toxic { control: Arc<ProxyControl>, toxic: Toxic, direction: ProxyDirection },
}

/// What keeps a fault there as long as this process has it.
#[derive(Debug)]
pub(crate) enum Held {
    Nothing,
    /// A file without a name, which takes the space of a file system.
    File(#[expect(dead_code, reason = "its end is the undo")] OwnedFd),
    Burning(#[cfg_attr(not(test), expect(dead_code, reason = "its end is the undo"))] Burning),
    /// A proxy with a toxic.
    Toxic(ActiveToxic),
}

impl Held {
    /// Ends it.
    ///
    /// # Errors
    /// It is not seen to be over: cause and fix.
    pub(crate) fn end(self) -> Result<(), String> {
        let Self::Toxic(ActiveToxic(control)) = &self else { return Ok(()) };
        control.set(None);
        if control.await_seen() {
            return Ok(());
        }
        Err("the proxy does not listen again: end what took its address meanwhile".to_owned())
    }
}

/// The toxic of a proxy, until this is dropped.
#[derive(Debug)]
pub(crate) struct ActiveToxic(Arc<ProxyControl>);

impl Drop for ActiveToxic {
    fn drop(&mut self) {
        self.0.set(None);
    }
}

/// Threads that use CPU time until this is dropped.
#[derive(Debug)]
pub(crate) struct Burning {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Drop for Burning {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // It only counts, so it cannot panic.
            let _ended = thread.join();
        }
    }
}

/// What a fault would do now, in words.
///
/// # Errors
/// It would be refused: cause and fix.
pub fn check(kind: &FaultKind, targets: &dyn Targets) -> Result<String, BeginError> {
    let prepared = prepare(kind, targets)?;
    let undo = match &prepared {
        Prepared::Nothing => "nothing to undo",
        Prepared::Kill { .. } => "nothing to undo; it is started again",
        Prepared::Fill { .. } | Prepared::Burn { .. } | Prepared::Toxic { .. } => {
            "ends with this process"
        }
        _ => "undone by this process, or by its watchdog",
    };
    Ok(format!("{}; {undo}", prepared.seen()))
}

/// Finds the target and the undo. Changes nothing.
pub(crate) fn prepare(kind: &FaultKind, targets: &dyn Targets) -> Result<Prepared, BeginError> {
    Ok(match kind {
        FaultKind::Nothing => Prepared::Nothing,
        FaultKind::Pause { process } => {
            let found = found(targets, process)?;
            let freezer = found.cgroup.as_deref();
            match freezer.and_then(|folder| freezer_of(Path::new(cgroup::MOUNT), folder)) {
                Some((file, old, new)) => {
                    apart(file.parent().unwrap_or(&file))?;
                    Prepared::Write { file, old, new }
                }
                None => Prepared::Stop(ids(&found)),
            }
        }
        FaultKind::Kill { process, signal, .. } => {
            let signal = Signal::from_named_raw(*signal)
                .ok_or_else(|| format!("there is no signal {signal}"))?;
            Prepared::Kill { processes: ids(&found(targets, process)?), signal }
        }
        FaultKind::Cpu { process, limit } => {
            let folders = controller(&found(targets, process)?, "cpu")?;
            cpu_limit(&folders, *limit)?
        }
        FaultKind::Memory { process, limit } => {
            let folders = controller(&found(targets, process)?, "memory")?;
            memory_limit(&folders, *limit)?
        }
        FaultKind::Burn { threads, cpus } => burn(*threads, cpus, &targets.kept_cpus())?,
        FaultKind::Fds { process, spare } => files(&found(targets, process)?, *spare)?,
        FaultKind::DiskFull { folder, leave } => fill(folder, *leave, &targets.kept_folders())?,
        FaultKind::Exec { start, verify, stop } => Prepared::Exec {
            start: start.clone(),
            verify: verify.clone(),
            stop: stop.clone(),
            folder: targets.folder(),
        },
        FaultKind::Proxy { proxy, direction, toxic } => {
            let none = || format!("there is no [[proxy]] `{proxy}`: add it to the file");
            let control = targets.proxy(proxy).ok_or_else(none)?;
            Prepared::Toxic { control, toxic: *toxic, direction: *direction }
        }
    })
}

/// The processes of a name, unless a fault would hit the wrong ones.
fn found(targets: &dyn Targets, name: &str) -> Result<FoundProcesses, String> {
    let found = targets.find(name)?;
    let ours = ProcessId::own();
    let ancestors = ours.ancestors();
    // Such as the watchdog; what the plan starts is a target.
    let is_ours = targets.is_ours(name);
    let started = if is_ours { Vec::new() } else { processes::descendants(&[ours.pid]) };
    for pid in &found.members {
        let why = if *pid == 1 {
            "is the init of this machine"
        } else if *pid == ours.pid {
            "is uringbench itself"
        } else if ancestors.contains(pid) {
            "has started uringbench"
        } else if started.contains(pid) {
            "is a part of this run"
        } else if fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|it| it.trim() == KEPT)
        {
            "keeps this machine reachable"
        } else {
            continue;
        };
        return Err(format!("`{name}` includes process {pid}, which {why}: name another target"));
    }
    if found.members.is_empty() {
        return Err(format!("`{name}` has no process: start it first"));
    }
    Ok(found)
}

fn ids(found: &FoundProcesses) -> Vec<ProcessId> {
    found.members.iter().filter_map(|pid| ProcessId::of(*pid)).collect()
}

/// The file that freezes a control group, with the values that thaw and freeze it. A group of
/// another old hierarchy is frozen by that of the same path and processes in the freezer's.
fn freezer_of(mount: &Path, folder: &Path) -> Option<(PathBuf, String, String)> {
    let files = [("cgroup.freeze", "0", "1"), ("freezer.state", "THAWED", "FROZEN")];
    let below = folder.strip_prefix(mount).ok().map(Path::components);
    let below = below.map(|mut parts| {
        parts.next();
        mount.join("freezer").join(parts.as_path())
    });
    let is_same = |other: &PathBuf| cgroup::processes(other) == cgroup::processes(folder);
    let folders = [Some(folder.to_path_buf()), below.filter(is_same)];
    folders.into_iter().flatten().find_map(|folder| {
        let known = files.into_iter().find(|(name, ..)| folder.join(name).is_file());
        known.map(|(name, old, new)| (folder.join(name), old.to_owned(), new.to_owned()))
    })
}

/// Refuses a control group that uringbench is in as well.
fn apart(folder: &Path) -> Result<(), String> {
    if cgroup::processes(folder).contains(&std::process::id()) {
        return Err(format!(
            "uringbench is in the same control group as the target, {}: a limit would hit both; \
             start the target in one of its own",
            folder.display()
        ));
    }
    Ok(())
}

/// The folder of the control group of some processes that has the files of a controller.
fn controller(found: &FoundProcesses, name: &'static str) -> Result<PathBuf, String> {
    let first = found.members.first().copied().unwrap_or_default();
    let folder = found.cgroup.clone().filter(|folder| has_limits(folder, name));
    let folder = folder.or_else(|| cgroup::limits_of(first, name)).ok_or_else(|| {
        format!(
            "process {first} has no control group with a limit of {name}: start the target in \
             one, such as with `systemd-run --scope`, or in a container"
        )
    })?;
    apart(&folder)?;
    Ok(folder)
}

fn has_limits(folder: &Path, controller: &str) -> bool {
    cgroup::limit_files(controller).iter().any(|file| folder.join(file).is_file())
}

fn read(file: &Path) -> Result<String, String> {
    let text = fs::read_to_string(file).map_err(|why| format!("{}: {why}", file.display()))?;
    Ok(text.trim().to_owned())
}

fn cpu_limit(folder: &Path, cpus: f64) -> Result<Prepared, String> {
    let unified = folder.join("cpu.max");
    if unified.is_file() {
        let old = read(&unified)?;
        let new = format!("{:.0} 100000", cpus * 100_000.0);
        return Ok(Prepared::Write { file: unified, old, new });
    }
    let file = folder.join("cpu.cfs_quota_us");
    let period: f64 = read(&folder.join("cpu.cfs_period_us"))?.parse().unwrap_or(100_000.0);
    let old = read(&file)?;
    Ok(Prepared::Write { file, old, new: format!("{:.0}", cpus * period) })
}

fn memory_limit(folder: &Path, bytes: u64) -> Result<Prepared, String> {
    let unified = folder.join("memory.max");
    let file = if unified.is_file() { unified } else { folder.join("memory.limit_in_bytes") };
    let old = read(&file)?;
    // The kernel rounds down to whole pages.
    Ok(Prepared::Write { file, old, new: (bytes / 4_096 * 4_096).to_string() })
}

fn burn(threads: u32, cpus: &[usize], kept: &[usize]) -> Result<Prepared, String> {
    if let Some(cpu) = cpus.iter().find(|cpu| kept.contains(cpu)) {
        return Err(format!(
            "CPU {cpu} is a worker's: threads beside it would slow the load, not the target; \
             name other CPUs, or other workers with --cores"
        ));
    }
    let allowed = uringbench_machine::cpus::allowed();
    let mut usable: Vec<usize> = allowed.iter().filter(|cpu| !kept.contains(cpu)).collect();
    if !cpus.is_empty() {
        usable.retain(|cpu| cpus.contains(cpu));
    }
    if usable.is_empty() {
        return Err("every CPU is a worker's: leave some to the target with --cores".to_owned());
    }
    let cpus = (0..threads.max(1) as usize).map(|number| usable[number % usable.len()]).collect();
    Ok(Prepared::Burn { cpus })
}

fn files(found: &FoundProcesses, spare: u64) -> Result<Prepared, String> {
    let mut limits = Vec::new();
    for process in ids(found) {
        let Some(pid) = Pid::from_raw(process.pid.cast_signed()) else { continue };
        let found = soft_limit(pid).and_then(|(soft, _)| Ok((soft, limit_with(pid, spare)?)));
        let (soft, new) = match found {
            Err(_) if !process.is_there() => continue,
            found => found?,
        };
        if let Some(soft) = soft.filter(|soft| *soft <= new) {
            return Err(format!(
                "process {} may open {soft} files, so {spare} more are no limit: give a smaller \
                 `spare`",
                process.pid
            ));
        }
        limits.push((process, soft, new));
    }
    Ok(Prepared::Files(limits))
}

/// The limit with which a process may open `spare` more files: it is one of their numbers, and
/// each gets the least that is free.
fn limit_with(pid: Pid, spare: u64) -> Result<u64, String> {
    let list = format!("/proc/{}/fd", pid.as_raw_nonzero());
    let entries = fs::read_dir(&list).map_err(|why| format!("{list}: {why}"))?.flatten();
    let taken = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(free_number(&taken.collect(), spare))
}

/// The free number after `before` other ones.
fn free_number(taken: &BTreeSet<u64>, before: u64) -> u64 {
    // Each taken one up to it moves it by one.
    taken.iter().fold(before, |number, taken| number.saturating_add(u64::from(*taken <= number)))
}

fn fill(folder: &str, leave: u64, kept: &[PathBuf]) -> Result<Prepared, String> {
    let device = |path: &Path| stat(path).map(|found| found.st_dev);
    let ours = device(Path::new(folder)).map_err(|why| format!("{folder}: {why}"))?;
    if device(Path::new("/")).is_ok_and(|root| root == ours) {
        return Err(format!(
            "{folder} is on the root file system: a machine without space is hard to use; give \
             the target a file system of its own"
        ));
    }
    if let Some(kept) = kept.iter().find(|path| device(path).is_ok_and(|kept| kept == ours)) {
        return Err(format!(
            "{folder} is on the file system of {}, which uringbench needs: store the results \
             elsewhere with -o",
            kept.display()
        ));
    }
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let folder = open(folder, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|why| format!("{folder}: no file without a name can be made there: {why}"))?;
    Ok(Prepared::Fill { folder, leave })
}

impl Prepared {
    /// The undo of each part; nothing for what ends with this process.
    pub(crate) fn undo(&self) -> Vec<Undo> {
        match self {
            Self::Stop(processes) => vec![Undo::Continue { processes: processes.clone() }],
            Self::Write { file, old, .. } => {
                vec![Undo::Write { file: file.clone(), value: old.clone() }]
            }
            Self::Files(limits) => limits
                .iter()
                .map(|&(process, soft, new)| Undo::Files { process, soft, new })
                .collect(),
            Self::Exec { verify, stop, folder, .. } => {
                let (stop, verify, folder) = (stop.clone(), verify.clone(), folder.clone());
                vec![Undo::Command { folder, stop, verify }]
            }
            Self::Nothing
            | Self::Fill { .. }
            | Self::Burn { .. }
            | Self::Kill { .. }
            | Self::Toxic { .. } => Vec::new(),
        }
    }

    /// How long it may take until it is seen to work, or not.
    pub(crate) fn begins_within(&self) -> Duration {
        match self {
            // The last look may begin just before the deadline.
            Self::Exec { .. } => SEEN_WITHIN + 2 * commands::WITHIN,
            _ => SEEN_WITHIN,
        }
    }

    /// What it does, in words.
    pub(crate) fn seen(&self) -> String {
        match self {
            Self::Nothing => "nothing".to_owned(),
            Self::Stop(processes) => {
                format!("SIGSTOP to {}", plural(processes.len() as u64, "process"))
            }
            Self::Write { file, old, new } => format!("{} {old} -> {new}", file.display()),
            Self::Files(limits) => {
                let each = limits.iter().map(|(process, _, new)| (process.pid, new));
                let each: Vec<_> = each.map(|(pid, new)| format!("{pid}: {new}")).collect();
                format!("limit of open files of {}", each.join(", "))
            }
            Self::Fill { leave, .. } => format!("a file system with {leave} bytes left"),
            Self::Burn { cpus } => format!("threads on CPUs {cpus:?}"),
            Self::Exec { start, .. } => format!("`{start}`"),
            Self::Toxic { toxic, direction, .. } => {
                format!("proxy: {} ({})", toxic.key(), direction.key())
            }
            Self::Kill { processes, signal } => {
                let pids: Vec<_> = processes.iter().map(|it| it.pid.to_string()).collect();
                format!("signal {} to {}", signal.as_raw(), pids.join(", "))
            }
        }
    }

    /// Begins it.
    pub(crate) fn act(&self) -> Result<Held, String> {
        match self {
            Self::Nothing => {}
            Self::Stop(processes) => signal_all(processes, Signal::STOP)?,
            Self::Kill { processes, signal } => signal_all(processes, *signal)?,
            Self::Write { file, new, .. } => {
                fs::write(file, new).map_err(|why| format!("{}: {why}", file.display()))?;
            }
            Self::Files(limits) => {
                let mut reached = 0;
                for &(process, _, new) in limits {
                    reached += usize::from(set_soft(process, Some(new))?);
                }
                if reached == 0 {
                    return Err(ALL_ENDED.to_owned());
                }
            }
            Self::Fill { folder, leave } => {
                let held = folder.try_clone().map_err(|why| why.to_string())?;
                take_space(folder, *leave)?;
                return Ok(Held::File(held));
            }
            Self::Burn { cpus } => return Ok(Held::Burning(burning(cpus))),
            Self::Exec { start, folder, .. } => commands::run(start, folder)?,
            Self::Toxic { control, toxic, direction } => {
                control.set(Some((*toxic, *direction)));
                return Ok(Held::Toxic(ActiveToxic(Arc::clone(control))));
            }
        }
        Ok(Held::Nothing)
    }

    /// Waits until it is seen to work.
    pub(crate) fn await_effect(&self) -> bool {
        let asked = Instant::now();
        while !self.is_effective() {
            if asked.elapsed() > SEEN_WITHIN {
                return false;
            }
            let is_command = matches!(self, Self::Exec { .. });
            thread::sleep(if is_command { commands::LOOK_AGAIN } else { LOOK });
        }
        true
    }

    fn is_effective(&self) -> bool {
        match self {
            Self::Nothing | Self::Burn { .. } => true,
            Self::Toxic { control, .. } => control.is_seen(),
            Self::Stop(processes) => processes.iter().all(|it| it.is_stopped() || !it.is_there()),
            Self::Kill { processes, .. } => processes.iter().all(|process| !process.is_there()),
            Self::Write { file, old, .. } => {
                match file.file_name().and_then(|name| name.to_str()) {
                    Some("freezer.state") => read(file).is_ok_and(|now| now == "FROZEN"),
                    Some("cgroup.freeze") => {
                        let events =
                            read(&file.with_file_name("cgroup.events")).unwrap_or_default();
                        events.lines().any(|line| line == "frozen 1")
                    }
                    _ => read(file).is_ok_and(|now| now != *old),
                }
            }
            Self::Files(limits) => limits.iter().all(|(process, _, new)| {
                let pid = Pid::from_raw(process.pid.cast_signed());
                let limit = pid.and_then(|pid| soft_limit(pid).ok());
                limit.is_none_or(|(now, _)| now == Some(*new))
            }),
            Self::Fill { folder, leave } => {
                free_bytes(folder).is_ok_and(|free| free <= leave + 2 * STEP_MIN)
            }
            Self::Exec { verify, folder, .. } => {
                verify.as_ref().is_none_or(|verify| commands::run(verify, folder).is_ok())
            }
        }
    }
}

fn signal_all(processes: &[ProcessId], signal: Signal) -> Result<(), String> {
    let mut reached = 0;
    for process in processes {
        let sent = process.signal(signal);
        reached += usize::from(sent.map_err(|why| format!("process {}: {why}", process.pid))?);
    }
    if reached == 0 { Err(ALL_ENDED.to_owned()) } else { Ok(()) }
}

fn burning(cpus: &[usize]) -> Burning {
    let is_over = Arc::new(AtomicBool::new(false));
    let start = |cpu: &usize| {
        let (is_over, cpu) = (Arc::clone(&is_over), *cpu);
        thread::spawn(move || {
            let mut affinity = CpuSet::new();
            affinity.set(cpu);
            // Without it the thread still uses CPU time, on some CPU.
            let _pinned = sched_setaffinity(None, &affinity);
            while !is_over.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        })
    };
    let threads = cpus.iter().map(start).collect();
    Burning { is_over, threads }
}

fn free_bytes(folder: &OwnedFd) -> Result<u64, Errno> {
    let found = fstatvfs(folder)?;
    Ok(found.f_bavail * found.f_frsize)
}

/// Takes the free space of a file system, in ever smaller steps.
fn take_space(file: &OwnedFd, leave: u64) -> Result<(), String> {
    let error = |why: Errno| format!("the file system cannot be filled: {why}");
    let mut end = 0;
    let mut step = free_bytes(file).map_err(error)?.saturating_sub(leave);
    while step >= STEP_MIN {
        let room = free_bytes(file).map_err(error)?.saturating_sub(leave);
        let length = step.min(room);
        if length < STEP_MIN {
            break;
        }
        match fallocate(file, FallocateFlags::empty(), end, length) {
            Ok(()) => end += length,
            Err(Errno::NOSPC | Errno::INTR) => step /= 2,
            Err(why) => return Err(error(why)),
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
