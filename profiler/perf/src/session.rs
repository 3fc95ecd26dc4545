//! The events of one profile, with one ring per CPU.
//!
//! Events are opened disabled, those that record mappings and names before those that sample.
//! Dropping a session closes it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;

use crate::cpu_ring::{self, CpuRing, RecordSink};
use crate::event_attr::{CpuClock, PerfEventKind, SamplingConfig};
use crate::failure::{PerfError, Question, Subject};
use crate::kernel::{self, Who};

/// The tasks that a session observes.
#[derive(Debug)]
pub enum SampleScope {
    /// All tasks; needs CAP_PERFMON or `kernel.perf_event_paranoid` <= 0.
    System,
    /// The tasks of a cgroup2 directory and of those below it, including future ones; needs the
    /// same.
    Cgroup(OwnedFd),
    /// The tasks added by [`Session::add_task`], and those that they create from then on.
    Tasks,
}

/// Open events and rings.
pub struct Session {
    scope: SampleScope,
    config: SamplingConfig,
    counts_lost: bool,
    rings: Vec<CpuRing>,
    /// The events of the whole system or of the cgroup.
    events: Vec<Event>,
    tasks: BTreeMap<u32, Vec<Event>>,
    /// Records lost by events that have been closed.
    lost_before: u64,
    records: RecordSink,
    is_enabled: bool,
    is_sampling: bool,
    has_switches: bool,
}

#[derive(Debug)]
struct Event {
    descriptor: OwnedFd,
    kind: PerfEventKind,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("scope", &self.scope)
            .field("config", &self.config)
            .field("cpus", &self.rings.len())
            .field("tasks", &self.tasks.len())
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Opens the rings of `cpus`, and the events of `scope`; nothing is recorded before
    /// [`enable`](Self::enable). With [`SampleScope::Tasks`] events are opened for each added task.
    ///
    /// If the processor (or one of the CPUs) cannot count cycles, the kernel's timer is used
    /// instead: see [`clock`](Self::clock).
    pub fn open(
        scope: SampleScope,
        config: &SamplingConfig,
        cpus: &[u32],
    ) -> Result<Self, PerfError> {
        Self::with_rings(scope, config, cpus, config.ring_bytes())
    }

    fn with_rings(
        scope: SampleScope,
        config: &SamplingConfig,
        cpus: &[u32],
        ring_bytes: u64,
    ) -> Result<Self, PerfError> {
        if let Some(fault) = config.fault() {
            return Err(PerfError::BadRecipe(fault));
        }
        if cpus.is_empty() {
            return Err(PerfError::NoCpus);
        }
        let process = std::process::id();
        let counts_lost = cpu_ring::counts_lost(process);
        let mut config = config.clone();
        if let Some(most) = max_sample_rate() {
            config.hz = config.hz.min(most.max(1));
        }
        if config.clock == CpuClock::Cycles && !has_cycles(cpus) {
            config.clock = CpuClock::CpuClock;
        }
        let mut rings = CpuRing::open_all(process, cpus, ring_bytes, counts_lost)?;
        for ring in &mut rings {
            ring.set_off_cpu_period(config.off_cpu_period.unwrap_or(1));
        }
        let first_touch_period = config.first_touch_period.unwrap_or(1);
        let mut session = Self {
            scope,
            config,
            counts_lost,
            rings,
            events: Vec::new(),
            tasks: BTreeMap::new(),
            lost_before: 0,
            records: RecordSink::new(first_touch_period),
            is_enabled: false,
            is_sampling: true,
            has_switches: true,
        };
        let events = match &session.scope {
            SampleScope::System => session.open_events(Who::Everybody, Subject::Everybody)?,
            SampleScope::Cgroup(fd) => {
                session.open_events(Who::Cgroup(fd.as_fd()), Subject::Cgroup)?
            }
            SampleScope::Tasks => Vec::new(),
        };
        session.events = session.register(events);
        Ok(session)
    }

    /// Observes a task and its future threads and children (not existing ones), from now on if the
    /// session is enabled. A task that is already observed stays observed.
    ///
    /// A thread whose creator was added before the thread was created is observed without being
    /// added, with its creator's event IDs. If it is added as well, it is sampled twice, and its
    /// samples have two IDs of one kind: then [`remove_task`](Self::remove_task) it.
    pub fn add_task(&mut self, tid: u32) -> Result<(), PerfError> {
        if !matches!(self.scope, SampleScope::Tasks) {
            return Err(PerfError::NotOfTasks);
        }
        if tid == 0 || tid > i32::MAX as u32 {
            return Err(PerfError::TaskGone { tid });
        }
        if self.has_task(tid) {
            return Ok(());
        }
        let events = self.open_events(Who::Task(tid), Subject::Task(tid))?;
        let events = self.register(events);
        if self.is_enabled {
            start(events.iter().filter(|event| self.should_run(event.kind)))
                .map_err(|errno| PerfError::Other { step: "enabling an event", errno })?;
        }
        self.tasks.insert(tid, events);
        Ok(())
    }

