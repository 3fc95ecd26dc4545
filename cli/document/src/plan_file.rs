//! `plan.json`: the plan of a run, so that it can be repeated exactly. It holds no secrets; it
//! says which ones are missing.
//!
//! Private keys and certificates are named by their files. Where a secret stands, and how it is
//! put back, is decided in `secrets`.

mod secrets;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uringbench_core::plan::{Parts, Plan};

use secrets::Places;

use crate::EncodeError;
use crate::read::is_newer;

const SCHEMA: &str = "uringbench.plan/1";
/// What schemas of plans begin with; the version follows.
const FAMILY: &str = "uringbench.plan/";

/// A plan as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanFile {
    schema: String,
    /// What the run is called.
    pub name: Option<String>,
    /// Secrets that the plan lacks, in the order in which it refers to them.
    #[serde(default)]
    pub withheld: Vec<SecretName>,
    plan: Value,
}

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretName {
    /// The value of a header of this name.
    Header(String),
    /// This variable of the environment.
    Env(String),
    /// This variable of a .hurl file.
    Variable(String),
    /// Rows of data.
    Data(SecretTable),
}

/// A text that is not stored, wherever it stands in the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Where it comes from.
    pub name: SecretName,
    /// What it is.
    pub value: String,
}

/// A table that is not stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretTable {
    /// The file of its rows.
    pub file: String,
    /// Which table of the script it is.
    pub table: usize,
}

/// Why a text is not a stored plan, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum PlanFileError {
    /// A later version.
    #[error(
        "it is a `{schema}`, written by a newer uringbench than this one, which reads `{SCHEMA}`: \
         repeat it with the uringbench that wrote it, or update this one"
    )]
    Newer {
        /// What it says it is.
        schema: String,
    },
    /// Something else.
    #[error("it is not a stored plan (`{SCHEMA}`): name the folder of a run, or its run.json")]
    Other,
    /// Parts are missing or wrong.
    #[error("it is damaged ({0}): type the command of the run again")]
    Damaged(serde_json::Error),
}

impl fmt::Display for SecretName {
    /// How it is given again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "-H '{name}: …'"),
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::Variable(name) => write!(f, "--variable {name}=…"),
            Self::Data(data) => write!(f, "the file {}", data.file),
        }
    }
}

impl PlanFile {
    /// A plan without its secrets: those given, and the values of headers that carry some.
    ///
    /// # Errors
    /// When it has no form as JSON.
    pub fn of(
        plan: &Plan,
        name: Option<&str>,
        secrets: &[Secret],
        tables: &[SecretTable],
    ) -> Result<Self, EncodeError> {
        let mut value = serde_json::to_value(&**plan).map_err(EncodeError::of)?;
        let mut places = Places::new(secrets);
        for data in tables {
            let place = format!("/workload/script/data/{}/table", data.table);
            if let Some(table) = value.pointer_mut(&place) {
                *table = places.withhold(SecretName::Data(data.clone()));
            }
        }
        places.clear(&mut value);
        let name = name.map(str::to_owned);
        Ok(Self { schema: SCHEMA.to_owned(), name, withheld: places.names(), plan: value })
    }

    /// The plan that a text holds.
    ///
    /// # Errors
    /// When it holds none, or one of a later version.
    pub fn read(text: &str) -> Result<Self, PlanFileError> {
        let value: Value = serde_json::from_str(text).map_err(PlanFileError::Damaged)?;
        let schema = value.get("schema").and_then(Value::as_str).unwrap_or_default();
        if schema != SCHEMA {
            return Err(if is_newer(schema, FAMILY) {
                PlanFileError::Newer { schema: schema.to_owned() }
            } else {
                PlanFileError::Other
            });
        }
        serde_json::from_value(value).map_err(PlanFileError::Damaged)
    }

    /// As it is written.
    ///
    /// # Errors
    /// When it has no form as JSON.
    pub fn to_json(&self) -> Result<String, EncodeError> {
        serde_json::to_string(self).map_err(EncodeError::of)
    }

    /// The parts of the plan, with `given` in the places of [`Self::withheld`]: texts, and tables.
    /// Files that it names have not been read.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn parts(mut self, given: &[Value]) -> Result<Parts, PlanFileError> {
        secrets::put_back(&mut self.plan, given);
        serde_json::from_value(self.plan).map_err(PlanFileError::Damaged)
    }
}

#[cfg(test)]
mod tests;
