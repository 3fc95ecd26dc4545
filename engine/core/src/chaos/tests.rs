//! The figures against what is known: servers in plain code, and faults that do nothing.

use super::impact::{Baseline, ROWS_SEEN, fail_fast};
use super::simulated::{SimulatedServer, undisturbed};
use super::*;
use crate::outcome::Outcome;
use crate::slo::Met;
use crate::statistics::random::Random;
use crate::time::{Nanos, Timestamp};

/// A pause at 20 s for this long of a server with this share of its time in use.
fn paused(load: f64, seconds: f64, length: u64) -> SimulatedServer {
    let at = Nanos::from_secs(20);
    SimulatedServer {
        rate: 1_000,
        load,
        pause: (at, Nanos(at.0 + (seconds * 1e9) as u64)),
        length: Nanos::from_secs(length),
        timeout: Nanos::from_secs(60),
    }
}

fn near(value: Nanos, seconds: f64, within: f64) -> bool {
    (value.as_secs_f64() - seconds).abs() <= within
}

#[test]
fn a_paused_server_recovers_when_its_queue_is_empty() {
    for (load, seconds) in [(0.5, 2.0), (0.8, 2.0), (0.3, 5.0), (0.9, 0.5), (0.5, 0.73)] {
        let analysis = paused(load, seconds, 45).analysis(Nanos::from_millis(3));
        let [figures] = analysis.injections.as_slice() else { panic!("one injection") };
        let truth = seconds * load / (1.0 - load);
        let recover = figures.recover.expect("it recovers within the run");
        assert!(near(recover, truth, 0.11), "{load} {seconds}: {recover} instead of {truth}");
        assert_eq!(figures.impact, Some(Nanos::ZERO), "{load} {seconds}");
        let first = figures.first_success.expect("it answers again");
        assert!(first < Nanos::from_millis(2), "{first}");
        // Every request of the pause waits, and as many come as the rate says.
        assert!((figures.backlog as f64 - 1_000.0 * seconds).abs() <= 110.0, "{}", figures.backlog);
        let lost = 1_000.0 * (seconds + truth);
        assert!((figures.lost - lost).abs() < 0.02 * lost + 110.0, "{} of {lost}", figures.lost);
        assert!((figures.lost_seconds - lost / 1_000.0).abs() < 0.02 * lost / 1_000.0 + 0.11);
        assert!(figures.after_p99.is_none_or(|(ratio, ..)| (0.9..1.1).contains(&ratio)));
    }
}

#[test]
fn a_run_that_ends_first_says_more_than() {
    let analysis = paused(0.9, 2.0, 30).analysis(Nanos::from_millis(3));
    let figures = &analysis.injections[0];
    assert_eq!(figures.recover, None);
    let least = figures.censored_at.expect("it is censored");
    assert!(near(least, 5.1, 0.11), "{least}");
    let met = |limit: &str| {
        let objective: ChaosObjective = limit.parse().expect("an objective");
        objective.compare(&analysis.injections, |_| "pause")[0].met
    };
    assert_eq!(met("recover<4s"), Met::No);
    assert_eq!(met("recover<20s"), Met::Unknown);
}

#[test]
fn a_fault_that_does_nothing_has_no_impact() {
    let seeds = 500;
    let felt = (0..seeds).filter(|seed| undisturbed(*seed).injections[0].impact.is_some()).count();
    assert!(felt <= 5, "{felt} of {seeds}");
    let analysis = undisturbed(7);
    assert_eq!(analysis.injections[0].recover, Some(Nanos::ZERO));
    assert!(!analysis.is_unsteady && analysis.lateness < 0.01);
}

#[test]
fn timeouts_are_slow_failures_and_refusals_fast_ones() {
    let server = SimulatedServer { timeout: Nanos::from_millis(500), ..paused(0.5, 3.0, 45) };
    let figures = server.analysis(Nanos::from_millis(3)).injections.remove(0);
    assert_eq!(figures.fail_fast, None);
    assert!(figures.failures > 2_000, "{}", figures.failures);
    let rows: Vec<_> = (0..40).map(|row| if row < 12 { (9, 0) } else { (9, 9) }).collect();
    assert_eq!(fail_fast(&rows, 0..40), Some(11));
    assert_eq!(fail_fast(&rows, 20..22), Some(20));
    assert_eq!(fail_fast(&[(0, 0); 20], 0..20), None);
}

