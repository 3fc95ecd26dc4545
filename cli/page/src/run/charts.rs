//! The charts of a run over time, its percentile curve and its flame graph.

use maud::{Markup, html};
use uringbench_core::outcome::Outcome;
use uringbench_document::timeline::Unit;
use uringbench_document::timeline::columns::TimelineDocument;

use super::Parts;
use crate::curve::Curve;
use crate::flame::FlameProfile;
use crate::grid::{Grid, Row, cell_start};
use crate::heat;
use crate::objective::{Metric, Objective};
use crate::panel::{Bound, Line, Panel, Scale, Shape};
use crate::show;
use crate::svg::{self, TimeAxis};
use crate::table::table;

/// Rows of the table behind a chart, at most.
const TABLE_ROWS: usize = 60;
/// Values of a course from the timeline, at most.
const SAMPLES_MAX: usize = 3_600;

/// A chart's name, title, sentence and unit.
pub(crate) type Head = (&'static str, &'static str, &'static str, Unit);

/// What the charts over time are made of.
pub(crate) struct Courses<'a> {
    pub(crate) grid: &'a Grid,
    /// Objectives of the whole run, with their texts.
    pub(crate) objectives: Vec<(&'a str, &'a Objective)>,
    /// Whether times count from the moment a request is sent.
    pub(crate) is_served_at_once: bool,
}

impl<'a> Courses<'a> {
    fn of(parts: &'a Parts<'_>) -> Self {
        let document = parts.page.document;
        let objectives = document.slo.iter().zip(&parts.objectives).filter_map(|(held, it)| {
            let objective = it.as_ref().filter(|it| it.about.is_none())?;
            Some((&*held.objective, objective))
        });
        Self {
            grid: &parts.grid,
            objectives: objectives.collect(),
            is_served_at_once: document.is_served_at_once(),
        }
    }

    /// The charts of the load.
    pub(crate) fn of_load(&self) -> Vec<Panel> {
        vec![rate(self), times(self), outcomes(self), in_flight(self), lateness(self)]
    }
}

/// All charts over time that have something to show.
pub(super) fn panels(parts: &Parts<'_>) -> Vec<Panel> {
    let mut panels = Courses::of(parts).of_load();
    if let Some(timeline) = parts.page.timeline {
        panels.extend(of_timeline(timeline, parts.grid.end()));
    }
    panels.retain(is_something);
    panels
}

/// Whether a chart has something to show.
pub(crate) fn is_something(panel: &Panel) -> bool {
    panel.range().is_some() && panel.lines.iter().any(Line::is_something)
}

fn panel((id, title, about, unit): Head, x: Vec<f64>, lines: Vec<Line>) -> Panel {
    Panel {
        id,
        title: title.to_owned(),
        about: about.to_owned(),
        unit,
        scale: Scale::Linear,
        shape: Shape::Lines,
        x,
        lines,
        limits: Vec::new(),
        reach: Vec::new(),
    }
}

/// A chart over the rows of the run.
pub(crate) fn of_rows(courses: &Courses<'_>, head: Head, lines: Vec<Line>) -> Panel {
    panel(head, courses.grid.rows.iter().map(Row::middle).collect(), lines)
}

fn values(courses: &Courses<'_>, of: impl Fn(&Row) -> Option<f64>) -> Vec<Option<f64>> {
    courses.grid.rows.iter().map(of).collect()
}

fn bounds(courses: &Courses<'_>, is_of_it: impl Fn(&Objective) -> bool) -> Vec<Bound> {
    let of_it = courses.objectives.iter().filter(|(_, objective)| is_of_it(objective));
    let bound = |(text, objective): &(&str, &Objective)| Bound {
        label: (*text).to_owned(),
        value: objective.bound,
    };
    of_it.map(bound).collect()
}

fn rate(courses: &Courses<'_>) -> Panel {
    let started = Line::new("started", 5, values(courses, |row| row.per_second(row.released)));
    let answered = Line::new("answered", 0, values(courses, |row| row.per_second(row.completed)));
    let head = (
        "rate",
        "Requests per second",
        "Requests that were started, and answers that arrived whole, whatever their status.",
        Unit::PerS,
    );
    let mut panel = of_rows(courses, head, vec![started.dashed(), answered]);
    panel.limits = bounds(courses, |objective| objective.metric == Metric::Rate);
    panel
}

