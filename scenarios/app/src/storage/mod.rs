//! The database: SQLite, embedded, or a PostgreSQL server. Each statement is written once, in the
//! files beside this one, and runs on either.

mod accounts;
mod database;
mod error;
mod fields;
mod postgres;
mod projects;
mod rows;
mod schema;
mod sqlite;
mod tasks;

pub use database::Database;

pub(crate) use accounts::{Account, User, hexadecimal};
pub(crate) use error::StoreError;
pub(crate) use projects::{Project, ProjectDraft};
pub(crate) use rows::{Row, RowDraft};
pub(crate) use tasks::{Task, TaskDraft};

use fields::{Record, Value};
use postgres::Postgres;
use sqlite::Sqlite;

/// An open database.
///
/// Statements are constants, prepared on every connection. Their parameters are `$1`, `$2`, …, and
/// first appear in this order: SQLite counts them in order of appearance.
pub(crate) enum Store {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Store {
    /// Open the database for this many workers, and create missing tables and rows.
    pub(crate) async fn open(database: &Database, workers: usize) -> Result<Self, StoreError> {
        match database {
            Database::Memory => Sqlite::open(None, workers).map(Self::Sqlite),
            Database::File(file) => Sqlite::open(Some(file), workers).map(Self::Sqlite),
            Database::Postgres(url) => Postgres::open(url).await.map(Self::Postgres),
        }
    }

    /// The first record found by a statement that changes nothing.
    async fn find<T: Record>(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<T>, StoreError> {
        fields::check(values)?;
        match self {
            Self::Sqlite(sqlite) => sqlite::first(&sqlite.reader(), statement, values),
            Self::Postgres(postgres) => postgres.first(statement, values).await,
        }
    }

    /// All records found by a statement that changes nothing.
    async fn list<T: Record>(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<T>, StoreError> {
        fields::check(values)?;
        match self {
            Self::Sqlite(sqlite) => sqlite::all(&sqlite.reader(), statement, values),
            Self::Postgres(postgres) => postgres.all(statement, values).await,
        }
    }

    /// The first record that a statement changed and returns.
    async fn change<T: Record>(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<T>, StoreError> {
        fields::check(values)?;
        match self {
            Self::Sqlite(sqlite) => sqlite::first(&sqlite.writer(), statement, values),
            Self::Postgres(postgres) => postgres.first(statement, values).await,
        }
    }

    /// The record that a statement creates whenever it succeeds.
    async fn create<T: Record>(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<T, StoreError> {
        self.change(statement, values).await?.ok_or(StoreError::Nothing)
    }

    /// Change without reading the result.
    async fn execute(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<(), StoreError> {
        fields::check(values)?;
        match self {
            Self::Sqlite(sqlite) => sqlite::execute(&sqlite.writer(), statement, values),
            Self::Postgres(postgres) => postgres.execute(statement, values).await,
        }
    }
}
