//! When requests are sent, and when the run ends.

use serde::{Deserialize, Serialize};

use crate::rate::Rate;
use crate::tempo::{self, Stage};
use crate::time::Nanos;
use crate::varying::{self, Stretch};

/// What decides when the next request is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Load {
    /// Every connection, or every user, sends its next request as soon as it may: throughput, not
    /// latency.
    Closed,
    /// Requests, or flows, are due on a schedule, whatever the target does.
    Open {
        /// Requests per second over all workers, at the beginning.
        rate: Rate,
        /// The law of the gaps between due times.
        arrivals: Arrivals,
        /// How the rate changes.
        course: Course,
    },
    /// Flows are due at the times of the script's replay.
    Replay,
}

/// How the rate of an open loop changes, from the start of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Course {
    /// It holds.
    #[default]
    Even,
    /// The schedule passes at the tempo of these stages, one after the other; after the last one
    /// at full tempo.
    Tempo(Vec<Stage>),
    /// The rate goes through these stretches, at least one; after the last one it holds.
    Stretches(Vec<Stretch>),
}

/// The law of the gaps between the due times of an open loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// Evenly spaced: the least variance, for comparisons.
    Constant,
    /// Exponential gaps, seeded: real queues, for capacity.
    Poisson,
}

/// How long the parts of a run last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// When the measured window ends.
    pub window: Limit,
    /// Load before the measured window, counted apart.
    pub warmup: Nanos,
    /// How long an exchange may take from `sent`, a connection to establish, and a due slot to
    /// wait for a connection; also the longest drain. [`TIMEOUT_MIN`]..=[`TIMEOUT_MAX`].
    pub timeout: Nanos,
}

/// The shortest timeout.
pub const TIMEOUT_MIN: Nanos = Nanos::MILLISECOND;
/// The longest.
pub const TIMEOUT_MAX: Nanos = Nanos::from_secs(3_600);

/// When the measured window ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// After this long.
    Duration(Nanos),
    /// When exactly this many requests have been released (over all workers), at least 1.
    Requests(u64),
    /// Whichever comes first.
    Either(Nanos, u64),
}

impl Load {
    /// An open loop whose rate holds.
    pub const fn open(rate: Rate, arrivals: Arrivals) -> Self {
        Self::Open { rate, arrivals, course: Course::Even }
    }

    /// The changes of tempo; none elsewhere.
    pub fn stages(&self) -> &[Stage] {
        match self {
            Self::Open { course: Course::Tempo(stages), .. } => stages,
            _ => &[],
        }
    }

    /// Requests per second that an open loop offers on average between two moments, both counted
    /// from the start of the run; `None` for others.
    pub(super) fn mean_rate(&self, from: Nanos, to: Nanos) -> Option<f64> {
        let Self::Open { rate, course, .. } = self else { return None };
        Some(match course {
            Course::Even => rate.as_f64(),
            Course::Tempo(stages) => rate.as_f64() * tempo::mean_share(stages, from, to),
            Course::Stretches(stretches) => varying::mean_rate(stretches, from, to),
        })
    }
}

impl Limit {
    /// The most requests the window releases, if it is limited by them.
    pub const fn requests(self) -> Option<u64> {
        match self {
            Self::Duration(_) => None,
            Self::Requests(n) | Self::Either(_, n) => Some(n),
        }
    }

    /// The longest the window lasts, if it is limited by time.
    pub const fn duration(self) -> Option<Nanos> {
        match self {
            Self::Requests(_) => None,
            Self::Duration(d) | Self::Either(d, _) => Some(d),
        }
    }
}
