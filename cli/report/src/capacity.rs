//! The answer of a capacity search as text and as Markdown: the interval first, then the curve.
//!
//! One row for each load that was tried, in the order of the loads. The picture of the curve is
//! made in `svg`.

mod rows;
mod svg;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::path::Path;

use uringbench_core::summary::{Percent, plural};
use uringbench_core::time::Nanos;
use uringbench_document::capacity::{CapacityDocument, CapacityFound, FittedFigure, TrialFigures};

use crate::paint::{Colour, Ink};
pub use rows::load;
use rows::{Row, rows};
pub use svg::curve;

/// More than one disturbed trial in so many is reported.
const DISTURBED_OF: usize = 5;
/// Columns of the names on the left.
const NAMES: usize = 10;

/// The whole text, final line end included; `stored` is the folder of the results.
pub fn text(document: &CapacityDocument, stored: Option<&Path>, colour: Colour) -> String {
    let answer = &document.answer;
    let ink = match (answer.settled, answer.lower) {
        _ if collapsed(answer) => Ink::Red,
        (true, Some(_)) => Ink::Green,
        (_, None) => Ink::Red,
        (false, Some(_)) => Ink::Yellow,
    };
    let mut lines = vec![colour.paint(ink, headline(document))];
    lines.extend(remarks(document).into_iter().map(|remark| format!("  - {remark}")));
    lines.push(String::new());
    lines.push(named("target", &format!("{} {}", document.method, document.url)));
    lines.push(named("search", &search(document)));
    lines.push(String::new());
    let rows = rows(document);
    lines.push(colour.paint(Ink::Dim, Row::heads(document)));
    lines.extend(rows.iter().map(|row| row.line(document, &rows)));
    lines.push(String::new());
    let names = ["law", ""];
    lines.extend(names.iter().zip(law(document)).map(|(name, line)| named(name, &line)));
    if let Some(stored) = stored {
        lines.push(named("stored", &stored.display().to_string()));
    }
    let mut text = lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n");
    text.push('\n');
    text
}

/// The same as Markdown, for a pull request or a page.
pub fn markdown(document: &CapacityDocument) -> String {
    let mut text = format!("**{}**\n\n", headline(document));
    for remark in remarks(document) {
        let _ = writeln!(text, "- {remark}");
    }
    let _ = writeln!(text, "\n`{} {}`, {}\n", document.method, document.url, search(document));
    text.push_str(&Row::markdown_heads(document));
    for row in &rows(document) {
        text.push_str(&row.markdown(document));
    }
    for line in law(document) {
        let _ = write!(text, "\n{line}\n");
    }
    text
}

/// A line about a trial that has ended.
pub fn trial_line(number: usize, trial: &TrialFigures) -> String {
    let time = trial.response_p99_ns.map(|nanos| format!("p99 {}", Nanos(nanos)));
    let result = match (&trial.limit, trial.good) {
        (Some(limit), _) => limit,
        (None, true) => "good",
        (None, false) => "bad",
    };
    format!(
        "{number:>3}  {:>10} for {:>5.1} s   {result:<9}   {}",
        rows::per_second(trial.load).trim_end_matches("/s"),
        trial.duration_s,
        time.unwrap_or_default(),
    )
}

/// The answer in a line.
pub fn headline(document: &CapacityDocument) -> String {
    let CapacityFound { lower, upper, ceiling, limiting, .. } = &document.answer;
    let load = |load: f64| rows::load(document, load);
    let goal = limiting.as_ref().map(|goal| format!(" ({goal} is missed above)"));
    let goal = goal.unwrap_or_default();
    match (lower, upper, ceiling.as_deref()) {
        (Some(lower), Some(upper), _) => {
            format!("CAPACITY {} to {}{goal}", load(*lower), load(*upper))
        }
        (Some(lower), None, Some("generator")) => {
            format!("CAPACITY >= {}, generator-limited", load(*lower))
        }
        (Some(lower), None, _) => format!("CAPACITY >= {}", load(*lower)),
        (None, Some(upper), _) => {
            format!("CAPACITY < {}: no load met the objectives", load(*upper))
        }
        (None, None, _) => "CAPACITY unknown: no trial counts".to_owned(),
    }
}

