//! The main job against a real nginx: closed and open loop, methods, sizes, statuses, connections,
//! addresses, gates and files.

use crate::support::document::Document;
use crate::support::nginx::Nginx;
use crate::support::run::Run;

/// 400 requests in a closed loop; the document of the run.
fn load(args: &str, url: &str) -> Document {
    let args = format!("--warmup 0s -n 400 -c 8 {args} {url}");
    let document = Run::json(&args).finish().expect_code(0).document();
    document.expect(document.released() == 400, "-n 400 releases 400");
    document
}

/// All of them answered with 200 and at least `body` bytes each.
fn all_ok(document: &Document, body: u64) {
    document.expect_only(&["ok"]);
    document.expect(document.status(200) == document.released(), "status 200 for each");
    let received = document.count("bytes.received");
    document.expect(received >= document.released() * body, "every body is received");
}

#[test]
fn files_of_every_size_arrive_whole() {
    let Some(nginx) = Nginx::start("files_of_every_size_arrive_whole") else { return };
    for (name, len) in crate::support::nginx::FILES {
        all_ok(&load("", &nginx.url(name)), len as u64);
    }
}

#[test]
fn both_address_families_and_a_name_lead_there() {
    let Some(nginx) = Nginx::start("both_address_families_and_a_name_lead_there") else { return };
    for url in [nginx.url("small"), nginx.url_v6("small"), nginx.url_name("small")] {
        all_ok(&load("", &url), 64);
    }
}

#[test]
fn pipelined_requests_are_all_answered() {
    let Some(nginx) = Nginx::start("pipelined_requests_are_all_answered") else { return };
    all_ok(&load("-p 8", &nginx.url("small")), 64);
    all_ok(&load("-p 8", &nginx.url("100k")), 100 * 1024);
}

#[test]
fn an_answer_to_head_has_a_length_and_no_body() {
    let Some(nginx) = Nginx::start("an_answer_to_head_has_a_length_and_no_body") else { return };
    let document = load("-m HEAD", &nginx.url("100k"));
    all_ok(&document, 0);
    document.expect(document.count("bytes.received") < 400 * 1024, "headers alone");
}

#[test]
fn refusals_are_statuses() {
    let Some(nginx) = Nginx::start("refusals_are_statuses") else { return };
    let missing = load("", &nginx.url("nothing-here"));
    missing.expect_only(&["status"]);
    missing.expect(missing.status(404) == 400, "404 for each");
    // nginx serves files only to GET and HEAD.
    let refused = load("-m POST --body {\"k\":1}", &nginx.url("small"));
    refused.expect_only(&["status"]);
    refused.expect(refused.status(405) == 400, "405 for each");
}

