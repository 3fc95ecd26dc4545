//! The run that a URL or a scenario describes, before this machine is considered.

use std::time::{SystemTime, UNIX_EPOCH};

use uringbench_core::chaos::ChaosPlan;
use uringbench_core::plan::{ConnectionOrder, Limit, Load, Objective, Workload};
use uringbench_core::time::Nanos;
pub(crate) use uringbench_experiment::Secrets;

use crate::url::Url;

/// The description of a run, from a URL or a scenario.
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
    /// Objectives in the scenario.
    pub(crate) objectives: Vec<Objective>,
    /// What fails during the run.
    pub(crate) chaos: ChaosPlan,
    /// The name in the scenario, used if `--name` is not given.
    pub(crate) name: Option<String>,
    /// Parts that are not stored.
    pub(crate) secrets: Secrets,
}

/// 32 bits are enough to distinguish runs, and short enough to type again.
pub(crate) fn seed_from_clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(now.subsec_nanos()) ^ (now.as_secs() & 0xffff_ffff)
}
