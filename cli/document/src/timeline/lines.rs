//! The timeline while it is written: a line of JSON for the head, then one per row, so that a crash
//! loses at most the last row.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};

use super::columns::{Row, TimelineDocument};

/// The schema of the head.
pub const SCHEMA: &str = "uringbench.timeline.lines/1";

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    schema: String,
    hz: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start_unix_s: Option<f64>,
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

/// Writes the head; see [`TimelineDocument`] for the arguments.
pub fn append_head(to: &mut impl Write, hz: u32, start_unix_s: Option<f64>) -> io::Result<()> {
    append(to, &Head { schema: SCHEMA.to_owned(), hz, start_unix_s })
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
pub fn from_lines(mut from: impl BufRead) -> Result<TimelineDocument, LinesError> {
    let mut text = Vec::new();
    from.read_until(b'\n', &mut text)?;
    let head: Head = serde_json::from_slice(&text).map_err(|_| LinesError::NoHead)?;
    if head.schema != SCHEMA || !text.ends_with(b"\n") {
        return Err(LinesError::NoHead);
    }
    let mut document = TimelineDocument::empty(head.hz, head.start_unix_s);
    for line in 2.. {
        text.clear();
        if from.read_until(b'\n', &mut text)? == 0 || !text.ends_with(b"\n") {
            break;
        }
        let row = serde_json::from_slice(&text);
        document.push(&row.map_err(|cause| LinesError::Damaged { line, cause })?);
    }
    Ok(document)
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
        append_head(&mut text, 2, Some(1_700_000_000.5)).expect("memory takes it");
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
