//! Options next to a scenario, errors in a scenario file, and the report of a scenario's run.

use std::time::Duration;

use crate::scenarios::{flow, step};
use crate::support::document::Document;
use crate::support::recording::{Answer, Recording, answer, ok};
use crate::support::run::{Finished, Run};
use crate::support::target::Target;

const TWO: &str = "[[flow]]\nname = \"f\"\n[[flow.step]]\nname = \"good\"\npath = \"/good\"\n\
    [[flow.step]]\nname = \"bad\"\npath = \"/bad\"\n[[flow]]\nname = \"g\"\n[[flow.step]]\n\
    name = \"good\"\npath = \"/good\"\n";

fn server() -> Recording {
    Recording::start(|asked| {
        Answer::Bytes(if asked.line() == "GET /bad" { answer(500, &[], "") } else { ok("hello") })
    })
}

/// Objectives, and whether each should be met.
type Expected = &'static [(&'static str, bool)];

/// Each objective of a document with whether it was met.
fn objectives(document: &Document) -> Vec<(String, Option<bool>)> {
    let all = document.at("slo").as_array().expect("a list");
    let one = |slo: &serde_json::Value| {
        (slo["objective"].as_str().unwrap_or_default().to_owned(), slo["met"].as_bool())
    };
    all.iter().map(one).collect()
}

/// The exit code must be this one, or that of an invalid measurement, since other load may disturb
/// it.
fn expect_gate(finished: Finished, code: i32) -> Finished {
    let is_invalid = finished.stdout.contains("\"validity\": \"invalid\"");
    finished.expect_code(if is_invalid { 13 } else { code })
}

#[test]
fn objectives_are_about_the_whole_a_flow_or_a_step() {
    let server = server();
    let cases: [(&str, Expected, i32); 5] = [
        ("limit = \"p50<60s,errors<60%\"", &[("p50 < 60.0 s", true), ("errors < 60.0 %", true)], 0),
        ("limit = \"errors<1%\"", &[("errors < 1.0 %", false)], 11),
        (
            "flow = \"g\"\nlimit = \"errors<1%,rate>1,max<=9s\"",
            &[("g errors < 1.0 %", true), ("g rate > 1/s", true), ("g max <= 9.00 s", true)],
            0,
        ),
        ("flow = \"f\"\nlimit = \"errors<1%\"", &[("f errors < 1.0 %", false)], 11),
        (
            "flow = \"f\"\nstep = \"good\"\nlimit = \"errors<1%\"\n[[slo]]\nflow = \"f\"\n\
             step = \"bad\"\nlimit = \"errors<1%\"",
            &[("f/good errors < 1.0 %", true), ("f/bad errors < 1.0 %", false)],
            11,
        ),
    ];
    for (slo, expected, code) in cases {
        let text = format!("[load]\nrate = 100\nconnections = 4\n{TWO}[[slo]]\n{slo}\n");
        let args = "--warmup 0s -d 1s --cores 1";
        let finished = expect_gate(Run::scenario(args, &server.target(), &text).finish(), code);
        let document = finished.document();
        let expected: Vec<_> =
            expected.iter().map(|(text, met)| ((*text).to_owned(), Some(*met))).collect();
        document.expect(objectives(&document) == expected, "in the order of the file");
    }
}

#[test]
fn an_objective_of_too_few_samples_is_not_decided() {
    let server = server();
    let text = format!(
        "[load]\nrate = 20\nconnections = 4\n{TWO}[[slo]]\nflow = \"g\"\nlimit = \"p99.9<9s\"\n"
    );
    let args = "--warmup 0s -d 1s --cores 1 --slo max<60s";
    let finished = expect_gate(Run::scenario(args, &server.target(), &text).finish(), 12);
    let document = finished.document();
    let expected = [("max < 60.0 s".to_owned(), Some(true)), ("g p99.9 < 9.00 s".to_owned(), None)];
    document.expect(objectives(&document) == expected, "what is typed comes first");
}

