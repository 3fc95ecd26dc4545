//! The log written and read back, by our reader and by the one of the hdrhistogram crate.

use std::time::UNIX_EPOCH;

use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use uringbench_core::time::Nanos;
use uringbench_core::window::Phase;

use super::*;

fn started() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_772_323_199_120)
}

/// An interval of 1 s, and `values` response times in it.
fn interval(second: u64, values: u64) -> (Interval, LatencyCounts) {
    let interval = Interval {
        start: Nanos::from_secs(second),
        length: Nanos::SECOND,
        phase: if second < 2 { Phase::Warmup } else { Phase::Measure },
        released: values,
        completed: values,
        errors: 0,
        outcomes: [0; 9],
        in_flight: 0,
        connected: 1,
        response: None,
        lateness_p99: None,
        sent_bytes: 0,
        received_bytes: 0,
    };
    let mut response = LatencyCounts::default();
    for value in 0..values {
        response.record(20_000 * (second + 1) + 137 * value * value);
    }
    (interval, response)
}

fn written(seconds: u64) -> (String, Vec<Histogram<u64>>) {
    let mut log = IntervalLog::begin(Vec::new(), started()).expect("memory takes it");
    let mut histograms = Vec::new();
    for second in 0..seconds {
        // One in which nothing ended has a line too.
        let (interval, response) = interval(second, (second % 5) * 1_000);
        log.append(&interval, &response).expect("memory takes it");
        let mut histogram = empty();
        response.add_to(&mut histogram);
        histograms.push(histogram);
    }
    (String::from_utf8(log.into_inner()).expect("ASCII"), histograms)
}

fn read(text: &str) -> Vec<LogLine> {
    read_log(text.as_bytes()).map(|line| line.expect("a line")).collect()
}

#[test]
fn each_interval_comes_back_with_every_count_from_either_reader() {
    let (text, histograms) = written(12);
    let ours = read(&text);
    assert_eq!(ours.len(), 12);
    let theirs = IntervalLogIterator::new(text.as_bytes()).filter_map(|entry| {
        match entry.expect("a log as HdrHistogram writes them") {
            LogEntry::Interval(interval) => Some(interval),
            LogEntry::StartTime(at) | LogEntry::BaseTime(at) => {
                assert_eq!(at, Duration::from_millis(1_772_323_199_120));
                None
            }
        }
    });
    for (second, (line, theirs)) in ours.iter().zip(theirs).enumerate() {
        let tag = (second < 2).then_some(WARMUP);
        assert_eq!(line.tag.as_deref(), tag);
        assert_eq!(theirs.tag().map(|tag| tag.as_str()), tag);
        let span = (Duration::from_secs(second as u64), Duration::from_secs(1));
        assert_eq!((line.start, line.length), span);
        assert_eq!((theirs.start_timestamp(), theirs.duration()), span);
        let bytes = STANDARD.decode(theirs.encoded_histogram()).expect("base64");
        let decoded: Histogram<u64> =
            Deserializer::new().deserialize(&mut bytes.as_slice()).expect("a histogram");
        // Not assert_eq: a histogram prints as 33,792 counts.
        assert!(line.histogram == histograms[second], "second {second}");
        assert!(decoded == histograms[second], "second {second}");
        assert!((theirs.max() - decoded.max() as f64 / 1e6).abs() < 1e-3, "milliseconds");
    }
}

#[test]
fn a_cut_costs_the_last_line_at_most() {
    let (text, _) = written(4);
    let head = text.find("\nTag=").expect("a first line") + 1;
    for cut in (head..text.len()).step_by(7) {
        let whole = text[head..cut].matches('\n').count();
        assert_eq!(read(&text[..cut]).len(), whole);
    }
}

#[test]
fn damage_names_its_line_and_costs_no_other() {
    let (text, _) = written(6);
    let first = text.lines().position(|line| line.starts_with("Tag=")).expect("a line") + 1;
    let encoded = text.lines().nth(first).and_then(|line| line.rsplit(',').next());
    let encoded = encoded.expect("a histogram");
    for (damage, cause) in [
        ("2.000,1.000".to_owned(), "2 fields instead of 4"),
        (format!("two,1.000,0.100,{encoded}"), "`two` is no number of seconds"),
        (format!("2.000,-1.000,0.100,{encoded}"), "negative"),
        ("2.000,1.000,0.100,#".to_owned(), "Invalid"),
        (format!("2.000,1.000,0.100,{}", &encoded[..8]), "fill"),
    ] {
        let mut lines: Vec<_> = text.lines().collect();
        lines[first + 1] = &damage;
        let text = lines.join("\n") + "\n";
        let (good, bad): (Vec<_>, Vec<_>) = read_log(text.as_bytes()).partition(Result::is_ok);
        assert_eq!((good.len(), bad.len()), (5, 1), "{cause}");
        let error = bad[0].as_ref().err().map(ToString::to_string).unwrap_or_default();
        assert!(error.contains(&format!("line {} of", first + 2)), "{error}");
        assert!(error.contains(cause), "{cause}: {error}");
    }
}

#[test]
fn other_logs_are_read_too() {
    let lines = read(include_str!("../../tests/response-v1.hlog"));
    let tags: Vec<_> = lines.iter().map(|line| line.tag.as_deref()).collect();
    assert_eq!(tags, [Some("response"), Some("service"), Some("lateness")]);
    assert_eq!(lines[0].histogram.len(), 100_000);
}
