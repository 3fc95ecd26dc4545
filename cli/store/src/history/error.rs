//! Why the history cannot be used, and the fix.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use uringbench_document::EncodeError;

use crate::read::ReadRunError;

/// Why the history cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// Its file is no database, or parts of it are wrong.
    #[error(
        "the history {} is damaged ({cause}): `uringbench history rebuild` makes it again from \
         the folders of the runs",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// SQLite's error.
        cause: rusqlite::Error,
    },
    /// Another process writes for too long.
    #[error(
        "the history {} was in use by another process for {} s; when that has ended, \
         `uringbench history rebuild` adds missing runs",
        path.display(),
        super::PATIENCE.as_secs()
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// No space is left.
    #[error(
        "the disk is full: the history {} was not changed ({cause}); free some space, then \
         `uringbench history rebuild` adds missing runs",
        path.display()
    )]
    Full {
        /// The file.
        path: PathBuf,
        /// SQLite's error.
        cause: rusqlite::Error,
    },
    /// It cannot be opened or written to.
    #[error(
        "cannot use the history {} ({cause}): change its permissions, or name another folder of \
         results with --store DIR",
        path.display()
    )]
    Unusable {
        /// The file.
        path: PathBuf,
        /// SQLite's error.
        cause: rusqlite::Error,
    },
    /// A later version of the tables.
    #[error(
        "the history {place} has tables of version {found}, made by a newer uringbench than this \
         one, which knows version {known}: update this one"
    )]
    Newer {
        /// The file or the database.
        place: String,
        /// The version of the tables.
        found: i64,
        /// The version that this uringbench makes.
        known: i64,
    },
    /// Any other failure.
    #[error("the history {} cannot be read: {cause}", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// SQLite's error.
        cause: rusqlite::Error,
    },
    /// A folder or a file of it.
    #[error("{}: {cause}", path.display())]
    File {
        /// The folder or file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// A run that should be added.
    #[error(transparent)]
    Run(#[from] ReadRunError),
    /// An imported benchmark that cannot be read.
    #[error("{} is damaged ({cause}): delete its folder, and import it again", path.display())]
    NoBenchmark {
        /// The file.
        path: PathBuf,
        /// The fault.
        cause: serde_json::Error,
    },
    /// A figure without a form in JSON.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl HistoryError {
    /// Of an error of SQLite.
    pub(super) fn of(path: &Path, cause: rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        match cause.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { path, cause }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked { path },
            Some(ErrorCode::DiskFull) => Self::Full { path, cause },
            Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                Self::Unusable { path, cause }
            }
            _ => Self::Other { path, cause },
        }
    }

    /// Whether a rebuild must begin with a new file.
    pub(super) const fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}
