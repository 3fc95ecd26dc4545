//! The page of a capacity search: the interval in a sentence, the curve of its trials, and the
//! trials as a table.

use maud::{Markup, html};
use uringbench_core::http::secrets::without_secrets;
use uringbench_core::summary::Percent;
use uringbench_document::capacity::{CapacityDocument, TrialFigures};
use uringbench_document::timeline::Unit;
use uringbench_report::capacity::{headline, law, load, remarks, search};

use crate::foreign::Foreign;
use crate::panel::Scale;
use crate::plot::{Plot, Span};
use crate::run::Tone;
use crate::shell;
use crate::show;
use crate::svg::percent;
use crate::table::heads;

/// Pixels of the curves.
const TIMES: f64 = 240.0;
const RATES: f64 = 160.0;

/// The columns of the trials.
const TRIAL_COLUMNS: [&str; 10] = [
    "trial",
    "load",
    "for",
    "result",
    "outside",
    "p50",
    "p99",
    "passed/s",
    "target CPUs",
    "verdict",
];

/// The page as one HTML file.
pub fn capacity(document: &CapacityDocument) -> String {
    let answer = &document.answer;
    let tone = match (answer.settled, answer.lower) {
        (true, Some(_)) => Tone::Good,
        (false, Some(_)) => Tone::Doubtful,
        (_, None) => Tone::Bad,
    };
    let body = html! {
        main {
            header class=(format!("verdict {}", tone.class())) {
                h1 { span.word { (tone.sign()) " " (Foreign(&headline(document))) } }
                @for remark in remarks(document) { p.because { (Foreign(&remark)) } }
                p.what {
                    (Foreign(&document.method)) " " (Foreign(&without_secrets(&document.url))) " · "
                    (Foreign(&search(document))) " · began " (Foreign(&document.started))
                }
            }
            (times(document))
            (rates(document))
            (goals(document))
            (trials(document))
            section aria-label="Scalability" {
                h2 { "How it scales" }
                @for line in law(document) { p { (Foreign(&line)) } }
            }
            (shell::made())
        }
    };
    shell::page(&headline(document), &body, &[])
}

/// The class of a trial's dot: it says whether the trial counts and whether it met the objectives.
fn class(trial: &TrialFigures) -> &'static str {
    match (&trial.limit, trial.good) {
        (Some(_), _) => "dot limited",
        (None, true) => "dot met",
        (None, false) => "dot missed",
    }
}

fn times(document: &CapacityDocument) -> Markup {
    let trials = &document.trials;
    let bounds = document.goals.iter().filter_map(|goal| goal.time_ns).map(|nanos| nanos as f64);
    let all = trials.iter().flat_map(|it| [it.response_p50_ns, it.response_p99_ns]).flatten();
    let loads = trials.iter().map(|trial| trial.load);
    let (Some(x), Some(y)) = (
        Span::of(loads, Scale::Log),
        Span::of(all.map(|nanos| nanos as f64).chain(bounds.clone()), Scale::Log),
    ) else {
        return html! { p.nothing { "No trial has response times." } };
    };
    let plot = Plot { x, y, height: TIMES };
    let inside = html! {
        (interval(document, &plot))
        @for bound in bounds {
            line.bound x1="0" x2="100%" y1=(plot.down(bound)) y2=(plot.down(bound)) {}
        }
        @for trial in trials {
            @if let Some(p50) = trial.response_p50_ns {
                (plot.dot(class(trial), (trial.load, p50 as f64), 3.0))
            }
            @if let Some(p99) = trial.response_p99_ns {
                (plot.dot(class(trial), (trial.load, p99 as f64), 5.0))
            }
        }
    };
    html! {
        figure role="figure" aria-labelledby="times-title" aria-describedby="times-about" {
            figcaption {
                h3 id="times-title" { "Response times over the load" }
                p id="times-about" {
                    "Each trial has a small dot, p50, and a large one, p99. Filled: it met all "
                    "objectives; hollow: it missed one; grey: the load generator or other programs "
                    "limited it. Dotted line: the objective; shaded: the interval of the capacity."
                }
            }
            (plot.picture(
                |value| load(document, value),
                |value| show::value(Unit::Ns, value),
                &inside,
            ))
        }
    }
}

