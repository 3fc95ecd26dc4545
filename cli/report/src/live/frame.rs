//! A run in progress as the lines of a terminal, the most important first: a low one shows fewer.

use uringbench_core::outcome::Outcome;
use uringbench_core::summary::{Grouped, Percent, Quantile, TimeSummary};
use uringbench_core::time::Nanos;
use uringbench_document::IntervalFigures;

use super::spans::{Spans, narrow};
use super::{LiveSecond, LiveState};
use crate::Colour;
use crate::paint::Ink;
use crate::timeline::bytes;

/// Columns before a course.
const LABEL: usize = 9;
/// Columns after it.
const TAIL: usize = 16;
/// Seconds of a course: a minute, or more where there is room.
const SECONDS_MAX: usize = 180;
/// Rows of the heat map.
const HEAT_ROWS: usize = 8;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const SHADES: [char; 4] = ['░', '▒', '▓', '█'];
const NOTHING: &str = "-";

/// The size of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameSize {
    /// Letters in a line.
    pub columns: u16,
    /// Lines.
    pub rows: u16,
}

/// The lines of a frame: at most `size.rows`, none wider than `size.columns`, the keys last.
pub fn frame(state: &LiveState, is_frozen: bool, size: FrameSize, colour: Colour) -> Vec<String> {
    let (columns, rows) = (usize::from(size.columns), usize::from(size.rows));
    let mut lines = head(state);
    lines.extend(state.kept.iter().map(|line| message(line)));
    lines.push(Spans::default());
    lines.extend(figures(state));
    lines.extend(signs(state));
    let width = columns.saturating_sub(LABEL + TAIL).clamp(1, SECONDS_MAX);
    let skipped = state.seconds.len().saturating_sub(width);
    let shown: Vec<&LiveSecond> = state.seconds.iter().skip(skipped).collect();
    let courses = courses(&shown, width);
    let messages: Vec<_> = state.messages.iter().map(|line| message(line)).collect();
    let room = rows.saturating_sub(lines.len() + 2 + messages.len());
    if room > 1 {
        lines.push(Spans::default());
        lines.extend(courses.into_iter().take(room - 1));
    }
    let room = rows.saturating_sub(lines.len() + 2 + messages.len());
    if room > 3 {
        lines.push(Spans::default());
        lines.extend(heat(&shown, width, (room - 1).min(HEAT_ROWS)));
    }
    lines.extend(messages);
    lines.truncate(rows.saturating_sub(1));
    lines.push(keys(state, is_frozen));
    lines.truncate(rows);
    lines.iter().map(|line| line.painted(columns, colour)).collect()
}

fn head(state: &LiveState) -> Vec<Spans> {
    let run = &state.run;
    let title = Spans::default().inked(Ink::Bold, format!(" uringbench · {}", narrow(&run.title)));
    let load = narrow(&run.load);
    let Some(LiveSecond { figures, .. }) = state.seconds.back() else {
        return vec![title, Spans::default().plain(format!(" connecting · {load}"))];
    };
    let all = run.window.map(|window| (run.warmup + window).as_secs_f64());
    let bar = all.filter(|all| *all > 0.0).map(|all| {
        let full = ((figures.t_s + figures.length_s) / all * 10.0).clamp(0.0, 10.0) as usize;
        format!(" {}{}", "█".repeat(full), "░".repeat(10 - full))
    });
    let (word, bar) = (state.word(), bar.unwrap_or_default());
    let passed = state.passed();
    vec![title, Spans::default().plain(format!(" {word}{bar} {passed} · {load}"))]
}

fn figures(state: &LiveState) -> Vec<Spans> {
    let mut lines = Vec::new();
    if let Some(second) = state.seconds.back() {
        lines.push(now(second));
    }
    let times = TimeSummary::of(&state.times);
    let ended: u64 = state.outcomes.iter().sum();
    if ended > 0 {
        let errors = ended - state.outcomes[Outcome::Ok as usize];
        let share = Percent(errors as f64 / ended as f64);
        let at = |quantile| time(times.at(quantile));
        let all = format!(
            "{} ended  errors {share}  p50 {}  p99 {}  p99.9 {}  max {}",
            Grouped(ended),
            at(Quantile::P50),
            at(Quantile::P99),
            at(Quantile::P999),
            time(times.max),
        );
        lines.push(Spans::label("so far").plain(all));
    }
    if let Some(second) = state.seconds.back() {
        lines.push(cpu(state, second));
    }
    for found in state.objectives() {
        let (ink, sign) = match found.met {
            Some(true) => (Ink::Green, "✓"),
            Some(false) => (Ink::Red, "✗"),
            None => (Ink::Yellow, "?"),
        };
        let line = Spans::label("SLO").inked(ink, format!("{sign} {}", narrow(&found.objective)));
        lines.push(line.plain(format!(": {} so far", found.measured)));
    }
    if ended > 0 {
        lines.push(outcomes(state));
    }
    lines
}

