//! The history beside the runs: an SQLite file in the folder of the results.
//!
//! Writers take turns: SQLite locks the file, and a writer waits for its turn. The file only
//! repeats what the folders contain, so losing it loses nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, TransactionBehavior, params_from_iter};
use uringbench_document::history::HistoryEntry;

use super::error::HistoryError;
use super::filter::{Dialect, HistoryFilter};
use super::folders::Below;
use super::{FILE, PATIENCE, folders, row, schema};

/// The insights of a row of runs: read for the rows that are asked for, by their index.
const INSIGHTS: &str = "(SELECT json_group_array(json_object('insight_type', insight_type, \
     'description', description, 'severity', severity, 'recommendations', \
     json(coalesce(recommendations, '[]'))) ORDER BY performance_insights.id) FROM \
     performance_insights WHERE benchmark_result_id = benchmark_results.id)";

/// The history of a folder of results.
#[derive(Debug)]
pub struct History {
    connection: Connection,
    file: PathBuf,
    root: PathBuf,
    left_out: Vec<(PathBuf, String)>,
}

/// What a rebuild found.
#[derive(Debug, Default)]
pub struct Rebuilt {
    /// Runs in the history now.
    pub runs: usize,
    /// Entries of runs whose folder is gone.
    pub gone: usize,
    /// Documents that cannot be read, folders that cannot be looked into, and why.
    pub unreadable: Vec<(PathBuf, String)>,
    /// Where the damaged file is now, if there was one.
    pub set_aside: Option<PathBuf>,
}

impl History {
    /// The history in the folder of results `root`. If there is none it is made, of the runs whose
    /// folders are there.
    ///
    /// # Errors
    /// If it is damaged, in use for too long, newer than this uringbench, or cannot be written.
    pub fn open(root: &Path) -> Result<Self, HistoryError> {
        let is_new = !root.join(FILE).exists();
        let mut history = Self::open_file(root)?;
        if is_new {
            history.left_out = history.read_folders()?.unreadable;
        }
        Ok(history)
    }

    fn open_file(root: &Path) -> Result<Self, HistoryError> {
        fs::create_dir_all(root)
            .map_err(|cause| HistoryError::File { path: root.to_path_buf(), cause })?;
        let file = root.join(FILE);
        let connection = Self::connect(&file).map_err(|cause| HistoryError::of(&file, cause))?;
        connection.and_then_version(&file).map(|connection| Self {
            connection,
            file,
            root: root.to_path_buf(),
            left_out: Vec::new(),
        })
    }

    /// The history in `root`, unless there is no such folder.
    ///
    /// # Errors
    /// See [`History::open`].
    pub fn open_existing(root: &Path) -> Result<Option<Self>, HistoryError> {
        if root.is_dir() { Self::open(root).map(Some) } else { Ok(None) }
    }

    /// The connection, or the version of tables that are too new.
    fn connect(file: &Path) -> rusqlite::Result<Opened> {
        let mut connection = Connection::open(file)?;
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // With a log of its own, readers do not wait for writers. Where the file system has no
        // shared memory the file stays in the older mode, which is slower and as safe.
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        if mode != "wal" {
            let _unchanged = connection.pragma_update(None, "journal_mode", "wal");
        }
        // The folders are the truth: a power cut may cost the last entries, not the file.
        connection.pragma_update(None, "synchronous", "normal")?;
        let version = schema::migrate(&mut connection)?;
        Ok(Opened { connection, version })
    }

    /// The folder of the results.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What could not be read when this history was made, and why; empty if it was there before.
    pub fn left_out(&self) -> &[(PathBuf, String)] {
        &self.left_out
    }

    /// The folder of a run.
    pub fn folder_of(&self, entry: &HistoryEntry) -> PathBuf {
        self.root.join(&entry.folder)
    }

    /// Add the run in `folder`. `is_pending` says that it has to be sent to another database.
    ///
    /// # Errors
    /// If its document cannot be read, or the history cannot be written.
    pub fn add(&mut self, folder: &Path, is_pending: bool) -> Result<HistoryEntry, HistoryError> {
        let entry = folders::entry(&self.root, folder)?;
        self.change(|change| {
            forget_folder(change, &entry)?;
            insert(change, &entry, is_pending)
        })?;
        Ok(entry)
    }

