//! The text of runs, letter by letter.

use std::time::UNIX_EPOCH;

use super::*;
use uringbench_core as words;
use uringbench_core::outcome::Counts;
use uringbench_core::plan::{Carrier, Plan};
use uringbench_core::record::{Backend, RunRecord, TcpReading, Times};
use uringbench_core::slo::{Measured, Slo};
use uringbench_core::summary::Summary;
use uringbench_core::validity::{self, Observations};
use uringbench_document::{DocumentParts, Environment};

#[path = "../../../../engine/core/src/summary/fixture.rs"]
mod fixture;
#[path = "../../../../engine/core/src/summary/fixture_script.rs"]
mod fixture_script;

fn document_of(plan: &Plan, record: &RunRecord, slo: Option<&str>) -> Document {
    let observed = Observations { steal_share: Some(0.001), ..Observations::default() };
    let figures = Summary::of(plan, record);
    let slo: Option<Slo> = slo.map(|slo| slo.parse().expect("an objective"));
    let engine = Some(record.backend.to_string());
    Document::build(DocumentParts {
        cost: None,
        plan,
        url: "http://127.0.0.1:8080/",
        method: "GET",
        name: None,
        started: UNIX_EPOCH,
        record,
        summary: &figures,
        verdict: &validity::judge(plan, record, &figures, &observed),
        slo: &slo.map_or_else(Vec::new, |slo| slo.judge(&Measured::of_run(&figures))),
        environment: &Environment { engine, ..Environment::default() },
        target_usage: None,
        git: None,
        tags: &[],
        target: None,
        soak: None,
        timeline: None,
    })
    .expect("a document")
}

fn page_of(document: &Document, colour: Colour) -> String {
    let stored = Path::new("results/127.0.0.1_8080/GET/20260228T235959Z");
    summary(document, Some(stored), colour)
}

/// The page of a run, which is that of its document read back.
fn text_of(plan: &Plan, record: &RunRecord, slo: Option<&str>, colour: Colour) -> String {
    let document = document_of(plan, record, slo);
    let text = page_of(&document, colour);
    let read = Document::read(&document.to_json().expect("JSON")).expect("a document");
    assert_eq!(page_of(&read, colour), text);
    text
}

#[test]
fn a_closed_loop_has_one_column_and_says_what_it_is() {
    let plan = fixture::closed();
    assert_eq!(
        text_of(&plan, &fixture::record(&plan), None, Colour::No),
        "\
VALID
target    GET http://127.0.0.1:8080/
load      closed loop · 64 connections · 2 cores · 2.00 s measured
rate      150,000/s completed

time      service time (closed loop)
  p50           400 µs
  p90           400 µs
  p95           600 µs
  p99           600 µs
  p99.9        1.20 ms
  p99.99       2.40 ms
  max          2.40 ms
  mean          427 µs
  count        300,000

answers   200 × 300,000
bytes     128 MB/s received   6.00 MB/s sent
client    9.33 µs CPU/request   0.12 enters/request   CPU 70.0 % busy   13.0 MiB resident
stored    results/127.0.0.1_8080/GET/20260228T235959Z
"
    );
}

#[test]
fn another_backend_than_the_usual_is_named() {
    let plan = fixture::closed();
    let mut record = fixture::record(&plan);
    record.backend = Backend::MonoioEpoll;
    record.workers.iter_mut().for_each(|worker| worker.enters = 0);
    let text = text_of(&plan, &record, None, Colour::No);
    assert!(text.contains(" · 2 cores · monoio (epoll) · 2.00 s measured\n"), "{text}");
    // What it does not count is not shown as none.
    assert!(text.contains("CPU/request   CPU"), "{text}");
}

#[test]
fn connections_that_carried_nothing_are_counted_beside_the_planned() {
    let plan = fixture::closed();
    let mut record = fixture::record(&plan);
    record.workers[1].connections_used = 31;
    let text = text_of(&plan, &record, None, Colour::No);
    assert!(text.contains(" · 64 connections, 63 used · 2 cores"), "{text}");
}

