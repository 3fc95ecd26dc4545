//! The timeline while it is written: a line of JSON for the head, then one per row, so that a crash
//! loses at most the last row.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};

use super::columns::{Row, TimelineDocument};

/// The schema of the head.
pub const SCHEMA: &str = "uringbench.timeline.lines/1";

/// The first line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimelineHead {
    schema: String,
    /// Configured rows per second.
    pub hz: u32,
    /// The wall clock at `t_s` 0, seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_unix_s: Option<f64>,
    /// The soak that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soak: Option<SoakHead>,
}

impl TimelineHead {
    /// The head of a timeline with so many rows per second.
    pub fn new(hz: u32, start_unix_s: Option<f64>) -> Self {
        Self { schema: SCHEMA.to_owned(), hz, start_unix_s, soak: None }
    }

    /// The same of a soak with this plan.
    pub fn of_soak(self, soak: SoakHead) -> Self {
        Self { soak: Some(soak), ..self }
    }
}

/// The plan of a soak, as far as its verdict needs it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SoakHead {
    /// Planned length of the load with its warm-up, in seconds; `None` if it ends otherwise.
    pub load_s: Option<f64>,
    /// With `--dose`: begin and end of each block of one rate, in seconds.
    pub blocks: Vec<(f64, f64)>,
}

/// What a soak's verdict rests on besides the row itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SoakRow {
    /// Requests completed by the row's end.
    pub requests: u64,
    /// The private memory of each process; only in rows whose reading lists it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<ProcessRow>,
    /// The heaps of runtimes that report them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub heaps: Vec<HeapRow>,
    /// Heaps of such runtimes that could not be read, and processes that may have one.
    pub unread_heaps: u64,
    /// Garbage-collected runtimes that were recognised so far.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runtimes: Vec<String>,
}

/// The memory of one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRow {
    /// Its PID.
    pub pid: u32,
    /// Its start in ticks since boot.
    pub start: u64,
    /// Resident private and swapped memory.
    pub bytes: u64,
}

/// The heap of one process; counts since its start, sizes in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HeapRow {
    /// Its PID.
    pub pid: u32,
    /// Its start in ticks since boot.
    pub start: u64,
    /// Its collector.
    pub collector: String,
    /// Collections of the young generation.
    pub young: u64,
    /// Full collections.
    pub full: u64,
    /// Whether the last of them has not ended.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_collecting: bool,
    /// Pauses of concurrent cycles.
    pub cycles: u64,
    /// Used part of the old generation after the last collection.
    pub old_used: u64,
    /// Its limit.
    pub old_max: u64,
    /// Size of the young generation.
    pub young_capacity: u64,
    /// Classes loaded.
    pub classes: u64,
    /// The heap's private memory; only in some rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resident: Option<u64>,
}

/// Why lines are not a timeline.
#[derive(Debug, thiserror::Error)]
pub enum LinesError {
    /// They could not be read.
    #[error("the timeline cannot be read: {0}; check that its disk is mounted and readable")]
    Unreadable(#[from] io::Error),
    /// The first line is something else.
    #[error("this is not a timeline: its first line does not name the schema {SCHEMA}")]
    NoHead,
    /// A line within it is damaged.
    #[error("line {line} of the timeline is damaged ({cause}): delete that line to read the rest")]
    Damaged {
        /// Its number, from 1.
        line: usize,
        /// The fault.
        cause: serde_json::Error,
    },
}

/// Writes the head.
pub fn append_head(to: &mut impl Write, head: &TimelineHead) -> io::Result<()> {
    append(to, head)
}

/// Writes a row, in one call.
pub fn append_line(to: &mut impl Write, row: &Row) -> io::Result<()> {
    append(to, row)
}

fn append(to: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    to.write_all(&text)
}

/// Reads a written timeline. A last line that was cut by a crash is left out.
pub fn from_lines(from: impl BufRead) -> Result<TimelineDocument, LinesError> {
    let (head, rows) = rows_of(from)?;
    let mut document = TimelineDocument::empty(head.hz, head.start_unix_s);
    rows.iter().for_each(|row| document.push(row));
    Ok(document)
}

/// Reads the head and the rows of a written timeline, likewise.
pub fn rows_of(mut from: impl BufRead) -> Result<(TimelineHead, Vec<Row>), LinesError> {
    let mut text = Vec::new();
    from.read_until(b'\n', &mut text)?;
    let head: TimelineHead = serde_json::from_slice(&text).map_err(|_| LinesError::NoHead)?;
    if head.schema != SCHEMA || !text.ends_with(b"\n") {
        return Err(LinesError::NoHead);
    }
    let mut rows = Vec::new();
    for line in 2.. {
        text.clear();
        if from.read_until(b'\n', &mut text)? == 0 || !text.ends_with(b"\n") {
            break;
        }
        let row = serde_json::from_slice(&text);
        rows.push(row.map_err(|cause| LinesError::Damaged { line, cause })?);
    }
    Ok((head, rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::columns::{CgroupRow, TargetRow};

    fn row(t_s: f64) -> Row {
        let target = TargetRow { fds: Some(7.0), cpu_user: Some(0.25), ..Default::default() };
        let cgroup = CgroupRow { memory_anon_bytes: Some(1e9), ..Default::default() };
        Row { t_s, target, cgroup: (t_s > 1.0).then_some(cgroup), ..Row::default() }
    }

    fn written(rows: usize) -> (Vec<u8>, TimelineDocument) {
        let mut document = TimelineDocument::empty(2, Some(1_700_000_000.5));
        let mut text = Vec::new();
        append_head(&mut text, &TimelineHead::new(2, Some(1_700_000_000.5)))
            .expect("memory takes it");
        for index in 0..rows {
            let row = row(index as f64 / 2.0);
            append_line(&mut text, &row).expect("memory takes it");
            document.push(&row);
        }
        (text, document)
    }

    #[test]
    fn what_was_written_is_read_and_a_cut_costs_the_last_row_at_most() {
        let (text, whole) = written(6);
        assert_eq!(from_lines(&*text).expect("whole"), whole);
        let head = text.iter().position(|&byte| byte == b'\n').expect("a head") + 1;
        for cut in head..text.len() {
            let rows = text[head..cut].iter().filter(|&&byte| byte == b'\n').count();
            let read = from_lines(&text[..cut]).expect("the rows before the cut");
            assert_eq!(read, written(rows).1);
            assert!(read.is_aligned());
        }
        for cut in 0..head {
            assert!(matches!(from_lines(&text[..cut]), Err(LinesError::NoHead)));
        }
    }

    #[test]
    fn a_row_says_only_what_is_known() {
        let mut text = Vec::new();
        append_line(&mut text, &row(1.0)).expect("memory takes it");
        let expected = "{\"t_s\":1.0,\"load\":{},\"target\":{\"cpu_user\":0.25,\"fds\":7},\
                        \"host\":{}}\n";
        assert_eq!(String::from_utf8_lossy(&text), expected);
    }

    #[test]
    fn damage_in_the_middle_names_its_line() {
        let (mut text, _) = written(3);
        let second = text.iter().position(|&byte| byte == b'\n').expect("a head") + 2;
        text[second] = b'#';
        let error = from_lines(&*text).expect_err("line 2 is damaged").to_string();
        assert!(error.starts_with("line 2 of the timeline is damaged"), "{error}");
    }
}
