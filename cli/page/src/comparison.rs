//! The page of a comparison: the verdict in a sentence, the changes with their intervals in one
//! picture, then figures, percentiles, runs, and the CPU time that changed.

use maud::{Markup, html};
use uringbench_document::comparison::{
    ComparedGroup, ComparisonDocument, Decision, Effect, Evidence, FigureChange, FunctionChanges,
    GroupComparison,
};
use uringbench_document::timeline::Unit;
use uringbench_report::comparison::{signed, value};

use crate::band::{self, PercentileBand};
use crate::flame::FlameDifference;
use crate::foreign::Foreign;
use crate::panel::Scale;
use crate::plot::{FOOT, Plot, Span};
use crate::run::Tone;
use crate::shell;
use crate::show;
use crate::svg::{percent, px};
use crate::table::heads;

/// Pixels of a row of the picture of changes.
const ROW: f64 = 40.0;
/// The smallest half of its axis, as a share.
const HALF_MIN: f64 = 0.02;
/// Functions shown.
const FUNCTIONS_SHOWN: usize = 20;

/// The columns of the figures.
const COLUMNS: [&str; 9] =
    ["figure", "before", "after", "change", "95 % interval", "chance", "would show", "verdict", ""];
/// The columns of the functions.
const FUNCTION_COLUMNS: [&str; 6] =
    ["function", "became", "before µs", "after µs", "change µs", "file"];

/// A comparison, and what its runs add to it.
#[derive(Clone, Copy, Debug)]
pub struct ComparisonPage<'a> {
    /// Its document.
    pub document: &'a ComparisonDocument,
    /// For each of its comparisons, in their order, what is known of the runs; may be shorter.
    pub details: &'a [ComparisonDetails],
}

/// What the runs add to one of the comparisons.
#[derive(Clone, Debug, Default)]
pub struct ComparisonDetails {
    /// The response times of the runs that count, before and after; `None` if they are unknown.
    pub bands: Option<[PercentileBand; 2]>,
    /// The profiles of a run of each side; `None` unless both were profiled.
    pub difference: Option<FlameDifference>,
    /// What could not be read, and why, a sentence each.
    pub missing: Vec<String>,
}

/// The page as one HTML file.
pub fn comparison(page: &ComparisonPage<'_>) -> String {
    let document = page.document;
    let nothing = ComparisonDetails::default();
    let details = |at: usize| page.details.get(at).unwrap_or(&nothing);
    let body = html! {
        main {
            @for (at, comparison) in document.comparisons.iter().enumerate() {
                (section(comparison, details(at), at))
            }
            (shell::made())
        }
    };
    let trees =
        page.details.iter().zip(0..document.comparisons.len()).filter_map(|(it, at)| {
            Some(it.difference.as_ref()?.block(&format!("difference-{at}")))
        });
    let blocks: Vec<_> = trees.collect();
    let names = document.comparisons.first().map_or_else(
        || "comparison".to_owned(),
        |first| format!("{} against {}", first.after.label, first.before.label),
    );
    shell::page(&format!("{} · {names}", document.verdict.word().to_uppercase()), &body, &blocks)
}

fn tone(verdict: Decision) -> Tone {
    match verdict {
        Decision::Pass => Tone::Good,
        Decision::Warn | Decision::Inconclusive => Tone::Doubtful,
        Decision::Fail | Decision::Invalid => Tone::Bad,
    }
}

fn section(comparison: &GroupComparison, details: &ComparisonDetails, at: usize) -> Markup {
    let tone = tone(comparison.verdict);
    let word = comparison.verdict.word().to_uppercase();
    let head = html! {
        span.word { (tone.sign()) " " (word) } " · " (Foreign(&comparison.sentence))
    };
    html! {
        header class=(format!("verdict {}", tone.class())) {
            @if at == 0 { h1 { (head) } } @else { h2 { (head) } }
            p.because { (evidence(comparison)) }
            p.what {
                "Before: " (Foreign(&named(&comparison.before))) ". After: "
                (Foreign(&named(&comparison.after))) "."
            }
        }
        @for difference in &comparison.differences {
            p.missing {
                "Not measured alike: " (Foreign(&difference.key)) " " (Foreign(&difference.before))
                " → " (Foreign(&difference.after))
            }
        }
        @for note in &comparison.notes { p { (Foreign(note)) } }
        @for sentence in &details.missing { p.missing { (Foreign(sentence)) } }
        @if !comparison.figures.is_empty() {
            (changes(comparison, at))
            (figures(comparison))
        }
        @if let Some(sides) = &details.bands {
            section aria-label="Percentiles" {
                h2 { "Percentiles" }
                (band::figure(sides, names(comparison), &format!("band-{at}")))
            }
        }
        @if !comparison.figures.is_empty() { (values(comparison)) }
        @if let Some(difference) = &details.difference {
            (flame(difference, names(comparison), at))
        }
        @if let Some(functions) = &comparison.functions { (self::functions(functions)) }
        (runs(comparison))
    }
}

