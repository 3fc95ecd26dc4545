//! Faulty servers: each fault gives its outcome, no slot is lost, and no run hangs.
//!
//! If no request is lost on the way, our counts must equal the server's own count of requests.

use std::thread;
use std::time::Duration;

use crate::support::document::Document;
use crate::support::run::Run;
use crate::support::script::Behaviour;
use crate::support::server::Server;

/// A server with this behaviour, and the document of a run against it.
fn run(behaviour: &Behaviour, args: &str) -> (Server, Document) {
    let server = Server::start(behaviour);
    let args = format!("--warmup 0s --timeout 300ms {args} {}", server.url());
    let document = Run::json(&args).finish().expect_code(0).document();
    (server, document)
}

/// 200 requests that must all have the outcome `outcome`, none lost, and a verdict that warns.
fn all_end(behaviour: &Behaviour, outcome: &str) {
    let (server, document) = run(behaviour, "-n 200 -c 4");
    document.expect(document.released() == 200, "-n 200 releases 200");
    document.expect_only(&[outcome]);
    // A request that fails on an idle connection may be sent again.
    let retried = document.count("counts.retried");
    document.expect(retried <= 4, "once for each connection that stood before the run");
    document.expect(server.requests() == 200 + retried, "each request is sent once");
    warns(&document);
}

/// 200 requests that must all succeed.
fn all_ok(behaviour: &Behaviour) -> (Server, Document) {
    let (server, document) = run(behaviour, "-n 200 -c 4");
    document.expect(document.released() == 200, "-n 200 releases 200");
    document.expect_only(&["ok"]);
    document.expect(document.status(200) == 200, "200 answers with status 200");
    document.expect(server.requests() == 200, "each request is sent once");
    (server, document)
}

/// The verdict of a run with many errors must warn, and give the reason.
fn warns(document: &Document) {
    document
        .expect(document.text("verdict.validity") != "valid", "errors must show in the verdict");
    let reasons = document.at("verdict.reasons").as_array().map_or(0, Vec::len);
    document.expect(reasons > 0, "a verdict other than valid has its reasons");
}

#[test]
fn silence_is_a_timeout_on_every_request() {
    let (server, document) = run(&Behaviour::NeverAnswer, "-n 24 -c 4");
    document.expect(document.released() == 24, "-n 24 releases 24");
    document.expect_only(&["timeout"]);
    document.expect(server.requests() == 24, "each request is sent once");
    // A connection without an answer cannot be reused: its late answer would be taken for
    // another's.
    document.expect(server.connections() >= 20, "a timeout costs the connection");
    let p50 = document.count("latency_ns.response.p50");
    document.expect(p50 >= 300_000_000, "timeouts stand in the response times with their age");
    warns(&document);
}

#[test]
fn silence_in_an_open_loop_leaves_later_slots_unsent_but_counted() {
    let (server, document) = run(&Behaviour::NeverAnswer, "-R 200 -d 1s -c 4");
    document.expect(document.released() == 200, "200/s for 1 s release 200");
    // The drain lasts one timeout from the end of the window: requests sent late in it, because no
    // connection was free, are still in flight when it ends.
    document.expect_none_but(&["timeout", "not_sent", "censored"]);
    document.expect(document.outcome("timeout") >= 8, "300 ms each, four at a time");
    document.expect(document.outcome("not_sent") > 0, "four connections cannot carry 200/s");
    let sent = document.outcome("timeout") + document.outcome("censored");
    document.expect(server.requests() == sent, "what was sent ended as one of the two");
}

#[test]
fn bytes_that_drip_past_the_timeout_do_not_extend_it() {
    // 66 bytes, 20 ms each: 1.3 s for an answer whose timeout is 0.3 s.
    let (_server, document) = run(&Behaviour::ByteEvery(Duration::from_millis(20)), "-n 8 -c 4");
    document.expect_only(&["timeout"]);
}

#[test]
fn slow_bytes_make_a_whole_answer() {
    let (server, document) = run(&Behaviour::ByteEvery(Duration::from_millis(1)), "-n 40 -c 4");
    document.expect_only(&["ok"]);
    document.expect(server.requests() == 40, "each request is sent once");
    let p50 = document.count("latency_ns.response.p50");
    document.expect(p50 >= 66_000_000, "66 bytes, at least 1 ms each");
}

