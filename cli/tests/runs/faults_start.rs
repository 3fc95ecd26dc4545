//! Runs that cannot start, or only in part: one line with the cause and the fix, the right exit
//! code, no waiting beyond the timeout.

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use crate::support::full_backlog::FullBacklog;
use crate::support::run::{Finished, Run};
use crate::support::script::Behaviour;
use crate::support::server::Server;
use crate::support::turn::skip;

#[test]
fn a_refused_connection_stops_the_run_before_it_starts() {
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(listen).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let finished = Run::json(&format!("-d 5s http://{address}/")).finish().expect_code(1);
        finished.expect_line(&[&address, "refused"]);
        assert_eq!(finished.stdout, "", "no result without a run\n{finished}");
        assert!(finished.took < Duration::from_secs(4), "no load was waited for\n{finished}");
        assert!(finished.files("run.json").is_empty(), "nothing to store\n{finished}");
    }
}

#[test]
fn an_address_that_says_nothing_is_given_up_after_the_timeout() {
    let full = FullBacklog::start();
    let address = full.address().to_string();
    let args = format!("-c 4 -d 30s --timeout 500ms http://{address}/");
    let finished = Run::json(&args).finish().expect_code(1);
    finished.expect_line(&[&address]);
    assert_eq!(finished.stdout, "", "no result without a run\n{finished}");
    // The timeout, and a margin for a busy machine.
    assert!(finished.took < Duration::from_secs(4), "given up after the timeout\n{finished}");
    assert!(finished.took >= Duration::from_millis(500), "not before it\n{finished}");
}

#[test]
fn more_connections_than_file_descriptors_are_refused_with_the_remedy() {
    let server = Server::start(&Behaviour::Good);
    let finished = Run::json(&format!("-c 200 -d 5s {}", server.url()))
        .through("", "ulimit -n 64; exec \"$@\"")
        .finish()
        .expect_code(2);
    finished.expect_line(&["ulimit -n"]);
    assert_eq!(server.connections(), 0, "nothing was started\n{finished}");
}

#[test]
fn as_many_connections_as_the_limit_allows_do_run() {
    let server = Server::start(&Behaviour::Good);
    // 64 descriptors, less those of the process, its ring and its results.
    let finished = Run::json(&format!("-c 20 -n 200 --warmup 0s {}", server.url()))
        .through("", "ulimit -n 64; exec \"$@\"")
        .finish()
        .expect_code(0);
    finished.document().expect_only(&["ok"]);
}

#[test]
fn the_soft_limit_of_file_descriptors_is_raised_as_far_as_the_hard_one() {
    let server = Server::start(&Behaviour::Good);
    let finished = Run::json(&format!("-c 200 -n 2000 --warmup 0s {}", server.url()))
        .through("", "ulimit -S -n 64; exec \"$@\"")
        .finish()
        .expect_code(0);
    finished.document().expect_only(&["ok"]);
    assert_eq!(server.connections(), 200, "{finished}");
}

/// Runs the target and then the command in a separate network in which connections use only these
/// ports. The command `before` may hold some of them. `None`, with a message, if the test cannot
/// create such a network.
fn with_ports(test: &str, ports: &str, before: &str, args: &str) -> Option<Finished> {
    let unshared = Command::new("unshare").args(["--net", "true"]).output();
    if !unshared.is_ok_and(|output| output.status.success()) {
        skip(test, "needs root, or the right to make a network namespace, and unshare");
        return None;
    }
    let script = format!(
        "ip link set lo up && sysctl -qw net.ipv4.ip_local_port_range='{ports}' || exit 99; \
         \"$1\" target --listen 127.0.0.1:18080 >/dev/null 2>&1 & sleep 1; {before} exec \"$@\""
    );
    Some(Run::json(args).through("unshare --net", &script).finish())
}

#[test]
fn too_few_ports_are_named_and_no_slot_is_lost() {
    const TEST: &str = "too_few_ports_are_named_and_no_slot_is_lost";
    let args = "-c 64 -d 2s --warmup 0s --timeout 500ms http://127.0.0.1:18080/";
    let Some(finished) = with_ports(TEST, "40000 40015", "", args) else { return };
    let finished = finished.expect_code(0);
    let document = finished.document();
    document.expect_only(&["ok", "connect_failed"]);
    document.expect(document.text("verdict.validity") != "valid", "16 of 64 is not what was asked");
    // The target did not cause it, and the user can fix it.
    let reasons = document.at("verdict.reasons").to_string();
    document.expect(reasons.contains("ip_local_port_range"), "the cause and the fix are named");
    document.expect(reasons.contains("--source-ip"), "and the fix that needs no root");
}

