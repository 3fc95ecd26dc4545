//! The result of a sidecar: the profile with every frame named, the readings, and their
//! completeness.

use std::io;

use uringbench_core::time::{Nanos, Timestamp};

use super::attach::Attachment;
use super::counting::Counted;
use super::ring_reader::ReaderResult;
use super::sample_builder::{SampleBuilder, Tally, Toggled};
use super::stack_size::RaisedStack;
use super::{SidecarOptions, unnamed_file};
use crate::code::UnwindCounts;
use crate::page_faults::{LivePages, PageFaults, PageMap};
use crate::profile::{Clock, Facts, Profile, SampleLog};
use crate::python::{Fits, FramePart, Merger, PythonCounts, PythonRecording};
use crate::record::{OffCpu, ProcessTree, WaitTotals};
use crate::sample::{Sample, SampleKind};
use crate::stack::{FrameName, Location, StackTable};
use crate::timeline::sampler::Sampled;

/// The recording of a target.
#[derive(Debug)]
pub struct Recording {
    /// Whether and in which way samples were taken.
    pub attachment: Attachment,
    /// The start of the recording.
    pub started: Timestamp,
    /// The end of the recording.
    pub ended: Timestamp,
    /// The samples; `None` if none could be taken.
    pub profile: Option<Profile>,
    /// Counts of records and samples.
    pub tally: Tally,
    /// The living processes of the target, with their last names.
    pub processes: Vec<(u32, String)>,
    /// The processes that ended during the recording, with their names; of thousands the last ones.
    pub ended_processes: Vec<(u32, String)>,
    /// The threads with a name: process, thread, name.
    pub threads: Vec<(u32, u32, String)>,
    /// CPU time of other processes on the machine, in nanoseconds, the largest first; only with
    /// system-wide sampling.
    pub elsewhere: Vec<(String, u64)>,
    /// Exact waits of the target.
    pub waits: WaitTotals,
    /// The time for which waits were timed: less than the whole time if there are very many.
    pub waits_timed: Nanos,
    /// The times at which sampling was switched on and off.
    pub toggled: Vec<Toggled>,
    /// The readings of the timeline.
    pub sampled: Sampled,
    /// The results of reading Python; `None` if no process of the target runs it.
    pub python: Option<(PythonCounts, Fits)>,
    /// The kernel's counts in the measured window; `None` without one.
    pub counted: Option<Counted>,
    /// Further notes, a sentence each.
    pub notes: Vec<String>,
    page_faults: Option<PageFaults>,
}

/// The results of the threads.
pub(super) struct Parts {
    pub(super) attachment: Attachment,
    pub(super) started: Timestamp,
    pub(super) ended: Timestamp,
    pub(super) options: SidecarOptions,
    pub(super) sampled: Sampled,
    pub(super) python: Option<PythonRecording>,
    pub(super) read: Option<(ReaderResult, Clock, u32)>,
    pub(super) counted: Option<Counted>,
    pub(super) notes: Vec<String>,
}

impl Parts {
    pub(super) fn assemble(self) -> Recording {
        let Self { attachment, started, ended, options, sampled, python, read, .. } = self;
        let mut recording = Recording {
            attachment,
            started,
            ended,
            profile: None,
            tally: Tally::default(),
            processes: Vec::new(),
            ended_processes: Vec::new(),
            threads: Vec::new(),
            elsewhere: Vec::new(),
            waits: WaitTotals::default(),
            waits_timed: Nanos::ZERO,
            toggled: Vec::new(),
            sampled,
            python: None,
            counted: self.counted,
            notes: self.notes,
            page_faults: None,
        };
        if let Some((read, clock, hz)) = read {
            recording.take(read, clock, hz);
        }
        if let Some(python) = python.filter(|python| !python.counts.processes.is_empty()) {
            recording.merge_python(python, &options);
        }
        recording.notes.append(&mut recording.sampled.notes);
        recording
    }
}

