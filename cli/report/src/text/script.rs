//! The tables of a scenario: its flows, and their steps.

use uringbench_core::outcome::Outcome;
use uringbench_core::summary::{Grouped, Quantile, ScriptSummary, TimeSummary};

use super::{Page, per_second, shown};
use crate::paint::Ink;

/// Columns of a name that leave the figures in line; longer ones push theirs aside.
const NAMES: usize = 24;
/// Columns of a figure.
const FIGURES: usize = 11;
/// Times of an answer that did not pass: reasons are told up to so many a step.
const FAILURES_SHOWN: usize = 3;

impl Page {
    pub(super) fn script(&mut self, script: &ScriptSummary) {
        self.heads("flows");
        for flow in &script.flows {
            let failed = flow.failed + flow.unfinished;
            self.row(&flow.name, (flow.passed, failed, flow.rate), &flow.response);
            if flow.unfinished > 0 {
                let unfinished = Grouped(flow.unfinished);
                self.push(format!("    {unfinished} cut short by the end of the run"));
            }
        }
        self.heads("steps");
        for step in &script.steps {
            let name = format!("{}/{}", step.flow, step.name);
            let passed = step.counts.of(Outcome::Ok);
            self.row(&name, (passed, step.counts.errors(), step.rate), &step.response);
            for (what, count) in step.failures.iter().take(FAILURES_SHOWN) {
                let text = format!("{} x {what}", Grouped(*count));
                let text = self.colour.paint(Ink::Red, text);
                self.push(format!("    {text}"));
            }
        }
    }

    fn heads(&mut self, title: &str) {
        let heads = ["passed", "failed", "rate", "p50", "p95", "p99", "max"];
        let heads: String = heads.iter().map(|head| right(head)).collect();
        self.push(format!("{title:<NAMES$}{heads}"));
    }

    fn row(&mut self, name: &str, (passed, failed, rate): (u64, u64, f64), time: &TimeSummary) {
        let failures = right(&Grouped(failed).to_string());
        let failures = if failed > 0 { self.colour.paint(Ink::Red, failures) } else { failures };
        let times: String = [Quantile::P50, Quantile::P95, Quantile::P99]
            .map(|quantile| right(&shown(time.at(quantile))))
            .concat();
        let name = format!("  {name}");
        self.push(format!(
            "{name:<NAMES$}{}{failures}{}{times}{}",
            right(&Grouped(passed).to_string()),
            right(&per_second(rate)),
            right(&shown(time.max)),
        ));
    }
}

fn right(text: &str) -> String {
    format!("{text:>FIGURES$}")
}
