//! One row by its key, one insert: what a shoot-out asks of a database.

use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::Store;

/// A row.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    id: i64,
    name: String,
    email: String,
    score: i64,
}

/// What an insert is given.
#[derive(Debug, Deserialize)]
pub(crate) struct RowDraft {
    name: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    score: i64,
}

impl Row {
    fn read(row: &rusqlite::Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self { id: row.get(0)?, name: row.get(1)?, email: row.get(2)?, score: row.get(3)? })
    }
}

impl Store {
    /// One of the rows that are there from the start.
    pub(crate) fn row(&self, id: i64) -> Result<Option<Row>, rusqlite::Error> {
        self.reader()
            .prepare_cached("SELECT id, name, email, score FROM seeded WHERE id = ?1")?
            .query_row([id], Row::read)
            .optional()
    }

    /// A new row.
    pub(crate) fn insert_row(&self, draft: &RowDraft) -> Result<Row, rusqlite::Error> {
        self.writer()
            .prepare_cached(
                "INSERT INTO written (name, email, score) VALUES (?1, ?2, ?3)
                 RETURNING id, name, email, score",
            )?
            .query_row(params![draft.name, draft.email, draft.score], Row::read)
    }

    /// Note that a background task has run.
    pub(crate) fn note_background(&self, task: u64) -> Result<(), rusqlite::Error> {
        self.writer()
            .prepare_cached("INSERT INTO background (task) VALUES (?1)")?
            // Numbers of tasks count from 1 and never come near the sign.
            .execute([task as i64])
            .map(|_one| ())
    }
}