impl Recording {
    fn take(&mut self, read: ReaderResult, clock: Clock, hz: u32) {
        let ReaderResult { mut builder, toggled, waits_timed, lost, raised, failures } = read;
        builder.finish(self.ended);
        self.notes.extend(failures);
        self.notes.extend(builder.failure.take().map(|why| why.to_string()));
        let names = builder.code.names(&builder.stacks);
        let counts = builder.code.counts();
        self.note_code(&builder, raised);
        // A tenth is allowed for the start and the end.
        let length = self.ended.since(self.started);
        if toggled.is_empty() && waits_timed.0 < length.0 - length.0 / 10 {
            self.notes.push(format!(
                "waits were timed in {waits_timed} of {length}, and are of that time: more than {} \
                 switches between threads a second would have cost the target too much",
                super::poll_interval::SWITCHES_MAX,
            ));
        }
        self.tally = builder.tally;
        self.tally.lost = self.tally.lost.max(lost);
        let facts = Facts {
            start: self.started,
            end: self.ended,
            clock,
            hz,
            records: self.tally.records,
            lost: self.tally.lost,
            throttled: self.tally.throttled,
            coverage: None,
            unwound: unwound(&counts),
            notes: Vec::new(),
        };
        self.waits_timed = waits_timed;
        self.toggled = toggled;
        let SampleBuilder {
            tree,
            stacks,
            log,
            off_cpu,
            page_faults,
            elsewhere,
            names: called,
            threads,
            ..
        } = builder;
        let named = |mut pids: Vec<u32>| {
            pids.sort_unstable();
            pids.into_iter().map(|pid| (pid, called_or_read(&called, pid))).collect()
        };
        self.processes = named(tree.living().collect());
        self.ended_processes = named(tree.ended().collect());
        self.waits = target_waits(&tree, &off_cpu);
        self.threads = threads
            .into_iter()
            .filter(|(_, (pid, _))| tree.contains(*pid))
            .map(|(tid, (pid, name))| (pid, tid, name))
            .collect();
        self.threads.sort_unstable();
        self.elsewhere = elsewhere
            .into_iter()
            .filter(|&(pid, _)| pid != 0)
            .map(|(pid, nanos)| (called_or_read(&called, pid), nanos))
            .collect();
        self.elsewhere.sort_unstable_by_key(|(_, nanos)| std::cmp::Reverse(*nanos));
        self.page_faults = page_faults;
        let mut profile = Profile { stacks, names, samples: log, facts };
        profile.facts.coverage = self.coverage(&profile);
        self.profile = Some(profile);
    }

    /// Notes on names and stacks.
    fn note_code(&mut self, builder: &SampleBuilder, raised: Option<RaisedStack>) {
        let counts = builder.code.counts();
        self.notes.extend(unreadable(builder));
        self.notes.extend(builder.code.unnamed());
        self.notes.extend(unnamed_scripts(builder.code.script_frames()));
        self.notes.extend(cut(&counts));
        self.notes.extend(raised.map(|raised| larger_copies(raised, self.started)));
        self.notes.extend(completed(&counts));
    }

    /// Sampled CPU time divided by the CPU time that the scheduler accounted to the target: between
    /// the first and the last reading, or in the periods in which sampling was on.
    fn coverage(&self, profile: &Profile) -> Option<f64> {
        let stretches = match self.toggled.as_slice() {
            [] => {
                let readings = &self.sampled.readings;
                let (first, last) = (readings.first()?, readings.last()?);
                let used = last.target.accounted().0.saturating_sub(first.target.accounted().0);
                vec![(first.time..last.time, used)]
            }
            toggled => toggled
                .iter()
                .zip(&toggled[1..])
                .filter(|(from, _)| from.on)
                .map(|(from, to)| {
                    (from.time..to.time, to.target_cpu_ns.saturating_sub(from.target_cpu_ns))
                })
                .collect(),
        };
        let used = stretches.iter().map(|(_, used)| used).sum::<u64>();
        let sampled: u64 = profile
            .samples
            .samples()
            .flatten()
            .filter(|sample| sample.kind == SampleKind::Cpu)
            .filter(|sample| stretches.iter().any(|(range, _)| range.contains(&sample.time)))
            .map(|sample| sample.weight)
            .sum();
        // A tenth of a second gives some ten samples at 99 Hz: fewer prove nothing.
        let coverage =
            (Nanos(used) >= Nanos::from_millis(500)).then(|| sampled as f64 / used as f64);
        // Without the kernel's part, samples can only stand for too much time: the scheduler
        // estimates user and kernel time from its ticks, which timers and switches also hit.
        let is_user_only =
            matches!(self.attachment, Attachment::Sampling { is_user_only: true, .. });
        coverage.filter(|&coverage| !is_user_only || coverage > 1.0)
    }

    fn merge_python(&mut self, python: PythonRecording, options: &SidecarOptions) {
        let PythonRecording { samples, stacks: python_stacks, counts } = python;
        self.notes.extend(counts.failures.iter().map(ToString::to_string));
        let Some(profile) = &mut self.profile else {
            self.python = Some((counts, Fits::default()));
            return;
        };
        let mut merger = Merger::new(&python_stacks, samples);
        match merged(profile, &mut merger, options) {
            Ok(log) => profile.samples = log,
            Err(why) => self.notes.push(format!("Python frames are not in the profile: {why}")),
        }
        self.python = Some((counts, merger.fits()));
    }

