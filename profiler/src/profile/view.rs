//! Views: the samples of a selection, summed by stack and by function.

use std::io;

use rustc_hash::FxHashMap;

use super::{Profile, Windows};
use crate::sample::{Sample, SampleKind};
use crate::stack::{FrameId, FrameKind, FrameName, StackId};

/// The samples of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The kinds, which should count in the same unit.
    pub kinds: Vec<SampleKind>,
    /// The windows of their times; `None` for the whole recording.
    pub windows: Option<Windows>,
    /// Their process; `None` for all.
    pub pid: Option<u32>,
}

/// The samples of a selection, summed by stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// The weight of each stack, in the unit of the samples' kind.
    pub weights: FxHashMap<StackId, u64>,
    /// The number of samples.
    pub samples: u64,
    /// The sum of their weights.
    pub total: u64,
}

/// The weight of a function in a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionShare {
    /// Its plain name.
    pub name: String,
    /// Its file; empty if it has none.
    pub module: String,
    /// The kind of its frames.
    pub kind: FrameKind,
    /// The weight of the stacks whose innermost frame it is.
    pub self_weight: u64,
    /// The weight of the stacks that contain it, each counted once.
    pub total_weight: u64,
}

impl Selection {
    /// Every sample of these kinds.
    pub fn of(kinds: impl Into<Vec<SampleKind>>) -> Self {
        Self { kinds: kinds.into(), windows: None, pid: None }
    }

    /// Only those whose times are in `windows`.
    #[must_use]
    pub fn within(self, windows: Windows) -> Self {
        Self { windows: Some(windows), ..self }
    }

    /// Only those of one process.
    #[must_use]
    pub fn of_process(self, pid: u32) -> Self {
        Self { pid: Some(pid), ..self }
    }

    /// Whether it includes a sample.
    pub fn takes(&self, sample: &Sample) -> bool {
        self.kinds.contains(&sample.kind)
            && self.pid.is_none_or(|pid| pid == sample.pid)
            && self.windows.as_ref().is_none_or(|windows| windows.contains(sample.time))
    }
}

impl Profile {
    /// The view of a selection.
    ///
    /// # Errors
    /// If the samples cannot be read back.
    pub fn cut(&self, selection: &Selection) -> io::Result<View> {
        let mut views = self.cut_all(std::slice::from_ref(selection))?;
        Ok(views.remove(0))
    }

    /// The view of each selection, in one pass over the samples.
    ///
    /// # Errors
    /// If the samples cannot be read back.
    pub fn cut_all(&self, selections: &[Selection]) -> io::Result<Vec<View>> {
        let mut views = vec![View::default(); selections.len()];
        for sample in self.samples.samples() {
            let sample = sample?;
            for (view, selection) in views.iter_mut().zip(selections) {
                if selection.takes(&sample) {
                    view.add(sample.stack, sample.weight);
                }
            }
        }
        Ok(views)
    }
}

impl View {
    /// Count a sample.
    pub fn add(&mut self, stack: StackId, weight: u64) {
        // A file can contain any weight: a saturated sum is wrong, but does not panic.
        let of_stack = self.weights.entry(stack).or_default();
        *of_stack = of_stack.saturating_add(weight);
        self.samples += 1;
        self.total = self.total.saturating_add(weight);
    }

    /// The weights of each function, the one with the largest weight of its own first.
    pub fn functions(&self, profile: &Profile) -> Vec<FunctionShare> {
        let functions = Functions::of(profile);
        // Self and total weight of each function, and the last stack it was counted for.
        let mut sums = vec![(0, 0, StackId::EMPTY); functions.names.len()];
        for (&stack, &weight) in &self.weights {
            for (depth, frame) in profile.stacks.leaf_first(stack).enumerate() {
                let (of_itself, in_all, counted) = &mut sums[functions.index(frame)];
                if depth == 0 {
                    *of_itself = weight.saturating_add(*of_itself);
                }
                if *counted != stack {
                    *in_all = weight.saturating_add(*in_all);
                    *counted = stack;
                }
            }
        }
        let mut shares: Vec<_> = functions
            .names
            .iter()
            .zip(sums)
            .filter(|(_, (_, total_weight, _))| *total_weight > 0)
            .map(|(name, (self_weight, total_weight, _))| FunctionShare {
                name: name.function.clone(),
                module: name.module.clone(),
                kind: name.kind,
                self_weight,
                total_weight,
            })
            .collect();
        shares.sort_by(|a, b| {
            let weights = |share: &FunctionShare| (share.self_weight, share.total_weight);
            let names = |share: &FunctionShare| (share.name.clone(), share.module.clone());
            weights(b).cmp(&weights(a)).then_with(|| names(a).cmp(&names(b)))
        });
        shares
    }
}

