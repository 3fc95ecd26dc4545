//! The sidecar: attaches to a target, gathers samples and readings while it runs, and hands over a
//! recording. The target is never stopped, and what cannot be had is said, not an error.
//!
//! `attach` finds the best way to sample, `follow` reads the rings on a thread of its own,
//! `gather` makes samples of records, `counting` counts what target and generator do, `launch`
//! starts a command so that nothing of it is missed, `recording` is what is handed over.

mod attach;
mod counting;
pub mod launch;
mod poll_interval;
mod recording;
mod ring_reader;
mod sample_builder;
mod stack_size;

use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use rustix::thread::{CpuSet, sched_setaffinity};
use uringbench_core::time::Timestamp;
use uringbench_machine::{cgroup, cpus, processes};
use uringbench_perf::{CpuClock, SamplingConfig, Session};

pub use self::attach::{Attachment, Mode};
pub use self::counting::Counted;
use self::counting::Counting;
use self::poll_interval::{PollInterval, SwitchSampling, WAIT_PERIOD_FIRST};
pub use self::recording::Recording;
pub use self::ring_reader::Switch;
pub use self::ring_reader::now;
use self::ring_reader::{ReaderCommand, ReaderResult, RingReader};
use self::sample_builder::{CpuWeight, SampleBuilder};
pub use self::sample_builder::{Tally, Toggled};
use self::stack_size::StackSize;
use crate::page_faults::PageFaults;
use crate::profile::{Clock, SampleLog};
use crate::python::{PythonSampler, PythonSettings};
use crate::record::{ProcessTree, RecordOrder};
use crate::runtime::Runtime;
use crate::selector::{Found, Selector};
use crate::timeline::reading::Reading;
use crate::timeline::sampler::{Sampler, SamplerOptions};

/// What to record of a target.
#[derive(Clone, Debug)]
pub struct SidecarOptions {
    /// Samples per second of CPU time, 1 to 10,000; `None` takes no samples, only readings and
    /// counts.
    pub hz: Option<u32>,
    /// Readings of the timeline per second, 1 to 100.
    pub timeline_hz: u32,
    /// Whether to follow where memory that stays comes from.
    pub follows_memory: bool,
    /// CPUs that the sidecar's threads may use; all when empty.
    pub cpus: Vec<usize>,
    /// The folder for samples that are spilled to disk; they have no name there.
    pub folder: PathBuf,
}

/// A sidecar at work.
#[derive(Debug)]
pub struct Sidecar {
    attachment: Attachment,
    started: Timestamp,
    options: SidecarOptions,
    reader: Option<ReaderThread>,
    timeline: Option<Sampler>,
    python: Option<PythonSampler>,
    /// Whom to count: the target as it was found.
    target: Found,
    counting: Mutex<Counting>,
    notes: Vec<String>,
}

#[derive(Debug)]
struct ReaderThread {
    commands: Sender<ReaderCommand>,
    thread: JoinHandle<ReaderResult>,
    clock: Clock,
    hz: u32,
}

/// Python is sampled at most so often: a sample costs the reader 0.15 ms.
const PYTHON_HZ_MAX: u32 = 100;

impl Sidecar {
    /// Begin to record what `selector` was found to mean.
    pub fn attach(selector: Selector, found: Found, options: SidecarOptions) -> Self {
        // Threads inherit where they may run from the one that starts them.
        let before = processes::threads(std::process::id());
        let starter = std::thread::spawn(move || {
            stay_on(&options.cpus);
            Self::start(selector, found, options)
        });
        let sidecar = starter.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let ours = processes::threads(std::process::id()).into_iter();
        let ours = ours.filter(|tid| !before.contains(tid)).collect();
        Self { counting: Mutex::new(Counting::without(ours)), ..sidecar }
    }

    fn start(selector: Selector, found: Found, options: SidecarOptions) -> Self {
        let mut notes = Vec::from_iter(several_trees(&selector, &found));
        let started = now();
        let (mut attachment, mut reader, mut python) = (Attachment::Unsampled, None, None);
        if let Some(hz) = options.hz {
            (attachment, reader) = match follow_samples(&found, &options, hz, &mut notes) {
                Ok((attachment, reader)) => (attachment, Some(reader)),
                Err(reasons) => (Attachment::ProcfsOnly(reasons), None),
            };
            python = python_sampler(&found, hz)
                .inspect_err(|why| {
                    notes.push(format!("Python is not read: no thread for it: {why}"));
                })
                .ok();
        }
        let target = found.clone();
        let read =
            SamplerOptions { hz: options.timeline_hz, follows_heaps: options.follows_memory };
        let timeline = Sampler::start(selector, found, read);
        let timeline = timeline
            .inspect_err(|why| notes.push(format!("there is no timeline: no thread for it: {why}")))
            .ok();
        let counting = Mutex::default();
        Self { attachment, started, options, reader, timeline, python, target, counting, notes }
    }

