//! One module per command; each has an `execute` that `main` calls.

pub(crate) mod ab;
pub(crate) mod alerts;
pub(crate) mod baseline;
pub(crate) mod capacity;
pub(crate) mod chaos;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod gate;
pub(crate) mod grpc;
pub(crate) mod history;
pub(crate) mod import;
pub(crate) mod man;
pub(crate) mod noise;
pub(crate) mod profile;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod scenario;
pub(crate) mod schedule;
pub(crate) mod serve;
pub(crate) mod soak;
pub(crate) mod suite;
pub(crate) mod target;
pub(crate) mod trend;