#[test]
fn what_is_typed_goes_before_the_file() {
    let server = server();
    let text = format!(
        "[load]\nrate = 10\narrivals = \"poisson\"\nconnections = 3\nwarmup = \"10s\"\n\
         duration = \"20s\"\n[[load.stage]]\nshape = \"ramp\"\nrate = 50\nduration = \"30s\"\n{TWO}"
    );
    let args = "-d 1s -c 2 -R 50 --warmup 0s --arrivals constant --cores 1 --seed 9 --timeout 2s";
    let finished = Run::scenario(args, &server.target(), &text).finish().expect_code(0);
    let document = finished.document();
    document.expect(document.number("plan.duration_s") == 1.0, "-d");
    document.expect(document.count("plan.connections") == 2 && server.connections() == 2, "-c");
    document.expect(document.number("plan.rate") == 50.0, "-R");
    document.expect(document.number("plan.warmup_s") == 0.0, "--warmup");
    document.expect(document.text("plan.arrivals") == "constant", "--arrivals");
    document.expect(document.count("plan.seed") == 9, "--seed");
    document.expect(document.number("plan.timeout_s") == 2.0, "--timeout");
    let flows = ["f", "g"].map(|name| flow(&document, name));
    let ended = flows.map(|flow| flow["passed"].as_u64().zip(flow["failed"].as_u64()));
    let all: u64 = ended.iter().flatten().map(|(passed, failed)| passed + failed).sum();
    document.expect(all == 50, &format!("{all} flows: no stages any more"));
    // Without a rate in the file, `-c` sets the number of users, and `-R` makes an open loop.
    let args = "-d 500ms --warmup 0s --cores 1";
    let closed = format!("[load]\nconnections = 3\n{TWO}");
    let document = Run::scenario(&format!("{args} -c 5"), &server.target(), &closed)
        .finish()
        .expect_code(0)
        .document();
    document.expect(document.count("plan.users") == 5, "one for each connection");
    let document = Run::scenario(&format!("{args} -R 40"), &server.target(), &closed)
        .finish()
        .expect_code(0)
        .document();
    document.expect(document.number("plan.rate") == 40.0, "an open loop");
    document.expect(document.at("plan.users").is_null(), "a user for each flow");
}

#[test]
fn what_the_file_says_itself_is_refused() {
    for (option, parts) in [
        ("-m PUT", vec!["-m", "steps"]),
        ("-H a:b", vec!["-H", "steps"]),
        ("--body x", vec!["--body", "steps"]),
        ("--body-size 3", vec!["--body-size", "steps"]),
        ("-F a=b", vec!["-F", "steps"]),
        ("--sse", vec!["--sse", "steps"]),
        ("--stall 1s", vec!["--stall", "steps"]),
        ("--echo", vec!["--echo", "steps"]),
        ("-n 5", vec!["-n", "-d"]),
        ("-p 2", vec!["-p", "users"]),
        ("--idle-connections 3", vec!["--idle-connections", "URL"]),
        ("--read-rate 100", vec!["--read-rate", "URL"]),
        ("--proxy-protocol v1", vec!["--proxy-protocol", "URL"]),
        ("--arrivals poisson", vec!["--arrivals", "-R"]),
        ("-d 0", vec!["-d", "10s"]),
        ("-k", vec!["-k", "https://"]),
    ] {
        let run = Run::scenario(option, "http://127.0.0.1:1", TWO);
        run.finish().expect_code(2).expect_line(&parts);
    }
}

#[test]
fn what_is_no_scenario_is_told_with_its_remedy() {
    for (args, parts) in [
        ("gone.toml", vec!["gone.toml", "cannot be read", "scenario"]),
        ("folder.toml", vec!["folder.toml", "cannot be read", "scenario"]),
        ("text.txt", vec!["text.txt", ".toml"]),
    ] {
        let run = Run::json(args).file("text.txt", "target = \"http://a\"\n");
        std::fs::create_dir(run.folder().join("folder.toml")).expect("the folder is ours");
        run.finish().expect_code(2).expect_line(&parts);
    }
    let run = Run::json("http://shop.toml").file("shop.toml", TWO);
    run.finish().expect_code(1).expect_line(&["shop.toml", "http://"]);
}

#[test]
fn every_mistake_of_a_file_is_told() {
    let text = "[load]\nusers = 0\n[[flow]]\nname = \"\"\n[[flow.step]]\npath = \"x\"\n\
                [[flow.step]]\npath = \"/{{nobody}}\"\n[[slo]]\nlimit = \"p98<1\"\n";
    let finished = Run::scenario("", "http://127.0.0.1:1/path", text).finish().expect_code(2);
    let lines: Vec<_> = finished.stderr.lines().collect();
    let expected = [
        ("1:1", "target", "/path"),
        ("3:1", "load.users", "at least 1"),
        ("5:1", "flow.name", "name the flow"),
        ("7:1", "flow.step.path", "/"),
        ("9:1", "flow.step.path", "nobody"),
        ("11:1", "slo.limit", "p98"),
    ];
    assert_eq!(lines.len(), expected.len(), "{finished}");
    for (line, (place, field, part)) in lines.iter().zip(expected) {
        assert!(line.starts_with(&format!("uringbench: shop.toml:{place}: {field}")), "{finished}");
        assert!(line.contains(part), "{part}\n{finished}");
    }
    assert!(finished.files("run.json").is_empty() && finished.stdout.is_empty(), "{finished}");
}

