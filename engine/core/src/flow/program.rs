//! The order in which a user takes a flow's steps: a flat list of operations and a place in it.
//!
//! When a pause is over and what a failed step means is the caller's to decide.

use serde::{Deserialize, Serialize};

use crate::statistics::random::Random;
use crate::time::Nanos;

/// One operation. Places are indices into the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowOperation {
    /// Take this step: an index into the flow's steps.
    Send(usize),
    /// Pause.
    Think(Think),
    /// Go back until what lies between has been done so often in all.
    Repeat {
        /// Where it begins, before this operation.
        from: usize,
        /// At least 1.
        times: u32,
    },
    /// Go on at one of these places. Each is chosen as often as its weight says.
    Choose(Vec<Arm>),
    /// Go on at this place, which lies behind.
    Jump(usize),
}

/// One way to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arm {
    /// Its share of the sum of all: at least 1.
    pub weight: u32,
    /// Where it begins, behind the choice.
    pub at: usize,
}

/// The law of a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Think {
    /// Always this long.
    Constant(Nanos),
    /// From one to the other, both included, all as likely.
    Uniform(Nanos, Nanos),
    /// With this mean, as between independent events; at most 20 times the mean.
    Exponential(Nanos),
}

/// What a user does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Take this step.
    Send(usize),
    /// Wait so long.
    Pause(Nanos),
}

/// A user's place in a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    at: u32,
    /// Of the stretch that is repeated. Stretches do not lie within each other.
    rounds: u32,
}

impl Think {
    /// How long this time.
    pub fn draw(self, random: &mut Random) -> Nanos {
        match self {
            Self::Constant(span) => span,
            Self::Uniform(from, to) => {
                Nanos(from.0 + random.below((to.0 - from.0) as usize + 1) as u64)
            }
            Self::Exponential(mean) => {
                let times = -(1.0 - random.unit()).ln();
                Nanos((mean.0 as f64 * times.min(20.0)) as u64)
            }
        }
    }
}

impl Place {
    /// What comes next; `None` at the flow's end.
    pub fn next(&mut self, operations: &[FlowOperation], random: &mut Random) -> Option<Action> {
        loop {
            let operation = operations.get(self.at as usize)?;
            self.at += 1;
            match operation {
                FlowOperation::Send(step) => return Some(Action::Send(*step)),
                FlowOperation::Think(think) => return Some(Action::Pause(think.draw(random))),
                FlowOperation::Repeat { from, times } => {
                    self.rounds += 1;
                    if self.rounds < *times {
                        self.at = place_of(*from);
                    } else {
                        self.rounds = 0;
                    }
                }
                FlowOperation::Choose(arms) => self.at = place_of(chosen(arms, random)?),
                FlowOperation::Jump(at) => self.at = place_of(*at),
            }
        }
    }
}

/// A place in a list, which has less than 2^32; no other is one, and ends the flow.
fn place_of(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn chosen(arms: &[Arm], random: &mut Random) -> Option<usize> {
    let sum: usize = arms.iter().map(|arm| arm.weight as usize).sum();
    let mut drawn = random.below(sum);
    arms.iter().find_map(|arm| match drawn.checked_sub(arm.weight as usize) {
        Some(rest) => {
            drawn = rest;
            None
        }
        None => Some(arm.at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_repeat_and_choices_keep_their_weights() {
        let think = Think::Uniform(Nanos(5), Nanos(6));
        let operations = [
            FlowOperation::Send(0),
            FlowOperation::Think(think),
            FlowOperation::Repeat { from: 0, times: 3 },
            FlowOperation::Choose(vec![Arm { weight: 1, at: 4 }, Arm { weight: 3, at: 6 }]),
            FlowOperation::Send(1),
            FlowOperation::Jump(7),
            FlowOperation::Send(2),
            FlowOperation::Send(3),
        ];
        let mut random = Random::new(1);
        let mut counts = [0; 4];
        for _ in 0..10_000 {
            let mut place = Place::default();
            while let Some(action) = place.next(&operations, &mut random) {
                match action {
                    Action::Send(step) => counts[step] += 1,
                    Action::Pause(span) => assert!(span == Nanos(5) || span == Nanos(6)),
                }
            }
        }
        assert_eq!((counts[0], counts[1] + counts[2], counts[3]), (30_000, 10_000, 10_000));
        // Five standard deviations of a binomial count.
        assert!((counts[1] - 2_500_i32).abs() < 217, "{counts:?}");
    }

    #[test]
    fn pauses_have_the_mean_they_claim() {
        let mut random = Random::new(2);
        let mean = Nanos::from_millis(10);
        let sum: u64 = (0..100_000).map(|_| Think::Exponential(mean).draw(&mut random).0).sum();
        assert!((sum as f64 / 1e5 / mean.0 as f64 - 1.0).abs() < 0.016);
        assert_eq!(Think::Constant(mean).draw(&mut random), mean);
    }
}
