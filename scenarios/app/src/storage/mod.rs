//! The database: SQLite, embedded. Which statements are run is said in the files beside this one.
//!
//! Statements run on the thread that serves the request: they take microseconds, which is less
//! than handing them to another thread costs. A file is read over one connection per worker
//! while another connection writes to it; a database in memory has one connection for both.

mod accounts;
mod projects;
mod rows;
mod schema;
mod tasks;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use rusqlite::Connection;

pub(crate) use accounts::{Account, User};
pub(crate) use projects::{Project, ProjectDraft};
pub(crate) use rows::{Row, RowDraft};
pub(crate) use tasks::{Task, TaskDraft};

/// Statements kept prepared per connection: all there are.
const STATEMENTS: usize = 64;
/// How long another process that has the file open may hold it up.
const BUSY: Duration = Duration::from_secs(5);

/// An open database.
pub(crate) struct Store {
    writer: Mutex<Connection>,
    /// None for a database in memory.
    readers: Vec<Mutex<Connection>>,
    turn: AtomicUsize,
}

impl Store {
    /// Open the file, or a database in memory, and make sure that tables and rows are there.
    pub(crate) fn open(file: Option<&Path>, readers: usize) -> Result<Self, rusqlite::Error> {
        let mut writer = connect(file)?;
        schema::prepare(&mut writer)?;
        let readers = match file {
            Some(_) => {
                (0..readers).map(|_| connect(file).map(Mutex::new)).collect::<Result<_, _>>()?
            }
            None => Vec::new(),
        };
        Ok(Self { writer: Mutex::new(writer), readers, turn: AtomicUsize::new(0) })
    }

    /// The connection that may write.
    fn writer(&self) -> MutexGuard<'_, Connection> {
        // A panic rolls back what it left open, so the connection is good all the same.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection to read with: a free one, if there is one.
    fn reader(&self) -> MutexGuard<'_, Connection> {
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

fn connect(file: Option<&Path>) -> Result<Connection, rusqlite::Error> {
    let connection = match file {
        Some(file) => Connection::open(file)?,
        None => Connection::open_in_memory()?,
    };
    connection.busy_timeout(BUSY)?;
    // Readers do not wait for the writer, and a commit is one append. What a crash of the machine
    // may cost is the last commits, never the file.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}
