//! The texts and the picture of a small search.

use uringbench_document::Environment;
use uringbench_document::capacity::{
    CAPACITY_SCHEMA, CapacityDocument, CapacityFound, CapacitySettings, FittedFigure, GoalFound,
    HysteresisFound, TrialFigures, UslFigures,
};

use super::*;

fn trial(load: f64, bad: u64, p99_ms: f64) -> TrialFigures {
    let requests = (load * 10.0) as u64;
    let ns = |ms: f64| Some((ms * 1e6) as u64);
    TrialFigures {
        folder: "trials/001".to_owned(),
        load,
        purpose: "bisect".to_owned(),
        duration_s: 10.0,
        requests,
        bad: vec![bad, 0],
        good: bad * 100 <= requests,
        limit: None,
        validity: "valid".to_owned(),
        reasons: Vec::new(),
        completed: load,
        in_service: Some(load / 1_000.0),
        response_p50_ns: ns(p99_ms / 4.0),
        response_p99_ns: ns(p99_ms),
        response_p999_ns: None,
        target_cpus: Some(load / 1_000.0),
        client_busy: 0.1,
    }
}

fn document() -> CapacityDocument {
    let goal = |objective: &str, loss_ratio, time_ns| GoalFound {
        objective: objective.to_owned(),
        loss_ratio,
        time_ns,
        lower: Some(880.0),
        upper: Some(910.0),
        crossing: None,
    };
    let limited = TrialFigures { limit: Some("generator".to_owned()), ..trial(3_200.0, 0, 9.0) };
    CapacityDocument {
        schema: CAPACITY_SCHEMA.to_owned(),
        started: "2026-11-30T10:00:00Z".to_owned(),
        url: "http://127.0.0.1:8080/a?b&c".to_owned(),
        method: "GET".to_owned(),
        name: None,
        over: "rate".to_owned(),
        settings: CapacitySettings {
            slo: "p99<20ms,errors<0.1%".to_owned(),
            from: 100.0,
            to: 1e7,
            width: 0.05,
            budget_s: 300.0,
            initial_s: 2.0,
            full_s: 10.0,
            sum_s: 30.0,
            exceed_ratio: 0.5,
            arrivals: Some("poisson".to_owned()),
            seed: 1,
        },
        answer: CapacityFound {
            lower: Some(880.0),
            upper: Some(910.0),
            limiting: Some("p99 < 20.0 ms".to_owned()),
            settled: true,
            confirmed: Some(true),
            recovery_checked: true,
            duration_s: 184.2,
            ..CapacityFound::default()
        },
        goals: vec![
            goal("p99 < 20.0 ms", 0.01, Some(20_000_000)),
            goal("errors < 0.10 %", 0.001, None),
        ],
        trials: vec![
            trial(100.0, 0, 1.2),
            trial(400.0, 0, 2.9),
            trial(880.0, 44, 17.0),
            trial(910.0, 300, 31.0),
            trial(880.0, 60, 18.0),
            trial(1_600.0, 16_000, 900.0),
            limited,
        ],
        usl: UslFigures {
            sigma: Some(FittedFigure { value: 0.021, low: 0.018, high: 0.024 }),
            kappa: Some(FittedFigure { value: 0.00004, low: 0.0, high: 0.0001 }),
            lambda: Some(FittedFigure { value: 990.0, low: 980.0, high: 1_000.0 }),
            load_max: Some(8.0),
            points: 9,
            ..UslFigures::default()
        },
        host: Environment::default(),
    }
}

#[test]
fn the_answer_comes_first_and_the_curve_after_it() {
    let expected = "\
CAPACITY 880.0/s to 910.0/s (p99 < 20.0 ms is missed above)
  - 3.4 % wide (5.0 % asked for)
  - a long trial at 880.0/s confirmed it
  - it recovered from overload at once

target    GET http://127.0.0.1:8080/a?b&c
search    7 trials in 184 s, p99<20ms,errors<0.1%, poisson arrivals

       rate     trials    outside        p50        p99 target CPU  p50 ∙  p99 ●  objective │
    100.0/s          1        0 %     300 µs    1.20 ms       0.10  ∙    ●          │
    400.0/s          1        0 %     725 µs    2.90 ms       0.40     ∙     ●      │
    880.0/s          2     0.59 %    4.50 ms    18.0 ms       0.88            ∙     ●
    910.0/s          1      3.3 %    7.75 ms    31.0 ms       0.91               ∙  │ ●
    1,600/s          1      100 %     225 ms     900 ms       1.60                  │         ∙    ●
    3,200/s          1  generator    2.25 ms    9.00 ms       3.20          ∙    ●  │

law       USL over 9 trials: serial share σ = 0.021 [0.018..0.024], agreement κ = 4.0e-5 [0..1.0e-4]
          no highest rate up to 8.0 in service, where the curve ends
stored    results/x
";
    let text = text(&document(), Some(Path::new("results/x")), Colour::No);
    assert_eq!(text, expected);
}

#[test]
fn markdown_has_the_same_figures() {
    let text = markdown(&document());
    assert!(text.starts_with("**CAPACITY 880.0/s to 910.0/s"), "{text}");
    assert!(text.contains("| 880.0/s | 2 | 0.59 % | 4.50 ms | 18.0 ms | 0.88 |"), "{text}");
}

#[test]
fn every_kind_of_answer_has_its_line() {
    let with = |change: &dyn Fn(&mut CapacityFound)| {
        let mut document = document();
        change(&mut document.answer);
        text(&document, None, Colour::No)
    };
    let unbounded = |answer: &mut CapacityFound| {
        (answer.upper, answer.limiting) = (None, None);
        answer.ceiling = Some("generator".to_owned());
    };
    assert!(with(&unbounded).starts_with("CAPACITY >= 880.0/s, generator-limited\n"));
    let none = with(&|answer| answer.lower = None);
    assert!(none.starts_with("CAPACITY < 910.0/s: no load met the objectives\n"), "{none}");
    let wide = with(&|answer| (answer.settled, answer.confirmed) = (false, Some(false)));
    assert!(wide.contains("--budget") && wide.contains("missed an objective"), "{wide}");
    let collapsed = with(&|answer| {
        answer.hysteresis =
            Some(HysteresisFound { overload: 1_600.0, load: 400.0, recovered: false });
    });
    assert!(collapsed.contains("does not recover, not even at 400.0/s"), "{collapsed}");
}

#[test]
fn the_picture_has_a_dot_for_each_time_and_an_escaped_title() {
    let svg = curve(&document()).unwrap();
    // Times and CPU of seven trials, and the legend.
    assert_eq!(svg.matches("<circle").count(), 7 * 3 + 5, "{svg}");
    assert!(svg.contains("a?b&amp;c") && !svg.contains("NaN"), "{svg}");
    assert!(svg.contains("stroke-dasharray"), "{svg}");
    let empty = CapacityDocument { trials: Vec::new(), ..document() };
    assert_eq!(curve(&empty), None);
}
