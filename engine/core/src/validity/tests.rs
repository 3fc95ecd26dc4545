//! Each rule at its bound, where it is silent, and just past it, where it fires.

use std::sync::Arc;

use super::*;
use crate::ending::Ending;
use crate::flow::script::Script;
use crate::http::header_cache::HeaderCache;
use crate::http::request::RequestTemplate;
use crate::http::response::ResponseParser;
use crate::outcome::{Counts, Outcome};
use crate::plan::{
    Arrivals, Carrier, ConnectionOrder, Identity, Limit, Load, Messages, Parts, Peer, TlsPlan,
    TlsVersions, Trust, WaitMode, WebSocketPlan, Workload,
};
use crate::record::{TcpReading, Times, WorkerRecord};
use crate::summary::fixture;
use crate::time::Nanos;
use crate::websocket::handshake::{Opening, OpeningParts};

mod answers;
mod little;
mod streams;
mod target;

/// A verdict is read in a hurry: each of its sentences takes two lines of a window at most.
const LINES_MAX: usize = 2;
const COLUMNS: usize = 100;

/// A run that can be changed before its verdict is computed.
struct Case {
    plan: Plan,
    record: RunRecord,
    observed: Observations,
}

impl Case {
    /// 100,000 slots at 50,000/s.
    fn open() -> Self {
        Self::of(fixture::open())
    }

    /// 300,000 slots over 64 connections in two seconds.
    fn closed() -> Self {
        Self::of(fixture::closed())
    }

    fn of(plan: Plan) -> Self {
        let record = fixture::record(&plan);
        Self { plan, record, observed: Observations::default() }
    }

    /// Change its plan.
    fn plan(&mut self, change: impl FnOnce(&mut Parts)) {
        self.plan = self.plan.clone().with(change).expect("a plan");
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// End `lost` of the slots with another outcome than `ok`.
    fn lose(&mut self, lost: u64, outcome: Outcome) {
        let released = self.record.counts.released;
        let ok = self.record.counts.of(Outcome::Ok);
        assert_eq!(released, ok, "one loss a test");
        self.record.counts = fixture::all_ok(ok - lost);
        self.record.counts.released = released;
        self.record.counts.end(outcome, lost);
    }

    fn worker(&mut self) -> &mut WorkerRecord {
        &mut self.record.workers[1]
    }

    fn verdict(&self) -> Verdict {
        let summary = Summary::of(&self.plan, &self.record);
        let verdict = judge(&self.plan, &self.record, &summary, &self.observed);
        let messages = verdict.reasons.iter().map(|reason| &reason.message);
        for sentence in messages.chain(&verdict.notes) {
            assert!(lines(sentence) <= LINES_MAX, "{} lines: {sentence}", lines(sentence));
        }
        verdict
    }

    fn codes(&self) -> Vec<(&'static str, Severity)> {
        self.verdict().reasons.into_iter().map(|r| (r.code, r.severity)).collect()
    }
}

/// Lines that a sentence takes in the report, broken at spaces.
fn lines(sentence: &str) -> usize {
    let (mut lines, mut column) = (1, 0);
    for word in sentence.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > COLUMNS {
            (lines, column) = (lines + 1, length);
        } else {
            column += usize::from(column > 0) + length;
        }
    }
    lines
}

/// `at` is silent, `past` fires `code` alone.
#[track_caller]
fn fires_past(at: &Case, past: &Case, code: &'static str, severity: Severity) {
    assert_eq!(at.codes(), [], "at the bound");
    assert_eq!(past.codes(), [(code, severity)], "past the bound");
}

/// An https URL, with any certificate accepted.
fn tls() -> TlsPlan {
    TlsPlan {
        server_name: "x".to_owned(),
        trust: Trust::Anything,
        identity: None,
        versions: TlsVersions::Both,
        alpn: Vec::new(),
        resumes: true,
        tolerates_truncation: false,
    }
}

#[test]
fn healthy_runs_are_valid() {
    for case in [Case::open(), Case::closed()] {
        let healthy = Verdict { validity: Validity::Valid, reasons: Vec::new(), notes: Vec::new() };
        assert_eq!(case.verdict(), healthy);
    }
}

#[test]
fn a_driver_that_stopped_working_is_named_with_its_errno() {
    let why = "Cannot allocate memory (os error 12)";
    let halted = Case::closed().with(|case| case.worker().halted = Some(why.to_owned()));
    assert_eq!(halted.codes(), [("engine_failed", Severity::Invalid)]);
    let message = &halted.verdict().reasons[0].message;
    assert!(message.contains(why) && message.contains("after 2.00 s"), "{message}");
}