    /// Whether and how the target is sampled.
    pub const fn attachment(&self) -> &Attachment {
        &self.attachment
    }

    /// Switch sampling on and off at these moments, in order.
    pub fn toggle(&self, switches: Vec<Switch>) {
        if let Some(reader) = &self.reader {
            // A follower that has ended hears nothing; its recording will say so.
            let _ended = reader.commands.send(ReaderCommand::Toggle(switches));
        }
    }

    /// Say whether a window is being measured, in which nothing costly may be read.
    pub fn measuring(&self, is_measuring: bool) {
        if let Some(timeline) = &self.timeline {
            timeline.measuring(is_measuring);
        }
        let mut counting = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
        match is_measuring {
            true => counting.begin(&match &self.target.cgroup {
                Some(folder) => cgroup::processes(folder).into_iter().collect(),
                None => processes::descendants(&self.target.members),
            }),
            false => counting.end(),
        }
    }

    /// The readings of the timeline so far, without the first `seen`.
    pub fn readings_after(&self, seen: usize) -> Vec<Reading> {
        self.timeline.as_ref().map(|timeline| timeline.readings_after(seen)).unwrap_or_default()
    }

    /// The garbage-collected runtimes that were recognised so far.
    pub fn runtimes(&self) -> Vec<Runtime> {
        self.timeline.as_ref().map(Sampler::runtimes).unwrap_or_default()
    }

    /// End and hand over what was recorded. Takes as long as naming the functions takes.
    pub fn detach(self) -> Recording {
        let ended = now();
        let Self { attachment, started, options, reader, timeline, python, mut notes, .. } = self;
        let counting = self.counting.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (counted, failures) = counting.finish();
        notes.extend(failures);
        let sampled = timeline.map(Sampler::stop).unwrap_or_default();
        let python = python.map(PythonSampler::stop);
        let read = reader.and_then(|reader| {
            let _ended = reader.commands.send(ReaderCommand::Stop);
            let (clock, hz) = (reader.clock, reader.hz);
            reader.thread.join().ok().map(|read| (read, clock, hz))
        });
        let parts = recording::Parts {
            attachment,
            started,
            ended,
            options,
            sampled,
            python,
            read,
            counted,
            notes,
        };
        parts.assemble()
    }
}

/// Says that a name is that of processes which have nothing to do with each other.
fn several_trees(selector: &Selector, found: &Found) -> Option<String> {
    const SHOWN: usize = 5;
    let Selector::Name(name) = selector else { return None };
    let count = found.roots.len();
    let shown: Vec<_> = found.roots.iter().take(SHOWN).map(u32::to_string).collect();
    let more = if count > SHOWN { ", …" } else { "" };
    (count > 1).then(|| {
        format!(
            "{count} process trees are called `{name}` (PIDs {}{more}) and all of them are the \
             target: give a PID for one of them",
            shown.join(", ")
        )
    })
}