    /// Keeps the pages first touched between two times that are still present, as samples whose
    /// weight is in bytes. `None` if memory was not followed. The target must still be running.
    ///
    /// # Errors
    /// The samples cannot be stored.
    pub fn keep_live_pages(
        &mut self,
        from: Timestamp,
        to: Timestamp,
    ) -> io::Result<Option<LivePages>> {
        let (Some(page_faults), Some(profile)) = (&self.page_faults, &mut self.profile) else {
            return Ok(None);
        };
        let live_pages = page_faults.live_pages(from, to, PageMap::open);
        for sample in &live_pages.samples {
            profile.samples.push(sample)?;
        }
        profile.samples.flush()?;
        Ok(Some(live_pages))
    }
}

/// The share of truncated stacks from which on the totals of callers are misleading.
const CUT_SHARE: f64 = 0.1;
/// The share of stacks from which on the means that completed them are noted.
const NOTED_SHARE: f64 = 0.01;
/// The share of JavaScript frames without a name from which on they are noted.
const SCRIPTS_NOTED: f64 = 0.05;
/// With fewer stacks a share is not meaningful.
const STACKS_MIN: u64 = 20;

/// The note on stacks without their outermost frames: their number, the main cause and the fix.
fn cut(counts: &UnwindCounts) -> Option<String> {
    let (total, cut) = (counts.total(), counts.truncated());
    if total < STACKS_MIN || (cut as f64) < CUT_SHARE * total as f64 {
        return None;
    }
    let reasons = [
        (
            counts.out_of_copy,
            "they reach further than the part of a stack that is copied (large frames, deep \
             recursion)",
        ),
        (
            counts.unreadable + counts.stuck,
            "code without unwind rules kept no frame pointers, or ran on another stack than its \
             thread's: build it with -fno-omit-frame-pointer (JVM: -XX:+PreserveFramePointer)",
        ),
        (
            counts.lost,
            "a frame of compiled code had no caller that is code: use the runtime's frame pointers \
             (JVM: -XX:+PreserveFramePointer)",
        ),
        (counts.too_deep, "they are deeper than 1,024 frames"),
    ];
    let (_, why) = reasons.into_iter().max_by_key(|(count, _)| *count)?;
    let share = cut as f64 / total as f64 * 100.0;
    Some(format!(
        "{share:.0} % of the stacks lack their outermost callers, most of them because {why}; what \
         functions use themselves is right, the totals of those callers are too small"
    ))
}

/// The note on JavaScript functions whose names could not be read.
fn unnamed_scripts((named, frames): (u64, u64)) -> Option<String> {
    let unnamed = frames - named;
    let share = unnamed as f64 / frames.max(1) as f64;
    (frames >= STACKS_MIN && share >= SCRIPTS_NOTED).then(|| {
        format!(
            "{:.0} % of the JavaScript frames have no name, because V8 had moved their functions \
             or reading its memory is forbidden (CAP_SYS_PTRACE): node --perf-basic-prof \
             --interpreted-frames-native-stack names them",
            share * 100.0
        )
    })
}

/// The note on copies of stacks that were raised.
fn larger_copies(raised: RaisedStack, started: Timestamp) -> String {
    let RaisedStack { bytes, at, cut_share } = raised;
    format!(
        "each CPU sample copied {} KiB of its stack from {} on, because {:.0} % of the stacks went \
         on after smaller copies",
        bytes.div_ceil(1 << 10),
        at.since(started),
        cut_share * 100.0,
    )
}

/// The note on stacks that neither rules nor their copy alone made whole.
fn completed(counts: &UnwindCounts) -> Option<String> {
    let share = |count: u64| count as f64 / counts.total().max(1) as f64;
    let means = [
        (counts.by_callers, "by the kernel's walk along frame pointers"),
        (counts.by_memory, "by the target's memory, read a moment after the sample"),
    ];
    let means = means.into_iter().filter(|&(count, _)| share(count) >= NOTED_SHARE);
    let means: Vec<_> =
        means.map(|(count, by)| format!("{:.0} % {by}", share(count) * 100.0)).collect();
    (counts.total() >= STACKS_MIN && !means.is_empty()).then(|| {
        let means = means.join(", ");
        format!("stacks that their copies alone did not make whole were completed: {means}")
    })
}

/// The share of user stacks that were unwound to their root.
fn unwound(counts: &UnwindCounts) -> Option<f64> {
    let with_user = counts.complete + counts.truncated();
    (with_user > 0).then(|| counts.complete as f64 / with_user as f64)
}