#[test]
fn the_state_of_tcp_is_shown_over_a_network_and_after_retransmits() {
    let line = |address: [u8; 4], retransmits| {
        let plan = fixture::closed().with(|plan| {
            plan.transport.carrier = Carrier::ring(vec![(address, 80).into()]);
        });
        let plan = plan.expect("a plan");
        let mut record = fixture::record(&plan);
        let reading = |micros: u64| TcpReading {
            connections: 1,
            retransmits,
            rtt: Some(Nanos(micros * 1_000)),
            rtt_min: Some(Nanos(micros * 900)),
            delivery_rate: Some(125_000 * micros),
        };
        record.workers[0].tcp = [100, 200, 300].map(reading).to_vec();
        let text = text_of(&plan, &record, None, Colour::No);
        text.lines().find(|line| line.starts_with("tcp ")).map(str::to_owned)
    };
    let expected = "tcp       round trip p50 200 µs max 300 µs   delivery p50 25.0 MB/s   \
                    0 retransmits on 3 of 64 connections";
    assert_eq!(line([10, 0, 0, 1], 0).as_deref(), Some(expected));
    assert_eq!(line([127, 0, 0, 1], 0), None);
    let lost = line([127, 0, 0, 1], 1).expect("a line");
    assert!(lost.ends_with("   3 retransmits on 3 of 64 connections"), "{lost}");
}

#[test]
fn few_handshakes_have_a_mean_instead_of_quantiles() {
    let of = |count| {
        let mut record = fixture::record(&fixture::closed());
        record.times.response.reset();
        for time in (1_000..).step_by(1_000).take(count) {
            record.times.response.record_n(time, 1).expect("within an hour");
        }
        spread(&document_of(&fixture::closed(), &record, None).latency_ns.response)
    };
    assert_eq!(of(0), "-");
    assert_eq!(of(1), "min 1.00 µs mean 1.00 µs max 1.00 µs");
    assert_eq!(of(3), "min 1.00 µs mean 2.00 µs max 3.00 µs");
    assert_eq!(of(99), "p50 50.0 µs max 99.0 µs");
}

#[test]
fn a_worker_that_spun_is_not_called_busy() {
    let plan = fixture::closed();
    let mut record = fixture::record(&plan);
    for worker in &mut record.workers {
        (worker.spun, worker.run_queue) = (Nanos::from_millis(400), Nanos::ZERO);
    }
    let text = text_of(&plan, &record, None, Colour::No);
    assert!(text.contains("6.67 µs CPU/request"), "{text}");
    assert!(text.contains("   CPU 50.0 % busy, 20.0 % spinning   "), "{text}");
}

#[test]
fn an_open_loop_shows_all_three_times() {
    let plan = fixture::open();
    let slo = Some("p99<20ms,errors<0.1%,rate>60k");
    assert_eq!(
        text_of(&plan, &fixture::record(&plan), slo, Colour::No),
        "\
VALID
target    GET http://127.0.0.1:8080/
load      open loop, 50,000/s constant · 64 connections · 2 cores · 2.00 s measured
rate      50,000/s completed   50,000/s offered   50,000/s achieved

time          response     service    lateness
  p50          20.2 µs     20.0 µs      200 ns
  p90          20.2 µs     20.0 µs      200 ns
  p95          30.3 µs     30.0 µs      300 ns
  p99          30.3 µs     30.0 µs      300 ns
  p99.9        60.6 µs     60.0 µs      600 ns
  p99.99        121 µs      120 µs     1.20 µs
  max           121 µs      120 µs     1.20 µs
  mean         21.6 µs     21.4 µs      214 ns
  count        100,000     100,000     100,000

answers   200 × 100,000
bytes     42.5 MB/s received   2.00 MB/s sent
client    28.0 µs CPU/request   0.12 enters/request   CPU 70.0 % busy   13.0 MiB resident
slo       met      p99 < 20.0 ms     30.3 µs
          met      errors < 0.10 %   0 %
          MISSED   rate > 60,000/s   50,000/s
stored    results/127.0.0.1_8080/GET/20260228T235959Z
"
    );
}