#[test]
fn a_body_from_a_file_is_sent_whole() {
    let server = "client_max_body_size 1m;
        location /echo { return 200 \"$content_length\"; }";
    let Some(nginx) = Nginx::start_with("a_body_from_a_file_is_sent_whole", server) else { return };
    let url = nginx.url("echo");
    let run = Run::json(&format!("--warmup 0s -n 400 -c 8 -m POST --body-file body.bin {url}"));
    std::fs::write(run.folder().join("body.bin"), vec![7; 50_000]).unwrap();
    let document = run.finish().expect_code(0).document();
    all_ok(&document, 5);
    document.expect(document.count("bytes.sent") >= 400 * 50_000, "every body is sent");
}

#[test]
fn headers_of_the_user_are_sent() {
    let server =
        "location /agent { if ($http_x_key != \"a b\") { return 403; } return 200 \"yes\"; }";
    let Some(nginx) = Nginx::start_with("headers_of_the_user_are_sent", server) else { return };
    let run = Run::json(&format!("--warmup 0s -n 400 -c 8 {}", nginx.url("agent")));
    let document = run.arg("-H").arg("X-Key: a b").finish().expect_code(0).document();
    all_ok(&document, 3);
}

#[test]
fn connections_that_close_are_made_again() {
    let Some(nginx) = Nginx::start("connections_that_close_are_made_again") else { return };
    let run = Run::json(&format!("--warmup 0s -n 400 -c 8 {}", nginx.url("small")));
    let document = run.arg("-H").arg("Connection: close").finish().expect_code(0).document();
    all_ok(&document, 64);
    let connects = document.count("latency_ns.connect.count");
    document.expect(connects >= 400, "a connection for each request");
}

#[test]
fn a_server_that_limits_requests_per_connection_is_no_error() {
    const TEST: &str = "a_server_that_limits_requests_per_connection_is_no_error";
    let Some(nginx) = Nginx::start_with(TEST, "keepalive_requests 10;") else { return };
    let document = load("", &nginx.url("small"));
    all_ok(&document, 64);
    let connects = document.count("latency_ns.connect.count");
    document.expect(connects >= 40, "a connection for every ten requests");
}

#[test]
fn chunked_answers_arrive_whole() {
    // The length of a server-side include is not known in advance, so nginx sends it in chunks.
    const TEST: &str = "chunked_answers_arrive_whole";
    let Some(nginx) = Nginx::start_with(TEST, "ssi on; ssi_types text/plain;") else { return };
    for (name, len) in crate::support::nginx::FILES {
        all_ok(&load("", &nginx.url(name)), len as u64);
    }
}

#[test]
fn an_open_loop_releases_its_schedule() {
    let Some(nginx) = Nginx::start("an_open_loop_releases_its_schedule") else { return };
    let args = format!("--warmup 0s -c 32 -R 2000 -d 2s {}", nginx.url("small"));
    let document = Run::json(&args).finish().expect_code(0).document();
    document.expect(document.released() == 4_000, "2,000/s for 2 s");
    document.expect(document.number("rate.offered") == 2_000.0, "the rate as it was asked for");
    all_ok(&document, 64);
    let lateness = document.count("latency_ns.lateness.count");
    document.expect(lateness == 4_000, "every slot that was sent has its lateness");
}

#[test]
fn a_gate_passes_fails_or_says_that_it_cannot_tell() {
    let Some(nginx) = Nginx::start("a_gate_passes_fails_or_says_that_it_cannot_tell") else {
        return;
    };
    for (slo, reported) in [("p99<20s,errors<0.1%", 0), ("p50<1ns", 11)] {
        let args = format!("--warmup 0s -n 20000 -c 8 --slo {slo} {}", nginx.url("small"));
        let finished = Run::json(&args).finish();
        // On a busy machine the measurement may be invalid; then no gate may pass or fail.
        let invalid = finished.document().text("verdict.validity") == "invalid";
        finished.expect_code(if invalid { 13 } else { reported });
    }
}

#[test]
fn results_are_stored_where_they_were_asked_for() {
    const TEST: &str = "results_are_stored_where_they_were_asked_for";
    let Some(nginx) = Nginx::start(TEST) else { return };
    let args = format!("--warmup 0s -n 400 -c 8 -o here/deep {}", nginx.url("small"));
    let finished = Run::json(&args).finish().expect_code(0);
    finished.expect_stored();
    let folder = finished.folder().join("here/deep");
    assert_eq!(finished.file("run.json"), folder.join("run.json"), "{finished}");
    let hlog = std::fs::read_to_string(folder.join("response.hlog")).unwrap();
    assert!(hlog.starts_with("#["), "an hlog opens with a comment: {hlog}");
    // `HISTFAAA` is the base64 of a V2-compressed histogram's cookie.
    assert!(hlog.contains(",HISTFAAA"), "an hlog holds compressed histograms: {hlog}");
}

#[test]
fn results_are_stored_under_results_by_themselves() {
    const TEST: &str = "results_are_stored_under_results_by_themselves";
    let Some(nginx) = Nginx::start(TEST) else { return };
    let finished = Run::json(&format!("--warmup 0s -n 400 -c 8 {}", nginx.url("small")))
        .finish()
        .expect_code(0);
    finished.expect_stored();
    let document = finished.file("run.json");
    let inside = document.strip_prefix(finished.folder().join("results")).unwrap();
    assert_eq!(inside.components().count(), 4, "target/scenario/time/run.json: {inside:?}");
}
