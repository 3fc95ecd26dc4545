//! A run as the values of a row, and back; the same texts in both databases.

use serde::Serialize;
use serde_json::Value;
use uringbench_document::history::{HistoryEntry, InsightEntry};

use super::schema::COLUMNS;

/// The values of a row, in the order of `COLUMNS`.
pub(super) type Row = [Option<String>; COLUMNS.len()];

/// The row of a run.
pub(super) fn of(entry: &HistoryEntry) -> Row {
    let text = |text: &str| Some(text.to_owned());
    [
        text(&entry.timestamp),
        text(&entry.benchmark_name),
        entry.commit_sha.clone(),
        entry.branch.clone(),
        Some(json(&entry.results)),
        Some(json(&entry.environment)),
        text(&entry.run_id),
        text(&entry.folder),
        text(&entry.target),
        text(&entry.scenario),
        Some(json(&entry.tags)),
        text(&entry.validity),
        entry.tool_version.clone(),
        entry.seed.map(|seed| seed.to_string()),
        entry.host_fingerprint.clone(),
        entry.plan_fingerprint.clone(),
    ]
}

/// The run of a row. Rows of other programs may lack what only uringbench writes.
pub(super) fn entry(row: Row) -> HistoryEntry {
    let [
        timestamp,
        benchmark_name,
        commit_sha,
        branch,
        results,
        environment,
        run_id,
        folder,
        target,
        scenario,
        tags,
        validity,
        tool_version,
        seed,
        host_fingerprint,
        plan_fingerprint,
    ] = row;
    HistoryEntry {
        timestamp: timestamp.unwrap_or_default(),
        benchmark_name: benchmark_name.unwrap_or_default(),
        commit_sha,
        branch,
        results: figures(&results.unwrap_or_default()),
        environment: environment
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default(),
        run_id: run_id.unwrap_or_default(),
        folder: folder.unwrap_or_default(),
        target: target.unwrap_or_default(),
        scenario: scenario.unwrap_or_default(),
        tags: tags.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        validity: validity.unwrap_or_default(),
        tool_version,
        seed: seed.and_then(|text| text.parse().ok()),
        host_fingerprint,
        plan_fingerprint,
        insights: Vec::new(),
    }
}

/// The numbers among the results.
fn figures(text: &str) -> std::collections::BTreeMap<String, f64> {
    let Ok(Value::Object(all)) = serde_json::from_str(text) else { return Default::default() };
    all.into_iter().filter_map(|(name, value)| Some((name, value.as_f64()?))).collect()
}

/// The values of an insight after the run's: kind, description, severity, recommendations.
pub(super) fn of_insight(insight: &InsightEntry) -> [String; 4] {
    [
        insight.insight_type.clone(),
        insight.description.clone(),
        insight.severity.clone(),
        json(&insight.recommendations),
    ]
}

/// Lists and maps of texts and finite numbers always have a form in JSON.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