#[test]
fn the_rule_allows_as_many_rows_outside_as_the_baseline_needs() {
    let mut random = Random::new(3);
    let quiet: Vec<u64> = (0..300).map(|_| random.below(4) as u64).collect();
    assert_eq!(Baseline::of(&quiet).expect("enough rows").outside_max, 3);
    let bursts: Vec<u64> = (0..600).map(|row| if row % 150 < 5 { 90 } else { 1 }).collect();
    let bursty = Baseline::of(&bursts).expect("enough rows");
    assert!(bursty.outside_max > 3 || bursty.band == 90, "{bursty:?}");
    assert!(Baseline::of(&quiet[..ROWS_SEEN - 1]).is_none());
}

/// Bad requests of 100 in each row: a stall before a fault from row 60 to 80.
fn stalled() -> Vec<u64> {
    let mut bad: Vec<u64> = (0..150).map(|row| u64::from(row % 7 == 0)).collect();
    bad[20] = 100;
    bad[60..80].fill(100);
    bad
}

#[test]
fn a_stall_before_a_fault_hides_no_outage() {
    let bad = stalled();
    let baseline = Baseline::of(&bad[..60]).expect("enough rows");
    assert!(baseline.band < 3, "{baseline:?}");
    assert_eq!(baseline.impact(&bad, 60..150), Some(60));
    assert_eq!(baseline.recovery(&bad, 60), Some(80));
    let mut rows = DueRows::new(Timestamp(0), Nanos::from_secs(15), Some(Nanos::SECOND));
    for (row, bad) in bad.iter().enumerate() {
        let at = Timestamp(0) + Nanos::from_millis(100 * row as u64);
        rows.ended(at, at + Nanos::MILLISECOND, Outcome::Ok, 100 - *bad as u16);
        rows.ended(at, at + Nanos::MILLISECOND, Outcome::Status, *bad as u16);
    }
    // The target is out for a second longer than the fault, which was too short for an impact.
    let figures = |effective: u64, has_steps: bool| {
        let times = InjectionTimes {
            fault: 0,
            injected: Nanos::from_secs(6),
            effective: Some(Nanos::from_millis(effective)),
            cleared: Some(Nanos::from_secs(7)),
        };
        let input = ChaosInput {
            injections: &[times],
            window: (Nanos::ZERO, Nanos::from_secs(15)),
            good: Some(Nanos::SECOND),
            availability: 0.999,
            has_steps,
        };
        let analysis = ChaosAnalysis::of(rows.clone(), &input).expect("enough rows");
        analysis.injections[0].clone()
    };
    let of_steps = figures(6_000, true);
    assert_eq!(of_steps.recover, Some(Nanos::SECOND));
    assert!((of_steps.lost - figures(6_000, false).lost).abs() < 1.0, "as many are due");
}

#[test]
fn steps_that_were_never_due_are_lost_too() {
    let mut rows = DueRows::new(Timestamp(0), Nanos::from_secs(15), Some(Nanos::SECOND));
    for row in 0..150_u64 {
        let at = Timestamp(0) + Nanos::from_millis(100 * row);
        // Three steps each, of which the first fails for two seconds.
        if (60..80).contains(&row) {
            rows.ended(at, at + Nanos::MILLISECOND, Outcome::Reset, 40);
        } else {
            rows.ended(at, at + Nanos::MILLISECOND, Outcome::Ok, 120);
        }
    }
    let times = InjectionTimes {
        fault: 0,
        injected: Nanos::from_secs(6),
        effective: Some(Nanos::from_secs(6)),
        cleared: Some(Nanos::from_secs(8)),
    };
    let input = ChaosInput {
        injections: &[times],
        window: (Nanos::ZERO, Nanos::from_secs(15)),
        good: Some(Nanos::SECOND),
        availability: 0.999,
        has_steps: true,
    };
    let analysis = ChaosAnalysis::of(rows, &input).expect("enough rows");
    let figures = &analysis.injections[0];
    assert_eq!((figures.lost.round(), figures.lost_seconds.round()), (2_400.0, 2.0));
}

fn fault(name: &str, at: u64, length: u64) -> PlannedFault {
    PlannedFault {
        name: name.to_owned(),
        at: Nanos::from_secs(at),
        jitter: Nanos::ZERO,
        length: Nanos::from_secs(length),
        repeat: 1,
        every: Nanos::ZERO,
        may_overlap: false,
        kind: FaultKind::Nothing,
    }
}

fn plan(faults: &[PlannedFault]) -> ChaosPlan {
    ChaosPlan { recovery: Nanos::from_secs(10), faults: faults.to_vec(), ..ChaosPlan::default() }
}

