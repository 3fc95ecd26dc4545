//! Errors of a database, and their fixes.

use std::error::Error as _;

use deadpool_postgres::PoolError;
use thiserror::Error;
use tokio_postgres::error::SqlState;

/// Why a statement failed.
#[derive(Debug, Error)]
pub(crate) enum StoreError {
    /// PostgreSQL cannot store such text, so it is refused for SQLite too.
    #[error("text with a NUL character cannot be kept")]
    Nul,
    /// A statement that always creates a record created none.
    #[error("the record that was written did not come back")]
    Nothing,
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("{}", described(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// The server was unreachable, or all its connections were busy for too long.
    #[error("no connection to the server: {}", told_of_pool(.0))]
    Pool(#[from] PoolError),
}

impl StoreError {
    /// Whether the same statement may succeed later: it is not at fault.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Pool(_) => true,
            Self::Postgres(error) => match error.code() {
                Some(code) => is_end_of_server(code),
                None => error.is_closed() || is_io(error),
            },
            Self::Nul | Self::Nothing | Self::Sqlite(_) => false,
        }
    }

    /// Whether a record refers to one that does not exist, or no longer.
    pub(crate) fn is_dangling(&self) -> bool {
        match self {
            Self::Sqlite(rusqlite::Error::SqliteFailure(failure, _)) => {
                failure.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY
            }
            Self::Postgres(error) => error.code() == Some(&SqlState::FOREIGN_KEY_VIOLATION),
            _ => false,
        }
    }

    /// The fix if a database cannot be opened.
    pub(crate) fn fix(&self) -> &'static str {
        match self {
            Self::Nul | Self::Nothing | Self::Sqlite(_) => "choose another file with --database",
            Self::Postgres(error) | Self::Pool(PoolError::Backend(error)) => {
                remedy_of_server(error)
            }
            Self::Pool(_) => "see whether the server is overloaded, or name another in --database",
        }
    }
}

fn remedy_of_server(error: &tokio_postgres::Error) -> &'static str {
    let Some(code) = error.code() else {
        return if is_io(error) {
            "start the server, or fix host and port in --database"
        } else {
            "give --database as postgres://user:password@host:5432/name, of a server without TLS"
        };
    };
    match *code {
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "fix user and password in --database"
        }
        SqlState::INVALID_CATALOG_NAME => "create it with createdb, or name another in --database",
        SqlState::INSUFFICIENT_PRIVILEGE => "let the user create tables there, or name another",
        SqlState::TOO_MANY_CONNECTIONS => "close others, or raise the server's max_connections",
        _ => "fix --database or the server",
    }
}

fn is_end_of_server(code: &SqlState) -> bool {
    [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::TOO_MANY_CONNECTIONS,
    ]
    .contains(code)
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    error.source().is_some_and(|source| source.is::<std::io::Error>())
}

/// The driver's error with its cause, in one line.
fn described(error: &tokio_postgres::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}").replace('\n', " "),
        None => error.to_string(),
    }
}

fn told_of_pool(error: &PoolError) -> String {
    match error {
        PoolError::Backend(error) => described(error),
        other => other.to_string(),
    }
}