#[test]
fn further_source_addresses_have_ports_of_their_own() {
    const TEST: &str = "further_source_addresses_have_ports_of_their_own";
    let args = "-c 100 -n 2000 --warmup 0s --timeout 5s http://127.0.0.1:18080/";
    let Some(finished) = with_ports(TEST, "40000 40050", "", args) else { return };
    let document = finished.expect_code(0).document();
    document.expect(document.text("verdict.validity") != "valid", "51 of 100 are not enough");
    let reasons = document.at("verdict.reasons").to_string();
    document.expect(reasons.contains("--source-ip"), "the fix is named");
    for more in ["", "--requests-per-connection 20 --close rst"] {
        let args = format!("--source-ip 127.0.0.2-127.0.0.5 {more} {args}");
        let Some(finished) = with_ports(TEST, "40000 40050", "", &args) else { return };
        let document = finished.expect_code(0).document();
        document.expect_only(&["ok"]);
        let reasons = document.at("verdict.reasons").to_string();
        document.expect(!reasons.contains("--source-ip"), "nothing is missing");
    }
}

#[test]
fn no_port_at_all_stops_the_run_before_it_starts() {
    const TEST: &str = "no_port_at_all_stops_the_run_before_it_starts";
    let before = "\"$1\" -q -c 1 -R 10 -d 20s http://127.0.0.1:18080/ >/dev/null 2>&1 & sleep 1;";
    let args = "-c 4 -d 20s --warmup 0s --timeout 500ms http://127.0.0.1:18080/";
    let Some(finished) = with_ports(TEST, "40000 40000", before, args) else { return };
    let finished = finished.expect_code(1);
    finished.expect_line(&["127.0.0.1:18080", "port", "ip_local_port_range"]);
}

#[test]
fn a_name_whose_other_address_refuses_is_still_loaded() {
    const TEST: &str = "a_name_whose_other_address_refuses_is_still_loaded";
    // The usual case: `localhost` is ::1 and 127.0.0.1, and the server listens only on the latter.
    let server = Server::start(&Behaviour::Good);
    let Some(finished) = with_hosts(
        TEST,
        "::1 two.test\n127.0.0.1 two.test\n",
        &format!("-c 4 -n 200 --warmup 0s http://two.test:{}/", server.address().port()),
    ) else {
        return;
    };
    let finished = finished.expect_code(0);
    let document = finished.document();
    document.expect_only(&["ok"]);
    assert_eq!(server.requests(), 200, "{finished}");
}

#[test]
fn every_address_of_a_name_is_loaded() {
    const TEST: &str = "every_address_of_a_name_is_loaded";
    let first = Server::start(&Behaviour::Good);
    let second =
        Server::start_at(&format!("127.0.0.2:{}", first.address().port()), &Behaviour::Good);
    let Some(finished) = with_hosts(
        TEST,
        "127.0.0.1 two.test\n127.0.0.2 two.test\n",
        &format!("-c 4 -n 200 --warmup 0s http://two.test:{}/", first.address().port()),
    ) else {
        return;
    };
    let finished = finished.expect_code(0);
    finished.document().expect_only(&["ok"]);
    assert!(first.connections() >= 1 && second.connections() >= 1, "both are used\n{finished}");
    assert_eq!(first.requests() + second.requests(), 200, "{finished}");
}

#[test]
fn the_address_of_a_name_at_which_requests_fail_is_named() {
    const TEST: &str = "the_address_of_a_name_at_which_requests_fail_is_named";
    for (behaviour, outcome) in
        [(Behaviour::Status(404), "status"), (Behaviour::NeverAnswer, "timeout")]
    {
        let good = Server::start(&Behaviour::Good);
        let port = good.address().port();
        let bad = Server::start_at(&format!("127.0.0.2:{port}"), &behaviour);
        let Some(finished) = with_hosts(
            TEST,
            "127.0.0.1 two.test\n127.0.0.2 two.test\n",
            &format!("-c 64 -d 1s --warmup 0s --timeout 300ms http://two.test:{port}/"),
        ) else {
            return;
        };
        let document = finished.expect_code(0).document();
        // The end of the run cuts off requests that are not answered.
        document.expect_none_but(&["ok", outcome, "censored"]);
        let failed = document.outcome(outcome);
        document.expect(failed >= 32 && bad.requests() >= failed, "those of one address");
        let notes = document.at("verdict.notes").to_string();
        let expected = format!("that failed did so at {}, ", bad.address());
        document.expect(notes.contains(&expected), &expected);
    }
}

/// A run that resolves names by these lines; `None`, with a message, if the test cannot set that
/// up.
fn with_hosts(test: &str, hosts: &str, args: &str) -> Option<Finished> {
    let unshared = Command::new("unshare").args(["--mount", "true"]).output();
    if !unshared.is_ok_and(|output| output.status.success()) {
        skip(test, "needs root, or the right to make a mount namespace, and unshare");
        return None;
    }
    let run = Run::json(args);
    std::fs::write(run.folder().join("hosts"), hosts).expect("the folder is ours");
    let script = "mount --bind hosts /etc/hosts && exec \"$@\"";
    Some(run.through("unshare --mount", script).finish())
}
