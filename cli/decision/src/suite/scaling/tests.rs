//! Rates that grow, stay and fall with the connections.

use super::*;

fn at(connections: u32, rate: f64) -> ScalingPoint {
    let interval =
        Interval95 { value: rate, ci_low: Some(0.98 * rate), ci_high: Some(1.02 * rate) };
    let rate_interval = Some(interval);
    ScalingPoint { connections, rate, rate_interval, response_p99_ns: None, cpus: None }
}

fn of(points: &[(u32, f64)]) -> ScalingFigures {
    course("a", "x", points.iter().map(|(count, rate)| at(*count, *rate)).collect(), 1)
        .expect("points")
}

#[test]
fn a_course_is_named_by_what_it_does() {
    let grows = of(&[(1, 100.0), (2, 190.0), (4, 370.0)]);
    let expected = "the rate still grows: 100/s with 1 connection, 370/s with 4 connections";
    assert_eq!(grows.sentence, expected);
    let stays = of(&[(1, 100.0), (4, 300.0), (8, 310.0), (16, 305.0)]);
    let expected =
        "more connections change little: 300/s with 4 connections, 305/s with 16 connections";
    assert_eq!(stays.sentence, expected);
    assert_eq!((stays.best_connections, stays.serial_share), (8, None));
    let falls = of(&[(1, 100.0), (4, 300.0), (64, 250.0)]);
    let expected = "the rate falls under load: 300/s with 4 connections, 250/s with 64 connections";
    assert_eq!(falls.sentence, expected);
}

#[test]
fn a_fall_within_chance_is_none() {
    let wide = |connections, rate| ScalingPoint {
        rate_interval: Some(Interval95 {
            value: rate,
            ci_low: Some(0.5 * rate),
            ci_high: Some(2.0 * rate),
        }),
        ..at(connections, rate)
    };
    let figures = course("a", "x", vec![wide(1, 100.0), wide(4, 300.0), wide(64, 250.0)], 1);
    let figures = figures.expect("points");
    assert!(!figures.sentence.contains("falls"), "{}", figures.sentence);
}

#[test]
fn eight_loads_have_a_law() {
    let rate = |load: f64| 100.0 * load / (1.0 + 0.05 * (load - 1.0) + 0.001 * load * (load - 1.0));
    let points: Vec<(u32, f64)> =
        (0..8).map(|power| 1 << power).map(|it| (it, rate(f64::from(it)))).collect();
    let figures = of(&points);
    assert!((figures.serial_share.expect("a law").value - 0.05).abs() < 0.005);
    assert!((figures.agreement_cost.expect("a law").value - 0.001).abs() < 0.0002);
}
