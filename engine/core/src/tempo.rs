//! Changes of tempo in an open loop: stages in which the schedule runs at full or half speed, or
//! rests.
//!
//! A stage stretches the time of the schedule beneath it, by a whole factor, so due times stay
//! exact integers and every worker changes tempo at the same moment.

use serde::{Deserialize, Serialize};

use crate::schedule::Schedule;
use crate::time::{Nanos, Timestamp};

/// A stretch of a run at one tempo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// How long it lasts.
    pub length: Nanos,
    /// How fast the schedule passes meanwhile.
    pub tempo: Tempo,
}

/// How fast a schedule passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tempo {
    /// Nothing is due.
    Rest,
    /// Slots are due half as often as the rate says.
    Half,
    /// Slots are due at the rate.
    Full,
}

impl Tempo {
    /// Share of the rate, 0..=1.
    pub const fn share(self) -> f64 {
        match self {
            Self::Rest => 0.0,
            Self::Half => 0.5,
            Self::Full => 1.0,
        }
    }
}

/// The mean tempo between two moments of a run, both counted from its start; after the last
/// stage it is full.
pub fn mean_share(stages: &[Stage], from: Nanos, to: Nanos) -> f64 {
    let span = to.0.saturating_sub(from.0) as f64;
    if span <= 0.0 {
        return 1.0;
    }
    let mut at = 0u64;
    let mut weighted = 0.0;
    for stage in stages {
        let end = at + stage.length.0;
        let within = end.min(to.0).saturating_sub(at.max(from.0));
        weighted += within as f64 * stage.tempo.share();
        at = end;
    }
    weighted += to.0.saturating_sub(at.max(from.0)) as f64;
    weighted / span
}

/// A schedule whose time is stretched stage by stage.
#[derive(Clone, Debug)]
pub struct Paced {
    beneath: Schedule,
    due: Timestamp,
    /// Still to come, the next one last.
    stages: Vec<Stage>,
    /// The stage under way; `None` after the last.
    tempo: Option<Tempo>,
    /// When it began, and when that was in the schedule's own time.
    began: Timestamp,
    began_beneath: Timestamp,
    /// When it ends, in the schedule's own time.
    ends_beneath: Timestamp,
    length: Nanos,
}

impl Paced {
    /// Stretch a schedule that begins at `start`.
    pub fn new(beneath: Schedule, stages: &[Stage], start: Timestamp) -> Self {
        let mut paced = Self {
            due: beneath.due(),
            beneath,
            stages: stages.iter().rev().copied().collect(),
            tempo: None,
            began: start,
            began_beneath: start,
            ends_beneath: start,
            length: Nanos::ZERO,
        };
        paced.next_stage();
        paced.due = paced.stretched();
        paced
    }

    pub(crate) const fn due(&self) -> Timestamp {
        self.due
    }

    pub(crate) const fn number(&self) -> Option<usize> {
        self.beneath.number()
    }

    pub(crate) fn advance(&mut self) {
        self.beneath.advance();
        self.due = self.stretched();
    }

    fn stretched(&mut self) -> Timestamp {
        let due = self.beneath.due();
        while self.tempo.is_some() && due >= self.ends_beneath {
            self.began = self.began + self.length;
            self.began_beneath = self.ends_beneath;
            self.next_stage();
        }
        let since = due.since(self.began_beneath).0;
        let factor = if self.tempo == Some(Tempo::Half) { 2 } else { 1 };
        self.began + Nanos(since.saturating_mul(factor))
    }

    fn next_stage(&mut self) {
        let stage = self.stages.pop();
        self.tempo = stage.map(|stage| stage.tempo);
        self.length = stage.map_or(Nanos::ZERO, |stage| stage.length);
        let beneath = match self.tempo {
            Some(Tempo::Rest) => 0,
            Some(Tempo::Half) => self.length.0 / 2,
            Some(Tempo::Full) | None => self.length.0,
        };
        self.ends_beneath = self.began_beneath + Nanos(beneath);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Arrivals;
    use crate::rate::Rate;
    use crate::schedule::Share;

    const START: Timestamp = Timestamp(1_000_000);

    fn stage(millis: u64, tempo: Tempo) -> Stage {
        Stage { length: Nanos::from_millis(millis), tempo }
    }

    fn due_millis(stages: &[Stage], share: Share, count: usize) -> Vec<u64> {
        let rate = Rate::per_second(1_000).expect("a valid rate");
        let beneath = Schedule::new(Arrivals::Constant, rate, share, START, 1);
        let mut paced = Paced::new(beneath, stages, START);
        let mut times = Vec::new();
        for _ in 0..count {
            times.push(paced.due().since(START).0 / 1_000_000);
            paced.advance();
        }
        times
    }

    #[test]
    fn stages_stretch_the_schedule_and_rests_are_empty() {
        let stages = [stage(3, Tempo::Full), stage(6, Tempo::Half), stage(10, Tempo::Rest)];
        let expected = [0, 1, 2, 3, 5, 7, 19, 20, 21];
        assert_eq!(due_millis(&stages, Share::WHOLE, 9), expected);
        assert_eq!(due_millis(&[], Share::WHOLE, 3), [0, 1, 2]);
        assert_eq!(due_millis(&[stage(5, Tempo::Rest)], Share::WHOLE, 2), [5, 6]);
    }

    #[test]
    fn workers_change_tempo_together() {
        let stages = [stage(4, Tempo::Half), stage(4, Tempo::Rest), stage(4, Tempo::Full)];
        let mut merged: Vec<u64> =
            (0..2).flat_map(|index| due_millis(&stages, Share { index, count: 2 }, 4)).collect();
        merged.sort_unstable();
        assert_eq!(merged, due_millis(&stages, Share::WHOLE, 8));
    }

    #[test]
    fn the_mean_tempo_is_that_of_the_stretch_asked_for() {
        let stages = [stage(4, Tempo::Half), stage(4, Tempo::Rest), stage(4, Tempo::Full)];
        let mean = |from, to| mean_share(&stages, Nanos::from_millis(from), Nanos::from_millis(to));
        assert_eq!((mean(0, 4), mean(4, 8), mean(0, 12)), (0.5, 0.0, 0.5));
        assert_eq!((mean(2, 6), mean(8, 40), mean(5, 5)), (0.25, 1.0, 1.0));
    }
}
