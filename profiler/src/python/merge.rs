//! Puts Python frames into native stacks, after the run. Pure.
//!
//! A native stack holds one frame of the interpreter's loop for each time C called Python; a
//! Python stack has as many entry frames. Where the numbers agree, the frames from one entry to
//! the next stand in for one loop frame. The two were not read at one moment, so a sample takes,
//! of the same thread: the nearest Python stack that fits if within 5 ms; else the nearest that
//! fits within 500 ms (the target does now what it did then); else the nearest at all, as a
//! block between the native frames above the first loop and below the last. So native leaves keep
//! their shares (they come from native samples alone) and Python functions theirs (every choice
//! follows time or the native shape, never the function).

use rustc_hash::FxHashMap;
use uringbench_core::time::{Nanos, Timestamp};

use super::stacks::{PythonSample, PythonStack, PythonStackId, PythonStacks};
use crate::sample::Sample;
use crate::stack::{Location, Marker, StackId, StackTable};

/// Two readings no further apart are taken for one moment.
const ONE_MOMENT: Nanos = Nanos::from_millis(5);
/// How far away a stack may be that stands in.
const FAR: Nanos = Nanos::from_millis(500);

/// How a native and a Python stack came together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fit {
    /// The native stack runs no Python: nothing to merge.
    Native,
    /// Of one moment, and loop and entry frames agree.
    Merged,
    /// They agree, but the Python stack is from up to 500 ms away.
    Near,
    /// They do not agree: the Python frames stand in one block.
    Forced,
    /// No Python stack of the thread was near: the native stack is left as it is.
    Unmatched,
}

/// A stack after the merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merged {
    /// Which.
    pub stack: StackId,
    /// How far it can be believed.
    pub fit: Fit,
}

/// How many samples came together how.
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

/// Merges two stacks that were found to belong together.
pub fn merge(
    table: &mut StackTable,
    native: StackId,
    python: PythonStack<'_>,
    is_eval: &dyn Fn(Location) -> bool,
) -> Merged {
    let native: Vec<Location> = located(table, native);
    let loops = Loops::of(&native, is_eval);
    let Some((first, last)) = loops.first.zip(loops.last) else {
        return Merged { stack: table.intern(native), fit: Fit::Native };
    };
    let frames: Vec<(Location, bool)> = python
        .root_first()
        .map(|frame| (Location::Named(table.name(&frame.name)), frame.is_entry))
        .collect();
    if !loops.agree_with(python.entries()) {
        let all = frames.iter().map(|&(frame, _)| frame);
        let around = native[..first].iter().copied().chain(all);
        let stack = table.intern(around.chain(native[last + 1..].iter().copied()));
        return Merged { stack, fit: Fit::Forced };
    }
    // Loops cut off by a truncation leave their Python frames: those come first.
    let mut runs = Runs { frames: &frames };
    let mut merged = Vec::with_capacity(native.len() + frames.len());
    for (at, &location) in native.iter().enumerate() {
        if at == usize::from(loops.is_truncated) {
            for _ in loops.count..python.entries() {
                merged.extend(runs.next_run());
            }
        }
        if is_eval(location) {
            merged.extend(runs.next_run());
        } else {
            merged.push(location);
        }
    }
    Merged { stack: table.intern(merged), fit: Fit::Merged }
}

fn located(table: &StackTable, stack: StackId) -> Vec<Location> {
    table.root_first(stack).into_iter().map(|frame| table.location(frame)).collect()
}

/// Where a native stack runs the interpreter's loop.
#[derive(Clone, Copy, Debug)]
struct Loops {
    count: usize,
    first: Option<usize>,
    last: Option<usize>,
    is_truncated: bool,
}

impl Loops {
    fn of(root_first: &[Location], is_eval: &dyn Fn(Location) -> bool) -> Self {
        let is_loop = |&location: &Location| is_eval(location);
        Self {
            count: root_first.iter().filter(|&location| is_eval(*location)).count(),
            first: root_first.iter().position(is_loop),
            last: root_first.iter().rposition(is_loop),
            is_truncated: root_first.first() == Some(&Location::Marker(Marker::Truncated)),
        }
    }

    fn agree_with(self, entries: usize) -> bool {
        entries == self.count || (self.is_truncated && entries > self.count)
    }
}