    /// The runs that pass the filter, newest first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn list(&self, filter: &HistoryFilter) -> Result<Vec<HistoryEntry>, HistoryError> {
        let condition = filter.condition(Dialect::Sqlite);
        self.read(&condition.sql, &condition.values)
    }

    /// The number of runs.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn count(&self) -> Result<usize, HistoryError> {
        let sql = "SELECT count(*) FROM benchmark_results";
        let count = self.connection.query_row(sql, [], |row| row.get::<_, u32>(0));
        count.map(|count| count as usize).map_err(|cause| HistoryError::of(&self.file, cause))
    }

    /// The folders of all runs that have one.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn folders(&self) -> Result<BTreeSet<PathBuf>, HistoryError> {
        let all = || -> rusqlite::Result<_> {
            let sql = "SELECT folder FROM benchmark_results WHERE folder <> ''";
            let mut query = self.connection.prepare(sql)?;
            let folders = query.query_map([], |row| row.get::<_, String>(0))?;
            folders.map(|folder| Ok(self.root.join(folder?))).collect()
        };
        all().map_err(|cause| HistoryError::of(&self.file, cause))
    }

    /// The run with this ID.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn find(&self, run_id: &str) -> Result<Option<HistoryEntry>, HistoryError> {
        let found = self.read(" WHERE run_id = ?1", &[run_id.to_owned()])?;
        Ok(found.into_iter().next())
    }

    /// The runs that have not reached the other database.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn pending(&self) -> Result<Vec<HistoryEntry>, HistoryError> {
        self.read(" WHERE pending = 1 ORDER BY timestamp, id", &[])
    }

    /// The runs have reached it.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn mark_sent(&mut self, sent: &[HistoryEntry]) -> Result<(), HistoryError> {
        self.change(|change| {
            let mut mark =
                change.prepare("UPDATE benchmark_results SET pending = 0 WHERE run_id = ?1")?;
            sent.iter().try_for_each(|entry| mark.execute([&entry.run_id]).map(drop))
        })
    }

    /// Every run has to be sent.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn mark_all_pending(&mut self) -> Result<(), HistoryError> {
        self.change(|change| {
            change.execute("UPDATE benchmark_results SET pending = 1", []).map(drop)
        })
    }

    /// Remove runs from the history; their folders stay.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn forget(&mut self, runs: &[HistoryEntry]) -> Result<(), HistoryError> {
        self.change(|change| runs.iter().try_for_each(|entry| forget(change, entry)))
    }

    /// Make the history of `root` again from the folders: those below it, and those elsewhere that
    /// it named. A damaged file is set aside first.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn rebuild(root: &Path) -> Result<(Self, Rebuilt), HistoryError> {
        match Self::open_file(root) {
            Ok(mut history) => match history.read_folders() {
                Err(error) if error.is_damage() => drop(history),
                result => return result.map(|rebuilt| (history, rebuilt)),
            },
            Err(error) if error.is_damage() => {}
            Err(error) => return Err(error),
        }
        let aside = root.join(format!("{FILE}.damaged"));
        let file = root.join(FILE);
        fs::rename(&file, &aside).map_err(|cause| HistoryError::File { path: file, cause })?;
        for log in ["-wal", "-shm"] {
            // There may be none; they belong to the file that was set aside.
            let _gone = fs::remove_file(root.join(format!("{FILE}{log}")));
        }
        let mut history = Self::open_file(root)?;
        let rebuilt = history.read_folders()?;
        Ok((history, Rebuilt { set_aside: Some(aside), ..rebuilt }))
    }

    fn read_folders(&mut self) -> Result<Rebuilt, HistoryError> {
        let before = self.list(&HistoryFilter::default())?;
        let Below { mut found, unread } = Below::of(&self.root)?;
        let elsewhere = before.iter().map(|entry| self.root.join(&entry.folder));
        found.extend(elsewhere.filter(|folder| folders::has_result(folder)));
        let closed = unread.into_iter().map(|(folder, cause)| {
            let why = format!("it cannot be looked into ({cause}): change its permissions");
            (folder, why)
        });
        let mut rebuilt = Rebuilt { unreadable: closed.collect(), ..Rebuilt::default() };
        let mut entries = BTreeMap::new();
        for folder in found {
            match folders::entry(&self.root, &folder) {
                // Of a copied run the folder that sorts first is kept.
                Ok(entry) => drop(entries.entry(entry.run_id.clone()).or_insert(entry)),
                Err(cause) => rebuilt.unreadable.push((folder, cause.to_string())),
            }
        }
        // Rows of other programs have no folder: they stay.
        let is_gone = |entry: &&HistoryEntry| {
            !entry.folder.is_empty() && !entries.contains_key(&entry.run_id)
        };
        rebuilt.gone = before.iter().filter(is_gone).count();
        rebuilt.runs = entries.len();
        self.change(|change| {
            let pending = pending(change)?;
            for old in before.iter().filter(|old| !old.folder.is_empty()) {
                forget(change, old)?;
            }
            for entry in entries.values() {
                // A run that ended since the folders were read has been entered by itself.
                if !is_entered(change, entry)? {
                    insert(change, entry, pending.contains(&entry.run_id))?;
                }
            }
            Ok(())
        })?;
        Ok(rebuilt)
    }

    /// Run a change as a whole or not at all.
    fn change(
        &mut self,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), HistoryError> {
        let changed = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .and_then(|transaction| {
                change(&transaction)?;
                transaction.commit()
            });
        changed.map_err(|cause| HistoryError::of(&self.file, cause))
    }

    fn read(&self, end: &str, values: &[String]) -> Result<Vec<HistoryEntry>, HistoryError> {
        self.select(end, values).map_err(|cause| HistoryError::of(&self.file, cause))
    }

    fn select(&self, end: &str, values: &[String]) -> rusqlite::Result<Vec<HistoryEntry>> {
        let columns = schema::COLUMNS.join(", ");
        let sql = format!("SELECT {columns}, {INSIGHTS} FROM benchmark_results{end}");
        let mut query = self.connection.prepare(&sql)?;
        let rows = query.query_map(params_from_iter(values), |found| {
            let mut values = row::Row::default();
            for (at, value) in values.iter_mut().enumerate() {
                *value = found.get(at)?;
            }
            let insights: String = found.get(values.len())?;
            let insights = serde_json::from_str(&insights).unwrap_or_default();
            Ok(HistoryEntry { insights, ..row::entry(values) })
        })?;
        rows.collect()
    }
}