fn now(second: &LiveSecond) -> Spans {
    let LiveSecond { figures, .. } = second;
    let rate = per_second(second.rate(figures.completed));
    let errors = format!("errors {}", Grouped(figures.errors));
    let times = format!(
        "  p50 {:>7}  p99 {:>7}  max {:>7}",
        time(figures.response_p50_ns),
        time(figures.response_p99_ns),
        time(figures.response_max_ns),
    );
    let line = Spans::label("now").inked(Ink::Bold, rate).plain("  ");
    let line = match figures.errors {
        0 => line.plain(errors),
        _ => line.inked(Ink::Red, errors),
    };
    line.plain(times).plain(format!("  in flight {}", Grouped(figures.in_flight)))
}

fn cpu(state: &LiveState, LiveSecond { figures, sample, .. }: &LiveSecond) -> Spans {
    let cpus = |used: Option<f64>, of: f64| match used {
        Some(used) => format!("{used:.2} of {of:.0}"),
        None => NOTHING.to_owned(),
    };
    let client = cpus(sample.client, state.run.cpus as f64);
    let target = match sample.target {
        Some(target) => cpus(Some(target.used), target.allowed),
        None => NOTHING.to_owned(),
    };
    let mut text = format!("client {client}  target {target}");
    if let Some(memory) = sample.target_memory {
        text.push_str(&format!(" with {}", bytes(memory as f64)));
    }
    if let Some(late) = figures.lateness_p99_ns {
        text.push_str(&format!("  lateness p99 {}", Nanos(late)));
    }
    Spans::label("CPU").plain(text)
}

fn outcomes(state: &LiveState) -> Spans {
    let mut line = Spans::label("ended");
    for outcome in Outcome::ALL {
        let count = state.outcomes[outcome as usize];
        let text = format!("{} {}  ", outcome.key(), Grouped(count));
        line = match (outcome, count) {
            (Outcome::Ok, _) => line.plain(text),
            (_, 0) => line,
            _ => line.inked(Ink::Red, text),
        };
    }
    line
}

fn signs(state: &LiveState) -> Vec<Spans> {
    let signs = state.signs().into_iter();
    signs.map(|sign| Spans::label("look").inked(Ink::Yellow, format!("! {sign}"))).collect()
}

fn message(line: &str) -> Spans {
    Spans::default().inked(Ink::Dim, format!(" {}", narrow(line)))
}

fn keys(state: &LiveState, is_frozen: bool) -> Spans {
    let freeze = if is_frozen { "space goes on" } else { "space freezes" };
    let end = if state.is_ending { "q ends it at once" } else { "q ends the run early" };
    let line = Spans::default();
    let line = if is_frozen { line.inked(Ink::Yellow, " FROZEN ") } else { line };
    line.inked(Ink::Dim, format!(" {end} · {freeze} · Ctrl-C as always"))
}

/// A course: its name, its value in a second, and how that is shown.
struct Course {
    name: &'static str,
    of: fn(&LiveSecond) -> Option<f64>,
    show: fn(f64) -> String,
    is_log: bool,
}

const COURSES: [Course; 5] = [
    Course {
        name: "rate",
        of: |second| second.rate(second.figures.completed),
        show: |value| per_second(Some(value)),
        is_log: false,
    },
    Course {
        name: "p99 log",
        of: |second| second.figures.response_p99_ns.map(|nanos| nanos as f64),
        show: |value| Nanos(value as u64).to_string(),
        is_log: true,
    },
    Course {
        name: "errors",
        of: |second| Some(second.figures.errors as f64).filter(|_| has_ended(&second.figures)),
        show: |value| Grouped(value as u64).to_string(),
        is_log: false,
    },
    Course {
        name: "client",
        of: |second| second.sample.client,
        show: |value| format!("{value:.2} CPU"),
        is_log: false,
    },
    Course {
        name: "target",
        of: |second| second.sample.target.map(|target| target.used),
        show: |value| format!("{value:.2} CPU"),
        is_log: false,
    },
];