fn evidence(comparison: &GroupComparison) -> String {
    let counts = comparison.counts;
    let of = match comparison.evidence {
        Evidence::Runs => "independent runs of each group",
        Evidence::Pairs => "runs in pairs, one of each group shortly after the other",
        Evidence::Blocks => "blocks of a single run of each group",
    };
    format!(
        "{} worse, {} better, {} unchanged, {} undecided; by {of}",
        counts.regressed, counts.improved, counts.unchanged, counts.undecided
    )
}

fn named(group: &ComparedGroup) -> String {
    let counted = group.runs.iter().filter(|run| run.excluded.is_none()).count();
    format!("{} ({counted} of {} runs count)", group.label, group.runs.len())
}

fn names(comparison: &GroupComparison) -> [&str; 2] {
    [&comparison.before.label, &comparison.after.label]
}

/// The flame graph of what changed: as wide as after, and for the scripts as before.
fn flame(difference: &FlameDifference, [before, after]: [&str; 2], at: usize) -> Markup {
    let id = format!("difference-{at}");
    let [title, about, line] = ["title", "about", "line"].map(|of| format!("{id}-{of}"));
    html! {
        section aria-label="CPU time that changed" {
            h2 { "CPU time of the target, per request" }
            figure role="figure" aria-labelledby=(title) aria-describedby=(about) {
                figcaption {
                    h3 id=(title) { "Flame graph of the difference" }
                    p id=(about) {
                        "A function stands below the one that called it. Widths: CPU time per "
                        "request of " (Foreign(after)) ". Red with ▲: more than "
                        (Foreign(before)) "; blue with ▼: less; grey: within two standard "
                        "deviations of the sampling. A frame's title has its figures, and the "
                        "table below those of functions that changed beyond chance."
                    }
                }
                div.plot data-plot=(id) data-tree="difference" data-before=(Foreign(before))
                    data-after=(Foreign(after)) {
                    (difference.picture())
                }
                p.line id=(line) aria-live="polite" {}
            }
        }
    }
}

/// What became of a figure: a sign and a word.
fn effect(figure: &FigureChange) -> (&'static str, &'static str) {
    match figure.effect {
        Effect::Improved => ("good", "✓ better"),
        Effect::Regressed => ("bad", "✗ worse"),
        Effect::Unchanged => ("", "= unchanged"),
        Effect::Undecided => ("doubtful", "? undecided"),
    }
}

/// The changes with their intervals on one axis.
fn changes(comparison: &GroupComparison, number: usize) -> Markup {
    let [title, about] = ["title", "about"].map(|of| format!("changes-{number}-{of}"));
    let figures = &comparison.figures;
    let reach = figures.iter().flat_map(|figure| {
        let change = figure.change;
        [Some(change.value), change.ci_low, change.ci_high, Some(figure.limits.fail)]
    });
    let half = reach.flatten().map(f64::abs).filter(|it| it.is_finite()).fold(HALF_MIN, f64::max);
    let span = Span::around_zero(half.min(2.0) * 1.1);
    let at = |share: f64| percent(1.0 + span.share(share) * 98.0);
    let height = figures.len() as f64 * ROW;
    html! {
        figure role="figure" aria-labelledby=(title) aria-describedby=(about) {
            figcaption {
                h3 id=(title) { "Changes" }
                p id=(about) {
                    "A dot is the change, its line the 95 % interval; shaded: the noise of this "
                    "host, where it was measured; dotted: the limit of a failure. The table below "
                    "has the same figures."
                }
            }
            svg.chart width="100%" height=(height + FOOT) aria-hidden="true" focusable="false" {
                @for tick in span.ticks(5) {
                    line.grid x1=(at(tick)) x2=(at(tick)) y1="0" y2=(height) {}
                    text x=(at(tick)) y=(px(height + FOOT - 5.0)) text-anchor="middle" {
                        (signed(tick))
                    }
                }
                line.axis x1=(at(0.0)) x2=(at(0.0)) y1="0" y2=(height) {}
                @for (row, figure) in figures.iter().enumerate() {
                    (change(figure, row as f64 * ROW, at))
                }
            }
        }
    }
}

fn change(figure: &FigureChange, top: f64, at: impl Fn(f64) -> String) -> Markup {
    let middle = px(top + ROW - 13.0);
    let (class, word) = effect(figure);
    let sign = if figure.better == "higher" { -1.0 } else { 1.0 };
    let (low, high) = (figure.change.ci_low, figure.change.ci_high);
    let ends = (low.unwrap_or(-9.0), high.unwrap_or(9.0));
    html! {
        @if let Some(noise) = figure.noise {
            line.noise x1=(at(-noise)) x2=(at(noise)) y1=(middle) y2=(middle) {}
        }
        @if figure.gated {
            @let limit = at(sign * figure.limits.fail);
            line.bound x1=(limit) x2=(limit) y1=(px(top + ROW - 22.0)) y2=(px(top + ROW - 4.0)) {}
        }
        line class=(format!("interval {class}")) x1=(at(ends.0)) x2=(at(ends.1))
            y1=(middle) y2=(middle) {}
        circle class=(format!("dot {class}")) cx=(at(figure.change.value)) cy=(middle) r="5" {}
        text x="4" y=(px(top + 13.0)) {
            (Foreign(&figure.title)) "  " (signed(figure.change.value)) "  " (word)
            @if !figure.gated { "  (not in the verdict)" }
        }
    }
}

