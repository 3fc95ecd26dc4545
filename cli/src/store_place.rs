//! Where results and their history are: from `--store` and the environment.

use std::path::{Path, PathBuf};

use uringbench_store::{DatabaseUrl, HistoryPlace, SelectError, select_entries};

use crate::exit::{Failure, usage};

/// The folder of results if none is named.
const RESULTS: &str = "results";
/// The variable that stands for `--store`.
const VARIABLE: &str = "URINGBENCH_STORE";

/// A folder of results, and a database if one is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StorePlace {
    /// The folder.
    pub(crate) root: PathBuf,
    /// Whether it was named.
    pub(crate) is_named: bool,
    /// The database.
    pub(crate) database: Option<DatabaseUrl>,
}

impl StorePlace {
    /// The place that was typed, or else is in the environment, or else the usual one.
    pub(crate) fn of(typed: &[String]) -> Result<Self, Failure> {
        let variable = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty());
        match variable.filter(|_| typed.is_empty()) {
            Some(text) => Self::named(VARIABLE, &[text]),
            None => Self::named("--store", typed),
        }
    }

    /// Each word is a folder or the address of a database; one of each is enough.
    fn named(by: &str, words: &[String]) -> Result<Self, Failure> {
        let (mut root, mut database) = (None, None);
        for word in words {
            let is_second = if DatabaseUrl::is_one(word) {
                let url = word.parse().map_err(|why| usage(format!("{by}: {why}")))?;
                database.replace(url).is_some()
            } else {
                root.replace(PathBuf::from(word)).is_some()
            };
            if is_second {
                return Err(usage(format!("{by}: at most one folder and one database")));
            }
        }
        let is_named = root.is_some();
        Ok(Self { root: root.unwrap_or_else(|| RESULTS.into()), is_named, database })
    }

    /// The path of a run: what is there under this name, or else the folder of the newest run that
    /// the history calls so.
    pub(crate) fn run(&self, word: &str) -> Result<PathBuf, SelectError> {
        if Path::new(word).exists() {
            return Ok(word.into());
        }
        let found = select_entries(&self.root, word)?;
        // Oldest first, and never empty.
        Ok(found.last().map_or_else(|| word.into(), |newest| newest.folder.clone()))
    }

    /// Where runs are entered; `has_own_folder` says that the run has a folder outside of it.
    pub(crate) fn history(&self, has_own_folder: bool) -> HistoryPlace {
        HistoryPlace {
            root: self.root.clone(),
            // A run with a folder of its own makes no folder of results, unless one was asked for,
            // or the run has to wait there for the database.
            is_made: !has_own_folder || self.is_named || self.database.is_some(),
            database: self.database.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(words: &[&str]) -> Result<StorePlace, String> {
        let words: Vec<_> = words.iter().map(|&word| word.to_owned()).collect();
        StorePlace::named("--store", &words).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_folder_and_a_database_can_be_named() {
        let usual = place(&[]).unwrap();
        assert_eq!((usual.root.as_path(), usual.is_named), ("results".as_ref(), false));
        assert!(usual.history(false).is_made && !usual.history(true).is_made);
        let both = place(&["postgres://me@db/x", "out"]).unwrap();
        assert_eq!((both.root.as_path(), both.is_named), ("out".as_ref(), true));
        assert_eq!(both.database.map(|url| url.to_string()).as_deref(), Some("db:5432/x"));
        assert!(place(&["postgres://me@db/x"]).unwrap().history(true).is_made);
    }

    #[test]
    fn a_mistake_is_named_without_a_password() {
        assert!(place(&["a", "b"]).unwrap_err().contains("at most one folder"));
        let wrong = place(&["postgres://me:s3cret@db:x/y"]).unwrap_err();
        assert!(wrong.starts_with("--store: ") && !wrong.contains("s3cret"), "{wrong}");
    }
}