    /// Stops observing a task, and the tasks that it has created since it was added. Returns
    /// whether it was observed. Records in the rings stay there.
    pub fn remove_task(&mut self, tid: u32) -> bool {
        let Some(events) = self.tasks.remove(&tid) else { return false };
        self.lost_before += self.lost_by(&events);
        true
    }

    /// Whether a task was added and not removed.
    pub fn has_task(&self, tid: u32) -> bool {
        self.tasks.contains_key(&tid)
    }

    /// Starts recording: first mappings and names, then samples.
    pub fn enable(&mut self) -> io::Result<()> {
        self.is_enabled = true;
        for is_sideband in [true, false] {
            let now = |event: &&Event| (event.kind == PerfEventKind::Sideband) == is_sideband;
            start(self.all().filter(now).filter(|event| self.should_run(event.kind)))?;
        }
        Ok(())
    }

    /// Stops recording.
    pub fn disable(&mut self) -> io::Result<()> {
        self.is_enabled = false;
        self.all().try_for_each(|event| kernel::disable(&event.descriptor))?;
        Ok(())
    }

    /// Switches the recording of context switches on or off. It is initially on if the config
    /// includes them.
    pub fn set_switches(&mut self, on: bool) -> io::Result<()> {
        self.has_switches = on;
        let mut switches = self.all().filter(|event| event.kind == PerfEventKind::Switches);
        if on && self.is_sampling && self.is_enabled {
            start(switches)?;
        } else {
            switches.try_for_each(|event| kernel::disable(&event.descriptor))?;
        }
        Ok(())
    }

    /// Switches samples and context switches on or off, while task starts, task ends and mappings
    /// are recorded as before. Initially on.
    pub fn set_sampling(&mut self, on: bool) -> io::Result<()> {
        self.is_sampling = on;
        let mut sampling = self.all().filter(|event| event.kind != PerfEventKind::Sideband);
        if on && self.is_enabled {
            start(sampling.filter(|event| self.should_run(event.kind)))?;
        } else {
            sampling.try_for_each(|event| kernel::disable(&event.descriptor))?;
        }
        Ok(())
    }

    /// Samples one of `period` switches away from a CPU (at least 1) from now on; without effect if
    /// the config excludes them. Samples state the period that applied when they were taken. Tasks
    /// that an added task has already created keep their period, so their samples overstate it.
    pub fn set_off_cpu_period(&mut self, period: u64) -> io::Result<()> {
        if self.config.off_cpu_period.is_none() {
            return Ok(());
        }
        let period = period.clamp(1, i64::MAX as u64);
        self.config.off_cpu_period = Some(period);
        self.all()
            .filter(|event| event.kind == PerfEventKind::OffCpu)
            .try_for_each(|event| kernel::set_period(&event.descriptor, period))?;
        for ring in &mut self.rings {
            ring.set_off_cpu_period(period);
        }
        Ok(())
    }

    /// Copies this many bytes of user stack with each sample of CPU time from now on; other samples
    /// keep their size. The events are opened again, into the same rings. Returns whether that was
    /// done: not with [`SampleScope::Tasks`], whose tasks pass on their events to those that they
    /// create.
    ///
    /// # Errors
    /// The size is invalid or the events cannot be opened; the previous ones then go on.
    pub fn set_stack_bytes(&mut self, bytes: u32) -> Result<bool, PerfError> {
        let config = SamplingConfig { stack_bytes: bytes, ..self.config.clone() };
        if let Some(fault) = config.fault() {
            return Err(PerfError::BadRecipe(fault));
        }
        let (who, subject) = match &self.scope {
            SampleScope::System => (Who::Everybody, Subject::Everybody),
            SampleScope::Cgroup(fd) => (Who::Cgroup(fd.as_fd()), Subject::Cgroup),
            SampleScope::Tasks => return Ok(false),
        };
        let opened = self.open_kinds(&config, &[PerfEventKind::Cpu], who, subject)?;
        let opened = self.register(opened);
        let failed = |errno| PerfError::Other { step: "replacing an event", errno };
        let is_cpu = |event: &Event| event.kind == PerfEventKind::Cpu;
        for event in self.events.iter().filter(|event| is_cpu(event)) {
            kernel::disable(&event.descriptor).map_err(failed)?;
        }
        if self.is_enabled && self.should_run(PerfEventKind::Cpu) {
            start(opened.iter()).map_err(failed)?;
        }
        let (replaced, kept) = std::mem::take(&mut self.events).into_iter().partition(is_cpu);
        self.events = kept;
        self.events.extend(opened);
        let replaced: Vec<Event> = replaced;
        self.lost_before += self.lost_by(&replaced);
        Ok(true)
    }

    /// Waits until a ring is a quarter full, for at most `timeout`. Returns whether one is.
    pub fn wait(&self, timeout: Duration) -> io::Result<bool> {
        Ok(cpu_ring::wait(&self.rings, timeout)?)
    }

    /// Passes every complete record to `sink`, header included, with the CPU of its ring: in order
    /// within a CPU. All samples have one layout, which includes their period, for all events.
    pub fn drain(&mut self, sink: &mut dyn FnMut(u32, &[u8])) {
        for ring in &mut self.rings {
            ring.drain(&mut self.records, sink);
        }
    }