#[test]
fn a_close_before_the_answer_is_whole_is_a_reset() {
    all_end(&Behaviour::CloseMidHeader, "reset");
    all_end(&Behaviour::CloseMidBody, "reset");
    all_end(&Behaviour::CloseMidChunk, "reset");
    all_end(&Behaviour::GoodThenClose(0), "reset");
}

#[test]
fn a_reset_is_a_reset_even_where_a_close_would_end_the_body() {
    all_end(&Behaviour::Reset, "reset");
    all_end(&Behaviour::ResetMidCloseDelimited, "reset");
}

#[test]
fn what_is_not_http_is_malformed() {
    all_end(&Behaviour::Garbage, "malformed");
    all_end(&Behaviour::BadChunkSize, "malformed");
    all_end(&Behaviour::TwoLengths, "malformed");
}

#[test]
fn a_header_without_end_is_malformed_not_a_matter_of_memory() {
    let (_server, document) = run(&Behaviour::HugeHeader, "-n 40 -c 4");
    document.expect_only(&["malformed"]);
    warns(&document);
}

#[test]
fn a_promise_not_kept_is_a_timeout() {
    let (_server, document) = run(&Behaviour::PromiseTooMuch, "-n 24 -c 4");
    document.expect_only(&["timeout"]);
}

#[test]
fn bytes_past_the_answer_never_become_an_answer() {
    // The answer itself is complete. The bytes after it belong to no request: the connection is
    // closed, or, if the next request was already sent on it, that one's answer is malformed.
    let (server, document) = run(&Behaviour::PromiseTooLittle, "-n 200 -c 4");
    document.expect(document.released() == 200, "-n 200 releases 200");
    document.expect_none_but(&["ok", "malformed"]);
    document.expect(document.outcome("ok") > 0, "whole answers are counted");
    document.expect(server.connections() > 4, "the connection is not used again");
}

#[test]
fn a_second_answer_costs_the_connection_and_no_count() {
    let (server, document) = run(&Behaviour::AnswerTwice, "-n 200 -c 4");
    document.expect(document.released() == 200, "-n 200 releases 200");
    document.expect_none_but(&["ok", "malformed", "reset"]);
    document.expect(document.outcome("ok") > 0, "whole answers are counted");
    document.expect(server.connections() > 4, "an unsolicited answer costs the connection");
}

#[test]
fn answers_before_the_request_lose_no_count() {
    // In a closed loop a request may be in flight when the early answer arrives; the early answer
    // looks like that request's own, so only the count can be checked.
    let (_server, document) = run(&Behaviour::AnswerFirst, "-n 200 -c 4");
    document.expect(document.released() == 200, "-n 200 releases 200");
    document.expect_none_but(&["ok", "malformed", "reset"]);
    // In an open loop the connections are idle when it arrives, and are closed.
    let (server, document) = run(&Behaviour::AnswerFirst, "-R 100 -d 1s -c 4");
    document.expect(document.released() == 100, "100/s for 1 s release 100");
    document.expect(server.connections() > 4, "an unsolicited answer costs the connection");
}

#[test]
fn surplus_answers_to_pipelined_requests_lose_no_count() {
    let (_server, document) = run(&Behaviour::AnswerTwice, "-n 400 -c 4 -p 4");
    document.expect(document.released() == 400, "-n 400 releases 400");
    document.expect(document.outcome("ok") > 0, "whole answers are counted");
}

#[test]
fn answers_that_end_their_connection_are_good_answers() {
    for behaviour in [Behaviour::CloseEach, Behaviour::Http10, Behaviour::CloseDelimited] {
        let (server, document) = all_ok(&behaviour);
        document.expect(server.connections() >= 200, "one connection for each");
    }
}

#[test]
fn an_unannounced_close_costs_at_most_the_request_it_crossed() {
    let (_server, document) = run(&Behaviour::CloseUnannounced, "-n 200 -c 4");
    document.expect(document.released() == 200, "-n 200 releases 200");
    document.expect_none_but(&["ok", "reset"]);
    document.expect(document.outcome("ok") >= 100, "at least every second is answered");
}

#[test]
fn answers_cut_anywhere_are_whole() {
    all_ok(&Behaviour::Split);
    let (_server, document) = all_ok(&Behaviour::Chunked);
    // 26 bytes of body in each, for any framing.
    document.expect(document.count("bytes.received") >= 200 * 26, "bytes received");
}