#[test]
fn a_shortfall_without_waiting_is_the_generators() {
    let released = |slots| Case::open().with(|case| case.record.counts = fixture::all_ok(slots));
    fires_past(&released(99_000), &released(98_999), "generator_limited", Severity::Invalid);
}

#[test]
fn a_shortfall_that_waited_is_the_connections() {
    let waited = |slots, wait| {
        Case::open().with(|case| {
            case.record.counts = fixture::all_ok(slots);
            case.worker().waited = 60_000;
            case.plan(|plan| plan.transport.wait = wait);
        })
    };
    let busy = Severity::Suspect;
    fires_past(
        &waited(99_000, WaitMode::Block),
        &waited(70_000, WaitMode::Block),
        "connections_busy",
        busy,
    );
    // All slots waited, but the generator may be the cause: its CPU was full.
    let ran = |millis, wait| {
        waited(70_000, wait).with(|case| {
            let system = case.worker().system;
            case.worker().user = Nanos(Nanos::from_millis(millis).0 - system.0);
        })
    };
    assert_eq!(ran(1_799, WaitMode::Block).codes(), [("connections_busy", busy)]);
    let full = |wait| ran(1_800, wait);
    assert_eq!(full(WaitMode::Block).codes(), [("generator_limited", Severity::Invalid)]);
    // A worker that spun had CPU time left.
    let spun = full(WaitMode::Spin).with(|case| case.worker().spun = Nanos::MILLISECOND);
    assert_eq!(spun.codes(), [("connections_busy", busy)]);
}

#[test]
fn a_shortfall_of_refused_connections_is_reported_as_errors() {
    let refused = Case::open().with(|case| case.lose(20_000, Outcome::ConnectFailed));
    assert_eq!(refused.codes(), [("errors", Severity::Suspect)]);
}

#[test]
fn chance_and_the_edge_of_the_window_are_no_shortfall() {
    // 200 slots planned: a Poisson schedule falls 2 % short in one run of three.
    let of_200 = |slots, arrivals| {
        Case::open().with(|case| {
            let rate = crate::rate::Rate::per_second(100).unwrap();
            case.plan(|plan| plan.load = Load::open(rate, arrivals));
            case.record.counts = fixture::all_ok(slots);
        })
    };
    let invalid = Severity::Invalid;
    let poisson = |slots| of_200(slots, Arrivals::Poisson);
    fires_past(&poisson(158), &poisson(157), "generator_limited", invalid);
    // 20 planned: one at the edge is 5 %.
    let of_20 = |slots| {
        of_200(slots, Arrivals::Constant).with(|case| {
            let rate = crate::rate::Rate::per_second(10).unwrap();
            case.plan(|plan| plan.load = Load::open(rate, Arrivals::Constant));
        })
    };
    fires_past(&of_20(19), &of_20(18), "generator_limited", invalid);
}

#[test]
fn sends_may_be_late_by_a_wake_up_or_a_tenth_of_the_response() {
    let late = |lateness, response, waited| {
        Case::open().with(|case| {
            case.record.times = Times::default();
            case.record.times.lateness.record_n(lateness, 100_000).unwrap();
            case.record.times.response.record_n(response, 100_000).unwrap();
            case.worker().waited = waited;
        })
    };
    let invalid = Severity::Invalid;
    // The histogram's slots are 32 ns wide here, and both figures are the top of theirs.
    fires_past(&late(49_900, 60_000, 0), &late(50_100, 60_000, 0), "late_sends", invalid);
    let millisecond = 1_000_000;
    fires_past(
        &late(99_800, millisecond, 0),
        &late(100_400, millisecond, 0),
        "late_sends",
        invalid,
    );
    // Lateness because connections were busy is caused by the target.
    fires_past(
        &late(millisecond, millisecond, 1_000),
        &late(millisecond, millisecond, 999),
        "late_sends",
        invalid,
    );
}

#[test]
fn slots_given_up_are_suspect() {
    let case = Case::open().with(|case| case.lose(1, Outcome::NotSent));
    assert_eq!(case.codes(), [("not_sent", Severity::Suspect)]);
}

#[test]
fn a_closed_loop_at_the_generators_ceiling_is_suspect() {
    let busy = |millis| {
        Case::closed().with(|case| {
            let system = case.worker().system;
            case.worker().user = Nanos(Nanos::from_millis(millis).0 - system.0);
        })
    };
    fires_past(&busy(1_899), &busy(1_900), "client_limited", Severity::Suspect);
}

