//! The capacity of a target: the highest load at which it meets its objectives, as an interval.
//!
//! [`CapacitySearch`] chooses one trial after the other and computes the answer from their results:
//! `trial` has the words, `classify` is MLRsearch's classification of a load, `tried` what the
//! trials so far have shown, `search` the order of trials, `answer` the interval. `limits` decides
//! from the document of a run what it counts for. Nothing here runs a trial.

mod answer;
mod classify;
mod limits;
mod search;
mod trial;
mod tried;

pub use answer::{CapacityAnswer, Ceiling, GoalAnswer, Hysteresis};
pub use classify::{ClassifyRule, LoadClass, LoadTrials};
pub use limits::{bad_requests, trial_limit};
pub use search::CapacitySearch;
pub use trial::{
    CapacityGoal, CapacityTrial, SearchSettings, TrialLimit, TrialPurpose, TrialResult,
};
