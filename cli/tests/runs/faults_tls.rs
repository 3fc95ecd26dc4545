//! Servers that misbehave, within TLS: the outcomes are those of plain text, and where they are
//! not, TLS is why. Then what can go wrong with an established TLS connection itself.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::support::document::Document;
use crate::support::run::Run;
use crate::support::script::Behaviour;
use crate::support::tls_front::{Front, Manner};

/// Long enough for a handshake on a busy machine, short enough to be waited for.
const SHORT: &str = "--timeout 600ms";

/// A front with a server that behaves so, and the document of a run against it.
fn run(behaviour: &Behaviour, manner: Manner, args: &str) -> (Front, Document) {
    let front = Front::start(behaviour, manner);
    let args = format!("--warmup 0s {args} {}", front.target());
    let document = Run::json(&args).finish().expect_code(0).document();
    (front, document)
}

/// 200 requests that must all end in `outcome`, none lost, and a verdict that warns.
fn all_end(behaviour: &Behaviour, manner: Manner, outcome: &str) {
    let (front, document) = run(behaviour, manner, "-n 200 -c 4");
    document.expect(document.released() == 200, "-n 200 releases 200");
    document.expect_only(&[outcome]);
    // What met a connection that had stood idle may be sent again.
    let retried = document.count("counts.retried");
    document.expect(retried <= 4, "once for each connection that stood before the run");
    document.expect(front.server().requests() == 200 + retried, "each request is sent once");
    document.expect(document.text("verdict.validity") != "valid", "errors show in the verdict");
}

/// `count` requests that must all be answered well, each sent once.
fn all_ok(behaviour: &Behaviour, manner: Manner, count: u64, args: &str) -> (Front, Document) {
    let (front, document) = run(behaviour, manner, &format!("-n {count} -c 4 {args}"));
    document.expect(document.released() == count, "-n is released");
    document.expect_only(&["ok"]);
    document.expect(document.status(200) == count, "status 200 for each");
    document.expect(front.server().requests() == count, "each request is sent once");
    (front, document)
}

/// Handshakes in full and resumed are all there were, and all were timed.
fn handshakes(document: &Document) -> u64 {
    let made = document.count("tls.full") + document.count("tls.resumed");
    document.expect(
        document.count("latency_ns.handshake.count") == made,
        "every handshake has its time",
    );
    made
}

/// The verdict's reasons, as they are printed.
fn reasons(document: &Document) -> String {
    document.at("verdict.reasons").to_string()
}

#[test]
fn silence_is_a_timeout_on_every_request() {
    let (front, document) = run(&Behaviour::NeverAnswer, Manner::Proper, "-n 12 -c 4 --timeout 1s");
    document.expect(document.released() == 12, "-n 12 releases 12");
    document.expect_only(&["timeout"]);
    document.expect(front.server().requests() == 12, "each request is sent once");
    document.expect(front.server().connections() >= 10, "a timeout costs the connection");
    let least = document.count("latency_ns.response.min");
    // HDR keeps three digits: 1 s may be read as 999.6 ms.
    document.expect(least >= 999_000_000, "timeouts stand in the response times with their age");
}

#[test]
fn a_server_that_breaks_off_each_request_may_want_a_certificate() {
    let (_front, document) = run(&Behaviour::Reset, Manner::Proper, "-n 20 -c 2");
    document.expect_only(&["reset"]);
    let said = reasons(&document);
    document.expect(said.contains("post-handshake authentication"), &said);
    document.expect(said.contains("--cert and --key"), &said);
}

#[test]
fn silence_in_an_open_loop_leaves_later_slots_unsent_but_counted() {
    let args = format!("-R 200 -d 2s -c 4 {SHORT}");
    let (front, document) = run(&Behaviour::NeverAnswer, Manner::Proper, &args);
    document.expect(document.released() == 400, "200/s for 2 s release 400");
    document.expect_none_but(&["timeout", "not_sent", "censored"]);
    document.expect(document.outcome("not_sent") > 0, "four connections cannot carry 200/s");
    let sent = document.outcome("timeout") + document.outcome("censored");
    document.expect(front.server().requests() == sent, "what was sent ended as one of the two");
}

