//! The interval log: the response times of each of the run's `intervals`, a line each, in
//! HdrHistogram's log format (version 1.3, histograms V2-DEFLATE), written during the run.
//!
//! Lines of the warm-up have the tag `warmup`; the others have none, and their histograms add up to
//! the run's. Values are nanoseconds. Java's tools read it: `HistogramLogProcessor -i
//! intervals.hlog` shows the course, and a percentile of any part of it.

use std::fmt::Write as _;
use std::io::{self, BufRead, Write};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use uringbench_core::histogram::{LatencyCounts, empty};
use uringbench_core::record::Interval;
use uringbench_core::window::Phase;

use crate::histogram_log::{MAX_VALUE_DIVISOR, header};

/// The tag of the warm-up's lines.
pub const WARMUP: &str = "warmup";

/// A log being written. Its memory does not grow with the run.
pub struct IntervalLog<W> {
    to: W,
    serializer: V2DeflateSerializer,
    histogram: Histogram<u64>,
    bytes: Vec<u8>,
    line: String,
}

impl<W: Write> IntervalLog<W> {
    /// Begin the log of a run that began at `started`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn begin(mut to: W, started: SystemTime) -> io::Result<Self> {
        to.write_all(header(started, "the warm-up has the tag warmup").as_bytes())?;
        Ok(Self {
            to,
            serializer: V2DeflateSerializer::new(),
            histogram: empty(),
            bytes: Vec::new(),
            line: String::new(),
        })
    }

    /// Write the line of an interval, in one call: a crash loses at most the last line.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn append(&mut self, interval: &Interval, response: &LatencyCounts) -> io::Result<()> {
        self.histogram.reset();
        response.add_to(&mut self.histogram);
        self.bytes.clear();
        let serialized = self.serializer.serialize(&self.histogram, &mut self.bytes);
        serialized.map_err(|cause| io::Error::other(cause.to_string()))?;
        self.line.clear();
        if interval.phase == Phase::Warmup {
            self.line.push_str("Tag=");
            self.line.push_str(WARMUP);
            self.line.push(',');
        }
        let (start, length) = (interval.start.as_secs_f64(), interval.length.as_secs_f64());
        let max = self.histogram.max() as f64 / MAX_VALUE_DIVISOR;
        // Writing to a string cannot fail.
        let _ = write!(self.line, "{start:.3},{length:.3},{max:.3},");
        STANDARD.encode_string(&self.bytes, &mut self.line);
        self.line.push('\n');
        self.to.write_all(self.line.as_bytes())
    }

    /// What it was written to.
    pub fn into_inner(self) -> W {
        self.to
    }
}

/// One line of a log that was read.
#[derive(Clone, PartialEq)]
pub struct LogLine {
    /// Its tag, if it has one.
    pub tag: Option<String>,
    /// Start of its interval, from the start of the run.
    pub start: Duration,
    /// Length of its interval.
    pub length: Duration,
    /// The values, in nanoseconds.
    pub histogram: Histogram<u64>,
}

/// Why a log cannot be read, and the fix.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be read.
    #[error("the histogram log cannot be read: {0}; check that its disk is mounted")]
    Unreadable(#[from] io::Error),
    /// A line within it is damaged.
    #[error("line {line} of the histogram log is damaged ({cause}): delete it to read the rest")]
    Damaged {
        /// Its number, from 1.
        line: usize,
        /// The fault.
        cause: String,
    },
}

/// Read a histogram log line by line: [`IntervalLog`]'s, or any other without start times of its
/// own. A last line that was cut off by a crash is left out.
pub fn read_log(mut from: impl BufRead) -> impl Iterator<Item = Result<LogLine, LogError>> {
    let mut deserializer = Deserializer::new();
    let (mut text, mut number, mut is_over) = (String::new(), 0, false);
    std::iter::from_fn(move || {
        while !is_over {
            text.clear();
            number += 1;
            let read = match from.read_line(&mut text) {
                Ok(_) if text.ends_with('\n') => parse(text.trim_end(), &mut deserializer),
                Ok(_) => Ok(None),
                Err(cause) => {
                    is_over = true;
                    return Some(Err(cause.into()));
                }
            };
            is_over = !text.ends_with('\n');
            match read {
                Ok(None) => {}
                Ok(Some(line)) => return Some(Ok(line)),
                Err(cause) => return Some(Err(LogError::Damaged { line: number, cause })),
            }
        }
        None
    })
}

/// `None` for comments, the legend and empty lines.
fn parse(text: &str, deserializer: &mut Deserializer) -> Result<Option<LogLine>, String> {
    if text.is_empty() || text.starts_with(['#', '"']) {
        return Ok(None);
    }
    let mut fields: Vec<&str> = text.split(',').collect();
    let tag = fields[0].strip_prefix("Tag=").map(str::to_owned);
    if tag.is_some() {
        fields.remove(0);
    }
    let [start, length, _, encoded] = fields[..] else {
        return Err(format!("{} fields instead of 4", fields.len()));
    };
    let seconds = |text: &str| {
        let seconds = text.parse().map_err(|_| format!("`{text}` is no number of seconds"))?;
        Duration::try_from_secs_f64(seconds).map_err(|cause| cause.to_string())
    };
    let bytes = STANDARD.decode(encoded).map_err(|cause| cause.to_string())?;
    let histogram = deserializer.deserialize(&mut bytes.as_slice());
    Ok(Some(LogLine {
        tag,
        start: seconds(start)?,
        length: seconds(length)?,
        histogram: histogram.map_err(|cause| cause.to_string())?,
    }))
}

#[cfg(test)]
mod tests;