/// The interval of the answer, shaded.
fn interval(document: &CapacityDocument, plot: &Plot) -> Markup {
    let answer = &document.answer;
    let Some(low) = answer.lower else { return html! {} };
    // Without an upper end it may be anything beyond.
    let share = |load: f64| 1.0 + plot.x.share(load) * 98.0;
    let width = (answer.upper.map_or(99.0, share) - share(low)).max(0.2);
    html! {
        rect.answer x=(plot.at(low)) width=(percent(width)) y="0" height=(plot.height) {}
    }
}

fn rates(document: &CapacityDocument) -> Markup {
    let trials = &document.trials;
    let (Some(x), Some(y)) = (
        Span::of(trials.iter().map(|trial| trial.load), Scale::Log),
        Span::of(trials.iter().map(|trial| trial.completed), Scale::Linear),
    ) else {
        return html! {};
    };
    let plot = Plot { x, y, height: RATES };
    let inside = html! {
        (interval(document, &plot))
        @for trial in trials {
            (plot.dot(class(trial), (trial.load, trial.completed), 4.0))
        }
    };
    html! {
        figure role="figure" aria-labelledby="rates-title" aria-describedby="rates-about" {
            figcaption {
                h3 id="rates-title" { "Passed requests over the load" }
                p id="rates-about" { "What the target completed of the load that was offered." }
            }
            (plot.picture(|value| load(document, value), show::per_second, &inside))
        }
    }
}

fn goals(document: &CapacityDocument) -> Markup {
    let end =
        |end: Option<f64>| end.map_or_else(|| show::NOTHING.to_owned(), |it| load(document, it));
    html! {
        section aria-label="Objectives" {
            h2 { "Objectives" }
            div.wide {
                table {
                    (heads(&["objective", "met up to", "missed from", "just met at, 99 %"]))
                    tbody {
                        @for goal in &document.goals {
                            tr {
                                th scope="row" { (Foreign(&goal.objective)) }
                                td { (end(goal.lower)) }
                                td { (end(goal.upper)) }
                                td {
                                    @match goal.crossing {
                                        Some(it) => {
                                            (load(document, it.load)) " [" (load(document, it.low))
                                            " … " (load(document, it.high)) "]"
                                        },
                                        None => (show::NOTHING),
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn trials(document: &CapacityDocument) -> Markup {
    html! {
        section aria-label="Trials" {
            h2 { "Trials, in the order they were run" }
            div.wide {
                table {
                    (heads(&TRIAL_COLUMNS))
                    tbody {
                        @for (at, trial) in document.trials.iter().enumerate() {
                            (trial_row(document, at + 1, trial))
                        }
                    }
                }
            }
        }
    }
}

fn trial_row(document: &CapacityDocument, number: usize, trial: &TrialFigures) -> Markup {
    let (class, word) = match (&trial.limit, trial.good) {
        (Some(limit), _) => ("doubtful", format!("? {limit}")),
        (None, true) => ("good", "✓ met".to_owned()),
        (None, false) => ("bad", "✗ missed".to_owned()),
    };
    let worst = trial.bad.iter().max().copied().unwrap_or_default();
    let outside = match trial.requests {
        0 => show::NOTHING.to_owned(),
        requests => Percent(worst as f64 / requests as f64).to_string(),
    };
    let cpus = trial.target_cpus.map(|cpus| show::value(Unit::Cpus, cpus));
    html! {
        tr {
            th scope="row" { (number) " " (Foreign(&trial.purpose)) }
            td { (load(document, trial.load)) }
            td { (show::three(trial.duration_s)) " s" }
            td class=(class) { (Foreign(&word)) }
            td { (outside) }
            td { (show::nanos(trial.response_p50_ns)) }
            td { (show::nanos(trial.response_p99_ns)) }
            td { (show::per_second(trial.completed)) }
            td { (cpus.as_deref().unwrap_or(show::NOTHING)) }
            td { (Foreign(&trial.validity)) }
        }
    }
}
