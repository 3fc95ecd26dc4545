//! The files of a suite beside the folders of its runs.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::layout::plain;
use crate::write::{Destination, StoreError};

/// The folder of all suites, below that of results.
const SUITES: &str = "suites";

/// The folder of a suite's results.
#[derive(Clone, Debug)]
pub struct SuiteFiles {
    destination: Destination,
}

impl SuiteFiles {
    /// The folder named by the user; it may hold runs of the same suite.
    ///
    /// # Errors
    /// If it cannot be created or written to.
    pub fn at(folder: &Path) -> Result<Self, StoreError> {
        Ok(Self { destination: Destination::prepare(folder)? })
    }

    /// A new folder below that of results, with the time in its name.
    ///
    /// # Errors
    /// If it cannot be created or written to.
    pub fn new_below(results: &Path, name: &str, time: &str) -> Result<Self, StoreError> {
        let folder = results.join(SUITES).join(plain(name)).join(time);
        Ok(Self { destination: Destination::prepare_new(&folder)? })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.destination.folder()
    }

    /// Writes a file, below the folder if `name` has folders.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<(), StoreError> {
        let path = self.folder().join(name);
        let (folder, file) = match (path.parent(), path.file_name().and_then(|it| it.to_str())) {
            (Some(folder), Some(file)) => (folder, file),
            _ => (self.folder(), name),
        };
        Destination::prepare(folder)?.write(file, |out| out.write_all(text.as_bytes()))?;
        Ok(())
    }

    /// Copies a run's flame graph to `flamegraphs/{target}_{case}.svg`; its path from the folder of
    /// the suite. `None` if the run has none.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep_flamegraph(
        &self,
        run: &Path,
        target: &str,
        case: &str,
    ) -> Result<Option<String>, StoreError> {
        let Ok(picture) = fs::read_to_string(run.join("flamegraph.svg")) else { return Ok(None) };
        let name = format!("flamegraphs/{}_{}.svg", plain(target), plain(case));
        self.write(&name, &picture)?;
        Ok(Some(name))
    }
}

/// The newest folder of a suite below that of results.
pub fn newest_suite(results: &Path, name: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(results.join(SUITES).join(plain(name))).ok()?;
    entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_folder_is_found_and_files_have_their_folders() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(newest_suite(root.path(), "a b"), None);
        for time in ["20260101T000000Z", "20260102T000000Z"] {
            SuiteFiles::new_below(root.path(), "a b", time).unwrap();
        }
        let newest = newest_suite(root.path(), "a b").unwrap();
        assert!(newest.ends_with("suites/a_b/20260102T000000Z"));
        let files = SuiteFiles::at(&newest).unwrap();
        files.write("x/y/z.txt", "text").unwrap();
        assert_eq!(fs::read_to_string(newest.join("x/y/z.txt")).unwrap(), "text");
        assert_eq!(files.keep_flamegraph(&newest.join("x"), "t", "c").unwrap(), None);
        fs::write(newest.join("x/flamegraph.svg"), "<svg/>").unwrap();
        let kept = files.keep_flamegraph(&newest.join("x"), "t", "files/up@10").unwrap();
        assert_eq!(kept.as_deref(), Some("flamegraphs/t_files_up_10.svg"));
    }
}
