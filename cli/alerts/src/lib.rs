//! Alert rules over the seconds of a run: read from YAML, evaluated as Prometheus evaluates its
//! own, written as rules of Prometheus.
//!
//! Pure but for `hooks`, which starts the programs that a rule names. During a run and afterwards
//! the same rows are evaluated, so a stored run gives the alerts that it gave while it lasted.

mod condition;
mod evaluate;
mod hooks;
mod prometheus_rules;
mod rules;
mod tree;

pub use condition::{AlertCondition, AlertMetric, Comparator, ConditionError};
pub use evaluate::{AlertEvaluation, AlertRow, AlertState, AlertTransition};
pub use hooks::Hooks;
pub use prometheus_rules::prometheus_rules;
pub use rules::{AlertFileError, AlertRule, AlertRules, AlertSeverity};
