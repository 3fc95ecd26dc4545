//! Metrics while a run lasts: Debian's Prometheus receives them, and its quantiles are ours.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::run::Run;
use crate::support::target::Target;

/// How long Prometheus may take to be ready, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server with a storage of its own; killed on drop.
struct Prometheus {
    child: Child,
    address: SocketAddr,
    _storage: TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

impl Prometheus {
    /// `None` without the program.
    fn start() -> Option<Self> {
        let quiet = || Stdio::null();
        let asked =
            Command::new("prometheus").arg("--version").stdout(quiet()).stderr(quiet()).status();
        if !asked.is_ok_and(|status| status.success()) {
            assert!(std::env::var_os("CI").is_none(), "CI must have prometheus");
            eprintln!("SKIPPED: prometheus is not installed");
            return None;
        }
        let storage = TempDir::new().expect("the machine has room for a folder");
        let address = free_address();
        std::fs::write(storage.path().join("p.yml"), "{}\n").expect("the folder is ours");
        let child = Command::new("prometheus")
            .arg("--config.file=p.yml")
            .arg("--storage.tsdb.path=data")
            .arg(format!("--web.listen-address={address}"))
            .arg("--web.enable-remote-write-receiver")
            .arg("--enable-feature=native-histograms")
            .current_dir(storage.path())
            .stdin(quiet())
            .stdout(quiet())
            .stderr(quiet())
            .spawn()
            .expect("it was there a moment ago");
        let prometheus = Self { child, address, _storage: storage };
        let began = Instant::now();
        while get(address, "/-/ready").is_none_or(|answer| !answer.starts_with("HTTP/1.1 200")) {
            assert!(began.elapsed() < PATIENCE, "Prometheus is not ready after {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(prometheus)
    }

    /// The result of a query at a moment.
    fn query(&self, query: &str, time: f64) -> Value {
        let encoded: String = query
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            })
            .collect();
        let answer = get(self.address, &format!("/api/v1/query?time={time}&query={encoded}"));
        let answer = answer.expect("it is ready");
        let start = answer.find('{').expect("the answer is JSON");
        let end = answer.rfind('}').expect("the answer is JSON");
        let value: Value = serde_json::from_str(&answer[start..=end]).expect("the answer is JSON");
        assert_eq!(value["status"], "success", "{query}: {value}");
        value["data"]["result"].clone()
    }
}

/// A port that was free a moment ago.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it listens")
}

/// The answer to a GET over HTTP/1.0, which has no chunks.
fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    // Prometheus says 1.0 as well.
    Some(answer.replacen("HTTP/1.0", "HTTP/1.1", 1))
}

fn number(result: &Value) -> f64 {
    let text = result[0]["value"][1].as_str().unwrap_or_else(|| panic!("one value: {result}"));
    text.parse().expect("a number")
}

#[test]
fn prometheus_has_every_second_and_the_quantiles_of_the_run() {
    let Some(prometheus) = Prometheus::start() else { return };
    let target = Target::start();
    let load = format!(
        "--name shop -c 2 -R 500 -d 3s --warmup 0s --prometheus-remote-write \
         http://{}/api/v1/write {}",
        prometheus.address,
        target.url()
    );
    let run = Run::json(&load).finish().expect_code(0);
    assert_eq!(run.stderr, "", "nothing is missing: {run}");
    let document = run.document();
    let count = document.count("latency_ns.response.count");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.expect("after 1970").as_secs_f64();
    // The series has ended, so it is looked for in the last minutes.
    let samples = prometheus.query("uringbench_requests_total{benchmark=\"shop\"}[5m]", now);
    let values = samples[0]["values"].as_array().unwrap_or_else(|| panic!("a series: {samples}"));
    let intervals = document.list("intervals").len();
    assert_eq!(values.len(), intervals, "one for each second: {samples}");
    let last = values.last().and_then(|it| it[1].as_str()?.parse().ok());
    assert_eq!(last, Some(count as f64), "{samples}");
    let ended = values.last().and_then(|it| it[0].as_f64()).expect("samples have times");
    for (quantile, key) in [(0.5, "p50"), (0.95, "p95"), (0.99, "p99")] {
        let query = format!("histogram_quantile({quantile}, uringbench_response_seconds)");
        let theirs = number(&prometheus.query(&query, ended));
        let ours = document.count(&format!("latency_ns.response.{key}")) as f64 / 1e9;
        // A bucket is 9 % wide.
        assert!((theirs / ours - 1.0).abs() < 0.1, "{key}: {theirs} and {ours}");
    }
    let query = "histogram_count(uringbench_response_seconds)";
    assert_eq!(number(&prometheus.query(query, ended)), count as f64);
    // After the run the series is over at once, not after five minutes.
    let after = prometheus.query("uringbench_requests_total", ended + 1.0);
    assert_eq!(after.as_array().map(Vec::len), Some(0), "{after}");
}

