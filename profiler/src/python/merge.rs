//! Inserts Python frames into native stacks, after the run. Pure.
//!
//! A native stack holds one frame of the interpreter's loop for each time C called Python; a Python
//! stack has as many entry frames, each the first of a run. So the n-th run replaces the n-th loop.
//! The two were not read at the same time: a sample takes the nearest Python stack of its thread
//! with as many runs as it has loops, assuming that the target does now what it did up to 500 ms
//! away. If there is none, the runs that both have are inserted: the native stack shows for certain
//! how deep a thread is. Native shares stay exact, and no choice depends on names.

use rustc_hash::FxHashMap;
use uringbench_core::time::{Nanos, Timestamp};

use super::stacks::{PythonSample, PythonStack, PythonStackId, PythonStacks};
use crate::sample::Sample;
use crate::stack::{FrameKind, FrameName, Location, Marker, StackId, StackTable};

/// Two readings at most this far apart count as simultaneous.
const ONE_MOMENT: Nanos = Nanos::from_millis(5);
/// Largest distance of a substitute stack.
const FAR: Nanos = Nanos::from_millis(500);

/// How a native and a Python stack were matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fit {
    /// The native stack runs no Python: nothing to merge.
    Native,
    /// At most 5 ms apart, and each loop has its run.
    Merged,
    /// Each loop has its run, but the Python stack is up to 500 ms away, of another thread of the
    /// process (a pool's threads do the same), or lacks outer frames.
    Near,
    /// The numbers of loops and runs differ: the innermost functions are missing or guessed.
    Forced,
    /// No Python stack was near: the native stack is unchanged.
    Unmatched,
}

/// A stack after the merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The stack.
    pub stack: StackId,
    /// The quality of the match.
    pub fit: Fit,
}

/// Samples by quality of the match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fits {
    /// See [`Fit::Native`].
    pub native: u64,
    /// See [`Fit::Merged`].
    pub merged: u64,
    /// See [`Fit::Near`].
    pub near: u64,
    /// See [`Fit::Forced`].
    pub forced: u64,
    /// See [`Fit::Unmatched`].
    pub unmatched: u64,
}

/// Whether a native function is the interpreter's loop, which runs Python code; also the parts a
/// compiler split off (`_PyEval_EvalFrameDefault.cold`). `PyEval_EvalCode` and the like only call
/// it.
pub fn is_eval_loop(function: &str) -> bool {
    let name = function.split('.').next().unwrap_or_default();
    matches!(name, "_PyEval_EvalFrameDefault" | "PyEval_EvalFrameEx")
}

/// The role of a native frame in the merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FramePart {
    /// The interpreter's loop.
    Loop,
    /// The code that `python -X perf` (3.12) generates for each function and through which it calls
    /// the loop.
    Trampoline,
}

impl FramePart {
    /// By its name; `None` for all frames that stay unchanged.
    pub fn of(name: &FrameName) -> Option<Self> {
        if is_eval_loop(&name.function) {
            return Some(Self::Loop);
        }
        let is_trampoline = name.kind == FrameKind::Jit && name.function.starts_with("py::");
        is_trampoline.then_some(Self::Trampoline)
    }
}

/// Merge two stacks that belong together.
pub fn merge(
    table: &mut StackTable,
    native: StackId,
    python: PythonStack<'_>,
    part: &dyn Fn(Location) -> Option<FramePart>,
) -> Merged {
    let native: Vec<Location> = located(table, native);
    let loops = Loops::of(&native, part);
    if loops.count == 0 {
        return Merged { stack: table.intern(native), fit: Fit::Native };
    }
    let runs = runs(table, python);
    // Stacks are aligned at their outer ends or, if one lacks its own, at the inner ones.
    let is_cut = loops.is_truncated || python.is_partial();
    let first = if is_cut { runs.len() as isize - loops.count as isize } else { 0 };
    let run_of = |nth: isize| usize::try_from(nth).ok().and_then(|nth| runs.get(nth));
    let mut merged = Vec::with_capacity(native.len() + 4 * runs.len());
    let mut nth = first;
    for (at, &location) in native.iter().enumerate() {
        if at == 1 && loops.is_truncated {
            // The loops of these are missing.
            merged.extend((0..first).filter_map(run_of).flatten());
        }
        match part(location) {
            Some(FramePart::Loop) => {
                match run_of(nth) {
                    Some(run) => merged.extend(run),
                    None => merged.push(location),
                }
                nth += 1;
            }
            // The loop below it has the same function in its run.
            Some(FramePart::Trampoline) if run_of(nth).is_some() => {}
            Some(FramePart::Trampoline) | None => merged.push(location),
        }
    }
    let fit = match loops.agreement(python) {
        Agreement::Whole => Fit::Merged,
        Agreement::Inner => Fit::Near,
        Agreement::None => Fit::Forced,
    };
    Merged { stack: table.intern(merged), fit }
}

