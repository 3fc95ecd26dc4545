//! Objectives as users write them, valid and invalid.

use super::*;
use crate::outcome::Outcome;
use crate::summary::fixture;

fn findings(slo: &str, summary: &Summary) -> Vec<(String, String, Met)> {
    let slo: Slo = slo.parse().unwrap();
    slo.judge(&Measured::of_run(summary)).into_iter().map(|f| (f.text, f.measured, f.met)).collect()
}

fn finding(text: &str, measured: &str, met: Met) -> (String, String, Met) {
    (text.to_owned(), measured.to_owned(), met)
}

/// 100,000 slots at 50,000/s; response p50 20.2 µs, p99 30.3 µs, p99.9 60.6 µs, max 121 µs.
fn open_run() -> Summary {
    let plan = fixture::open();
    Summary::of(&plan, &fixture::record(&plan))
}

#[test]
fn every_term_is_held_against_its_figure() {
    let cases = [
        ("p50<20us", finding("p50 < 20.0 µs", "20.2 µs", Met::No)),
        ("p90 < 0.021ms", finding("p90 < 21.0 µs", "20.2 µs", Met::Yes)),
        ("p95<31µs", finding("p95 < 31.0 µs", "30.3 µs", Met::Yes)),
        ("p99<1s", finding("p99 < 1.00 s", "30.3 µs", Met::Yes)),
        ("p999<61us", finding("p99.9 < 61.0 µs", "60.6 µs", Met::Yes)),
        ("p99.99<=100us", finding("p99.99 <= 100 µs", "121 µs", Met::No)),
        ("max<200000ns", finding("max < 200 µs", "121 µs", Met::Yes)),
        ("mean<10us", finding("mean < 10.0 µs", "21.6 µs", Met::No)),
        ("errors<0.1%", finding("errors < 0.10 %", "0 %", Met::Yes)),
        ("errors<=0", finding("errors <= 0 %", "0 %", Met::Yes)),
        ("errors<0", finding("errors < 0 %", "0 %", Met::No)),
        ("rate>50k", finding("rate > 50,000/s", "50,000/s", Met::No)),
        ("rate>=50k", finding("rate >= 50,000/s", "50,000/s", Met::Yes)),
        ("rate>49999.5", finding("rate > 49,999/s", "50,000/s", Met::Yes)),
    ];
    for (slo, expected) in cases {
        assert_eq!(findings(slo, &open_run()), [expected], "{slo}");
    }
}

#[test]
fn several_terms_keep_their_order() {
    let met: Vec<_> = findings("p99<20us, errors<1%,rate>1k", &open_run())
        .into_iter()
        .map(|(_, _, met)| met)
        .collect();
    assert_eq!(met, [Met::No, Met::Yes, Met::Yes]);
}

#[test]
fn a_closed_loop_says_that_its_times_are_service_times() {
    let plan = fixture::closed();
    let summary = Summary::of(&plan, &fixture::record(&plan));
    assert_eq!(
        findings("p99<20ms,errors<1%", &summary),
        [
            finding("p99 of service time (closed loop) < 20.0 ms", "600 µs", Met::Yes),
            finding("errors < 1.0 %", "0 %", Met::Yes),
        ]
    );
}

#[test]
fn too_few_samples_are_neither_met_nor_missed() {
    let plan = fixture::open();
    let mut record = fixture::record(&plan);
    record.times = crate::record::Times::default();
    record.times.response.record_n(1_000, 999).unwrap();
    let summary = Summary::of(&plan, &record);
    assert_eq!(
        findings("p99<20ms", &summary),
        [finding("p99 < 20.0 ms", "too few samples", Met::Unknown)]
    );
}

#[test]
fn errors_count_every_slot_that_did_not_end_well() {
    let plan = fixture::open();
    let mut record = fixture::record(&plan);
    record.counts = fixture::all_ok(998);
    record.counts.released += 2;
    record.counts.end(Outcome::Timeout, 1);
    record.counts.end(Outcome::NotSent, 1);
    let summary = Summary::of(&plan, &record);
    assert_eq!(
        findings("errors<0.2%,errors<=0.002", &summary),
        [
            finding("errors < 0.20 %", "0.20 %", Met::No),
            finding("errors <= 0.20 %", "0.20 %", Met::Yes),
        ]
    );
}

#[test]
fn what_cannot_be_read_says_what_to_write() {
    let cases = [
        ("", "an objective is empty: write terms such as p99<20ms,errors<0.1%"),
        ("p99<1ms,", "an objective is empty: write terms such as p99<20ms,errors<0.1%"),
        ("p99", "`p99` has no comparison: write a term such as p99<20ms, errors<0.1% or rate>9k"),
        (
            "p98<1ms",
            "`p98` is not a term of an objective, did you mean `p99`? (valid: p50, p90, p95, \
             p99, p99.9, p999, p99.99, p9999, max, mean, errors, rate)",
        ),
        (
            "error<1%",
            "`error` is not a term of an objective, did you mean `errors`? (valid: p50, p90, \
             p95, p99, p99.9, p999, p99.99, p9999, max, mean, errors, rate)",
        ),
        ("p99>1ms", "`p99>1ms` has the wrong direction: write p99<…"),
        ("rate<9k", "`rate<9k` has the wrong direction: write rate>…"),
        ("p99<20", "`20` is not a bound for p99: write p99<20ms (units: ns, us, ms, s)"),
        ("p99<ms", "`ms` is not a bound for p99: write p99<20ms (units: ns, us, ms, s)"),
        ("max<-1s", "`-1s` is not a bound for max: write max<20ms (units: ns, us, ms, s)"),
        ("mean<infs", "`infs` is not a bound for mean: write mean<20ms (units: ns, us, ms, s)"),
        ("errors<101%", "`101%` is not a bound for errors: write errors<0.1%"),
        ("errors<1ms", "`1ms` is not a bound for errors: write errors<0.1%"),
        ("rate>fast", "`fast` is not a bound for rate: write rate>9000 or >9k"),
    ];
    for (slo, message) in cases {
        assert_eq!(slo.parse::<Slo>().unwrap_err().to_string(), message, "{slo}");
    }
}

#[test]
fn the_distance_is_levenshteins() {
    let cases = [("", "abc", 3), ("kitten", "sitting", 3), ("p99", "p99", 0), ("flaw", "lawn", 2)];
    for (a, b, distance) in cases {
        assert_eq!(edit_distance(a, b), distance);
        assert_eq!(edit_distance(b, a), distance);
    }
}
