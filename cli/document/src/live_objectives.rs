//! The objectives of a run in progress, as its document has them at the end.

use uringbench_core::slo::{Measured, Slo};
use uringbench_core::summary::TimeSummary;

use crate::run::SloHeld;

/// Objectives of the whole run.
#[derive(Clone, Debug, Default)]
pub struct LiveObjectives {
    limits: Vec<Slo>,
    is_closed: bool,
}

impl LiveObjectives {
    /// `is_closed` says whether times count from the moment a request is sent.
    pub const fn new(limits: Vec<Slo>, is_closed: bool) -> Self {
        Self { limits, is_closed }
    }

    /// Whether times count from the moment a request is sent.
    pub const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Whether they are met so far: with these response times, this share of errors of 0..=1, and
    /// so many answers per second.
    pub fn held(
        &self,
        response: &TimeSummary,
        error_share: Option<f64>,
        rate: f64,
    ) -> Vec<SloHeld> {
        let measured = Measured::so_far(response, error_share, rate, self.is_closed);
        self.limits.iter().flat_map(|limit| limit.judge(&measured)).map(|it| (&it).into()).collect()
    }
}
