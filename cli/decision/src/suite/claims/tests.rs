//! Claims that hold, that do not, and that nobody can tell.

use uringbench_document::suite::{CellSoak, SuiteSettings, SuiteTarget};

use super::*;
use crate::fixture;
use crate::suite::cell_figures;

/// Runs with these rates, each on this number of CPUs and with this memory.
fn runs(rates: &[f64], cpus: f64, memory: u64) -> Vec<Document> {
    let run = |rate: &f64| {
        let mut run = fixture::run();
        run.rate.completed = *rate;
        run.flows.clear();
        run.verdict.validity = "valid".to_owned();
        run.verdict.reasons.clear();
        run.target_usage = Some(TargetUsage {
            cpus,
            cpus_allowed: 4.0,
            cpu_us_per_request: None,
            memory_bytes: Some(memory),
            throttled_periods: None,
            processes: Vec::new(),
        });
        run
    };
    rates.iter().map(run).collect()
}

fn cell(target: &str, case: &str, runs: &[Document]) -> SuiteCell {
    SuiteCell {
        target: target.to_owned(),
        case: case.to_owned(),
        category: "c".to_owned(),
        scenario: case.split('/').next().unwrap_or_default().to_owned(),
        flow: None,
        connections: None,
        state: CellState::Measured,
        reason: None,
        rank: None,
        figures: cell_figures(&runs.iter().collect::<Vec<_>>()),
        slo: Vec::new(),
        runs: vec!["raw".to_owned(); runs.len()],
        flamegraph: None,
        is_wrong: false,
        soak: None,
        killed_for_memory: 0,
        insights: Vec::new(),
    }
}

fn suite(cells: Vec<SuiteCell>) -> SuiteDocument {
    let mut targets: Vec<String> = Vec::new();
    for cell in &cells {
        if !targets.contains(&cell.target) {
            targets.push(cell.target.clone());
        }
    }
    let target = |name| SuiteTarget { name, ..SuiteTarget::default() };
    SuiteDocument {
        schema: String::new(),
        name: String::new(),
        title: String::new(),
        started: None,
        is_complete: true,
        settings: SuiteSettings::default(),
        host: None,
        notes: Vec::new(),
        conclusions: Vec::new(),
        targets: targets.into_iter().map(target).collect(),
        cells,
        claims: Vec::new(),
        scaling: Vec::new(),
    }
}

fn claim(figure: &str, at_least: Option<f64>, at_most: Option<f64>) -> SuiteClaim {
    SuiteClaim {
        text: "fast".to_owned(),
        source: None,
        target: "a".to_owned(),
        against: None,
        case: "x".to_owned(),
        figure: figure.to_owned(),
        at_least,
        at_most,
        times: 1.0,
        is_average: false,
        cpus: None,
        verdict: ClaimVerdict::CannotBeDecided,
        reason: String::new(),
        decided_in: None,
        measured: None,
        per_cpu: None,
    }
}

/// Decides as if a claim named a case, its scenario, or the category.
fn decide(suite: &mut SuiteDocument, runs: &[Vec<&Document>]) {
    let names: Vec<[String; 3]> = suite
        .cells
        .iter()
        .map(|cell| [cell.case.clone(), cell.scenario.clone(), cell.category.clone()])
        .collect();
    decide_claims(suite, runs, |name, at| names[at].iter().any(|it| it == name));
}

/// The claim, decided by two targets in one case.
fn decided(claim: SuiteClaim, a: &[Document], b: &[Document]) -> SuiteClaim {
    let mut suite = suite(vec![cell("a", "x", a), cell("b", "x", b)]);
    suite.claims = vec![claim];
    decide(&mut suite, &[a.iter().collect(), b.iter().collect()]);
    suite.claims.remove(0)
}