/// A Python stack's frames, cut before each entry, from the outermost.
fn runs(table: &mut StackTable, python: PythonStack<'_>) -> Vec<Vec<Location>> {
    let mut runs: Vec<Vec<Location>> = Vec::new();
    for frame in python.root_first() {
        let location = Location::Named(table.name(&frame.name));
        match runs.last_mut() {
            Some(run) if !frame.is_entry => run.push(location),
            _ => runs.push(vec![location]),
        }
    }
    runs
}

fn located(table: &StackTable, stack: StackId) -> Vec<Location> {
    table.root_first(stack).into_iter().map(|frame| table.location(frame)).collect()
}

/// How often a native stack runs the interpreter's loop.
#[derive(Clone, Copy, Debug)]
struct Loops {
    count: usize,
    is_truncated: bool,
}

/// How well loops and runs match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Agreement {
    /// Each loop has its run.
    Whole,
    /// They can belong to one stack, but the Python one lacks outer frames.
    Inner,
    /// They cannot belong to one stack.
    None,
}

impl Loops {
    fn of(root_first: &[Location], part: &dyn Fn(Location) -> Option<FramePart>) -> Self {
        Self {
            count: root_first.iter().filter(|&&at| part(at) == Some(FramePart::Loop)).count(),
            is_truncated: root_first.first() == Some(&Location::Marker(Marker::Truncated)),
        }
    }

    fn agreement(self, python: PythonStack<'_>) -> Agreement {
        let runs = python.entries();
        if python.is_partial() {
            let fits = runs <= self.count || self.is_truncated;
            return if fits { Agreement::Inner } else { Agreement::None };
        }
        let fits = runs == self.count || (self.is_truncated && runs > self.count);
        if fits { Agreement::Whole } else { Agreement::None }
    }
}

/// Finds the Python stack of each native sample. It holds all Python samples of the time it is used
/// for: 28 bytes each, hence 17 MB for ten workers, 100 Hz and ten minutes. Longer runs are merged
/// piece by piece, with a new merger for each piece of time. Native samples may come in any order,
/// one by one.
#[derive(Debug)]
pub struct Merger<'a> {
    stacks: &'a PythonStacks,
    /// By thread, then by time.
    samples: Vec<PythonSample>,
    /// Those of them not of a main thread, by process, then by time.
    of_pools: Vec<u32>,
    loops: FxHashMap<StackId, Loops>,
    merged: FxHashMap<(StackId, PythonStackId), Merged>,
    fits: Fits,
}

impl<'a> Merger<'a> {
    /// For these samples, in any order, of these stacks.
    pub fn new(stacks: &'a PythonStacks, mut samples: Vec<PythonSample>) -> Self {
        samples.sort_unstable_by_key(|sample| (sample.tid, sample.time));
        let is_of_pool = |&at: &u32| samples[at as usize].tid != samples[at as usize].pid;
        let mut of_pools: Vec<u32> = (0..samples.len() as u32).filter(is_of_pool).collect();
        of_pools.sort_unstable_by_key(|&at| {
            let sample = samples[at as usize];
            (sample.pid, sample.time, sample.tid)
        });
        let (loops, merged) = Default::default();
        Self { stacks, samples, of_pools, loops, merged, fits: Fits::default() }
    }

