//! The cost of the profiler for its target, measured in the same run.
//!
//! Sampling is switched on and off in pairs of blocks, in random order within each pair, so that
//! drift affects both equally; the start of each block is left out, since the switch itself takes
//! time. Each pair gives the logarithm of one ratio; the change is their Hodges–Lehmann shift. The
//! session switches and counts.

use uringbench_core::statistics::Estimate;
use uringbench_core::statistics::paired::hodges_lehmann;
use uringbench_core::statistics::random::Random;
use uringbench_core::time::Nanos;

const CONFIDENCE: f64 = 0.95;
/// With fewer pairs, 95 % cannot be bounded.
pub const PAIRS_MIN: usize = 6;
/// The share of a block that is left out at its start, and its minimum.
const GUARD_SHARE: u64 = 10;
const GUARD_MIN: Nanos = Nanos::from_millis(200);

/// When to sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockPlan {
    /// The blocks in order, from time 0; every two are a pair.
    pub blocks: Vec<PlannedBlock>,
}

/// One block of the plan, from the start of the measured window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedBlock {
    /// Whether to sample in it.
    pub on: bool,
    /// When to switch.
    pub start: Nanos,
    /// When counting begins: before that, the switch may still have an effect.
    pub counted_from: Nanos,
    /// Its end.
    pub end: Nanos,
}

impl BlockPlan {
    /// `pairs` pairs of blocks of `length`, the order within each chosen by `seed`. A tenth of a
    /// block (at least 0.2 s, at most half of it) is the guard.
    pub fn new(seed: u64, length: Nanos, pairs: usize) -> Self {
        let mut random = Random::new(seed);
        let guard = Nanos(length.0 / GUARD_SHARE).max(GUARD_MIN).min(Nanos(length.0 / 2));
        let orders = (0..pairs).flat_map(|_| {
            let first = random.coin();
            [first, !first]
        });
        let mut start = Nanos::ZERO;
        let mut block = |on| {
            let (from, end) = (start, start + length);
            start = end;
            PlannedBlock { on, start: from, counted_from: from + guard, end }
        };
        Self { blocks: orders.map(&mut block).collect() }
    }

    /// As many pairs as fit in `span`, in blocks of `length`.
    pub fn fitting(seed: u64, length: Nanos, span: Nanos) -> Self {
        let pairs = span.0.checked_div(length.0.saturating_mul(2)).unwrap_or(0);
        Self::new(seed, length, usize::try_from(pairs).unwrap_or(usize::MAX))
    }

    /// The block at `elapsed`; `None` after the last.
    pub fn at(&self, elapsed: Nanos) -> Option<&PlannedBlock> {
        let index = self.blocks.partition_point(|block| block.end <= elapsed);
        self.blocks.get(index)
    }
}

/// The counts of one block, without its guard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Block {
    /// Whether sampling was on.
    pub on: bool,
    /// Requests completed.
    pub requests: f64,
    /// Its length.
    pub seconds: f64,
    /// The response p99, if there were enough requests.
    pub response_p99_ns: Option<f64>,
    /// The target's CPU time, if it could be read.
    pub target_cpu_ns: Option<f64>,
}

/// A relative change, such as -0.01 for one percent less, with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OverheadEstimate {
    /// The number of pairs.
    pub pairs: usize,
    /// Change of requests per second; `None` without pairs that have any. With fewer than 6 pairs
    /// the interval of all three is unbounded.
    pub throughput_change: Option<Estimate>,
    /// Change of the response p99.
    pub p99_change: Option<Estimate>,
    /// Change of the target's CPU time per request.
    pub cpu_per_request_change: Option<Estimate>,
}

