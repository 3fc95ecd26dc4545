//! Objectives for a fault: `recover<2s,fail_fast<1s,lost<1000,bad<5%,p99<500ms`, and whether its
//! injections met them.

use std::str::FromStr;

use super::figures::InjectionFigures;
use crate::slo::{Met, SloFinding};
use crate::summary::{Grouped, Percent};
use crate::time::Nanos;
use crate::units;

/// An objective for every injection of a fault, or of all.
#[derive(Clone, Debug, PartialEq)]
pub struct ChaosObjective {
    /// The fault's name; `None` for all.
    pub fault: Option<String>,
    /// Its terms, at least one.
    terms: Vec<Term>,
}

/// Why an objective cannot be read, and the fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an objective for a fault: write recover<2s, fail_fast<1s, lost<1000, \
     bad<5% or p99<500ms, several with commas"
)]
pub struct ChaosObjectiveError(String);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Term {
    figure: Figure,
    /// Nanoseconds, requests or a share.
    bound: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    Recover,
    FailFast,
    Lost,
    Bad,
    P99,
}

const FIGURES: [(&str, Figure); 5] = [
    ("recover", Figure::Recover),
    ("fail_fast", Figure::FailFast),
    ("lost", Figure::Lost),
    ("bad", Figure::Bad),
    ("p99", Figure::P99),
];

/// What one injection measured.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Value {
    Known(f64),
    /// At least this much.
    AtLeast(f64),
    Unknown,
}

impl FromStr for ChaosObjective {
    type Err = ChaosObjectiveError;

    /// Terms for all faults.
    fn from_str(text: &str) -> Result<Self, ChaosObjectiveError> {
        let terms: Result<Vec<_>, _> = text.split(',').map(term).collect();
        Ok(Self { fault: None, terms: terms? })
    }
}

fn term(text: &str) -> Result<Term, ChaosObjectiveError> {
    let wrong = || ChaosObjectiveError(text.trim().to_owned());
    let (name, bound) = text.split_once('<').ok_or_else(wrong)?;
    let (name, bound) = (name.trim(), bound.trim());
    let (_, figure) = FIGURES.iter().find(|(known, _)| *known == name).ok_or_else(wrong)?;
    let bound = match figure {
        Figure::Lost => units::count(bound).map_err(|_| wrong())? as f64,
        Figure::Bad => {
            let percent: f64 = bound
                .strip_suffix('%')
                .and_then(|number| number.trim().parse().ok())
                .filter(|percent| (0.0..=100.0).contains(percent))
                .ok_or_else(wrong)?;
            percent / 100.0
        }
        Figure::Recover | Figure::FailFast | Figure::P99 => {
            units::span(bound).map_err(|_| wrong())?.0 as f64
        }
    };
    Ok(Term { figure: *figure, bound })
}

impl ChaosObjective {
    /// The same for the fault of this name alone.
    #[must_use]
    pub fn of(self, fault: Option<String>) -> Self {
        Self { fault, ..self }
    }

    /// Compare every term with the worst of the injections of its fault; `name_of` gives the name
    /// of the fault with a number.
    pub fn compare<'a>(
        &self,
        injections: &[InjectionFigures],
        name_of: impl Fn(usize) -> &'a str,
    ) -> Vec<SloFinding> {
        let ours: Vec<_> = injections
            .iter()
            .filter(|it| self.fault.as_deref().is_none_or(|name| name == name_of(it.fault)))
            .collect();
        let about = self.fault.as_deref().map_or_else(String::new, |name| format!("{name}: "));
        self.terms.iter().map(|term| term.compare(&about, &ours)).collect()
    }
}

impl Term {
    fn compare(self, about: &str, injections: &[&InjectionFigures]) -> SloFinding {
        let values: Vec<_> = injections.iter().map(|it| self.value(it)).collect();
        let met = values.iter().map(|value| self.is_met(*value));
        let met = if values.is_empty() || met.clone().any(|met| met == Met::Unknown) {
            if met.clone().any(|met| met == Met::No) { Met::No } else { Met::Unknown }
        } else if met.clone().any(|met| met == Met::No) {
            Met::No
        } else {
            Met::Yes
        };
        let rank = |value: &Value| match value {
            Value::AtLeast(least) => (2, *least),
            Value::Known(known) => (1, *known),
            Value::Unknown => (0, 0.0),
        };
        let worst = values
            .iter()
            .max_by(|a, b| rank(a).partial_cmp(&rank(b)).unwrap_or(std::cmp::Ordering::Equal));
        let measured = match worst {
            Some(Value::Known(value)) => self.shown(*value),
            Some(Value::AtLeast(value)) => format!("more than {}", self.shown(*value)),
            Some(Value::Unknown) | None => "not measured".to_owned(),
        };
        let text = format!("{about}{} < {}", self.name(), self.shown(self.bound));
        SloFinding { text, measured, met }
    }

    fn name(self) -> &'static str {
        FIGURES.iter().find(|(_, figure)| *figure == self.figure).map_or("", |(name, _)| name)
    }

    fn value(self, of: &InjectionFigures) -> Value {
        let known =
            |value: Option<u64>| value.map_or(Value::Unknown, |value| Value::Known(value as f64));
        match self.figure {
            Figure::Recover => match of.recover {
                Some(recover) => Value::Known(recover.0 as f64),
                None => Value::AtLeast(of.censored_at.unwrap_or_default().0 as f64),
            },
            // Requests that never fail are not slow to fail.
            Figure::FailFast if of.failures == 0 => Value::Known(0.0),
            Figure::FailFast => match of.fail_fast {
                Some(time) => Value::Known(time.0 as f64),
                None => Value::AtLeast(of.length.0 as f64),
            },
            Figure::Lost => Value::Known(of.lost),
            Figure::Bad => of.bad_share().map_or(Value::Unknown, Value::Known),
            Figure::P99 => known(of.degraded_p99),
        }
    }

    fn is_met(self, value: Value) -> Met {
        match value {
            Value::Known(value) if value < self.bound => Met::Yes,
            Value::Known(_) => Met::No,
            Value::AtLeast(least) if least >= self.bound => Met::No,
            // A fault that ended before the bound, while requests still waited, says nothing.
            Value::AtLeast(_) | Value::Unknown => Met::Unknown,
        }
    }

    fn shown(self, value: f64) -> String {
        match self.figure {
            Figure::Lost => Grouped(value.max(0.0) as u64).to_string(),
            Figure::Bad => Percent(value).to_string(),
            Figure::Recover | Figure::FailFast | Figure::P99 => Nanos(value as u64).to_string(),
        }
    }
}