    /// Records that did not fit into a ring since the session was opened. Before Linux 6.0 only
    /// those that the rings reported so far.
    pub fn lost(&self) -> u64 {
        let by_events = if self.counts_lost {
            self.lost_before + self.all().map(|event| self.lost_by([event])).sum::<u64>()
        } else {
            self.records.lost
        };
        by_events + self.records.dropped
    }

    /// The number of tasks that were added and not removed.
    pub fn tasks(&self) -> usize {
        self.tasks.len()
    }

    /// The kind of an event, by the ID in its records. IDs of removed tasks stay known, since their
    /// records may still be read.
    pub fn kind_of(&self, event_id: u64) -> Option<PerfEventKind> {
        self.records.kinds.get(&event_id).copied()
    }

    /// The clock for CPU time.
    pub fn clock(&self) -> CpuClock {
        self.config.clock
    }

    /// Samples per second of CPU time: the requested number, or the kernel's limit.
    pub fn hz(&self) -> u32 {
        self.config.hz
    }

    /// Bytes of data that each ring can hold.
    pub fn ring_bytes(&self) -> u64 {
        self.rings.first().map_or(0, CpuRing::ring_bytes)
    }

    fn all(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().chain(self.tasks.values().flatten())
    }

    fn should_run(&self, kind: PerfEventKind) -> bool {
        match kind {
            PerfEventKind::Sideband => true,
            PerfEventKind::Switches => self.is_sampling && self.has_switches,
            PerfEventKind::Cpu | PerfEventKind::OffCpu | PerfEventKind::FirstTouch => {
                self.is_sampling
            }
        }
    }

    /// Opens the configured events on every CPU; returns them with their IDs.
    fn open_events(&self, who: Who<'_>, subject: Subject) -> Result<Vec<(u64, Event)>, PerfError> {
        self.open_kinds(&self.config, &self.config.kinds(), who, subject)
    }

    fn open_kinds(
        &self,
        config: &SamplingConfig,
        kinds: &[PerfEventKind],
        who: Who<'_>,
        subject: Subject,
    ) -> Result<Vec<(u64, Event)>, PerfError> {
        let question = Question { subject, user_only: config.user_only };
        let inherit = matches!(who, Who::Task(_));
        let mut events = Vec::with_capacity(kinds.len() * self.rings.len());
        for &kind in kinds {
            let attr = config.attr(kind, inherit, self.counts_lost);
            for ring in &self.rings {
                let descriptor = kernel::open(&attr, who, Some(ring.cpu))
                    .map_err(|errno| question.refused(errno))?;
                let step = "joining an event with its ring";
                ring.attach(&descriptor).map_err(|errno| PerfError::Other { step, errno })?;
                let id = state(&descriptor)
                    .map_err(|errno| PerfError::Other { step: "reading an event", errno })?
                    .id;
                events.push((id, Event { descriptor, kind }));
            }
        }
        Ok(events)
    }

    fn register(&mut self, events: Vec<(u64, Event)>) -> Vec<Event> {
        self.records.kinds.extend(events.iter().map(|(id, event)| (*id, event.kind)));
        events.into_iter().map(|(_, event)| event).collect()
    }

    fn lost_by<'a>(&self, events: impl IntoIterator<Item = &'a Event>) -> u64 {
        events.into_iter().map(|event| state(&event.descriptor).map_or(0, |state| state.lost)).sum()
    }
}

/// The state of an event as read from it (`read_format` of ID, and LOST if supported).
struct State {
    id: u64,
    lost: u64,
}

fn state(event: &OwnedFd) -> Result<State, Errno> {
    let mut bytes = [0; 24];
    rustix::io::read(event, &mut bytes)?;
    let word = |index: usize| {
        let word = bytes[index * 8..index * 8 + 8].try_into().expect("it is 8 bytes");
        u64::from_ne_bytes(word)
    };
    Ok(State { id: word(1), lost: word(2) })
}

fn start<'a>(mut events: impl Iterator<Item = &'a Event>) -> Result<(), Errno> {
    events.try_for_each(|event| kernel::enable(&event.descriptor))
}

/// The kernel's current limit of samples per second.
pub fn max_sample_rate() -> Option<u32> {
    let rate = std::fs::read_to_string("/proc/sys/kernel/perf_event_max_sample_rate").ok()?;
    rate.trim().parse().ok()
}

/// Whether each of the CPUs can count cycles. An error because of missing permissions does not
/// depend on the processor: then opening the events reports the missing permissions.
pub fn has_cycles(cpus: &[u32]) -> bool {
    let config = SamplingConfig { user_only: true, ..SamplingConfig::default() };
    let attr = config.attr(PerfEventKind::Cpu, false, false);
    cpus.iter().all(|&cpu| {
        let opened = kernel::open(&attr, Who::Task(0), Some(cpu));
        !matches!(opened, Err(Errno::NOENT | Errno::OPNOTSUPP | Errno::INVAL | Errno::NODEV))
    })
}

#[cfg(test)]
mod tests;