#[test]
fn an_idle_target_did_not_set_the_rate() {
    let used = |used| {
        Case::closed().with(|case| case.observed.target = Some(TargetCpu { used, allowed: 2.0 }))
    };
    fires_past(&used(1.0), &used(0.99), "target_idle", Severity::Suspect);
    let client_was_full = used(0.5).with(|case| case.worker().user = Nanos::from_millis(750));
    assert_eq!(client_was_full.codes(), [("client_limited", Severity::Suspect)]);
}

#[test]
fn a_cpu_taken_away_is_suspect_then_invalid() {
    let waiting =
        |millis| Case::open().with(|case| case.worker().run_queue = Nanos::from_millis(millis));
    fires_past(&waiting(20), &waiting(21), "preempted", Severity::Suspect);
    assert_eq!(waiting(200).codes(), [("preempted", Severity::Suspect)]);
    assert_eq!(waiting(201).codes(), [("preempted", Severity::Invalid)]);

    let steal = |share| Case::closed().with(|case| case.observed.steal_share = Some(share));
    fires_past(&steal(0.01), &steal(0.011), "steal", Severity::Suspect);
    assert_eq!(steal(0.10).codes(), [("steal", Severity::Suspect)]);
    assert_eq!(steal(0.101).codes(), [("steal", Severity::Invalid)]);
}

#[test]
fn what_must_never_happen_speaks_at_once() {
    let closed = Case::closed;
    let suspect = Severity::Suspect;
    let overflowed = |n| closed().with(|case| case.worker().completions_overflowed = n);
    fires_past(&overflowed(0), &overflowed(1), "completions_overflowed", Severity::Invalid);
    let message = |n| overflowed(n).verdict().reasons[0].message.clone();
    assert!(message(1).contains("full 1 time,"), "{}", message(1));
    assert!(message(2_000).contains("full 2,000 times,"), "{}", message(2_000));
    let unsolicited = |n| closed().with(|case| case.worker().unsolicited = n);
    fires_past(&unsolicited(0), &unsolicited(1), "unsolicited", suspect);
    let established = |n| closed().with(|case| case.worker().established_min = n);
    fires_past(&established(32), &established(31), "connections", suspect);
    let throttled = |n| closed().with(|case| case.observed.throttled_periods = Some(n));
    fires_past(&throttled(0), &throttled(1), "throttled", suspect);
    let shared =
        |cpus: &[usize]| closed().with(|case| case.observed.cpus_shared = Some(cpus.to_vec()));
    fires_past(&shared(&[]), &shared(&[1]), "cpu_overlap", suspect);
}

#[test]
fn unsolicited_messages_matter_where_replies_are_matched_by_their_order() {
    let parts =
        OpeningParts { authority: "x", target: "/", headers: &[], protocols: &[], key: [7; 16] };
    let case = |expected: Option<&[u8]>, messages| {
        Case::closed().with(|case| {
            let websocket = WebSocketPlan {
                opening: Opening::build(parts).expect("a plain opening"),
                expected: expected.map(<[u8]>::to_vec),
                checks_text: true,
                greeting: 0,
            };
            let message = RequestTemplate::of_bytes(b"x".to_vec());
            let workload = Workload::Messages(Messages::of(message, websocket));
            case.plan(|plan| plan.workload = workload);
            case.worker().unsolicited_messages = messages;
        })
    };
    fires_past(&case(None, 0), &case(None, 1), "unsolicited_messages", Severity::Suspect);
    let known = case(Some(b"x"), 2).verdict();
    assert_eq!((known.validity, known.reasons.len()), (Validity::Valid, 0));
    assert!(
        known.notes[0].starts_with("the server sent 2 messages without a request"),
        "{known:?}"
    );
    let first = &case(None, 1).verdict().reasons[0];
    assert!(first.message.contains("sent 1 message") && first.message.contains("--greeting N"));
}

#[test]
fn what_may_happen_now_and_then_has_a_share() {
    let closed = Case::closed;
    let suspect = Severity::Suspect;
    let exhausted = |n| closed().with(|case| case.worker().buffers_exhausted = n);
    fires_past(&exhausted(3_000), &exhausted(3_001), "buffers_exhausted", suspect);
    let resent = |n| {
        closed().with(|case| {
            case.observed.retransmits = Some(n);
            case.plan(|plan| {
                plan.transport.carrier = Carrier::ring(vec![([10, 0, 0, 1], 80).into()]);
            });
        })
    };
    fires_past(&resent(300), &resent(301), "retransmits", suspect);
    let on_loopback = closed().with(|case| case.observed.retransmits = Some(1_000_000));
    assert_eq!(on_loopback.codes(), [], "others lost them");
    let own = |retransmits| {
        closed().with(|case| {
            case.observed.retransmits = Some(1_000_000);
            let reading = TcpReading { connections: 64, retransmits, ..TcpReading::default() };
            case.worker().tcp = vec![reading];
        })
    };
    fires_past(&own(300), &own(301), "retransmits", suspect);
    let reset = |n| closed().with(|case| case.lose(n, Outcome::Reset));
    fires_past(&reset(3_000), &reset(3_001), "errors", suspect);
}

