//! The sidecar beside a load: begun before it, told when the measured window begins, ended after
//! it. Whatever goes wrong here is said in the result, and never ends the load.

use std::cell::Cell;
use std::path::Path;

use serde_json::{Value, json};
use uringbench_core::plan::Plan;
use uringbench_core::record::RunRecord;
use uringbench_core::time::Timestamp;
use uringbench_profiler::findings::{self, Load};
use uringbench_profiler::profile::Windows;
use uringbench_profiler::selector;
use uringbench_profiler::session::{Options, Recording, Sidecar};

use super::overhead::Trial;
use super::{ProfilePlan, files};

/// A sidecar, or why there is none.
pub(crate) struct Beside<'a> {
    asked: &'a ProfilePlan,
    state: Result<Sidecar, String>,
    trial: Option<Trial>,
    began: Cell<Option<Timestamp>>,
}

/// What it came to.
#[derive(Default)]
pub(crate) struct Told {
    /// The key `target` of the document.
    pub(crate) target: Option<Value>,
    /// The summary's lines: names and texts.
    pub(crate) lines: Vec<(String, String)>,
}

impl<'a> Beside<'a> {
    /// Begin to record. `folder` is the run's own.
    pub(crate) fn start(asked: &'a ProfilePlan, plan: &Plan, folder: &Path) -> Self {
        let state = match selector::resolve(&asked.selector) {
            Ok(found) => {
                let options = Options {
                    hz: asked.hz,
                    timeline_hz: asked.timeline_hz,
                    follows_memory: asked.follows_memory,
                    cpus: files::free_cpus(&plan.cpus),
                    folder: folder.to_path_buf(),
                };
                Ok(Sidecar::attach(asked.selector.clone(), found, options))
            }
            Err(why) => Err(why.to_string()),
        };
        let trial = asked.measures_overhead.then(|| Trial::new(plan));
        Self { asked, state, trial, began: Cell::new(None) }
    }

    /// The load begins: its first slot is due then.
    pub(crate) fn load_starts(&self, start: Timestamp, plan: &Plan) {
        self.began.set(Some(start));
        if let (Ok(sidecar), Some(trial)) = (&self.state, &self.trial) {
            sidecar.toggle(trial.switches(start + plan.warmup));
        }
    }

    /// The measured window begins or ends.
    pub(crate) fn measuring(&self, is_measuring: bool) {
        if let Ok(sidecar) = &self.state {
            sidecar.measuring(is_measuring);
        }
    }

    /// The sidecar at work, if there is one.
    pub(crate) const fn sidecar(&self) -> Option<&Sidecar> {
        match &self.state {
            Ok(sidecar) => Some(sidecar),
            Err(_) => None,
        }
    }

    /// End it. What it recorded is `Err` with cause and remedy when there was nobody to record.
    pub(crate) fn detach(self) -> Detached<'a> {
        let Self { asked, state, trial, .. } = self;
        Detached { asked, recording: state.map(Sidecar::detach), trial }
    }
}

/// A sidecar that has ended.
pub(crate) struct Detached<'a> {
    asked: &'a ProfilePlan,
    /// What it recorded, or why it did not.
    pub(crate) recording: Result<Recording, String>,
    trial: Option<Trial>,
}

impl Detached<'_> {
    /// Judge, write the files into the run's folder, and put everything into words.
    pub(crate) fn tell(&self, record: &RunRecord, folder: &Path, title: &str) -> Told {
        let recording = match &self.recording {
            Ok(recording) => recording,
            Err(why) => return absent(why),
        };
        let load = Load {
            start: record.start(),
            intervals: record.finest(),
            phases: &record.phases,
            spike: self.asked.spike,
        };
        let mut found = match findings::build(recording, Some(&load)) {
            Ok(found) => found,
            Err(why) => return absent(&format!("the samples cannot be read back: {why}")),
        };
        if let Some(trial) = &self.trial {
            found.figures.overhead = Some(trial.judge(record, &recording.toggled).into());
        }
        let spikes = Windows::covering(found.spikes.iter().cloned());
        let parts = files::Parts {
            recording,
            load: Some(&load),
            window: &found.window,
            spikes: &spikes,
            timeline_hz: self.asked.timeline_hz,
        };
        let mut lines = Vec::new();
        match files::write(&parts, folder, title) {
            Ok(written) => {
                found.figures.files = written.names;
                lines.extend(findings::lines(&found.figures));
                lines.push((String::new(), String::new()));
                lines.extend(written.timeline.into_iter().map(|line| (String::new(), line)));
            }
            Err(why) => {
                found.figures.notes.push(format!("not all of the profile is stored: {why}"));
                lines.extend(findings::lines(&found.figures));
            }
        }
        // Figures are plain data: there is nothing in them that has no form in JSON.
        Told { target: serde_json::to_value(&found.figures).ok(), lines }
    }
}

fn absent(why: &str) -> Told {
    Told {
        target: Some(json!({"mode": "none", "instead_of": [why]})),
        lines: vec![("profile".to_owned(), format!("none: {why}"))],
    }
}
