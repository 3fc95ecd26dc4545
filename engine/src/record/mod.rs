//! Everything that is counted and timed: by workers as they go, and added up by the collector.

pub(crate) mod collector;
pub(crate) mod departures;
pub(crate) mod inspection;
pub(crate) mod recorder;
pub(crate) mod statuses;
pub(crate) mod thread_cost;