#[test]
fn a_drip_past_the_timeout_does_not_extend_it() {
    let behaviour = Behaviour::ByteEvery(Duration::from_millis(40));
    let (_front, document) = run(&behaviour, Manner::Proper, &format!("-n 8 -c 4 {SHORT}"));
    document.expect_only(&["timeout"]);
    // Each byte is a record of its own.
    let behaviour = Behaviour::ByteEvery(Duration::from_millis(1));
    all_ok(&behaviour, Manner::Proper, 40, "");
}

#[test]
fn a_close_before_the_answer_is_whole_is_a_reset_with_or_without_notice() {
    for manner in [Manner::Proper, Manner::NoNotice] {
        all_end(&Behaviour::CloseMidHeader, manner, "reset");
        all_end(&Behaviour::CloseMidBody, manner, "reset");
        all_end(&Behaviour::CloseMidChunk, manner, "reset");
        all_end(&Behaviour::GoodThenClose(0), manner, "reset");
    }
}

#[test]
fn a_reset_is_a_reset_even_where_a_close_would_end_the_body() {
    all_end(&Behaviour::Reset, Manner::Proper, "reset");
    all_end(&Behaviour::ResetMidCloseDelimited, Manner::Proper, "reset");
}

#[test]
fn what_is_not_http_is_malformed() {
    all_end(&Behaviour::Garbage, Manner::Proper, "malformed");
    all_end(&Behaviour::BadChunkSize, Manner::Proper, "malformed");
    all_end(&Behaviour::TwoLengths, Manner::Proper, "malformed");
    let (_front, document) = run(&Behaviour::HugeHeader, Manner::Proper, "-n 40 -c 4");
    document.expect_only(&["malformed"]);
}

#[test]
fn a_promise_not_kept_is_a_timeout() {
    let args = format!("-n 12 -c 4 {SHORT}");
    let (_front, document) = run(&Behaviour::PromiseTooMuch, Manner::Proper, &args);
    document.expect_only(&["timeout"]);
}

#[test]
fn bytes_past_the_answer_never_become_an_answer() {
    let (front, document) = run(&Behaviour::PromiseTooLittle, Manner::Proper, "-n 200 -c 4");
    document.expect(document.released() == 200, "-n 200 releases 200");
    document.expect_none_but(&["ok", "malformed"]);
    document.expect(document.outcome("ok") > 0, "whole answers are counted");
    document.expect(front.server().connections() > 4, "the connection is not used again");
    let (front, document) = run(&Behaviour::AnswerTwice, Manner::Proper, "-n 200 -c 4");
    document.expect(document.released() == 200, "-n 200 releases 200");
    document.expect_none_but(&["ok", "malformed", "reset"]);
    document.expect(document.outcome("ok") > 0, "whole answers are counted");
    document.expect(front.server().connections() > 4, "a surplus answer costs the connection");
    let (_front, document) = run(&Behaviour::AnswerTwice, Manner::Proper, "-n 400 -c 4 -p 4");
    document.expect(document.released() == 400, "-n 400 releases 400");
    document.expect(document.outcome("ok") > 0, "whole answers are counted");
}

#[test]
fn answers_before_the_request_lose_no_count() {
    let (_front, document) = run(&Behaviour::AnswerFirst, Manner::Proper, "-n 200 -c 4");
    document.expect(document.released() == 200, "-n 200 releases 200");
    document.expect_none_but(&["ok", "malformed", "reset"]);
    let (front, document) = run(&Behaviour::AnswerFirst, Manner::Proper, "-R 100 -d 1s -c 4");
    document.expect(document.released() == 100, "100/s for 1 s release 100");
    document.expect(front.server().connections() > 4, "a surplus answer costs the connection");
}

#[test]
fn answers_that_end_their_connection_are_good_answers() {
    for behaviour in [Behaviour::CloseEach, Behaviour::Http10, Behaviour::CloseDelimited] {
        let (front, document) = all_ok(&behaviour, Manner::Proper, 200, "");
        document.expect(front.server().connections() >= 200, "one connection for each");
        let made = handshakes(&document);
        document.expect(made >= 200, "and a handshake");
    }
}

