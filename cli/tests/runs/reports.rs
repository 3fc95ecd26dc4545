//! `uringbench report`: the report of a stored run equals the one printed at the end of the run,
//! character by character; also the errors for folders without a run.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::certificates::{Certificates, Kind};
use crate::support::nginx::Nginx;
use crate::support::recording::{Answer, Recording, ok};
use crate::support::run::{Finished, Run};
use crate::support::target::Target;

/// Two steps, one of which always fails.
const BROWSE: &str = r#"
[load]
rate = 200
duration = "500ms"
warmup = "0s"

[[flow]]
name = "browse"

[[flow.step]]
name = "look"
path = "/look"

[[flow.step]]
name = "search"
path = "/search"
check = { status = [201] }
"#;

fn report(folder: &Path, run: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_uringbench"))
        .args(["report", run])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("the binary under test starts")
}

/// The run must print a report with this beginning and these parts, and its folder and its document
/// must give the same report.
#[track_caller]
fn is_shown_again(finished: &Finished, parts: &[&str]) {
    for part in parts {
        assert!(finished.stdout.contains(part), "{part:?}\n{finished}");
    }
    let stored = finished.stdout.lines().find_map(|line| line.strip_prefix("stored    "));
    let stored = stored.unwrap_or_else(|| panic!("it is not stored\n{finished}"));
    for run in [stored.to_owned(), format!("{stored}/run.json")] {
        let shown = report(finished.folder(), &run);
        let page = String::from_utf8_lossy(&shown.stdout);
        let differing = page.lines().zip(finished.stdout.lines()).find(|(a, b)| a != b);
        assert!(page == finished.stdout, "{differing:?}\n{page}\n{finished}");
        assert!(shown.status.success() && shown.stderr.is_empty(), "{run}");
    }
}

#[test]
fn loads_of_a_url_are_shown_as_they_were() {
    let target = Target::start();
    let closed = Run::text(&format!("-q -c 3 -n 2k {}", target.url())).finish();
    is_shown_again(&closed, &["closed loop", "3 connections", "service time (closed loop)"]);
    let open = format!(
        "-q -o out -c 2 -R 1k --arrivals poisson -d 700ms --warmup 200ms --slo p50<5s,rate>1M {}",
        target.url()
    );
    is_shown_again(
        &Run::text(&open).finish(),
        &["/s poisson", "MISSED   rate > 1,000,000/s", "met      p50 < 5.00 s"],
    );
    let again = format!(
        "-q -c 2 -n 300 --requests-per-connection 7 --idle-connections 3 --engine monoio {}",
        target.url()
    );
    is_shown_again(&Run::text(&again).finish(), &["connects  ", "idle      ", " · monoio"]);
}

#[test]
fn a_load_over_tls_is_shown_as_it_was() {
    let certificates = Certificates::make();
    let shown = certificates.leaf(Kind::Good);
    let nginx = Nginx::start_tls("a_load_over_tls_is_shown_as_it_was", &shown, "");
    let Some(nginx) = nginx else { return };
    let run = Run::text(&format!("-q -k -c 2 -n 200 {}", nginx.https(""))).finish();
    is_shown_again(&run, &["TLS handshake ", " · certificate not checked"]);
}

#[test]
fn errors_are_shown_as_they_were() {
    let server = Recording::start(|asked| match asked.connection % 2 {
        0 => Answer::Bytes(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n".to_vec()),
        _ => Answer::Bytes(ok("x")),
    });
    let url = server.target();
    let run = Run::text(&format!("-q -c 4 -n 40 --timeout 1s {url}/")).finish();
    is_shown_again(&run, &["errors    ", " × malformed: "]);
}

#[test]
fn a_scenario_is_shown_as_it_was() {
    let server = Recording::good();
    let text = format!("target = \"{}\"\n{BROWSE}", server.target());
    let run = Run::text("-q -o out shop.toml").file("shop.toml", &text).finish();
    let parts = ["flows  ", "  browse/search", " x status is not 201", "/s flows offered"];
    is_shown_again(&run, &parts);
}

#[test]
fn a_profile_and_a_soak_are_shown_as_they_were() {
    let target = Target::start();
    let (pid, url) = (target.pid(), target.url());
    let profiled = format!("-q -o out -c 2 -R 500 -d 1s --profile {pid} --profile-overhead {url}");
    let profiled = Run::text(&profiled).finish();
    is_shown_again(&profiled, &["\nprofile   ", "\ntimeline  ", "\nrps  "]);
    let soak =
        format!("soak -q -c 2 -R 200 -d 3s --warmup 0s --timeline-hz 10 --profile {pid} {url}");
    let soak = Run::text(&soak).finish();
    is_shown_again(&soak, &["INCONCLUSIVE", "\nmemory    ", "\nfds       ", "\ntimeline  "]);
    let nobody = format!("-q -c 2 -n 100 --profile no-such-process {url}");
    is_shown_again(&Run::text(&nobody).finish(), &["\nprofile   none: "]);
}

#[test]
fn what_is_no_run_is_refused_in_one_line() {
    let run = Run::text("report gone");
    run.finish().expect_code(1).expect_line(&["no run `gone`", "`uringbench history list`"]);
    let other = Run::text("report x.json").file("x.json", "{\"schema\": \"uringbench.run/2\"}");
    other.finish().expect_code(1).expect_line(&["x.json", "newer uringbench", "update this one"]);
    let cut = Run::text("report x.json").file("x.json", "{\"schema\": \"uringbench.r");
    cut.finish().expect_code(1).expect_line(&["x.json", "damaged", "copy it again"]);
    Run::text("report").finish().expect_code(2).expect_line(&["required", "<RUN>"]);
}
