//! A suite with one cell of each state.

use uringbench_document::suite::{CellFigures, SCHEMA, SuiteSettings};
use uringbench_document::target::Interval95;

use super::*;

fn cell(target: &str, state: CellState, rate: Option<f64>) -> SuiteCell {
    let interval =
        |rate: f64| Interval95 { value: rate, ci_low: Some(0.9 * rate), ci_high: Some(1.1 * rate) };
    SuiteCell {
        target: target.to_owned(),
        case: "files/up|load".to_owned(),
        category: "files".to_owned(),
        scenario: "files".to_owned(),
        flow: Some("up|load".to_owned()),
        state,
        reason: match state {
            CellState::Failed => Some("wrong answer: body is not `<pong>`".to_owned()),
            CellState::Lacking => Some("no bodies".to_owned()),
            CellState::Measured | CellState::Checked | CellState::Unfinished => None,
        },
        rank: rate.map(|rate| if rate > 500.0 { 1 } else { 2 }),
        figures: rate.map(|rate| CellFigures {
            validity: "valid".to_owned(),
            counted: 2,
            rate,
            rate_interval: Some(interval(rate)),
            response_p50_ns: Some(1_200_000.0),
            cpu_us_per_request: Some(12.5),
            memory_bytes: Some(1_048_576.0),
            error_share: Some(0.0),
            ..CellFigures::default()
        }),
        connections: None,
        slo: Vec::new(),
        is_wrong: false,
        soak: None,
        runs: Vec::new(),
        flamegraph: (target == "a").then(|| "flamegraphs/a.svg".to_owned()),
        killed_for_memory: 0,
        insights: Vec::new(),
    }
}

fn suite() -> SuiteDocument {
    let names = ["a", "b", "c", "d"];
    SuiteDocument {
        schema: SCHEMA.to_owned(),
        name: "s".to_owned(),
        title: "A <b>suite</b>".to_owned(),
        started: None,
        is_complete: true,
        settings: SuiteSettings {
            runs: 2,
            took_s: 10.0,
            loaded_s: 8.0,
            ..SuiteSettings::default()
        },
        host: None,
        notes: vec!["Targets ran without limits.".to_owned()],
        conclusions: vec!["b is *first*.".to_owned()],
        targets: names
            .map(|name| SuiteTarget { name: name.to_owned(), ..SuiteTarget::default() })
            .into(),
        cells: vec![
            cell("a", CellState::Measured, Some(250.0)),
            cell("b", CellState::Measured, Some(1_000.0)),
            cell("c", CellState::Failed, None),
            cell("d", CellState::Lacking, None),
        ],
        claims: Vec::new(),
        scaling: Vec::new(),
    }
}

#[test]
fn a_table_has_the_best_first_and_says_why_the_rest_has_no_figures() {
    let page = text(&suite(), Colour::No);
    let expected = "\
A <b>suite</b>
- Targets ran without limits.
- b is *first*.

files/up|load
   target     rate   95 % interval      p50  p95  p99  CPU/request   memory  errors  verdict
1  b       1,000/s  900 to 1,100/s  1.20 ms    -    -      12.5 µs  1.0 MiB     0 %  valid
2  a         250/s    225 to 275/s  1.20 ms    -    -      12.5 µs  1.0 MiB     0 %  valid
   c             -               -        -    -    -            -        -       -  failed
   d             -               -        -    -    -            -        -       -  cannot
  c: wrong answer: body is not `<pong>`
  d: no bodies
";
    assert_eq!(page, expected);
}

#[test]
fn markdown_is_inert_whatever_a_server_says() {
    let page = markdown(&suite(), &[("files".to_owned(), "charts/files.svg".to_owned())]);
    assert!(page.starts_with("# A &lt;b&gt;suite&lt;/b&gt;\n"), "{page}");
    assert!(page.contains("![rates of files](charts/files.svg)"), "{page}");
    assert!(page.contains("- b is \\*first\\*.\n"), "{page}");
    assert!(page.contains("| 2 | a | 250/s |"), "{page}");
    assert!(page.contains("[flame graph](flamegraphs/a.svg) |"), "{page}");
    assert!(page.contains("- c: wrong answer: body is not \\`&lt;pong&gt;\\`\n"), "{page}");
    assert!(page.contains("10 s, of which 20 % without load"), "{page}");
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let columns = |line: &str| line.replace("\\|", "").matches('|').count();
    assert!(rows.clone().count() > 8 && rows.map(columns).all(|count| count == 8 || count == 13));
}

#[test]
fn a_chart_has_a_bar_for_each_rate_and_words_for_the_rest() {
    let picture = chart(&suite(), "files").expect("a chart");
    assert_eq!(picture.matches("height=\"16\"").count(), 2, "{picture}");
    assert!(picture.contains("1. 1,000/s") && picture.contains("2. 250/s"), "{picture}");
    assert!(picture.contains("c: failed") && picture.contains("d: cannot answer it"), "{picture}");
    assert!(picture.contains("A &lt;b&gt;suite"), "{picture}");
    assert_eq!(chart(&suite(), "other"), None);
}

#[test]
fn metrics_are_those_of_measured_cells_in_their_units() {
    let all = metrics(&suite());
    assert_eq!(all.as_array().map(Vec::len), Some(2));
    let one = &all[0];
    assert_eq!((&one["framework"], &one["scenario"]), (&"a".into(), &"files/up|load".into()));
    assert_eq!(one["metrics"]["p50_latency_ms"], 1.2);
    assert_eq!(one["metrics"]["memory_mb"], 1.048_576);
    assert_eq!(one["metrics"]["p99_latency_ms"], serde_json::Value::Null);
}

#[test]
fn memory_is_a_line_over_the_cases() {
    let heads = "case,run,t_s,cpu_cores,private_bytes,cgroup_bytes,throttled_periods";
    let rows = "ping,1,1.0,,1048576,,\nping,1,2.0,,2097152,,\n\"up<load, all\",1,1.0,,4194304,,\n";
    let picture = memory("a&b", &format!("{heads}\n{rows}")).expect("a picture");
    assert!(picture.contains("Private memory of a&amp;b") && picture.contains("4.0 MiB"));
    assert!(picture.contains(">ping<") && picture.contains("up&lt;load, all<"), "{picture}");
    assert_eq!(picture.matches("<polyline").count(), 1);
    assert_eq!(memory("a", heads), None);
    assert_eq!(memory("a", "other,columns\n1,2\n3,4\n"), None);
}
