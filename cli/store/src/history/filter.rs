//! Which runs are listed, and the condition of SQL for it.

use uringbench_document::history::HistoryEntry;

use super::pattern::{is_pattern, matches, to_glob, to_like};

/// Which runs are listed; the words may be patterns with `*` and `?`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryFilter {
    /// Their name.
    pub name: Option<String>,
    /// Host and port of their target.
    pub target: Option<String>,
    /// One of their tags.
    pub tag: Option<String>,
    /// The beginning of their commit's hash.
    pub commit: Option<String>,
    /// Their branch.
    pub branch: Option<String>,
    /// The earliest time at which they began, RFC 3339, UTC.
    pub since: Option<String>,
    /// The newest so many.
    pub limit: Option<u64>,
    /// So many of the newest are left out.
    pub skip: u64,
}

/// A database's SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

/// The end of a SELECT, and the values of its parameters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Condition {
    /// ` WHERE … ORDER BY …`.
    pub(super) sql: String,
    /// Values of the parameters from 1 on.
    pub(super) values: Vec<String>,
}

impl HistoryFilter {
    /// Whether a run passes, its place among the newest aside.
    pub fn passes(&self, entry: &HistoryEntry) -> bool {
        let fits = |word: &Option<String>, text: &str| {
            word.as_ref().is_none_or(|word| matches(word, text))
        };
        let commit = entry.commit_sha.as_deref().unwrap_or_default();
        let begins = |hash: &String| commit.starts_with(&hash.to_ascii_lowercase());
        fits(&self.name, &entry.benchmark_name)
            && fits(&self.target, &entry.target)
            && fits(&self.branch, entry.branch.as_deref().unwrap_or_default())
            && self.commit.as_ref().is_none_or(begins)
            && (self.tag.is_none() || entry.tags.iter().any(|tag| fits(&self.tag, tag)))
            && self.since.as_ref().is_none_or(|since| entry.timestamp >= *since)
    }

    /// The condition, newest first.
    pub(super) fn condition(&self, dialect: Dialect) -> Condition {
        let mut terms = Terms { dialect, terms: Vec::new(), values: Vec::new() };
        terms.word("benchmark_name", self.name.as_deref());
        terms.word("target", self.target.as_deref());
        terms.word("branch", self.branch.as_deref());
        // A hash is hexadecimal: nothing in it is special in a pattern.
        let commit = self.commit.as_ref().map(|hash| format!("{}*", hash.to_ascii_lowercase()));
        terms.word("commit_sha", commit.as_deref());
        terms.tag(self.tag.as_deref());
        terms.since(self.since.as_deref());
        let mut sql = String::new();
        if !terms.terms.is_empty() {
            sql = format!(" WHERE {}", terms.terms.join(" AND "));
        }
        sql.push_str(" ORDER BY timestamp DESC, id DESC");
        match (self.limit, self.skip) {
            (None, 0) => {}
            (Some(limit), 0) => sql.push_str(&format!(" LIMIT {limit}")),
            // What is left out needs a limit in SQLite, and databases count with a sign.
            (limit, skip) => {
                const ALL: u64 = i64::MAX as u64;
                let (limit, skip) = (limit.unwrap_or(ALL).min(ALL), skip.min(ALL));
                sql.push_str(&format!(" LIMIT {limit} OFFSET {skip}"));
            }
        }
        Condition { sql, values: terms.values }
    }
}

struct Terms {
    dialect: Dialect,
    terms: Vec<String>,
    values: Vec<String>,
}

impl Terms {
    /// The place of another value.
    fn place(&mut self, value: String) -> String {
        self.values.push(value);
        match self.dialect {
            Dialect::Sqlite => format!("?{}", self.values.len()),
            Dialect::Postgres => format!("${}::text", self.values.len()),
        }
    }

    /// That `what` is the word, or fits the pattern.
    fn compared(&mut self, what: &str, word: &str) -> String {
        match self.dialect {
            _ if !is_pattern(word) => format!("{what} = {}", self.place(word.to_owned())),
            Dialect::Sqlite => format!("{what} GLOB {}", self.place(to_glob(word))),
            Dialect::Postgres => format!("{what} LIKE {} ESCAPE '\\'", self.place(to_like(word))),
        }
    }

    fn word(&mut self, column: &str, word: Option<&str>) {
        if let Some(word) = word {
            let term = self.compared(column, word);
            self.terms.push(term);
        }
    }

    fn tag(&mut self, tag: Option<&str>) {
        let Some(tag) = tag else { return };
        let compared = self.compared("tag.value", tag);
        let all = match self.dialect {
            Dialect::Sqlite => "json_each(tags) AS tag",
            Dialect::Postgres => "jsonb_array_elements_text(tags) AS tag (value)",
        };
        self.terms.push(format!("EXISTS (SELECT 1 FROM {all} WHERE {compared})"));
    }

    fn since(&mut self, since: Option<&str>) {
        let Some(since) = since else { return };
        let place = self.place(since.to_owned());
        let cast = if self.dialect == Dialect::Postgres { "::timestamptz" } else { "" };
        self.terms.push(format!("timestamp >= {place}{cast}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_stands_after_the_limit() {
        let end = |limit, skip| {
            let filter = HistoryFilter { limit, skip, ..HistoryFilter::default() };
            let sql = filter.condition(Dialect::Sqlite).sql;
            sql.rsplit_once("id DESC").map(|(_, end)| end.to_owned()).unwrap_or_default()
        };
        assert_eq!(end(Some(100), 200), " LIMIT 100 OFFSET 200");
        assert_eq!(end(None, 7), " LIMIT 9223372036854775807 OFFSET 7");
        assert_eq!(end(Some(u64::MAX), u64::MAX).matches("9223372036854775807").count(), 2);
        assert_eq!((end(None, 0), end(Some(1), 0)), (String::new(), " LIMIT 1".to_owned()));
    }

    #[test]
    fn a_filter_is_a_condition_of_either_database() {
        let filter = HistoryFilter {
            name: Some("web*".to_owned()),
            commit: Some("ABC".to_owned()),
            tag: Some("t".to_owned()),
            since: Some("2026-01-01T00:00:00.000Z".to_owned()),
            limit: Some(5),
            ..HistoryFilter::default()
        };
        let sqlite = filter.condition(Dialect::Sqlite);
        assert_eq!(
            sqlite.sql,
            " WHERE benchmark_name GLOB ?1 AND commit_sha GLOB ?2 AND EXISTS (SELECT 1 FROM \
             json_each(tags) AS tag WHERE tag.value = ?3) AND timestamp >= ?4 ORDER BY timestamp \
             DESC, id DESC LIMIT 5"
        );
        assert_eq!(sqlite.values, ["web*", "abc*", "t", "2026-01-01T00:00:00.000Z"]);
        let postgres = filter.condition(Dialect::Postgres);
        assert!(postgres.sql.contains("benchmark_name LIKE $1::text ESCAPE '\\' AND"));
        assert!(postgres.sql.contains("timestamp >= $4::text::timestamptz"));
        assert_eq!(postgres.values[0], "web%");
        let all = HistoryFilter::default().condition(Dialect::Sqlite);
        assert_eq!((all.sql.as_str(), all.values.len()), (" ORDER BY timestamp DESC, id DESC", 0));
    }
}
