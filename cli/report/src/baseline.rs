//! A baseline as text: its figures, their spread, and the range that later runs may have.

use uringbench_document::baseline::{BaselineDocument, BaselineFigure};

use crate::comparison::value;
use crate::table;

/// The text for a terminal.
pub fn text(baseline: &BaselineDocument) -> String {
    let mut page = format!(
        "baseline  {}: {} runs, the last of {}\n\n",
        baseline.name,
        baseline.runs.len(),
        baseline.established
    );
    let head = ["figure", "mean", "deviation", "95 % interval", "acceptable"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(baseline.figures.iter().map(cells));
    for row in table::aligned(&rows, &[0]) {
        page.push_str(&format!("{row}\n"));
    }
    page
}

fn cells(figure: &BaselineFigure) -> [String; 5] {
    let of = |number: f64| value(&figure.unit, number);
    let acceptable = match (figure.acceptable_from, figure.acceptable_to) {
        (Some(from), _) => format!("from {}", of(from)),
        (None, Some(to)) => format!("to {}", of(to)),
        (None, None) => "anything".to_owned(),
    };
    let share = if figure.mean > 0.0 { figure.deviation / figure.mean * 100.0 } else { 0.0 };
    [
        figure.metric.clone(),
        of(figure.mean),
        format!("{share:.1} %"),
        format!("{} to {}", of(figure.ci_low), of(figure.ci_high)),
        acceptable,
    ]
}

#[cfg(test)]
mod tests {
    use uringbench_document::baseline::{BaselineRun, ConditionFigures, SCHEMA};

    use super::*;

    #[test]
    fn each_figure_has_its_spread_and_its_range() {
        let run = BaselineRun { run: "a".to_owned(), started: "2026-02-28T23:59:59Z".to_owned() };
        let figure = BaselineFigure {
            metric: "response_p99".to_owned(),
            unit: "ns".to_owned(),
            source: "run".to_owned(),
            mean: 2e6,
            deviation: 4e4,
            ci_low: 1.95e6,
            ci_high: 2.05e6,
            acceptable_from: None,
            acceptable_to: Some(2.1e6),
            values: vec![2e6; 4],
        };
        let baseline = BaselineDocument {
            schema: SCHEMA.to_owned(),
            name: "main".to_owned(),
            established: run.started.clone(),
            uringbench: Vec::new(),
            conditions: ConditionFigures::default(),
            runs: vec![run; 4],
            figures: vec![figure],
        };
        let expected = "\
baseline  main: 4 runs, the last of 2026-02-28T23:59:59Z

figure           mean  deviation       95 % interval  acceptable
response_p99  2.00 ms      2.0 %  1.95 ms to 2.05 ms  to 2.10 ms
";
        assert_eq!(text(&baseline), expected);
    }
}
