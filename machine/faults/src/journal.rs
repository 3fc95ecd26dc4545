//! What is to be undone, on disk before the fault is there: one file for each run, a JSON value per
//! line.
//!
//! The folder belongs to this user alone: what it says is done by whoever reads it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::process::ProcessId;
use crate::undo::{Undo, UndoError};

const EXTENSION: &str = "undo";

/// Why there is no journal, and the fix.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The folder or file cannot be used.
    #[error("{}: {cause}; without a journal no fault is injected", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// The folder is open to others.
    #[error(
        "{} belongs to or is open to other users: remove it, or set XDG_RUNTIME_DIR",
        .0.display()
    )]
    NotOurs(PathBuf),
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    /// A fault will be there.
    Begin {
        /// Its number in the file.
        id: u32,
        /// Its name.
        name: String,
        /// How it ends.
        undo: Undo,
        /// When it should have ended, on the clock of the load, in nanoseconds.
        deadline: u64,
    },
    /// It was undone, which was verified.
    End {
        /// Its number.
        id: u32,
    },
}

/// A fault that is in a journal and was not undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) undo: Undo,
    pub(crate) deadline: u64,
}

/// The journal of this run. It is removed when nothing is left to undo.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    next: u32,
}

/// A fault that an earlier run left, and whether it could be undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftUndo {
    /// The name of the fault.
    pub name: String,
    /// Whether it is gone.
    pub undone: Result<(), UndoError>,
}

/// The folder of the journals: in `$XDG_RUNTIME_DIR`, or in the folder of temporary files.
pub fn journal_folder() -> PathBuf {
    let folder = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    // By the rules of XDG a relative one does not count.
    match folder.filter(|folder| folder.is_absolute()) {
        Some(folder) => folder.join("uringbench-chaos"),
        None => {
            let user = rustix::process::geteuid().as_raw();
            std::env::temp_dir().join(format!("uringbench-chaos-{user}"))
        }
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> JournalError + '_ {
    |cause| JournalError::Io { path: path.to_path_buf(), cause }
}

/// Makes the folder, or checks the one that is there.
fn own_folder(folder: &Path) -> Result<(), JournalError> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(at(folder))?;
    let found = fs::symlink_metadata(folder).map_err(at(folder))?;
    let is_ours = found.uid() == rustix::process::geteuid().as_raw();
    if !found.is_dir() || !is_ours || found.mode() & 0o077 != 0 {
        return Err(JournalError::NotOurs(folder.to_path_buf()));
    }
    Ok(())
}

impl Journal {
    /// The journal of this process, without an entry.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn create(folder: &Path) -> Result<Self, JournalError> {
        own_folder(folder)?;
        let ProcessId { pid, start } = ProcessId::own();
        let path = folder.join(format!("{pid}-{start}.{EXTENSION}"));
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(0o600).open(&path).map_err(at(&path))?;
        Ok(Self { path, file, next: 0 })
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes down how a fault is undone; it is on disk when this returns.
    pub(crate) fn begin(
        &mut self,
        name: &str,
        undo: &Undo,
        deadline: u64,
    ) -> Result<u32, JournalError> {
        let id = self.next;
        self.next += 1;
        let (name, undo) = (name.to_owned(), undo.clone());
        self.append(&Line::Begin { id, name, undo, deadline })?;
        Ok(id)
    }

    /// Writes down that a fault is gone.
    pub(crate) fn end(&mut self, id: u32) -> Result<(), JournalError> {
        self.append(&Line::End { id })
    }

    fn append(&mut self, line: &Line) -> Result<(), JournalError> {
        append(&mut self.file, line).map_err(at(&self.path))
    }

    /// The faults of other runs that are there now.
    pub(crate) fn others(&self) -> Vec<Open> {
        let folder = self.path.parent().unwrap_or_else(|| Path::new("."));
        let files = journals(folder).into_iter().filter(|path| *path != self.path);
        files.flat_map(|path| open(&path)).collect()
    }