/// Compare sampled with unsampled blocks. They come in the order of the plan: every two are a pair;
/// a pair that does not have one of each (a run that ended early) is left out.
pub fn analyse(blocks: &[Block]) -> OverheadEstimate {
    let pairs: Vec<(&Block, &Block)> = blocks
        .as_chunks::<2>()
        .0
        .iter()
        .filter_map(|[a, b]| match (a.on, b.on) {
            (true, false) => Some((a, b)),
            (false, true) => Some((b, a)),
            _ => None,
        })
        .collect();
    let change = |of: fn(&Block) -> Option<f64>| {
        let ratio = |(on, off): &(&Block, &Block)| {
            let ratio = (of(on)? / of(off)?).ln();
            ratio.is_finite().then_some(ratio)
        };
        let ratios: Vec<f64> = pairs.iter().filter_map(ratio).collect();
        hodges_lehmann(&ratios, CONFIDENCE).map(|shift| shift.map(f64::exp_m1))
    };
    OverheadEstimate {
        pairs: pairs.len(),
        throughput_change: change(|block| Some(block.requests / block.seconds)),
        p99_change: change(|block| block.response_p99_ns),
        cpu_per_request_change: change(|block| Some(block.target_cpu_ns? / block.requests)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_hold_one_of_each_in_an_order_drawn_by_lot() {
        let plan = BlockPlan::new(4, Nanos::from_secs(5), 40);
        assert_eq!(plan.blocks.len(), 80);
        let firsts = plan.blocks.chunks(2).filter(|pair| pair[0].on).count();
        assert!((10..=30).contains(&firsts), "{firsts} of 40");
        assert!(plan.blocks.chunks(2).all(|pair| pair[0].on != pair[1].on));
        assert!(plan.blocks.windows(2).all(|two| two[0].end == two[1].start));
        assert_eq!(plan.blocks[1].counted_from, Nanos::from_millis(5_500));
        assert_eq!(plan, BlockPlan::new(4, Nanos::from_secs(5), 40));
    }

    #[test]
    fn every_moment_has_its_block_and_guards_never_eat_more_than_half() {
        let plan = BlockPlan::fitting(1, Nanos::from_millis(300), Nanos::from_secs(2));
        assert_eq!(plan.blocks.len(), 6);
        assert_eq!(plan.at(Nanos::ZERO), Some(&plan.blocks[0]));
        assert_eq!(plan.at(Nanos::from_millis(300)), Some(&plan.blocks[1]));
        assert_eq!(plan.at(Nanos::from_millis(1_800)), None);
        assert_eq!(plan.blocks[0].counted_from, Nanos::from_millis(150));
        assert!(BlockPlan::fitting(1, Nanos::ZERO, Nanos::SECOND).blocks.is_empty());
    }

    /// A machine: the factor of a block's speed.
    #[derive(Clone, Copy)]
    enum Machine {
        /// Slower by a fifth from start to end.
        Drifting,
        /// One of two speeds, a quarter apart, changing every 12 blocks or so.
        TwoSpeed,
        /// Constant.
        Steady,
    }

    fn simulate(random: &mut Random, machine: Machine, effect: f64) -> Vec<Block> {
        let plan = BlockPlan::new(random.below(1_000_000) as u64, Nanos::SECOND, 20);
        let mut is_slow = random.coin();
        let mut index = 0.0;
        let block = |planned: &PlannedBlock| {
            is_slow ^= random.below(12) == 0;
            index += 1.0;
            let speed = match machine {
                Machine::Drifting => 1.0 - 0.2 * index / 40.0,
                Machine::TwoSpeed if is_slow => 0.75,
                Machine::TwoSpeed | Machine::Steady => 1.0,
            };
            let factor = if planned.on { 1.0 + effect } else { 1.0 };
            let mut noisy = |size: f64| (size * random.normal()).exp();
            let requests = 50_000.0 * speed * factor * noisy(0.01);
            let cpu = requests * 8_000.0 / speed / factor * noisy(0.01);
            Block {
                on: planned.on,
                requests,
                seconds: 1.0,
                response_p99_ns: Some(2e6 / speed / factor * noisy(0.1)),
                target_cpu_ns: Some(cpu),
            }
        };
        plan.blocks.iter().map(block).collect()
    }

    #[test]
    fn the_change_is_covered_on_drifting_and_two_speed_machines() {
        for (machine, name) in [
            (Machine::Steady, "steady"),
            (Machine::Drifting, "drifting"),
            (Machine::TwoSpeed, "two speeds"),
        ] {
            let mut random = Random::new(31);
            let (mut covered, mut half) = ([0; 3], 0.0);
            for _ in 0..400 {
                let overhead = analyse(&simulate(&mut random, machine, -0.02));
                let throughput = overhead.throughput_change.unwrap();
                half += (throughput.high - throughput.low) / 2.0 / 400.0;
                let slower = 1.0 / 0.98 - 1.0;
                let hits = [
                    throughput.covers(-0.02),
                    overhead.p99_change.unwrap().covers(slower),
                    overhead.cpu_per_request_change.unwrap().covers(slower),
                ];
                (0..3).for_each(|i| covered[i] += u32::from(hits[i]));
            }
            println!("{name}: covered {covered:?} of 400, throughput ± {:.2} %", half * 100.0);
            assert!(covered.iter().all(|&covered| covered >= 370), "{name}: {covered:?} of 400");
            assert!(half < 0.03, "{name}: the interval must be of use, not {half}");
        }
    }

    #[test]
    fn pairs_cut_short_are_left_out_and_few_pairs_leave_it_unbounded() {
        let mut blocks = simulate(&mut Random::new(2), Machine::Steady, 0.0);
        blocks.truncate(2 * PAIRS_MIN + 1);
        blocks[0].target_cpu_ns = None;
        let overhead = analyse(&blocks);
        assert_eq!(overhead.pairs, PAIRS_MIN);
        assert!(overhead.throughput_change.unwrap().low.is_finite());
        assert_eq!(overhead.cpu_per_request_change.unwrap().low, -1.0);
        let none = analyse(&[]);
        assert_eq!((none.pairs, none.throughput_change), (0, None));
        blocks[1].on = blocks[0].on;
        assert_eq!(analyse(&blocks[..2]).pairs, 0);
    }
}
