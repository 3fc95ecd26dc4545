//! Reads documents of every version ever written.
//!
//! So far there is one: within `uringbench.run/1` keys were only added, and each has a default for
//! its absence.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::run::{Document, SCHEMA};

/// Why a text is not a document of a run, and the fix.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A later version.
    #[error(
        "it is a `{schema}`, written by a newer uringbench than this one, which reads `{SCHEMA}`: \
         read it with the uringbench that wrote it, or update this one"
    )]
    Newer {
        /// Its schema.
        schema: String,
    },
    /// Another document of uringbench.
    #[error("it is a `{schema}`, not a run (`{SCHEMA}`): name the folder or the run.json of a run")]
    Other {
        /// Its schema.
        schema: String,
    },
    /// JSON without a schema.
    #[error("it has no key `schema`, so it is not a result of uringbench: name a run's run.json")]
    NoSchema,
    /// Not JSON, or a document with parts missing.
    #[error("it is damaged ({0}): copy it again from where it was written, or repeat the run")]
    Damaged(serde_json::Error),
}

/// Whether a schema is a later version of its family than the first, which this uringbench reads.
pub(crate) fn is_newer(schema: &str, family: &str) -> bool {
    schema.strip_prefix(family).is_some_and(|it| it.parse::<u32>().is_ok_and(|it| it > 1))
}

#[derive(Deserialize)]
struct Head {
    schema: Option<String>,
}

/// Whether a text is a document of this schema.
pub(crate) fn check_schema(text: &str, known: &str) -> Result<(), ReadError> {
    let head: Head = serde_json::from_str(text).map_err(ReadError::Damaged)?;
    let schema = head.schema.ok_or(ReadError::NoSchema)?;
    if schema == known {
        return Ok(());
    }
    let family = known.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let is_newer = is_newer(&schema, family);
    Err(if is_newer { ReadError::Newer { schema } } else { ReadError::Other { schema } })
}

/// The document of this schema in a text.
pub(crate) fn read_as<T: DeserializeOwned>(text: &str, known: &str) -> Result<T, ReadError> {
    check_schema(text, known)?;
    serde_json::from_str(text).map_err(ReadError::Damaged)
}

impl Document {
    /// The document in a text.
    ///
    /// # Errors
    /// If there is none, or one of a later version.
    pub fn read(text: &str) -> Result<Self, ReadError> {
        read_as(text, SCHEMA)
    }
}

#[cfg(test)]
mod tests;