#[test]
fn a_rate_above_the_claim_holds_and_one_below_depends_on_the_machine() {
    let (a, b) = (runs(&[1_000.0, 1_010.0, 990.0], 0.5, 1), runs(&[10.0, 10.1, 9.9], 1.0, 1));
    let holds = decided(claim("rate", Some(900.0), None), &a, &b);
    assert_eq!((holds.verdict, holds.decided_in.as_deref()), (ClaimVerdict::Holds, Some("x")));
    assert!((holds.per_cpu.expect("a rate per CPU") - 2_000.0).abs() < 1.0, "{holds:?}");
    let above = decided(claim("rate", Some(400_000.0), None), &a, &b);
    assert_eq!(above.verdict, ClaimVerdict::CannotBeDecided);
    assert!(above.reason.contains("with 0.50 CPUs; the claim takes 200.0 CPUs"), "{above:?}");
    let of_eight = SuiteClaim { cpus: Some(8.0), ..claim("rate", Some(400_000.0), None) };
    let disproved = decided(of_eight, &a, &b);
    assert_eq!(disproved.verdict, ClaimVerdict::DoesNotHold);
    assert!(disproved.reason.contains("8 CPUs as fast as these reach 15,999"), "{disproved:?}");
    let near = decided(claim("rate", Some(1_000.0), None), &a, &b);
    assert_eq!(near.verdict, ClaimVerdict::CannotBeDecided, "{near:?}");
}

#[test]
fn a_ratio_holds_with_its_whole_interval_or_not_at_all() {
    let (a, b) = (runs(&[1_000.0, 1_010.0], 1.0, 70), runs(&[100.0, 101.0], 1.0, 100));
    let against = |claim: SuiteClaim| SuiteClaim { against: Some("b".to_owned()), ..claim };
    let verdict = |claim| decided(against(claim), &a, &b).verdict;
    assert_eq!(verdict(claim("rate", Some(9.0), None)), ClaimVerdict::Holds);
    assert_eq!(verdict(claim("rate", Some(20.0), None)), ClaimVerdict::DoesNotHold);
    assert_eq!(verdict(claim("rate", Some(10.0), None)), ClaimVerdict::CannotBeDecided);
    assert_eq!(verdict(claim("rate", Some(9.0), Some(11.0))), ClaimVerdict::Holds);
    assert_eq!(verdict(claim("memory", None, Some(0.75))), ClaimVerdict::Holds);
    assert_eq!(verdict(claim("memory", None, Some(0.5))), ClaimVerdict::DoesNotHold);
    let single = decided(against(claim("rate", Some(9.0), None)), &a[..1], &b[..1]);
    assert_eq!(single.verdict, ClaimVerdict::CannotBeDecided);
    assert!(single.reason.contains("in one run, which has no interval"), "{single:?}");
}

#[test]
fn the_worst_case_decides_and_a_missing_one_is_said() {
    let runs: Vec<Vec<Document>> = [500.0, 100.0].map(|it| runs(&[it, 1.01 * it], 1.0, 1)).into();
    let mut suite = suite(vec![cell("a", "x/one", &runs[0]), cell("a", "x/two@8", &runs[1])]);
    let asked = |case: &str, least| SuiteClaim {
        case: case.to_owned(),
        figure: "rate".to_owned(),
        at_most: Some(least),
        ..claim("rate", None, None)
    };
    suite.claims =
        vec![asked("x", 200.0), asked("x/two@8", 200.0), asked("c", 600.0), asked("z", 1.0)];
    decide(&mut suite, &runs.iter().map(|it| it.iter().collect()).collect::<Vec<_>>());
    let of = |at: usize| (suite.claims[at].verdict, suite.claims[at].decided_in.as_deref());
    assert_eq!(of(0), (ClaimVerdict::DoesNotHold, Some("x/one")));
    assert_eq!(of(1), (ClaimVerdict::Holds, Some("x/two@8")));
    assert_eq!(of(2).0, ClaimVerdict::Holds);
    assert_eq!(of(3), (ClaimVerdict::CannotBeDecided, None));
}

