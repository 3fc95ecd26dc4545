//! The settings of a comparison: limits, the figures that are gated, the noise that is known.

use std::collections::BTreeMap;

use uringbench_document::comparison::ComparisonLimits;

use crate::metric::Metric;

/// How many times the noise floor a limit is at least.
const FLOORS: f64 = 3.0;

/// The settings of a comparison.
#[derive(Clone, Debug)]
pub struct ComparisonSettings {
    /// By how much a figure may be worse.
    pub limits: ComparisonLimits,
    /// The figures on which the verdict depends.
    pub gated: Vec<Metric>,
    /// How the runs of the groups belong together.
    pub pairing: Pairing,
    /// Spread from run to run that was measured on this host with this plan, as shares.
    pub noise: BTreeMap<Metric, f64>,
    /// Whether to compare although hosts or plans differ.
    pub is_forced: bool,
}

/// How the runs of two groups belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// Not at all.
    Independent,
    /// The first of one group was measured beside the first of the other, and so on.
    InTurn,
}

impl Default for ComparisonSettings {
    /// Warn over 5 %, fail over 10 %, severe over 15 %.
    fn default() -> Self {
        Self {
            limits: ComparisonLimits { warn: 0.05, fail: 0.10, severe: 0.15 },
            gated: Metric::ALL.into_iter().filter(|metric| metric.is_gated()).collect(),
            pairing: Pairing::Independent,
            noise: BTreeMap::new(),
            is_forced: false,
        }
    }
}

impl ComparisonSettings {
    /// The limits of one figure: those asked for, but at least three times its noise floor.
    pub(crate) fn limits_of(&self, metric: Metric) -> ComparisonLimits {
        let floor = self.noise.get(&metric).map_or(0.0, |noise| FLOORS * noise);
        let ComparisonLimits { warn, fail, severe } = self.limits;
        ComparisonLimits { warn: warn.max(floor), fail: fail.max(floor), severe: severe.max(floor) }
    }
}