#[test]
fn segments_sent_again_are_the_run_s_own_and_have_a_cause_that_can_be() {
    let message = |address: [u8; 4], connections, retransmits| {
        let case = Case::closed().with(|case| {
            case.plan(|plan| {
                plan.transport.carrier = Carrier::ring(vec![(address, 80).into()]);
            });
            let lost = TcpReading { connections, retransmits, ..TcpReading::default() };
            case.worker().tcp = vec![lost];
        });
        case.verdict().reasons.first().map(|reason| reason.message.clone())
    };
    assert_eq!(
        message([10, 0, 0, 1], 64, 301).as_deref(),
        Some(
            "301 TCP segments were retransmitted on 64 of the 64 connections of this run, each at \
             least 200 ms late: the network loses packets; check the path, or load from a nearer \
             machine"
        )
    );
    let on_loopback = message([127, 0, 0, 1], 64, 301).expect("as many");
    assert!(on_loopback.contains("a loopback queue was full"), "{on_loopback}");
    // Half of the connections were read, so the estimate is twice as many; but one or two
    // retransmits say little about the others.
    assert!(message([10, 0, 0, 1], 32, 151).is_some());
    assert_eq!(message([10, 0, 0, 1], 32, 150), None);
    assert!(message([10, 0, 0, 1], 0, 2).is_none() && message([10, 0, 0, 1], 1, 5).is_some());
}

#[test]
fn connections_that_carried_nothing_are_noted_with_the_reason() {
    let noted = |used, order, requests: Option<u64>| {
        let case = Case::closed().with(|case| {
            case.plan(|plan| plan.transport.connections.order = order);
            case.record.workers[0].connections_used = 0;
            case.worker().connections_used = used;
            if let Some(requests) = requests {
                case.record.counts = fixture::all_ok(requests);
            }
        });
        let notes = case.verdict().notes;
        notes.into_iter().find(|note| note.contains("carried the measured requests"))
    };
    let round_robin = ConnectionOrder::RoundRobin;
    assert_eq!(noted(32, round_robin, None), None, "half of the 64");
    assert_eq!(noted(0, round_robin, Some(0)), None, "no request was measured");
    for (order, requests, why) in [
        (round_robin, None, "see established_min in the JSON, or lower -c"),
        (round_robin, Some(31), "fewer requests than connections; run longer, or lower -c"),
        (
            ConnectionOrder::Lifo,
            None,
            "lifo prefers the one used last, round-robin uses all equally",
        ),
    ] {
        let note = noted(31, order, requests).expect("one fewer than half");
        assert!(note.starts_with("31 of 64 connections carried"), "{note}");
        assert!(note.ends_with(why), "{note}");
    }
}

#[test]
fn want_of_buffers_names_what_wants_them() {
    let message = |script: Option<Script>, received| {
        let case = Case::closed().with(|case| {
            case.worker().buffers_exhausted = 30_000;
            case.worker().received_bytes = received;
            if let Some(script) = script {
                case.plan(|plan| plan.workload = Workload::Script(Arc::new(script)));
            }
        });
        let reasons = case.verdict().reasons;
        let reason = reasons.into_iter().find(|reason| reason.code == "buffers_exhausted");
        reason.expect("a tenth of the answers").message
    };
    let script = || Some(Script::new(Default::default(), Vec::new(), 0, Some(64)));
    let small = "more answers arrived at once than there are buffers";
    assert!(message(None, 300_000 * 100).contains(small));
    assert!(message(script(), 300_000 * 100).contains(small));
    // A plain load discards large answers and needs no buffers.
    assert!(message(None, 300_000 << 20).contains(small));
    assert!(message(script(), 300_000 << 20).contains("large answers take many buffers"));
}

