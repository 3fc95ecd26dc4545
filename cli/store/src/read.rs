//! Reads runs from their folders.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use uringbench_document::{Document, PlanFile, PlanFileError, ReadError};

use crate::write::{DOCUMENT, PLAN};

/// Why a run cannot be read, and the fix.
#[derive(Debug, thiserror::Error)]
pub enum ReadRunError {
    /// The file does not exist, or may not be read.
    #[error(
        "cannot read {}: {cause}; name the folder of a run, or the run.json in it",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// The file has other content.
    #[error("cannot show {}: {cause}", path.display())]
    NoRun {
        /// The file.
        path: PathBuf,
        /// The fault.
        cause: ReadError,
    },
}

/// A run on disk.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRun {
    /// Its folder.
    pub folder: PathBuf,
    /// Its document.
    pub document: Document,
}

impl StoredRun {
    /// Read the run at `path`: its folder, or its document.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    pub fn open(path: &Path) -> Result<Self, ReadRunError> {
        let (folder, file) = if path.is_dir() {
            (path.to_path_buf(), path.join(DOCUMENT))
        } else {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            (folder.unwrap_or_else(|| Path::new(".")).to_path_buf(), path.to_path_buf())
        };
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(cause) => return Err(ReadRunError::Unreadable { path: file, cause }),
        };
        match Document::read(&text) {
            Ok(document) => Ok(Self { folder, document }),
            Err(cause) => Err(ReadRunError::NoRun { path: file, cause }),
        }
    }
}

/// Why the plan of a run cannot be read, and the fix.
#[derive(Debug, thiserror::Error)]
pub enum PlanReadError {
    /// The file does not exist, or may not be read.
    #[error(
        "cannot read {}: {cause}; name the folder of a run that has a plan.json, or type the \
         command of the run again",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// The file has other content.
    #[error("cannot repeat {}: {cause}", path.display())]
    NoPlan {
        /// The file.
        path: PathBuf,
        /// The fault.
        cause: PlanFileError,
    },
}

/// The plan of the run at `path`, its folder or a file in it, and the plan's own file.
///
/// # Errors
/// If there is none, or it cannot be read.
pub fn read_plan(path: &Path) -> Result<(PlanFile, PathBuf), PlanReadError> {
    let file = if path.is_dir() { path.join(PLAN) } else { path.with_file_name(PLAN) };
    match fs::read_to_string(&file).map(|text| PlanFile::read(&text)) {
        Ok(Ok(plan)) => Ok((plan, file)),
        Ok(Err(cause)) => Err(PlanReadError::NoPlan { path: file, cause }),
        Err(cause) => Err(PlanReadError::Unreadable { path: file, cause }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = include_str!("../../document/tests/run-v1-first.json");

    #[test]
    fn a_run_is_its_folder_or_the_document_in_it() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join(DOCUMENT);
        fs::write(&file, FIRST).unwrap();
        let by_folder = StoredRun::open(root.path()).unwrap();
        assert_eq!(by_folder.document.plan.connections, 64);
        assert_eq!(by_folder.folder, root.path());
        assert_eq!(StoredRun::open(&file).unwrap(), by_folder);
    }

    #[test]
    fn what_cannot_be_read_is_named_with_cause_and_fix() {
        let root = tempfile::tempdir().unwrap();
        let message = |path: &Path| StoredRun::open(path).unwrap_err().to_string();
        let missing = message(root.path());
        assert!(missing.starts_with("cannot read ") && missing.contains("run.json: No such"));
        assert!(missing.ends_with("; name the folder of a run, or the run.json in it"));
        let file = root.path().join("other.json");
        fs::write(&file, FIRST.replacen("run/1", "run/2", 1)).unwrap();
        let newer = message(&file);
        assert!(newer.contains("other.json: it is a `uringbench.run/2`"), "{newer}");
        fs::write(&file, [0xff, 0xfe]).unwrap();
        assert!(message(&file).contains("valid UTF-8"), "{}", message(&file));
    }
}
