//! The history: an index of all runs, made of their folders and made again from them at any time.
//!
//! A run is in the history once its files are safe. If that fails, the run is still there, and the
//! next rebuild finds it. `uringbench-document` defines the entries.

mod error;
mod filter;
mod folders;
mod local;
mod pattern;
mod remote;
mod row;
mod schema;
mod select;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use error::HistoryError;
pub use filter::HistoryFilter;
pub(crate) use folders::{Below, entry as entry_in};
pub use local::{History, Rebuilt};
pub use remote::{DatabaseUrl, RemoteError, RemoteHistory};
pub use select::{FoundRun, SelectError, select, select_entries};

/// The name of the file in the folder of the results.
const FILE: &str = "history.sqlite";
/// How long a writer waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where runs are entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPlace {
    /// The folder of results whose history it is.
    pub root: PathBuf,
    /// Whether that folder is made if it is missing; without, nothing is entered then.
    pub is_made: bool,
    /// The database to which runs are sent too.
    pub database: Option<DatabaseUrl>,
}

/// Why a stored run is not entered everywhere. It is never lost.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// It is not in the history beside the runs.
    #[error("the run is stored, but not in the history: {0}")]
    NotEntered(#[from] HistoryError),
    /// It is there, but has not reached the database.
    #[error(
        "the run is stored and in the history here, but not in the database {database} ({cause}); \
         {pending} unsent {} sent with the next run that has this --store",
        if *pending == 1 { "run is" } else { "runs are" }
    )]
    NotSent {
        /// Host, port and name of the database.
        database: String,
        /// Why it was not reached.
        cause: RemoteError,
        /// The number of runs that wait for it.
        pending: usize,
    },
}

impl HistoryPlace {
    /// Enter the run in `folder`.
    ///
    /// # Errors
    /// If the history cannot be written, or the database cannot be reached; the run is not
    /// affected.
    pub fn add(&self, folder: &Path) -> Result<(), EnterError> {
        if self.is_made || self.root.is_dir() {
            let mut history = History::open(&self.root)?;
            history.add(folder, self.database.is_some())?;
            self.send_pending(&mut history)?;
        }
        Ok(())
    }

    /// Send to the database every run that has not reached it.
    ///
    /// # Errors
    /// If it cannot be reached; the runs keep waiting.
    pub fn send_pending(&self, history: &mut History) -> Result<(), EnterError> {
        let Some(database) = &self.database else { return Ok(()) };
        let pending = history.pending()?;
        let sent = RemoteHistory::connect(database).and_then(|mut remote| remote.add(&pending));
        match sent {
            Ok(()) => Ok(history.mark_sent(&pending)?),
            Err(cause) => Err(EnterError::NotSent {
                database: database.to_string(),
                cause,
                pending: pending.len(),
            }),
        }
    }
}
