//! Service-level objectives: the terms of `--slo 'p99<20ms,errors<0.1%'`, and whether a run met
//! them.
//!
//! Times are response times, which in a closed loop are service times: the finding then says so.
//! The command line decides what a missed objective means (the exit code).

mod shares;

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::summary::{FlowSummary, Grouped, Percent, Quantile, StepSummary, Summary, TimeSummary};
use crate::time::Nanos;

pub use shares::{ShareObjective, TimeBound};

/// Objectives, at least one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Slo {
    terms: Vec<Term>,
    written: String,
}

/// The result of one objective.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SloFinding {
    /// The objective: `p99 < 20.0 ms`.
    pub text: String,
    /// The measured value: `12.3 ms`.
    pub measured: String,
    /// Whether the objective was met.
    pub met: Met,
}

/// The measured values that objectives are compared with.
#[derive(Clone, Debug)]
pub struct Measured<'a> {
    about: Option<String>,
    /// Whether the times are service times: in a closed loop of requests.
    is_service: bool,
    response: &'a TimeSummary,
    error_share: Option<f64>,
    rate: f64,
}

/// Whether an objective was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// Met.
    Yes,
    /// Missed.
    No,
    /// The run has too few samples to decide.
    Unknown,
}

/// Why an objective cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SloError {
    /// Nothing between two commas, or nothing at all.
    #[error("an objective is empty: write terms such as p99<20ms,errors<0.1%")]
    Empty,
    /// No comparison operator.
    #[error("`{0}` has no comparison: write a term such as p99<20ms, errors<0.1% or rate>9k")]
    NoRelation(String),
    /// An unknown name.
    #[error("`{name}` is not a term of an objective, did you mean `{nearest}`? (valid: {valid})")]
    Unknown {
        /// What was written.
        name: String,
        /// The valid name most similar to it.
        nearest: &'static str,
        /// Every valid name.
        valid: String,
    },
    /// A time or an error share with a lower bound, or a rate with an upper bound.
    #[error("`{term}` has the wrong direction: write {name}{relation}…")]
    WrongSide {
        /// What was written.
        term: String,
        /// Its name.
        name: &'static str,
        /// The operator for this name.
        relation: &'static str,
    },
    /// A bound that is not a number with the right unit.
    #[error("`{bound}` is not a bound for {name}: write {example}")]
    Bound {
        /// What was written.
        bound: String,
        /// The metric to be bounded.
        name: &'static str,
        /// An example of a valid term.
        example: String,
    },
    /// A mean or a rate, where requests must be inside or outside.
    #[error(
        "`{0}` is not about a share of the requests: write quantiles, max or errors, such as \
         p99<20ms,errors<0.1%"
    )]
    NotAShare(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Term {
    metric: Metric,
    /// Whether a value equal to the bound meets the objective.
    inclusive: bool,
    /// Nanoseconds, a share of 0..=1 or requests per second, depending on the metric.
    bound: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Metric {
    Quantile(Quantile),
    Max,
    Mean,
    Errors,
    Rate,
}

/// Every name and its metric; reports use the first name of a metric.
const METRICS: [(&str, Metric); 12] = [
    ("p50", Metric::Quantile(Quantile::P50)),
    ("p90", Metric::Quantile(Quantile::P90)),
    ("p95", Metric::Quantile(Quantile::P95)),
    ("p99", Metric::Quantile(Quantile::P99)),
    ("p99.9", Metric::Quantile(Quantile::P999)),
    ("p999", Metric::Quantile(Quantile::P999)),
    ("p99.99", Metric::Quantile(Quantile::P9999)),
    ("p9999", Metric::Quantile(Quantile::P9999)),
    ("max", Metric::Max),
    ("mean", Metric::Mean),
    ("errors", Metric::Errors),
    ("rate", Metric::Rate),
];

/// Units of time in nanoseconds; a unit that ends with another comes first.
const TIME_UNITS: [(&str, f64); 5] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)];

impl Slo {
    /// Compare every objective with the measured values, in the order they were written.
    pub fn judge(&self, measured: &Measured<'_>) -> Vec<SloFinding> {
        self.terms.iter().map(|term| term.judge(measured)).collect()
    }
}

impl<'a> Measured<'a> {
    /// For a whole run.
    pub const fn of_run(summary: &'a Summary) -> Self {
        Self {
            about: None,
            is_service: summary.is_served_at_once(),
            response: &summary.times.response,
            error_share: summary.error_share,
            rate: summary.rate.completed,
        }
    }

    /// For a run in progress: the response times, the share of errors and the answers per second so
    /// far, and whether the times are service times.
    pub const fn so_far(
        response: &'a TimeSummary,
        error_share: Option<f64>,
        rate: f64,
        is_service: bool,
    ) -> Self {
        Self { about: None, is_service, response, error_share, rate }
    }

    /// For the flows of one name.
    pub fn of_flow(flow: &'a FlowSummary) -> Self {
        Self {
            about: Some(flow.name.clone()),
            is_service: false,
            response: &flow.response,
            error_share: flow.error_share,
            rate: flow.rate,
        }
    }

    /// For the requests of one step.
    pub fn of_step(step: &'a StepSummary) -> Self {
        Self {
            about: Some(format!("{}/{}", step.flow, step.name)),
            is_service: false,
            response: &step.response,
            error_share: step.error_share,
            rate: step.rate,
        }
    }
}

impl TryFrom<String> for Slo {
    type Error = SloError;

    fn try_from(text: String) -> Result<Self, SloError> {
        text.parse()
    }
}

