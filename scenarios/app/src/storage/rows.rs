//! One row by its key, one insert: the database part of a shoot-out.

use serde::{Deserialize, Serialize};

use super::fields::{Fields, Record, Value};
use super::{Store, StoreError};

/// A row.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    id: i64,
    name: String,
    email: String,
    score: i64,
}

/// The data of an insert.
#[derive(Debug, Deserialize)]
pub(crate) struct RowDraft {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) email: String,
    #[serde(default)]
    score: i64,
}

impl Record for Row {
    fn read(fields: &Fields<'_>) -> Result<Self, StoreError> {
        let [name, email] = [fields.text(1)?, fields.text(2)?];
        Ok(Self { id: fields.number(0)?, name, email, score: fields.number(3)? })
    }
}

impl Store {
    /// One of the rows from the start.
    pub(crate) async fn row(&self, id: i64) -> Result<Option<Row>, StoreError> {
        let statement = "SELECT id, name, email, score FROM seeded WHERE id = $1";
        self.find(statement, &[Value::Number(id)]).await
    }

    /// A new row.
    pub(crate) async fn insert_row(&self, draft: &RowDraft) -> Result<Row, StoreError> {
        self.create(
            "INSERT INTO written (name, email, score) VALUES ($1, $2, $3)
             RETURNING id, name, email, score",
            &[Value::Text(&draft.name), Value::Text(&draft.email), Value::Number(draft.score)],
        )
        .await
    }

    /// Record that a background task has run.
    pub(crate) async fn note_background(&self, task: u64) -> Result<(), StoreError> {
        // Numbers of tasks count from 1 and never come near the sign.
        let task = Value::Number(task as i64);
        self.execute("INSERT INTO background (task) VALUES ($1)", &[task]).await
    }
}
