//! All counts and times: recorded by the workers, and added up by the collector.

pub(crate) mod collector;
pub(crate) mod departures;
pub(crate) mod inspection;
pub(crate) mod recorder;
pub(crate) mod statuses;
pub(crate) mod thread_cost;
