//! What a target uses and says of itself, once a second while it runs: processor time, memory, its
//! control group, and the figures at its own path.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use uringbench_core::time::Nanos;
use uringbench_machine::cgroup::MemoryFiles;
use uringbench_machine::target::{self, CpuReading, TargetLocation};

use crate::server::Probe;

const EVERY: Duration = Duration::from_secs(1);
/// The first line of the file of resources.
const HEADS: &str = "case,run,t_s,cpu_cores,private_bytes,cgroup_bytes,throttled_periods\n";

/// Follows a target until it is dropped.
#[derive(Debug)]
pub(super) struct Sampler {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What is followed, and where it is written.
#[derive(Clone, Debug)]
pub(super) struct SampledTarget {
    /// The target.
    pub(super) probe: Probe,
    /// Its folders of control groups.
    pub(super) groups: Vec<PathBuf>,
    /// The path of its own figures.
    pub(super) stats: Option<String>,
    /// The name of the case and of the run.
    pub(super) names: (String, String),
    /// The files of resources and of its own figures.
    pub(super) files: (PathBuf, PathBuf),
}

impl Sampler {
    /// Begins; without a thread there is nothing but the run itself.
    pub(super) fn begin(target: SampledTarget) -> Self {
        let (end, ended) = mpsc::channel();
        let thread = thread::Builder::new().name("resources".to_owned());
        let thread = thread.spawn(move || {
            let began = Instant::now();
            let location = target::locate(std::slice::from_ref(&target.probe.peer));
            let mut before: Option<(Instant, CpuReading)> =
                location.read_cpu().map(|cpu| (Instant::now(), cpu));
            while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let now = Instant::now();
                let cpu = location.read_cpu();
                let used = before.zip(cpu.as_ref()).map(|((then, before), cpu)| {
                    cpu.used_since(&before).as_secs_f64() / now.duration_since(then).as_secs_f64()
                });
                before = cpu.map(|cpu| (now, cpu));
                let seconds = Nanos(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
                target.write_resources(seconds, used, &location);
                target.write_stats(seconds);
            }
        });
        Self { end: Some(end), thread: thread.ok() }
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has written what it had.
            let _panicked = thread.join();
        }
    }
}

impl SampledTarget {
    fn write_resources(&self, at: Nanos, used: Option<f64>, location: &TargetLocation) {
        let (case, run) = &self.names;
        let case = match case.contains([',', '"']) {
            true => format!("\"{}\"", case.replace('"', "\"\"")),
            false => case.clone(),
        };
        let shown = |number: Option<u64>| number.map_or_else(String::new, |it| it.to_string());
        let memory = self.groups.iter().find_map(|folder| MemoryFiles::at(folder)?.read().current);
        let line = format!(
            "{case},{run},{:.1},{},{},{},{}\n",
            at.as_secs_f64(),
            used.map_or_else(String::new, |used| format!("{used:.3}")),
            shown(location.private_memory()),
            shown(memory),
            shown(location.throttled_periods()),
        );
        append(&self.files.0, HEADS, &line);
    }

    fn write_stats(&self, at: Nanos) {
        let Some(path) = &self.stats else { return };
        let Some(text) = self.probe.fetch(path) else { return };
        let Ok(stats) = serde_json::from_str::<serde_json::Value>(&text) else { return };
        let (case, run) = &self.names;
        let t_s = (at.as_secs_f64() * 10.0).round() / 10.0;
        let line = serde_json::json!({ "case": case, "run": run, "t_s": t_s, "stats": stats });
        append(&self.files.1, "", &format!("{line}\n"));
    }
}

/// Adds a line; a full disk is reported by the run's own files.
fn append(file: &PathBuf, heads: &str, line: &str) {
    let is_new = !file.exists();
    if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(file) {
        let heads = if is_new { heads } else { "" };
        let _full = file.write_all(format!("{heads}{line}").as_bytes());
    }
}
