//! Whether a load is a bound: the load classification of MLRsearch (RFC 9971, appendix A), and its
//! conditional throughput (appendix B).
//!
//! Knows the trials at one load and one goal. Which load is tried next, and what follows from the
//! bounds, is the search's.

use std::collections::BTreeMap;

/// What a load must keep up to be a lower bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassifyRule {
    /// Share of bad requests that a trial may have.
    pub loss_ratio: f64,
    /// Share of the time that trials with more of them may take.
    pub exceed_ratio: f64,
    /// Length of a full trial in seconds; shorter ones count less.
    pub trial: f64,
    /// Length of all trials together that decides, in seconds.
    pub sum: f64,
}

/// What the trials at a load have shown so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadClass {
    /// The load keeps up, even if every further trial were bad.
    Lower,
    /// It does not, even if every further trial were good.
    Upper,
    /// More trials decide.
    Undecided,
}

/// The trials at one load: the length of each in seconds and its share of bad requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadTrials(Vec<(f64, f64)>);

/// Seconds of trials: of full length or shorter, with few or many bad requests.
#[derive(Clone, Copy, Debug, Default)]
struct Seconds {
    good_full: f64,
    bad_full: f64,
    good_short: f64,
    bad_short: f64,
}

impl LoadTrials {
    /// Adds one.
    pub fn add(&mut self, seconds: f64, loss_ratio: f64) {
        self.0.push((seconds, loss_ratio));
    }

    /// Seconds of all.
    pub fn seconds(&self) -> f64 {
        self.0.iter().map(|(seconds, _)| seconds).sum()
    }

    /// What they show.
    pub fn class(&self, rule: &ClassifyRule) -> LoadClass {
        let all = self.sorted(rule);
        let balancing = all.good_short * rule.exceed_ratio / (1.0 - rule.exceed_ratio);
        let bad = all.bad_full + (all.bad_short - balancing).max(0.0);
        let whole = (all.good_full + bad).max(rule.sum);
        let tolerated = whole * rule.exceed_ratio;
        let (at_best, at_worst) = (bad <= tolerated, whole - all.good_full <= tolerated);
        match (at_best, at_worst) {
            (true, true) => LoadClass::Lower,
            (false, _) => LoadClass::Upper,
            (true, false) => LoadClass::Undecided,
        }
    }

    /// The rate of good requests to expect at this `load`, if it is a lower bound: the load without
    /// the bad requests of the trial at the exceed ratio, time that was not tried counted as bad.
    pub fn conditional_throughput(&self, load: f64, rule: &ClassifyRule) -> f64 {
        let mut by_loss: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
        for &(seconds, loss) in self.0.iter().filter(|(seconds, _)| *seconds >= rule.trial) {
            // Bits of floats that are not negative are in the order of the floats.
            by_loss.entry(loss.to_bits()).or_insert((loss, 0.0)).1 += seconds;
        }
        let tried: f64 = by_loss.values().map(|(_, seconds)| seconds).sum();
        let mut left = rule.sum.max(tried) * (1.0 - rule.exceed_ratio);
        for (loss, seconds) in by_loss.into_values() {
            left -= seconds;
            if left <= 0.0 {
                return load * (1.0 - loss);
            }
        }
        0.0
    }

    fn sorted(&self, rule: &ClassifyRule) -> Seconds {
        let mut all = Seconds::default();
        for &(seconds, loss) in &self.0 {
            let (is_full, is_bad) = (seconds >= rule.trial, loss > rule.loss_ratio);
            *match (is_full, is_bad) {
                (true, false) => &mut all.good_full,
                (true, true) => &mut all.bad_full,
                (false, false) => &mut all.good_short,
                (false, true) => &mut all.bad_short,
            } += seconds;
        }
        all
    }
}