    /// The stack of one native sample with its Python frames; `part` decides by their names
    /// ([`FramePart::of`]) which locations are the interpreter's, always in the same way.
    pub fn merge(
        &mut self,
        table: &mut StackTable,
        native: &Sample,
        part: &dyn Fn(Location) -> Option<FramePart>,
    ) -> Merged {
        let loops = *self
            .loops
            .entry(native.stack)
            .or_insert_with(|| Loops::of(&located(table, native.stack), part));
        let merged = if loops.count == 0 {
            Merged { stack: native.stack, fit: Fit::Native }
        } else if let Some((python, fit)) = self.choose(native, loops) {
            let known = self.merged.entry((native.stack, python));
            let stack = self.stacks.stack(python);
            let merged = *known.or_insert_with(|| merge(table, native.stack, stack, part));
            Merged { stack: merged.stack, fit }
        } else {
            Merged { stack: native.stack, fit: Fit::Unmatched }
        };
        *self.fits.count_of(merged.fit) += 1;
        merged
    }

    /// Qualities of the matches so far.
    pub fn fits(&self) -> Fits {
        self.fits
    }

    fn choose(&self, native: &Sample, loops: Loops) -> Option<(PythonStackId, Fit)> {
        let (mut inner, mut any) = (None, None);
        for sample in self.of_thread(native) {
            let stack = self.stacks.stack(sample.stack);
            match loops.agreement(stack) {
                Agreement::Whole if distance(sample.time, native.time) <= ONE_MOMENT => {
                    return Some((sample.stack, Fit::Merged));
                }
                Agreement::Whole => return Some((sample.stack, Fit::Near)),
                Agreement::Inner => inner = inner.or(Some((sample.stack, Fit::Near))),
                // Outer frames are inserted then, so they must be complete.
                Agreement::None if stack.is_partial() => {}
                Agreement::None => any = any.or(Some((sample.stack, Fit::Forced))),
            }
        }
        let other_thread = || {
            let agrees = |sample: &&PythonSample| {
                loops.agreement(self.stacks.stack(sample.stack)) == Agreement::Whole
            };
            self.of_pool(native).find(agrees).map(|sample| (sample.stack, Fit::Near))
        };
        inner.or_else(other_thread).or(any)
    }

    /// The thread's samples up to 500 ms away, the nearest first.
    fn of_thread(&self, native: &Sample) -> impl Iterator<Item = &PythonSample> {
        let (tid, time) = (native.tid, native.time);
        let key = |at: usize| (self.samples[at].tid, self.samples[at].time);
        nearest_first(self.samples.len(), tid, time, key).map(|at| &self.samples[at])
    }

    /// The same for all threads of its process except the main one, unless it is the main one
    /// itself.
    fn of_pool(&self, native: &Sample) -> impl Iterator<Item = &PythonSample> {
        let sample = |at: usize| &self.samples[self.of_pools[at] as usize];
        let key = move |at: usize| (sample(at).pid, sample(at).time);
        let count = if native.tid == native.pid { 0 } else { self.of_pools.len() };
        nearest_first(count, native.pid, native.time, key).map(sample)
    }
}

/// The indices of entries of `owner` up to 500 ms from `time`, the nearest first; `key` gives an
/// entry's owner and time, by which the `count` entries are sorted.
fn nearest_first(
    count: usize,
    owner: u32,
    time: Timestamp,
    key: impl Fn(usize) -> (u32, Timestamp),
) -> impl Iterator<Item = usize> {
    let first_at_or_past = |wanted: (u32, Timestamp)| {
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low.midpoint(high);
            if key(middle) < wanted { low = middle + 1 } else { high = middle }
        }
        low
    };
    let begin = first_at_or_past((owner, time - FAR));
    let end = first_at_or_past((owner, time + FAR));
    let mut after = first_at_or_past((owner, time));
    let mut before = after;
    std::iter::from_fn(move || {
        let earlier = (before > begin).then(|| distance(key(before - 1).1, time));
        let later = (after < end).then(|| distance(key(after).1, time));
        let is_earlier = match (earlier, later) {
            (Some(earlier), Some(later)) => earlier <= later,
            (earlier, later) => {
                earlier.or(later)?;
                earlier.is_some()
            }
        };
        Some(if is_earlier {
            before -= 1;
            before
        } else {
            after += 1;
            after - 1
        })
    })
}

impl Fits {
    fn count_of(&mut self, fit: Fit) -> &mut u64 {
        match fit {
            Fit::Native => &mut self.native,
            Fit::Merged => &mut self.merged,
            Fit::Near => &mut self.near,
            Fit::Forced => &mut self.forced,
            Fit::Unmatched => &mut self.unmatched,
        }
    }
}

fn distance(one: Timestamp, other: Timestamp) -> Nanos {
    one.since(other).max(other.since(one))
}
