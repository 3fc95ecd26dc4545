//! The verdict of a soak: what grows, the line through its course, and the stacks and functions
//! behind it.

use maud::{Markup, html};
use uringbench_document::soak::{ResourceFigures, SoakFigures};
use uringbench_document::target::Interval95;
use uringbench_document::timeline::Unit;
use uringbench_document::timeline::columns::TimelineDocument;

use crate::flame::FlameCut;
use crate::foreign::Foreign;
use crate::panel::{Line, Panel, Scale, Shape};
use crate::show;
use crate::svg::{self, TimeAxis};
use crate::table::heads;

/// The columns of the resources.
const COLUMNS: [&str; 6] =
    ["", "verdict", "growth, with its 95 % interval", "would have seen", "shape", "why"];
const SECONDS_PER_HOUR: f64 = 3_600.0;

/// The section of a run's page.
pub(crate) fn section(
    soak: &SoakFigures,
    timeline: Option<&TimelineDocument>,
    leak: Option<&FlameCut>,
) -> Markup {
    let resources = [
        ("memory", "bytes", &soak.memory),
        ("open files", "files", &soak.fds),
        ("threads", "threads", &soak.threads),
        ("memory beside the heap", "bytes", &soak.beside_heaps),
    ];
    html! {
        section aria-label="Leaks" {
            h2 { "Does it leak?" }
            p { (Foreign(&soak.reason)) }
            div.wide {
                table {
                    (heads(&COLUMNS))
                    tbody {
                        @for (name, unit, found) in resources {
                            @if let Some(found) = found { (resource(name, unit, found)) }
                        }
                    }
                }
            }
            @for heap in &soak.heaps {
                p { "Heap of process " (heap.pid) " (" (Foreign(&heap.collector)) "): "
                    (Foreign(&heap.verdict.replace('_', " "))) ". " (Foreign(&heap.reason)) }
            }
            @if let (Some(timeline), Some(memory)) = (timeline, &soak.memory) {
                (course(timeline, memory))
            }
            @if let Some(leak) = leak { (flame(leak)) }
            (functions(soak))
            @for note in &soak.notes { p { (Foreign(note)) } }
        }
    }
}

fn resource(name: &str, unit: &str, found: &ResourceFigures) -> Markup {
    let (slope, per) = match found.per_request {
        Some(slope) => (slope, "request"),
        None => (found.per_hour, "hour"),
    };
    let (class, sign) = match found.verdict.as_str() {
        "leak" => ("bad", "✗"),
        "no_leak" => ("good", "✓"),
        _ => ("doubtful", "?"),
    };
    let smallest = found.smallest_detectable.map(|it| format!("{} {unit}/{per}", show::three(it)));
    html! {
        tr {
            th scope="row" { (name) }
            td class=(class) { (sign) " " (Foreign(&found.verdict.replace('_', " "))) }
            td { (show::ranged(slope)) " " (unit) "/" (per) }
            td { (smallest.as_deref().unwrap_or(show::NOTHING)) }
            td { (Foreign(&found.shape)) }
            td.prose { (Foreign(&found.reason)) }
        }
    }
}

