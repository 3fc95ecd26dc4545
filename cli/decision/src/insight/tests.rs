//! Each rule on a run that has its fault and on the nearest run that has not.

use uringbench_document::target::{
    Interval95, ProcessUsage, SpikeFunction, Spikes, TargetFigures, TargetUsage,
};
use uringbench_document::timeline::{SeriesFigures, TimelineFigures, Unit};
use uringbench_document::{CauseFigures, IntervalFigures, ReasonGiven};

use super::*;
use crate::fixture;

/// A closed loop of a minute without anything that stands out.
fn run() -> Document {
    let mut run = fixture::run();
    run.rate.offered = None;
    run.verdict.reasons.clear();
    run.counts.released = 60_000;
    run.counts.outcomes.ok = 60_000;
    run.counts.outcomes.status = 0;
    run.counts.by_status = [(200, 60_000)].into();
    run.counts.causes.clear();
    let times = &mut run.latency_ns;
    for times in [&mut times.response, &mut times.service, &mut times.first_byte] {
        times.p50 = Some(500_000);
        times.p90 = Some(700_000);
        times.p95 = Some(800_000);
        times.p99 = Some(1_500_000);
        times.p999 = Some(3_000_000);
    }
    run.intervals = (0..60).map(|second| interval(second, 1_000)).collect();
    run.target_usage = Some(TargetUsage {
        cpus: 0.5,
        cpus_allowed: 1.0,
        processes: vec![process(7, 0.5)],
        throttled_periods: Some(0),
        ..TargetUsage::default()
    });
    run.target = None;
    run.soak = None;
    run.timeline = None;
    assert_eq!(insights(&run), [], "the sample itself");
    run
}

fn interval(second: u32, completed: u64) -> IntervalFigures {
    IntervalFigures {
        t_s: second.into(),
        length_s: 1.0,
        phase: "measure".to_owned(),
        released: completed,
        completed,
        errors: 0,
        outcomes: Default::default(),
        in_flight: 64,
        connected: 64,
        response_p50_ns: None,
        response_p99_ns: None,
        response_max_ns: None,
        lateness_p99_ns: None,
        sent_bytes: 0,
        received_bytes: 0,
    }
}

fn process(pid: u32, cpus: f64) -> ProcessUsage {
    ProcessUsage { pid, name: "worker".to_owned(), cpus }
}

fn with(change: impl Fn(&mut Document)) -> Vec<String> {
    let mut run = run();
    change(&mut run);
    insights(&run).into_iter().map(|insight| insight.kind).collect()
}

fn with_processes(cpus: &[f64]) -> Vec<String> {
    with(|run| {
        let usage = run.target_usage.as_mut().expect("the sample has it");
        usage.processes = (1..).zip(cpus).map(|(pid, &cpus)| process(pid, cpus)).collect();
    })
}

fn with_series(name: &str, course: &[f64]) -> Vec<String> {
    with(|run| {
        let (least, most) = course
            .iter()
            .fold((f64::MAX, 0.0_f64), |(least, most), &value| (least.min(value), most.max(value)));
        run.timeline = Some(TimelineFigures {
            length_s: 60.0,
            series: vec![SeriesFigures {
                name: name.to_owned(),
                unit: Unit::Bytes,
                min: least,
                median: course[course.len() / 2],
                max: most,
                course: course.iter().copied().map(Some).collect(),
            }],
        });
    })
}

#[test]
fn failures_of_one_kind_stand_out_and_a_mixture_does_not() {
    let failed = |of_503: u64, resets: u64| {
        with(move |run| {
            run.counts.outcomes.ok = 60_000 - of_503 - resets;
            run.counts.by_status = [(200, 60_000 - of_503 - resets), (503, of_503)].into();
            run.counts.causes = vec![CauseFigures {
                outcome: "reset".to_owned(),
                cause: "the target closed the connection".to_owned(),
                count: resets,
            }];
        })
    };
    assert_eq!(failed(1_000, 50), ["errors_alike"]);
    assert_eq!(failed(50, 1_000), ["errors_alike"]);
    assert_eq!(failed(500, 500), [""; 0]);
    assert_eq!(failed(500, 0), [""; 0], "less than one in a hundred");
}

