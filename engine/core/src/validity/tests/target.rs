//! Answers that turn the load away, and targets that end, stall, idle or differ by address.

use super::*;
use crate::answer_code::AnswerCode;
use crate::flow::check::Check;
use crate::flow::script::Flow;
use crate::flow::step::Step;
use crate::flow::template::{Marks, Template};
use crate::http::request::RequestParts;
use crate::plan::Protocol;
use crate::record::{Interval, StepRecord};
use crate::status::StatusSample;
use crate::summary::fixture;
use crate::window::Phase;

/// 300,000 answers, `answers` of them with this status.
fn answered(status: u16, answers: u64, sample: StatusSample) -> Case {
    Case::closed().with(|case| {
        if status >= 400 {
            case.lose(answers, Outcome::Status);
        }
        case.record.codes = fixture::codes(&[(200, 300_000 - answers), (status, answers)]);
        case.worker().statuses = vec![StatusSample { status, ..sample }];
    })
}

fn plainly(status: u16, answers: u64) -> Case {
    answered(status, answers, StatusSample::default())
}

#[test]
fn answers_that_redirect_are_told_with_where_to() {
    fires_past(&plainly(301, 150_000), &plainly(301, 150_001), "redirects", Severity::Suspect);
    let location = Some("https://x/".to_owned());
    let all = answered(302, 300_000, StatusSample { location, ..StatusSample::default() });
    assert_eq!(
        all.verdict().reasons[0].message,
        "300,000 of 300,000 answers (100 %) are 302 (to `https://x/`): redirects are not followed, \
         so these are their times; load the URL they lead to, or check for the status in a scenario"
    );
    assert_eq!(plainly(301, 2_999).verdict().notes, [""; 0]);
    let noted = plainly(301, 3_000).verdict();
    assert!(noted.notes[0].starts_with("3,000 of 300,000 answers (1.0 %) are 301"), "{noted:?}");
    assert_eq!(plainly(304, 300_000).codes(), [], "the success of a conditional request");
}

#[test]
fn answers_that_refuse_are_told_with_what_to_do() {
    let first = |status, sample| {
        let verdict = answered(status, 300_000, sample).verdict();
        let codes: Vec<_> = verdict.reasons.iter().map(|reason| reason.code).collect();
        assert_eq!(codes, ["refusals", "errors"]);
        assert!(!verdict.reasons[1].message.contains("trouble"), "{verdict:?}");
        verdict.reasons[0].message.clone()
    };
    let basic = StatusSample { scheme: Some("Basic".into()), ..StatusSample::default() };
    let wanted = first(401, basic);
    assert!(wanted.contains("asks for Basic credentials"), "{wanted}");
    assert!(wanted.contains("-H 'Authorization: Basic …'"), "{wanted}");
    let later = StatusSample { retry_after: Some("5".into()), ..StatusSample::default() };
    let limited = first(429, later);
    assert!(limited.contains("Retry-After: 5") && limited.contains("rate limit"), "{limited}");
    for (status, part) in [(403, "credentials"), (404, "path"), (405, "method"), (503, "lower -R")]
    {
        let message = first(status, StatusSample::default());
        assert!(message.contains(part), "{message}");
    }
    let mixed = plainly(503, 200_000).with(|case| {
        case.record.codes = fixture::codes(&[(200, 50_000), (502, 50_000), (503, 200_000)]);
    });
    let message = mixed.verdict().reasons[0].message.clone();
    assert!(message.contains("are 503 × 200,000, 502 × 50,000: the target turns"), "{message}");
}

#[test]
fn a_name_that_is_not_that_of_the_connection_is_told_with_both() {
    let case = plainly(421, 300_000).with(|case| {
        let tls = TlsPlan { server_name: "a.example".to_owned(), ..tls() };
        case.plan(|plan| plan.protocol = Protocol::Tls(tls));
    });
    let message = case.verdict().reasons[0].message.clone();
    assert!(message.contains("`a.example` (SNI)"), "{message}");
    assert!(message.contains("`127.0.0.1:8080` (Host)"), "{message}");
}

#[test]
fn a_step_that_checks_for_a_status_asked_for_it() {
    let of_script = |checks: Vec<Check>| {
        Case::closed().with(|case| {
            let request = RequestParts::new("GET", "shop", "/");
            let template = Template::build(request, &Marks::default()).unwrap();
            let steps = vec![Step { checks, ..Step::new("buy", template) }];
            let flow = Flow { name: "buy".to_owned(), weight: 1, steps, operations: Vec::new() };
            let parts = (Flow::default(), vec![flow], Flow::default());
            let script = Script::new(parts, Vec::new(), 0, Some(64));
            case.plan(|plan| plan.workload = Workload::Script(Arc::new(script)));
            case.record.codes = fixture::codes(&[(301, 300_000)]);
            let codes = vec![(AnswerCode::http(301), 300_000)];
            case.record.steps = vec![StepRecord { codes, ..StepRecord::default() }];
        })
    };
    let codes = |checks| of_script(checks).codes();
    assert_eq!(codes(vec![]), [("redirects", Severity::Suspect)]);
    assert_eq!(codes(vec![Check::Status(vec![200])]), [("redirects", Severity::Suspect)]);
    assert_eq!(codes(vec![Check::Status(vec![200, 301])]), []);
    let to = Check::Header { name: "Location".to_owned(), value: "/x".into() };
    assert_eq!(codes(vec![to]), []);
}

