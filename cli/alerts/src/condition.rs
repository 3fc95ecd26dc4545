//! A condition: `response_time_p95 > 500ms for 5m`.

use std::fmt;
use std::str::FromStr;

use uringbench_core::summary::Percent;
use uringbench_core::time::Nanos;
use uringbench_core::units;

/// A figure of a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertMetric {
    /// A quantile of the response time, in thousandths.
    ResponseQuantile(u16),
    /// The mean response time.
    ResponseMean,
    /// Requests that passed, per second.
    RequestsPerSecond,
    /// Share of the requests that did not.
    ErrorRate,
}

impl AlertMetric {
    /// All of them, with the names that rules use.
    pub const ALL: [(&'static str, Self); 8] = [
        ("response_time_p50", Self::ResponseQuantile(500)),
        ("response_time_p90", Self::ResponseQuantile(900)),
        ("response_time_p95", Self::ResponseQuantile(950)),
        ("response_time_p99", Self::ResponseQuantile(990)),
        ("response_time_p999", Self::ResponseQuantile(999)),
        ("response_time_mean", Self::ResponseMean),
        ("requests_per_second", Self::RequestsPerSecond),
        ("error_rate", Self::ErrorRate),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        let named = Self::ALL.into_iter().find(|(_, metric)| *metric == self);
        named.map_or("response_time", |(name, _)| name)
    }

    /// A value with its unit: seconds, per second or a share.
    pub fn shown(self, value: f64) -> String {
        match self {
            Self::ResponseQuantile(_) | Self::ResponseMean => {
                Nanos((value * 1e9).round() as u64).to_string()
            }
            Self::RequestsPerSecond => format!("{value:.1}/s"),
            Self::ErrorRate => Percent(value).to_string(),
        }
    }

    fn value(self, text: &str) -> Result<f64, ConditionError> {
        let wrong = |unit| ConditionError::Value { value: text.to_owned(), unit };
        match self {
            Self::ResponseQuantile(_) | Self::ResponseMean => {
                // A plain number would be taken for seconds, and meant as milliseconds.
                let has_unit = text.ends_with(|letter: char| letter.is_alphabetic());
                let span = units::span(text).ok().filter(|_| has_unit);
                span.map(Nanos::as_secs_f64).ok_or_else(|| wrong("a time such as 500ms"))
            }
            Self::RequestsPerSecond => {
                let (number, factor) = match text.strip_suffix(['k', 'M']) {
                    Some(number) if text.ends_with('k') => (number, 1e3),
                    Some(number) => (number, 1e6),
                    None => (text, 1.0),
                };
                let number = number.parse().ok().filter(|it: &f64| it.is_finite() && *it >= 0.0);
                number.map(|it| it * factor).ok_or_else(|| wrong("a rate such as 100 or 2k"))
            }
            Self::ErrorRate => {
                let percent = text.strip_suffix('%').and_then(|text| text.trim().parse().ok());
                let percent = percent.filter(|it| (0.0..=100.0).contains(it));
                percent.map(|it: f64| it / 100.0).ok_or_else(|| wrong("a percentage such as 1%"))
            }
        }
    }
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparator {
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
}

impl Comparator {
    /// The longer ones first, since they begin with the others.
    const ALL: [Self; 4] = [Self::AtLeast, Self::AtMost, Self::Above, Self::Below];

    /// Its sign.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::Below => "<",
            Self::AtMost => "<=",
        }
    }

    fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Above => value > bound,
            Self::AtLeast => value >= bound,
            Self::Below => value < bound,
            Self::AtMost => value <= bound,
        }
    }
}

/// What must hold, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlertCondition {
    /// The figure.
    pub metric: AlertMetric,
    /// The comparison.
    pub comparator: Comparator,
    /// The bound, in seconds, per second or as a share.
    pub bound: f64,
    /// How long it must hold before the alert fires.
    pub hold: Nanos,
}

