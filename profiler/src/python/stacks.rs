//! Python stacks, stored until the merge: each distinct frame and stack once.
//!
//! Bounded: inconsistent readings of a running interpreter make stacks that never occur again, so a
//! full table takes no new stack and reports it, and known ones are still counted.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use uringbench_core::time::Timestamp;

/// Distinct stacks kept at most; with 20 frames each that is some 2 MiB.
const MOST_STACKS: usize = 16_384;
/// Distinct frames kept at most; with names of 50 bytes that is some 3 MiB.
const MOST_FRAMES: usize = 32_768;

/// One function on a Python stack.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PythonFrame {
    /// Qualified function, and file relative to its package: `Server.run (uvicorn/server.py)`.
    pub name: String,
    /// Whether C code called it: a run of the interpreter's loop, and so a native frame, begins
    /// here. Up to 3.10 that is every frame; from 3.11 on Python calls Python without C.
    pub is_entry: bool,
}

/// A distinct Python stack, numbered by its [`PythonStacks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PythonStackId(pub u32);

/// One reading of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PythonSample {
    /// When its innermost frame was read.
    pub time: Timestamp,
    /// The process, by its PID in this namespace.
    pub pid: u32,
    /// The thread, likewise.
    pub tid: u32,
    /// Its stack.
    pub stack: PythonStackId,
}

/// A stack, borrowed from its table.
#[derive(Clone, Copy, Debug)]
pub struct PythonStack<'a> {
    frames: &'a [u32],
    table: &'a PythonStacks,
    is_partial: bool,
}

impl<'a> PythonStack<'a> {
    /// Its frames from the outermost to the innermost.
    pub fn root_first(self) -> impl DoubleEndedIterator<Item = &'a PythonFrame> {
        self.frames.iter().rev().map(move |&frame| &self.table.frames[frame as usize])
    }

    /// Whether outer frames are missing.
    pub const fn is_partial(self) -> bool {
        self.is_partial
    }

    /// How many times C code called Python on this stack: the runs of the interpreter's loop. An
    /// outermost frame counts even if it is not an entry (its callers could not be read).
    pub fn entries(self) -> usize {
        let inner = self.root_first().skip(1).filter(|frame| frame.is_entry).count();
        inner + usize::from(!self.frames.is_empty())
    }
}

/// All distinct Python stacks of a run.
#[derive(Debug, Default)]
pub struct PythonStacks {
    frames: Vec<PythonFrame>,
    frame_of: FxHashMap<PythonFrame, u32>,
    /// Innermost frame first, as they are read.
    stacks: Vec<Arc<[u32]>>,
    stack_of: FxHashMap<Arc<[u32]>, PythonStackId>,
    partial: FxHashSet<PythonStackId>,
}

impl PythonStacks {
    /// The id of a stack, given from the innermost frame to the outermost; `None` if it is new and
    /// the table is full.
    pub fn intern(
        &mut self,
        leaf_first: impl IntoIterator<Item = PythonFrame>,
    ) -> Option<PythonStackId> {
        let frames: Option<Vec<u32>> =
            leaf_first.into_iter().map(|frame| self.frame(frame)).collect();
        let frames: Arc<[u32]> = frames?.into();
        if let Some(&known) = self.stack_of.get(&frames) {
            return Some(known);
        }
        if self.stacks.len() == MOST_STACKS {
            return None;
        }
        let id = PythonStackId(self.stacks.len() as u32);
        self.stacks.push(frames.clone());
        self.stack_of.insert(frames, id);
        Some(id)
    }

    /// The stack of an id of this table.
    pub fn stack(&self, id: PythonStackId) -> PythonStack<'_> {
        let is_partial = self.partial.contains(&id);
        PythonStack { frames: &self.stacks[id.0 as usize], table: self, is_partial }
    }

    /// Record that outer frames of a stack are missing.
    pub(super) fn mark_partial(&mut self, id: PythonStackId) {
        self.partial.insert(id);
    }

    /// How many distinct stacks there are.
    pub fn len(&self) -> usize {
        self.stacks.len()
    }

    /// Whether no stack was ever interned.
    pub fn is_empty(&self) -> bool {
        self.stacks.is_empty()
    }

    fn frame(&mut self, frame: PythonFrame) -> Option<u32> {
        if let Some(&known) = self.frame_of.get(&frame) {
            return Some(known);
        }
        if self.frames.len() == MOST_FRAMES {
            return None;
        }
        let id = self.frames.len() as u32;
        self.frames.push(frame.clone());
        self.frame_of.insert(frame, id);
        Some(id)
    }
}
