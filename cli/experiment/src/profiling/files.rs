//! The files of a recording in the run's folder, and the CPUs that its threads may use.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use uringbench_core::record::Interval;
use uringbench_core::time::Timestamp;
use uringbench_document::timeline::columns::TimelineDocument;
use uringbench_machine::cpu_set::CpuSet;
use uringbench_machine::cpus;
use uringbench_profiler::analysis::LoadRecord;
use uringbench_profiler::profile::{
    About, FlameUnit, STORED_FILE, Selection, StoredLoad, Windows, write_all, write_flames,
    write_stored, write_whole,
};
use uringbench_profiler::sample::SampleKind;
use uringbench_profiler::session::{Attachment, Recording};
use uringbench_profiler::timeline::series::Timeline;

use super::exports;

/// The folder for named flame graphs.
const FLAMEGRAPHS: &str = "flamegraphs";

/// The sources of the files.
pub struct ProfileParts<'a> {
    /// The recording.
    pub recording: &'a Recording,
    /// The load during it, if there was one.
    pub load: Option<&'a LoadRecord<'a>>,
    /// The time window of the profile.
    pub window: &'a Range<Timestamp>,
    /// The parts of it that were sampled.
    pub sampled: &'a Windows,
    /// The periods with slow responses.
    pub spikes: &'a Windows,
    /// Rows of the timeline per second.
    pub timeline_hz: u32,
}

/// The files that were written.
pub struct WrittenProfile {
    /// The names of the files.
    pub names: Vec<String>,
    /// The timeline.
    pub timeline: TimelineDocument,
}

/// Writes all files into `folder`.
///
/// # Errors
/// A file cannot be written.
pub fn write(parts: &ProfileParts<'_>, folder: &Path, title: &str) -> io::Result<WrittenProfile> {
    let mut names = Vec::new();
    let (timeline, origin) = timeline(parts);
    if let Some(profile) = &parts.recording.profile {
        let paths = write_all(profile, Some(parts.sampled), folder, title)?;
        names.extend(paths.iter().filter_map(|path| path.file_name()?.to_str()).map(str::to_owned));
        if !parts.spikes.as_slice().is_empty() {
            let of_spikes = Selection::of([SampleKind::Cpu]).within(parts.spikes.clone());
            let title = format!("{title} · CPU time in spikes");
            write_flames(profile, &of_spikes, folder, "spikes.svg", title, FlameUnit::Time)?;
            names.push("spikes.svg".to_owned());
        }
        write_stored(profile, &about(parts, title), folder)?;
        names.push(STORED_FILE.to_owned());
        names.extend(exports::write(parts, profile, &timeline, origin, folder)?);
    }
    write_whole(folder, "timeline.json", |out| {
        serde_json::to_writer(&mut *out, &timeline)?;
        writeln!(out)
    })?;
    names.push("timeline.json".to_owned());
    Ok(WrittenProfile { names, timeline })
}

/// The description of the stored profile.
fn about(parts: &ProfileParts<'_>, title: &str) -> About {
    let (mode, is_user_only) = match &parts.recording.attachment {
        Attachment::Sampling { mode, is_user_only, .. } => (mode.key(), *is_user_only),
        Attachment::ProcfsOnly(_) => ("procfs_only", false),
        Attachment::Unsampled => ("unsampled", false),
    };
    let load = parts.load.map(|load| {
        StoredLoad::new(
            load.start,
            load.windows.clone(),
            intervals(parts, load),
            parts.spikes.clone(),
        )
    });
    About { title: title.to_owned(), mode: mode.to_owned(), is_user_only, load }
}

/// The intervals of the load for costs per request: those that were sampled.
fn intervals<'a>(
    parts: &ProfileParts<'a>,
    load: &LoadRecord<'a>,
) -> impl Iterator<Item = &'a Interval> {
    let (start, sampled) = (load.start, parts.sampled);
    let is_all = parts.recording.toggled.is_empty();
    load.intervals.iter().filter(move |each| is_all || sampled.contains(start + each.start))
}

/// Copies the flame graph under the name of the run.
///
/// # Errors
/// The copy cannot be written.
pub fn copy_flamegraph(folder: &Path, name: &str) -> io::Result<()> {
    std::fs::create_dir_all(FLAMEGRAPHS)?;
    let plain: String = name
        .chars()
        .map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' })
        .collect();
    std::fs::copy(
        folder.join("flamegraph.svg"),
        Path::new(FLAMEGRAPHS).join(format!("{plain}.svg")),
    )?;
    Ok(())
}

/// The timeline, and the time at which it is 0.
fn timeline(parts: &ProfileParts<'_>) -> (TimelineDocument, Timestamp) {
    let mut timeline = Timeline::new(parts.timeline_hz);
    for reading in &parts.recording.sampled.readings {
        timeline.push(reading);
    }
    let mut origin = parts.recording.started;
    if let Some(load) = parts.load {
        timeline.join_load(load.start, load.intervals);
        origin = load.start;
    }
    let ago = uringbench_profiler::session::now().since(origin).as_secs_f64();
    let wall = SystemTime::now().duration_since(UNIX_EPOCH);
    (timeline.document(origin, wall.ok().map(|wall| wall.as_secs_f64() - ago)), origin)
}

/// CPUs that neither the generator nor the target needs; if there are none, those that the target
/// does not need; an empty list means any CPU.
pub fn free_cpus(generator: &[usize], target: Option<&CpuSet>) -> Vec<usize> {
    let is_targets = |cpu: &usize| target.is_some_and(|target| target.contains(*cpu));
    let others: Vec<usize> = cpus::allowed().iter().filter(|cpu| !is_targets(cpu)).collect();
    let free: Vec<usize> = others.iter().copied().filter(|cpu| !generator.contains(cpu)).collect();
    if free.is_empty() { others } else { free }
}
