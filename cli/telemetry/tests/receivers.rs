//! Metrics sent to receivers that fail, and read from the page.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost::Message;
use uringbench_core::histogram::LatencyCounts;
use uringbench_core::record::Interval;
use uringbench_core::time::Nanos;
use uringbench_core::window::Phase;
use uringbench_export::metrics::RunLabels;
use uringbench_export::otlp::OtlpRequest;
use uringbench_export::remote_write::{TimeSeries, WriteRequest};
use uringbench_telemetry::{Telemetry, TelemetryError, TelemetryPlan};

/// A request as a receiver sees it.
struct Posted {
    head: String,
    body: Vec<u8>,
}

/// A receiver that gives these answers in turn, the last one for ever.
fn receiver(answers: &'static [&'static str]) -> (String, Receiver<Posted>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("http://user:pw@{}", listener.local_addr().expect("it listens"));
    let (sender, posted) = channel();
    thread::spawn(move || {
        let last = answers.last().expect("it has an answer");
        let mut answers = answers.iter().chain(std::iter::repeat(last));
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.expect("a connection"));
            while let Some(request) = read(&mut stream) {
                let answer = answers.next().expect("they never end");
                let _gone = sender.send(request);
                let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
                stream.get_mut().write_all(answer.as_bytes()).expect("the client reads");
            }
        }
    });
    (url, posted)
}

fn read(stream: &mut BufReader<TcpStream>) -> Option<Posted> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.expect("a length is sent")];
    stream.read_exact(&mut body).ok()?;
    Some(Posted { head, body })
}

fn labels() -> RunLabels {
    RunLabels { benchmark: "shop".to_owned(), target: "h:1".to_owned() }
}

fn interval(second: u64) -> (Interval, LatencyCounts) {
    let mut response = LatencyCounts::default();
    response.record_many(1_000_000, 90);
    response.record_many(20_000_000, 10);
    let interval = Interval {
        start: Nanos::from_secs(second),
        length: Nanos::SECOND,
        phase: Phase::Measure,
        released: 100,
        completed: 100,
        errors: 5,
        outcomes: [95, 5, 0, 0, 0, 0, 0, 0, 0],
        in_flight: 2,
        connected: 4,
        response: None,
        lateness_p99: None,
        sent_bytes: 1_000,
        received_bytes: 2_000,
    };
    (interval, response)
}

fn send(plan: &TelemetryPlan, seconds: u64) -> Vec<String> {
    let telemetry = Telemetry::start(plan, labels(), |_| ()).expect("it starts");
    for second in 0..seconds {
        let (interval, response) = interval(second);
        telemetry.interval(&interval, &response);
    }
    telemetry.finish()
}

fn remote_write(url: &str) -> TelemetryPlan {
    TelemetryPlan { remote_write: Some(url.parse().expect("a URL")), ..TelemetryPlan::default() }
}

/// All series of the requests that were accepted, in order.
fn series(posted: &[Posted]) -> Vec<TimeSeries> {
    let requests = posted.iter().map(|posted| {
        let body = snap::raw::Decoder::new().decompress_vec(&posted.body).expect("snappy");
        WriteRequest::decode(&*body).expect("a WriteRequest").timeseries
    });
    requests.flatten().collect()
}

fn named<'a>(series: &'a [TimeSeries], name: &str) -> Vec<&'a TimeSeries> {
    let is_it =
        |it: &&TimeSeries| it.labels.iter().any(|l| l.name == "__name__" && l.value == name);
    series.iter().filter(is_it).collect()
}

