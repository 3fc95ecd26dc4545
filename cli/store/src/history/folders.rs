//! The results on disk from which the history is made.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use uringbench_document::MicroBenchmark;
use uringbench_document::history::HistoryEntry;

use super::error::HistoryError;
use crate::read::ReadRunError;
use crate::write::{BENCHMARK, DOCUMENT};

/// Folders below one another, at most: target, scenario, time, and folders that group them.
const DEPTH_MAX: u32 = 12;

/// What lies below a folder.
#[derive(Debug, Default)]
pub(crate) struct Below {
    /// The folders with a result, the folder itself among them, in the order of their names.
    pub(crate) found: Vec<PathBuf>,
    /// Folders that cannot be looked into, and why.
    pub(crate) unread: Vec<(PathBuf, io::Error)>,
}

/// The entry of the run or of the imported benchmark in `folder`.
pub(crate) fn entry(root: &Path, folder: &Path) -> Result<HistoryEntry, HistoryError> {
    let (run, benchmark) = (folder.join(DOCUMENT), folder.join(BENCHMARK));
    let entry = if benchmark.is_file() && !run.is_file() {
        let text = fs::read_to_string(&benchmark)
            .map_err(|cause| HistoryError::File { path: benchmark.clone(), cause })?;
        let read = MicroBenchmark::read(&text);
        read.map_err(|cause| HistoryError::NoBenchmark { path: benchmark, cause })?.entry()
    } else {
        let text = match fs::read_to_string(&run) {
            Ok(text) => text,
            Err(cause) => return Err(ReadRunError::Unreadable { path: run, cause }.into()),
        };
        let read = HistoryEntry::of_run(&text);
        read.map_err(|cause| ReadRunError::NoRun { path: run, cause })?
    };
    Ok(HistoryEntry { folder: name(root, folder), ..entry })
}

/// Whether there is a result in the folder.
pub(super) fn has_result(folder: &Path) -> bool {
    [DOCUMENT, BENCHMARK].iter().any(|name| folder.join(name).is_file())
}

impl Below {
    /// What is in `root` and below it.
    ///
    /// # Errors
    /// If `root` itself cannot be looked into.
    pub(crate) fn of(root: &Path) -> Result<Self, HistoryError> {
        Self::by(root, &folders_in)
    }

    /// The same by a list of the folders in a folder.
    fn by(
        root: &Path,
        folders_in: &dyn Fn(&Path) -> io::Result<Vec<PathBuf>>,
    ) -> Result<Self, HistoryError> {
        let mut below = Self::default();
        let mut open = vec![(root.to_path_buf(), DEPTH_MAX)];
        while let Some((folder, depth)) = open.pop() {
            if has_result(&folder) {
                below.found.push(folder.clone());
            }
            match folders_in(&folder) {
                Ok(inner) if depth > 0 => {
                    open.extend(inner.into_iter().map(|folder| (folder, depth - 1)));
                }
                Ok(_) => {}
                Err(cause) if folder == root => {
                    return Err(HistoryError::File { path: folder, cause });
                }
                Err(cause) => below.unread.push((folder, cause)),
            }
        }
        below.found.sort();
        Ok(below)
    }

    /// The folders with a result, for those who named the folder: of what was named, nothing is
    /// left out.
    ///
    /// # Errors
    /// If a folder cannot be looked into.
    pub(crate) fn whole(self) -> Result<Vec<PathBuf>, HistoryError> {
        match self.unread.into_iter().next() {
            Some((path, cause)) => Err(HistoryError::File { path, cause }),
            None => Ok(self.found),
        }
    }
}

/// The folders in a folder. Links are not followed: they could lead in a circle.
fn folders_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for child in fs::read_dir(folder)? {
        let child = child?;
        if child.file_type()?.is_dir() {
            found.push(child.path());
        }
    }
    Ok(found)
}

/// How the history names a folder: relative to `root` below it, or else from the top.
fn name(root: &Path, folder: &Path) -> String {
    let absolute = |path: &Path| {
        fs::canonicalize(path)
            .or_else(|_| std::path::absolute(path))
            .unwrap_or_else(|_| path.to_path_buf())
    };
    let (root, folder) = (absolute(root), absolute(folder));
    let name = folder.strip_prefix(&root).unwrap_or(&folder).to_string_lossy();
    if name.is_empty() { ".".to_owned() } else { name.into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Root may look into every folder, so that the refusal is made up.
    fn refusing(refused: PathBuf) -> impl Fn(&Path) -> io::Result<Vec<PathBuf>> {
        move |folder| match folder == refused {
            true => Err(io::ErrorKind::PermissionDenied.into()),
            false => folders_in(folder),
        }
    }

    #[test]
    fn a_folder_that_cannot_be_looked_into_hides_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for run in ["a/1", "b/1", "c"] {
            fs::create_dir_all(root.join(run)).unwrap();
            fs::write(root.join(run).join(DOCUMENT), "{}").unwrap();
        }
        let below = Below::by(root, &refusing(root.join("b"))).unwrap();
        assert_eq!(below.found, [root.join("a/1"), root.join("c")]);
        assert_eq!(below.unread.len(), 1);
        assert_eq!(below.unread[0].0, root.join("b"));
        let refused = below.whole().unwrap_err().to_string();
        assert!(refused.contains("/b: "), "{refused}");
        assert!(Below::by(root, &refusing(root.to_path_buf())).is_err());
        assert_eq!(Below::of(root).unwrap().whole().unwrap().len(), 3);
    }
}
