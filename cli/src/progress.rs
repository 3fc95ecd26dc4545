//! The progress of a run on stderr.

use std::io::IsTerminal;

use uringbench_core::record::Interval;
use uringbench_core::time::Nanos;
use uringbench_core::window::Phase;
use uringbench_experiment::{ExperimentObserver, RunNote};

use crate::console;
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

/// Shows one run.
pub(crate) struct ShownProgress(Display);

impl ShownProgress {
    /// Rewrites a line on a terminal.
    pub(crate) fn new(progress: Progress) -> Self {
        Self(match progress {
            Progress::Hidden => Display::Hidden,
            Progress::Shown if std::io::stderr().is_terminal() => Display::Rewritten,
            Progress::Shown => Display::Lines,
        })
    }
}

impl ExperimentObserver for ShownProgress {
    /// Deviations from the plan are shown with progress and without.
    fn note(&mut self, note: &RunNote) {
        match note {
            RunNote::OverEpoll => console::note(&note.to_string()),
            RunNote::PortsWanting(_) | RunNote::NoFaults(_) => {
                console::note(&format!("uringbench: {note}"));
            }
            // The result counts them as well.
            RunNote::ConnectionsMissing { .. } if self.0 == Display::Hidden => {}
            RunNote::ConnectionsMissing { .. } => console::note(&note.to_string()),
        }
    }

    fn interval(&mut self, interval: &Interval, left: Option<Nanos>) {
        // The drain's last moments are no second of their own.
        let is_fragment = interval.phase == Phase::Drain && interval.length < Nanos::SECOND;
        if self.0 == Display::Hidden || is_fragment {
            return;
        }
        let line = uringbench_report::progress::line(&interval.into(), left);
        match self.0 {
            Display::Hidden => {}
            Display::Rewritten => console::rewrite(&line),
            Display::Lines => console::note(&line),
        }
    }

    /// Leave the line that was written over empty for what comes next.
    fn load_ended(&mut self) {
        if self.0 == Display::Rewritten {
            console::rewrite("");
        }
    }
}
