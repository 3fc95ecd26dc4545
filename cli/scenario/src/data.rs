//! Data files: CSV with a line of column names, or a JSON object on each line.

use serde_json::Value;
use uringbench_core::flow::table::Table;

/// The names of the columns and the rows of a file.
pub(crate) fn table(file: &str, bytes: &[u8]) -> Result<(Vec<String>, Table), String> {
    let (columns, table) = if file.ends_with(".csv") {
        csv_table(file, bytes)?
    } else if file.ends_with(".jsonl") {
        json_table(file, bytes)?
    } else {
        return Err(format!("{file} is neither .csv nor .jsonl: name a file that is"));
    };
    if table.rows() == 0 {
        return Err(format!("{file} has no rows: add one"));
    }
    Ok((columns, table))
}

fn csv_table(file: &str, bytes: &[u8]) -> Result<(Vec<String>, Table), String> {
    let mut reader = csv::Reader::from_reader(bytes);
    let bad = |why: csv::Error| format!("{file} is not CSV with equal rows: fix it: {why}");
    let columns: Vec<String> = reader.headers().map_err(bad)?.iter().map(Into::into).collect();
    let mut table = Table::new(columns.len());
    for record in reader.byte_records() {
        table.push(&record.map_err(bad)?);
    }
    Ok((columns, table))
}

fn json_table(file: &str, bytes: &[u8]) -> Result<(Vec<String>, Table), String> {
    let mut columns = Vec::new();
    let mut table = Table::default();
    for (at, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let bad = |why: &str| format!("{file}, line {}: {why}", at + 1);
        let Ok(Value::Object(row)) = serde_json::from_slice(line) else {
            return Err(bad("not a JSON object: write {\"name\":\"value\"} on one line"));
        };
        if columns.is_empty() {
            columns = row.keys().cloned().collect();
            table = Table::new(columns.len());
        }
        let cell = |name: &String| match row.get(name) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Null) => Ok(String::new()),
            Some(other) => Ok(other.to_string()),
            None => Err(bad(&format!("`{name}` of the first line is missing: add it"))),
        };
        table.push(columns.iter().map(cell).collect::<Result<Vec<_>, _>>()?);
    }
    Ok((columns, table))
}
