//! Rows of data for values, in one block of memory.
//!
//! The caller decides which row a user has.

use serde::{Deserialize, Serialize};

use crate::stored::StoredBytes;

/// Cells of equal rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Form", into = "Form")]
pub struct Table {
    columns: usize,
    bytes: Vec<u8>,
    /// The end of each cell, row by row.
    ends: Vec<usize>,
}

impl Table {
    /// An empty table with this many columns, at least 1.
    pub const fn new(columns: usize) -> Self {
        Self { columns, bytes: Vec::new(), ends: Vec::new() }
    }

    /// Add a row. Cells missing at its end are empty, surplus ones are left out.
    pub fn push<C: AsRef<[u8]>>(&mut self, cells: impl IntoIterator<Item = C>) {
        let mut cells = cells.into_iter();
        for _ in 0..self.columns {
            if let Some(cell) = cells.next() {
                self.bytes.extend_from_slice(cell.as_ref());
            }
            self.ends.push(self.bytes.len());
        }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.ends.len().checked_div(self.columns).unwrap_or(0)
    }

    /// One cell; empty if it does not exist.
    pub fn cell(&self, row: usize, column: usize) -> &[u8] {
        let at = row * self.columns + column;
        match self.ends.get(at) {
            Some(&end) if column < self.columns => {
                let begin = at.checked_sub(1).map_or(0, |before| self.ends[before]);
                &self.bytes[begin..end]
            }
            _ => &[],
        }
    }
}

/// The stored form of a table.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Form {
    columns: usize,
    rows: Vec<Vec<StoredBytes>>,
}

impl From<Table> for Form {
    fn from(table: Table) -> Self {
        let cell = |row, column| StoredBytes(table.cell(row, column).to_vec());
        let row = |row| (0..table.columns).map(|column| cell(row, column)).collect();
        Self { columns: table.columns, rows: (0..table.rows()).map(row).collect() }
    }
}

impl From<Form> for Table {
    fn from(form: Form) -> Self {
        let mut table = Self::new(form.columns);
        form.rows.iter().for_each(|row| table.push(row.iter().map(|cell| &cell.0)));
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_where_they_were_put() {
        let mut table = Table::new(2);
        table.push(["a", "bc"]);
        table.push(["", "d", "too much"]);
        table.push(["e"]);
        assert_eq!(table.rows(), 3);
        let cell = |row, column| std::str::from_utf8(table.cell(row, column)).unwrap();
        assert_eq!([cell(0, 0), cell(0, 1), cell(1, 0), cell(1, 1)], ["a", "bc", "", "d"]);
        assert_eq!([cell(2, 0), cell(2, 1), cell(3, 0), cell(0, 2)], ["e", "", "", ""]);
    }
}
