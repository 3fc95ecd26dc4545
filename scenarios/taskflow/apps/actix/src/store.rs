//! The database: SQLite in memory, with the tables and statements of the reference application.
//!
//! Statements run on the worker that serves the request, as they do there: they take microseconds,
//! less than `web::block` costs to pass them to another thread.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Params, Row};

use crate::error_response::ErrorResponse;

/// A list never has more: its cost must not grow with the length of a run.
pub(crate) const LIST_MAX: i64 = 50;

/// Prepared statements that are kept: all of them.
const STATEMENTS: usize = 64;

/// The tables make the owner of a project its first member.
const SCHEMA: &str = "
BEGIN;
CREATE TABLE users (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, email TEXT NOT NULL,
    salt TEXT NOT NULL, secret TEXT NOT NULL
);
CREATE TABLE sessions (
    token TEXT PRIMARY KEY, account INTEGER NOT NULL REFERENCES users ON DELETE CASCADE
) WITHOUT ROWID;
CREATE TABLE projects (
    id INTEGER PRIMARY KEY, owner INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
    name TEXT NOT NULL, description TEXT NOT NULL
);
CREATE TABLE members (
    member INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
    project INTEGER NOT NULL REFERENCES projects ON DELETE CASCADE,
    PRIMARY KEY (member, project)
) WITHOUT ROWID;
CREATE INDEX members_of ON members (project);
CREATE TRIGGER owner_joins AFTER INSERT ON projects BEGIN
    INSERT INTO members (member, project) VALUES (new.owner, new.id);
END;
CREATE TABLE tasks (
    id INTEGER PRIMARY KEY, project INTEGER NOT NULL REFERENCES projects ON DELETE CASCADE,
    title TEXT NOT NULL, description TEXT NOT NULL, status TEXT NOT NULL,
    assignee INTEGER REFERENCES users ON DELETE SET NULL
);
CREATE INDEX tasks_of ON tasks (project, id);
COMMIT;
";

/// A type that is read from a row, with its fields in the order of the statement.
pub(crate) trait Record: Sized {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self>;
}

/// The open database. One in memory cannot have a second connection.
pub struct Store(Mutex<Connection>);

impl Store {
    /// An empty database.
    ///
    /// # Errors
    /// Those of SQLite.
    pub fn open() -> rusqlite::Result<Self> {
        let connection = Connection::open_in_memory()?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.execute_batch(SCHEMA)?;
        Ok(Self(Mutex::new(connection)))
    }

    /// The first record that a statement finds, or changes and returns.
    pub(crate) fn first<T: Record>(
        &self,
        statement: &'static str,
        values: impl Params,
    ) -> Result<Option<T>, ErrorResponse> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(statement)?;
        let mut rows = statement.query(values)?;
        let first = rows.next()?.map(T::read).transpose()?;
        // A change is made, and committed, when its statement has run to the end.
        while rows.next()?.is_some() {}
        Ok(first)
    }

    /// The record that a statement creates.
    pub(crate) fn create<T: Record>(
        &self,
        statement: &'static str,
        values: impl Params,
    ) -> Result<T, ErrorResponse> {
        let created = self.first(statement, values)?;
        created.ok_or(ErrorResponse::Storage(rusqlite::Error::QueryReturnedNoRows))
    }

    /// All records that a statement finds.
    pub(crate) fn list<T: Record>(
        &self,
        statement: &'static str,
        values: impl Params,
    ) -> Result<Vec<T>, ErrorResponse> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(statement)?;
        let records = statement.query_map(values, T::read)?.collect::<Result<_, _>>()?;
        Ok(records)
    }

    /// Run a statement that returns nothing.
    pub(crate) fn execute(
        &self,
        statement: &'static str,
        values: impl Params,
    ) -> Result<(), ErrorResponse> {
        self.connection().prepare_cached(statement)?.execute(values)?;
        Ok(())
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // Each statement is a transaction of its own, so the connection is valid after a panic too.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
