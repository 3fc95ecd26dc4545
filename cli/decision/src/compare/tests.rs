//! Decisions on runs whose truth is known, and how often they are right.

use uringbench_core::statistics::random::Random;
use uringbench_document::target::TargetUsage;
use uringbench_document::{Document, ReasonGiven};

use super::*;
use crate::fixture;

fn template() -> Document {
    fixture::run()
}

/// Runs whose figures differ from those of the template by these factors; a rate by its inverse.
fn group(label: &str, template: &Document, factors: &[f64]) -> RunGroup {
    let runs: Vec<Document> = factors.iter().map(|&factor| run(template, [factor; 4])).collect();
    named(label, &runs)
}

fn named(label: &str, runs: &[Document]) -> RunGroup {
    RunGroup::new(label, runs.iter().enumerate().map(|(at, run)| (format!("{label}{at}"), run)))
}

fn run(template: &Document, [rate, p50, p99, cpu]: [f64; 4]) -> Document {
    let mut run = template.clone();
    run.intervals.clear();
    run.verdict.validity = "valid".to_owned();
    run.verdict.reasons.clear();
    run.rate.completed = 50_000.0 / rate;
    run.latency_ns.response.p50 = Some((1e6 * p50) as u64);
    run.latency_ns.response.p99 = Some((3e6 * p99) as u64);
    run.target_usage = Some(TargetUsage {
        cpus: 1.0,
        cpus_allowed: 1.0,
        cpu_us_per_request: Some(20.0 * cpu),
        memory_bytes: Some(1 << 20),
        ..TargetUsage::default()
    });
    run
}

fn compared(before: &RunGroup, after: &RunGroup, settings: &ComparisonSettings) -> GroupComparison {
    let groups = [before.clone(), after.clone()];
    let mut document = compare(&groups, settings).expect("they are comparable");
    document.comparisons.pop().expect("one other group")
}

const STEADY: [f64; 6] = [1.0, 1.01, 0.99, 1.004, 0.997, 1.002];

fn times(factor: f64) -> Vec<f64> {
    STEADY.iter().map(|value| value * factor).collect()
}

#[test]
fn each_change_leads_to_its_verdict() {
    let template = template();
    let before = group("A", &template, &STEADY);
    let cases = [
        (1.0, Decision::Pass, "B does as well as A: nothing is over 5 % worse"),
        (0.8, Decision::Pass, "B is better than A: rate is 25 % higher (2"),
        (1.07, Decision::Warn, ", over 5 %; so are 3 more figures"),
        (1.125, Decision::Fail, "B is worse than A: "),
        (1.25, Decision::Fail, ", severe, over 15 %; so are"),
    ];
    for (factor, verdict, part) in cases {
        let comparison = compared(
            &before,
            &group("B", &template, &times(factor)),
            &ComparisonSettings::default(),
        );
        assert_eq!(comparison.verdict, verdict, "{factor}: {}", comparison.sentence);
        assert!(comparison.sentence.contains(part), "{factor}: {}", comparison.sentence);
    }
}

#[test]
fn what_is_counted_is_improved_regressed_unchanged_or_undecided() {
    let template = template();
    let before = group("A", &template, &STEADY);
    let of = |factor| {
        compared(&before, &group("B", &template, &times(factor)), &ComparisonSettings::default())
            .counts
    };
    let figures = |counts: ChangeCounts| {
        (counts.improved, counts.regressed, counts.unchanged, counts.undecided)
    };
    // Rate, p50, p99 and CPU move; memory, p95, p99.9 and the client's CPU do not.
    assert_eq!(figures(of(1.25)), (0, 4, 4, 0));
    assert_eq!(figures(of(0.8)), (4, 0, 4, 0));
    assert_eq!(figures(of(1.0)), (0, 0, 8, 0));
}

#[test]
fn fewer_than_four_runs_decide_nothing() {
    let template = template();
    let of = |runs: usize| {
        let (before, after) = (&STEADY[..runs], &times(1.5)[..runs]);
        let (before, after) = (group("A", &template, before), group("B", &template, after));
        compared(&before, &after, &ComparisonSettings::default())
    };
    let three = of(3);
    assert_eq!(three.verdict, Decision::Inconclusive);
    assert_eq!(
        three.sentence,
        "3 runs of each decide nothing, since a run differs from the next of the same program: \
         make at least 5 of each"
    );
    assert!(three.figures.iter().all(|figure| figure.smallest_detectable.is_none()));
    // Of four runs no p-value is small enough for five figures, of five it is.
    assert_eq!((of(4).verdict, of(5).verdict), (Decision::Inconclusive, Decision::Fail));
}

