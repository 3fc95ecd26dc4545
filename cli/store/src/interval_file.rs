//! `intervals.hlog`, written during the run and renamed when it is complete.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use uringbench_core::histogram::LatencyCounts;
use uringbench_core::record::Interval;
use uringbench_document::IntervalLog;

use crate::write::{Destination, StoreError};

/// The name of the file.
pub const INTERVALS: &str = "intervals.hlog";

/// The log of a current run. If it is dropped, no file remains.
pub struct IntervalFile {
    destination: Destination,
    partial: PathBuf,
    state: io::Result<IntervalLog<File>>,
}

impl IntervalFile {
    /// Begin the log of a run that began at `started`. A failure is reported at the end and does
    /// not stop the run.
    pub fn begin(destination: &Destination, started: SystemTime) -> Self {
        let partial = destination.folder().join(format!(".{INTERVALS}.partial"));
        let state = File::create(&partial).and_then(|file| IntervalLog::begin(file, started));
        Self { destination: destination.clone(), partial, state }
    }

    /// An interval is complete.
    pub fn append(&mut self, interval: &Interval, response: &LatencyCounts) {
        if let Ok(log) = &mut self.state
            && let Err(cause) = log.append(interval, response)
        {
            self.state = Err(cause);
        }
    }

    /// The run is over: rename the file.
    ///
    /// # Errors
    /// If it could not be written; the name then does not exist, or is still an earlier run's file.
    pub fn finish(mut self) -> Result<PathBuf, StoreError> {
        let state = std::mem::replace(&mut self.state, Err(io::ErrorKind::NotFound.into()));
        let synced = state.and_then(|log| log.into_inner().sync_all());
        self.destination.name(&self.partial, INTERVALS, synced)
    }
}

impl Drop for IntervalFile {
    fn drop(&mut self) {
        // Best effort; after the rename there is nothing to remove.
        let _ = fs::remove_file(&self.partial);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::time::UNIX_EPOCH;

    fn names(folder: &std::path::Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        entries.map(|name| name.into_string().unwrap()).collect()
    }

    #[test]
    fn a_log_has_its_name_when_it_is_whole_and_leaves_nothing_otherwise() {
        let root = tempfile::tempdir().unwrap();
        let destination = Destination::prepare(root.path()).unwrap();
        drop(IntervalFile::begin(&destination, UNIX_EPOCH));
        assert!(names(root.path()).is_empty());
        let file = IntervalFile::begin(&destination, UNIX_EPOCH);
        assert_eq!(names(root.path()), [".intervals.hlog.partial"]);
        assert_eq!(file.finish().unwrap(), root.path().join(INTERVALS));
        assert_eq!(names(root.path()), [INTERVALS]);
        let text = fs::read_to_string(root.path().join(INTERVALS)).unwrap();
        assert!(text.starts_with("#[Histogram log format version 1.3]\n"), "{text}");
    }

    #[test]
    fn a_folder_that_vanished_is_told_at_the_end() {
        let root = tempfile::tempdir().unwrap();
        let destination = Destination::prepare(&root.path().join("gone")).unwrap();
        fs::remove_dir(destination.folder()).unwrap();
        let error = IntervalFile::begin(&destination, UNIX_EPOCH).finish().unwrap_err();
        assert!(error.to_string().contains("intervals.hlog was not stored"), "{error}");
    }

    #[test]
    fn a_full_disk_is_told_as_such() {
        let root = tempfile::tempdir().unwrap();
        let destination = Destination::prepare(root.path()).unwrap();
        let mut file = IntervalFile::begin(&destination, UNIX_EPOCH);
        // The kernel's own ENOSPC.
        let full = File::options().write(true).open("/dev/full").unwrap();
        file.state = (&full).write_all(b"x").and(Err(io::ErrorKind::Other.into()));
        assert!(matches!(file.finish().unwrap_err(), StoreError::Full { .. }));
        assert!(names(root.path()).is_empty());
    }
}
