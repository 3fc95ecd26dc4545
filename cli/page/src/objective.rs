//! Objectives as charts need them: their figure and their bound, read back from their text.

use uringbench_core::summary::Quantile;
use uringbench_document::SloHeld;

use crate::grid::{Grid, Row};

/// What an objective is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Metric {
    Quantile(Quantile),
    Max,
    Mean,
    Errors,
    Rate,
}

/// An objective of the whole run, of a flow or of a step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Objective {
    pub(crate) metric: Metric,
    /// The name of the flow, or `flow/step`; `None` for the whole run.
    pub(crate) about: Option<String>,
    /// Nanoseconds, a share of 0..=1, or per second.
    pub(crate) bound: f64,
    /// Whether the bound itself is good enough.
    pub(crate) is_inclusive: bool,
}

/// Units in the texts of objectives.
const UNITS: [(&str, f64); 6] =
    [("%", 0.01), (" ns", 1.0), (" µs", 1e3), (" ms", 1e6), (" s", 1e9), ("/s", 1.0)];
/// Stands between figure and bound in a closed loop.
const CLOSED: &str = " of service time (closed loop)";

impl Objective {
    /// The objective in a text such as `browse/item p99 < 20.0 ms`; `None` for texts of a later
    /// version.
    pub(crate) fn of(held: &SloHeld) -> Option<Self> {
        Self::read(&held.objective)
    }

    /// The same, of the text alone.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let at = text.rfind(['<', '>'])?;
        let (left, right) = text.split_at(at);
        let left = left.trim_end();
        let left = left.strip_suffix(CLOSED).unwrap_or(left);
        let (about, name) = match left.rsplit_once(' ') {
            Some((about, name)) => (Some(about.to_owned()), name),
            None => (None, left),
        };
        let quantile = Quantile::ALL.into_iter().find(|quantile| quantile.name() == name);
        let metric = match (quantile, name) {
            (Some(quantile), _) => Metric::Quantile(quantile),
            (None, "max") => Metric::Max,
            (None, "mean") => Metric::Mean,
            (None, "errors") => Metric::Errors,
            (None, "rate") => Metric::Rate,
            _ => return None,
        };
        let (is_inclusive, right) = match right[1..].strip_prefix('=') {
            Some(right) => (true, right.trim()),
            None => (false, right[1..].trim()),
        };
        let (unit, scale) = UNITS.into_iter().find(|(unit, _)| right.ends_with(unit))?;
        let number = right.strip_suffix(unit)?.trim().replace(',', "");
        let bound = number.parse::<f64>().ok()? * scale;
        Some(Self { metric, about, bound, is_inclusive })
    }

    /// The sign between a time and its bound.
    pub(crate) const fn sign(&self) -> &'static str {
        if self.is_inclusive { "<=" } else { "<" }
    }

    /// Whether it is about the response times of the whole run.
    pub(crate) fn is_time_of_run(&self) -> bool {
        let is_time = !matches!(self.metric, Metric::Errors | Metric::Rate);
        is_time && self.about.is_none()
    }
}

/// How an objective held from row to row of the measured window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Course {
    /// Rows in which it can be decided.
    pub(crate) decided: usize,
    /// Those in which it was missed.
    pub(crate) missed: usize,
    /// When it was missed first, seconds from the start of the run.
    pub(crate) first_missed: Option<f64>,
}

impl Objective {
    /// From row to row; `None` if that is not known, or there are few rows.
    pub(crate) fn course(&self, grid: &Grid) -> Option<Course> {
        if self.about.is_some() || grid.joined > 1 {
            return None;
        }
        let mut course = Course::default();
        let is_measured = |row: &&Row| row.phase != "warmup" && row.phase != "drain";
        for row in grid.rows.iter().filter(is_measured) {
            let Some(holds) = self.holds(row) else { continue };
            course.decided += 1;
            if !holds {
                course.missed += 1;
                course.first_missed = course.first_missed.or(Some(row.from));
            }
        }
        (course.decided > 1).then_some(course)
    }

    fn holds(&self, row: &Row) -> Option<bool> {
        let ended: u64 = row.outcomes.iter().sum();
        let within = |value: f64, bound: f64| value < bound || self.is_inclusive && value == bound;
        let below = |value: Option<u64>| value.map(|value| within(value as f64, self.bound));
        match self.metric {
            Metric::Quantile(Quantile::P50) => below(row.p50),
            Metric::Quantile(Quantile::P99) => below(row.p99),
            Metric::Max => below(row.max),
            Metric::Errors if ended > 0 => {
                Some(within(row.errors as f64, self.bound * ended as f64))
            }
            Metric::Rate => Some(within(self.bound, row.per_second(row.outcomes[0])?)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_objectives_are_read_back() {
        let of = |text: &str| {
            Objective::of(&SloHeld {
                objective: text.to_owned(),
                measured: String::new(),
                met: None,
            })
        };
        let expect = |metric, about: Option<&str>, bound| {
            let about = about.map(str::to_owned);
            Some(Objective { metric, about, bound, is_inclusive: false })
        };
        let p99 = Metric::Quantile(Quantile::P99);
        assert_eq!(of("p99 < 20.0 ms"), expect(p99, None, 2e7));
        assert_eq!(
            of("p99.9 of service time (closed loop) <= 1.50 s"),
            expect(Metric::Quantile(Quantile::P999), None, 1.5e9)
                .map(|it| Objective { is_inclusive: true, ..it })
        );
        assert_eq!(of("a b/c<d p99 < 850 ns"), expect(p99, Some("a b/c<d"), 850.0));
        let errors = of("errors < 0.10 %").expect("it is one");
        assert!((errors.bound - 0.001).abs() < 1e-12 && errors.metric == Metric::Errors);
        assert_eq!(of("rate > 9,000/s"), expect(Metric::Rate, None, 9e3));
        for text in ["p98 < 1 ms", "p99 20 ms", "p99 < soon", "", "<"] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn a_course_counts_the_measured_rows_that_miss_it() {
        let row = |from: f64, phase: &str, p99: Option<u64>| Row {
            from,
            length: 1.0,
            phase: phase.to_owned(),
            p99,
            ..Row::default()
        };
        let rows = vec![
            row(0.0, "warmup", Some(90)),
            row(1.0, "measure", Some(9)),
            row(2.0, "measure", Some(11)),
            row(3.0, "measure", None),
            row(4.0, "drain", Some(90)),
        ];
        let metric = Metric::Quantile(Quantile::P99);
        let objective = Objective { metric, about: None, bound: 10.0, is_inclusive: false };
        let grid = Grid { rows, joined: 1, ..Grid::default() };
        let expected = Course { decided: 2, missed: 1, first_missed: Some(2.0) };
        assert_eq!(objective.course(&grid), Some(expected));
        assert_eq!(objective.course(&Grid { joined: 2, ..grid }), None);
    }

    #[test]
    fn a_bound_that_counts_as_met_is_met_by_rows_at_it() {
        let held = SloHeld {
            objective: "errors <= 0 %".to_owned(),
            measured: String::new(),
            met: Some(true),
        };
        let none = Objective::of(&held).expect("it is one");
        let mut row = Row { from: 0.0, length: 1.0, phase: "measure".to_owned(), ..Row::default() };
        row.outcomes[0] = 100;
        let rows = vec![row.clone(), Row { errors: 1, ..row }];
        let grid = Grid { rows, joined: 1, ..Grid::default() };
        let course = none.course(&grid).expect("two rows");
        assert_eq!((course.decided, course.missed), (2, 1));
    }
}