#[test]
fn only_a_notice_ends_a_body_that_the_connection_delimits() {
    // Where the length is known the answer is whole, with a notice or without.
    for behaviour in [Behaviour::CloseEach, Behaviour::Http10] {
        all_ok(&behaviour, Manner::NoNotice, 200, "");
    }
    // Where it is not, anyone in between could have cut it short (RFC 8446 section 6.1).
    all_end(&Behaviour::CloseDelimited, Manner::NoNotice, "reset");
}

#[test]
fn an_unannounced_close_costs_at_most_the_request_it_crossed() {
    for manner in [Manner::Proper, Manner::NoNotice] {
        let (_front, document) = run(&Behaviour::CloseUnannounced, manner, "-n 200 -c 4");
        document.expect(document.released() == 200, "-n 200 releases 200");
        document.expect_none_but(&["ok", "reset"]);
        document.expect(document.outcome("ok") >= 100, "at least every second is answered");
        // With nothing in flight it costs nothing: this rate leaves connections idle in between.
        let (_front, document) = run(&Behaviour::CloseUnannounced, manner, "-R 20 -d 2s -c 4");
        document.expect(document.released() == 40, "20/s for 2 s release 40");
        document.expect_only(&["ok"]);
    }
}

#[test]
fn answers_cut_anywhere_are_whole() {
    all_ok(&Behaviour::Split, Manner::Proper, 200, "");
    let (_front, document) = all_ok(&Behaviour::Chunked, Manner::Proper, 200, "");
    document.expect(document.count("bytes.received") >= 200 * 26, "bytes received");
    all_ok(&Behaviour::Interim, Manner::Proper, 200, "");
}

#[test]
fn a_server_error_is_a_status() {
    let (front, document) = run(&Behaviour::Status(503), Manner::Proper, "-n 200 -c 4");
    document.expect_only(&["status"]);
    document.expect(document.status(503) == 200, "200 answers with status 503");
    document.expect(front.server().connections() == 4, "connections are kept");
    document.expect(handshakes(&document) == 4, "one handshake each");
}

#[test]
fn connections_that_end_after_some_answers_are_made_again() {
    for behaviour in [Behaviour::GoodThenClose(9), Behaviour::GoodThenReset(9)] {
        let (front, document) = run(&behaviour, Manner::Proper, "-n 200 -c 4");
        document.expect(document.released() == 200, "-n 200 releases 200");
        document.expect_only(&["ok"]);
        let retried = document.count("counts.retried");
        document.expect(retried >= 17, "what met the end of a connection is sent again");
        document.expect(front.server().requests() == 200 + retried, "and the rest once");
        document.expect(front.server().connections() >= 20, "one for every ten requests");
        let (_front, document) = run(&behaviour, Manner::Proper, "-n 400 -c 4 -p 4");
        document.expect(document.released() == 400, "-n 400 releases 400");
        document.expect_none_but(&["ok", "reset"]);
        document.expect(document.outcome("ok") >= 300, "most are answered");
    }
}

#[test]
fn a_server_killed_and_started_again_is_loaded_again() {
    for load in ["", "-R 500"] {
        let front = Front::start(&Behaviour::Good, Manner::Proper);
        let (address, authority) = (front.address(), Arc::clone(front.certificates()));
        let args = format!("--warmup 0s --timeout 1s -d 5s -c 4 {load} {}", front.target());
        let run = Run::json(&args).start();
        while front.server().requests() == 0 {
            thread::sleep(Duration::from_millis(5));
        }
        thread::sleep(Duration::from_millis(700));
        drop(front);
        thread::sleep(Duration::from_millis(300));
        let again =
            Front::start_at(&address.to_string(), &Behaviour::Good, Manner::Proper, authority);
        let document = run.finish().expect_code(0).document();
        document.expect_none_but(&["ok", "reset", "connect_failed", "not_sent", "timeout"]);
        document.expect(again.server().connections() >= 4, "all connections are made again");
        let answered = document.outcome("ok");
        let requests = again.server().requests();
        document.expect(requests > 0 && answered > requests / 2, "ok before and after");
        if !load.is_empty() {
            document.expect(document.released() == 2_500, "the schedule does not wait");
        }
    }
}