#[test]
fn an_average_is_the_geometric_mean_of_all_cases() {
    let rates = [400.0, 100.0, 100.0, 100.0];
    let runs: Vec<Vec<Document>> =
        rates.iter().map(|it| runs(&[*it, 1.001 * it], 1.0, 1)).collect();
    let of = |at: usize, target, case| cell(target, case, &runs[at]);
    let cells = [("a", "x/one"), ("b", "x/one"), ("a", "x/two"), ("b", "x/two")];
    let cells = cells.into_iter().enumerate().map(|(at, (target, case))| of(at, target, case));
    let mut suite = suite(cells.collect());
    let average = SuiteClaim {
        against: Some("b".to_owned()),
        is_average: true,
        ..claim("rate", Some(1.9), Some(2.1))
    };
    suite.claims = vec![average.clone(), SuiteClaim { is_average: false, ..average }];
    decide(&mut suite, &runs.iter().map(|it| it.iter().collect()).collect::<Vec<_>>());
    let value = suite.claims[0].measured.expect("a mean").value;
    assert!((value - 2.0).abs() < 0.01, "{value}");
    let verdicts: Vec<_> = suite.claims.iter().map(|claim| claim.verdict).collect();
    assert_eq!(verdicts, [ClaimVerdict::Holds, ClaimVerdict::DoesNotHold]);
}

#[test]
fn a_request_can_count_for_many() {
    let a = runs(&[10.0, 10.1], 1.0, 1);
    let of_hundred = SuiteClaim { times: 100.0, ..claim("rate", Some(900.0), None) };
    let decided = decided(of_hundred, &a, &runs(&[1.0, 1.0], 1.0, 1));
    assert_eq!(decided.verdict, ClaimVerdict::Holds, "{decided:?}");
    assert!((decided.per_cpu.expect("a rate per CPU") - 1_005.0).abs() < 1.0, "{decided:?}");
}

#[test]
fn answers_and_leaks_have_verdicts_of_their_own() {
    let runs = runs(&[1.0], 1.0, 1);
    let of = |figure: &str, change: &dyn Fn(&mut SuiteCell)| {
        let mut cell = cell("a", "x", &runs);
        change(&mut cell);
        let mut suite = suite(vec![cell]);
        suite.claims = vec![claim(figure, None, None)];
        decide(&mut suite, &[runs.iter().collect()]);
        suite.claims.remove(0).verdict
    };
    let passes = |cell: &mut SuiteCell| {
        cell.figures.as_mut().expect("figures").error_share = Some(0.0);
    };
    assert_eq!(of("checks", &passes), ClaimVerdict::Holds);
    let failed = |cell: &mut SuiteCell, is_wrong| {
        (cell.state, cell.is_wrong) = (CellState::Failed, is_wrong);
    };
    assert_eq!(of("checks", &|cell| failed(cell, true)), ClaimVerdict::DoesNotHold);
    assert_eq!(of("checks", &|cell| failed(cell, false)), ClaimVerdict::CannotBeDecided);
    let is_lacking = |cell: &mut SuiteCell| cell.state = CellState::Lacking;
    assert_eq!(of("checks", &is_lacking), ClaimVerdict::DoesNotHold);
    let some_fail = |cell: &mut SuiteCell| {
        cell.figures.as_mut().expect("figures").error_share = Some(0.001);
    };
    assert_eq!(of("checks", &some_fail), ClaimVerdict::DoesNotHold);
    let is_checked = |is_wrong| {
        move |cell: &mut SuiteCell| (cell.state, cell.is_wrong) = (CellState::Checked, is_wrong)
    };
    assert_eq!(of("checks", &is_checked(false)), ClaimVerdict::Holds);
    assert_eq!(of("checks", &is_checked(true)), ClaimVerdict::DoesNotHold);
    assert_eq!(of("no_leak", &|_| {}), ClaimVerdict::CannotBeDecided);
    let soaked = |verdict: &'static str| {
        move |cell: &mut SuiteCell| {
            cell.soak = Some(CellSoak {
                verdict: verdict.to_owned(),
                reason: "why.".to_owned(),
                bytes_per_request: None,
                requests: 9,
                run: String::new(),
            });
        }
    };
    assert_eq!(of("no_leak", &soaked("no_leak")), ClaimVerdict::Holds);
    assert_eq!(of("no_leak", &soaked("leak")), ClaimVerdict::DoesNotHold);
    assert_eq!(of("no_leak", &soaked("inconclusive")), ClaimVerdict::CannotBeDecided);
}
