//! What failed, and why: outcomes, malformed answers, TLS, what is tolerated.

use super::*;
use crate::ending::{CLOSED_IDLE, CLOSED_UNSAID};
use crate::plan::{Answers, Protocol, StreamKind, StreamPlan, Workload};

#[test]
fn the_kinds_of_errors_are_named() {
    let case = Case::closed().with(|case| case.lose(30_000, Outcome::Timeout));
    assert_eq!(
        case.verdict().reasons[0].message,
        "10.0 % of the requests failed (30,000 timeout): check the target first, it was \
         failing when the times were taken"
    );
}

#[test]
fn connections_that_the_target_closes_between_requests_are_no_failure_of_it() {
    for cause in [CLOSED_IDLE, CLOSED_UNSAID] {
        let case = Case::closed().with(|case| {
            case.lose(30_000, Outcome::Reset);
            case.record.causes.add(Outcome::Reset, cause, 30_000);
        });
        assert_eq!(case.codes(), [("errors", Severity::Suspect)]);
        assert_eq!(
            case.verdict().reasons[0].message,
            format!(
                "10.0 % of the requests failed (30,000 reset): the target is not failing; most \
                 often: {cause}"
            )
        );
    }
}

#[test]
fn answers_that_refuse_the_request_itself_raise_the_question_why() {
    let refused = |tls: Option<TlsPlan>| {
        let mut case = Case::closed();
        let all = case.record.counts.released;
        case.lose(all, Outcome::Status);
        case.record.codes = fixture::codes(&[(400, all)]);
        if let Some(tls) = tls {
            case.plan(|plan| plan.protocol = Protocol::Tls(tls));
        }
        case.verdict().reasons[0].message.clone()
    };
    let identity = Some(Identity::default());
    let mutual = TlsPlan { identity, ..tls() };
    assert!(refused(None).contains("https://"));
    assert!(refused(Some(tls())).contains("(--cert, --key)"));
    assert!(refused(Some(mutual)).contains("trust the certificate of --cert"));
}

#[test]
fn resets_of_every_request_over_tls_may_be_for_want_of_a_certificate() {
    let reset = |tls: Option<TlsPlan>| {
        let mut counts = Counts::default();
        counts.released = 64;
        counts.end(Outcome::Reset, 64);
        let case = Case::closed().with(|case| {
            case.record.counts = counts;
            if let Some(tls) = tls {
                case.plan(|plan| plan.protocol = Protocol::Tls(tls));
            }
        });
        case.verdict().reasons[0].message.clone()
    };
    let identity = Some(Identity::default());
    assert!(reset(Some(tls())).contains("(post-handshake authentication, renegotiation)"));
    let shown = reset(Some(TlsPlan { identity, ..tls() }));
    assert!(shown.ends_with("where --cert is sent"), "{shown}");
    assert!(!reset(None).contains("post-handshake"));
}

#[test]
fn answers_without_an_event_may_be_no_streams() {
    let noted = |events| {
        let case = Case::closed().with(|case| {
            let kind = StreamKind::Events;
            let stream = StreamPlan { kind, stall: Nanos::SECOND, events_max: None };
            case.plan(|plan| match &mut plan.workload {
                Workload::Requests(requests) => requests.answers = Answers::Stream(stream),
                other => panic!("{other:?}"),
            });
            case.worker().events = events;
        });
        case.verdict()
            .notes
            .iter()
            .any(|note| note.starts_with("no event arrived in 300,000 answers"))
    };
    assert!(noted(0) && !noted(1));
}

#[test]
fn streams_that_the_run_s_end_cuts_are_no_trouble_of_the_target() {
    let case = Case::closed().with(|case| {
        case.lose(30_000, Outcome::Censored);
        case.record.causes.add(Outcome::Censored, crate::ending::STREAM_CUT, 30_000);
    });
    let message = &case.verdict().reasons[0].message;
    assert!(message.contains("the run ended before they did; most often: "), "{message}");
}

#[test]
fn a_run_of_malformed_answers_says_why_if_that_is_known() {
    let malformed = |cause: Option<&str>| {
        let mut counts = Counts::default();
        counts.released = 64;
        counts.end(Outcome::Malformed, 64);
        let case = Case::closed().with(|case| {
            case.record.counts = counts;
            case.worker().connect_failure = cause.map(str::to_owned);
        });
        case.verdict().reasons[0].message.clone()
    };
    assert!(malformed(None).ends_with("speaks HTTP/1.1"), "{}", malformed(None));
    assert!(malformed(Some("it said why: fix that")).contains(": it said why: fix that"));
}

#[test]
fn https_is_suggested_where_tls_answers() {
    let answered = |bytes: &[u8]| {
        let mut parser = ResponseParser::new();
        assert!(parser.feed(bytes, &mut HeaderCache::new(), false).is_err());
        let fault = parser.fault().expect("it is kept").clone();
        let case = Case::open().with(|case| {
            case.lose(100_000, Outcome::Malformed);
            let causes = &mut case.record.causes;
            causes.add_with_example(Outcome::Malformed, &fault, fault.quote(), 100_000);
        });
        case.verdict().reasons[0].message.clone()
    };
    let alert = answered(b"\x15\x03\x01\0\x02\x02\x46");
    assert!(
        alert.contains(": TLS answers: ") && alert.ends_with("write https:// in the URL"),
        "{alert}"
    );
    let settings = answered(b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0d");
    assert!(settings.contains(": HTTP/2 answers") && !settings.contains("https"), "{settings}");
}

#[test]
fn what_is_tolerated_is_a_note() {
    let mut parser = ResponseParser::new();
    let mut header_cache = HeaderCache::new();
    let stream = b"HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 0\r\n\r\n";
    let case = Case::open().with(|case| {
        for _ in 0..2 {
            assert!(parser.feed(stream, &mut header_cache, false).is_ok());
        }
        header_cache.drain_deviations(&mut case.record.tolerated);
    });
    let verdict = case.verdict();
    assert_eq!(verdict.validity, Validity::Valid);
    let note = "2 answers had a space before the colon of a header line, read as browsers and curl \
                read it; the first: `X : y`";
    assert_eq!(verdict.notes, [note]);
}

#[test]
fn the_most_frequent_cause_is_quoted() {
    let quoted = |lost| {
        let case = Case::open().with(|case| {
            case.lose(lost, Outcome::Malformed);
            case.record.causes.add(Outcome::Reset, "it closed", 1);
            case.record.causes.add(Outcome::Malformed, "no colon", lost);
        });
        case.verdict().reasons[0].message.clone()
    };
    assert!(quoted(50_000).ends_with("; most often: no colon"), "{}", quoted(50_000));
    assert!(quoted(100_000).contains("(100,000 malformed): no colon"), "{}", quoted(100_000));
}