fn figures(comparison: &GroupComparison) -> Markup {
    html! {
        div.wide {
            table {
                (heads(&COLUMNS))
                tbody { @for figure in &comparison.figures { (figure_row(figure)) } }
            }
        }
        p.about {
            "chance: the probability of such a difference without a cause, adjusted for all "
            "figures. would show: the smallest change that such runs show four times in five."
        }
    }
}

fn figure_row(figure: &FigureChange) -> Markup {
    let end = |end: Option<f64>| end.map_or_else(|| "?".to_owned(), signed);
    let (class, word) = effect(figure);
    let state = match (figure.gated, figure.severe) {
        (false, _) => "not in it",
        (true, true) => "severe",
        (true, false) => figure.state.word(),
    };
    html! {
        tr {
            th scope="row" { (Foreign(&figure.title)) }
            td { (value(&figure.unit, figure.before)) }
            td { (value(&figure.unit, figure.after)) }
            td { (signed(figure.change.value)) }
            td { (end(figure.change.ci_low)) " to " (end(figure.change.ci_high)) }
            td { (show::share(Some(figure.p_adjusted))) }
            td { (show::share(figure.smallest_detectable)) }
            td { (state) }
            td class=(class) { (word) }
        }
    }
}

/// The values of every run; pairs are joined by lines.
fn values(comparison: &GroupComparison) -> Markup {
    let is_paired = comparison.evidence == Evidence::Pairs;
    let gated = comparison.figures.iter().filter(|figure| figure.gated);
    html! {
        section aria-label="Values of the runs" {
            h2 { "Values of the runs" }
            p {
                "Left: before. Right: after. "
                @if is_paired { "A line joins the two runs of a pair." }
            }
            div.small {
                @for figure in gated {
                    @if let Some(picture) = slopes(figure, is_paired) {
                        @let name = format!("values of {}", figure.metric);
                        figure role="figure" aria-label=(Foreign(&name)) {
                            figcaption { h3 { (Foreign(&figure.title)) } }
                            (picture)
                        }
                    }
                }
            }
        }
    }
}

fn slopes(figure: &FigureChange, is_paired: bool) -> Option<Markup> {
    let all = figure.values_before.iter().chain(&figure.values_after).copied();
    let plot = Plot {
        x: Span::of([0.0, 1.0], Scale::Fitted)?,
        y: Span::of(all, Scale::Fitted)?,
        height: 110.0,
    };
    let dots = |x: f64, values: &[f64], ink: &str| {
        html! {
            @for value in values {
                (plot.dot(&format!("dot {ink}"), (x, *value), 4.0))
            }
        }
    };
    let inside = html! {
        @if is_paired {
            @for (before, after) in figure.values_before.iter().zip(&figure.values_after) {
                (plot.line("pair", &[(0.25, *before), (0.85, *after)]))
            }
        }
        (dots(0.25, &figure.values_before, "i0"))
        (dots(0.85, &figure.values_after, "i1"))
    };
    let unit = match figure.unit.as_str() {
        "per_s" => Unit::PerS,
        "bytes" => Unit::Bytes,
        _ => Unit::Ns,
    };
    Some(plot.picture(|_| String::new(), |value| show::value(unit, value), &inside))
}

fn functions(functions: &FunctionChanges) -> Markup {
    html! {
        section aria-label="Functions that changed" {
            h2 { "Functions that changed" }
            p {
                (functions.changed.len()) " of " (functions.compared)
                " functions of the target changed beyond chance, per request, by the samples of "
                (Foreign(&functions.before)) " and " (Foreign(&functions.after)) "."
            }
            @if !functions.changed.is_empty() {
                div.wide {
                    table {
                        (heads(&FUNCTION_COLUMNS))
                        tbody {
                            @for changed in functions.changed.iter().take(FUNCTIONS_SHOWN) {
                                tr {
                                    th scope="row" { (Foreign(&changed.function)) }
                                    td { (Foreign(&changed.became)) }
                                    td { (show::three(changed.before_us)) }
                                    td { (show::three(changed.after_us)) }
                                    td { (show::ranged(changed.change_us)) }
                                    td { (Foreign(&changed.module)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn runs(comparison: &GroupComparison) -> Markup {
    html! {
        details {
            summary { "Runs" }
            div.wide {
                table {
                    (heads(&["run", "group", "began", "verdict", "left out because"]))
                    tbody {
                        @for group in [&comparison.before, &comparison.after] {
                            @for run in &group.runs {
                                tr {
                                    th scope="row" { (Foreign(&run.run)) }
                                    td { (Foreign(&group.label)) }
                                    td { (Foreign(&run.started)) }
                                    td { (Foreign(&run.validity)) }
                                    td { (Foreign(run.excluded.as_deref().unwrap_or("-"))) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