#[test]
fn one_run_of_each_is_compared_in_blocks_without_a_verdict() {
    let mut before = template();
    let second = before.intervals[0].clone();
    before.intervals = (0..10_u64)
        .map(|t| uringbench_document::IntervalFigures {
            t_s: t as f64,
            length_s: 1.0,
            phase: "measure".to_owned(),
            completed: 1_000 + t,
            ..second.clone()
        })
        .collect();
    let mut after = before.clone();
    for interval in &mut after.intervals {
        interval.completed *= 2;
    }
    let comparison =
        compared(&named("A", &[before]), &named("B", &[after]), &ComparisonSettings::default());
    assert_eq!(
        (comparison.verdict, comparison.evidence),
        (Decision::Inconclusive, Evidence::Blocks)
    );
    assert!(comparison.sentence.starts_with("one run of each decides"), "{}", comparison.sentence);
    let rate = &comparison.figures[0];
    assert_eq!((rate.values_before.len(), rate.effect), (10, Effect::Improved));
    assert!((rate.change.value - 1.0).abs() < 0.02, "{:?}", rate.change);
    assert!(comparison.notes.iter().any(|note| note.contains("seconds within one run")));
}

#[test]
fn limits_are_at_least_three_times_the_noise_floor() {
    let template = template();
    let before = group("A", &template, &STEADY);
    let after = group("B", &template, &times(1.2));
    let mut settings = ComparisonSettings::default();
    for metric in Metric::ALL {
        settings.noise.insert(metric, 0.08);
    }
    let comparison = compared(&before, &after, &settings);
    assert_eq!(comparison.verdict, Decision::Pass, "{}", comparison.sentence);
    let cpu = comparison.figures.iter().find(|it| it.metric == "target_cpu_per_request").unwrap();
    assert_eq!((cpu.noise, cpu.limits.warn, cpu.limits.severe), (Some(0.08), 0.24, 0.24));
}

#[test]
fn other_hosts_and_plans_are_refused_with_every_difference() {
    let (before, mut other) = (template(), template());
    other.plan.connections += 1;
    other.host.kernel = Some("1.0".to_owned());
    let groups = [group("A", &before, &STEADY), group("B", &other, &STEADY)];
    let refused = compare(&groups, &ComparisonSettings::default()).unwrap_err().to_string();
    assert!(refused.starts_with("A and B were not measured alike: host.kernel "), "{refused}");
    assert!(refused.contains("plan.connections 64 -> 65; repeat one"), "{refused}");
    let forced = ComparisonSettings { is_forced: true, ..ComparisonSettings::default() };
    let document = compare(&groups, &forced).unwrap();
    assert_eq!(document.verdict, Decision::Pass);
    assert_eq!(document.comparisons[0].differences.len(), 2);
}

#[test]
fn runs_that_do_not_measure_the_target_are_left_out_and_named() {
    let template = template();
    let mut runs: Vec<Document> =
        STEADY.iter().map(|&factor| run(&template, [factor; 4])).collect();
    let invalid = |run: &mut Document| {
        run.rate.completed = 1.0;
        run.verdict.validity = "invalid".to_owned();
        run.verdict.reasons = vec![ReasonGiven {
            code: "generator_limited".to_owned(),
            message: "the client was too slow".to_owned(),
            severity: "invalid".to_owned(),
        }];
    };
    invalid(&mut runs[2]);
    let before = group("A", &template, &STEADY);
    let comparison = compared(&before, &named("B", &runs), &ComparisonSettings::default());
    assert_eq!(comparison.verdict, Decision::Pass, "{}", comparison.sentence);
    assert_eq!(
        comparison.notes,
        ["1 of 6 runs of B are no evidence, since they do not measure the target: \
          generator_limited: the client was too slow"]
    );
    runs.iter_mut().for_each(invalid);
    let comparison = compared(&before, &named("B", &runs), &ComparisonSettings::default());
    assert_eq!(comparison.verdict, Decision::Invalid);
    assert!(comparison.sentence.starts_with("no run of B measures the target: generator_limited"));
}

