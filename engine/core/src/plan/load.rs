//! When requests are sent, and when the run ends.

use serde::{Deserialize, Serialize};

use crate::rate::Rate;
use crate::rate_profile::{self, Segment};
use crate::time::Nanos;

/// The rule for when the next request is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Load {
    /// Every connection, or every user, sends its next request as soon as possible: measures
    /// throughput, not latency.
    Closed,
    /// Requests, or flows, are due on a schedule that the target cannot delay.
    Open {
        /// Requests per second over all workers, at the start.
        rate: Rate,
        /// The distribution of the gaps between due times.
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
    /// It is constant.
    #[default]
    Even,
    /// The rate follows these segments in order, at least one, each with a length; after the last
    /// one, which ends at a rate, it is constant.
    Segments(Vec<Segment>),
}

/// The distribution of the gaps between due times of an open loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// Equal gaps: the least variance, for comparisons.
    Constant,
    /// Exponential gaps from a seed: real queues, for capacity.
    Poisson,
}

/// The lengths of the parts of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// When the measured window ends.
    pub window: Limit,
    /// Load before the measured window, counted separately.
    pub warmup: Nanos,
    /// Longest time of an exchange from `sent`, of a connect, and of a due slot's wait for a
    /// connection; also the longest drain. [`TIMEOUT_MIN`]..=[`TIMEOUT_MAX`].
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
    /// When exactly this many requests have been released, over all workers; at least 1.
    Requests(u64),
    /// Whichever comes first.
    Either(Nanos, u64),
}

impl Load {
    /// An open loop at a constant rate.
    pub const fn open(rate: Rate, arrivals: Arrivals) -> Self {
        Self::Open { rate, arrivals, course: Course::Even }
    }

    /// The changes of the rate; empty without them.
    pub fn segments(&self) -> &[Segment] {
        match self {
            Self::Open { course: Course::Segments(segments), .. } => segments,
            _ => &[],
        }
    }

    /// Requests per second that an open loop offers on average between two times, counted from the
    /// start of the run; otherwise `None`.
    pub(super) fn mean_rate(&self, from: Nanos, to: Nanos) -> Option<f64> {
        let Self::Open { rate, course, .. } = self else { return None };
        Some(match course {
            Course::Even => rate.as_f64(),
            Course::Segments(segments) => rate_profile::mean_rate(segments, from, to),
        })
    }
}

impl Limit {
    /// The most requests in the window, if it is limited by them.
    pub const fn requests(self) -> Option<u64> {
        match self {
            Self::Duration(_) => None,
            Self::Requests(n) | Self::Either(_, n) => Some(n),
        }
    }

    /// The longest time of the window, if it is limited by time.
    pub const fn duration(self) -> Option<Nanos> {
        match self {
            Self::Requests(_) => None,
            Self::Duration(d) | Self::Either(d, _) => Some(d),
        }
    }
}
