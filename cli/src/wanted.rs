//! What a URL or a scenario asks of a run, before this machine is looked at.

use std::time::{SystemTime, UNIX_EPOCH};

use uringbench_core::plan::{ConnectionOrder, Limit, Load, Objective, Workload};
use uringbench_core::time::Nanos;
use uringbench_document::{Secret, SecretTable};

use crate::url::Url;

/// What both have to say, each in its own way.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// The target.
    pub(crate) url: Url,
    /// The request's method, or the scenario's file.
    pub(crate) method: String,
    /// What is sent.
    pub(crate) workload: Workload,
    /// When it is sent.
    pub(crate) load: Load,
    /// When the measured window ends.
    pub(crate) window: Limit,
    /// Load before it.
    pub(crate) warmup: Nanos,
    /// Connections over all cores.
    pub(crate) connections: u32,
    /// Which free connection takes the next request.
    pub(crate) order: ConnectionOrder,
    /// Seed of every random choice.
    pub(crate) seed: u64,
    /// Objectives of its own.
    pub(crate) objectives: Vec<Objective>,
    /// What the run is called, unless it is given a name.
    pub(crate) name: Option<String>,
    /// What of it is not stored.
    pub(crate) secrets: Secrets,
}

/// What of a plan is not stored, beside the values of headers that carry secrets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets {
    /// Texts, wherever they stand.
    pub(crate) texts: Vec<Secret>,
    /// Rows of data.
    pub(crate) tables: Vec<SecretTable>,
}

/// 32 bits are enough to tell runs apart, and short enough to type again.
pub(crate) fn seed_from_clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(now.subsec_nanos()) ^ (now.as_secs() & 0xffff_ffff)
}
