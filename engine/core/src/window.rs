//! Named windows: the stretches of a run, in order and without a gap.
//!
//! A run has a warm-up, a measured window and a drain. Parts of the measured window can have names
//! of their own, such as a fault and the recovery from it; they stay parts of what is measured.

use std::borrow::Cow;
use std::ops::Range;

use crate::time::Timestamp;

/// What a run does with its slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Load that is not measured.
    Warmup,
    /// The measured window.
    Measure,
    /// No new slots; those released are waited for.
    Drain,
}

impl Phase {
    /// The word for it in the result document.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Warmup => "warmup",
            Self::Measure => "measure",
            Self::Drain => "drain",
        }
    }
}

/// A stretch of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedWindow {
    /// Its name: the phase's key, unless it has one of its own.
    pub name: Cow<'static, str>,
    /// What the run did in it.
    pub phase: Phase,
    /// Its first moment.
    pub start: Timestamp,
    /// Its end (the start of the next).
    pub end: Timestamp,
}

impl NamedWindow {
    /// A whole phase, under its own name.
    pub const fn of(phase: Phase, start: Timestamp, end: Timestamp) -> Self {
        Self { name: Cow::Borrowed(phase.key()), phase, start, end }
    }

    /// A name that is no phase's is of a part of the measured window.
    fn stored(name: String, start: Timestamp, end: Timestamp) -> Self {
        match [Phase::Warmup, Phase::Drain].into_iter().find(|phase| phase.key() == name) {
            Some(phase) => Self::of(phase, start, end),
            None => Self { name: Cow::Owned(name), phase: Phase::Measure, start, end },
        }
    }
}

/// All windows of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedWindows(Vec<NamedWindow>);

impl NamedWindows {
    /// Of a run that began at `start` and was over at `over`. A warm-up or drain of no length is
    /// none.
    pub fn of_run(start: Timestamp, measured: Range<Timestamp>, over: Timestamp) -> Self {
        let all = [
            NamedWindow::of(Phase::Warmup, start, measured.start),
            NamedWindow::of(Phase::Measure, measured.start, measured.end),
            NamedWindow::of(Phase::Drain, measured.end, over),
        ];
        let is_one = |it: &NamedWindow| it.phase == Phase::Measure || it.end > it.start;
        Self(all.into_iter().filter(is_one).collect())
    }

    /// The windows that stored names and times stand for.
    ///
    /// # Errors
    ///
    /// One ends before it begins, or does not begin where the one before it ends.
    pub fn stored(
        windows: impl IntoIterator<Item = (String, Timestamp, Timestamp)>,
    ) -> Result<Self, String> {
        let mut all = Vec::<NamedWindow>::new();
        for (name, start, end) in windows {
            if end < start || all.last().is_some_and(|before| before.end != start) {
                return Err(format!("the times of its window `{name}` cannot be right"));
            }
            all.push(NamedWindow::stored(name, start, end));
        }
        Ok(Self(all))
    }

    /// Give what lies in `part` of the measured window this name; the rest keeps its names. What
    /// of `part` lies outside of the measured window is left out. The name is none of a phase: it
    /// would be read back as that.
    pub fn name(&mut self, name: &str, part: Range<Timestamp>) {
        debug_assert!(name != Phase::Warmup.key() && name != Phase::Drain.key(), "{name}");
        let mut all = Vec::with_capacity(self.0.len() + 2);
        for window in self.0.drain(..) {
            let from = part.start.clamp(window.start, window.end);
            let to = part.end.clamp(from, window.end);
            if window.phase != Phase::Measure || from == to {
                all.push(window);
                continue;
            }
            let named = |name, start, end| NamedWindow { name, phase: Phase::Measure, start, end };
            let name = Cow::Owned(name.to_owned());
            let parts = [
                named(window.name.clone(), window.start, from),
                named(name, from, to),
                named(window.name, to, window.end),
            ];
            all.extend(parts.into_iter().filter(|part| part.end > part.start));
        }
        all.dedup_by(|next, before| {
            let is_same = (&next.name, next.phase) == (&before.name, before.phase);
            if is_same {
                before.end = next.end;
            }
            is_same
        });
        self.0 = all;
    }

