//! Figures as text, as in the other reports.

use uringbench_core::summary::{Grouped, Percent};
use uringbench_core::time::Nanos;
use uringbench_document::target::Interval95;
use uringbench_document::timeline::Unit;

/// In the place of a figure that does not exist.
pub(crate) const NOTHING: &str = "-";

/// A figure in its unit.
pub(crate) fn value(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Count => Grouped(value.max(0.0).round() as u64).to_string(),
        unit => uringbench_report::timeline::value(unit, value),
    }
}

/// A time, if it is known.
pub(crate) fn nanos(nanos: Option<u64>) -> String {
    nanos.map_or_else(|| NOTHING.to_owned(), |nanos| Nanos(nanos).to_string())
}

/// Requests per second.
pub(crate) fn per_second(rate: f64) -> String {
    value(Unit::PerS, rate)
}

/// A count with separators.
pub(crate) fn count(count: u64) -> String {
    Grouped(count).to_string()
}

/// A share of 0..=1, if it is known.
pub(crate) fn share(share: Option<f64>) -> String {
    share.map_or_else(|| NOTHING.to_owned(), |share| Percent(share).to_string())
}

/// `0.41 [0.38 … 0.44]`.
pub(crate) fn ranged(figure: Interval95) -> String {
    let end = |end: Option<f64>| end.map_or_else(|| "?".to_owned(), three);
    let (low, high) = (end(figure.ci_low), end(figure.ci_high));
    format!("{} [{low} … {high}]", three(figure.value))
}

/// Three significant digits.
pub(crate) fn three(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 0.001 => format!("{value:.1e}"),
        size if size < 1.0 => format!("{value:.3}"),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        size if size < 1e15 && value > 0.0 => Grouped(value.round() as u64).to_string(),
        _ => format!("{value:.0}"),
    }
}

/// Seconds of a run: `0:07`, `1:02:03`.
pub(crate) fn clock(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    let (hours, minutes, rest) = (whole / 3_600, whole / 60 % 60, whole % 60);
    match hours {
        0 => format!("{minutes}:{rest:02}"),
        _ => format!("{hours}:{minutes:02}:{rest:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        let threes = [0.0, 1.234e-4, 0.12345, 1.234, 12.34, 123.4, 12_345.6, -12.34, -1234.5];
        let shown: Vec<_> = threes.into_iter().map(three).collect();
        assert_eq!(
            shown,
            ["0", "1.2e-4", "0.123", "1.23", "12.3", "123", "12,346", "-12.3", "-1234"]
        );
        assert_eq!([7.2, 83.0, 3_723.0].map(clock), ["0:07", "1:23", "1:02:03"].map(str::to_owned));
        assert_eq!(value(Unit::Ns, 12_345.0), "12.3 µs");
    }
}