fn follow_samples(
    found: &Found,
    options: &SidecarOptions,
    hz: u32,
    notes: &mut Vec<String>,
) -> Result<(Attachment, ReaderThread), Vec<String>> {
    let opened = attach::open(found, &config(hz), &sampled_cpus())?;
    let spill = unnamed_file(options).map_err(|why| {
        vec![format!(
            "samples cannot be kept in {}: {why}; name another folder with -o DIR",
            options.folder.display()
        )]
    })?;
    let attach::Opened { mut session, mode, is_user_only, instead_of, backlog } = opened;
    let tree = match mode {
        Mode::SystemWide => ProcessTree::new([]),
        Mode::Cgroup | Mode::Tasks => ProcessTree::everything(),
    };
    let weight = match session.clock() {
        CpuClock::CpuClock => CpuWeight::Period,
        CpuClock::Cycles => CpuWeight::Fixed(1_000_000_000 / u64::from(session.hz())),
    };
    let memory = match options.follows_memory {
        true => attach::open_for_memory(found, &sampled_cpus())
            .inspect_err(|why| notes.push(format!("where memory comes from is not known: {why}")))
            .ok(),
        false => None,
    };
    let page_faults =
        options.follows_memory.then(|| PageFaults::new(rustix::param::page_size() as u64));
    let has_wait_stacks = !is_user_only;
    let mut builder =
        SampleBuilder::new(tree, SampleLog::in_file(spill), page_faults, weight, has_wait_stacks);
    session.enable().map_err(|why| vec![format!("sampling cannot be switched on: {why}")])?;
    // Only now, so that no child escapes between being listed and being followed.
    let members = match &found.cgroup {
        Some(_) => found.members.clone(),
        None => processes::descendants(&found.members),
    };
    members.into_iter().for_each(|pid| builder.adopt(pid));
    let mut order = RecordOrder::default();
    for (cpu, bytes) in backlog {
        if let Some(time) = crate::record::peek_time(&bytes) {
            order.push(cpu, time, &bytes);
        }
    }
    let (clock, hz) = (clock(&session), session.hz());
    let reader = RingReader {
        session,
        memory,
        builder,
        order,
        roots: found.roots.clone(),
        switches: Vec::new(),
        poll_interval: SwitchSampling::new(now()),
        rounds: PollInterval::new(),
        stack_size: StackSize::new(now(), hz),
    };
    let (commands, receiver) = channel();
    let thread = std::thread::Builder::new()
        .name("sampler".to_owned())
        .spawn(move || reader.run(&receiver))
        .map_err(|why| vec![format!("no thread for the profiler: {why}")])?;
    let attachment = Attachment::Sampling { mode, is_user_only, instead_of };
    Ok((attachment, ReaderThread { commands, thread, clock, hz }))
}

fn clock(session: &Session) -> Clock {
    match session.clock() {
        CpuClock::Cycles => Clock::Cycles,
        CpuClock::CpuClock => Clock::CpuClock,
    }
}

fn config(hz: u32) -> SamplingConfig {
    SamplingConfig {
        clock: CpuClock::Cycles,
        hz,
        switches: true,
        off_cpu_period: Some(WAIT_PERIOD_FIRST),
        ..SamplingConfig::default()
    }
}

fn python_sampler(found: &Found, hz: u32) -> std::io::Result<PythonSampler> {
    let members = found.members.clone();
    let settings = PythonSettings { hertz: hz.min(PYTHON_HZ_MAX) };
    PythonSampler::start(settings, move || processes::descendants(&members))
}

/// A file without a name: it is gone with its last user, however that ends.
fn unnamed_file(options: &SidecarOptions) -> std::io::Result<File> {
    let path = options.folder.join(format!(".samples-{}.partial", std::process::id()));
    let mut how = File::options();
    let file = how.read(true).write(true).create(true).truncate(true).open(&path)?;
    std::fs::remove_file(path)?;
    Ok(file)
}

/// The CPUs that can be sampled.
pub(crate) fn sampled_cpus() -> Vec<u32> {
    cpus::online().iter().filter_map(|cpu| u32::try_from(cpu).ok()).collect()
}

/// Keep this thread to some CPUs; where that is refused it runs where it may. It is no nicer than
/// others: behind a target with hundreds of busy threads it would come too late to its readings.
fn stay_on(cpus: &[usize]) {
    if cpus.is_empty() {
        return;
    }
    let mut set = CpuSet::new();
    cpus.iter().filter(|&&cpu| cpu < CpuSet::MAX_CPU).for_each(|&cpu| set.set(cpu));
    let _refused = sched_setaffinity(None, &set);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_of_one_name_are_counted() {
        let found = |roots: &[u32]| Found { roots: roots.to_vec(), ..Found::default() };
        let named = Selector::Name("nginx".to_owned());
        assert_eq!(several_trees(&named, &found(&[7])), None);
        assert_eq!(several_trees(&Selector::Pid(7), &found(&[7, 8])), None);
        let note = several_trees(&named, &found(&[7, 8])).expect("two");
        assert!(note.starts_with("2 process trees are called `nginx` (PIDs 7, 8) and"), "{note}");
        let note = several_trees(&named, &found(&[1, 2, 3, 4, 5, 6])).expect("six");
        assert!(note.contains("(PIDs 1, 2, 3, 4, 5, …)"), "{note}");
    }
}