#[test]
fn injections_repeat_with_their_seed() {
    let repeated = PlannedFault {
        repeat: 5,
        every: Nanos::from_secs(20),
        jitter: Nanos::from_secs(2),
        ..fault("a", 30, 5)
    };
    let window = Nanos::from_secs(150);
    let drawn = plan(std::slice::from_ref(&repeated)).injections(window, 1).expect("a schedule");
    assert_eq!(
        drawn,
        plan(std::slice::from_ref(&repeated)).injections(window, 1).expect("a schedule")
    );
    assert_ne!(drawn, plan(&[repeated]).injections(window, 2).expect("a schedule"));
    for (turn, injection) in drawn.iter().enumerate() {
        assert!(near(injection.at, 30.0 + 20.0 * turn as f64, 2.0), "{injection:?}");
    }
}

#[test]
fn schedules_that_contradict_themselves_are_refused() {
    let window = Nanos::from_secs(60);
    let refused = |faults: &[PlannedFault]| {
        plan(faults).injections(window, 1).expect_err("it is refused").to_string()
    };
    let often = PlannedFault { repeat: 3, every: Nanos::from_secs(5), ..fault("a", 10, 5) };
    let close = PlannedFault { repeat: 3, every: Nanos::from_secs(14), ..fault("a", 10, 5) };
    let early = PlannedFault { jitter: Nanos::from_secs(4), ..fault("b", 8, 5) };
    let endless = PlannedFault { repeat: 3, every: Nanos(u64::MAX), ..fault("a", 10, 5) };
    let together = PlannedFault { may_overlap: true, ..fault("a", 20, 5) };
    let pause = FaultKind::Pause { process: "x".to_owned() };
    let twice = PlannedFault { kind: pause, ..together.clone() };
    let cases: [(&[PlannedFault], &str); 12] = [
        (&[], "there is no fault"),
        (&[fault("a", 20, 5), fault("a", 30, 5)], "a `name` of its own"),
        (&[fault("a", 20, 0)], "has no length"),
        (&[fault("a", 20, 601)], "600 s at most"),
        (&[fault("a", 2, 5)], "leave at least 5"),
        (&[fault("a", 50, 5)], "measure for 65"),
        (&[fault("a", 20, 5), fault("b", 22, 5)], "overlap = true"),
        (&[twice.clone(), PlannedFault { name: "b".to_owned(), ..twice }], "same time"),
        (&[often], "same time"),
        (&[close], "closer than `recovery`"),
        // It is not the first by its middle, nor always by its drawn time.
        (&[fault("a", 7, 1), early], "leave at least 5"),
        (&[endless], "measure for"),
    ];
    for (faults, part) in cases {
        let why = refused(faults);
        assert!(why.contains(part), "{part}: {why}");
    }
    let short = ChaosPlan { recovery: Nanos::SECOND, ..plan(&[fault("a", 20, 5)]) };
    let why = short.injections(window, 1).expect_err("nothing can be seen").to_string();
    assert!(why.contains("3.00 s at least"), "{why}");
    let other = PlannedFault { name: "b".to_owned(), ..together.clone() };
    assert!(plan(&[together, other]).injections(window, 1).is_ok());
}

#[test]
fn objectives_are_compared_with_the_worst_injection() {
    let mut injections = paused(0.5, 2.0, 45).analysis(Nanos::from_millis(3)).injections;
    injections
        .push(InjectionFigures { recover: Some(Nanos::from_secs(9)), ..injections[0].clone() });
    let met = |text: &str| {
        let objective: ChaosObjective = text.parse().expect("an objective");
        let findings = objective.compare(&injections, |_| "pause");
        findings.into_iter().map(|finding| finding.met).collect::<Vec<_>>()
    };
    assert_eq!(met("recover<10s,lost<10k"), [Met::Yes, Met::Yes]);
    assert_eq!(met("recover<5s, lost<1000, bad<5%"), [Met::No, Met::No, Met::No]);
    assert_eq!(met("p99<3s,fail_fast<1s"), [Met::Yes, Met::Yes]);
    let of_other: ChaosObjective = "recover<10s".parse().expect("an objective");
    let findings = of_other.of(Some("other".to_owned())).compare(&injections, |_| "pause");
    assert_eq!((findings[0].met, findings[0].measured.as_str()), (Met::Unknown, "not measured"));
    for wrong in ["", "recover", "recover>2s", "bad<5", "lost<1%", "speed<3s", "recover<fast"] {
        assert!(wrong.parse::<ChaosObjective>().is_err(), "{wrong}");
    }
}