    /// Removes it if nothing is left to undo.
    pub(crate) fn close(&self) {
        if open(&self.path).is_empty() {
            // The watchdog may have done it.
            let _removed = fs::remove_file(&self.path);
        }
    }
}

/// Writes a line and waits until it is on disk.
pub(crate) fn append(file: &mut File, line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

/// The faults in a journal that were not undone, the newest first. A line that was cut off was not
/// followed by its fault.
pub(crate) fn open(path: &Path) -> Vec<Open> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut found: Vec<Open> = Vec::new();
    for line in text.lines() {
        match serde_json::from_str(line) {
            Ok(Line::Begin { id, name, undo, deadline }) => {
                found.push(Open { id, name, undo, deadline });
            }
            Ok(Line::End { id }) => found.retain(|open| open.id != id),
            Err(_) => {}
        }
    }
    found.reverse();
    found
}

fn journals(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == EXTENSION));
    paths.sort();
    paths
}

/// Whether the run that wrote this journal has ended.
fn is_left(path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let owner = stem.split_once('-').and_then(|(pid, start)| {
        Some(ProcessId { pid: pid.parse().ok()?, start: start.parse().ok()? })
    });
    owner.is_some_and(|owner| !owner.is_there())
}

/// Undoes what runs left that have ended, and removes their journals.
///
/// # Errors
/// The folder is not this user's.
pub fn undo_left(folder: &Path) -> Result<Vec<LeftUndo>, JournalError> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    own_folder(folder)?;
    let mut done = Vec::new();
    for path in journals(folder).into_iter().filter(|path| is_left(path)) {
        let undone = undo_all(&path);
        if undone.iter().all(|left| left.undone.is_ok()) {
            // Its watchdog may have been faster.
            let _removed = fs::remove_file(&path);
        }
        done.extend(undone);
    }
    Ok(done)
}

/// Undoes everything that is open in a journal, and writes that down.
pub(crate) fn undo_all(path: &Path) -> Vec<LeftUndo> {
    let mut file = OpenOptions::new().append(true).open(path).ok();
    let undo = |open: Open| {
        let undone = open.undo.apply();
        if let (Ok(()), Some(file)) = (&undone, &mut file) {
            // Without the line it is undone twice, which changes nothing.
            let _written = append(file, &Line::End { id: open.id });
        }
        LeftUndo { name: open.name, undone }
    };
    open(path).into_iter().map(undo).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use rustix::process::Signal;

    #[test]
    fn what_an_ended_run_left_is_undone_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().join("chaos");
        let mut child = Command::new("sleep").arg("100").spawn().expect("it starts");
        let process = ProcessId::of(child.id()).expect("it runs");
        let mut journal = Journal::create(&folder).expect("a journal");
        let undo = Undo::Continue { processes: vec![process] };
        journal.begin("pause", &undo, 0).expect("written");
        process.signal(Signal::STOP).expect("sent");
        while !process.is_stopped() {
            std::thread::yield_now();
        }
        assert!(undo_left(&folder).expect("ours").is_empty(), "its run is there");
        assert!(process.is_stopped());
        // The same journal of a process that is no more, and half a line.
        let left = folder.join("4000000-1.undo");
        fs::rename(journal.path(), &left).expect("renamed");
        let mut file = OpenOptions::new().append(true).open(&left).expect("there");
        file.write_all(b"{\"begin\":{\"id\":1,\"na").expect("written");
        let done = undo_left(&folder).expect("ours");
        assert_eq!(done, [LeftUndo { name: "pause".to_owned(), undone: Ok(()) }]);
        assert!(!process.is_stopped() && !left.exists());
        child.kill().expect("it runs");
        child.wait().expect("it ended");
        assert!(undo.is_done(), "a target that is gone has no fault");
    }

    #[test]
    fn a_folder_of_others_is_not_read() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(folder.path(), open).expect("changed");
        assert!(matches!(undo_left(folder.path()), Err(JournalError::NotOurs(_))));
        assert!(matches!(Journal::create(folder.path()), Err(JournalError::NotOurs(_))));
    }
}