#[test]
fn a_receiver_that_fails_twice_gets_every_second_once() {
    let (url, posted) = receiver(&["503 away\r\nRetry-After: 0", "429 slow", "204 fine"]);
    let before = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    assert_eq!(send(&remote_write(&format!("{url}/api/v1/write?x=1")), 5), Vec::<String>::new());
    let posted: Vec<_> = posted.try_iter().collect();
    for request in &posted {
        let head = request.head.to_lowercase();
        assert!(head.starts_with("post /api/v1/write?x=1 http/1.1\r\n"), "{head}");
        for header in [
            "content-encoding: snappy",
            "content-type: application/x-protobuf",
            "x-prometheus-remote-write-version: 0.1.0",
            "user-agent: uringbench/",
            "authorization: basic dxnlcjpwdw==",
        ] {
            assert!(head.contains(header), "{header}: {head}");
        }
    }
    let series = series(&posted[2..]);
    let sorted = |it: &TimeSeries| it.labels.is_sorted_by(|a, b| a.name < b.name);
    assert!(series.iter().all(sorted), "{series:?}");
    let totals = named(&series, "uringbench_requests_total");
    let values: Vec<f64> = totals.iter().map(|it| it.samples[0].value).collect();
    assert_eq!(values[..5], [100.0, 200.0, 300.0, 400.0, 500.0]);
    let times: Vec<i64> = totals.iter().map(|it| it.samples[0].timestamp).collect();
    assert_eq!(times[4] - times[0], 4_000, "the run's own seconds, not those of sending");
    assert!(times[0] >= before as i64, "{times:?}");
    // The end: a value that is not a number, a millisecond later.
    assert_eq!((values.len(), values[5].to_bits()), (6, 0x7ff0_0000_0000_0002));
    assert_eq!(times[5], times[4] + 1);
    let errors = named(&series, "uringbench_error_ratio");
    assert_eq!(errors[0].samples[0].value, 0.05);
    let response = named(&series, "uringbench_response_seconds");
    let last = &response[4].histograms[0];
    assert_eq!((last.count_int, last.schema, last.timestamp), (Some(500), 3, times[4]));
    assert!((last.sum - 5.0 * (0.09 + 0.2)).abs() < 0.01, "{}", last.sum);
    assert_eq!(last.positive_deltas, [450, -400]);
    assert_eq!(response[5].histograms[0].sum.to_bits(), 0x7ff0_0000_0000_0002);
}

#[test]
fn intervals_shorter_than_a_millisecond_have_times_of_their_own() {
    let (url, posted) = receiver(&["204 fine"]);
    let telemetry = Telemetry::start(&remote_write(&url), labels(), |_| ()).expect("it starts");
    let (mut interval, response) = interval(0);
    telemetry.interval(&interval, &response);
    for _ in 0..2 {
        interval.start += interval.length;
        interval.length = Nanos(40_000);
        telemetry.interval(&interval, &response);
    }
    assert_eq!(telemetry.finish(), Vec::<String>::new());
    let series = series(&posted.try_iter().collect::<Vec<_>>());
    let totals = named(&series, "uringbench_requests_total");
    let times: Vec<i64> = totals.iter().map(|it| it.samples[0].timestamp).collect();
    assert_eq!(times, [0, 1, 2, 3].map(|ms| times[0] + ms));
    // Nothing of the length of a blink has a rate.
    assert_eq!(named(&series, "uringbench_completed_per_second").len(), 2, "one, and its end");
}

#[test]
fn refused_seconds_are_not_sent_again_and_reported() {
    let (url, posted) = receiver(&["400 out of order"]);
    let lines = send(&remote_write(&url), 3);
    let sent = posted.try_iter().count();
    assert!((1..=4).contains(&sent), "each second once: {sent}");
    assert_eq!(lines.len(), 1, "{lines:?}");
    let address = url.replace("user:pw@", "");
    for part in ["4 of 4 samples of a second did not reach", &address, "status 400", "stored"] {
        assert!(lines[0].contains(part), "{part}: {lines:?}");
    }
    assert!(!lines[0].contains("pw"), "{lines:?}");
}

