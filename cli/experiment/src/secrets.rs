//! The parts of a plan that are not stored with its run.

use serde_json::Value;
use uringbench_document::{Secret, SecretName, SecretTable};

/// Parts of a plan that are not stored, in addition to the values of headers that carry secrets.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// Texts, wherever they occur.
    pub texts: Vec<Secret>,
    /// Rows of data.
    pub tables: Vec<SecretTable>,
}

impl Secrets {
    /// The parts that a stored plan lacks, with the values given again in the same order. Headers
    /// are excluded: their names identify them.
    pub fn given_again(names: &[SecretName], values: &[Value]) -> Self {
        let mut secrets = Self::default();
        for (name, value) in names.iter().zip(values) {
            match (name, value.as_str()) {
                (SecretName::Data(table), _) => secrets.tables.push(table.clone()),
                (SecretName::Env(_) | SecretName::Variable(_), Some(value)) => {
                    secrets.texts.push(Secret { name: name.clone(), value: value.to_owned() });
                }
                _ => {}
            }
        }
        secrets
    }
}