#[test]
fn an_invalid_run_says_why_first_and_names_its_errors() {
    assert_eq!(
        text_of(&fixture::open(), &failing(), Some("p99<20ms"), Colour::No),
        "\
INVALID: generator_limited, errors, unsolicited
  - only 60.3 % of the planned rate was sent though connections were free: the generator was the
    limit (busiest worker: 70.0 % of its CPU); use more --cores or lower -R
  - suspect: 7.1 % of the requests failed (2,000 status, 1,900 timeout, 400 reset): check the
    target first, it was failing when the times were taken
  - suspect: the target sent bytes that belong to no answer 2 times: check whether its answers
    are longer than they declare

target    GET http://127.0.0.1:8080/
load      open loop, 50,000/s constant · 64 connections · 2 cores · 2.00 s measured
rate      28,000/s completed   50,000/s offered   30,150/s achieved   4,300 errors (7.1 %)

time          response     service    lateness
  p50          20.2 µs     20.0 µs      200 ns
  p90          20.2 µs     20.0 µs      200 ns
  p95          30.3 µs     30.0 µs      300 ns
  p99          30.3 µs     30.0 µs      300 ns
  p99.9        60.6 µs     60.0 µs      600 ns
  p99.99        121 µs      120 µs     1.20 µs
  max           121 µs      120 µs     1.20 µs
  mean         21.6 µs     21.4 µs      214 ns
  count        100,000     100,000     100,000

errors    status × 2,000   timeout × 1,900   reset × 400
answers   200 × 56,000   503 × 2,000
bytes     42.5 MB/s received   2.00 MB/s sent
client    48.3 µs CPU/request   0.22 enters/request   CPU 70.0 % busy   13.0 MiB resident
slo       met      p99 < 20.0 ms   30.3 µs
note      2,000 of 58,000 answers (3.4 %) are 503: the target turns load away; lower -R or -c,
          or see its log
note      2,300 unfinished requests were counted at the age they reached, less than their true
          response time
stored    results/127.0.0.1_8080/GET/20260228T235959Z
"
    );
}

#[test]
fn a_run_without_an_answer_shows_no_times() {
    assert_eq!(
        text_of(&fixture::open(), &dead(), Some("p99<20ms"), Colour::No),
        "\
INVALID: nothing_completed
  - no request was answered (100,000 connect_failed): check that the target listens at this
    address and speaks HTTP/1.1

target    GET http://127.0.0.1:8080/
load      open loop, 50,000/s constant · 64 connections · 2 cores · 2.00 s measured
rate      0/s completed   50,000/s offered   0/s achieved   100,000 errors (100 %)

errors    connect_failed × 100,000
bytes     0 B/s received   0 B/s sent
client    CPU 70.0 % busy   13.0 MiB resident
slo       unknown  p99 < 20.0 ms   too few samples
note      interrupted: measured for 2.00 s of 2.00 s
note      too few samples for p99: 0 of 1,000; run longer
stored    results/127.0.0.1_8080/GET/20260228T235959Z
"
    );
}

#[test]
fn quantiles_without_samples_are_a_dash() {
    let plan = fixture::open();
    let mut record = fixture::record(&plan);
    record.times = Times::default();
    record.times.response.record_n(1_000, 100).expect("within an hour");
    let text = text_of(&plan, &record, None, Colour::No);
    for row in [
        "  p90          1.00 µs           -           -\n",
        "  p95                -           -           -\n",
        "  max          1.00 µs           -           -\n",
        "  count            100           0           0\n",
    ] {
        assert!(text.contains(row), "{row}{text}");
    }
}

#[test]
fn colour_adds_nothing_but_colour() {
    let slo = Some("p99<20ms,rate>60k");
    let plain = text_of(&fixture::open(), &failing(), slo, Colour::No);
    let mut coloured = text_of(&fixture::open(), &failing(), slo, Colour::Yes);
    assert!(coloured.starts_with("\x1b[1;31mINVALID\x1b[0m: generator_limited"), "{coloured}");
    for code in ["0", "1", "2", "1;31", "1;32"] {
        let code = format!("\x1b[{code}m");
        assert!(coloured.contains(&code), "{code:?}");
        coloured = coloured.replace(&code, "");
    }
    assert_eq!(coloured, plain);
    assert!(!plain.contains('\x1b'));
}

#[test]
fn figures_are_as_long_as_they_are_worth() {
    let rates = [(0.0, "0/s"), (0.25, "0.2/s"), (99.94, "99.9/s"), (1_234.6, "1,235/s")];
    for (rate, text) in rates {
        assert_eq!(per_second(rate), text);
    }
    let flows =
        [(999.0, "999 B/s"), (1_500.0, "1.50 kB/s"), (12.34e6, "12.3 MB/s"), (1e9, "1.00 GB/s")];
    for (flow, text) in flows {
        assert_eq!(byte_rate(flow), text);
    }
}

#[test]
fn lines_break_at_spaces_but_not_before_a_unit() {
    assert_eq!(wrap("it took 12.5 % of all", 12), ["it took 12.5 %", "of all"]);
    assert_eq!(wrap("averyveryverylongword and", 8), ["averyveryverylongword", "and"]);
    assert_eq!(wrap("", 8), [""]);
}

