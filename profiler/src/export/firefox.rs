//! The Firefox Profiler's "processed profile", for profiler.firefox.com.
//!
//! A thread has a track of its CPU time, and with such samples one of its time off CPU (in
//! milliseconds) and one of the memory it touched first (in bytes). Series of the load and the
//! target are above them on the same axis.
//!
//! The profile is first built in memory: at most [`SAMPLES_MAX`] samples of 40 bytes, points of
//! series, and up to 250 bytes for each distinct stack of a track. If there are more samples, one
//! represents several: the weights are laid end to end on a scale, and a sample is kept if it
//! contains a point chosen at random between two marks. Sums stay exact to a mark, and shares are
//! right on average.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use fxprof_processed_profile::{
    CategoryColor, CategoryHandle, CpuDelta, Frame, FrameFlags, FrameInfo, ProcessHandle, Profile,
    ReferenceTimestamp, SamplingInterval, StackHandle, ThreadHandle, Timestamp as Moment,
    WeightType,
};
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rustc_hash::FxHashMap;
use uringbench_core::time::Timestamp;

use super::{Called, ExportSource};
use crate::sample::{Sample, SampleKind};
use crate::stack::{FrameId, FrameKind, StackId};

mod series;

pub use self::series::{Series, SeriesUnit};

/// More samples than this are thinned out.
const SAMPLES_MAX: u64 = 250_000;

const KINDS: [SampleKind; 4] =
    [SampleKind::Cpu, SampleKind::Blocked, SampleKind::Preempted, SampleKind::FirstTouch];

