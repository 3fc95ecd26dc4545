//! The log read back: by the crate's own reader, and as the sample that Java's tool has read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use uringbench_core::window::NamedWindows;

use super::*;
use crate::fixture;

/// A log that `HistogramLogProcessor` of HdrHistogram 2.1.11 (Java) has read.
const SAMPLE: &str = include_str!("../../tests/response-v1.hlog");

fn started() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_772_323_199_120)
}

/// Tag, start, length and histogram of every line.
fn lines(log: &str) -> Vec<(String, Duration, Duration, Histogram<u64>)> {
    let entries = IntervalLogIterator::new(log.as_bytes()).map(Result::unwrap);
    let intervals = entries.filter_map(|entry| match entry {
        LogEntry::Interval(interval) => Some(interval),
        LogEntry::StartTime(at) | LogEntry::BaseTime(at) => {
            assert_eq!(at, Duration::from_millis(1_772_323_199_120));
            None
        }
    });
    intervals
        .map(|interval| {
            let bytes = STANDARD.decode(interval.encoded_histogram()).unwrap();
            let histogram = Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
            let tag = interval.tag().unwrap().as_str().to_owned();
            (tag, interval.start_timestamp(), interval.duration(), histogram)
        })
        .collect()
}

#[test]
fn every_histogram_comes_back_with_its_window() {
    let record = fixture::record(&fixture::open());
    let log = HistogramLog::of(&record, started()).unwrap();
    let (after_warmup, length) = (Duration::from_secs(1), Duration::from_secs(2));
    let line = |tag: &str, histogram: &Histogram<u64>| {
        (tag.to_owned(), after_warmup, length, histogram.clone())
    };
    let expected = [
        line("response", &record.times.response),
        line("service", &record.times.service),
        line("lateness", &record.times.lateness),
    ];
    // Not assert_eq: a histogram prints as 33,792 counts.
    assert!(lines(log.as_str()) == expected);
    assert!(lines(SAMPLE) == expected);
}

#[test]
fn the_head_is_what_javas_reader_looks_for() {
    let log = HistogramLog::of(&fixture::record(&fixture::open()), started()).unwrap();
    let head = |log: &str| log.lines().take(6).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(head(log.as_str()), head(SAMPLE));
    assert_eq!(head(SAMPLE)[0], "#[Histogram log format version 1.3]");
    let legend = "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"HdrHistogram\"";
    assert!(log.as_str().lines().any(|line| line == legend));
    // The third column is the maximum in milliseconds.
    assert!(SAMPLE.contains("\nTag=response,1.000,2.000,0.121,"));
}

#[test]
fn the_sample_has_the_values_that_java_printed() {
    // java … HistogramLogProcessor -i response-v1.hlog -tag response -outputValueUnitRatio 1
    let printed = [
        (0.5, 20_207),
        (0.95, 30_303),
        (0.990_625, 60_607),
        (0.999_023_437_5, 121_215),
        (1.0, 121_215),
    ];
    let (_, _, _, response) = lines(SAMPLE).swap_remove(0);
    for (quantile, value) in printed {
        assert_eq!(response.value_at_quantile(quantile), value, "{quantile}");
    }
    assert_eq!(response.len(), 100_000);
}

#[test]
fn a_closed_loop_has_no_lateness_and_an_empty_run_no_line() {
    let mut record = fixture::record(&fixture::closed());
    let tags = |record: &RunRecord| {
        let log = HistogramLog::of(record, started()).unwrap();
        lines(log.as_str()).into_iter().map(|(tag, ..)| tag).collect::<Vec<_>>()
    };
    assert_eq!(tags(&record), ["response", "service"]);
    record.times = uringbench_core::record::Times::default();
    record.windows = NamedWindows::default();
    assert_eq!(tags(&record), [""; 0]);
}