#[test]
fn redirects_stand_out_unless_a_scenario_expects_them() {
    let redirected =
        |run: &mut Document| run.counts.by_status = [(200, 1_000), (302, 59_000)].into();
    assert_eq!(with(redirected), ["redirects"]);
    // 304 is an answer from a cache, and leads nowhere.
    assert_eq!(with(|run| run.counts.by_status = [(304, 60_000)].into()), [""; 0]);
}

#[test]
fn a_limited_generator_is_named_by_its_reason() {
    let reason = |code: &'static str| {
        with(move |run| {
            run.verdict.reasons = vec![ReasonGiven {
                code: code.to_owned(),
                message: String::new(),
                severity: "suspect".to_owned(),
            }];
        })
    };
    assert_eq!(reason("client_limited"), ["generator_limited"]);
    assert_eq!(reason("target_idle"), [""; 0]);
}

#[test]
fn a_quota_and_full_cpus_are_seen() {
    let used = |change: fn(&mut TargetUsage)| {
        with(move |run| change(run.target_usage.as_mut().expect("the sample has it")))
    };
    assert_eq!(used(|it| it.throttled_periods = Some(30)), ["target_throttled"]);
    assert_eq!(used(|it| it.throttled_periods = None), [""; 0]);
    assert_eq!(used(|it| it.cpus = 0.97), ["target_saturated"]);
    let mut unknown = run();
    unknown.target_usage = None;
    assert_eq!(insights(&unknown), []);
}

#[test]
fn workers_that_idle_or_share_unequally_are_seen() {
    assert_eq!(with_processes(&[0.9, 0.01, 0.01, 0.0]), ["one_worker"]);
    assert_eq!(with_processes(&[0.9, 0.0]), [""; 0], "a master and its only worker");
    assert_eq!(with_processes(&[0.05, 0.0, 0.0]), [""; 0], "nearly without load");
    assert_eq!(with_processes(&[0.9, 0.3, 0.3, 0.0]), ["unequal_workers"]);
    assert_eq!(with_processes(&[0.5, 0.45, 0.4, 0.0]), [""; 0]);
    let of_two_programs = with(|run| {
        let usage = run.target_usage.as_mut().expect("the sample has it");
        let other = |pid| ProcessUsage { name: "sidecar".to_owned(), ..process(pid, 0.0) };
        usage.processes = vec![process(1, 0.5), other(2), other(3)];
    });
    assert_eq!(of_two_programs, [""; 0]);
}

#[test]
fn a_tail_is_long_when_it_is_slow_and_far_from_the_median() {
    let p99 = |nanos: u64| with(move |run| run.latency_ns.response.p99 = Some(nanos));
    assert_eq!(p99(5_000_000), ["long_tail"]);
    assert_eq!(p99(4_900_000), [""; 0]);
    let fast = with(|run| {
        run.latency_ns.response.p50 = Some(20_000);
        run.latency_ns.response.p99 = Some(900_000);
    });
    assert_eq!(fast, [""; 0], "nobody notices a millisecond");
    assert_eq!(with(|run| run.latency_ns.response.p99 = None), [""; 0]);
}

#[test]
fn a_disturbed_generator_is_not_taken_for_a_slow_target() {
    let disturbed = |code: &'static str| {
        with(move |run| {
            run.latency_ns.response.p99 = Some(50_000_000);
            run.verdict.reasons = vec![ReasonGiven {
                code: code.to_owned(),
                message: String::new(),
                severity: "suspect".to_owned(),
            }];
        })
    };
    assert_eq!(disturbed("preempted"), [""; 0]);
    assert_eq!(disturbed("late_sends"), ["generator_limited"]);
    assert_eq!(disturbed("target_idle"), ["long_tail"]);
}

