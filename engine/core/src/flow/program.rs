//! The order of a flow's steps: a flat list of operations and a position in it.
//!
//! The caller decides when a pause is over and what a failed step means.

use serde::{Deserialize, Serialize};

use crate::statistics::random::Random;
use crate::time::Nanos;

/// One operation. Positions are indices into the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowOperation {
    /// Send this step: an index into the flow's steps.
    Send(usize),
    /// Pause.
    Think(Think),
    /// Go back until the operations in between have run this often in total.
    Repeat {
        /// Their first operation, before this one.
        from: usize,
        /// At least 1.
        times: u32,
    },
    /// Continue at one of these positions, chosen at random by weight.
    Choose(Vec<Arm>),
    /// Continue at this later position.
    Jump(usize),
}

/// One branch of a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arm {
    /// Its share of the sum of all: at least 1.
    pub weight: u32,
    /// Its position, after the choice.
    pub at: usize,
}

/// The distribution of a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Think {
    /// Always this long.
    Constant(Nanos),
    /// Uniform between the two, both included.
    Uniform(Nanos, Nanos),
    /// Exponential with this mean, as between independent events; at most 20 times the mean.
    Exponential(Nanos),
}

/// The next action of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this step.
    Send(usize),
    /// Wait this long.
    Pause(Nanos),
}

/// A user's position in a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    at: u32,
    /// Of the repeated operations. Repetitions are not nested.
    rounds: u32,
}

impl Think {
    /// A pause drawn at random.
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
    /// The next action; `None` at the flow's end.
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

/// A position in a list, which has fewer than 2^32; any other is past the end.
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