/// What qualifies the answer, a sentence each.
pub fn remarks(document: &CapacityDocument) -> Vec<String> {
    let answer = &document.answer;
    let mut remarks = Vec::new();
    if let (Some(lower), Some(upper)) = (answer.lower, answer.upper) {
        let width = Percent(upper / lower - 1.0);
        let asked = Percent(document.settings.width);
        remarks.push(if answer.settled {
            format!("{width} wide ({asked} asked for)")
        } else {
            format!("{width} wide, more than the {asked} asked for: give more time with --budget")
        });
    }
    remarks.extend(ceiling(document));
    let lower = answer.lower.map(|lower| rows::load(document, lower)).unwrap_or_default();
    match answer.confirmed {
        Some(true) => remarks.push(format!("a long trial at {lower} confirmed it")),
        Some(false) => remarks.push(format!(
            "the long trial at {lower} missed an objective: the target varies; repeat the search, \
             or plan with less"
        )),
        None => {}
    }
    remarks.extend(recovery(document));
    remarks.extend(answer.ended.clone());
    if answer.interrupted {
        remarks.push("interrupted: this is the answer of the trials so far".to_owned());
    }
    remarks.extend(disturbed(document));
    let outliers: usize = document
        .goals
        .iter()
        .filter_map(|goal| goal.crossing)
        .map(|it| it.outliers)
        .max()
        .unwrap_or(0);
    if outliers > 0 {
        let count = plural(outliers as u64, "trial");
        remarks.push(format!("{count} far off the others left out of the estimate"));
    }
    remarks
}

fn ceiling(document: &CapacityDocument) -> Option<String> {
    let answer = &document.answer;
    match answer.ceiling.as_deref()? {
        "generator" => Some(
            "higher loads could not be offered: use more --cores, or load from another machine"
                .to_owned(),
        ),
        _ => {
            let to = rows::load(document, document.settings.to);
            Some(format!("every load up to {to} met the objectives: raise --to"))
        }
    }
}

/// Trials that other programs disturbed, if they are many.
fn disturbed(document: &CapacityDocument) -> Option<String> {
    let is_disturbed = |trial: &&TrialFigures| trial.limit.as_deref() == Some("disturbed");
    let count = document.trials.iter().filter(is_disturbed).count();
    (count * DISTURBED_OF > document.trials.len()).then(|| {
        format!(
            "{count} of {} were disturbed, since other programs took the generator's CPUs or it \
             sent late: stop them, or choose other CPUs with --cores",
            plural(document.trials.len() as u64, "trial"),
        )
    })
}

/// What an overload left behind.
fn recovery(document: &CapacityDocument) -> Option<String> {
    let answer = &document.answer;
    let load = |load: f64| rows::load(document, load);
    match answer.hysteresis {
        Some(found) if found.recovered => Some(format!(
            "hysteresis: after an overload of {} it missed its objectives at {}, and recovered \
             later",
            load(found.overload),
            load(found.load),
        )),
        Some(found) => Some(format!(
            "hysteresis: after an overload of {} it does not recover, not even at {}; restart the \
             target, and search below with --to",
            load(found.overload),
            load(found.load),
        )),
        None if answer.recovery_checked => Some("it recovered from overload at once".to_owned()),
        None => None,
    }
}

fn collapsed(answer: &CapacityFound) -> bool {
    answer.hysteresis.is_some_and(|found| !found.recovered)
}

/// How it was searched, in a line.
pub fn search(document: &CapacityDocument) -> String {
    let settings = &document.settings;
    let arrivals = settings.arrivals.as_ref().map(|arrivals| format!(", {arrivals} arrivals"));
    let slo = if settings.slo.is_empty() { "no objective" } else { &settings.slo };
    format!(
        "{} in {}, {slo}{}",
        plural(document.trials.len() as u64, "trial"),
        Nanos((document.answer.duration_s * 1e9) as u64),
        arrivals.unwrap_or_default(),
    )
}

/// The scalability law in at most two lines.
pub fn law(document: &CapacityDocument) -> Vec<String> {
    let usl = &document.usl;
    let (Some(sigma), Some(kappa)) = (usl.sigma, usl.kappa) else {
        return usl.reason.iter().map(|why| format!("not fitted: {why}")).collect();
    };
    let ranged = |figure: FittedFigure| {
        let FittedFigure { value, low, high } = figure;
        format!("{} [{}..{}]", rows::short(value), rows::short(low), rows::short(high))
    };
    let mut lines = vec![format!(
        "USL over {}: serial share σ = {}, agreement κ = {}",
        plural(usl.points as u64, "trial"),
        ranged(sigma),
        ranged(kappa),
    )];
    lines.push(match (usl.peak_load, usl.peak_rate, usl.load_max) {
        (Some(load), Some(rate), _) => {
            format!("highest rate {} with {load:.1} in service", rows::per_second(rate))
        }
        (.., most) => {
            let most = most.unwrap_or_default();
            format!("no highest rate up to {most:.1} in service, where the curve ends")
        }
    });
    lines
}

fn named(name: &str, text: &str) -> String {
    format!("{name:<NAMES$}{text}")
}
