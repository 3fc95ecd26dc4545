//! Steps of the rate, and the growth in each: does it follow the requests or the time?
//!
//! At one constant rate the two cannot be separated. A soak with `--dose` therefore runs blocks
//! of rate 0, r and 2r in random order, and the growth of each is explained by its requests and
//! its seconds together (least squares without intercept). The warm-up comes before the blocks.

use std::ops::Range;

use uringbench_core::statistics::Estimate;
use uringbench_core::statistics::distribution::t_quantile;
use uringbench_core::statistics::random::Random;
use uringbench_core::statistics::trend::{SlopeRule, theil_sen};

use super::{Point, ResourceSeries, Rules};

/// The rate of one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateStep {
    /// No requests.
    None,
    /// The rate of `-R`.
    Single,
    /// Twice that.
    Double,
}

impl RateStep {
    /// What to multiply the rate by.
    pub const fn factor(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Single => 1,
            Self::Double => 2,
        }
    }
}

/// The steps of `rounds` rounds: each holds all three, in an order drawn by `seed`, so that drift
/// falls on all of them alike.
pub fn plan(seed: u64, rounds: usize) -> Vec<RateStep> {
    let mut random = Random::new(seed);
    let round = |_| {
        let mut steps = [RateStep::None, RateStep::Single, RateStep::Double];
        random.shuffle(&mut steps);
        steps
    };
    (0..rounds).flat_map(round).collect()
}

/// Requests and growth of one block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateBlock {
    /// Its length.
    pub seconds: f64,
    /// Requests completed in it.
    pub requests: f64,
    /// How far the resource grew, by its Theil–Sen slope.
    pub growth: f64,
}

/// The blocks of a series; the caller leaves out a guard at the start of each span. A span with
/// fewer than 3 readings gives none.
pub fn blocks(series: &ResourceSeries, spans: &[Range<f64>]) -> Vec<RateBlock> {
    let block = |span: &Range<f64>| {
        let inside: Vec<&Point> = series.points.iter().filter(|p| span.contains(&p.t_s)).collect();
        let (first, last) = (inside.first()?, inside.last()?);
        let t: Vec<f64> = inside.iter().map(|p| p.t_s).collect();
        let y: Vec<f64> = inside.iter().map(|p| p.value).collect();
        let rule = SlopeRule { confidence: 0.95, effective: t.len() as f64 };
        let slope = (t.len() >= 3).then(|| theil_sen(&t, &y, rule)).flatten()?;
        let seconds = last.t_s - first.t_s;
        let requests = last.requests.saturating_sub(first.requests) as f64;
        Some(RateBlock { seconds, requests, growth: slope.value * seconds })
    };
    spans.iter().filter_map(block).collect()
}

/// What the growth follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// The requests.
    Requests,
    /// The clock.
    Seconds,
    /// Both add to it.
    Both,
    /// Nothing: there is no growth above the floors.
    Neither,
    /// The blocks are too few or too noisy to tell.
    Undecided,
}

impl Follows {
    /// The word in reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Requests => "per request",
            Self::Seconds => "per second",
            Self::Both => "per request and per second",
            Self::Neither => "no growth",
            Self::Undecided => "undecided",
        }
    }
}

/// The outcome of a soak by steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateResponse {
    /// Growth per request, 95 %, estimated together with the growth per second.
    pub per_request: Estimate,
    /// Growth per second, 95 %, that does not depend on requests.
    pub per_second: Estimate,
    /// Which of them it is.
    pub follows: Follows,
}

