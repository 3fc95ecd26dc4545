//! Exports of the recording for other tools: a pprof file of the measured window, and a file for
//! the Firefox Profiler of the whole run, with the series of load and target above it.

use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use uringbench_core::time::{Nanos, Timestamp};
use uringbench_document::timeline::columns::TimelineDocument;
use uringbench_profiler::export::{ExportSource, Series, SeriesUnit, write_firefox, write_pprof};
use uringbench_profiler::profile::{Profile, write_whole};
use uringbench_profiler::sample::Sample;
use uringbench_profiler::session::{Recording, now};

use super::files::ProfileParts;

const PPROF: &str = "profile.pb.gz";
const FIREFOX: &str = "profile.firefox.json.gz";

/// Writes both into `folder`, and returns their names. `origin` is time 0 of the timeline.
pub(super) fn write(
    parts: &ProfileParts<'_>,
    profile: &Profile,
    timeline: &TimelineDocument,
    origin: Timestamp,
    folder: &Path,
) -> io::Result<[String; 2]> {
    let recording = parts.recording;
    let processes = recording.processes.iter().chain(&recording.ended_processes);
    let processes: Vec<_> = processes.cloned().collect();
    let whole = source(recording, &processes, profile);
    let window = parts.window;
    let measured = ExportSource {
        start: window.start,
        unix_start: whole.unix_start + window.start.since(whole.start),
        length: window.end.since(window.start),
        ..whole
    };
    let is_measured = |sample: &io::Result<Sample>| {
        sample.as_ref().map_or(true, |sample| window.contains(&sample.time))
    };
    write_whole(folder, PPROF, |out| {
        write_pprof(&measured, profile.samples.samples().filter(is_measured), out)
    })?;
    let points = points(timeline, origin);
    let series: Vec<_> =
        points.iter().map(|(name, unit, points)| Series { name, unit: *unit, points }).collect();
    write_whole(folder, FIREFOX, |out| {
        write_firefox(&whole, || profile.samples.samples(), &series, out)
    })?;
    Ok([PPROF.to_owned(), FIREFOX.to_owned()])
}

fn source<'a>(
    recording: &'a Recording,
    processes: &'a [(u32, String)],
    profile: &'a Profile,
) -> ExportSource<'a> {
    let ago = now().since(recording.started);
    // There is no recording from before 1970.
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let unix_start = wall.saturating_sub(std::time::Duration::from_nanos(ago.0));
    ExportSource {
        stacks: &profile.stacks,
        names: &profile.names,
        processes,
        threads: &recording.threads,
        start: recording.started,
        unix_start: Nanos(u64::try_from(unix_start.as_nanos()).unwrap_or(u64::MAX)),
        length: recording.ended.since(recording.started),
        period_ns: 1_000_000_000 / u64::from(profile.facts.hz.max(1)),
    }
}

type Points = Vec<(Timestamp, f64)>;

/// The columns that explain a profile, if they are known.
fn points(
    timeline: &TimelineDocument,
    origin: Timestamp,
) -> Vec<(&'static str, SeriesUnit, Points)> {
    use SeriesUnit::{Bytes, Count, Nanoseconds};
    let (load, target) = (&timeline.load, &timeline.target);
    let columns = [
        ("requests per second", Count, &load.completed_per_s),
        ("errors per second", Count, &load.errors_per_s),
        ("in flight", Count, &load.in_flight),
        ("response p50", Nanoseconds, &load.response_p50_ns),
        ("response p99", Nanoseconds, &load.response_p99_ns),
        ("target CPUs, user", Count, &target.cpu_user),
        ("target CPUs, system", Count, &target.cpu_system),
        ("target threads waiting for a CPU", Count, &target.run_queue_s_per_s),
        ("target RssAnon", Bytes, &target.rss_anon_bytes),
        ("target fds", Count, &target.fds),
        ("target threads", Count, &target.threads),
    ];
    let moment = |t_s: f64| {
        let distance = Nanos((t_s.abs() * 1e9) as u64);
        if t_s < 0.0 { Timestamp(origin.0.saturating_sub(distance.0)) } else { origin + distance }
    };
    columns
        .into_iter()
        .map(|(name, unit, column)| {
            let known = timeline.t_s.iter().zip(column);
            let known = known.filter_map(|(&t_s, &value)| Some((moment(t_s), value?)));
            (name, unit, known.collect::<Points>())
        })
        .filter(|(_, _, points)| !points.is_empty())
        .collect()
}
