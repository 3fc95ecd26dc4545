//! `plan.json`: the plan of a run, so that it can be repeated exactly. It contains no secrets
//! unless they are asked for; it names the missing ones.
//!
//! Private keys and certificates are named by their files. `secrets` finds secrets, and puts them
//! back; `known` takes them out of what a target repeats.

mod known;
mod secrets;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uringbench_core::plan::{Parts, Plan};

pub use known::KnownSecrets;
use secrets::Places;

use crate::EncodeError;
use crate::read::is_newer;

const SCHEMA: &str = "uringbench.plan/1";
/// The places of a password of Redis and of PostgreSQL.
const PASSWORDS: [&str; 2] =
    ["/workload/commands/login/password", "/workload/transactions/login/password"];
/// The prefix of schemas of plans; the version follows.
const FAMILY: &str = "uringbench.plan/";

/// The stored form of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanFile {
    schema: String,
    /// The name of the run.
    pub name: Option<String>,
    /// Secrets missing from the plan, in the order in which it refers to them.
    #[serde(default)]
    pub withheld: Vec<SecretName>,
    plan: Value,
}

/// The source of a secret.
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
    /// The value of a parameter or of a field of a body, as it was sent.
    Field(String),
}

/// A text that is not stored, wherever it occurs in the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Its source.
    pub name: SecretName,
    /// Its value.
    pub value: String,
}

/// A table that is not stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretTable {
    /// The file of its rows.
    pub file: String,
    /// The index of the table in the script.
    pub table: usize,
}

/// Why a text is not a stored plan, and the fix.
#[derive(Debug, thiserror::Error)]
pub enum PlanFileError {
    /// A later version.
    #[error(
        "it is a `{schema}`, written by a newer uringbench than this one, which reads `{SCHEMA}`: \
         repeat it with the uringbench that wrote it, or update this one"
    )]
    Newer {
        /// Its schema.
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
    /// How to give it again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "-H '{name}: …'"),
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::Variable(name) | Self::Field(name) => write!(f, "--variable {name}=…"),
            Self::Data(data) => write!(f, "the file {}", data.file),
        }
    }
}

impl PlanFile {
    /// A plan with its secrets.
    ///
    /// # Errors
    /// If it cannot be encoded as JSON.
    pub fn whole(plan: &Plan, name: Option<&str>) -> Result<Self, EncodeError> {
        let plan = serde_json::to_value(&**plan).map_err(EncodeError::of)?;
        let name = name.map(str::to_owned);
        Ok(Self { schema: SCHEMA.to_owned(), name, withheld: Vec::new(), plan })
    }

    /// A plan without its secrets: the given ones, and the values of headers, parameters and fields
    /// that carry some.
    ///
    /// # Errors
    /// If it cannot be encoded as JSON.
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
        for place in PASSWORDS {
            if let Some(password) = value.pointer_mut(place).filter(|it| it.is_string()) {
                *password = places.withhold(SecretName::Variable("password".to_owned()));
            }
        }
        places.clear(&mut value);
        let name = name.map(str::to_owned);
        Ok(Self { schema: SCHEMA.to_owned(), name, withheld: places.names(), plan: value })
    }

    /// The plan in a text.
    ///
    /// # Errors
    /// If there is none, or one of a later version.
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

    /// As JSON.
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub fn to_json(&self) -> Result<String, EncodeError> {
        serde_json::to_string(self).map_err(EncodeError::of)
    }

    /// The parts of the plan, with `given` in the places of [`Self::withheld`]: texts, and tables.
    /// The files it names are not read.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn parts(mut self, given: &[Value]) -> Result<Parts, PlanFileError> {
        secrets::put_back(&mut self.plan, given);
        serde_json::from_value(self.plan).map_err(PlanFileError::Damaged)
    }
}

#[cfg(test)]
mod tests;
