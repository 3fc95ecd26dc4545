//! TLS handshakes that fail: one line with the cause and the fix if all fail, a count if only some
//! fail.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::certificates::Kind;
use crate::support::run::{Finished, Run};
use crate::support::script::Behaviour;
use crate::support::server::Server;
use crate::support::tls_front::{Front, Manner};

/// A run that must not start, against a front of this manner.
fn refused(manner: Manner, args: &str) -> Finished {
    let front = Front::start(&Behaviour::Good, manner);
    let args = format!("-c 4 -d 20s --timeout 1s {args} {}", front.target());
    let finished = Run::json(&args).finish().expect_code(1);
    assert_eq!(finished.stdout, "", "no result without a run\n{finished}");
    assert!(finished.files("run.json").is_empty(), "nothing to store\n{finished}");
    // The timeout, and a margin for a busy machine.
    assert!(finished.took < Duration::from_secs(10), "no load was waited for\n{finished}");
    finished
}

#[test]
fn what_is_not_tls_is_named_with_the_remedy() {
    refused(Manner::Garbage(0), "").expect_line(&["not TLS", "http://"]);
    // A plain server that waits for the rest of a request sends nothing.
    let server = Server::start(&Behaviour::Good);
    let url = format!("https://{}/", server.address());
    let finished =
        Run::json(&format!("-k -c 4 -d 20s --timeout 500ms {url}")).finish().expect_code(1);
    finished.expect_line(&["handshake", "timeout", "http://"]);
}

#[test]
fn plain_text_where_tls_is_wanted_is_malformed_and_the_url_suspected() {
    let front = Front::start(&Behaviour::Good, Manner::Proper);
    let args = format!("--warmup 0s -n 100 -c 4 http://{}/", front.address());
    let document = Run::json(&args).finish().expect_code(0).document();
    // The answer is an alert; a connection may be reset before it is read.
    document.expect_none_but(&["malformed", "reset"]);
    let reasons = document.at("verdict.reasons").to_string();
    document.expect(reasons.contains("https://"), "the fix is named");
    document.expect(front.server().requests() == 0, "nothing gets past it");
}

#[test]
fn a_signal_ends_a_run_whose_handshakes_hang() {
    let front = Front::start(&Behaviour::Good, Manner::Silent(0));
    let args = format!("-c 4 -d 30s --timeout 20s {}", front.target());
    let run = Run::json(&args).start();
    // Nothing shows when the run begins to connect; it does so long before this.
    thread::sleep(Duration::from_secs(1));
    run.signal(Signal::INT);
    let signalled = Instant::now();
    let finished = run.finish().expect_code(1);
    let ended = signalled.elapsed();
    assert!(ended < Duration::from_secs(5), "ended {ended:?} after the signal\n{finished}");
}

#[test]
fn silence_in_the_handshake_is_given_up_after_the_timeout() {
    let finished = refused(Manner::Silent(0), "");
    assert!(finished.took >= Duration::from_secs(1), "not before it\n{finished}");
    finished.expect_line(&["handshake", "timeout", "--timeout"]);
}

#[test]
fn a_handshake_cut_off_is_named() {
    for version in ["1.2", "1.3"] {
        refused(Manner::CutOff, &format!("--tls {version}")).expect_line(&["closes connections"]);
    }
}

#[test]
fn a_target_without_http_1_1_is_named_with_its_lack() {
    let finished = refused(Manner::OnlyH2, "");
    finished.expect_line(&["no application protocol", "HTTP/1.1"]);
}

#[test]
fn handshakes_that_fail_beside_others_are_counted() {
    for (manner, cause) in [(Manner::Silent(2), "timeout"), (Manner::Garbage(2), "not TLS")] {
        let front = Front::start(&Behaviour::Good, manner);
        let args = format!("--warmup 0s -c 4 -d 3s --timeout 500ms {}", front.target());
        let document = Run::json(&args).finish().expect_code(0).document();
        document.expect_only(&["ok", "connect_failed"]);
        document.expect(front.server().connections() == 2, "two of four stand");
        let reasons = document.at("verdict.reasons").to_string();
        document.expect(reasons.contains("\"connections\""), "fewer than were asked for");
        document.expect(reasons.contains(cause), "and why");
    }
}

/// The message of a run whose certificate is refused. With TLS 1.2 the refusal is in the handshake;
/// with TLS 1.3 it comes after it, so whether the run starts depends on the timing.
fn reported(front: &Front, args: &str) -> String {
    let args = format!("--warmup 0s -c 4 -n 100 {args} {}", front.target());
    let finished = Run::json(&args).finish();
    assert_eq!(front.server().requests(), 0, "nothing gets past it\n{finished}");
    if finished.stdout.is_empty() {
        let finished = finished.expect_code(1);
        finished.expect_line(&[]);
        return finished.stderr;
    }
    let document = finished.expect_code(0).document();
    document.expect_none_but(&["reset", "connect_failed"]);
    document.expect(document.text("verdict.validity") == "invalid", "nothing was measured");
    document.at("verdict.reasons").to_string()
}

#[test]
fn a_certificate_demanded_is_asked_for_whenever_the_target_says_so() {
    for version in ["1.2", "1.3"] {
        let front = Front::start(&Behaviour::Good, Manner::AsksForCertificate);
        let said = reported(&front, &format!("--tls {version}"));
        for part in ["wants a client certificate", "--cert", "--key"] {
            assert!(said.contains(part), "{part} is named: {said}");
        }
    }
}

#[test]
fn a_certificate_demanded_is_shown() {
    for version in ["1.2", "1.3"] {
        let front = Front::start(&Behaviour::Good, Manner::AsksForCertificate);
        let shown = front.certificates().leaf(Kind::Client);
        let (cert, key) = (shown.certificate.display(), shown.key.display());
        let args = format!(
            "--warmup 0s -c 4 -n 100 --tls {version} --cert {cert} --key {key} {}",
            front.target()
        );
        let document = Run::json(&args).finish().expect_code(0).document();
        document.expect_only(&["ok"]);
        assert_eq!(front.server().requests(), 100);
    }
}

#[test]
fn a_certificate_of_another_authority_is_refused_with_the_remedy() {
    for version in ["1.2", "1.3"] {
        let front = Front::start(&Behaviour::Good, Manner::AsksForCertificate);
        let shown = front.certificates().leaf(Kind::ForeignClient);
        let (cert, key) = (shown.certificate.display(), shown.key.display());
        let said = reported(&front, &format!("--tls {version} --cert {cert} --key {key}"));
        for part in ["client certificate that it trusts", "--cert", "--key"] {
            assert!(said.contains(part), "{part} is named: {said}");
        }
    }
}