fn times(courses: &Courses<'_>) -> Panel {
    let nanos = |value: Option<u64>| value.map(|value| value as f64);
    let lines = vec![
        Line::new("p50", 0, values(courses, |row| nanos(row.p50))),
        Line::new("p99", 1, values(courses, |row| nanos(row.p99))).dashed().peak(),
        Line::new("max", 4, values(courses, |row| nanos(row.max))).peak(),
    ];
    let about = match courses.grid.has_times {
        true => {
            "Each cell: how many requests that ended then took so long; darker is more, and a \
             single request is visible."
        }
        false => "Times of the requests that ended in each interval.",
    };
    let title = match courses.is_served_at_once {
        true => "Service time",
        false => "Response time",
    };
    let mut panel = of_rows(courses, ("times", title, about, Unit::Ns), lines);
    panel.scale = Scale::Log;
    panel.shape = if courses.grid.has_times { Shape::Heat } else { Shape::Lines };
    panel.limits = bounds(courses, Objective::is_time_of_run);
    let cells = || courses.grid.rows.iter().flat_map(|row| row.cells.keys().copied());
    let ends = [cells().min().map(cell_start), cells().max().map(|last| cell_start(last + 1))];
    panel.reach = ends.into_iter().flatten().collect();
    panel
}

fn outcomes(courses: &Courses<'_>) -> Panel {
    let failures = Outcome::ALL.into_iter().filter(|outcome| *outcome != Outcome::Ok);
    let lines = failures.enumerate().map(|(at, outcome)| {
        let share = |row: &Row| {
            let ended: u64 = row.outcomes.iter().sum();
            (ended > 0).then(|| row.outcomes[outcome as usize] as f64 / ended as f64)
        };
        let is_status = outcome == Outcome::Status;
        let label = match is_status && !courses.grid.has_kinds {
            true => "failed",
            false => outcome.key(),
        };
        // From red on, since all of them are failures.
        Line::new(label, [4, 1, 3, 5, 2, 0, 4, 1][at % 8], values(courses, share))
    });
    let head = (
        "outcomes",
        "Failures by kind",
        "Share of the requests that ended in each interval; all others passed.",
        Unit::Share,
    );
    let lines = lines.filter(Line::is_something).collect();
    let mut panel = of_rows(courses, head, lines);
    panel.shape = Shape::Stacked;
    panel.limits = bounds(courses, |objective| objective.metric == Metric::Errors);
    panel
}

fn in_flight(courses: &Courses<'_>) -> Panel {
    let lines = vec![
        Line::new("requests in flight", 0, values(courses, |row| Some(row.in_flight as f64))),
        Line::new("connections", 5, values(courses, |row| Some(row.connected as f64))).dashed(),
    ];
    let head = (
        "in_flight",
        "In flight",
        "Requests without an answer yet, and connections that stand, at the end of each interval.",
        Unit::Count,
    );
    of_rows(courses, head, lines)
}

fn lateness(courses: &Courses<'_>) -> Panel {
    let late = |row: &Row| row.lateness_p99.map(|nanos| nanos as f64);
    let lines = vec![Line::new("lateness p99", 2, values(courses, late)).peak()];
    let head = (
        "lateness",
        "Lateness of the load generator",
        "How long after its due time a request was sent: the part of the response time that is \
         not the target's.",
        Unit::Ns,
    );
    let mut panel = of_rows(courses, head, lines);
    panel.scale = Scale::Log;
    panel
}

/// Rows of the timeline that lie in the run, joined where they are too many.
struct Samples<'a> {
    timeline: &'a TimelineDocument,
    /// The numbers of the rows of each value.
    parts: Vec<Vec<usize>>,
}

impl<'a> Samples<'a> {
    fn of(timeline: &'a TimelineDocument, end: f64) -> Self {
        let row = 1.0 / f64::from(timeline.hz.max(1));
        let begin = |at: &usize| timeline.t_s[*at] - row;
        let is_inside = |at: &usize| begin(at) >= -row && begin(at) < end;
        let inside: Vec<usize> = (0..timeline.t_s.len()).filter(is_inside).collect();
        let width = inside.len().div_ceil(SAMPLES_MAX).max(1);
        Self { timeline, parts: inside.chunks(width).map(<[usize]>::to_vec).collect() }
    }

