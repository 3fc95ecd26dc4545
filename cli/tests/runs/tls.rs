//! The main job over TLS, against a real nginx: counts, versions, sizes, uploads, addresses,
//! resumed sessions.

use crate::support::certificates::{Certificates, Kind, NAMED};
use crate::support::document::Document;
use crate::support::nginx::{FILES, Nginx};
use crate::support::run::Run;

/// Starts an nginx with a good certificate and this text in its server block.
fn start(test: &str, server: &str) -> Option<(Nginx, Certificates)> {
    let certificates = Certificates::make();
    let nginx = Nginx::start_tls(test, &certificates.leaf(Kind::Good), server)?;
    Some((nginx, certificates))
}

/// The document of a run of 400 requests in a closed loop that trusts the authority.
fn load(certificates: &Certificates, args: &str, url: &str) -> Document {
    let authority = certificates.authority().display();
    // On a busy machine 8 MB in flight within TLS may take longer than the default timeout.
    let args = format!("--warmup 0s --timeout 50s -n 400 -c 8 --cacert {authority} {args} {url}");
    let document = Run::json(&args).finish().expect_code(0).document();
    document.expect(document.released() == 400, "-n 400 releases 400");
    document
}

/// All must have status 200 and at least `body` bytes each.
fn all_ok(document: &Document, body: u64) {
    document.expect_only(&["ok"]);
    document.expect(document.status(200) == document.released(), "status 200 for each");
    let received = document.count("bytes.received");
    document.expect(received >= document.released() * body, "every body is received");
}

/// Full handshakes and resumed ones; all must have been timed.
fn handshakes(document: &Document) -> (u64, u64) {
    let (full, resumed) = (document.count("tls.full"), document.count("tls.resumed"));
    let timed = document.count("latency_ns.handshake.count");
    document.expect(timed == full + resumed, "every handshake has its time");
    (full, resumed)
}

#[test]
fn connections_are_kept_and_counts_are_exact_in_both_versions() {
    const TEST: &str = "connections_are_kept_and_counts_are_exact_in_both_versions";
    let server = "location /version { if ($ssl_protocol != $arg_is) { return 403; } return 200; }";
    let Some((nginx, certificates)) = start(TEST, server) else { return };
    for (args, version) in [("", "1.3"), ("--tls 1.3", "1.3"), ("--tls 1.2", "1.2")] {
        let url = nginx.https(&format!("version?is=TLSv{version}"));
        let document = load(&certificates, args, &url);
        all_ok(&document, 0);
        let (full, resumed) = handshakes(&document);
        document.expect(full >= 1 && full + resumed == 8, "one handshake for each connection");
        document.expect(document.count("latency_ns.connect.count") == 8, "connections are kept");
        document.expect(document.at("plan.tls.verify") == true, "the certificate was checked");
        document.expect(document.text("plan.tls.server_name") == "127.0.0.1", "for this name");
    }
}

#[test]
fn an_rsa_certificate_at_the_end_of_a_long_chain_is_trusted() {
    const TEST: &str = "an_rsa_certificate_at_the_end_of_a_long_chain_is_trusted";
    let certificates = Certificates::make();
    let leaf = certificates.chain(5);
    let server = "location / { return 200; }";
    let Some(nginx) = Nginx::start_tls(TEST, &leaf, server) else { return };
    for version in ["1.3", "1.2"] {
        let document = load(&certificates, &format!("--tls {version}"), &nginx.https(""));
        all_ok(&document, 0);
        document.expect(handshakes(&document).0 >= 1, "a handshake in full");
    }
}

#[test]
fn two_workers_have_sessions_of_their_own() {
    const TEST: &str = "two_workers_have_sessions_of_their_own";
    let Some((nginx, certificates)) = start(TEST, "location / { return 200; }") else { return };
    let args = "--cores 2 --requests-per-connection 10";
    let document = load(&certificates, args, &nginx.https(""));
    all_ok(&document, 0);
    let (full, resumed) = handshakes(&document);
    document.expect(full >= 2, "each worker begins with a handshake in full");
    document.expect(resumed >= 1, "and takes its sessions up");
    document.expect(full + resumed >= 40, "ten requests on each connection");
}