/// The waits of all processes of the target, including those that ended.
fn target_waits(tree: &ProcessTree, off_cpu: &OffCpu) -> WaitTotals {
    let mut sum = WaitTotals::default();
    for pid in tree.living().chain(tree.ended()) {
        let waits = off_cpu.totals(pid);
        sum.intervals += waits.intervals;
        sum.blocked += waits.blocked;
        sum.preempted += waits.preempted;
    }
    sum
}

/// The note on files whose code could not be read, and its effect.
fn unreadable(builder: &SampleBuilder) -> Option<String> {
    let files: Vec<String> =
        builder.code.unreadable().map(|(name, why)| format!("{name} ({why})")).collect();
    let files = (!files.is_empty()).then(|| files.join(", "))?;
    Some(format!("not unwound by their rules, and named poorly: {files}"))
}

fn called_or_read(called: &rustc_hash::FxHashMap<u32, String>, pid: u32) -> String {
    let read = || {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
        name.map_or_else(|_| format!("process {pid}"), |name| name.trim_end().to_owned())
    };
    called.get(&pid).cloned().unwrap_or_else(read)
}

/// The samples again, with the Python frames of those that ran Python.
fn merged(
    profile: &mut Profile,
    merger: &mut Merger<'_>,
    options: &SidecarOptions,
) -> io::Result<SampleLog> {
    let parts: rustc_hash::FxHashMap<Location, FramePart> = profile
        .stacks
        .locations()
        .iter()
        .zip(&profile.names)
        .filter_map(|(&location, name)| Some((location, FramePart::of(name)?)))
        .collect();
    let part = |location: Location| parts.get(&location).copied();
    let mut log = SampleLog::in_file(unnamed_file(options)?);
    for sample in profile.samples.samples() {
        let sample: Sample = sample?;
        let merged = merger.merge(&mut profile.stacks, &sample, &part);
        log.push(&Sample { stack: merged.stack, ..sample })?;
    }
    log.flush()?;
    name_new_frames(&profile.stacks, &mut profile.names);
    Ok(log)
}

/// Frames added by a merge belong to an interpreter: `function (file)`.
fn name_new_frames(stacks: &StackTable, names: &mut Vec<FrameName>) {
    for location in &stacks.locations()[names.len()..] {
        let text = match location {
            Location::Named(id) => stacks.name_text(*id),
            _ => "",
        };
        names.push(FrameName::interpreted(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_callers_are_noted_from_a_tenth_of_the_stacks_on_with_their_main_cause() {
        let counts =
            |complete, truncated: UnwindCounts| cut(&UnwindCounts { complete, ..truncated });
        let none = UnwindCounts::default();
        let lost = |lost| UnwindCounts { lost, ..none };
        assert_eq!(counts(1_000, none), None);
        assert_eq!(counts(181, lost(19)), None);
        assert_eq!(counts(0, lost(19)), None, "too few to have a share");
        let note = counts(180, lost(20)).expect("a tenth");
        assert!(note.starts_with("10 % of the stacks lack their outermost callers"), "{note}");
        assert!(note.ends_with("the totals of those callers are too small"), "{note}");
        let causes = [
            (UnwindCounts { out_of_copy: 50, lost: 49, ..none }, "deep recursion"),
            (
                UnwindCounts { unreadable: 30, stuck: 30, lost: 50, ..none },
                "-fno-omit-frame-pointer",
            ),
            (
                UnwindCounts { stuck: 40, lost: 50, ..none },
                "a frame of compiled code had no caller",
            ),
            (UnwindCounts { too_deep: 50, ..none }, "deeper than 1,024 frames"),
        ];
        for (truncated, why) in causes {
            let note = counts(100, truncated).expect("more than a tenth");
            assert!(note.contains(why), "{why}: {note}");
        }
        assert_eq!(crate::code::FRAMES_MAX, 1_024);
    }

    #[test]
    fn the_means_that_made_stacks_whole_are_noted() {
        let counts = |by_callers, by_memory| {
            completed(&UnwindCounts { complete: 200, by_callers, by_memory, ..Default::default() })
        };
        assert_eq!(counts(0, 1), None);
        assert_eq!(
            counts(50, 4).expect("a quarter"),
            "stacks that their copies alone did not make whole were completed: 25 % by the \
             kernel's walk along frame pointers, 2 % by the target's memory, read a moment after \
             the sample"
        );
        let raised = RaisedStack { bytes: 65_528, at: Timestamp(3_000_000_000), cut_share: 0.754 };
        assert_eq!(
            larger_copies(raised, Timestamp(1_000_000_000)),
            "each CPU sample copied 64 KiB of its stack from 2.00 s on, because 75 % of the stacks \
             went on after smaller copies"
        );
    }
}
