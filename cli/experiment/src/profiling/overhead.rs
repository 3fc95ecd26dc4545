//! Measures the cost of sampling: on and off in random blocks of the measured window.

use std::time::{SystemTime, UNIX_EPOCH};

use uringbench_core::plan::Plan;
use uringbench_core::record::{Interval, RunRecord};
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_document::target;
use uringbench_profiler::session::{Switch, Toggled};
use uringbench_profiler::statistics::overhead::{Block, BlockPlan, OverheadEstimate, analyse};

/// Length of a block: many short blocks compensate for a machine whose speed changes.
const BLOCK: Nanos = Nanos::SECOND;
/// The longest time that blocks fill in a window without an end.
const SPAN_MAX: Nanos = Nanos::from_secs(3_600);

/// The blocks of one run.
pub(crate) struct Trial {
    blocks: BlockPlan,
}

impl Trial {
    /// As many blocks as fit into the plan's measured window.
    pub(crate) fn new(plan: &Plan) -> Self {
        let span = plan.limits.window.duration().unwrap_or(SPAN_MAX);
        let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { blocks: BlockPlan::fitting(u64::from(seed.subsec_nanos()), BLOCK, span) }
    }

    /// The times at which to switch, in a window that begins at `start`; after the last block
    /// sampling is on.
    pub(crate) fn switches(&self, start: Timestamp) -> Vec<Switch> {
        let blocks = &self.blocks.blocks;
        let of_blocks = blocks.iter().map(|block| Switch { at: start + block.start, on: block.on });
        let last = blocks.last().map(|block| Switch { at: start + block.end, on: true });
        of_blocks.chain(last).collect()
    }

    /// The result of the run.
    pub(crate) fn judge(&self, record: &RunRecord, toggled: &[Toggled]) -> Findings {
        let Some(measured) = record.windows.measured() else { return Findings(analyse(&[])) };
        let from_run_start = measured.start.since(record.start());
        let blocks: Vec<Block> = self
            .blocks
            .blocks
            .iter()
            .zip(toggled.iter().zip(toggled.iter().skip(1)))
            .map(|(planned, (before, after))| {
                let from = from_run_start + planned.counted_from;
                let to = from_run_start + planned.end;
                let inside =
                    |step: &&Interval| step.start >= from && step.start + step.length <= to;
                let steps: Vec<_> = record.finest().iter().filter(inside).collect();
                block(planned.on, &steps, before, after)
            })
            .collect();
        Findings(analyse(&blocks))
    }
}

fn block(on: bool, steps: &[&Interval], before: &Toggled, after: &Toggled) -> Block {
    let seconds: f64 = steps.iter().map(|step| step.length.as_secs_f64()).sum();
    let p99s: Vec<f64> = steps.iter().filter_map(|step| Some(step.response?.p99 as f64)).collect();
    let whole = after.time.since(before.time).as_secs_f64();
    let used = after.target_cpu_ns.saturating_sub(before.target_cpu_ns) as f64;
    Block {
        on,
        requests: steps.iter().map(|step| step.completed as f64).sum(),
        seconds,
        // The mean of the p99 of short steps: the p99 of longer steps is not known, but changes
        // with it.
        response_p99_ns: (!p99s.is_empty()).then(|| p99s.iter().sum::<f64>() / p99s.len() as f64),
        target_cpu_ns: (used > 0.0 && whole > 0.0).then(|| used * seconds / whole),
    }
}

/// The result, in the fields of the document.
pub(crate) struct Findings(OverheadEstimate);

impl From<Findings> for target::Overhead {
    fn from(Findings(overhead): Findings) -> Self {
        Self {
            pairs: overhead.pairs,
            throughput_change: overhead.throughput_change.map(Into::into),
            response_p99_change: overhead.p99_change.map(Into::into),
            cpu_per_request_change: overhead.cpu_per_request_change.map(Into::into),
        }
    }
}