    /// The windows in order.
    pub fn as_slice(&self) -> &[NamedWindow] {
        &self.0
    }

    /// When the first began.
    pub fn start(&self) -> Option<Timestamp> {
        self.0.first().map(|window| window.start)
    }

    /// When the last ended.
    pub fn end(&self) -> Option<Timestamp> {
        self.0.last().map(|window| window.end)
    }

    /// The measured window, its named parts together; `None` when nothing was measured.
    pub fn measured(&self) -> Option<Range<Timestamp>> {
        let mut parts = self.0.iter().filter(|window| window.phase == Phase::Measure);
        let first = parts.next()?;
        let last = parts.next_back().unwrap_or(first);
        Some(first.start..last.end)
    }
}

impl FromIterator<NamedWindow> for NamedWindows {
    fn from_iter<I: IntoIterator<Item = NamedWindow>>(windows: I) -> Self {
        Self(windows.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run() -> NamedWindows {
        NamedWindows::of_run(Timestamp(10), Timestamp(20)..Timestamp(90), Timestamp(95))
    }

    fn listed(windows: &NamedWindows) -> Vec<(&str, u64, u64)> {
        let all = windows.as_slice().iter();
        all.map(|window| (&*window.name, window.start.0, window.end.0)).collect()
    }

    #[test]
    fn a_fault_and_its_recovery_are_windows_of_what_is_measured() {
        let mut windows = run();
        assert_eq!(listed(&windows), [("warmup", 10, 20), ("measure", 20, 90), ("drain", 90, 95)]);
        windows.name("fault", Timestamp(40)..Timestamp(50));
        windows.name("recovery", Timestamp(50)..Timestamp(63));
        assert_eq!(
            listed(&windows),
            [
                ("warmup", 10, 20),
                ("measure", 20, 40),
                ("fault", 40, 50),
                ("recovery", 50, 63),
                ("measure", 63, 90),
                ("drain", 90, 95),
            ]
        );
        assert_eq!(windows.measured(), Some(Timestamp(20)..Timestamp(90)));
        let stored = windows.as_slice().iter().map(|it| (it.name.to_string(), it.start, it.end));
        assert_eq!(NamedWindows::stored(stored.clone()).as_ref(), Ok(&windows));
        let why = NamedWindows::stored(stored.filter(|it| it.0 != "fault")).unwrap_err();
        assert_eq!(why, "the times of its window `recovery` cannot be right");
    }

    #[test]
    fn only_a_measured_window_may_be_of_no_length() {
        let at = Timestamp(5);
        let windows = NamedWindows::of_run(at, at..at, at);
        assert_eq!(listed(&windows), [("measure", 5, 5)]);
        assert_eq!(NamedWindows::default().measured(), None);
    }

    proptest! {
        #[test]
        fn names_leave_no_gap_and_change_nothing_that_is_not_measured(
            parts in prop::collection::vec((0..120_u64, 0..120_u64), 0..6),
        ) {
            let mut windows = run();
            for (index, (from, to)) in parts.into_iter().enumerate() {
                windows.name(&index.to_string(), Timestamp(from)..Timestamp(to.max(from)));
            }
            let all = windows.as_slice();
            prop_assert!(all.windows(2).all(|pair| pair[0].end == pair[1].start));
            prop_assert!(all.iter().all(|window| window.end > window.start));
            prop_assert_eq!((all[0].end, windows.end()), (Timestamp(20), Some(Timestamp(95))));
            prop_assert_eq!(windows.measured(), Some(Timestamp(20)..Timestamp(90)));
        }
    }
}
