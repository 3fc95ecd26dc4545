//! Files that are written completely or not at all, in a folder that is checked to be writable
//! before the run.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use uringbench_document::capacity::CapacityDocument;
use uringbench_document::{Document, EncodeError, HistogramLog, PlanFile};

/// The name of a run's document.
pub(crate) const DOCUMENT: &str = "run.json";
/// The name of an imported benchmark.
pub(crate) const BENCHMARK: &str = "microbenchmark.json";
/// The document of a capacity search.
pub(crate) const CAPACITY: &str = "capacity.json";
/// The plan of a run.
pub(crate) const PLAN: &str = "plan.json";

/// Why results cannot be stored, and the fix.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be created.
    #[error("cannot make the results folder {}: {cause}; name another with -o DIR", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// The folder exists, but no file can be created in it.
    #[error(
        "cannot write to the results folder {}: {cause}; change its permissions or name another \
         with -o DIR",
        path.display()
    )]
    NotWritable {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// No space, or no quota, is left.
    #[error(
        "the disk is full: {} was not stored ({cause}); free some space or name a folder on \
         another disk with -o DIR, and run again",
        path.display()
    )]
    Full {
        /// The file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// Any other failure to write.
    #[error("{} was not stored: {cause}; name another folder with -o DIR", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// A histogram or a figure that cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// A writable folder for results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    folder: PathBuf,
}

/// Names tried for a new folder; a thousand runs within one second.
const NUMBERS_MAX: u32 = 1_000;

impl Destination {
    /// The folder named by the user. It may exist; the run's files then replace those of an earlier
    /// run.
    ///
    /// # Errors
    /// If it cannot be created or written to.
    pub fn prepare(folder: &Path) -> Result<Self, StoreError> {
        make_all(folder)?;
        Self::checked(folder.to_path_buf())
    }

    /// A new folder for a run without one: `wanted`, or `wanted-2`, `wanted-3` … if that exists.
    ///
    /// # Errors
    /// If it cannot be created or written to.
    pub fn prepare_new(wanted: &Path) -> Result<Self, StoreError> {
        if let Some(parent) = wanted.parent() {
            make_all(parent)?;
        }
        let mut number = 1;
        loop {
            let folder = numbered(wanted, number);
            match fs::create_dir(&folder) {
                Ok(()) => return Self::checked(folder),
                Err(cause)
                    if cause.kind() == io::ErrorKind::AlreadyExists && number < NUMBERS_MAX =>
                {
                    number += 1;
                }
                Err(cause) => return Err(StoreError::Folder { path: folder, cause }),
            }
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Write `run.json`.
    ///
    /// # Errors
    /// If it cannot be written; the name then does not exist, or is still the earlier file.
    pub fn write_document(&self, document: &Document) -> Result<PathBuf, StoreError> {
        let text = document.to_json()?;
        self.write(DOCUMENT, |file| {
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")
        })
    }

    /// Write `plan.json`, readable by its owner alone: it contains bodies and URLs as they are.
    /// Without a plan there is no such file, and an earlier run's is removed.
    ///
    /// # Errors
    /// See [`Destination::write_document`].
    pub fn write_plan(&self, plan: Option<&PlanFile>) -> Result<(), StoreError> {
        let Some(plan) = plan else {
            // There may be none; if it cannot be removed, the other files fail too.
            let _ = fs::remove_file(self.folder.join(PLAN));
            return Ok(());
        };
        let text = plan.to_json()?;
        self.write(PLAN, |file| {
            file.set_permissions(Permissions::from_mode(0o600))?;
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")
        })?;
        Ok(())
    }

    /// Write `response.hlog`.
    ///
    /// # Errors
    /// See [`Destination::write_document`].
    pub fn write_log(&self, log: &HistogramLog) -> Result<PathBuf, StoreError> {
        self.write("response.hlog", |file| file.write_all(log.as_str().as_bytes()))
    }

    /// Write `capacity.json`.
    ///
    /// # Errors
    /// See [`Destination::write_document`].
    pub fn write_capacity(&self, document: &CapacityDocument) -> Result<PathBuf, StoreError> {
        let text = document.to_json()?;
        self.write(CAPACITY, |file| {
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")
        })
    }

    /// Write `capacity.svg`, the picture beside it.
    ///
    /// # Errors
    /// See [`Destination::write_document`].
    pub fn write_capacity_picture(&self, svg: &str) -> Result<PathBuf, StoreError> {
        self.write("capacity.svg", |file| file.write_all(svg.as_bytes()))
    }

    /// Write a file of the run under a temporary name, sync it to disk, and then rename it (and
    /// sync the rename too: fsync(2)).
    pub(crate) fn write(
        &self,
        name: &str,
        content: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<PathBuf, StoreError> {
        let partial = self.folder.join(format!(".{name}.partial"));
        let written = File::create(&partial).and_then(|mut file| {
            content(&mut file)?;
            file.sync_all()
        });
        self.name(&partial, name, written)
    }

    /// Rename a file that is on disk, if it was written.
    pub(crate) fn name(
        &self,
        partial: &Path,
        name: &str,
        written: io::Result<()>,
    ) -> Result<PathBuf, StoreError> {
        let path = self.folder.join(name);
        let named = written
            .and_then(|()| fs::rename(partial, &path))
            .and_then(|()| File::open(&self.folder)?.sync_all());
        match named {
            Ok(()) => Ok(path),
            Err(cause) => {
                // Best effort: on a full disk the written part should not stay.
                let _ = fs::remove_file(partial);
                Err(StoreError::of_write(path, cause))
            }
        }
    }

    fn checked(folder: PathBuf) -> Result<Self, StoreError> {
        let probe = folder.join(".uringbench-probe");
        let tried = fs::write(&probe, b"x").and_then(|()| fs::remove_file(&probe));
        match tried {
            Ok(()) => Ok(Self { folder }),
            Err(cause) if is_full(&cause) => Err(StoreError::Full { path: folder, cause }),
            Err(cause) => Err(StoreError::NotWritable { path: folder, cause }),
        }
    }
}

impl StoreError {
    fn of_write(path: PathBuf, cause: io::Error) -> Self {
        if is_full(&cause) { Self::Full { path, cause } } else { Self::Write { path, cause } }
    }
}

fn is_full(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn make_all(folder: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(folder).map_err(|cause| match is_full(&cause) {
        true => StoreError::Full { path: folder.to_path_buf(), cause },
        false => StoreError::Folder { path: folder.to_path_buf(), cause },
    })
}

fn numbered(wanted: &Path, number: u32) -> PathBuf {
    if number == 1 {
        return wanted.to_path_buf();
    }
    let mut name = wanted.as_os_str().to_owned();
    name.push(format!("-{number}"));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests;