    /// The middle of each value in time.
    fn x(&self) -> Vec<f64> {
        let half = 0.5 / f64::from(self.timeline.hz.max(1));
        let middle = |part: &Vec<usize>| {
            let sum: f64 = part.iter().map(|at| self.timeline.t_s[*at] - half).sum();
            sum / part.len() as f64
        };
        self.parts.iter().map(middle).collect()
    }

    /// The means of a column.
    fn line(&self, label: &str, ink: u8, column: &[Option<f64>]) -> Line {
        let mean = |part: &Vec<usize>| {
            let known = part.iter().filter_map(|at| column.get(*at).copied().flatten());
            let known: Vec<f64> = known.collect();
            (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
        };
        Line::new(label, ink, self.parts.iter().map(mean).collect())
    }
}

/// The courses of target and host, on the axis of the load.
fn of_timeline(timeline: &TimelineDocument, end: f64) -> Vec<Panel> {
    let samples = Samples::of(timeline, end);
    let charts = of_target(&samples).into_iter().chain(of_host(&samples));
    let keep = |(head, mut lines): (Head, Vec<Line>)| {
        lines.retain(Line::is_something);
        panel(head, samples.x(), lines)
    };
    charts.map(keep).collect()
}

fn of_target(samples: &Samples<'_>) -> [(Head, Vec<Line>); 3] {
    let TimelineDocument { target, cgroup, .. } = samples.timeline;
    let cpu = (
        "target_cpu",
        "CPUs of the target",
        "CPUs that it used in its own code and in the kernel, and threads that waited for one.",
        Unit::Cpus,
    );
    let cpu_lines = vec![
        samples.line("own code", 0, &target.cpu_user),
        samples.line("kernel", 1, &target.cpu_system).dashed(),
        samples.line("waiting for a CPU", 4, &target.run_queue_s_per_s),
    ];
    let memory = ("target_memory", "Memory of the target", "Resident memory by kind.", Unit::Bytes);
    let mut memory_lines = vec![
        samples.line("private", 0, &target.rss_anon_bytes),
        samples.line("files", 5, &target.rss_file_bytes).dashed(),
        samples.line("shared", 2, &target.rss_shmem_bytes),
        samples.line("swapped", 4, &target.swap_bytes),
    ];
    if let Some(cgroup) = cgroup {
        let all = samples.line("control group", 3, &cgroup.memory_current_bytes);
        memory_lines.push(all.dashed());
    }
    let counts = (
        "target_counts",
        "Files, threads, processes of the target",
        "How many there were.",
        Unit::Count,
    );
    let count_lines = vec![
        samples.line("open files", 0, &target.fds),
        samples.line("threads", 1, &target.threads).dashed(),
        samples.line("processes", 2, &target.processes),
    ];
    [(cpu, cpu_lines), (memory, memory_lines), (counts, count_lines)]
}

fn of_host(samples: &Samples<'_>) -> [(Head, Vec<Line>); 2] {
    let host = &samples.timeline.host;
    let cpu = (
        "host_cpu",
        "CPUs of the host",
        "CPUs that were busy, for whatever program, and that the hypervisor took.",
        Unit::Cpus,
    );
    let cpu_lines = vec![
        samples.line("own code", 0, &host.cpu_user),
        samples.line("kernel", 1, &host.cpu_system).dashed(),
        samples.line("stolen", 4, &host.cpu_steal),
    ];
    let pressure = (
        "pressure",
        "Pressure of the host",
        "Share of the time in which some task waited for it.",
        Unit::Share,
    );
    let pressure_lines = vec![
        samples.line("CPU", 0, &host.pressure_cpu_some),
        samples.line("memory", 1, &host.pressure_memory_some).dashed(),
        samples.line("disk", 2, &host.pressure_io_some),
    ];
    [(cpu, cpu_lines), (pressure, pressure_lines)]
}

/// The charts, one below the other on one axis.
pub(super) fn figures(parts: &Parts<'_>, panels: &[Panel]) -> Markup {
    let axis = axis(parts);
    let failures = parts.page.document.counts.outcomes.errors();
    html! {
        @if panels.is_empty() { p.nothing { "The run ended before its first interval." } }
        @for panel in panels {
            @let heat = (panel.shape == Shape::Heat)
                .then(|| heat::picture(&parts.grid, panel, &axis));
            (figure(panel, &svg::panel(panel, &axis, heat.as_ref())))
            @if panel.id == "times" && failures == 0 && parts.page.document.counts.released > 0 {
                p.nothing { "Failures by kind: there was none." }
            }
        }
    }
}

fn axis(parts: &Parts<'_>) -> TimeAxis {
    let document = parts.page.document;
    let outside = document.phases.iter().filter(|it| it.name == "warmup" || it.name == "drain");
    let spikes = document.target.iter().filter_map(|target| target.spikes.as_ref());
    TimeAxis {
        end: parts.grid.end(),
        outside: outside.map(|it| (it.start_s, it.start_s + it.duration_s)).collect(),
        spikes: spikes.flat_map(|it| &it.windows).map(|it| (it.from_s, it.to_s)).collect(),
    }
}

/// A chart with its title, its sentence, and the table that says the same.
fn figure(panel: &Panel, picture: &Markup) -> Markup {
    let [title, about, table] = ["title", "about", "table"].map(|of| format!("{}-{of}", panel.id));
    html! {
        figure role="figure" aria-labelledby=(title) aria-describedby=(about)
            aria-details=(table) {
            figcaption {
                h3 id=(title) { (panel.title) }
                p id=(about) { (panel.about) }
                (svg::legend(&panel.lines))
            }
            div.plot data-plot=(panel.id) { (picture) }
            details id=(table) { summary { "Table of " (panel.title) } (values_table(panel)) }
        }
    }
}

fn values_table(panel: &Panel) -> Markup {
    let width = panel.x.len().div_ceil(TABLE_ROWS).max(1);
    let heads: Vec<&str> =
        std::iter::once("at").chain(panel.lines.iter().map(|line| &*line.label)).collect();
    let rows: Vec<Vec<String>> = (0..panel.x.len())
        .step_by(width)
        .map(|from| {
            let to = (from + width).min(panel.x.len());
            let cell = |line: &Line| {
                let known: Vec<f64> = line.values[from..to].iter().flatten().copied().collect();
                let value = match line.is_peak {
                    _ if known.is_empty() => return show::NOTHING.to_owned(),
                    true => known.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                    false => known.iter().sum::<f64>() / known.len() as f64,
                };
                show::value(panel.unit, value)
            };
            let at = show::clock(panel.x[from]);
            std::iter::once(at).chain(panel.lines.iter().map(cell)).collect()
        })
        .collect();
    table(&heads, &rows)
}

/// The percentile curve.
pub(super) fn percentiles(curve: &Curve) -> Markup {
    let rows: Vec<Vec<String>> = curve
        .one_in
        .iter()
        .enumerate()
        .step_by(6)
        .map(|(at, one_in)| {
            let place = format!("one in {}", show::three(*one_in));
            let cell = |line: &Line| {
                line.values[at]
                    .map_or_else(|| show::NOTHING.to_owned(), |value| show::value(Unit::Ns, value))
            };
            std::iter::once(place).chain(curve.lines.iter().map(cell)).collect()
        })
        .collect();
    let heads: Vec<&str> =
        std::iter::once("slowest").chain(curve.lines.iter().map(|line| &*line.label)).collect();
    html! {
        section aria-label="Percentiles" {
            h2 { "Percentiles " span.scope data-scope="follows" { "measured window" } }
            figure role="figure" aria-labelledby="curve-title" aria-describedby="curve-about"
                aria-details="curve-table" {
                figcaption {
                    h3 id="curve-title" { "How long the slowest take" }
                    p id="curve-about" {
                        "At 99 %: one request in a hundred takes longer. Both axes are logarithmic."
                    }
                    (svg::legend(&curve.lines))
                }
                div.plot data-plot="curve" { (curve.picture()) }
                details id="curve-table" {
                    summary { "Table of percentiles" }
                    (table(&heads, &rows))
                }
            }
        }
    }
}

/// The flame graph.
pub(super) fn flame(profile: &FlameProfile) -> Markup {
    html! {
        section aria-label="Flame graph" {
            h2 { "CPU time of the target " span.scope #flame-scope { "whole recording" } }
            figure role="figure" aria-labelledby="flame-title" aria-describedby="flame-about" {
                figcaption {
                    h3 id="flame-title" { "Flame graph" }
                    p id="flame-about" {
                        "A function stands below the one that called it; its width is its share of \
                         the CPU time. Exact figures of the whole window are in the table of \
                         functions."
                    }
                }
                div.plot data-plot="flame" { (profile.picture()) }
                p #flame-line .line aria-live="polite" {}
            }
            div #moved .wide {}
        }
    }
}
