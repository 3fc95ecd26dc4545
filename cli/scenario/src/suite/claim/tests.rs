//! Claims that are right, and the mistakes in others.

use uringbench_core::time::Nanos;

use super::*;
use crate::suite::{SuiteContext, SuitePlan, TurnKind, compile, schedule};

const SUITE: &str = "\
name = \"s\"
[run]
soak = \"1m\"
[[target]]
name = \"a\"
command = \"serve\"
port = 8000
[[target]]
name = \"b\"
command = \"serve\"
port = 8001
[[scenario]]
file = \"x.toml\"
flows = \"each\"
[[scenario]]
file = \"x.toml\"
name = \"kept\"
soak = true
[[scenario]]
file = \"x.toml\"
name = \"refused\"
check_only = true
";
const CLAIM: &str = "[[claim]]\ntext = \"fast\"\ncase = \"x\"\n";

fn compiled(text: &str) -> Result<SuitePlan, Vec<String>> {
    let context = SuiteContext {
        flows: &|_| Ok(vec!["one".to_owned(), "two".to_owned()]),
        exists: &|_| true,
        is_short: false,
    };
    compile(text, &context).map_err(|all| all.iter().map(ToString::to_string).collect())
}

fn claims_of(lines: &str) -> Vec<ClaimPlan> {
    compiled(&format!("{SUITE}{CLAIM}{lines}")).expect("a suite").claims
}

#[test]
fn a_claim_is_about_each_target_and_against_each_other_one() {
    let all = claims_of("figure = \"rate\"\nat_least = \"2k\"\n");
    let about: Vec<_> = all.iter().map(|claim| claim.target.as_str()).collect();
    assert_eq!((about, all[0].at_least), (vec!["a", "b"], Some(2_000.0)));
    let one = claims_of("figure = \"memory\"\nat_most = 0.7\ntarget = \"a\"\nagainst = [\"b\"]\n");
    assert_eq!((one.len(), one[0].against.as_deref(), one[0].at_most), (1, Some("b"), Some(0.7)));
    let pairs = claims_of("figure = \"p99\"\nat_most = 2\nagainst = [\"a\", \"b\"]\n");
    let pairs: Vec<_> =
        pairs.iter().map(|it| (it.target.as_str(), it.against.as_deref())).collect();
    assert_eq!(pairs, [("a", Some("b")), ("b", Some("a"))]);
}

#[test]
fn bounds_have_the_unit_of_their_figure() {
    let bound = |lines: &str| claims_of(&format!("target = \"a\"\n{lines}"))[0].at_most;
    assert_eq!(bound("figure = \"p95\"\nat_most = \"20ms\"\n"), Some(2e7));
    assert_eq!(bound("figure = \"memory\"\nat_most = \"100M\"\n"), Some(104_857_600.0));
    assert_eq!(bound("figure = \"cpus\"\nat_most = 1.5\n"), Some(1.5));
    assert_eq!(bound("figure = \"cpu_per_request\"\nat_most = \"10us\"\n"), Some(1e4));
    let average = "figure = \"rate\"\nat_most = 2\nagainst = [\"b\"]\naverage = true\n";
    assert_eq!(bound(average), Some(2.0));
    let leak = format!("{SUITE}{}figure = \"no_leak\"\n", CLAIM.replace("\"x\"", "\"kept\""));
    assert_eq!(compiled(&leak).expect("a suite").claims[0].figure, ClaimFigure::NoLeak);
}

#[test]
fn mistakes_have_their_field_cause_and_fix() {
    let cases = [
        ("figure = \"speed\"", "`speed` is unknown here"),
        ("figure = \"rate\"", "claim.figure: `rate` needs `at_least` or `at_most`"),
        ("figure = \"rate\"\nat_least = \"fast\"", "claim.at_least: "),
        ("figure = \"rate\"\nat_least = 0", "claim.at_least: a bound is above 0"),
        ("figure = \"rate\"\nat_least = 9\nat_most = 8", "`at_most` is below `at_least`"),
        ("figure = \"p99\"\nat_most = 20", "20 has no unit: write a text such as \"20ms\""),
        ("figure = \"memory\"\nat_most = 20", "20 has no unit: write a text such as \"100M\""),
        ("figure = \"cpus\"\nat_most = \"two\"", "`two` is no number of CPUs"),
        ("figure = \"checks\"\nat_least = 1", "`checks` has no bounds"),
        ("figure = \"no_leak\"", "a leak needs a soak: add `soak = true` to the scenario"),
        ("figure = \"rate\"\nat_least = 1\ncpus = 0", "a number of CPUs is above 0"),
        ("figure = \"p50\"\nat_most = \"1s\"\ncpus = 2", "only a rate depends on `cpus`"),
        ("figure = \"rate\"\nat_least = 1\ntimes = 0", "claim.times: a number above 0"),
        ("figure = \"p50\"\nat_most = \"1s\"\ntimes = 2", "only a rate has `times`"),
        ("figure = \"rate\"\nat_least = 1\naverage = true", "or add `against`"),
        ("figure = \"rate\"\nat_least = 1\ntarget = \"aa\"", "there is no target `aa`, did you"),
        ("figure = \"rate\"\nat_least = 2\nagainst = [\"c\"]", "there is no target `c`"),
        (
            "figure = \"rate\"\nat_least = 2\ntarget = \"a\"\nagainst = [\"a\"]",
            "a target cannot be compared with itself",
        ),
        ("figure = \"rate\"\nat_least = \"2x\"\nagainst = [\"a\"]", "`2x` is no ratio"),
    ];
    for (lines, part) in cases {
        let mistakes = compiled(&format!("{SUITE}{CLAIM}{lines}\n")).expect_err(lines);
        assert!(mistakes.iter().any(|it| it.contains(part)), "{lines}\n{part}\n{mistakes:?}");
    }
    let without = |from: &str, to: &str, part: &str| {
        let mistakes = compiled(&SUITE.replace(from, to)).expect_err(part);
        assert!(mistakes.iter().any(|it| it.contains(part)), "{part}\n{mistakes:?}");
    };
    without("soak = \"1m\"\n", "", "scenario.soak: a soak needs a duration");
    without("check_only", "soak = true\ncheck_only", "a soak is a measurement");
    let unknown = format!("{SUITE}{}figure = \"checks\"\n", CLAIM.replace("\"x\"", "\"xx\""));
    let mistakes = compiled(&unknown).expect_err("no such case");
    assert!(mistakes[0].contains("there is no scenario or cell `xx`"), "{mistakes:?}");
}

#[test]
fn soaks_come_last_and_answers_that_are_only_checked_once() {
    let plan = compiled(SUITE).expect("a suite");
    assert_eq!(plan.settings.soak, Some(Nanos::from_secs(60)));
    let sessions = schedule(&plan, |_, _| false);
    let kinds = |case: usize| {
        let turns = sessions.iter().filter(|session| session.target == 0);
        let turns = turns.flat_map(|session| &session.turns).filter(|turn| turn.case == case);
        turns.map(|turn| turn.kind).collect::<Vec<_>>()
    };
    use TurnKind::{Check, Measure, Soak};
    assert_eq!(kinds(0), [Check, Measure(1), Measure(2), Measure(3)]);
    assert_eq!(kinds(2), [Check, Measure(1), Measure(2), Measure(3), Soak]);
    assert_eq!(kinds(3), [Check]);
}