impl From<Slo> for String {
    fn from(slo: Slo) -> Self {
        slo.written
    }
}

impl FromStr for Slo {
    type Err = SloError;

    fn from_str(text: &str) -> Result<Self, SloError> {
        let terms = text.split(',').map(|term| term.trim().parse()).collect::<Result<_, _>>()?;
        Ok(Self { terms, written: text.to_owned() })
    }
}

impl FromStr for Term {
    type Err = SloError;

    fn from_str(text: &str) -> Result<Self, SloError> {
        if text.is_empty() {
            return Err(SloError::Empty);
        }
        let at = text.find(['<', '>']).ok_or_else(|| SloError::NoRelation(text.to_owned()))?;
        let metric = Metric::named(text[..at].trim())?;
        if !text[at..].starts_with(metric.relation()) {
            return Err(SloError::WrongSide {
                term: text.to_owned(),
                name: metric.name(),
                relation: metric.relation(),
            });
        }
        let bound = &text[at + 1..];
        let (inclusive, bound) =
            bound.strip_prefix('=').map_or((false, bound), |bound| (true, bound));
        let bound = metric.parse_bound(bound.trim()).ok_or_else(|| SloError::Bound {
            bound: bound.trim().to_owned(),
            name: metric.name(),
            example: metric.example(),
        })?;
        Ok(Self { metric, inclusive, bound })
    }
}

impl Term {
    fn judge(&self, of: &Measured<'_>) -> SloFinding {
        let measured = self.metric.measured(of);
        let met = match measured {
            None => Met::Unknown,
            Some(measured) if self.holds(measured) => Met::Yes,
            Some(_) => Met::No,
        };
        let is_time = !matches!(self.metric, Metric::Errors | Metric::Rate);
        let of_what = if of.is_service && is_time { " of service time (closed loop)" } else { "" };
        SloFinding {
            text: format!(
                "{}{}",
                of.about.as_ref().map(|about| format!("{about} ")).unwrap_or_default(),
                self.text_of(of_what),
            ),
            measured: measured.map_or_else(
                || "too few samples".to_owned(),
                |measured| self.metric.show(measured),
            ),
            met,
        }
    }

    /// The objective for reports: `p99 < 20.0 ms`.
    fn text(&self) -> String {
        self.text_of("")
    }

    fn text_of(&self, what: &str) -> String {
        let equals = if self.inclusive { "=" } else { "" };
        let (name, relation) = (self.metric.name(), self.metric.relation());
        format!("{name}{what} {relation}{equals} {}", self.metric.show(self.bound))
    }

    fn holds(&self, measured: f64) -> bool {
        let strictly = match self.metric {
            Metric::Rate => measured > self.bound,
            _ => measured < self.bound,
        };
        strictly || (self.inclusive && measured == self.bound)
    }
}

impl Metric {
    fn named(name: &str) -> Result<Self, SloError> {
        if let Some(&(_, metric)) = METRICS.iter().find(|(known, _)| *known == name) {
            return Ok(metric);
        }
        let nearest = METRICS
            .iter()
            .rev()
            .min_by_key(|(known, _)| edit_distance(name, known))
            .expect("there are metrics")
            .0;
        let valid: Vec<_> = METRICS.iter().map(|(known, _)| *known).collect();
        Err(SloError::Unknown { name: name.to_owned(), nearest, valid: valid.join(", ") })
    }

    fn name(self) -> &'static str {
        let named = METRICS.iter().find(|(_, metric)| *metric == self);
        named.expect("every metric has a name").0
    }

    const fn relation(self) -> &'static str {
        match self {
            Self::Rate => ">",
            _ => "<",
        }
    }

    fn example(self) -> String {
        let bound = match self {
            Self::Errors => "0.1%",
            Self::Rate => "9000 or >9k",
            _ => "20ms (units: ns, us, ms, s)",
        };
        format!("{}{}{bound}", self.name(), self.relation())
    }

    fn parse_bound(self, text: &str) -> Option<f64> {
        let scaled = |units: &[(&str, f64)]| {
            units.iter().find_map(|(unit, scale)| {
                text.strip_suffix(unit)?.trim_end().parse::<f64>().ok().map(|n| n * scale)
            })
        };
        let bound = match self {
            Self::Errors => scaled(&[("%", 0.01), ("", 1.0)]).filter(|share| *share <= 1.0),
            Self::Rate => scaled(&[("k", 1e3), ("M", 1e6), ("", 1.0)]),
            _ => scaled(&TIME_UNITS).map(f64::round),
        }?;
        (bound.is_finite() && bound >= 0.0).then_some(bound)
    }

    /// `None` if the run has too few samples.
    fn measured(self, of: &Measured<'_>) -> Option<f64> {
        let response = of.response;
        match self {
            Self::Quantile(quantile) => response.at(quantile).map(|nanos| nanos as f64),
            Self::Max => response.max.map(|nanos| nanos as f64),
            Self::Mean => response.mean.map(|nanos| nanos as f64),
            Self::Errors => of.error_share,
            Self::Rate => Some(of.rate),
        }
    }

    fn show(self, value: f64) -> String {
        match self {
            Self::Errors => Percent(value).to_string(),
            // Rounded down: 8,999.6/s misses 9,000/s and must not look equal to it.
            Self::Rate => format!("{}/s", Grouped(value as u64)),
            _ => Nanos(value as u64).to_string(),
        }
    }
}

/// Levenshtein's distance, over one row.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (line, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, y) in b.chars().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[column + 1];
            row[column + 1] = substituted.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests;
