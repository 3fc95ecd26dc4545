//! The sidecar during a load: started before it, notified when the measured window begins, ended
//! after it. Its failures are reported in the result, and never end the load.

use std::cell::Cell;
use std::path::Path;

use uringbench_core::plan::Plan;
use uringbench_core::record::{Interval, RunRecord};
use uringbench_core::time::Timestamp;
use uringbench_document::cost::CostFigures;
use uringbench_document::soak::SoakFigures;
use uringbench_document::target::TargetFigures;
use uringbench_document::timeline::TimelineFigures;
use uringbench_machine::cpu_set::CpuSet;
use uringbench_profiler::analysis::{self, LoadRecord};
use uringbench_profiler::profile::Windows;
use uringbench_profiler::selector;
use uringbench_profiler::session::{Recording, Sidecar, SidecarOptions};
use uringbench_profiler::soak;

use super::overhead::Trial;
use super::stream::Stream;
use super::{ProfilePlan, files};

/// A sidecar, or why there is none.
pub(crate) struct ProfiledRun<'a> {
    profile: &'a ProfilePlan,
    state: Result<Sidecar, String>,
    trial: Option<Trial>,
    began: Cell<Option<Timestamp>>,
    stream: Option<Stream>,
    notes: Vec<String>,
}

/// The results of the sidecar.
#[derive(Default)]
pub(crate) struct ProfileReport {
    /// The key `target` of the document.
    pub(crate) target: Option<TargetFigures>,
    /// The key `cost`.
    pub(crate) cost: Option<CostFigures>,
    /// The key `timeline`.
    pub(crate) timeline: Option<TimelineFigures>,
    /// The key `soak`.
    pub(crate) soak: Option<SoakFigures>,
}

impl<'a> ProfiledRun<'a> {
    /// Starts recording. `folder` is the run's own.
    pub(crate) fn start(
        profile: &'a ProfilePlan,
        plan: &Plan,
        target_cpus: Option<&CpuSet>,
        folder: &Path,
    ) -> Self {
        let state = match selector::resolve(&profile.selector) {
            Ok(found) => {
                let options = SidecarOptions {
                    hz: profile.hz,
                    timeline_hz: profile.timeline_hz,
                    follows_memory: profile.follows_memory,
                    cpus: files::free_cpus(&plan.transport.cpus, target_cpus),
                    folder: folder.to_path_buf(),
                };
                Ok(Sidecar::attach(profile.selector.clone(), found, options))
            }
            Err(why) => Err(why.to_string()),
        };
        let trial = profile.measures_overhead.then(|| Trial::new(plan));
        let mut notes = Vec::new();
        let streamed =
            profile.follows_memory.then(|| Stream::create(folder, profile.timeline_hz, plan));
        let stream = streamed.and_then(|stream| {
            stream.inspect_err(|why| notes.push(format!("there is no timeline.jsonl: {why}"))).ok()
        });
        Self { profile, state, trial, began: Cell::new(None), stream, notes }
    }

    /// The load begins: its first slot is due at `start`.
    pub(crate) fn load_starts(&self, start: Timestamp, plan: &Plan) {
        self.began.set(Some(start));
        if let (Ok(sidecar), Some(trial)) = (&self.state, &self.trial) {
            sidecar.toggle(trial.switches(start + plan.limits.warmup));
        }
    }

    /// The measured window begins or ends.
    pub(crate) fn measuring(&self, is_measuring: bool) {
        if let Ok(sidecar) = &self.state {
            sidecar.measuring(is_measuring);
        }
    }

    /// An interval of the load is complete.
    pub(crate) fn interval(&self, interval: &Interval) {
        if let (Ok(sidecar), Some(stream), Some(start)) =
            (&self.state, &self.stream, self.began.get())
        {
            stream.append(sidecar, start, interval);
        }
    }

    /// Ends it. The recording is `Err` with cause and fix if there was no process to record.
    pub(crate) fn detach(self) -> Detached<'a> {
        let Self { profile, state, trial, stream, mut notes, .. } = self;
        notes.extend(stream.and_then(|stream| stream.failure()));
        let recording = state.map(|sidecar| {
            let mut recording = sidecar.detach();
            recording.notes.append(&mut notes);
            recording
        });
        Detached { profile, recording, trial }
    }
}

/// A sidecar that has ended.
pub(crate) struct Detached<'a> {
    profile: &'a ProfilePlan,
    /// The recording, or why there is none.
    pub(crate) recording: Result<Recording, String>,
    trial: Option<Trial>,
}

impl Detached<'_> {
    /// Evaluates the recording, and writes the files into the run's folder.
    pub(crate) fn report(
        &mut self,
        plan: &Plan,
        record: &RunRecord,
        folder: &Path,
        (title, name): (&str, Option<&str>),
    ) -> ProfileReport {
        let recording = match &mut self.recording {
            Ok(recording) => recording,
            Err(why) => return absent(why),
        };
        let mut soak = None;
        if self.profile.follows_memory {
            soak = Some(soak::conclude(recording, plan, record, folder, title));
        }
        let load = LoadRecord {
            start: record.start(),
            intervals: record.finest(),
            windows: &record.windows,
            spike: self.profile.spike,
        };
        let mut found = match analysis::build(recording, Some(&load)) {
            Ok(found) => found,
            Err(why) => return absent(&format!("the samples cannot be read back: {why}")),
        };
        if let Some(trial) = &self.trial {
            found.figures.overhead = Some(trial.judge(record, &recording.toggled).into());
        }
        let spikes = Windows::covering(found.spikes.iter().cloned());
        let parts = files::ProfileParts {
            recording,
            load: Some(&load),
            window: &found.window,
            sampled: &found.sampled,
            spikes: &spikes,
            timeline_hz: self.profile.timeline_hz,
        };
        let (mut timeline, mut cost) = (None, None);
        match files::write(&parts, folder, title) {
            Ok(written) => {
                found.figures.files = written.names;
                timeline = TimelineFigures::of(&written.timeline);
                if self.profile.costs {
                    let counters = found.figures.counters.as_ref();
                    cost = analysis::cost(&written.timeline, &load, counters);
                    found.figures.notes.extend(cost.is_none().then(without_cost));
                }
            }
            Err(why) => {
                found.figures.notes.push(format!("not all of the profile is stored: {why}"));
            }
        }
        if let Some(name) = name.filter(|_| recording.profile.is_some())
            && let Err(why) = files::copy_flamegraph(folder, name)
        {
            found.figures.notes.push(format!("flamegraphs/ cannot be written: {why}"));
        }
        if let Some(soak) = &soak {
            found.figures.files.extend(soak.files.iter().cloned());
        }
        let soak = soak.map(|soak| soak.figures);
        ProfileReport { target: Some(found.figures), cost, timeline, soak }
    }
}

fn without_cost() -> String {
    format!(
        "there is no cost per request: fewer than {} whole seconds of the measured window have \
         requests and CPU time; measure for longer with -d",
        analysis::ROWS_MIN
    )
}

fn absent(why: &str) -> ProfileReport {
    ProfileReport { target: Some(TargetFigures::absent(why)), ..ProfileReport::default() }
}
