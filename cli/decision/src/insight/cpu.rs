//! Who was the limit: the CPU of the target, one of its processes, its quota, or the generator.

use uringbench_document::Document;
use uringbench_document::insight::{InsightFigures, InsightSeverity};
use uringbench_document::target::ProcessUsage;

use super::insight;

/// Share of the CPUs that it may use from which a target is at its limit.
const FULL: f64 = 0.95;
/// CPUs below which a process is no worker of a loaded target.
const WORKER_MIN: f64 = 0.1;
/// Share of the busiest worker's CPU time below which a worker is idle.
const IDLE: f64 = 0.1;
/// Busiest worker over mean from which work is shared unequally.
const UNEQUAL: f64 = 1.5;

/// The load generator was the limit.
pub(super) fn generator_limited(run: &Document) -> Option<InsightFigures> {
    const CODES: [&str; 3] = ["generator_limited", "client_limited", "late_sends"];
    let reason = run.verdict.reasons.iter().find(|reason| CODES.contains(&reason.code.as_str()))?;
    let busy = run.client.workers.iter().map(|worker| worker.busy).fold(0.0, f64::max);
    Some(insight(
        ("generator_limited", InsightSeverity::Warning),
        format!(
            "the load generator may be the limit and not the target: its busiest worker used \
             {:.0} % of its CPU ({})",
            busy * 100.0,
            reason.code
        ),
        &[("worker_busy", busy)],
        &["give it more CPUs with --cores", "lower the rate with -R"],
    ))
}

/// The control group of the target ran out of its quota.
pub(super) fn throttled(run: &Document) -> Option<InsightFigures> {
    let periods = run.target_usage.as_ref()?.throttled_periods.filter(|&periods| periods > 0)?;
    let seconds = run.measured().as_secs_f64();
    let each = if seconds > 0.0 { periods as f64 / seconds } else { 0.0 };
    let severity = if each >= 1.0 { InsightSeverity::Critical } else { InsightSeverity::Warning };
    Some(insight(
        ("target_throttled", severity),
        format!(
            "the kernel stopped the target in {periods} periods ({each:.1} per second), since its \
             control group had used up its CPU quota: requests waited until the next period"
        ),
        &[("throttled_periods", periods as f64), ("per_s", each)],
        &[
            "raise the CPU quota of the container or control group (cpu.max)",
            "let the target start no more threads than its quota has CPUs",
        ],
    ))
}

/// One of several workers does the work.
pub(super) fn one_worker(run: &Document) -> Option<InsightFigures> {
    let (busiest, workers) = workers(run)?;
    let second = workers.get(1)?;
    // A master that only waits, and the one worker that it has, are as they should be.
    if workers.len() < 3 || second.cpus >= IDLE * busiest.cpus {
        return None;
    }
    let all: f64 = workers.iter().map(|worker| worker.cpus).sum();
    let share = busiest.cpus / all;
    Some(insight(
        ("one_worker", InsightSeverity::Warning),
        format!(
            "one of {} processes of {} (PID {}) did {:.0} % of the work at {:.2} CPUs, the others \
             were idle",
            workers.len(),
            busiest.name,
            busiest.pid,
            share * 100.0,
            busiest.cpus
        ),
        &[("share", share), ("cpus", busiest.cpus), ("processes", workers.len() as f64)],
        &[
            "open more connections with -c: a connection stays with the worker that accepted it",
            "let each worker listen on a socket of its own (SO_REUSEPORT)",
        ],
    ))
}

/// Workers share the work unequally.
pub(super) fn unequal_workers(run: &Document) -> Option<InsightFigures> {
    let (busiest, workers) = workers(run)?;
    let working: Vec<f64> = workers
        .iter()
        .map(|worker| worker.cpus)
        .filter(|&cpus| cpus >= IDLE * busiest.cpus)
        .collect();
    let least = working.iter().copied().fold(f64::INFINITY, f64::min);
    let mean = working.iter().sum::<f64>() / working.len() as f64;
    if working.len() < 2 || busiest.cpus < UNEQUAL * mean {
        return None;
    }
    Some(insight(
        ("unequal_workers", InsightSeverity::Warning),
        format!(
            "{} workers of {} share the work unequally: the busiest used {:.2} CPUs, the least \
             busy {least:.2}; the busiest limits the rate first",
            working.len(),
            busiest.name,
            busiest.cpus
        ),
        &[("cpus_max", busiest.cpus), ("cpus_min", least), ("workers", working.len() as f64)],
        &[
            "open more connections with -c, so that each worker gets its share",
            "let each worker listen on a socket of its own (SO_REUSEPORT)",
        ],
    ))
}

/// The target uses all the CPU time that it may.
pub(super) fn saturated(run: &Document) -> Option<InsightFigures> {
    let usage = run.target_usage.as_ref()?;
    let (used, allowed) = (usage.cpus, usage.cpus_allowed);
    if used < FULL * allowed {
        return None;
    }
    let is_open = run.rate.offered.is_some();
    let severity = if is_open { InsightSeverity::Warning } else { InsightSeverity::Info };
    let cores = run.host.cores.unwrap_or(0) as f64;
    let mut recommendations =
        vec!["find the functions that use its CPU time with --profile and its name or PID"];
    if allowed + 1.0 <= cores {
        recommendations.push("let it use more CPUs: more workers, threads, affinity or quota");
    }
    Some(insight(
        ("target_saturated", severity),
        format!(
            "the target used {used:.2} of the {allowed:.2} CPUs that it can use: its CPU limits \
             the rate"
        ),
        &[("cpus", used), ("cpus_allowed", allowed)],
        &recommendations,
    ))
}

/// The busiest process of the target, and all of its name, the busiest first.
fn workers(run: &Document) -> Option<(&ProcessUsage, Vec<&ProcessUsage>)> {
    let processes = &run.target_usage.as_ref()?.processes;
    let busiest = processes.first().filter(|busiest| busiest.cpus >= WORKER_MIN)?;
    Some((busiest, processes.iter().filter(|process| process.name == busiest.name).collect()))
}