fn has_ended(figures: &IntervalFigures) -> bool {
    figures.ended().iter().any(|count| *count > 0)
}

/// The courses that have values, with the largest at the right.
fn courses(shown: &[&LiveSecond], width: usize) -> Vec<Spans> {
    let line = |course: &Course| {
        let values: Vec<Option<f64>> = shown.iter().map(|second| (course.of)(second)).collect();
        let most = values.iter().flatten().copied().fold(None, |most: Option<f64>, value| {
            Some(most.map_or(value, |most| most.max(value)))
        })?;
        let bars = bars(&values, most, course.is_log);
        let padded = format!("{}{bars}", " ".repeat(width - shown.len().min(width)));
        let tail = format!("  max {}", (course.show)(most));
        Some(Spans::label(course.name).plain(padded).inked(Ink::Dim, tail))
    };
    COURSES.iter().filter_map(line).collect()
}

/// A bar for each value; nothing is not zero, and neither is drawn as much.
fn bars(values: &[Option<f64>], most: f64, is_log: bool) -> String {
    let least = values.iter().flatten().copied().filter(|value| *value > 0.0);
    let least = least.fold(most, f64::min);
    let steps = (BARS.len() - 1) as f64;
    let bar = |value: &Option<f64>| {
        let Some(value) = *value else { return ' ' };
        let share = match is_log {
            _ if most <= 0.0 || value <= 0.0 => 0.0,
            true if most <= least => 1.0,
            true => (value / least).ln() / (most / least).ln(),
            false => value / most,
        };
        BARS[(share.clamp(0.0, 1.0) * steps).round() as usize]
    };
    values.iter().map(bar).collect()
}

/// How many requests took how long, the slowest at the top; a single one is visible.
fn heat(shown: &[&LiveSecond], width: usize, rows: usize) -> Vec<Spans> {
    let cells = || shown.iter().flat_map(|second| second.cells.keys().copied());
    let (Some(least), Some(most)) = (cells().min(), cells().max()) else { return Vec::new() };
    // Half octaves in a row.
    let joined = (most - least + 1).div_ceil(rows as u32).max(1);
    let used = (most - least) / joined + 1;
    let counts = |second: &LiveSecond, row: u32| -> u64 {
        let from = least + row * joined;
        second.cells.range(from..from + joined).map(|(_, count)| count).sum()
    };
    let largest = shown.iter().flat_map(|second| (0..used).map(|row| counts(second, row))).max();
    let largest = largest.unwrap_or(1);
    let shade = |count: u64| match count {
        0 => ' ',
        _ if largest <= 1 => SHADES[SHADES.len() - 1],
        _ => {
            let share = (count as f64).ln() / (largest as f64).ln();
            SHADES[(share * (SHADES.len() - 1) as f64).round() as usize]
        }
    };
    let line = |row: u32| {
        let drawn: String = shown.iter().map(|second| shade(counts(second, row))).collect();
        let padded = format!("{}{drawn}", " ".repeat(width - shown.len().min(width)));
        let from = (f64::from(least + row * joined) / 2.0).exp2();
        let label = if row + 1 == used { "times" } else { "" };
        let tail = format!("  from {}", Nanos(from.round() as u64));
        Spans::label(label).plain(padded).inked(Ink::Dim, tail)
    };
    (0..used).rev().map(line).collect()
}

pub(super) fn time(nanos: Option<u64>) -> String {
    nanos.map_or_else(|| NOTHING.to_owned(), |nanos| Nanos(nanos).to_string())
}

pub(super) fn per_second(rate: Option<f64>) -> String {
    match rate {
        Some(rate) => format!("{}/s", Grouped(rate.round() as u64)),
        None => NOTHING.to_owned(),
    }
}

pub(super) fn clock(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    let (hours, minutes, seconds) = (whole / 3_600, whole / 60 % 60, whole % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}