#[test]
fn interim_answers_are_not_the_answer() {
    all_ok(&Behaviour::Interim);
}

#[test]
fn a_server_error_is_a_status() {
    let (server, document) = run(&Behaviour::Status(503), "-n 200 -c 4");
    document.expect_only(&["status"]);
    document.expect(document.status(503) == 200, "200 answers with status 503");
    document.expect(server.requests() == 200 && server.connections() == 4, "connections are kept");
    warns(&document);
}

#[test]
fn connections_that_end_after_some_answers_are_made_again() {
    for behaviour in [Behaviour::GoodThenClose(9), Behaviour::GoodThenReset(9)] {
        let (server, document) = run(&behaviour, "-n 200 -c 4");
        document.expect(document.released() == 200, "-n 200 releases 200");
        document.expect_only(&["ok"]);
        let retried = document.count("counts.retried");
        document.expect(retried >= 17, "what met the end of a connection is sent again");
        document.expect(server.requests() == 200 + retried, "and the rest once");
        document.expect(server.connections() >= 20, "a connection for every ten requests");
    }
}

#[test]
fn a_close_under_pipelined_requests_costs_none_that_may_be_sent_again() {
    for behaviour in [Behaviour::GoodThenClose(9), Behaviour::GoodThenReset(9)] {
        let (_server, document) = run(&behaviour, "-n 400 -c 4 -p 4");
        document.expect(document.released() == 400, "-n 400 releases 400");
        // A reset may cut an answer in transit.
        document.expect_none_but(&["ok", "reset"]);
        document.expect(document.outcome("ok") >= 300, "most are answered");
        document.expect(document.count("counts.retried") > 0, "those behind are sent again");
    }
}

#[test]
fn a_server_killed_and_started_again_is_loaded_again() {
    for load in ["", "-R 500"] {
        let server = Server::start(&Behaviour::Good);
        let address = server.address().to_string();
        let args = format!("--warmup 0s --timeout 300ms -d 4s -c 4 {load} {}", server.url());
        let run = Run::json(&args).start();
        while server.requests() == 0 {
            thread::sleep(Duration::from_millis(5));
        }
        thread::sleep(Duration::from_millis(700));
        drop(server);
        thread::sleep(Duration::from_millis(300));
        let again = Server::start_at(&address, &Behaviour::Good);
        let document = run.finish().expect_code(0).document();
        document.expect_none_but(&["ok", "reset", "connect_failed", "not_sent", "timeout"]);
        document.expect(document.outcome("ok") > 0, "ok before and after");
        document.expect(again.connections() >= 4, "all connections are made again");
        let answered = document.outcome("ok");
        document.expect(again.requests() > 0 && answered > again.requests() / 2, "ok after");
        if !load.is_empty() {
            document.expect(document.released() == 2_000, "the schedule does not wait");
        }
    }
}

#[test]
fn a_server_gone_for_good_ends_the_run_no_later() {
    for load in ["", "-R 500"] {
        let server = Server::start(&Behaviour::Good);
        let args = format!("--warmup 0s --timeout 300ms -d 2s -c 4 {load} {}", server.url());
        let run = Run::json(&args).start();
        while server.requests() == 0 {
            thread::sleep(Duration::from_millis(5));
        }
        thread::sleep(Duration::from_millis(500));
        drop(server);
        let finished = run.finish().expect_code(0);
        let document = finished.document();
        document.expect_none_but(&["ok", "reset", "connect_failed", "not_sent", "timeout"]);
        document.expect(document.outcome("ok") > 0, "ok before");
        // 2 s, the drain of at most one timeout, and a margin for a busy machine.
        document.expect(finished.took < Duration::from_secs(6), "the end is not put off");
        if !load.is_empty() {
            document.expect(document.outcome("ok") < 1_500, "the outage is not counted as ok");
            warns(&document);
        }
    }
}

#[test]
fn the_text_result_names_the_errors_by_kind_and_count() {
    let server = Server::start(&Behaviour::CloseMidBody);
    let args = format!("-q --warmup 0s --timeout 300ms -n 123 -c 4 {}", server.url());
    let finished = Run::text(&args).finish().expect_code(0);
    let named = finished.stdout.lines().any(|line| line.contains("reset") && line.contains("123"));
    assert!(named, "a line with the kind and the count of the errors\n{finished}");
}