#[test]
fn a_receiver_that_is_away_is_reported_and_the_result_is_whole() {
    let target = Target::start();
    let load = format!(
        "-q -o out -c 2 -n 200 --prometheus-remote-write http://me:s3cret@{}/ {}",
        free_address(),
        target.url()
    );
    let run = Run::text(&load).finish().expect_code(0);
    assert!(run.stdout.contains("stored    out"), "{run}");
    assert!(run.stderr.contains("samples of a second did not reach http://127.0.0.1:"), "{run}");
    assert!(!run.stderr.contains("s3cret"), "{run}");
    for file in ["run.json", "plan.json"] {
        let text = std::fs::read_to_string(run.folder().join("out").join(file)).expect("stored");
        assert!(!text.contains("s3cret"), "{file}");
    }
}

#[test]
fn metrics_can_be_scraped_while_the_run_lasts() {
    let target = Target::start();
    let address = free_address();
    let load = format!(
        "--name shop -c 2 -R 200 -d 3s --prometheus-names api --prometheus-listen {address} {}",
        target.url()
    );
    let run = Run::json(&load).start();
    let began = Instant::now();
    let mut page = String::new();
    while !page.contains("api_response_time_seconds_count{benchmark=\"shop\"") {
        assert!(began.elapsed() < PATIENCE, "{page}");
        page = get(address, "/metrics").unwrap_or_default();
        std::thread::sleep(Duration::from_millis(20));
    }
    let run = run.finish().expect_code(0);
    assert_eq!(run.stderr.trim(), format!("metrics at http://{address}/metrics"));
}

#[test]
fn alerts_fire_while_the_run_lasts_and_again_over_its_seconds() {
    let target = Target::start();
    let rules = "rules:\n  - name: busy\n    condition: requests_per_second > 10\n    severity: \
                 info\n    message: it is loaded\n    hook: [sh, -c, 'echo \
                 \"$URINGBENCH_ALERT_NAME $URINGBENCH_ALERT_STATE $URINGBENCH_ALERT_TARGET\" >> \
                 hooks.txt']\n  - {name: calm, condition: 'error_rate > 99% for 1s'}\n";
    let load = format!("-q -o out -c 2 -R 200 -d 2s --alerts alerts.yaml {}", target.url());
    let run = Run::text(&load).file("alerts.yaml", rules).finish().expect_code(0);
    let line = "alert busy (info) FIRING at ";
    assert_eq!(run.stderr.matches(line).count(), 1, "{run}");
    assert!(run.stderr.contains("rule `requests_per_second > 10.0/s`; it is loaded"), "{run}");
    let hooks = std::fs::read_to_string(run.folder().join("hooks.txt")).expect("the hook ran");
    let authority = target.url().trim_start_matches("http://").trim_end_matches('/');
    assert_eq!(hooks, format!("busy firing {authority}\n"));
    let alerts = |words: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_uringbench"))
            .arg("alerts")
            .args(words.split(' '))
            .current_dir(run.folder())
            .output()
            .expect("the binary under test starts");
        let text = String::from_utf8(output.stdout).expect("the output is UTF-8");
        (output.status.code(), text, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, text, _) = alerts("test alerts.yaml out");
    assert_eq!(code, Some(10), "{text}");
    let fired = run.stderr.lines().find(|it| it.contains(line)).expect("counted above");
    assert!(text.contains(fired) && text.contains("busy: FIRING at the end\n"), "{fired}\n{text}");
    assert!(text.ends_with("calm: inactive at the end\n"), "{text}");
    assert_eq!(alerts("check alerts.yaml").1, "alerts.yaml: 2 rules\n");
    assert!(
        alerts("export alerts.yaml").1.contains("expr: \"uringbench_completed_per_second > 10\"")
    );
    let (code, _, why) = alerts("test alerts.yaml out/run.json2");
    assert!(code == Some(1) && why.contains("out/run.json2"), "{why}");
}

#[test]
fn mistakes_are_named_before_anything_is_sent() {
    let wrong = |words: &str, parts: &[&str]| {
        let run = Run::text(&format!("{words} http://127.0.0.1:1/"));
        let rules = "rules:\n  - name: a\n    condition: speed > 1\n";
        run.file("a.yaml", rules).finish().expect_code(2).expect_line(parts);
    };
    wrong("--prometheus-remote-write ftp://h/", &["only http:// and https://"]);
    wrong("--otlp h:4318", &["write http://HOST:PORT/PATH"]);
    wrong("--prometheus-listen 9464", &["--prometheus-listen"]);
    wrong("--prometheus-names api", &["--prometheus-names is for metrics: add"]);
    wrong("--alerts a.yaml", &["a.yaml: line 3: there is no metric `speed`"]);
    wrong("--alerts gone.yaml", &["cannot read the alert rules gone.yaml"]);
    wrong("noise --otlp http://h", &["--otlp follows a single run", "uringbench noise"]);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let taken = listener.local_addr().expect("it listens");
    let run = Run::text(&format!("--prometheus-listen {taken} http://127.0.0.1:1/"));
    run.finish().expect_code(1).expect_line(&["nothing was started", "cannot serve metrics at"]);
}