/// Write a profile as JSON, compressed (gzip, RFC 1952). `samples` is called twice for all samples,
/// in order of time: first to count them.
///
/// # Errors
/// If a sample is an error, or `out` cannot be written.
pub fn write_firefox<I>(
    source: &ExportSource<'_>,
    samples: impl Fn() -> I,
    series: &[Series<'_>],
    out: &mut dyn Write,
) -> io::Result<()>
where
    I: IntoIterator<Item = io::Result<Sample>>,
{
    write_thinned(source, samples, series, SAMPLES_MAX, out)
}

fn write_thinned<I>(
    source: &ExportSource<'_>,
    samples: impl Fn() -> I,
    series: &[Series<'_>],
    samples_max: u64,
    out: &mut dyn Write,
) -> io::Result<()>
where
    I: IntoIterator<Item = io::Result<Sample>>,
{
    let mut scales = scales(samples(), source.period_ns, samples_max)?;
    let mut tracks = Tracks::new(source);
    if !series.is_empty() {
        series::add(&mut tracks.profile, source.start, series);
    }
    for sample in samples() {
        let sample = sample?;
        if let Some(weight) = scales[place(sample.kind)].weigh(sample.weight) {
            tracks.add(&sample, weight);
        }
    }
    let mut gzip = GzEncoder::new(out, Compression::default());
    serde_json::to_writer(&mut gzip, &tracks.profile).map_err(io::Error::from)?;
    gzip.finish()?.flush()
}

fn place(kind: SampleKind) -> usize {
    KINDS.iter().position(|&other| other == kind).expect("KINDS has every kind")
}

/// The scale of a kind's weights, and the current position on it.
#[derive(Debug)]
struct Scale {
    /// Nanoseconds or bytes from one mark to the next.
    mark: u64,
    /// The same in the profile's own unit.
    weight: u64,
    /// The distance of the last weight's end from its mark, and the point chosen between that mark
    /// and the next. At random, because samples of several CPUs may follow one another as regularly
    /// as marks do.
    reached: u64,
    point: u64,
    random: Xoshiro256PlusPlus,
}

impl Scale {
    fn new(mark: u64, weight: u64) -> Self {
        // The same samples give the same file.
        let random = Xoshiro256PlusPlus::seed_from_u64(0);
        let mut scale = Self { mark, weight, reached: 0, point: 0, random };
        scale.choose();
        scale
    }

    fn choose(&mut self) {
        self.point = self.random.next_u64() % self.mark;
    }

    /// The weight of a sample in the profile's unit; `None` if it contains no point.
    fn weigh(&mut self, weight: u64) -> Option<i32> {
        let is_ahead = self.point >= self.reached;
        let left = self.mark - self.reached;
        let points = if weight < left {
            self.reached += weight;
            u64::from(is_ahead && self.point < self.reached)
        } else {
            let beyond = weight - left;
            self.reached = beyond % self.mark;
            self.choose();
            u64::from(is_ahead) + beyond / self.mark + u64::from(self.point < self.reached)
        };
        (points > 0).then(|| i32::try_from(points.saturating_mul(self.weight)).unwrap_or(i32::MAX))
    }
}

/// Scales as fine as the units of the profile, or coarser to keep the number of samples within the
/// limit.
fn scales(
    samples: impl IntoIterator<Item = io::Result<Sample>>,
    period_ns: u64,
    samples_max: u64,
) -> io::Result<[Scale; KINDS.len()]> {
    let mut counts = [0u64; KINDS.len()];
    let mut sums = [0u64; KINDS.len()];
    for sample in samples {
        let Sample { kind, weight, .. } = sample?;
        counts[place(kind)] += 1;
        sums[place(kind)] = sums[place(kind)].saturating_add(weight);
    }
    let all: u64 = counts.iter().sum();
    Ok(std::array::from_fn(|kind| {
        let unit = match KINDS[kind] {
            SampleKind::Cpu => period_ns.max(1),
            SampleKind::Blocked | SampleKind::Preempted => 1_000_000,
            SampleKind::FirstTouch => 1,
        };
        let weight = if all <= samples_max {
            1
        } else {
            // The kind's part of the samples; at most one remains for each mark.
            let share = u128::from(samples_max) * u128::from(counts[kind]) / u128::from(all);
            let marks = u64::try_from(share).unwrap_or(u64::MAX).max(1);
            sums[kind].div_ceil(marks).div_ceil(unit).max(1)
        };
        Scale::new(unit.saturating_mul(weight), weight)
    }))
}

/// The kind of a track; in the profile it is a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Track {
    Cpu,
    OffCpu,
    FirstTouch,
}

impl Track {
    const fn of(kind: SampleKind) -> Self {
        match kind {
            SampleKind::Cpu => Self::Cpu,
            SampleKind::Blocked | SampleKind::Preempted => Self::OffCpu,
            SampleKind::FirstTouch => Self::FirstTouch,
        }
    }
}

/// The profile being built.
struct Tracks<'a> {
    source: &'a ExportSource<'a>,
    called: Called<'a>,
    profile: Profile,
    categories: [(FrameKind, CategoryHandle); 5],
    processes: FxHashMap<u32, ProcessHandle>,
    threads: FxHashMap<(u32, u32, Track), ThreadHandle>,
    /// By thread of the profile; stacks below a kind of wait are separate.
    stacks: FxHashMap<(ThreadHandle, SampleKind, StackId), Option<StackHandle>>,
}

impl<'a> Tracks<'a> {
    fn new(source: &'a ExportSource<'a>) -> Self {
        let since_1970 = std::time::Duration::from_nanos(source.unix_start.0);
        let mut profile = Profile::new(
            "uringbench",
            ReferenceTimestamp::from_duration_since_unix_epoch(since_1970),
            SamplingInterval::from_nanos(source.period_ns.max(1)),
        );
        let categories = [
            (FrameKind::Kernel, "Kernel", CategoryColor::Orange),
            (FrameKind::Native, "Native", CategoryColor::Blue),
            (FrameKind::Interpreted, "Interpreted", CategoryColor::Green),
            (FrameKind::Jit, "JIT", CategoryColor::Yellow),
            (FrameKind::Marker, "Not code", CategoryColor::DarkGray),
        ]
        .map(|(kind, name, color)| (kind, profile.add_category(name, color)));
        Self {
            source,
            called: Called::new(source),
            profile,
            categories,
            processes: FxHashMap::default(),
            threads: FxHashMap::default(),
            stacks: FxHashMap::default(),
        }
    }

