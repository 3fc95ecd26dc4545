//! What is said on stderr while a run lasts, and what is read of the machine meanwhile.

use std::io::IsTerminal;
use std::time::SystemTime;

use uringbench_core::histogram::LatencyCounts;
use uringbench_core::plan::Plan;
use uringbench_core::record::{Backend, Interval};
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_core::validity::Observations;
use uringbench_core::window::Phase;
use uringbench_machine::limits;
use uringbench_machine::observe;
use uringbench_store::{Destination, IntervalFile};

use crate::console;
use crate::profiling::ProfiledRun;
use crate::resolve::Progress;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Display {
    /// Not at all.
    Hidden,
    /// One line that is written over.
    Rewritten,
    /// One line after the other.
    Lines,
}

/// Follows one run.
pub(crate) struct Watch<'a> {
    display: Display,
    machine: observe::HostObserver,
    before: Option<observe::HostCounters>,
    observed: Observations,
    /// When the measured window ends, from the start of the run; unknown if requests limit it.
    end: Option<Nanos>,
    connections: u32,
    plan: &'a Plan,
    profiled: Option<&'a ProfiledRun<'a>>,
    /// Where the log of response times goes, and when the run began.
    log_of: (&'a Destination, SystemTime),
    /// From the start of the load on.
    log: Option<IntervalFile>,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(
        plan: &'a Plan,
        machine: observe::HostObserver,
        progress: Progress,
        profiled: Option<&'a ProfiledRun<'a>>,
        log_of: (&'a Destination, SystemTime),
    ) -> Self {
        let display = match progress {
            Progress::Hidden => Display::Hidden,
            Progress::Shown if std::io::stderr().is_terminal() => Display::Rewritten,
            Progress::Shown => Display::Lines,
        };
        Self {
            display,
            machine,
            before: None,
            observed: Observations::default(),
            end: plan.limits.window.duration().map(|span| plan.limits.warmup + span),
            connections: plan.connections(),
            plan,
            profiled,
            log_of,
            log: None,
        }
    }

    /// The run is over: leave the line that was written over empty for what comes next. What the
    /// machine went through in the measured window, and the log of response times.
    pub(crate) fn end(self) -> (Observations, Option<IntervalFile>) {
        if self.display == Display::Rewritten {
            console::rewrite("");
        }
        (self.observed, self.log)
    }
}

impl uringbench_engine::Observer for Watch<'_> {
    /// What was asked for may have come to something else: that is said, progress or not.
    fn carried_by(&mut self, backend: Backend) {
        if backend == Backend::MonoioEpoll {
            console::note("there is no io_uring here that monoio could use: it runs over epoll");
        }
    }

    fn started(&mut self, start: Timestamp, connected: u32) {
        let (destination, began) = self.log_of;
        self.log = Some(IntervalFile::begin(destination, began));
        if let Some(profiled) = self.profiled {
            profiled.load_starts(start, self.plan);
        }
        if let Some(why) = limits::ports_wanting(self.plan) {
            console::note(&format!("uringbench: {why}"));
        }
        if connected < self.connections && self.display != Display::Hidden {
            console::note(&format!("{connected} of {} connections established", self.connections));
        }
    }

    fn measure_begins(&mut self) {
        self.before = Some(self.machine.read());
        if let Some(profiled) = self.profiled {
            profiled.measuring(true);
        }
    }

    fn interval(&mut self, interval: &Interval, response: &LatencyCounts) {
        if let Some(log) = &mut self.log {
            log.append(interval, response);
        }
        if let Some(profiled) = self.profiled {
            profiled.interval(interval);
        }
        // The drain's last moments are no second of their own.
        let is_fragment = interval.phase == Phase::Drain && interval.length < Nanos::SECOND;
        if self.display == Display::Hidden || is_fragment {
            return;
        }
        let passed = interval.start + interval.length;
        let left = self.end.map(|end| Nanos(end.0.saturating_sub(passed.0)));
        let line = uringbench_report::progress::line(&interval.into(), left);
        match self.display {
            Display::Hidden => {}
            Display::Rewritten => console::rewrite(&line),
            Display::Lines => console::note(&line),
        }
    }

    fn measure_ended(&mut self) {
        if let Some(profiled) = self.profiled {
            profiled.measuring(false);
        }
        if let Some(before) = &self.before {
            self.observed = self.machine.between(before, &self.machine.read());
        }
    }
}