/// The rows of the measured window by what they completed and how many connections stood.
fn rows(rows: &[(u64, u64)]) -> Vec<Interval> {
    let row = |(at, &(completed, connected)): (usize, &(u64, u64))| Interval {
        start: Nanos::from_secs(1 + at as u64),
        length: Nanos::SECOND,
        phase: Phase::Measure,
        completed,
        connected,
        ..fixture::record(&fixture::open()).intervals[3].clone()
    };
    rows.iter().enumerate().map(row).collect()
}

#[test]
fn a_target_that_ends_is_told_with_when() {
    let of = |given: &[(u64, u64)], failure: Option<&str>| {
        Case::open().with(|case| {
            case.lose(90_000, Outcome::NotSent);
            case.record.intervals = rows(given);
            case.worker().established_min = 0;
            case.worker().connect_failure = failure.map(str::to_owned);
        })
    };
    let refused = Some("Connection refused: start the server");
    let gone = of(&[(5_000, 64), (5_000, 0), (0, 0), (0, 0)], refused);
    let codes: Vec<_> = gone.codes().into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["target_gone", "errors"]);
    let message = gone.verdict().reasons[0].message.clone();
    assert!(message.contains("from second 2.0 of the run on, to its end at 5.0"), "{message}");
    assert!(message.contains("Connection refused"), "{message}");
    let later = of(&[(5_000, 64), (5_000, 64), (0, 0)], refused);
    assert!(later.verdict().reasons[0].message.contains("from second 3.0"));
    for back in [&[(5_000, 64), (0, 0), (5_000, 64)][..], &[(5_000, 64), (0, 64)], &[(0, 0)]] {
        let codes = of(back, refused).codes();
        assert!(codes.iter().all(|(code, _)| *code != "target_gone"), "{back:?}: {codes:?}");
    }
}

#[test]
fn a_closed_loop_whose_target_stalls_says_what_it_hides() {
    let of = |longest: u64| {
        Case::closed().with(|case| {
            let service = &mut case.record.times.service;
            service.reset();
            service.record_n(426_000, 299_994).unwrap();
            service.record_n(longest, 6).unwrap();
        })
    };
    let notes = |longest| of(longest).verdict().notes;
    assert_eq!(notes(42_000_000), [""; 0], "fewer than a hundred medians");
    let reported = notes(1_000_000_000).concat();
    assert!(
        reported.contains("longest answer 1.00 s") && reported.contains("with -R"),
        "{reported}"
    );
    let open = Case::open().with(|case| case.record.times = of(1_000_000_000).record.times);
    assert!(open.verdict().notes.iter().all(|note| !note.contains("stalled")));
}

#[test]
fn few_connections_leave_a_target_idle_by_nature() {
    let of = |connections| {
        Case::closed().with(|case| {
            case.plan(|plan| {
                plan.transport.cpus = vec![0];
                plan.transport.connections.count = connections;
            });
            case.record.workers.truncate(1);
            case.record.workers[0].established = connections;
            case.record.workers[0].established_min = connections;
            case.record.times.service.reset();
            let mean = u64::from(connections) * 2_000_000_000 / 300_000;
            case.record.times.service.record_n(mean, 300_000).unwrap();
            case.observed.target = Some(TargetCpu { used: 0.3, allowed: 1.0 });
        })
    };
    assert_eq!(of(3).codes(), [("target_idle", Severity::Suspect)]);
    assert_eq!(of(2).codes(), []);
    let noted = of(1).verdict();
    assert_eq!((noted.reasons.len(), noted.notes.len()), (0, 1));
    assert!(noted.notes[0].contains("at most 1 request is in flight"), "{noted:?}");
    let open = Case::open().with(|case| {
        case.plan(|plan| {
            plan.transport.cpus = vec![0];
            plan.transport.connections.count = 1;
        });
        case.observed.target = Some(TargetCpu { used: 0.1, allowed: 1.0 });
    });
    let notes = open.verdict().notes;
    assert!(notes.iter().all(|note| !note.contains("ceiling")), "the rate sets it: {notes:?}");
}

#[test]
fn addresses_of_a_name_that_differ_are_told_apart() {
    let peer = |port: u16| Peer::Tcp(([127, 0, 0, 1], port).into());
    let of = |failed_at: Vec<(Peer, u64)>| {
        let case = Case::closed().with(|case| {
            let peers = [1, 2].map(|port| ([127, 0, 0, 1], port).into()).to_vec();
            case.plan(|plan| plan.transport.carrier = Carrier::ring(peers));
            case.worker().failed_at = failed_at;
        });
        case.verdict().notes
    };
    assert_eq!(of(vec![(peer(2), 31)]), [""; 0], "too few to tell");
    let held = of(vec![(peer(2), 32)]).concat();
    assert!(held.contains("32 of 32"), "each of its connections had one: {held}");
    assert_eq!(of(vec![(peer(1), 5_000), (peer(2), 5_000)]), [""; 0]);
    let reported = of(vec![(peer(2), 150_000), (peer(1), 5)]).concat();
    assert!(reported.contains("150,000 of 150,005"), "{reported}");
    assert!(reported.contains("at 127.0.0.1:2, 5 at 127.0.0.1:1"), "{reported}");
}

#[test]
fn a_schedule_without_a_slot_in_the_window_says_so() {
    let case = Case::open().with(|case| case.record.counts = Counts::default());
    let message = case.verdict().reasons[0].message.clone();
    assert!(message.contains("no request was due in the measured window"), "{message}");
}