/// Explain the growth of `blocks`; `None` when fewer than 4 or all of one rate.
pub fn analyse(blocks: &[RateBlock], rules: &Rules) -> Option<RateResponse> {
    let sum = |of: fn(&RateBlock) -> f64| blocks.iter().map(of).sum::<f64>();
    let (rr, rs) = (sum(|b| b.requests * b.requests), sum(|b| b.requests * b.seconds));
    let (ss, rg) = (sum(|b| b.seconds * b.seconds), sum(|b| b.requests * b.growth));
    let sg = sum(|b| b.seconds * b.growth);
    let determinant = rr * ss - rs * rs;
    if blocks.len() < 4 || determinant <= 1e-6 * rr * ss {
        return None;
    }
    let per_request = (rg * ss - sg * rs) / determinant;
    let per_second = (sg * rr - rg * rs) / determinant;
    let off = |b: &RateBlock| b.growth - per_request * b.requests - per_second * b.seconds;
    let degrees = blocks.len() as f64 - 2.0;
    let variance = blocks.iter().map(|b| off(b).powi(2)).sum::<f64>() / degrees;
    let t = t_quantile(0.025, degrees);
    // Each block's growth is a multiple of the quantum at best, give or take one.
    let grain = rules.quantum * (blocks.len() as f64).sqrt();
    let estimate = |value: f64, squares: f64, total: f64| {
        let half = t * (variance * squares / determinant).sqrt() + grain / total;
        Estimate { value, low: value - half, high: value + half }
    };
    let per_request = estimate(per_request, ss, sum(|b| b.requests));
    let per_second = estimate(per_second, rr, sum(|b| b.seconds));
    let floor_per_second = rules.floor_per_hour / 3_600.0;
    let follows = match (
        per_request.low > 0.0 && per_request.value >= rules.floor_per_request,
        per_second.low > 0.0 && per_second.value >= floor_per_second,
    ) {
        (true, true) => Follows::Both,
        (true, false) => Follows::Requests,
        (false, true) => Follows::Seconds,
        (false, false) => {
            let is_bounded = per_request.high <= rules.floor_per_request
                && per_second.high <= floor_per_second.max(per_second.value.abs());
            if is_bounded { Follows::Neither } else { Follows::Undecided }
        }
    };
    Some(RateResponse { per_request, per_second, follows })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A soak of 4 rounds of 30 s at r = 5,000 that leaks so much per request and per second.
    fn soak(seed: u64, per_request: f64, per_second: f64, noise: f64) -> Option<RateResponse> {
        let mut random = Random::new(seed);
        let (mut points, mut spans) = (Vec::new(), Vec::new());
        let (mut requests, mut value) = (0_u64, 1e8);
        for (index, step) in plan(seed, 4).into_iter().enumerate() {
            let start = index as f64 * 30.0;
            spans.push(start + 2.0..start + 30.0);
            for second in 0..30 {
                let done = u64::from(step.factor()) * 5_000;
                requests += done;
                value += per_request * done as f64 + per_second;
                let read = ((value + noise * random.normal()) / 4_096.0).ceil() * 4_096.0;
                points.push(Point { t_s: start + f64::from(second), requests, value: read });
            }
        }
        analyse(&blocks(&ResourceSeries { points }, &spans), &Rules::BYTES)
    }

    #[test]
    fn every_round_has_every_dose_and_the_order_is_drawn() {
        let steps = plan(7, 50);
        for round in steps.chunks(3) {
            let mut factors: Vec<u32> = round.iter().map(|step| step.factor()).collect();
            factors.sort_unstable();
            assert_eq!(factors, [0, 1, 2]);
        }
        let orders: std::collections::HashSet<u32> = steps
            .chunks(3)
            .map(|round| round[0].factor() * 100 + round[1].factor() * 10 + round[2].factor())
            .collect();
        assert_eq!(orders.len(), 6, "all orders occur in 50 rounds");
        assert_eq!(plan(7, 50), steps);
        assert_ne!(plan(8, 50), steps);
    }

    #[test]
    fn per_request_and_per_second_leaks_are_told_apart() {
        let cases = [
            (64.0, 0.0, Follows::Requests),
            (0.0, 200_000.0, Follows::Seconds),
            (64.0, 200_000.0, Follows::Both),
        ];
        for (per_request, per_second, follows) in cases {
            let (mut right, mut covered) = (0, 0);
            for seed in 0..100 {
                let response = soak(seed, per_request, per_second, 300_000.0).unwrap();
                right += u32::from(response.follows == follows);
                covered += u32::from(response.per_request.covers(per_request));
                covered += u32::from(response.per_second.covers(per_second));
            }
            println!("{follows:?}: {right} of 100 right, {covered} of 200 covered");
            assert!(right >= 90 && covered >= 184, "{follows:?} {right} {covered}");
        }
    }

    #[test]
    fn no_growth_is_no_leak() {
        for seed in 0..100 {
            let follows = soak(seed, 0.0, 0.0, 0.0).unwrap().follows;
            assert!(matches!(follows, Follows::Neither | Follows::Undecided), "{follows:?}");
        }
        let found = (0..200)
            .filter(|&seed| {
                let follows = soak(seed, 0.0, 0.0, 300_000.0).unwrap().follows;
                !matches!(follows, Follows::Neither | Follows::Undecided)
            })
            .count();
        println!("{found} of 200 false");
        assert!(found <= 10, "{found} of 200");
    }

    #[test]
    fn one_rate_alone_cannot_tell() {
        let block = RateBlock { seconds: 30.0, requests: 1e5, growth: 1e6 };
        assert_eq!(analyse(&[block; 8], &Rules::BYTES), None);
        assert_eq!(analyse(&[], &Rules::BYTES), None);
        assert!(blocks(&ResourceSeries::default(), &[0.0..10.0]).is_empty());
    }
}
