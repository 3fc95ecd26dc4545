//! HTTP/2: fewer streams than planned, and bodies that wait for windows.

use super::*;

/// A closed loop over 64 connections, of which each may have 4 requests in flight; the fixture has
/// one in flight on each.
fn limited_to(most: Option<u32>) -> Case {
    let limited = |case: &mut Case| {
        case.plan(|plan| plan.workload.set_pipeline(4));
        case.record.workers.iter_mut().for_each(|worker| worker.streams_limited = most);
    };
    Case::closed().with(limited)
}

#[test]
fn fewer_streams_are_a_reason_of_their_own() {
    let verdict = limited_to(Some(1)).verdict();
    let codes: Vec<_> = verdict.reasons.iter().map(|reason| reason.code).collect();
    assert_eq!(codes, ["streams_limited"], "{verdict:?}");
    let message = &verdict.reasons[0].message;
    assert!(message.contains("allows 1 stream on") && message.contains("64 × 1"), "{message}");
    assert!(message.chars().count() <= LINES_MAX * COLUMNS, "{message}");
}

#[test]
fn without_a_limit_the_planned_depth_is_expected() {
    let verdict = limited_to(None).verdict();
    let codes: Vec<_> = verdict.reasons.iter().map(|reason| reason.code).collect();
    assert_eq!(codes, ["little"], "{verdict:?}");
}

#[test]
fn a_limit_that_varies_expects_no_number() {
    let vary = |case: &mut Case| case.worker().streams_vary = true;
    let verdict = limited_to(Some(1)).with(vary).verdict();
    let codes: Vec<_> = verdict.reasons.iter().map(|reason| reason.code).collect();
    assert_eq!(codes, ["streams_limited"], "{verdict:?}");
    let message = &verdict.reasons[0].message;
    assert!(message.contains("at times allows only 1 stream on"), "{message}");
    assert!(!message.contains("64 × 1"), "{message}");
    assert!(message.chars().count() <= LINES_MAX * COLUMNS, "{message}");
}

#[test]
fn limits_that_differ_between_workers_vary() {
    let differ = |case: &mut Case| case.worker().streams_limited = Some(2);
    let verdict = limited_to(Some(1)).with(differ).verdict();
    assert_eq!(verdict.reasons.len(), 1, "{verdict:?}");
    assert!(verdict.reasons[0].message.contains("at times allows only 1"), "{verdict:?}");
}

#[test]
fn fewer_streams_than_nobody_asked_for_matter_if_requests_wait() {
    let verdict = |is_usual: bool, waited: u64| {
        let users = move |case: &mut Case| {
            let script = Script::new(Default::default(), Vec::new(), 0, Some(64)).over_http2(100);
            let script = if is_usual { script.with_usual_streams() } else { script };
            case.plan(|plan| plan.workload = Workload::Script(Arc::new(script)));
            case.worker().waited = waited;
            case.record.workers.iter_mut().for_each(|worker| worker.streams_limited = Some(50));
        };
        let reasons = Case::closed().with(users).verdict().reasons;
        let limited = reasons.into_iter().find(|reason| reason.code == "streams_limited");
        limited.map(|reason| reason.message)
    };
    assert_eq!(verdict(true, 0), None);
    let waited = verdict(true, 1).expect("a reason");
    assert!(waited.contains("not the 100 planned"), "{waited}");
    let asked = verdict(false, 0).expect("a reason");
    assert!(asked.contains("not the 100 of -p"), "{asked}");
}

#[test]
fn bodies_that_wait_for_windows_are_a_reason() {
    let waits = |share: f64| {
        let wait = move |case: &mut Case| {
            let time = case.plan.limits.warmup + Summary::of(&case.plan, &case.record).measured;
            let all = time.0 as f64 * f64::from(case.plan.connections());
            case.worker().window_waits = Nanos((share * all) as u64);
        };
        Case::closed().with(wait).verdict()
    };
    assert!(waits(0.009).reasons.is_empty());
    let verdict = waits(0.25);
    assert_eq!(verdict.reasons.len(), 1, "{verdict:?}");
    assert_eq!(verdict.reasons[0].code, "flow_controlled");
    let message = &verdict.reasons[0].message;
    assert!(message.contains("for 25"), "{message}");
    assert!(message.chars().count() <= LINES_MAX * COLUMNS, "{message}");
}
