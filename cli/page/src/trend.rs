//! The page of a trend: where a figure changed, with the commits, and how it went.

use maud::{Markup, html};
use uringbench_core::summary::plural;
use uringbench_document::trend::{TrendChange, TrendDocument, TrendPoint};
use uringbench_report::comparison::signed;
use uringbench_report::history::figure;
use uringbench_report::trend::slope;

use crate::foreign::Foreign;
use crate::panel::Scale;
use crate::plot::{Plot, Span};
use crate::run::Tone;
use crate::shell;
use crate::show;
use crate::table::heads;

/// Pixels of the chart.
const HEIGHT: f64 = 240.0;
/// Digits of a commit that are shown.
const HASH: usize = 8;
/// The newest runs of the table.
const ROWS_MAX: usize = 200;

/// The page as one HTML file.
pub fn trend(document: &TrendDocument) -> String {
    let tone = tone(document.changes.last());
    let body = html! {
        main {
            header class=(format!("verdict {}", tone.class())) {
                h1 {
                    span.word { (tone.sign()) " " (Foreign(&document.benchmark_name)) }
                    " · " (Foreign(&sentence(document)))
                }
                p.because { "Slope: " (Foreign(&slope(document))) "." }
                p.what {
                    (Foreign(&document.target)) " · " (Foreign(&document.figure)) " · "
                    (plural(document.points.len() as u64, "run"))
                }
            }
            @for note in &document.notes { p.missing { (Foreign(note)) } }
            (chart(document))
            (changes(document))
            (runs(document))
            (shell::made())
        }
    };
    shell::page(&format!("{} · {}", document.benchmark_name, document.figure), &body, &[])
}

fn tone(change: Option<&TrendChange>) -> Tone {
    match change.map(|change| change.direction.as_str()) {
        Some("worse") => Tone::Bad,
        Some(_) | None => Tone::Good,
    }
}

fn sentence(document: &TrendDocument) -> String {
    let name = &document.figure;
    let Some(last) = document.changes.last() else {
        return format!("{name} is steady: no change in {} runs", document.points.len());
    };
    let count = match document.changes.len() {
        1 => String::new(),
        more => format!("; {more} changes in all"),
    };
    format!(
        "{name} changed from {} to {}{} ({}) at {}{count}",
        figure(name, last.before),
        figure(name, last.after),
        last.change.map(|share| format!(", {}", signed(share))).unwrap_or_default(),
        last.direction,
        place_of(document, last.at),
    )
}

/// Day and commit of a run.
fn place(point: &TrendPoint) -> String {
    let day = point.timestamp.get(..10).unwrap_or(&point.timestamp);
    match &point.commit_sha {
        Some(commit) => format!("{} ({day})", commit.get(..HASH).unwrap_or(commit)),
        None => day.to_owned(),
    }
}

/// The same of a run by its number.
fn place_of(document: &TrendDocument, at: usize) -> String {
    document.points.get(at).map(place).unwrap_or_default()
}

/// The levels between changes: from, to, and the mean.
fn levels(document: &TrendDocument) -> Vec<(usize, usize, f64)> {
    let last = document.points.len();
    let ends = document.changes.iter().skip(1).map(|change| change.at).chain([last]);
    let first = document.changes.first().map(|change| (0, change.at, change.before));
    let others = document.changes.iter().zip(ends).map(|(it, end)| (it.at, end, it.after));
    first.into_iter().chain(others).filter(|(from, to, _)| to > from).collect()
}

fn chart(document: &TrendDocument) -> Markup {
    let points = &document.points;
    let name = &document.figure;
    let (Some(x), Some(y)) = (
        Span::of([0.0, points.len().saturating_sub(1).max(1) as f64], Scale::Fitted),
        Span::of(points.iter().map(|point| point.value), Scale::Fitted),
    ) else {
        return html! { p.nothing { "No run has this figure." } };
    };
    let plot = Plot { x, y, height: HEIGHT };
    let is_outlier = |at: usize| document.outliers.iter().any(|outlier| outlier.at == at);
    let inside = html! {
        @for (from, to, mean) in levels(document) {
            (plot.line("level", &[(from as f64 - 0.4, mean), (to as f64 - 0.6, mean)]))
        }
        @for change in &document.changes {
            @let at = plot.at(change.at as f64 - 0.5);
            line.change x1=(at) x2=(at) y1="0" y2=(HEIGHT) {}
            text.change x=(at) y="12" text-anchor="middle" {
                (sign(change)) " " (change.change.map(signed).unwrap_or_default())
            }
        }
        @for (at, point) in points.iter().enumerate() {
            @let class = if is_outlier(at) { "dot limited" } else { "dot met" };
            (plot.dot(class, (at as f64, point.value), 3.5))
        }
    };
    let label = |at: f64| {
        let index = at.round();
        let is_whole = (at - index).abs() < 1e-6 && index >= 0.0;
        let point = points.get(index as usize).filter(|_| is_whole);
        point.map(place_short).unwrap_or_default()
    };
    html! {
        figure role="figure" aria-labelledby="trend-title" aria-describedby="trend-about" {
            figcaption {
                h3 id="trend-title" { (Foreign(name)) " over the runs" }
                p id="trend-about" {
                    "A dot is a run, in order; grey: far from its neighbours, so that it takes no "
                    "part. A line is the mean between two changes; ▲ and ▼ mark a change."
                }
            }
            (plot.picture(label, |value| figure(name, value), &inside))
        }
    }
}

fn place_short(point: &TrendPoint) -> String {
    point.timestamp.get(5..10).unwrap_or_default().to_owned()
}

fn sign(change: &TrendChange) -> &'static str {
    if change.after > change.before { "▲" } else { "▼" }
}

fn changes(document: &TrendDocument) -> Markup {
    if document.changes.is_empty() {
        return html! {};
    }
    html! {
        section aria-label="Changes" {
            h2 { "Changes" }
            div.wide {
                table {
                    (heads(&["first run of the level", "before", "after", "change", "", "chance"]))
                    tbody {
                        @for change in document.changes.iter().rev() {
                            @let tone = tone(Some(change));
                            tr {
                                th scope="row" { (Foreign(&place_of(document, change.at))) }
                                td { (figure(&document.figure, change.before)) }
                                td { (figure(&document.figure, change.after)) }
                                td { (change.change.map(signed).unwrap_or_default()) }
                                td class=(tone.class()) {
                                    (tone.sign()) " " (Foreign(&change.direction))
                                }
                                td { (show::three(change.p)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn runs(document: &TrendDocument) -> Markup {
    html! {
        details {
            summary { "Runs, the newest first" }
            div.wide {
                table {
                    (heads(&["began", "figure", "commit", "branch", "folder"]))
                    tbody {
                        @for point in document.points.iter().rev().take(ROWS_MAX) {
                            tr {
                                th scope="row" { (Foreign(&point.timestamp)) }
                                td { (figure(&document.figure, point.value)) }
                                td { (Foreign(point.commit_sha.as_deref().unwrap_or("-"))) }
                                td { (Foreign(point.branch.as_deref().unwrap_or("-"))) }
                                td { (Foreign(&point.folder)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
