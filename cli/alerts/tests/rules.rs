//! Rules read, evaluated, written for Prometheus, and their hooks started.

use std::process::{Command, Stdio};
use std::sync::Mutex;

use uringbench_alerts::{
    AlertEvaluation, AlertRow, AlertRules, AlertSeverity, AlertState, Hooks, prometheus_rules,
};
use uringbench_core::histogram::LatencyCounts;
use uringbench_core::time::Nanos;
use uringbench_export::metrics::MetricNames;

const RULES: &str = "\
# What the shop needs.
rules:
  - name: slow
    condition: response_time_p95 > 500ms for 5s
    severity: critical
    message: \"the shop is slow: {{ look }}\"
    hook: [notify, --urgent, \"a b\"]
  - {name: idle, condition: requests_per_second < 100 for 10s}
  - name: failing
    condition: error_rate > 1%
    severity: info
";

fn rules(text: &str) -> AlertRules {
    AlertRules::read(text).unwrap_or_else(|why| panic!("{why}\n{text}"))
}

#[test]
fn a_file_has_every_field_of_its_rules() {
    let rules = rules(RULES);
    let [slow, idle, failing] = &rules.rules[..] else { panic!("{rules:?}") };
    assert_eq!((&*slow.name, slow.severity), ("slow", AlertSeverity::Critical));
    assert_eq!(slow.condition.to_string(), "response_time_p95 > 500 ms for 5.00 s");
    assert_eq!(slow.message, "the shop is slow: {{ look }}");
    assert_eq!(slow.hook, ["notify", "--urgent", "a b"]);
    assert_eq!((idle.severity, idle.hook.len()), (AlertSeverity::Warning, 0));
    assert_eq!(failing.severity, AlertSeverity::Info);
    assert_eq!(rules.longest_hold(), Nanos::from_secs(10));
}

#[test]
fn every_mistake_has_its_line() {
    let rule = "rules:\n  - name: a\n    condition: error_rate > 1%\n";
    for (text, line, part) in [
        ("", 1, "there are no rules"),
        ("rules:\n", 1, "must be a list"),
        ("rules: []\n", 1, "there are no rules"),
        ("[]\n", 1, "the file consists of keys"),
        ("other: 1\n", 1, "unknown key `other`"),
        (&format!("{rule}    colour: red\n"), 4, "unknown key `colour`: a rule has name, "),
        (&format!("{rule}    name: b\n"), 4, "`name` is there twice"),
        (&format!("{rule}    severity: bad\n"), 4, "use info, warning or critical"),
        (&format!("{rule}    hook: notify me\n"), 4, "no shell reads it"),
        (&format!("{rule}    hook: []\n"), 4, "names no program"),
        (&format!("{rule}  - name: a\n    condition: error_rate > 2%\n"), 4, "`a` is taken"),
        ("rules:\n  - condition: error_rate > 1%\n", 2, "a rule needs `name`"),
        ("rules:\n  - name: a\n", 2, "a rule needs `condition`"),
        ("rules:\n  - name: a\n    condition: speed > 1\n", 3, "there is no metric `speed`"),
        ("rules:\n  - name: &x a\n    message: *x\n", 3, "no aliases"),
    ] {
        let why = AlertRules::read(text).expect_err(text);
        assert!(why.line == line && why.cause.contains(part), "{text}{why}");
    }
    let broken = AlertRules::read("rules: [\n").expect_err("it does not end");
    assert!(!broken.cause.is_empty());
    let deep = format!("rules: {}", "[".repeat(10_000));
    assert!(AlertRules::read(&deep).is_err());
}

/// The state of a rule after each second, of which the values are the p95 in milliseconds; `None`
/// is a second without requests.
fn states(condition: &str, seconds: &[Option<u64>]) -> String {
    let text = format!("rules:\n  - name: x\n    condition: {condition}\n");
    let mut evaluation = AlertEvaluation::new(&rules(&text));
    let mut course = String::new();
    for (second, ms) in seconds.iter().enumerate() {
        let mut response = LatencyCounts::default();
        if let Some(ms) = ms {
            response.record_many(ms * 1_000_000, 100);
        }
        let row = AlertRow {
            end: Nanos::from_secs(second as u64 + 1),
            length: Nanos::SECOND,
            ended: response.total(),
            passed: response.total(),
            response: &response,
        };
        let changed = evaluation.evaluate(&row);
        let (_, state) = evaluation.states().next().expect("there is a rule");
        let letter = match state {
            AlertState::Inactive => '-',
            AlertState::Pending(_) => 'p',
            AlertState::Firing => 'F',
        };
        course.push(letter);
        course.push_str(match &changed[..] {
            [] => "",
            [one] if one.is_firing => "!",
            _ => "?",
        });
    }
    course
}

#[test]
fn a_rule_is_pending_then_fires_then_is_resolved() {
    let (ok, slow) = (Some(10), Some(900));
    // As Prometheus: the time counts from the first evaluation that holds.
    let course = [ok, slow, slow, slow, slow, ok, slow, ok];
    assert_eq!(states("response_time_p95 > 500ms for 2s", &course), "-ppF!F-?p-");
    assert_eq!(states("response_time_p95 > 500ms", &course), "-F!FFF-?F!-?");
    assert_eq!(states("response_time_p95 > 500ms for 9s", &course), "-pppp-p-");
}

#[test]
fn a_second_without_requests_changes_nothing_but_a_rate() {
    let slow = Some(900);
    let course = [slow, None, slow, None, Some(1)];
    assert_eq!(states("response_time_p95 > 500ms for 2s", &course), "ppF!F-?");
    assert_eq!(states("requests_per_second < 50 for 0s", &course), "-F!-?F!-?");
}

#[test]
fn the_state_machine_is_that_of_promtool() {
    if !is_there("promtool") {
        return;
    }
    let folder = tempfile::tempdir().expect("room for a folder");
    for (names, rate) in [
        (MetricNames::Own, "uringbench_completed_per_second"),
        (MetricNames::Api, "api_requests_per_second"),
    ] {
        let page = prometheus_rules(&rules(RULES), names);
        std::fs::write(folder.path().join("rules.yml"), &page).expect("room for a file");
        promtool(folder.path(), &["check", "rules", "rules.yml"], &page);
        // The same course as a row a second: below the bound from the 3rd on, for ten seconds.
        let test = format!(
            "rule_files: [rules.yml]\nevaluation_interval: 1s\ntests:\n  - interval: 1s\n    \
             input_series:\n      - series: '{rate}{{benchmark=\"shop\"}}'\n        \
             values: '500 500 50x20'\n    alert_rule_test:\n      - eval_time: 11s\n        \
             alertname: idle\n        exp_alerts: []\n      - eval_time: 12s\n        \
             alertname: idle\n        exp_alerts:\n          - exp_labels: {{severity: warning, \
             benchmark: shop}}\n            exp_annotations: {{summary: \"requests_per_second < \
             100.0/s for 10.0 s\"}}\n"
        );
        std::fs::write(folder.path().join("test.yml"), &test).expect("room for a file");
        promtool(folder.path(), &["test", "rules", "test.yml"], &format!("{page}\n{test}"));
    }
    // Ours, at the same seconds: it fires with the 13th row, which ends at 12 s after the first.
    let mut evaluation = AlertEvaluation::new(&rules(RULES));
    let fired = (0..20).find(|second| {
        let mut response = LatencyCounts::default();
        response.record_many(1_000_000, if *second < 2 { 500 } else { 50 });
        let end = Nanos::from_secs(second + 1);
        let count = response.total();
        let row = AlertRow {
            end,
            length: Nanos::SECOND,
            ended: count,
            passed: count,
            response: &response,
        };
        evaluation.evaluate(&row).iter().any(|changed| changed.rule.name == "idle")
    });
    assert_eq!(fired, Some(12));
}

fn is_there(program: &str) -> bool {
    let quiet = || Stdio::null();
    let asked = Command::new(program).arg("--version").stdout(quiet()).stderr(quiet()).status();
    let is_there = asked.is_ok_and(|status| status.success());
    assert!(is_there || std::env::var_os("CI").is_none(), "CI must have {program}");
    if !is_there {
        eprintln!("SKIPPED: {program} is not installed");
    }
    is_there
}

fn promtool(folder: &std::path::Path, words: &[&str], page: &str) {
    let output = Command::new("promtool").args(words).current_dir(folder).output();
    let output = output.expect("it was there a moment ago");
    let said = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{words:?}: {said}{printed}\n{page}");
}

static NOTES: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn note(line: &str) {
    NOTES.lock().expect("no test panics with it").push(line.to_owned());
}

#[test]
fn a_hook_gets_its_values_in_its_environment_and_its_words_unread() {
    let folder = tempfile::tempdir().expect("room for a folder");
    let out = folder.path().join("out");
    let script = "env | grep ^URINGBENCH_ALERT_ | sort >> \"$0\"; echo \"$1\" >> \"$0\"";
    let rule = |name: &str, hook: &str| {
        let condition = "response_time_p99 > 1ms";
        format!("  - name: {name}\n    condition: {condition}\n    message: m\n    hook: {hook}\n")
    };
    let words = format!("[sh, -c, '{script}', {}, \"$HOME; x\"]", out.display());
    let text = [
        "rules:\n".to_owned(),
        rule("\"a $(touch x) 'b'\"", &words),
        rule("broken", "[/no/such/program]"),
        rule("failing", "['false']"),
    ]
    .concat();
    let mut evaluation = AlertEvaluation::new(&rules(&text));
    let labels = [("BENCHMARK", "shop".to_owned()), ("TARGET", "h:1".to_owned())];
    let hooks = Hooks::start(labels, || (), note).expect("a thread starts");
    let mut response = LatencyCounts::default();
    response.record_many(5_000_000, 10);
    let row = |second| AlertRow {
        end: Nanos::from_secs(second),
        length: Nanos::SECOND,
        ended: 10,
        passed: 10,
        response: &response,
    };
    for second in 1..4 {
        evaluation.evaluate(&row(second)).into_iter().for_each(|changed| hooks.changed(changed));
    }
    hooks.finish();
    let written = std::fs::read_to_string(&out).expect("the hook wrote it");
    for line in [
        "URINGBENCH_ALERT_NAME=a $(touch x) 'b'",
        "URINGBENCH_ALERT_STATE=firing",
        "URINGBENCH_ALERT_SEVERITY=warning",
        "URINGBENCH_ALERT_MESSAGE=m",
        "URINGBENCH_ALERT_METRIC=response_time_p99",
        "URINGBENCH_ALERT_AT_SECONDS=1",
        "URINGBENCH_ALERT_BENCHMARK=shop",
        "URINGBENCH_ALERT_TARGET=h:1",
        "$HOME; x",
    ] {
        assert_eq!(written.lines().filter(|it| *it == line).count(), 1, "{line}\n{written}");
    }
    let notes = NOTES.lock().expect("no test panics with it").join("\n");
    assert!(
        notes.contains("the hook of alert broken: `/no/such/program` does not start"),
        "{notes}"
    );
    assert!(
        notes.contains("the hook of alert failing: `false` ended with exit status: 1"),
        "{notes}"
    );
}