#[test]
fn causes_stand_below_the_errors_they_explain() {
    let plan = fixture::open();
    let mut record = failing();
    record.causes.add(Outcome::Reset, "the target closed the connection", 400);
    record.causes.add(Outcome::Timeout, "no byte came", 1_900);
    let text = text_of(&plan, &record, None, Colour::No);
    let expected = "\
errors    status × 2,000   timeout × 1,900   reset × 400
          1,900 × timeout: no byte came
          400 × reset: the target closed the connection
";
    assert!(text.contains(expected), "{text}");
}

fn failing() -> RunRecord {
    let plan = fixture::open();
    let mut record = fixture::record(&plan);
    let mut counts = fixture::all_ok(56_000);
    counts.released = 60_300;
    for (lost, outcome) in
        [(2_000, Outcome::Status), (1_900, Outcome::Timeout), (400, Outcome::Reset)]
    {
        counts.end(outcome, lost);
    }
    record.codes = fixture::codes(&[(200, 56_000), (503, 2_000)]);
    record.times.censored = 2_300;
    record.counts = counts;
    record.workers[1].unsolicited = 2;
    record
}

fn dead() -> RunRecord {
    let plan = fixture::open();
    let mut record = fixture::record(&plan);
    let mut counts = Counts::default();
    counts.released = 100_000;
    counts.end(Outcome::ConnectFailed, 100_000);
    record.counts = counts;
    record.codes = fixture::codes(&[]);
    record.times = Times::default();
    for worker in &mut record.workers {
        (worker.sent_bytes, worker.received_bytes) = (0, 0);
    }
    record.interrupted = true;
    record
}

#[test]
fn a_scenario_has_tables_of_flows_and_steps() {
    let plan = fixture_script::scripted(fixture::closed(), Some(20));
    let record = fixture_script::scripted_record(fixture::record(&plan));
    let text = text_of(&plan, &record, None, Colour::No);
    assert!(text.contains("\nload      closed loop, 20 users · 64 connections"), "{text}");
    assert!(text.contains("\nrate      1,506/s requests completed   508 errors"), "{text}");
    let (from, to) = (text.find("flows  ").unwrap(), text.find("\n\nerrors").unwrap());
    let expected = include_str!("../../tests/script.txt");
    assert_eq!(&text[from..=to], expected);
}

#[test]
fn of_many_steps_those_that_failed_are_shown() {
    let plan = fixture_script::scripted(fixture::open(), None);
    let record = fixture_script::scripted_record(fixture::record(&plan));
    let mut document = document_of(&plan, &record, None);
    let (good, bad) = (document.steps[1].clone(), document.steps[2].clone());
    document.steps = std::iter::repeat_n(good, 100).chain([bad]).collect();
    let mut page = Page { text: String::new(), colour: Colour::No };
    page.script(&document);
    assert_eq!(page.text.matches("browse/search").count(), 39);
    assert_eq!(page.text.matches("browse/look").count(), 1);
    assert!(page.text.ends_with("  and 61 more, in run.json\n"), "{}", page.text);
}

#[test]
fn a_profiled_soak_of_a_scenario_shows_all_it_had() {
    let document = include_str!("../../../document/tests/run-v1-soak.json");
    let document = Document::read(document).expect("a document");
    let text = summary(&document, None, Colour::No);
    assert_eq!(text, include_str!("../../tests/soak.txt"));
}

#[test]
fn documents_of_earlier_forms_have_a_page_too() {
    let scenario = include_str!("../../../document/tests/run-v1-scenario-first.json");
    let text = summary(&Document::read(scenario).expect("a document"), None, Colour::No);
    // How many a second passed a step was not stored yet.
    let row = text.lines().find(|line| line.starts_with("  browse/look")).expect("a row");
    assert_eq!(row.split_whitespace().nth(3), Some("-"), "{text}");
    let soak = include_str!("../../../document/tests/run-v1-soak-first.json");
    let text = summary(&Document::read(soak).expect("a document"), None, Colour::No);
    assert!(text.starts_with("INCONCLUSIVE (needs 5 more minutes)\nmemory    "), "{text}");
    let known = soak.replace("\"verdict\": \"inconclusive\"", "\"verdict\": \"no_leak\"");
    let text = summary(&Document::read(&known).expect("a document"), None, Colour::No);
    assert!(text.starts_with("NO LEAK\nmemory    NO LEAK "), "{text}");
}
