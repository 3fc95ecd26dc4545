//! The page and the section of a comparison with one of everything.

use uringbench_document::comparison::{
    ChangeCounts, ChangedFunction, ComparedRun, ComparisonLimits, Evidence,
};

use super::*;

fn group(label: &str, excluded: usize) -> ComparedGroup {
    let runs = (0..10).map(|run| ComparedRun {
        run: format!("results/{label}/{run}"),
        started: "2026-02-28T23:59:59Z".to_owned(),
        validity: "valid".to_owned(),
        excluded: (run < excluded).then(|| "client_limited: busy".to_owned()),
    });
    ComparedGroup { label: label.to_owned(), runs: runs.collect() }
}

fn figure(title: &str, unit: &str, values: [f64; 2], change: [f64; 3]) -> FigureChange {
    let [value, low, high] = change;
    FigureChange {
        metric: title.replace(' ', "_"),
        title: title.to_owned(),
        unit: unit.to_owned(),
        better: "lower".to_owned(),
        gated: true,
        before: values[0],
        after: values[1],
        values_before: vec![values[0]],
        values_after: vec![values[1]],
        change: Interval95 { value, ci_low: Some(low), ci_high: Some(high) },
        p: 0.000_01,
        p_adjusted: 0.000_05,
        smallest_detectable: Some(0.021),
        noise: None,
        limits: LIMITS,
        state: Decision::Pass,
        severe: false,
        effect: Effect::Unchanged,
    }
}

const LIMITS: ComparisonLimits = ComparisonLimits { warn: 0.05, fail: 0.10, severe: 0.15 };

fn document() -> ComparisonDocument {
    let rate = figure("rate", "per_s", [48_210.0, 43_050.0], [-0.107, -0.118, -0.096]);
    let cpu = figure("target CPU/request", "ns", [20_500.0, 23_900.0], [0.166, 0.152, 0.181]);
    let memory = figure("target memory", "bytes", [9e6, 9e6], [0.0, -0.001, 0.002]);
    let p999 = figure("response p99.9", "ns", [9.2e6, 9.5e6], [0.033, -0.2, 0.31]);
    let worse = |figure, severe| FigureChange {
        state: Decision::Fail,
        effect: Effect::Regressed,
        severe,
        ..figure
    };
    let function = ChangedFunction {
        function: "burn_cpu".to_owned(),
        module: "app".to_owned(),
        became: "new".to_owned(),
        before_us: 0.0,
        after_us: 3.1,
        change_us: Interval95 { value: 3.1, ci_low: Some(2.9), ci_high: Some(3.3) },
        q: 0.0004,
    };
    ComparisonDocument::of(vec![GroupComparison {
        verdict: Decision::Fail,
        sentence: "new is worse than old: target CPU/request is 16.6 % higher (15.2 to 18.1 %) \
                   (severe, over 15 %), and 1 more figure"
            .to_owned(),
        evidence: Evidence::Runs,
        before: group("old", 0),
        after: group("new", 2),
        limits: LIMITS,
        differences: Vec::new(),
        notes: vec!["2 of 10 runs of new are no evidence".to_owned()],
        counts: ChangeCounts { improved: 0, regressed: 2, unchanged: 1, undecided: 1 },
        figures: vec![
            worse(rate, false),
            FigureChange {
                gated: false,
                effect: Effect::Undecided,
                state: Decision::Inconclusive,
                p_adjusted: 0.61,
                smallest_detectable: None,
                ..p999
            },
            worse(cpu, true),
            FigureChange { p_adjusted: 1.0, ..memory },
        ],
        functions: Some(FunctionChanges {
            before: "results/old/3".to_owned(),
            after: "results/new/4".to_owned(),
            compared: 41,
            changed: vec![function],
        }),
    }])
}

const PAGE: &str = "\
FAIL      new is worse than old: target CPU/request is 16.6 % higher (15.2 to 18.1 %)
          (severe, over 15 %), and 1 more figure
before    old (10 runs)
after     new (8 of 10 runs count)
";

#[test]
fn the_first_lines_are_the_verdict_and_the_groups() {
    let page = text(&document(), Colour::No);
    let expected: Vec<_> = PAGE.split_whitespace().collect();
    let head: Vec<_> = page.split_whitespace().take(expected.len()).collect();
    assert_eq!(head, expected, "{page}");
    assert!(page.lines().all(|line| line.chars().count() <= 102), "{page}");
}

#[test]
fn each_figure_has_a_row_with_its_outcome() {
    let page = text(&document(), Colour::No);
    let row = |title: &str| {
        let row = page.lines().find(|line| line.starts_with(title)).expect("a row");
        row.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("rate"), "rate 48,210/s 43,050/s -10.7 % -11.8 % to -9.6 % <0.1 % 2.1 % fail");
    assert!(row("target CPU").ends_with("fail, severe"));
    assert!(row("target memory").ends_with("100 % 2.1 % pass"));
    assert!(row("response p99.9").ends_with("61.0 % - (undecided)"));
    assert!(page.contains("2 worse, 0 better, 1 unchanged, 1 undecided"));
    assert!(page.contains("new     +3.10 µs (0.00 -> 3.10)  q 0.000  burn_cpu (app)"));
    assert!(page.contains("note      2 of 10 runs of new are no evidence"));
}

#[test]
fn markdown_has_the_same_in_a_table() {
    let page = markdown(&document());
    assert!(page.starts_with("**FAIL**: new is worse than old"), "{page}");
    let rows = page.lines().filter(|line| line.starts_with("| ")).count();
    assert_eq!(rows, 5, "{page}");
    assert!(page.contains("| target CPU/request | 20.5 µs | 23.9 µs | +16.6 % |"), "{page}");
    assert!(page.contains("```text\n1 of 41 functions"), "{page}");
}

#[test]
fn colour_changes_no_letter() {
    let coloured = text(&document(), Colour::Yes);
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\x1b') {
        plain.push_str(before);
        rest = after.split_once('m').expect("a whole code").1;
    }
    plain.push_str(rest);
    assert_eq!(plain, text(&document(), Colour::No));
}
