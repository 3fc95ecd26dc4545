//! Whether a comparison needs more runs.
//!
//! The rule looks at the width of the intervals and never at the effect: to stop when a difference
//! looks significant finds differences that are not there.

use uringbench_document::comparison::GroupComparison;

/// Whether the interval of every figure in the verdict reaches at most half of the lower limit to
/// either side, and there are enough runs for a difference to be significant.
pub fn is_narrow(comparison: &GroupComparison) -> bool {
    let mut gated = comparison.figures.iter().filter(|figure| figure.gated).peekable();
    gated.peek().is_some()
        && gated.all(|figure| {
            let change = figure.change;
            let width = change.ci_low.zip(change.ci_high).map(|(low, high)| high - low);
            let is_testable = figure.smallest_detectable.is_some();
            is_testable && width.is_some_and(|width| width <= figure.limits.warn)
        })
}

#[cfg(test)]
mod tests {
    use uringbench_core::statistics::random::Random;
    use uringbench_document::Document;

    use super::*;
    use crate::fixture;
    use crate::{ComparisonSettings, Metric, Pairing, RunGroup, compare};

    fn compared(pairs: usize, noise: f64) -> GroupComparison {
        let mut random = Random::new(4);
        let mut group = |label: &str| {
            let run = |_| {
                let mut run = fixture::run();
                run.rate.completed *= (noise * random.normal()).exp();
                run
            };
            let runs: Vec<Document> = (0..pairs).map(run).collect();
            RunGroup::new(label, runs.iter().map(|run| (String::new(), run)))
        };
        let groups = [group("A"), group("B")];
        let settings = ComparisonSettings {
            pairing: Pairing::InTurn,
            gated: vec![Metric::Rate],
            ..ComparisonSettings::default()
        };
        compare(&groups, &settings).expect("comparable").comparisons.remove(0)
    }

    #[test]
    fn narrow_intervals_of_enough_runs_are_enough() {
        assert!(is_narrow(&compared(8, 0.005)));
        assert!(!is_narrow(&compared(8, 0.1)), "the interval is too wide");
        assert!(!is_narrow(&compared(3, 0.0)), "of three runs nothing is significant");
    }
}
