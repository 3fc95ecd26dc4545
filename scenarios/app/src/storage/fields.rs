//! Parameters and results of statements, for either database.

use rusqlite::types::ToSqlOutput;
use tokio_postgres::types::ToSql;

use super::StoreError;

/// A parameter.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Number(i64),
    Text(&'a str),
}

/// One found record, with its fields in the order of the statement.
pub(super) enum Fields<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a tokio_postgres::Row),
}

/// A type that is read from fields.
pub(super) trait Record: Sized {
    fn read(fields: &Fields<'_>) -> Result<Self, StoreError>;
}

impl Fields<'_> {
    pub(super) fn number(&self, index: usize) -> Result<i64, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.get(index)?,
            Self::Postgres(row) => row.try_get(index)?,
        })
    }

    /// A number, or null.
    pub(super) fn reference(&self, index: usize) -> Result<Option<i64>, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.get(index)?,
            Self::Postgres(row) => row.try_get(index)?,
        })
    }

    pub(super) fn text(&self, index: usize) -> Result<String, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.get(index)?,
            Self::Postgres(row) => row.try_get(index)?,
        })
    }
}

impl Value<'_> {
    pub(super) fn for_postgres(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Number(number) => number,
            Self::Text(text) => text,
        }
    }
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>, rusqlite::Error> {
        match self {
            Self::Number(number) => Ok(ToSqlOutput::from(*number)),
            Self::Text(text) => Ok(ToSqlOutput::from(*text)),
        }
    }
}

/// Refuse values that only one of the databases could store.
pub(super) fn check(values: &[Value<'_>]) -> Result<(), StoreError> {
    let has_nul = |value: &Value<'_>| matches!(value, Value::Text(text) if text.contains('\0'));
    if values.iter().any(has_nul) { Err(StoreError::Nul) } else { Ok(()) }
}