    fn add(&mut self, sample: &Sample, weight: i32) {
        let track = Track::of(sample.kind);
        let thread = self.thread(sample.pid, sample.tid, track);
        let stack = self.stack(thread, sample.kind, sample.stack);
        let used = match track {
            Track::Cpu => u64::from(weight.unsigned_abs()).saturating_mul(self.source.period_ns),
            Track::OffCpu | Track::FirstTouch => 0,
        };
        let time = moment(self.source.start, sample.time);
        self.profile.add_sample(thread, time, stack, CpuDelta::from_nanos(used), weight);
    }

    fn thread(&mut self, pid: u32, tid: u32, track: Track) -> ThreadHandle {
        let Some(&process) = self.processes.get(&pid) else {
            let name = self.called.process(pid);
            let process = self.profile.add_process(&name, pid, start());
            self.processes.insert(pid, process);
            // Every process needs a first thread, even if it never ran.
            self.thread(pid, pid, Track::Cpu);
            return self.thread(pid, tid, track);
        };
        if let Some(&thread) = self.threads.get(&(pid, tid, track)) {
            return thread;
        }
        let is_main = tid == pid && track == Track::Cpu;
        let thread = self.profile.add_thread(process, tid, start(), is_main);
        let name = self.called.thread(pid, tid);
        let (name, unit) = match track {
            Track::Cpu => (name, WeightType::Samples),
            Track::OffCpu => (format!("{name} (off CPU)"), WeightType::TracingMs),
            Track::FirstTouch => (format!("{name} (first touches)"), WeightType::Bytes),
        };
        self.profile.set_thread_name(thread, &name);
        self.profile.set_thread_samples_weight_type(thread, unit);
        self.threads.insert((pid, tid, track), thread);
        thread
    }

    fn stack(
        &mut self,
        thread: ThreadHandle,
        kind: SampleKind,
        stack: StackId,
    ) -> Option<StackHandle> {
        if let Some(&known) = self.stacks.get(&(thread, kind, stack)) {
            return known;
        }
        let root = match kind {
            SampleKind::Blocked => Some("[blocked]"),
            SampleKind::Preempted => Some("[preempted]"),
            SampleKind::Cpu | SampleKind::FirstTouch => None,
        };
        let mut frames = Vec::new();
        frames.extend(root.map(|text| self.frame(text, FrameKind::Marker)));
        for frame in self.source.stacks.root_first(stack) {
            frames.push(self.named(frame));
        }
        let handle = self.profile.intern_stack_frames(thread, frames.into_iter());
        self.stacks.insert((thread, kind, stack), handle);
        handle
    }

    fn named(&mut self, frame: FrameId) -> FrameInfo {
        let name = self.source.name(frame);
        match (name.function.as_str(), name.module.as_str()) {
            ("", "") => self.frame("[unknown]", name.kind),
            (function, "") => self.frame(function, name.kind),
            (function, module) => self.frame(&format!("{function} ({module})"), name.kind),
        }
    }

    fn frame(&mut self, text: &str, kind: FrameKind) -> FrameInfo {
        let category = self.categories.iter().find(|(of, _)| *of == kind);
        let category = category.map_or(CategoryHandle::OTHER, |&(_, category)| category);
        FrameInfo {
            frame: Frame::Label(self.profile.intern_string(text)),
            category_pair: category.into(),
            flags: FrameFlags::empty(),
        }
    }
}

fn start() -> Moment {
    Moment::from_nanos_since_reference(0)
}

/// The profile's own time, which begins with the recording.
fn moment(start: Timestamp, time: Timestamp) -> Moment {
    Moment::from_nanos_since_reference(time.since(start).0)
}

#[cfg(test)]
mod tests;
