//! `intervals.hlog` of real runs: one line for each of the document's `intervals`, whose histograms
//! add up to the run's; read by our reader and by that of the hdrhistogram crate.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::BufReader;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use uringbench_core::histogram::empty;
use uringbench_document::{Document, LogLine, WARMUP, read_log};

use crate::support::recording::Recording;
use crate::support::run::{Finished, Run};
use crate::support::target::Target;

fn decoded(encoded: &str) -> Histogram<u64> {
    let bytes = STANDARD.decode(encoded).unwrap();
    Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap()
}

#[track_caller]
fn log_agrees(finished: &Finished) {
    let document = Document::read(&fs::read_to_string(finished.file("run.json")).unwrap()).unwrap();
    let path = finished.file("intervals.hlog");
    let log = BufReader::new(fs::File::open(&path).unwrap());
    let lines: Vec<LogLine> = read_log(log).map(Result::unwrap).collect();
    assert_eq!(lines.len(), document.intervals.len(), "{finished}");
    let mut whole = empty();
    for (line, interval) in lines.iter().zip(&document.intervals) {
        assert!((line.start.as_secs_f64() - interval.t_s).abs() < 1e-3, "{finished}");
        assert!((line.length.as_secs_f64() - interval.length_s).abs() < 1e-3, "{finished}");
        let is_warmup = interval.phase == "warmup";
        assert_eq!(line.tag.as_deref(), is_warmup.then_some(WARMUP), "{finished}");
        let at = |quantile| line.histogram.value_at_quantile(quantile);
        let known = (!line.histogram.is_empty()).then(|| (at(0.5), at(0.99), at(1.0)));
        assert_eq!(known.map(|known| known.0), interval.response_p50_ns, "{finished}");
        assert_eq!(known.map(|known| known.1), interval.response_p99_ns, "{finished}");
        assert_eq!(known.map(|known| known.2), interval.response_max_ns, "{finished}");
        if !is_warmup {
            whole.add(&line.histogram).unwrap();
        }
    }
    assert_eq!(whole.len(), document.latency_ns.response.count, "{finished}");
    // Not assert_eq: it would print 33,792 counts of a histogram.
    assert!(
        whole == decoded(&document.histograms.response),
        "they add up to the run's\n{finished}"
    );
    // The other reader has the same histograms.
    let text = fs::read(&path).unwrap();
    let theirs = IntervalLogIterator::new(&text).filter_map(|entry| match entry.unwrap() {
        LogEntry::Interval(interval) => Some(decoded(interval.encoded_histogram())),
        LogEntry::StartTime(_) | LogEntry::BaseTime(_) => None,
    });
    let ours = lines.into_iter().map(|line| line.histogram);
    assert!(theirs.eq(ours), "both readers read the same\n{finished}");
}

#[test]
fn logs_hold_every_response_time_of_the_run() {
    let target = Target::start();
    let (url, pid) = (target.url(), target.pid());
    for args in [
        format!("-q -c 4 --warmup 700ms -d 1500ms {url}"),
        format!("-q -c 2 -R 3k --warmup 300ms -d 1200ms {url}"),
        format!("-q -c 3 -n 2k --warmup 0s --engine monoio {url}"),
        // Progress in steps shorter than an interval.
        format!("-q -c 2 -R 500 --warmup 300ms -d 1500ms --profile {pid} {url}"),
    ] {
        log_agrees(&Run::text(&args).finish());
    }
}

#[test]
fn logs_of_scenarios_and_of_requests_that_never_end_hold_all_of_them() {
    let server = Recording::good();
    let flows = "[[flow]]\nname = \"f\"\n[[flow.step]]\nname = \"a\"\npath = \"/a\"\n\
                 [[flow.step]]\nname = \"b\"\npath = \"/b\"\n";
    let text = format!("target = \"{}\"\n{flows}", server.target());
    let args = "-q -c 2 -R 200 --warmup 200ms -d 700ms shop.toml";
    log_agrees(&Run::text(args).file("shop.toml", &text).finish());
    let silent = Recording::start(|_| crate::support::recording::Answer::Silence);
    let args = format!("-q -c 2 -n 6 --timeout 300ms --warmup 0s {}/", silent.target());
    log_agrees(&Run::text(&args).finish());
}

#[test]
fn a_run_that_did_not_begin_leaves_no_log() {
    let finished = Run::text("-q -o out -d 1s http://127.0.0.1:1/").finish().expect_code(1);
    assert!(!finished.folder().join("out").exists(), "{finished}");
}