impl AlertCondition {
    /// Whether it holds for a value.
    pub fn holds(&self, value: f64) -> bool {
        self.comparator.holds(value, self.bound)
    }
}

/// Why a condition cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// No comparison.
    #[error("`{0}` has no comparison: write one such as `response_time_p95 > 500ms for 5m`")]
    NoComparison(String),
    /// An unknown figure.
    #[error("there is no metric `{name}`: use {}", names())]
    Metric {
        /// The name that was written.
        name: String,
    },
    /// A bound without the unit of its figure.
    #[error("`{value}` is not {unit}")]
    Value {
        /// What was written.
        value: String,
        /// What is expected.
        unit: &'static str,
    },
    /// No length of time.
    #[error("`for {0}` is not a time: write `for 5m` or `for 30s`")]
    Hold(String),
}

fn names() -> String {
    AlertMetric::ALL.map(|(name, _)| name).join(", ")
}

impl FromStr for AlertCondition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        let none = || ConditionError::NoComparison(text.to_owned());
        let at = text.find(['<', '>']).ok_or_else(none)?;
        let (name, rest) = (text[..at].trim(), &text[at..]);
        let comparator = Comparator::ALL.into_iter().find(|it| rest.starts_with(it.sign()));
        let comparator = comparator.ok_or_else(none)?;
        let rest = rest[comparator.sign().len()..].trim();
        let named = AlertMetric::ALL.into_iter().find(|(known, _)| *known == name);
        let (_, metric) = named.ok_or_else(|| ConditionError::Metric { name: name.to_owned() })?;
        let (value, hold) = match rest.split_once(" for ") {
            Some((value, hold)) => (value.trim(), Some(hold.trim())),
            None => (rest, None),
        };
        let hold =
            hold.map(|hold| units::span(hold).map_err(|_| ConditionError::Hold(hold.to_owned())));
        let hold = hold.transpose()?.unwrap_or(Nanos(0));
        Ok(Self { metric, comparator, bound: metric.value(value)?, hold })
    }
}

impl fmt::Display for AlertCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metric, comparator, bound, hold } = *self;
        write!(f, "{} {} {}", metric.name(), comparator.sign(), metric.shown(bound))?;
        if hold > Nanos(0) { write!(f, " for {hold}") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<AlertCondition, String> {
        text.parse().map_err(|why: ConditionError| why.to_string())
    }

    #[test]
    fn figures_units_and_times_are_read() {
        let condition = read("response_time_p95 > 500ms for 5m").unwrap();
        let expected = AlertCondition {
            metric: AlertMetric::ResponseQuantile(950),
            comparator: Comparator::Above,
            bound: 0.5,
            hold: Nanos::from_secs(300),
        };
        assert_eq!(condition, expected);
        assert_eq!(condition.to_string(), "response_time_p95 > 500 ms for 300 s");
        let rate = read("requests_per_second<=2.5k").unwrap();
        assert_eq!(
            (rate.comparator, rate.bound, rate.hold),
            (Comparator::AtMost, 2_500.0, Nanos(0))
        );
        assert_eq!(read("error_rate >= 1 % for 10s").unwrap().bound, 0.01);
        assert!(rate.holds(2_500.0) && !rate.holds(2_500.1));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("response_time_p95", "has no comparison"),
            ("latency > 5ms", "there is no metric `latency`: use response_time_p50, "),
            ("response_time_p95 > 500", "`500` is not a time such as 500ms"),
            ("response_time_p95 > 5%", "`5%` is not a time"),
            ("error_rate > 0.01", "`0.01` is not a percentage"),
            ("error_rate > 101%", "not a percentage"),
            ("requests_per_second < -1", "`-1` is not a rate"),
            ("requests_per_second < 1 for ever", "`for ever` is not a time"),
        ] {
            let why = read(text).unwrap_err();
            assert!(why.contains(part), "{text}: {why}");
        }
    }
}