/// The memory with the line through it and the ends of its interval.
fn course(timeline: &TimelineDocument, memory: &ResourceFigures) -> Markup {
    let target = &timeline.target;
    let parts = [&target.rss_anon_bytes, &target.rss_shmem_bytes, &target.swap_bytes];
    let all = |at: usize| {
        let known = parts.iter().filter_map(|part| part.get(at).copied().flatten());
        let sum: f64 = known.sum();
        target.rss_anon_bytes.get(at).copied().flatten().map(|_| sum)
    };
    let rows: Vec<usize> = (0..timeline.t_s.len()).filter(|at| timeline.t_s[*at] >= 0.0).collect();
    let x: Vec<f64> = rows.iter().map(|at| timeline.t_s[*at]).collect();
    let values: Vec<Option<f64>> = rows.iter().map(|at| all(*at)).collect();
    let Some(fit) = Fit::of(&x, &values, memory) else { return html! {} };
    let Interval95 { value, ci_low, ci_high } = memory.per_hour;
    let line = |label: &str, slope: f64| Line::new(label, 4, fit.line(&x, slope)).dashed();
    let mut lines = vec![Line::new("private, shared and swapped memory", 0, values)];
    lines.push(line("growth", value));
    lines.extend(
        [ci_low, ci_high]
            .into_iter()
            .flatten()
            .map(|end| Line { ink: 5, ..line("95 % interval", end) }),
    );
    let panel = Panel {
        id: "soak",
        title: "Memory and its growth".to_owned(),
        about: format!(
            "The first {} s are left out of the fit. The axis does not begin at zero.",
            show::three(memory.warmup_cut_s)
        ),
        unit: Unit::Bytes,
        scale: Scale::Fitted,
        shape: Shape::Lines,
        lines,
        limits: Vec::new(),
        reach: Vec::new(),
        x,
    };
    let axis = TimeAxis {
        end: panel.x.last().copied().unwrap_or_default(),
        outside: vec![(0.0, memory.warmup_cut_s)],
        spikes: Vec::new(),
    };
    html! {
        figure role="figure" aria-labelledby="soak-title" aria-describedby="soak-about" {
            figcaption {
                h3 id="soak-title" { (panel.title) }
                p id="soak-about" { (panel.about) }
                (svg::legend(&panel.lines[..panel.lines.len().min(3)]))
            }
            (svg::panel(&panel, &axis, None))
        }
    }
}

/// The middle of the course after the warm-up, through which the line goes.
struct Fit {
    from: f64,
    x: f64,
    y: f64,
}

impl Fit {
    fn of(x: &[f64], values: &[Option<f64>], memory: &ResourceFigures) -> Option<Self> {
        let from = memory.warmup_cut_s;
        let known = x.iter().zip(values).filter_map(|(x, value)| Some((*x, (*value)?)));
        let known: Vec<(f64, f64)> = known.filter(|(x, _)| *x >= from).collect();
        let count = known.len() as f64;
        (known.len() > 1).then(|| Self {
            from,
            x: known.iter().map(|(x, _)| x).sum::<f64>() / count,
            y: known.iter().map(|(_, y)| y).sum::<f64>() / count,
        })
    }

    fn line(&self, x: &[f64], per_hour: f64) -> Vec<Option<f64>> {
        let value = |at: &f64| {
            (*at >= self.from).then(|| self.y + per_hour * (at - self.x) / SECONDS_PER_HOUR)
        };
        x.iter().map(value).collect()
    }
}

/// Memory that stays, by the stacks that touched it first.
fn flame(leak: &FlameCut) -> Markup {
    html! {
        figure role="figure" aria-labelledby="leak-title" aria-describedby="leak-about" {
            figcaption {
                h3 id="leak-title" { "Memory that stays, by its stacks" }
                p id="leak-about" {
                    "A function stands below the one that called it; its width is its share of \
                     the memory that was touched first under load, after the warm-up, and was \
                     still there at the end. A frame's title has its bytes, and the table below \
                     those of functions."
                }
            }
            div.plot data-plot="leak" data-tree="leak" { (leak.leak_picture()) }
            p #leak-line .line aria-live="polite" {}
        }
    }
}

fn functions(soak: &SoakFigures) -> Markup {
    if soak.leak_functions.is_empty() {
        return html! {};
    }
    html! {
        h3 { "Functions whose memory stays" }
        div.wide {
            table {
                (heads(&["function", "share", "bytes/request", "bytes"]))
                tbody {
                    @for function in &soak.leak_functions {
                        @let cost = function.bytes_per_request.map(show::three);
                        tr {
                            th scope="row" { (Foreign(&function.function)) }
                            td { (show::share(Some(function.share))) }
                            td { (cost.as_deref().unwrap_or(show::NOTHING)) }
                            td { (show::value(Unit::Bytes, function.bytes as f64)) }
                        }
                    }
                }
            }
        }
    }
}