#[test]
fn files_of_every_size_arrive_whole() {
    const TEST: &str = "tls: files_of_every_size_arrive_whole";
    let Some((nginx, certificates)) = start(TEST, "") else { return };
    for version in ["1.2", "1.3"] {
        for (name, len) in FILES {
            let args = format!("--tls {version}");
            all_ok(&load(&certificates, &args, &nginx.https(name)), len as u64);
        }
    }
}

#[test]
fn pipelined_requests_are_all_answered() {
    const TEST: &str = "tls: pipelined_requests_are_all_answered";
    let Some((nginx, certificates)) = start(TEST, "") else { return };
    for version in ["1.2", "1.3"] {
        let args = format!("-p 8 --tls {version}");
        all_ok(&load(&certificates, &args, &nginx.https("small")), 64);
        all_ok(&load(&certificates, &args, &nginx.https("100k")), 100 * 1024);
    }
}

#[test]
fn answers_without_a_length_arrive_whole() {
    const TEST: &str = "tls: answers_without_a_length_arrive_whole";
    // The length of a server-side include is not known in advance; without chunks the answer ends
    // with the connection, and nginx sends a close notify.
    for chunked in ["on", "off"] {
        let server = format!("ssi on; ssi_types text/plain; chunked_transfer_encoding {chunked};");
        let Some((nginx, certificates)) = start(TEST, &server) else { return };
        for (name, len) in FILES {
            all_ok(&load(&certificates, "", &nginx.https(name)), len as u64);
        }
    }
}