#[test]
fn a_receiver_that_is_not_there_is_reported() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it listens");
    drop(taken);
    let lines = send(&remote_write(&format!("http://{address}/")), 2);
    assert!(lines[0].contains("3 of 3 samples of a second did not reach"), "{lines:?}");
    assert!(lines[0].to_lowercase().contains("refused"), "{lines:?}");
}

#[test]
fn otlp_gets_cumulative_sums_and_exponential_histograms() {
    let (url, posted) = receiver(&["200 fine"]);
    let plan = TelemetryPlan {
        otlp: Some(url.parse().expect("a URL")),
        token: Some("s3cret".to_owned()),
        ..TelemetryPlan::default()
    };
    assert_eq!(send(&plan, 2), Vec::<String>::new());
    let posted: Vec<_> = posted.try_iter().collect();
    assert!(posted[0].head.starts_with("POST /v1/metrics HTTP/1.1\r\n"), "{}", posted[0].head);
    assert!(posted[0].head.to_lowercase().contains("authorization: bearer s3cret"));
    let bodies: Vec<u8> = posted.iter().flat_map(|it| it.body.clone()).collect();
    let request = OtlpRequest::decode(&*bodies).expect("an ExportMetricsServiceRequest");
    assert_eq!(request.resource_metrics.len(), 2, "one for each second");
    let metrics = &request.resource_metrics[1].scope_metrics[0].metrics;
    let of = |name: &str| metrics.iter().find(|it| it.name == name).expect("it is sent");
    let sum = of("uringbench_requests_total").sum.as_ref().expect("a counter is a sum");
    assert!(sum.is_monotonic && sum.aggregation_temporality == 2);
    let point = &sum.data_points[0];
    assert_eq!(point.as_double, Some(200.0));
    assert_eq!(point.time_unix_nano - point.start_time_unix_nano, 2_000_000_000);
    let response = of("uringbench_response_seconds");
    assert_eq!(response.unit, "s");
    let times = &response.exponential_histogram.as_ref().expect("times").data_points[0];
    let buckets = times.positive.as_ref().expect("there are values");
    assert_eq!((times.count, times.scale), (200, 3));
    assert_eq!(buckets.bucket_counts.iter().sum::<u64>(), 200);
    // Bucket i of OTLP is (base^i, base^(i+1)]: 1 ms lies in it.
    let base = 2.0_f64.powf(1.0 / 8.0);
    let first = base.powi(buckets.offset)..=base.powi(buckets.offset + 1);
    assert!(first.contains(&0.001), "{first:?}");
    assert!(times.min.is_some_and(|min| (min - 0.001).abs() < 0.000_01), "{times:?}");
}

fn get(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[test]
fn the_page_has_the_last_interval_and_nothing_else_is_served() {
    let any = "127.0.0.1:0".parse().expect("an address");
    let plan = TelemetryPlan { listen: Some(any), ..TelemetryPlan::default() };
    let telemetry = Telemetry::start(&plan, labels(), |_| ()).expect("it starts");
    let address = telemetry.address().expect("it listens");
    // Someone who asks nothing does not keep others out.
    let _silent = TcpStream::connect(address).expect("it listens");
    let (interval, response) = interval(0);
    telemetry.interval(&interval, &response);
    let ask = "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n";
    let mut page = get(address, ask);
    while !page.contains("uringbench_requests_total{benchmark=\"shop\",target=\"h:1\"} 100\n") {
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
        thread::sleep(Duration::from_millis(5));
        page = get(address, ask);
    }
    assert!(page.contains("Content-Type: text/plain; version=0.0.4"), "{page}");
    assert!(get(address, "GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
    assert!(get(address, "POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 400 "));
    assert!(get(address, "nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
    let second = TelemetryPlan { listen: Some(address), ..TelemetryPlan::default() };
    let taken = Telemetry::start(&second, labels(), |_| ());
    assert!(matches!(taken, Err(TelemetryError::Listen { .. })), "the port is taken");
    assert_eq!(telemetry.finish(), Vec::<String>::new());
}