/// The rest of a Python stack, root first, taken off run by run of the loop.
struct Runs<'a> {
    frames: &'a [(Location, bool)],
}

impl<'a> Runs<'a> {
    fn next_run(&mut self) -> impl Iterator<Item = Location> + use<'a> {
        let inner = self.frames.iter().skip(1).take_while(|(_, is_entry)| !is_entry).count();
        let (run, rest) = self.frames.split_at(self.frames.len().min(1 + inner));
        self.frames = rest;
        run.iter().map(|&(location, _)| location)
    }
}

/// Finds for each native sample its Python stack. It holds all Python samples of the time it is
/// used for: 24 bytes each, hence 15 MB for ten workers, 100 Hz and ten minutes. Longer runs are
/// merged piece by piece, a new one for each piece of time. Native samples may come in any order
/// and from anywhere, one by one.
#[derive(Debug)]
pub struct Merger<'a> {
    stacks: &'a PythonStacks,
    /// By thread, then by time.
    samples: Vec<PythonSample>,
    loops: FxHashMap<StackId, Loops>,
    merged: FxHashMap<(StackId, PythonStackId), Merged>,
    fits: Fits,
}

impl<'a> Merger<'a> {
    /// For these samples, in any order, of these stacks.
    pub fn new(stacks: &'a PythonStacks, mut samples: Vec<PythonSample>) -> Self {
        samples.sort_unstable_by_key(|sample| (sample.tid, sample.time));
        let (loops, merged) = Default::default();
        Self { stacks, samples, loops, merged, fits: Fits::default() }
    }

    /// The stack of one native sample with its Python frames; `is_eval` tells by their names
    /// ([`is_eval_loop`]) which locations are the interpreter's loop, and never changes its mind.
    pub fn merge(
        &mut self,
        table: &mut StackTable,
        native: &Sample,
        is_eval: &dyn Fn(Location) -> bool,
    ) -> Merged {
        let loops = *self
            .loops
            .entry(native.stack)
            .or_insert_with(|| Loops::of(&located(table, native.stack), is_eval));
        let merged = if loops.count == 0 {
            Merged { stack: native.stack, fit: Fit::Native }
        } else if let Some((python, fit)) = self.choose(native.tid, native.time, loops) {
            let known = self.merged.entry((native.stack, python));
            let stack = self.stacks.stack(python);
            let merged = *known.or_insert_with(|| merge(table, native.stack, stack, is_eval));
            Merged { stack: merged.stack, fit }
        } else {
            Merged { stack: native.stack, fit: Fit::Unmatched }
        };
        *self.fits.count_of(merged.fit) += 1;
        merged
    }

    /// How the samples so far came together.
    pub fn fits(&self) -> Fits {
        self.fits
    }

    fn choose(&self, tid: u32, time: Timestamp, loops: Loops) -> Option<(PythonStackId, Fit)> {
        let mut nearest = None;
        for sample in self.around(tid, time) {
            let is_one_moment = distance(sample.time, time) <= ONE_MOMENT;
            if loops.agree_with(self.stacks.stack(sample.stack).entries()) {
                let fit = if is_one_moment { Fit::Merged } else { Fit::Near };
                return Some((sample.stack, fit));
            }
            nearest = nearest.or(Some((sample.stack, Fit::Forced)));
        }
        nearest
    }

    /// The thread's samples up to 500 ms away, the nearest first.
    fn around(&self, tid: u32, time: Timestamp) -> impl Iterator<Item = &PythonSample> {
        let begin = self.samples.partition_point(|s| (s.tid, s.time) < (tid, time - FAR));
        let middle = self.samples.partition_point(|s| (s.tid, s.time) < (tid, time));
        let end = self.samples.partition_point(|s| (s.tid, s.time) <= (tid, time + FAR));
        let mut before = self.samples[begin..middle].iter().rev().peekable();
        let mut after = self.samples[middle..end].iter().peekable();
        std::iter::from_fn(move || match (before.peek(), after.peek()) {
            (Some(one), Some(other)) if distance(one.time, time) > distance(other.time, time) => {
                after.next()
            }
            (Some(_), _) => before.next(),
            (None, _) => after.next(),
        })
    }
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