#[test]
fn a_large_upload_is_sent_whole() {
    const TEST: &str = "tls: a_large_upload_is_sent_whole";
    let server = "client_max_body_size 2m; client_body_buffer_size 2m;
        location /length { if ($content_length != 1000000) { return 403; } return 200; }
        location /read { proxy_pass $scheme://$server_addr:$server_port/length; }";
    let Some((nginx, certificates)) = start(TEST, server) else { return };
    for version in ["1.2", "1.3"] {
        // The first is answered before the body is complete, the second when nginx has read all of
        // it.
        for path in ["length", "read"] {
            let authority = certificates.authority().display();
            let run = Run::json(&format!(
                "--warmup 0s -n 64 -c 4 --tls {version} --cacert {authority} -m POST \
                 --body-file body.bin {}",
                nginx.https(path)
            ));
            std::fs::write(run.folder().join("body.bin"), vec![7; 1_000_000]).unwrap();
            let document = run.finish().expect_code(0).document();
            document.expect(document.released() == 64, "-n 64 releases 64");
            all_ok(&document, 0);
            document.expect(document.count("bytes.sent") >= 64_000_000, "every body is sent");
        }
    }
}

#[test]
fn both_address_families_and_a_name_lead_there() {
    const TEST: &str = "tls: both_address_families_and_a_name_lead_there";
    let Some((nginx, certificates)) = start(TEST, "") else { return };
    let urls = [nginx.https("small"), nginx.https_v6("small"), nginx.https_name("small")];
    for (url, name) in urls.iter().zip(["127.0.0.1", "::1", "localhost"]) {
        let document = load(&certificates, "", url);
        all_ok(&document, 64);
        document.expect(document.text("plan.tls.server_name") == name, "the URL's host is checked");
    }
}

#[test]
fn an_open_loop_releases_its_schedule() {
    const TEST: &str = "tls: an_open_loop_releases_its_schedule";
    let Some((nginx, certificates)) = start(TEST, "") else { return };
    let authority = certificates.authority().display();
    let url = nginx.https("small");
    let args = format!("--warmup 0s -c 16 -R 1000 -d 2s --cacert {authority} {url}");
    let document = Run::json(&args).finish().expect_code(0).document();
    document.expect(document.released() == 2_000, "1,000/s for 2 s");
    all_ok(&document, 64);
}

#[test]
fn the_name_is_asked_for_wherever_the_connection_goes() {
    const TEST: &str = "the_name_is_asked_for_wherever_the_connection_goes";
    let server = format!(
        "location /sni {{ if ($ssl_server_name != {NAMED}) {{ return 403; }} return 200; }}"
    );
    let certificates = Certificates::make();
    let shown = certificates.leaf(Kind::Named);
    let Some(nginx) = Nginx::start_tls(TEST, &shown, &server) else { return };
    let args = format!("--connect-to {}", nginx.tls());
    let document = load(&certificates, &args, &format!("https://{NAMED}/sni"));
    all_ok(&document, 0);
    document.expect(document.text("plan.tls.server_name") == NAMED, "the name that was checked");
}

#[test]
fn connections_made_anew_take_up_their_sessions() {
    const TEST: &str = "connections_made_anew_take_up_their_sessions";
    // With tickets that contain the session, and with session IDs that the server keeps.
    for server in ["", "ssl_session_tickets off; ssl_session_cache shared:kept:1m;"] {
        let Some((nginx, certificates)) = start(TEST, server) else { return };
        sessions_are_taken_up(&nginx, &certificates);
    }
}

fn sessions_are_taken_up(nginx: &Nginx, certificates: &Certificates) {
    let authority = certificates.authority().display();
    let url = nginx.https("small");
    for version in ["1.2", "1.3"] {
        for connections in [4, 64] {
            let args = format!(
                "--warmup 0s --requests-per-connection 1 -n 1000 -c {connections} \
                 --tls {version} --cacert {authority}"
            );
            let document = Run::json(&format!("{args} {url}")).finish().expect_code(0).document();
            all_ok(&document, 64);
            let (full, resumed) = handshakes(&document);
            document.expect(full + resumed >= 1_000, "a handshake for each request");
            // The first connections have no session to resume.
            document.expect(full <= 2 * connections, "those after the first are resumed");
            document.expect(document.at("plan.tls.resumption") == true, "as planned");

            let args = format!("{args} --no-resumption {url}");
            let document = Run::json(&args).finish().expect_code(0).document();
            all_ok(&document, 64);
            let (full, resumed) = handshakes(&document);
            document.expect(full >= 1_000 && resumed == 0, "every handshake is a full one");
            document.expect(document.at("plan.tls.resumption") == false, "as planned");
        }
    }
}

#[test]
fn connections_reset_on_purpose_have_their_answers() {
    const TEST: &str = "tls: connections_reset_on_purpose_have_their_answers";
    let Some((nginx, certificates)) = start(TEST, "") else { return };
    let args = "--requests-per-connection 3 --close rst";
    let document = load(&certificates, args, &nginx.https("100k"));
    all_ok(&document, 100 * 1024);
    let (full, resumed) = handshakes(&document);
    document.expect(full + resumed >= 133, "a handshake for every three requests");
}

#[test]
fn a_target_that_asks_for_another_key_exchange_gets_it() {
    const TEST: &str = "a_target_that_asks_for_another_key_exchange_gets_it";
    // The group is not the first offered, so TLS 1.3 needs a second ClientHello.
    let Some((nginx, certificates)) = start(TEST, "ssl_ecdh_curve secp384r1;") else { return };
    for version in ["1.2", "1.3"] {
        let args = format!("--tls {version} --requests-per-connection 10");
        all_ok(&load(&certificates, &args, &nginx.https("small")), 64);
    }
}

#[test]
fn more_connections_than_are_made_at_once_all_stand() {
    const TEST: &str = "more_connections_than_are_made_at_once_all_stand";
    let Some((nginx, certificates)) = start(TEST, "") else { return };
    let authority = certificates.authority().display();
    let url = nginx.https("small");
    let args = format!("--warmup 0s -n 5000 -c 600 --cacert {authority} {url}");
    let document = Run::json(&args).finish().expect_code(0).document();
    document.expect(document.released() == 5_000, "-n 5000 releases 5000");
    all_ok(&document, 64);
    // Later connections resume the sessions of earlier ones.
    let (full, resumed) = handshakes(&document);
    document.expect(full + resumed == 600, "one handshake for each connection");
}

#[test]
fn connections_that_nginx_closes_are_made_again_without_an_error() {
    const TEST: &str = "connections_that_nginx_closes_are_made_again_without_an_error";
    let certificates = Certificates::make();
    let shown = certificates.leaf(Kind::Good);
    // The value of a location takes precedence over the server's.
    let server = "location /ten { keepalive_requests 10; return 200; }";
    let Some(nginx) = Nginx::start_tls(TEST, &shown, server) else { return };
    let document = load(&certificates, "", &nginx.https("ten"));
    all_ok(&document, 0);
    let (full, resumed) = handshakes(&document);
    document.expect(full + resumed >= 40, "a handshake for every ten requests");
}
