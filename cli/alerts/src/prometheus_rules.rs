//! Rules as alerting rules of Prometheus, over the metrics that a run sends.
//!
//! Texts are quoted as JSON, which YAML reads as it is.

use std::fmt::Write as _;

use serde_json::Value;
use uringbench_export::metrics::MetricNames;

use crate::condition::{AlertCondition, AlertMetric};
use crate::rules::AlertRules;

/// The stretch over which Prometheus forms rates: several seconds of a run, whatever it scrapes.
const WINDOW: &str = "1m";

/// The file for Prometheus.
pub fn prometheus_rules(rules: &AlertRules, names: MetricNames) -> String {
    let mut page = String::from("groups:\n  - name: uringbench\n    rules:\n");
    for rule in &rules.rules {
        let condition = &rule.condition;
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(page, "      - alert: {}", quoted(&rule.name));
        let _ = writeln!(page, "        expr: {}", quoted(&expression(condition, names)));
        let _ = writeln!(page, "        for: {}ms", condition.hold.0.div_ceil(1_000_000));
        let severity = rule.severity.word();
        let _ = writeln!(page, "        labels:\n          severity: {severity}");
        let summary =
            if rule.message.is_empty() { condition.to_string() } else { rule.message.clone() };
        // Two braces begin a template of Prometheus; in one they stand for themselves.
        let summary = summary.replace("{{", "{{\"{{\"}}");
        let _ = writeln!(page, "        annotations:\n          summary: {}", quoted(&summary));
    }
    page
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The condition over native histograms, or else over classic buckets: the page to scrape has
/// those.
fn expression(condition: &AlertCondition, names: MetricNames) -> String {
    let (times, rate, errors) = match names {
        MetricNames::Own => (
            "uringbench_response_seconds",
            "uringbench_completed_per_second",
            "uringbench_error_ratio",
        ),
        MetricNames::Api => {
            ("api_response_time_seconds", "api_requests_per_second", "api_error_rate_percent / 100")
        }
    };
    let value = match condition.metric {
        AlertMetric::ResponseQuantile(thousandths) => {
            let quantile = f64::from(thousandths) / 1_000.0;
            format!(
                "(histogram_quantile({quantile}, rate({times}[{WINDOW}])) or \
                 histogram_quantile({quantile}, rate({times}_bucket[{WINDOW}])))"
            )
        }
        AlertMetric::ResponseMean => format!(
            "(histogram_sum(rate({times}[{WINDOW}])) / histogram_count(rate({times}[{WINDOW}])) or \
             rate({times}_sum[{WINDOW}]) / rate({times}_count[{WINDOW}]))"
        ),
        AlertMetric::RequestsPerSecond => rate.to_owned(),
        AlertMetric::ErrorRate => errors.to_owned(),
    };
    format!("{value} {} {}", condition.comparator.sign(), condition.bound)
}
