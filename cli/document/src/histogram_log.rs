//! The histogram log: whole-run histograms in HdrHistogram's interval log format, version 1.3.
//!
//! Readable by its Java tools: `HistogramLogProcessor -i response.hlog -tag response` (without a
//! tag that tool shows untagged lines only). Values are nanoseconds; the tool itself divides by a
//! million, so it shows milliseconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use uringbench_core::record::RunRecord;

use crate::EncodeError;
use crate::civil::Civil;

/// The tags of the lines, in their order; a histogram without values has no line.
pub const TAGS: [&str; 3] = ["response", "service", "lateness"];

/// Java's default ratio of recorded to shown values; here nanoseconds to milliseconds.
pub(crate) const MAX_VALUE_DIVISOR: f64 = 1e6;

/// The text of a histogram log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistogramLog(String);

impl HistogramLog {
    /// The log of a run whose first phase began at `started`.
    ///
    /// # Errors
    /// [`EncodeError`] if a histogram cannot be serialised.
    pub fn of(record: &RunRecord, started: SystemTime) -> Result<Self, EncodeError> {
        let (offset, length) = measured_window(record);
        let mut text =
            header(started, &format!("choose with -tag {}", TAGS.join("|"))).into_bytes();
        let mut serializer = V2DeflateSerializer::new();
        let mut log = IntervalLogWriterBuilder::new()
            .with_max_value_divisor(MAX_VALUE_DIVISOR)
            .begin_log_with(&mut text, &mut serializer)
            .map_err(EncodeError::of)?;
        for (tag, histogram) in TAGS.into_iter().zip(histograms(record)) {
            if !histogram.is_empty() {
                log.write_histogram(histogram, offset, length, Tag::new(tag))
                    .map_err(EncodeError::of)?;
            }
        }
        String::from_utf8(text).map(Self).map_err(EncodeError::of)
    }

    /// The log, line by line.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn histograms(record: &RunRecord) -> [&Histogram<u64>; TAGS.len()] {
    [&record.times.response, &record.times.service, &record.times.lateness]
}

/// Start of the measured window, from the start of the run, and its length.
fn measured_window(record: &RunRecord) -> (Duration, Duration) {
    let Some(measured) = record.windows.measured() else {
        return (Duration::ZERO, Duration::ZERO);
    };
    let span = |from, to: uringbench_core::time::Timestamp| Duration::from_nanos(to.since(from).0);
    (span(record.start(), measured.start), span(measured.start, measured.end))
}

/// The lines Java's `HistogramLogWriter` begins with. The crate's own writer has neither the
/// version nor the legend. `BaseTime` makes the first column seconds since the start; without it
/// Java's reader guesses.
pub(crate) fn header(started: SystemTime, tags: &str) -> String {
    let seconds = started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let civil = Civil::of(started).rfc3339();
    format!(
        "#[Histogram log format version 1.3]\n\
         #[Logged by uringbench; values in ns; {tags}]\n\
         #[StartTime: {seconds:.3} (seconds since epoch), {civil}]\n\
         #[BaseTime: {seconds:.3} (seconds since epoch)]\n\
         \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"HdrHistogram\"\n",
    )
}

#[cfg(test)]
mod tests;