#[test]
fn a_mistake_is_told_before_the_server_is_asked() {
    let server = server();
    let text = "[[flow]]\nname = \"f\"\n[[flow.step]]\npath = \"/{{nobody}}\"\n";
    Run::scenario("", &server.target(), text).finish().expect_code(2).expect_line(&["nobody"]);
    assert_eq!(server.connections(), 0);
}

#[test]
fn results_have_a_folder_of_the_scenario_s_name() {
    let server = server();
    let run = |args: &str| Run::scenario(args, &server.target(), TWO).finish().expect_code(0);
    let args = "--warmup 0s -d 200ms --cores 1";
    let host = server.address().to_string().replace(':', "_");
    for (more, name) in [("", "shop"), ("--name Black-Friday", "Black-Friday")] {
        let finished = run(&format!("{args} {more}"));
        finished.expect_stored();
        let stored = finished.file("run.json");
        let folder = finished.folder().join("results").join(&host).join(name);
        assert!(stored.starts_with(&folder), "{} in {}", stored.display(), folder.display());
        let document = finished.document();
        document.expect(document.text("plan.name") == name, "the name of the run");
        document.expect(document.text("plan.url") == format!("{}/", server.target()), "the target");
    }
    let finished = run(&format!("{args} -o here"));
    assert_eq!(finished.file("run.json"), finished.folder().join("here/run.json"));
}

#[test]
fn the_page_tells_flows_and_steps() {
    let server = server();
    let run = Run::text("-q --warmup 0s -d 500ms --cores 1 -c 2 shop.toml");
    let finished = run
        .file("shop.toml", &format!("target = \"{}\"\n{TWO}", server.target()))
        .finish()
        .expect_code(0);
    let lines: Vec<_> = finished.stdout.lines().collect();
    let has = |start: &str, part: &str| {
        let found = lines.iter().any(|line| line.starts_with(start) && line.contains(part));
        assert!(found, "no line {start:?} with {part:?}\n{finished}");
    };
    has("target", "shop.toml");
    has("load", "closed loop, 2 users");
    has("flows", "passed");
    has("steps", "passed");
    has("  f/bad", " 0 ");
    has("rate", "requests completed");
    has("    ", "status is 400 or above");
}

#[test]
fn other_backends_and_options_carry_scenarios() {
    let server = server();
    for args in [
        "--engine monoio",
        "--engine tokio-uring",
        "--wait block -R 100",
        "--requests-per-connection 3",
        "--close rst",
        "--connect-rate 100",
        "--source-ip 127.0.0.3",
    ] {
        let run =
            Run::scenario(&format!("--warmup 0s -d 500ms -c 2 {args}"), &server.target(), TWO);
        let document = run.finish().expect_code(0).document();
        document.expect_none_but(&["ok", "status"]);
        document.expect(step(&document, "bad")["errors"]["status"].as_u64() > Some(3), args);
    }
}

#[test]
fn a_soak_of_a_scenario_lasts_as_long_as_its_file_says() {
    let target = Target::start();
    let text = "[load]\nrate = 200\nconnections = 4\nwarmup = \"0s\"\nduration = \"3s\"\n\
                [[flow]]\nname = \"f\"\n[[flow.step]]\npath = \"/\"\n\
                [[flow.step]]\npath = \"/x\"\n";
    let file = format!("target = \"{}\"\n{text}", target.url().trim_end_matches('/'));
    let watched = format!("--profile {}", target.pid());
    for more in ["", "--dose"] {
        let run = Run::text(&format!("soak --json -q {watched} {more} shop.toml"));
        let finished = run.file("shop.toml", &file).finish();
        assert!(finished.took < Duration::from_secs(40), "{finished}");
        // Such a short soak cannot give a verdict.
        let document = finished.expect_code(12).document();
        document.expect(document.number("plan.duration_s") == 3.0, "of the file");
        document.expect(document.text("soak.verdict") == "inconclusive", "and says so");
    }
    let staged = format!("{file}[[load.stage]]\nshape = \"step\"\nrate = 9\nduration = \"1s\"\n");
    for (more, file, parts) in [
        ("--dose", staged, ["--dose", "stage"]),
        ("--dose", file.replace("rate = 200\n", ""), ["--dose", "-R"]),
    ] {
        let run = Run::text(&format!("soak -q {watched} {more} shop.toml"));
        run.file("shop.toml", &file).finish().expect_code(2).expect_line(&parts);
    }
}
