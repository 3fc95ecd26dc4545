//! Logs with names of columns in a line `#Fields: date time …`: IIS, and CloudFront, whose cells
//! are separated by tabs.

use super::line::{Fields, Line, Why, status_of};
use crate::time::{self, Stamp};

/// The names of the columns, which may change within a file.
#[derive(Debug, Default)]
pub(super) struct Columns(Vec<String>);

impl Columns {
    /// Reads a line that begins with `#`.
    pub(super) fn directive(&mut self, line: &str) {
        if let Some(fields) = line.strip_prefix("#Fields:") {
            self.0 = fields.split_ascii_whitespace().map(str::to_ascii_lowercase).collect();
        }
    }

    /// Whether the columns are known.
    pub(super) const fn are_known(&self) -> bool {
        !self.0.is_empty()
    }

    pub(super) fn line(&self, text: &str) -> Result<Line, Why> {
        let cells: Vec<&str> = if text.contains('\t') {
            text.split('\t').collect()
        } else {
            text.split_ascii_whitespace().collect()
        };
        if cells.len() != self.0.len() {
            return Err("it has another number of columns than `#Fields`");
        }
        let cell = |names: &[&str]| {
            let at = names.iter().find_map(|name| self.0.iter().position(|known| known == name));
            at.and_then(|at| cells.get(at)).copied().filter(|cell| *cell != "-")
        };
        let text = |names: &[&str]| cell(names).map(str::to_owned);
        let date = cell(&["date"]).zip(cell(&["time"])).and_then(|(date, time)| {
            // The format has times in UTC.
            time::iso(&format!("{date}T{time}Z"))
        });
        let at = date.or_else(|| cell(&["timestamp"]).and_then(time::since_epoch));
        let fields = Fields {
            stamp: at.map(|at| Stamp { at, has_zone: true }),
            request: None,
            method: text(&["cs-method"]),
            url: text(&["cs-uri-stem", "cs-uri"]),
            query: text(&["cs-uri-query"]),
            status: cell(&["sc-status"]).and_then(status_of),
        };
        let has_headers = cell(&["cs(user-agent)", "cs-user-agent"]).is_some();
        fields.line().map(|line| Line { has_headers, ..line })
    }
}