#[test]
fn several_groups_are_each_compared_with_the_first() {
    let template = template();
    let groups = [("A", 1.0), ("B", 1.0), ("C", 1.4)];
    let groups = groups.map(|(label, factor)| group(label, &template, &times(factor)));
    let document = compare(&groups, &ComparisonSettings::default()).unwrap();
    let verdicts: Vec<_> = document.comparisons.iter().map(|it| it.verdict).collect();
    assert_eq!(verdicts, [Decision::Pass, Decision::Fail]);
    assert_eq!(document.verdict, Decision::Fail);
    assert_eq!(document.comparisons[1].before.label, "A");
}

#[test]
fn a_pair_of_which_one_is_no_evidence_is_left_out() {
    let template = template();
    let settings = ComparisonSettings { pairing: Pairing::InTurn, ..ComparisonSettings::default() };
    let factors = [&STEADY[..], &STEADY[..2]].concat();
    let of = |invalid: &[usize]| {
        let mut runs: Vec<Document> =
            factors.iter().map(|&factor| run(&template, [factor; 4])).collect();
        for &at in invalid {
            runs[at].verdict.validity = "invalid".to_owned();
        }
        let before = group("A", &template, &factors);
        let comparison = compared(&before, &named("B", &runs), &settings);
        let rate = &comparison.figures[0];
        (comparison.evidence, rate.values_before.len(), rate.values_after.len(), rate.change.value)
    };
    assert_eq!(of(&[]), (Evidence::Pairs, 8, 8, 0.0));
    assert_eq!(of(&[1, 4]), (Evidence::Pairs, 6, 6, 0.0));
    // Five pairs bound no change, but eight and five runs do.
    let (evidence, before, after, _) = of(&[1, 4, 5]);
    assert_eq!((evidence, before, after), (Evidence::Runs, 8, 5));
}

/// How the figures of one run differ from each other.
#[derive(Clone, Copy)]
enum Noise {
    /// Each by itself: most chances for one to look changed.
    Apart,
    /// All together: fewest chances to see a change.
    Together,
}

/// Of `rounds` comparisons of simulated runs with 5 % noise, those with this verdict.
fn verdicts(rounds: u32, runs: usize, factor: f64, noise: Noise, of: Decision) -> u32 {
    let template = template();
    let mut random = Random::new(42);
    let mut side = |label: &str, factor: f64| {
        let runs: Vec<Document> = (0..runs)
            .map(|_| {
                let mut next = || factor * (0.05 * random.normal()).exp();
                run(
                    &template,
                    match noise {
                        Noise::Apart => [next(), next(), next(), next()],
                        Noise::Together => [next(); 4],
                    },
                )
            })
            .collect();
        named(label, &runs)
    };
    let mut found = 0;
    for _ in 0..rounds {
        let (before, after) = (side("A", 1.0), side("B", factor));
        found += u32::from(compared(&before, &after, &ComparisonSettings::default()).verdict == of);
    }
    found
}

#[test]
fn identical_code_hardly_ever_fails() {
    for runs in [5, 10] {
        let failed = verdicts(1_000, runs, 1.0, Noise::Apart, Decision::Fail);
        assert!(failed <= 10, "{failed} of 1000 with {runs} runs of each");
    }
}

#[test]
fn a_true_change_of_15_percent_is_found_with_ten_runs_of_each() {
    let failed = verdicts(400, 10, 1.15, Noise::Together, Decision::Fail);
    assert!(failed >= 360, "{failed} of 400");
}

/// A machine that becomes 4 % slower over the comparison: pairs in turn (A B B A …) do not see it.
#[test]
fn drift_does_not_fool_runs_in_turn() {
    let template = template();
    let mut random = Random::new(43);
    let settings = ComparisonSettings { pairing: Pairing::InTurn, ..ComparisonSettings::default() };
    let (mut worse, mut passed) = (0, 0);
    for _ in 0..300 {
        let slower = |at: usize| 1.0 + 0.04 * at as f64 / 19.0;
        let noise = |random: &mut Random, at| slower(at) * (0.01 * random.normal()).exp();
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for pair in 0..10 {
            let (first, second) = (noise(&mut random, 2 * pair), noise(&mut random, 2 * pair + 1));
            let (a, b) = if pair % 2 == 0 { (first, second) } else { (second, first) };
            before.push(a);
            after.push(b);
        }
        let before = group("A", &template, &before);
        let comparison = compared(&before, &group("B", &template, &after), &settings);
        worse += usize::from(comparison.counts.regressed > 0);
        passed += usize::from(comparison.verdict == Decision::Pass);
    }
    assert!(worse == 0 && passed >= 299, "{worse} called worse, {passed} of 300 passed");
}
