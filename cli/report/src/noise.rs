//! A noise floor as text: the spread of each figure, and the limits that follow.

use uringbench_document::noise::NoiseDocument;

use crate::table;

/// The text for a terminal.
pub fn text(noise: &NoiseDocument) -> String {
    let mut page = format!("noise     {} runs of one target\n\n", noise.runs);
    let head = ["figure", "spread", "smallest limit"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(noise.figures.iter().map(|figure| {
        let share = |share: f64| format!("{:.2} %", share * 100.0);
        [figure.metric.clone(), share(figure.variation), share(3.0 * figure.variation)]
    }));
    for row in table::aligned(&rows, &[0]) {
        page.push_str(&format!("{row}\n"));
    }
    page
}

#[cfg(test)]
mod tests {
    use uringbench_document::baseline::ConditionFigures;
    use uringbench_document::noise::{NoiseFigure, SCHEMA};

    use super::*;

    #[test]
    fn each_figure_has_its_spread_and_the_limit_that_follows() {
        let noise = NoiseDocument {
            schema: SCHEMA.to_owned(),
            measured: String::new(),
            conditions: ConditionFigures::default(),
            runs: 10,
            figures: vec![NoiseFigure {
                metric: "rate".to_owned(),
                variation: 0.0123,
                values: Vec::new(),
            }],
        };
        let expected = "noise     10 runs of one target\n\nfigure  spread  smallest limit\n\
             rate    1.23 %          3.69 %\n";
        assert_eq!(text(&noise), expected);
    }
}