/// A connection, and the version of its tables if it is too new.
struct Opened {
    connection: Connection,
    version: Result<(), i64>,
}

impl Opened {
    fn and_then_version(self, file: &Path) -> Result<Connection, HistoryError> {
        let newer = |found| HistoryError::Newer {
            place: file.display().to_string(),
            found,
            known: schema::VERSION,
        };
        self.version.map(|()| self.connection).map_err(newer)
    }
}

/// A new run in a folder replaces the run that was there.
fn forget_folder(change: &Transaction<'_>, entry: &HistoryEntry) -> rusqlite::Result<()> {
    let sql = "DELETE FROM benchmark_results WHERE folder = ?1 OR run_id = ?2";
    change.execute(sql, [&entry.folder, &entry.run_id]).map(drop)
}

fn forget(change: &Transaction<'_>, entry: &HistoryEntry) -> rusqlite::Result<()> {
    let sql = "DELETE FROM benchmark_results WHERE run_id = ?1";
    change.prepare_cached(sql)?.execute([&entry.run_id]).map(drop)
}

/// The IDs of the runs that have not reached the other database.
fn pending(change: &Transaction<'_>) -> rusqlite::Result<BTreeSet<String>> {
    let mut query = change.prepare("SELECT run_id FROM benchmark_results WHERE pending = 1")?;
    query.query_map([], |row| row.get(0))?.collect()
}

fn is_entered(change: &Transaction<'_>, entry: &HistoryEntry) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM benchmark_results WHERE run_id = ?1";
    change.prepare_cached(sql)?.exists([&entry.run_id])
}

fn insert(
    change: &Transaction<'_>,
    entry: &HistoryEntry,
    is_pending: bool,
) -> rusqlite::Result<()> {
    let places: Vec<_> = (1..=schema::COLUMNS.len()).map(|n| format!("?{n}")).collect();
    let sql = format!(
        "INSERT INTO benchmark_results ({}, pending) VALUES ({}, {})",
        schema::COLUMNS.join(", "),
        places.join(", "),
        i32::from(is_pending)
    );
    change.prepare_cached(&sql)?.execute(params_from_iter(row::of(entry)))?;
    let id = change.last_insert_rowid().to_string();
    let mut add = change.prepare_cached(
        "INSERT INTO performance_insights (benchmark_result_id, insight_type, description, \
         severity, recommendations) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for insight in &entry.insights {
        let [kind, description, severity, recommendations] = row::of_insight(insight);
        add.execute([&id, &kind, &description, &severity, &recommendations])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
