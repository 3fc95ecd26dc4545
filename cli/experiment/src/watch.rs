//! Follows the load: records the machine in the measured window and the log of every second,
//! controls the profiler, and notifies the observer.

use std::time::SystemTime;

use uringbench_core::histogram::LatencyCounts;
use uringbench_core::plan::Plan;
use uringbench_core::record::{Backend, Interval};
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_core::validity::Observations;
use uringbench_engine::{Command, Control};
use uringbench_faults::{FaultRunner, ReadyFaults};
use uringbench_machine::limits;
use uringbench_machine::observe::{HostCounters, HostObserver};
use uringbench_store::{Destination, IntervalFile};

use crate::observer::{ExperimentObserver, RunNote};
use crate::profiling::ProfiledRun;

/// Follows one run.
pub(crate) struct Watch<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) machine: HostObserver,
    pub(crate) profiled: Option<&'a ProfiledRun<'a>>,
    pub(crate) observer: &'a mut dyn ExperimentObserver,
    /// The place of the log of response times, and the start of the run.
    pub(crate) log_of: (&'a Destination, SystemTime),
    /// The faults that begin with the load, and what ends it early.
    pub(crate) faults: Option<(ReadyFaults, Control)>,
    pub(crate) seen: Seen,
}

/// The results of following a run.
#[derive(Default)]
pub(crate) struct Seen {
    before: Option<HostCounters>,
    /// The faults that are being injected.
    pub(crate) injecting: Option<FaultRunner>,
    /// The observations of the machine in the measured window.
    pub(crate) observations: Observations,
    /// Private memory of the target at its end, in bytes.
    pub(crate) target_memory: Option<u64>,
    /// The log of response times, from the start of the load.
    pub(crate) log: Option<IntervalFile>,
}

impl uringbench_engine::Observer for Watch<'_> {
    fn carried_by(&mut self, backend: Backend) {
        if backend == Backend::MonoioEpoll {
            self.observer.note(&RunNote::OverEpoll);
        }
    }

    fn started(&mut self, start: Timestamp, connected: u32) {
        let (destination, began) = self.log_of;
        self.seen.log = Some(IntervalFile::begin(destination, began));
        if let Some((ready, control)) = self.faults.take() {
            let is_over = move || control.command() != Command::Run;
            match ready.begin(start + self.plan.limits.warmup, is_over) {
                Ok(runner) => self.seen.injecting = Some(runner),
                Err(why) => self.observer.note(&RunNote::NoFaults(why.to_string())),
            }
        }
        if let Some(profiled) = self.profiled {
            profiled.load_starts(start, self.plan);
        }
        if let Some(why) = limits::ports_wanting(self.plan) {
            self.observer.note(&RunNote::PortsWanting(why));
        }
        let planned = self.plan.connections();
        if connected < planned {
            self.observer.note(&RunNote::ConnectionsMissing { connected, planned });
        }
    }

    fn measure_begins(&mut self) {
        self.seen.before = Some(self.machine.read());
        if let Some(profiled) = self.profiled {
            profiled.measuring(true);
        }
    }

    fn interval(&mut self, interval: &Interval, response: &LatencyCounts) {
        if let Some(log) = &mut self.seen.log {
            log.append(interval, response);
        }
        if let Some(profiled) = self.profiled {
            profiled.interval(interval);
        }
        let limits = &self.plan.limits;
        let passed = interval.start + interval.length;
        let end = limits.window.duration().map(|span| limits.warmup + span);
        let left = end.map(|end| Nanos(end.0.saturating_sub(passed.0)));
        self.observer.times(interval, response);
        self.observer.interval(interval, left);
    }

    fn measure_ended(&mut self) {
        if let Some(profiled) = self.profiled {
            profiled.measuring(false);
        }
        if let Some(before) = &self.seen.before {
            self.seen.observations = self.machine.between(before, &self.machine.read());
            self.seen.target_memory = self.machine.target_memory();
        }
    }
}