#[test]
fn records_of_any_size_say_the_same() {
    // A certificate and a ticket are then spread over dozens of records.
    for behaviour in [Behaviour::Good, Behaviour::Chunked] {
        all_ok(&behaviour, Manner::Records(32), 200, "");
        all_ok(&behaviour, Manner::Records(32), 200, "--tls 1.2 --requests-per-connection 5");
        all_ok(&behaviour, Manner::Records(32), 200, "--requests-per-connection 5");
    }
    all_ok(&Behaviour::Good, Manner::Records(100), 400, "-p 8");
}

#[test]
fn records_split_byte_by_byte_say_the_same() {
    let slowly = "--timeout 30s";
    all_ok(&Behaviour::Good, Manner::ByteByByte, 24, slowly);
    all_ok(&Behaviour::Good, Manner::ByteByByte, 24, &format!("--tls 1.2 {slowly}"));
    all_ok(&Behaviour::CloseEach, Manner::ByteByByte, 12, slowly);
}

#[test]
fn keys_changed_before_every_answer_are_followed() {
    let (front, document) = all_ok(&Behaviour::Good, Manner::NewKeys, 200, "--tls 1.3");
    document.expect(front.server().connections() == 4, "connections are kept");
    all_ok(&Behaviour::Good, Manner::NewKeys, 400, "--tls 1.3 -p 8");
    all_ok(&Behaviour::CloseDelimited, Manner::NewKeys, 100, "--tls 1.3");
}

#[test]
fn a_damaged_record_makes_its_answer_malformed() {
    for version in ["1.2", "1.3"] {
        let args = format!("--tls {version} -n 200 -c 4");
        let (front, document) = run(&Behaviour::Good, Manner::Corrupt(9), &args);
        document.expect(document.released() == 200, "-n 200 releases 200");
        document.expect_only(&["ok", "malformed"]);
        // The last of them may not be made again.
        let made_again = front.server().connections() - 4;
        document.expect(document.outcome("malformed") >= made_again, "one each");
        document.expect(front.server().requests() == 200, "each request is sent once");
        document.expect(reasons(&document).contains("damaged"), "the verdict says what came");
    }
    // What is in flight behind it is lost with the connection.
    let (_front, document) = run(&Behaviour::Good, Manner::Corrupt(9), "-n 400 -c 4 -p 4");
    document.expect(document.released() == 400, "-n 400 releases 400");
    document.expect_none_but(&["ok", "malformed", "reset"]);
    document.expect(document.outcome("malformed") > 0, "the damaged one");
    document.expect(document.outcome("ok") > 100, "those before it");
}

#[test]
fn a_damaged_record_behind_a_whole_answer_costs_no_answer() {
    for version in ["1.2", "1.3"] {
        let args = format!("--tls {version}");
        let (front, document) = all_ok(&Behaviour::Good, Manner::CorruptBehind(9), 200, &args);
        document.expect(front.server().connections() >= 20, "it costs the connection");
    }
}

#[test]
fn a_fatal_alert_is_a_reset_and_named() {
    for version in ["1.2", "1.3"] {
        let args = format!("--tls {version} -n 200 -c 4");
        let (_front, document) = run(&Behaviour::Good, Manner::Alert(9), &args);
        document.expect(document.released() == 200, "-n 200 releases 200");
        document.expect_only(&["ok", "reset"]);
        document.expect(reasons(&document).contains("bad record mac"), "the alert is named");
    }
}

#[test]
fn a_body_that_ends_without_notice_names_the_cause_and_can_be_counted() {
    let (_front, document) = run(&Behaviour::CloseDelimited, Manner::NoNotice, "-n 40 -c 4");
    document.expect_only(&["reset"]);
    let reasons = reasons(&document);
    document.expect(reasons.contains("TLS ended without close_notify"), "the cause is named");
    document.expect(reasons.contains("--tolerate-truncation"), "and what to do");
    let endings = document.at("client.connection_endings").to_string();
    document.expect(endings == "{\"truncated\":40}", &endings);
    all_ok(&Behaviour::CloseDelimited, Manner::NoNotice, 40, "--tolerate-truncation");
    // A length that is not reached is no end in any case.
    let args = "-n 40 -c 4 --tolerate-truncation";
    let (_front, document) = run(&Behaviour::CloseMidBody, Manner::NoNotice, args);
    document.expect_only(&["reset"]);
}