#[test]
fn a_delayed_acknowledgement_holds_the_rest_of_an_answer_and_a_slow_target_all_of_it() {
    let times = |first_byte: u64| {
        with(move |run| {
            for times in [&mut run.latency_ns.response, &mut run.latency_ns.service] {
                times.p50 = Some(40_300_000);
                times.p99 = Some(41_000_000);
            }
            run.latency_ns.first_byte.p50 = Some(first_byte);
            run.latency_ns.first_byte.p99 = Some(first_byte);
        })
    };
    assert_eq!(times(200_000), ["delayed_ack"]);
    assert_eq!(times(40_200_000), [""; 0]);
}

#[test]
fn a_collector_in_spikes_is_named_unless_by_chance() {
    let spike = |function: &'static str, q: f64| {
        with(move |run| {
            let ratio = Interval95 { value: 9.0, ci_low: Some(5.0), ci_high: None };
            run.target = Some(TargetFigures {
                spikes: Some(Spikes {
                    functions: vec![SpikeFunction {
                        function: function.to_owned(),
                        spike_share: 0.45,
                        other_share: 0.05,
                        ratio,
                        q,
                    }],
                    ..Spikes::default()
                }),
                ..TargetFigures::default()
            });
        })
    };
    assert_eq!(spike("runtime.gcDrain", 0.001), ["gc_pauses"]);
    assert_eq!(spike("deduce_unreachable", 0.001), ["gc_pauses"]);
    assert_eq!(spike("runtime.gcDrain", 0.2), [""; 0]);
    assert_eq!(spike("render_page", 0.001), [""; 0]);
}

#[test]
fn a_rate_falls_only_in_a_closed_loop_and_by_a_tenth() {
    let rates = |to: f64, offered: Option<f64>| {
        with(move |run| {
            run.rate.offered = offered;
            let rate = |second: u32| 1_000.0 + (to - 1_000.0) * f64::from(second) / 59.0;
            run.intervals = (0..60).map(|second| interval(second, rate(second) as u64)).collect();
        })
    };
    assert_eq!(rates(700.0, None), ["falling_rate"]);
    assert_eq!(rates(950.0, None), [""; 0]);
    assert_eq!(rates(1_300.0, None), [""; 0]);
    assert_eq!(rates(700.0, Some(1_000.0)), [""; 0]);
}

#[test]
fn memory_that_grows_to_the_end_and_swapping_are_seen() {
    const MIB: f64 = 1_048_576.0;
    let course = |mib: &[f64]| mib.iter().map(|mib| mib * MIB).collect::<Vec<_>>();
    let rising: Vec<f64> = (0..20).map(|step| 50.0 + f64::from(step)).collect();
    assert_eq!(with_series("rss anon", &course(&rising)), ["memory_growth"]);
    let settled: Vec<f64> = (0..20).map(|step| 50.0 + f64::from(step.min(9) * 2)).collect();
    assert_eq!(with_series("rss anon", &course(&settled)), [""; 0]);
    let little: Vec<f64> = (0..20).map(|step| 50.0 + 0.1 * f64::from(step)).collect();
    assert_eq!(with_series("rss anon", &course(&little)), [""; 0]);
    assert_eq!(with_series("swap", &[0.0, 4096.0, 8192.0]), ["swapping"]);
    assert_eq!(with_series("major faults", &[0.0, 50.0, 60.0]), ["swapping"]);
    assert_eq!(with_series("major faults", &[0.0, 1.0, 60.0]), [""; 0]);
}

#[test]
fn every_insight_is_a_sentence_with_figures_and_says_what_to_do() {
    let mut run = run();
    run.latency_ns.response.p99 = Some(50_000_000);
    let usage = run.target_usage.as_mut().expect("the sample has it");
    usage.throttled_periods = Some(600);
    usage.cpus = 1.0;
    let found = insights(&run);
    let kinds: Vec<_> = found.iter().map(|insight| insight.kind.as_str()).collect();
    assert_eq!(kinds, ["target_throttled", "long_tail", "target_saturated"], "the worst first");
    for insight in found {
        assert!(!insight.figures.is_empty() && !insight.recommendations.is_empty());
        assert!(insight.description.chars().any(|letter| letter.is_ascii_digit()));
        assert!(!insight.description.ends_with('.'), "{}", insight.description);
    }
}
