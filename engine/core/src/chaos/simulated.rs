//! Targets in plain code whose recovery is known: a single server that stands still for a while.

use super::due_rows::DueRows;
use super::figures::{ChaosAnalysis, ChaosInput, InjectionTimes};
use crate::outcome::Outcome;
use crate::statistics::random::Random;
use crate::time::{Nanos, Timestamp};

/// The load starts at this time.
const START: Timestamp = Timestamp(1_000_000_000);

/// A server that serves one request after the other, each for the same time.
pub(super) struct SimulatedServer {
    /// Requests per second, evenly spaced.
    pub(super) rate: u64,
    /// The share of its time that it serves.
    pub(super) load: f64,
    /// From when to when it stands still.
    pub(super) pause: (Nanos, Nanos),
    /// How long the load lasts.
    pub(super) length: Nanos,
    /// Requests without an answer after this long end.
    pub(super) timeout: Nanos,
}

impl SimulatedServer {
    /// The requests of the whole load by the time at which they were due.
    pub(super) fn rows(&self, good: Nanos) -> DueRows {
        let mut rows = DueRows::new(START, self.length, Some(good));
        let gap = Nanos::SECOND.0 / self.rate;
        let service = (gap as f64 * self.load) as u64;
        let (from, to) = (self.pause.0.0, self.pause.1.0);
        let mut free = 0;
        for number in 0..self.length.0 / gap {
            let due = number * gap;
            let mut begins = free.max(due);
            if (from..to).contains(&begins) {
                begins = to;
            }
            let mut ends = begins + service;
            if begins < from && ends > from {
                ends += to - from;
            }
            free = ends;
            let (ends, outcome) = if ends - due > self.timeout.0 {
                (due + self.timeout.0, Outcome::Timeout)
            } else {
                (ends, Outcome::Ok)
            };
            rows.ended(START + Nanos(due), START + Nanos(ends), outcome, 1);
        }
        rows
    }

    /// The figures of the pause.
    pub(super) fn analysis(&self, good: Nanos) -> ChaosAnalysis {
        let times = InjectionTimes {
            fault: 0,
            injected: self.pause.0,
            effective: Some(self.pause.0),
            cleared: Some(self.pause.1),
        };
        let input = ChaosInput {
            injections: &[times],
            window: (Nanos::ZERO, self.length),
            good: Some(good),
            availability: 0.999,
            has_steps: false,
        };
        ChaosAnalysis::of(self.rows(good), &input).expect("the baseline is long enough")
    }
}

/// The figures of a fault that does nothing to a target with one bad request in a hundred.
pub(super) fn undisturbed(seed: u64) -> ChaosAnalysis {
    const ROWS: u64 = 550;
    let mut random = Random::new(seed);
    let mut rows = DueRows::new(START, Nanos::from_millis(100 * ROWS), Some(Nanos::SECOND));
    for row in 0..ROWS {
        let at = START + Nanos::from_millis(100 * row + 1);
        let bad = (0..100).filter(|_| random.below(100) == 0).count() as u16;
        rows.ended(at, at + Nanos::MILLISECOND, Outcome::Ok, 100 - bad);
        rows.ended(at, at + Nanos::MILLISECOND, Outcome::Status, bad);
    }
    let times = InjectionTimes {
        fault: 0,
        injected: Nanos::from_secs(40),
        effective: Some(Nanos::from_secs(40)),
        cleared: Some(Nanos::from_secs(45)),
    };
    let input = ChaosInput {
        injections: &[times],
        window: (Nanos::ZERO, Nanos::from_secs(55)),
        good: Some(Nanos::SECOND),
        availability: 0.999,
        has_steps: false,
    };
    ChaosAnalysis::of(rows, &input).expect("the baseline is long enough")
}