/// The distinct functions of a profile: frames are places, several of them in one function.
struct Functions<'a> {
    names: Vec<&'a FrameName>,
    /// The function of a frame, as an index into `names`.
    index_of: Vec<usize>,
}

impl<'a> Functions<'a> {
    fn of(profile: &'a Profile) -> Self {
        let mut names = Vec::new();
        let mut known = FxHashMap::default();
        let index_of = (0..profile.stacks.locations().len() as u32)
            .map(|frame| {
                let name = profile.name(FrameId(frame));
                *known.entry(name).or_insert_with(|| {
                    names.push(name);
                    names.len() - 1
                })
            })
            .collect();
        Self { names, index_of }
    }

    fn index(&self, frame: FrameId) -> usize {
        self.index_of[frame.0 as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::fixture;
    use uringbench_core::time::Timestamp;

    fn windows(ranges: &[(u64, u64)]) -> Windows {
        Windows::covering(ranges.iter().map(|&(from, to)| Timestamp(from)..Timestamp(to)))
    }

    #[test]
    fn views_are_cut_by_kind_window_and_process_in_one_pass() {
        let mut profile = fixture::profile(&[
            (10, SampleKind::Cpu, "main;a", 1),
            (20, SampleKind::Cpu, "main;a", 2),
            (29, SampleKind::Cpu, "main;b", 4),
            (30, SampleKind::Cpu, "main;b", 8),
            (30, SampleKind::Blocked, "main;b", 16),
            (45, SampleKind::Preempted, "main;b", 32),
        ]);
        let stack = fixture::intern(&mut profile, "main;a");
        let other = Sample {
            time: Timestamp(25),
            cpu: 1,
            pid: 8,
            tid: 8,
            kind: SampleKind::Cpu,
            weight: 64,
            stack,
        };
        profile.samples.push(&other).unwrap();
        let cpu = Selection::of([SampleKind::Cpu]);
        let off_cpu = Selection::of([SampleKind::Blocked, SampleKind::Preempted]);
        let views = profile
            .cut_all(&[
                cpu.clone(),
                cpu.clone().within(windows(&[(20, 30)])),
                cpu.clone().within(windows(&[(0, 11), (30, 31)])).of_process(7),
                cpu.of_process(8),
                off_cpu,
                Selection::of([SampleKind::FirstTouch]),
            ])
            .unwrap();
        let sums: Vec<_> = views.iter().map(|view| (view.samples, view.total)).collect();
        assert_eq!(sums, [(5, 79), (3, 70), (2, 9), (1, 64), (2, 48), (0, 0)]);
        assert_eq!(views[0].weights[&stack], 67);
    }

    #[test]
    fn a_function_that_calls_itself_is_counted_once() {
        let profile = fixture::profile(&[
            (1, SampleKind::Cpu, "main;walk#1;walk#2;walk#1", 5),
            (2, SampleKind::Cpu, "main;walk#2", 2),
            (3, SampleKind::Cpu, "main;walk#1;leaf", 3),
            (4, SampleKind::Cpu, "main;leaf_[k]", 1),
            (5, SampleKind::Cpu, "", 9),
        ]);
        let functions = profile.cut(&Selection::of([SampleKind::Cpu])).unwrap().functions(&profile);
        let read: Vec<_> = functions
            .iter()
            .map(|share| (&*share.name, share.kind, share.self_weight, share.total_weight))
            .collect();
        let expected = [
            ("walk", FrameKind::Native, 7, 10),
            ("leaf", FrameKind::Native, 3, 3),
            ("leaf", FrameKind::Kernel, 1, 1),
            ("main", FrameKind::Native, 0, 11),
        ];
        assert_eq!(read, expected);
    }
}
