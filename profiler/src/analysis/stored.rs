//! The figures of a part of a stored profile: the counterpart of `build` without a recording.
//!
//! The caller chooses the part. Costs are per request: a part without requests has none.

use std::io;

use rustc_hash::FxHashMap;
use uringbench_core::time::Timestamp;
use uringbench_document::target::TargetFigures;

use super::blocks;
use super::build::{functions, of_cpu, of_health, price};
use crate::profile::{Selection, Stored, Windows};
use crate::sample::SampleKind;
use crate::stack::FrameKind;
use crate::statistics::per_request::Work;

/// Blocks of time for the confidence intervals.
const BLOCKS_MAX: usize = 120;

/// A part of a stored profile.
#[derive(Clone, Copy, Debug)]
pub struct Cut<'a> {
    /// The profile.
    pub stored: &'a Stored,
    /// The windows of the part.
    pub windows: &'a Windows,
}

impl Cut<'_> {
    /// Requests completed in it.
    pub fn requests(&self) -> u64 {
        let steps = self.steps().into_iter();
        let inside = steps.filter(|(start, _)| self.windows.contains(*start));
        inside.fold(0, |sum: u64, (_, completed)| sum.saturating_add(completed))
    }

    /// Its CPU time by function.
    ///
    /// # Errors
    /// If samples cannot be read back.
    pub fn figures(&self) -> io::Result<TargetFigures> {
        let Stored { profile, about } = self.stored;
        let view = profile.cut(&self.on_cpu())?;
        let mut figures = TargetFigures {
            mode: about.mode.clone(),
            is_user_only: about.is_user_only,
            samples: view.samples,
            lost: profile.facts.lost,
            throttled: profile.facts.throttled,
            cpu: of_cpu(profile, &view, about.load.is_some().then(|| self.requests())),
            functions: functions(profile, &view),
            notes: profile.facts.notes.clone(),
            ..TargetFigures::default()
        };
        of_health(profile, &mut figures);
        if about.load.is_some() {
            price(profile, &self.steps(), self.windows, &mut figures.functions)?;
        }
        Ok(figures)
    }

    pub(super) fn on_cpu(&self) -> Selection {
        Selection::of([SampleKind::Cpu]).within(self.windows.clone())
    }

    fn steps(&self) -> Vec<(Timestamp, u64)> {
        let Some(load) = &self.stored.about.load else { return Vec::new() };
        load.steps.iter().map(|step| (load.start_of(step), step.completed)).collect()
    }

    /// The CPU time of these functions with all that they call.
    pub(super) fn work_in_all(&self, names: &[(String, FrameKind)]) -> io::Result<Work> {
        let index_of = indices(names);
        let each = blocks::of_stacks(
            &self.stored.profile,
            &self.steps(),
            self.windows,
            names.len(),
            |name| index_of.get(&(&*name.function, name.kind)).copied(),
        )?;
        let blocks = blocks::coarser(each, BLOCKS_MAX);
        Ok(Work { functions: names.iter().map(key).collect(), blocks })
    }

    /// The CPU time of these functions, and the total as the last entry.
    pub(super) fn work(&self, names: &[(String, FrameKind)]) -> io::Result<(Work, Work)> {
        let index_of = indices(names);
        let Stored { profile, .. } = self.stored;
        let steps = self.steps();
        let each = blocks::of_leaves(profile, &steps, self.windows, names.len(), |name| {
            index_of.get(&(&*name.function, name.kind)).copied()
        })?;
        let all = blocks::of_leaves(profile, &steps, self.windows, 1, |_| Some(0))?;
        let work =
            |functions, blocks| Work { functions, blocks: blocks::coarser(blocks, BLOCKS_MAX) };
        Ok((work(names.iter().map(key).collect(), each), work(vec![String::new()], all)))
    }
}

fn indices(names: &[(String, FrameKind)]) -> FxHashMap<(&str, FrameKind), usize> {
    names.iter().zip(0..).map(|((name, kind), at)| ((&**name, *kind), at)).collect()
}

pub(super) fn key((name, kind): &(String, FrameKind)) -> String {
    format!("{name}\0{kind:?}")
}
