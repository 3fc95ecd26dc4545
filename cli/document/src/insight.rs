//! Observations on a run in words, with their figures and what to do: key `insights`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One of `insights`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InsightFigures {
    /// Its kind, such as `long_tail`.
    pub kind: String,
    /// `info`, `warning` or `critical`.
    pub severity: InsightSeverity,
    /// The observation in one sentence, with its figures.
    pub description: String,
    /// The figures on which it rests, with their units in their names.
    #[serde(default)]
    pub figures: BTreeMap<String, f64>,
    /// What to do, the most promising first.
    #[serde(default)]
    pub recommendations: Vec<String>,
}

/// How serious an insight is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InsightSeverity {
    /// It explains the figures.
    Info,
    /// Users of the target will notice it sooner or later.
    Warning,
    /// They notice it now.
    Critical,
}

impl InsightSeverity {
    /// The word for it in documents.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}
