//! SQLite, embedded.
//!
//! Statements run on the thread that serves the request: they take microseconds, less than passing
//! them to another thread costs. Several workers read a file over one connection each, while
//! another connection writes to it. One worker does not need a second connection, whose cached
//! pages each write would invalidate, and a database in memory cannot have any.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use rusqlite::{CachedStatement, Connection, params_from_iter};

use super::fields::{Fields, Record, Value};
use super::{StoreError, schema};

/// Prepared statements kept per connection: all of them.
const STATEMENTS: usize = 64;
/// How long another process that has the file open may block it.
const BUSY: Duration = Duration::from_secs(5);

/// Pages of 4 KiB that are written before they are moved into the file, which takes as long as the
/// disk does: rarely, so that few requests wait for it.
const CHECKPOINT_PAGES: u32 = 8_192;

/// An open database.
pub(crate) struct Sqlite {
    writer: Mutex<Connection>,
    /// None for a database in memory, or for one worker.
    readers: Vec<Mutex<Connection>>,
    turn: AtomicUsize,
}

impl Sqlite {
    /// Open the file, or a database in memory, and create missing tables and rows.
    pub(super) fn open(file: Option<&Path>, workers: usize) -> Result<Self, StoreError> {
        let writer = connect(file)?;
        writer.execute_batch(schema::SQLITE)?;
        let readers = match file {
            Some(_) if workers > 1 => {
                (0..workers).map(|_| connect(file).map(Mutex::new)).collect::<Result<_, _>>()?
            }
            _ => Vec::new(),
        };
        Ok(Self { writer: Mutex::new(writer), readers, turn: AtomicUsize::new(0) })
    }

    /// The connection that may write.
    pub(super) fn writer(&self) -> MutexGuard<'_, Connection> {
        // Each statement is a transaction of its own, so the connection is valid after a panic too.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection to read with: a free one, if any.
    pub(super) fn reader(&self) -> MutexGuard<'_, Connection> {
        if self.readers.is_empty() {
            return self.writer();
        }
        for reader in &self.readers {
            match reader.try_lock() {
                Ok(free) => return free,
                Err(TryLockError::Poisoned(free)) => return free.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        let turn = self.turn.fetch_add(1, Relaxed) % self.readers.len();
        self.readers[turn].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn first<T: Record>(
    connection: &Connection,
    statement: &'static str,
    values: &[Value<'_>],
) -> Result<Option<T>, StoreError> {
    let mut statement = prepared(connection, statement)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let first = rows.next()?.map(|row| T::read(&Fields::Sqlite(row))).transpose()?;
    // A change is made, and committed, when its statement has run to the end.
    while rows.next()?.is_some() {}
    Ok(first)
}

pub(super) fn all<T: Record>(
    connection: &Connection,
    statement: &'static str,
    values: &[Value<'_>],
) -> Result<Vec<T>, StoreError> {
    let mut statement = prepared(connection, statement)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(T::read(&Fields::Sqlite(row))?);
    }
    Ok(records)
}

pub(super) fn execute(
    connection: &Connection,
    statement: &'static str,
    values: &[Value<'_>],
) -> Result<(), StoreError> {
    prepared(connection, statement)?.execute(params_from_iter(values))?;
    Ok(())
}

fn prepared<'a>(
    connection: &'a Connection,
    statement: &'static str,
) -> Result<CachedStatement<'a>, StoreError> {
    let prepared = connection.prepare_cached(statement)?;
    debug_assert!(
        (1..=prepared.parameter_count())
            .all(|index| prepared.parameter_name(index) == Some(&format!("${index}"))),
        "parameters first appear in their order: {statement}"
    );
    Ok(prepared)
}

fn connect(file: Option<&Path>) -> Result<Connection, StoreError> {
    let connection = match file {
        Some(file) => Connection::open(file)?,
        None => Connection::open_in_memory()?,
    };
    connection.busy_timeout(BUSY)?;
    // Readers do not wait for the writer, and a commit is one append. A crash of the machine may
    // lose the last commits, never the file.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}