#[test]
fn who_ends_connections_is_not_accused_of_what_this_side_does() {
    let message = |change: fn(&mut Case)| {
        let case = Case::closed().with(|case| {
            case.worker().established_min = 31;
            change(case);
        });
        let reasons = case.verdict().reasons;
        reasons.into_iter().find(|reason| reason.code == "connections").unwrap().message
    };
    let broken = message(|case| case.worker().endings.add(Ending::BrokenOff));
    assert!(broken.ends_with("the target closed 1 in the middle of an answer"), "{broken}");
    let dropped = message(|case| {
        case.worker().endings.add(Ending::Unsolicited);
        case.worker().endings.add(Ending::Late);
    });
    assert!(
        dropped.ends_with(
            "uringbench closed 1 after bytes nobody had asked for, 1 after a late answer"
        )
    );
    assert!(!message(|_| {}).contains("closed"));
}

#[test]
fn a_run_without_an_answer_says_that_alone() {
    let mut counts = Counts::default();
    counts.released = 64;
    counts.end(Outcome::ConnectFailed, 64);
    let case = Case::open().with(|case| {
        case.record.counts = counts;
        case.record.times = Times::default();
        case.worker().established_min = 0;
        case.worker().run_queue = Nanos::SECOND;
    });
    let verdict = case.verdict();
    assert_eq!(verdict.validity, Validity::Invalid);
    assert_eq!(case.codes(), [("nothing_completed", Severity::Invalid)]);
    assert_eq!(
        verdict.reasons[0].message,
        "no request was answered (64 connect_failed): check that the target listens at this \
         address and speaks HTTP/1.1"
    );
    assert_eq!(verdict.notes, ["too few samples for p99: 0 of 1,000; run longer"]);
}

#[test]
fn a_run_interrupted_in_its_warm_up_says_so() {
    let case = Case::closed().with(|case| {
        case.record.counts = Counts::default();
        case.record.interrupted = true;
        let warmup = case.record.windows.as_slice().first().cloned();
        case.record.windows = warmup.into_iter().collect();
    });
    assert_eq!(case.codes(), [("nothing_completed", Severity::Invalid)]);
    assert!(case.verdict().reasons[0].message.contains("--warmup 0s"));
}

#[test]
fn a_lost_slot_is_a_fault_of_ours_wherever_it_was_lost() {
    let lost: [fn(&mut RunRecord); 4] = [
        |record| record.counts.released += 1,
        |record| record.counts.released -= 1,
        |record| record.warmup_counts.released += 1,
        |record| record.warmup_counts.end(Outcome::Ok, 1),
    ];
    for lose in lost {
        let case = Case::closed().with(|case| lose(&mut case.record));
        assert_eq!(case.codes(), [("law", Severity::Invalid)]);
    }
}

#[test]
fn the_worst_reason_comes_first_and_decides() {
    let case = Case::closed().with(|case| {
        case.worker().unsolicited = 1;
        case.observed.steal_share = Some(0.5);
        case.observed.cpus_shared = Some(vec![0]);
    });
    let codes: Vec<_> = case.codes().into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["steal", "cpu_overlap", "unsolicited"]);
    assert_eq!(case.verdict().validity, Validity::Invalid);
}

#[test]
fn notes_change_no_verdict() {
    let case = Case::open().with(|case| {
        case.record.interrupted = true;
        case.record.times.response.reset();
        case.record.times.response.record_n(1_000, 999).unwrap();
        case.record.times.censored = 3;
        case.plan(|plan| plan.limits.window = Limit::Duration(Nanos::from_secs(10)));
    });
    let verdict = case.verdict();
    assert_eq!(verdict.validity, Validity::Valid);
    assert_eq!(
        verdict.notes,
        [
            "interrupted: measured for 2.00 s of 10.0 s",
            "too few samples for p99: 999 of 1,000; run longer",
            "3 unfinished requests were counted at the age they reached, less than their true \
             response time",
        ]
    );
}

#[test]
fn users_learn_of_waits_for_connections_that_shape_their_times() {
    let notes = |users, lateness| {
        let script = Script::new(Default::default(), Vec::new(), 0, Some(users));
        let case = Case::closed().with(|case| {
            case.plan(|plan| plan.workload = Workload::Script(Arc::new(script)));
            case.worker().waited = 30_000;
            let times = &mut case.record.times;
            times.response.reset();
            times.response.record_n(1_000_000, 300_000).unwrap();
            times.lateness.record_n(lateness, 300_000).unwrap();
        });
        case.verdict().notes
    };
    assert_eq!(notes(65, 90_000), [""; 0]);
    assert_eq!(notes(64, 200_000), [""; 0], "each user can have one");
    let note = notes(65, 200_000).concat();
    assert!(note.starts_with("20.0 % of the response time"), "{note}");
    assert!(note.contains("65 users share 64"), "{note}");
}
