//! The database: SQLite, embedded, or a PostgreSQL server. Each statement is written once, in the
//! files beside this one, and run on either.

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
/// Statements are constants, kept prepared by every connection. Their parameters are `$1`, `$2`,
/// …, and first appear in this order: SQLite counts them as they come.
pub(crate) enum Store {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Store {
    /// Open the database for so many workers, and make sure that tables and rows are there.
    pub(crate) async fn open(database: &Database, workers: usize) -> Result<Self, StoreError> {
        match database {
            Database::Memory => Sqlite::open(None, workers).map(Self::Sqlite),
            Database::File(file) => Sqlite::open(Some(file), workers).map(Self::Sqlite),
            Database::Postgres(url) => Postgres::open(url).await.map(Self::Postgres),
        }
    }

    /// What a statement that changes nothing finds: the first record.
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

    /// What a statement that changes nothing finds: all records.
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

    /// What a statement changed and returns: the first record.
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

    /// The record that a statement makes whenever it succeeds.
    async fn create<T: Record>(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<T, StoreError> {
        self.change(statement, values).await?.ok_or(StoreError::Nothing)
    }

    /// Change without asking what was changed.
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
