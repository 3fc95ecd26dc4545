//! CPU time per request by function, with an interval.
//!
//! The weight of a function's samples over the requests completed in the same time. Unlike a share
//! of samples, it is comparable between runs of different rates. The interval is a block bootstrap
//! over blocks of time, since neighbouring seconds are similar; it holds for functions seen in many
//! blocks, and is wide for others.

use uringbench_core::statistics::Estimate;
use uringbench_core::statistics::bootstrap::{Resampling, ratio_interval};

/// A block of time; all of one length, in order, usually one second each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TimeBlock {
    /// Requests completed in it.
    pub requests: u64,
    /// Nanoseconds of CPU time by function, in the order of [`Work::functions`].
    pub weights: Vec<u64>,
}

/// The CPU time of a target while it answered requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Work {
    /// The functions.
    pub functions: Vec<String>,
    /// The blocks; a weight missing at the end of one is 0.
    pub blocks: Vec<TimeBlock>,
}

/// A function's cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// The function.
    pub function: String,
    /// Microseconds of CPU time per request, 95 %.
    pub us_per_request: Estimate,
}

/// The `top` most expensive functions, in that order; none if no request was completed. `seed`
/// selects the draws of the bootstrap.
pub fn per_request(work: &Work, top: usize, seed: u64) -> Vec<Cost> {
    let requests = work.requests();
    let mut order: Vec<(usize, f64)> = (0..work.functions.len())
        .map(|function| (function, work.micros(function).iter().sum()))
        .collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    order
        .into_iter()
        .take(top)
        .filter(|(_, total)| *total > 0.0)
        .filter_map(|(function, _)| {
            let micros = work.micros(function);
            let resampling = suited(&micros, &requests, seed);
            let cost = ratio_interval(&micros, &requests, &resampling)?;
            let us_per_request = Estimate { low: cost.low.max(0.0), ..cost };
            Some(Cost { function: work.functions[function].clone(), us_per_request })
        })
        .collect()
}

impl Work {
    /// Requests per block.
    pub(super) fn requests(&self) -> Vec<f64> {
        self.blocks.iter().map(|block| block.requests as f64).collect()
    }

    /// A function's microseconds per block.
    pub(super) fn micros(&self, function: usize) -> Vec<f64> {
        let weight = |block: &TimeBlock| block.weights.get(function).copied().unwrap_or(0);
        self.blocks.iter().map(|block| weight(block) as f64 / 1e3).collect()
    }
}

/// Resampling in blocks whose length fits the variation that the requests do not explain.
pub(super) fn suited(micros: &[f64], requests: &[f64], seed: u64) -> Resampling {
    let ratio = micros.iter().sum::<f64>() / requests.iter().sum::<f64>().max(1.0);
    let unexplained: Vec<f64> =
        micros.iter().zip(requests).map(|(micros, requests)| micros - ratio * requests).collect();
    Resampling::suited_to(&unexplained, seed)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use uringbench_core::statistics::random::Random;

    /// Samples of 10 ms each, of functions with these costs in µs per request, under a rate and a
    /// machine whose speed wanders.
    pub(in super::super) fn work(random: &mut Random, costs: &[(&str, f64)], rps: f64) -> Work {
        let mut speed = 0.0;
        let block = |_| {
            speed = 0.6 * speed + 0.04 * random.normal();
            let requests = (rps * (1.0 + 0.05 * random.normal())).max(1.0);
            let weights = costs.iter().map(|(_, cost)| {
                let expected = cost * requests * (1.0 + speed) / 10_000.0;
                // Approximately a sum of many rare events.
                let samples = expected + expected.sqrt() * random.normal();
                samples.round().max(0.0) as u64 * 10_000_000
            });
            TimeBlock { requests: requests as u64, weights: weights.collect() }
        };
        let functions = costs.iter().map(|(name, _)| (*name).to_owned()).collect();
        Work { functions, blocks: (0..60).map(block).collect() }
    }

    #[test]
    fn costs_are_covered_as_often_as_promised() {
        let costs = [("parse", 30.0), ("send", 12.0), ("log", 4.0)];
        let mut covered = [0; 3];
        for seed in 0..300 {
            let work = work(&mut Random::new(seed), &costs, 10_000.0);
            let found = per_request(&work, 3, seed);
            for (i, (name, cost)) in costs.iter().enumerate() {
                assert_eq!(found[i].function, *name, "the dearest comes first");
                covered[i] += u32::from(found[i].us_per_request.covers(*cost));
            }
        }
        println!("covered {covered:?} of 300");
        assert!(covered.iter().all(|&covered| covered >= 273), "{covered:?} of 300");
    }

    #[test]
    fn costs_do_not_depend_on_the_rate_and_top_is_obeyed() {
        let costs = [("parse", 30.0), ("send", 12.0)];
        let slow = per_request(&work(&mut Random::new(1), &costs, 5_000.0), 1, 0);
        let fast = per_request(&work(&mut Random::new(2), &costs, 20_000.0), 1, 0);
        assert_eq!((slow.len(), fast.len()), (1, 1));
        let ratio = slow[0].us_per_request.value / fast[0].us_per_request.value;
        assert!((0.93..1.07).contains(&ratio), "{ratio}");
    }

    #[test]
    fn nothing_done_costs_nothing() {
        assert!(per_request(&Work::default(), 10, 0).is_empty());
        let idle = TimeBlock { requests: 0, weights: vec![5] };
        let work = Work { functions: vec!["idle".into()], blocks: vec![idle; 9] };
        assert!(per_request(&work, 10, 0).is_empty());
        // A single block has a cost, but no interval.
        let once = TimeBlock { requests: 10, weights: vec![50_000] };
        let work = Work { functions: vec!["once".into(), "never".into()], blocks: vec![once] };
        let costs = per_request(&work, 10, 0);
        assert_eq!((costs.len(), costs[0].us_per_request.value), (1, 5.0));
        assert_eq!(costs[0].us_per_request.high, f64::INFINITY);
    }
}
