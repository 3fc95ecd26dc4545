//! The steps and flows of a scenario, and the events of streams.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{CauseFigures, TimeFigures};

/// One of `steps`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepFigures {
    /// `request` if the flow is a single URL.
    pub name: String,
    /// Slots released.
    pub released: u64,
    /// Complete answers.
    pub completed: u64,
    /// done − due.
    pub response: TimeFigures,
    /// done − sent.
    pub service: TimeFigures,
    /// First byte − sent; unknown for a step of a scenario.
    pub first_byte: Option<TimeFigures>,
    /// Its part: a flow's name, `on_start` or `on_end`; `null` for a single URL, as are the next
    /// ones.
    #[serde(default)]
    pub flow: Option<String>,
    /// Answers that passed.
    #[serde(default)]
    pub ok: Option<u64>,
    /// Requests with other outcomes, by outcome.
    #[serde(default)]
    pub errors: Option<BTreeMap<String, u64>>,
    /// Why answers did not pass, with counts, the most frequent first.
    #[serde(default)]
    pub failures: Vec<FailureCounted>,
    /// Why requests ended without a passing answer, the most first; left out where none is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<CauseFigures>,
    /// sent − due.
    #[serde(default)]
    pub lateness: Option<TimeFigures>,
    /// Answers that passed, per second; in a closed loop those across an edge of the measured
    /// window by their share.
    #[serde(default)]
    pub rate: Option<f64>,
}

/// One of a step's `failures`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureCounted {
    /// The failed check or capture.
    pub what: String,
    /// How often.
    pub count: u64,
}

/// One of `flows`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowFigures {
    /// Its name.
    pub name: String,
    /// Flows in which every step passed.
    pub passed: u64,
    /// Flows in which a step failed.
    pub failed: u64,
    /// Flows unfinished at the end of the run.
    pub unfinished: u64,
    /// Those that passed, per second.
    pub rate: f64,
    /// Their length from the time they were due, without think times.
    pub response: TimeFigures,
    /// The part of it that was waiting for answers.
    #[serde(default)]
    pub service: TimeFigures,
    /// The part of it that was waiting to send a due request.
    #[serde(default)]
    pub lateness: TimeFigures,
}

/// Key `stream`: events of the answers in the measured window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamFigures {
    /// The number of events.
    pub events: u64,
    /// Gaps that were stalls.
    pub stalls: u64,
    /// First event − sent.
    pub first_event_ns: TimeFigures,
    /// From one event to the next.
    pub gap_ns: TimeFigures,
}
