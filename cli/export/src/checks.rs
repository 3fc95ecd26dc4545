//! The checks of a result: its verdict, its objectives, its gates, each with a state.
//!
//! CI systems count checks; `junit` writes them as test cases, `github` as annotations.

use uringbench_document::comparison::{
    ComparisonDocument, Decision, FigureChange, GroupComparison,
};
use uringbench_document::soak::SoakFigures;
use uringbench_document::{Document, SloHeld, VerdictGiven};
use uringbench_report::comparison::value;

use crate::benchmark::name_of;

/// How a check ended, the most serious last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckState {
    /// It passed.
    Passed,
    /// It passed with a doubt.
    Warned,
    /// The data does not decide it.
    Undecided,
    /// The measurement cannot be trusted.
    Invalid,
    /// It failed.
    Failed,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultCheck {
    /// Its name: `valid measurement`, an objective, a figure.
    pub name: String,
    /// How it ended.
    pub state: CheckState,
    /// What was seen, in one line; empty if there is nothing to say.
    pub message: String,
    /// More lines on it.
    pub details: Vec<String>,
}

/// The checks of a run or of a comparison, with the name under which they stand.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckGroup {
    /// The name of the benchmark, or the two groups that were compared.
    pub name: String,
    /// When the first run began, RFC 3339, UTC; empty if unknown.
    pub started: String,
    /// The machine; empty if unknown.
    pub hostname: String,
    /// Length of the measured window.
    pub seconds: f64,
    /// Facts by name.
    pub properties: Vec<(String, String)>,
    /// The checks.
    pub checks: Vec<ResultCheck>,
}

impl CheckGroup {
    /// The checks of a run.
    pub fn of_run(document: &Document) -> Self {
        let is_invalid = document.verdict.validity == "invalid";
        let mut checks = vec![verdict(&document.verdict)];
        checks.extend(document.slo.iter().map(|held| objective(held, is_invalid)));
        checks.extend(document.soak.as_ref().map(leak));
        let host = &document.host;
        Self {
            name: name_of(document),
            started: document.started.clone(),
            hostname: host.hostname.clone().unwrap_or_default(),
            seconds: document.measured().as_secs_f64(),
            properties: properties(document),
            checks,
        }
    }

    /// The checks of each comparison.
    pub fn of_comparison(document: &ComparisonDocument) -> Vec<Self> {
        let first = |comparison: &GroupComparison| {
            let runs = comparison.before.runs.iter().chain(&comparison.after.runs);
            runs.map(|run| run.started.clone()).min().unwrap_or_default()
        };
        let groups = document.comparisons.iter().map(|comparison| Self {
            name: format!("{} and {}", comparison.before.label, comparison.after.label),
            started: first(comparison),
            hostname: String::new(),
            seconds: 0.0,
            properties: [("before", &comparison.before), ("after", &comparison.after)]
                .map(|(name, group)| (name.to_owned(), group.label.clone()))
                .into(),
            checks: gates(comparison),
        });
        groups.collect()
    }
}

fn properties(document: &Document) -> Vec<(String, String)> {
    let plan = &document.plan;
    let git = document.git.as_ref();
    let facts = [
        ("url", Some(plan.url.clone())),
        ("load", Some(plan.load.clone())),
        ("connections", Some(plan.connections.to_string())),
        ("rate", plan.rate.map(|rate| rate.to_string())),
        ("seed", Some(plan.seed.to_string())),
        ("commit", git.map(|git| git.commit.clone())),
        ("branch", git.and_then(|git| git.branch.clone())),
        ("uringbench", document.host.uringbench.clone()),
    ];
    facts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn verdict(given: &VerdictGiven) -> ResultCheck {
    let state = match given.validity.as_str() {
        "valid" => CheckState::Passed,
        "suspect" => CheckState::Warned,
        _ => CheckState::Invalid,
    };
    let mut lines = given.reasons.iter().map(|it| format!("{}: {}", it.code, it.message));
    ResultCheck {
        name: "valid measurement".to_owned(),
        state,
        message: lines.next().unwrap_or_default(),
        details: lines.chain(given.notes.iter().cloned()).collect(),
    }
}

fn objective(held: &SloHeld, is_invalid: bool) -> ResultCheck {
    let SloHeld { objective, measured, met } = held;
    let (state, message) = match met {
        // An invalid measurement says nothing about the target.
        _ if is_invalid => {
            (CheckState::Undecided, format!("not decided: the measurement is invalid ({measured})"))
        }
        Some(true) => (CheckState::Passed, measured.clone()),
        Some(false) => {
            (CheckState::Failed, format!("objective {objective} missed: measured {measured}"))
        }
        None => (
            CheckState::Undecided,
            format!("objective {objective} not decided: {measured}, run longer"),
        ),
    };
    ResultCheck { name: objective.clone(), state, message, details: Vec::new() }
}

fn leak(soak: &SoakFigures) -> ResultCheck {
    let state = match soak.verdict.as_str() {
        "leak" => CheckState::Failed,
        "no_leak" => CheckState::Passed,
        _ => CheckState::Undecided,
    };
    let functions = soak.leak_functions.iter();
    let functions = functions.map(|it| format!("{}: {:.1} %", it.function, it.share * 100.0));
    ResultCheck {
        name: "no leak".to_owned(),
        state,
        message: soak.reason.clone(),
        details: functions.collect(),
    }
}

fn gates(comparison: &GroupComparison) -> Vec<ResultCheck> {
    let gated = comparison.figures.iter().filter(|figure| figure.gated);
    let mut checks: Vec<_> = gated.map(gate).collect();
    let state = CheckState::from(comparison.verdict);
    if checks.iter().all(|check| check.state != state) {
        let differences = comparison.differences.iter();
        let differences =
            differences.map(|it| format!("{} differs: {} and {}", it.key, it.before, it.after));
        let check = ResultCheck {
            name: "comparison".to_owned(),
            state,
            message: comparison.sentence.clone(),
            details: comparison.notes.iter().cloned().chain(differences).collect(),
        };
        checks.insert(0, check);
    }
    checks
}

fn gate(figure: &FigureChange) -> ResultCheck {
    let share = |share: f64| format!("{:+.1} %", share * 100.0);
    let interval = match (figure.change.ci_low, figure.change.ci_high) {
        (Some(low), Some(high)) => format!(" (95 %: {} to {})", share(low), share(high)),
        _ => String::new(),
    };
    let limit = match figure.state {
        Decision::Fail => format!(", fails at {}", share(figure.limits.fail)),
        _ => format!(", warns at {}", share(figure.limits.warn)),
    };
    ResultCheck {
        name: figure.title.clone(),
        state: figure.state.into(),
        message: format!(
            "{}: {} to {}, {}{interval}{limit}",
            figure.title,
            value(&figure.unit, figure.before),
            value(&figure.unit, figure.after),
            share(figure.change.value),
        ),
        details: Vec::new(),
    }
}

impl From<Decision> for CheckState {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Pass => Self::Passed,
            Decision::Warn => Self::Warned,
            Decision::Inconclusive => Self::Undecided,
            Decision::Invalid => Self::Invalid,
            Decision::Fail => Self::Failed,
        }
    }
}
