//! When the flows of scenarios begin, and how many: schedules, stages, replays, users, pauses.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::scenarios::{flow, step};
use crate::support::document::Document;
use crate::support::recording::{Answer, Asked, Recording, ok};
use crate::support::run::Run;

const ONE: &str = "[[flow]]\nname = \"f\"\n[[flow.step]]\nname = \"s\"\npath = \"/\"\n";
const THREE: &str =
    "[[flow]]\nname = \"f\"\n[[flow.step]]\nname = \"s\"\npath = \"/\"\nrepeat = 3\n";

/// Flows begun in each measured second, as they were due.
fn begun(document: &Document) -> Vec<u64> {
    let all = document.at("intervals").as_array().expect("a list");
    let measured = all.iter().filter(|interval| interval["phase"] == "measure");
    measured.map(|interval| interval["released"].as_u64().expect("a count")).collect()
}

/// How many flows may be counted to the second after the one that they were due in, at this rate:
/// what was due while the machine kept the run from its work.
fn late(document: &Document, rate: f64) -> u64 {
    (document.number("latency_ns.lateness.max") / 1e9 * rate).ceil() as u64
}

#[test]
fn a_constant_rate_begins_exactly_so_many_flows() {
    for (cores, args) in [(1, ""), (2, ""), (2, "-R 300")] {
        let server = Recording::good();
        let text = format!("[load]\nrate = 200\nconnections = 16\nduration = \"2s\"\n{THREE}");
        let args = format!("--warmup 500ms --cores {cores} {args}");
        let finished = Run::scenario(&args, &server.target(), &text).finish().expect_code(0);
        let document = finished.document();
        let rate = if args.contains("-R") { 300 } else { 200 };
        document.expect_only(&["ok"]);
        document.expect(flow(&document, "f")["passed"] == 2 * rate, "rate x duration");
        document.expect(document.number("rate.offered") == rate as f64, "as offered");
        let reported = format!("{} requests", server.count());
        document.expect(server.count() == 3 * (2 * rate + rate / 2), &reported);
        // A flow's later steps are due when its earlier ones are answered, even past the window;
        // those of the warm-up may be due in it.
        let released = document.released();
        document.expect((4 * rate..=7 * rate).contains(&released), &released.to_string());
    }
}

#[test]
fn random_arrivals_are_those_of_their_seed() {
    let server = Recording::good();
    let text = format!("[load]\nrate = 100\narrivals = \"poisson\"\nconnections = 16\n{ONE}");
    let run = |seed: u64, cores: u64| {
        let args = format!("--warmup 0s -d 2s --cores {cores} --seed {seed}");
        let document =
            Run::scenario(&args, &server.target(), &text).finish().expect_code(0).document();
        (begun(&document), document)
    };
    let (first, document) = run(1, 1);
    let (again, same) = run(1, 1);
    // Three times the rate is more than any of its short stretches has.
    let blur = late(&document, 300.0) + late(&same, 300.0);
    let is_near = |(one, other): (&u64, &u64)| one.abs_diff(*other) <= blur;
    let all = |counts: &[u64]| counts.iter().sum::<u64>();
    document.expect(all(&first) == all(&again), "the same seed, as many arrivals");
    document.expect(first.iter().zip(&again).all(is_near), &format!("{first:?} {again:?}"));
    let others: Vec<_> = (2..5).map(|seed| run(seed, 1).0).collect();
    let differs = others.iter().any(|other| all(other) != all(&first));
    document.expect(differs, &format!("{first:?} {others:?}"));
    for counts in others.iter().chain([&first, &run(1, 2).0]) {
        let all: u64 = counts.iter().sum();
        // 200 expected: within five standard deviations.
        document.expect((130..=270).contains(&all), &format!("{counts:?}"));
    }
}

#[test]
fn stages_change_the_rate_as_written() {
    let server = Recording::good();
    let text = format!(
        r#"
        [load]
        rate = 100
        connections = 16
        warmup = "1s"
        [[load.stage]]
        shape = "ramp"
        rate = 300
        duration = "2s"
        [[load.stage]]
        shape = "spike"
        rate = 500
        duration = "1s"
        [[load.stage]]
        shape = "step"
        rate = 50
        duration = "2s"
        {ONE}"#
    );
    for cores in [1, 2] {
        let document = Run::scenario(&format!("--cores {cores}"), &server.target(), &text)
            .finish()
            .expect_code(0)
            .document();
        document.expect_only(&["ok"]);
        let counts = begun(&document);
        let expected = [150, 250, 500, 50, 50];
        document.expect(counts.len() == 5, &format!("five seconds: {counts:?}"));
        for (counted, expected) in counts.iter().zip(expected) {
            let is_near = counted.abs_diff(expected) <= 2 * cores + late(&document, 500.0);
            document.expect(is_near, &format!("{counts:?}, expected {expected}"));
        }
        document.expect(counts.iter().sum::<u64>().abs_diff(1_000) <= 2 * cores, "in all");
        let offered = document.number("rate.offered");
        document.expect((offered - 200.0).abs() < 0.01, &format!("{offered}/s on average"));
    }
}

const REPLAY: &str = r#"
[load]
replay = { data = "log", column = "at", flow = "what", speed = 2 }
connections = 8
[data.log]
file = "log.csv"
[[flow]]
name = "get"
[[flow.step]]
name = "get it"
path = "/get/{{log.q}}"
[[flow]]
name = "put"
[[flow.step]]
name = "put it"
method = "PUT"
path = "/put/{{log.q}}"
"#;

#[test]
fn a_replay_keeps_the_times_and_rows_of_its_file() {
    // Two at the same moment, and a gap; in the file twice as long as they take here.
    let times = [0.0, 0.2, 0.2, 0.6, 2.0, 2.4];
    let rows: String = times
        .iter()
        .enumerate()
        .map(|(row, at)| format!("{at},{},q{row}\n", if row % 3 == 2 { "put" } else { "get" }))
        .collect();
    for cores in [1, 2] {
        let server = Recording::good();
        let run = Run::scenario(&format!("--cores {cores}"), &server.target(), REPLAY)
            .file("log.csv", &format!("at,what,q\n{rows}"));
        let document = run.finish().expect_code(0).document();
        document.expect_only(&["ok"]);
        document.expect(document.released() == 6, "every row once");
        document.expect(flow(&document, "get")["passed"] == 4, "four of one flow");
        document.expect(flow(&document, "put")["passed"] == 2, "two of the other");
        let mut asked = server.asked();
        asked.sort_by_key(|asked| asked.line().rsplit('q').next().map(str::to_owned));
        let lines: Vec<_> = asked.iter().map(Asked::line).collect();
        let expected = [
            "GET /get/q0",
            "GET /get/q1",
            "PUT /put/q2",
            "GET /get/q3",
            "GET /get/q4",
            "PUT /put/q5",
        ];
        document.expect(lines == expected, &format!("{lines:?}"));
        for (asked, at) in asked.iter().zip(times) {
            let due = Duration::from_secs_f64(at / 2.0);
            let came = asked.at.duration_since(server.asked()[0].at);
            // A time of another row or speed is farther away than this, and the run owns up to
            // what it was late.
            let late = Duration::from_nanos(document.count("latency_ns.lateness.max"));
            let apart = came.abs_diff(due);
            let is_near = apart < Duration::from_millis(80) + late;
            document.expect(is_near, &format!("{came:?} for {due:?}"));
        }
    }
}

#[test]
fn a_replay_takes_a_slower_server_for_what_it_is() {
    let server = Recording::start(|_| Answer::Late(Duration::from_millis(100), ok("late")));
    let rows: String = (0..10).map(|row| format!("0.{row},get,q{row}\n")).collect();
    let text =
        REPLAY.replace("connections = 8", "connections = 1").replace("speed = 2", "speed = 10");
    let run =
        Run::scenario("", &server.target(), &text).file("log.csv", &format!("at,what,q\n{rows}"));
    let document = run.finish().expect_code(0).document();
    document.expect_only(&["ok"]);
    document.expect(document.released() == 10, "what is due in the window is counted");
    document.expect(document.number("latency_ns.response.max") > 850e6, "the last waits for nine");
    document.expect(document.number("latency_ns.service.max") < 500e6, "each is served in 100 ms");
}

#[test]
fn users_are_more_or_fewer_than_connections() {
    for (users, connections, cores) in [(1, 4, 1), (1, 4, 2), (3, 3, 1), (50, 2, 1), (50, 2, 2)] {
        let server = Recording::start(|_| Answer::Late(Duration::from_millis(20), ok("hello")));
        let text = format!(
            "[load]\nusers = {users}\nconnections = {connections}\n[[flow]]\nname = \"f\"\n\
             [[flow.step]]\nname = \"s\"\npath = \"/{{{{user}}}}\"\n"
        );
        let args = format!("--warmup 0s -d 1s --cores {cores}");
        let document =
            Run::scenario(&args, &server.target(), &text).finish().expect_code(0).document();
        document.expect_only(&["ok"]);
        document.expect(document.count("plan.users") == users, "as many as the file says");
        let mut lines: Vec<_> = server.asked().iter().map(Asked::line).collect();
        let all = lines.len() as u64;
        lines.sort_unstable();
        lines.dedup();
        document.expect(lines.len() as u64 == users, "each user sends, and nobody else");
        // At a time as many as there are of the scarcer: 50 answers a second each.
        // Flows that have begun go on after the second.
        let at_most = 51 * users.min(connections) + users;
        document.expect(all <= at_most, &format!("{all} of {at_most}"));
        document.expect(server.connections() == connections, "connections are kept");
        if users > connections {
            let waits = step(&document, "s")["response"]["p50"].as_f64();
            document.expect(waits > Some(300e6), "fifty users over two connections wait");
        }
    }
}

#[test]
fn pauses_are_taken_and_not_counted() {
    let server = Recording::good();
    let text = r#"
        [load]
        users = 10
        connections = 10
        [[flow]]
        name = "f"
        [[flow.step]]
        name = "a"
        path = "/a"
        think = { constant = "200ms" }
        [[flow.step]]
        name = "b"
        path = "/b"
        think = { uniform = ["100ms", "300ms"] }
    "#;
    let document = Run::scenario("--warmup 0s -d 2s --cores 1", &server.target(), text)
        .finish()
        .expect_code(0)
        .document();
    document.expect_only(&["ok"]);
    // 400 ms a round on average, five rounds each; a busy machine makes fewer.
    let passed = flow(&document, "f")["passed"].as_u64();
    document.expect((Some(30)..=Some(62)).contains(&passed), &format!("{passed:?} flows"));
    let longest = flow(&document, "f")["response"]["p50"].as_f64();
    document.expect(longest < Some(100e6), "pauses are no waiting");
    // Behind each request of a connection comes its user's next one, a pause later.
    let asked = server.asked();
    for user in 0..10 {
        let own: Vec<_> = asked.iter().filter(|asked| asked.connection == user).collect();
        document.expect(!own.is_empty(), "free connections are taken in turn");
    }
    let first = asked.iter().find(|asked| asked.line() == "GET /b").expect("a second step");
    let pause = first.at - asked[0].at;
    document.expect(pause >= Duration::from_millis(195), &format!("{pause:?}"));
}

#[test]
fn random_pauses_have_their_mean() {
    let server = Recording::good();
    let text = "[load]\nusers = 100\nconnections = 4\n[[flow]]\nname = \"f\"\n[[flow.step]]\n\
                path = \"/\"\nthink = { exponential = \"100ms\" }\n";
    let document = Run::scenario("--warmup 0s -d 2s --cores 2", &server.target(), text)
        .finish()
        .expect_code(0)
        .document();
    // 1,000 flows a second, less what the server takes: five standard deviations of 2,000 and
    // a fifth for a busy machine.
    let passed = flow(&document, "f")["passed"].as_u64();
    document.expect((Some(1_500)..=Some(2_350)).contains(&passed), &format!("{passed:?} flows"));
}

#[test]
fn a_flow_goes_on_past_the_window_and_no_flow_begins_there() {
    let server = Recording::start(|_| Answer::Late(Duration::from_millis(300), ok("late")));
    let text = "[load]\nusers = 2\nconnections = 2\n".to_owned() + THREE;
    let document = Run::scenario("--warmup 0s -d 500ms --timeout 5s", &server.target(), &text)
        .finish()
        .expect_code(0)
        .document();
    document.expect_only(&["ok"]);
    document.expect(server.count() == 6, "two flows of three steps");
    document.expect(document.released() == 4, "due at 0 and 300 ms, not those due at 600 ms");
    document.expect(flow(&document, "f")["passed"] == 2, "and yet whole flows");
    let response = flow(&document, "f")["response"]["max"].as_f64();
    document.expect(response >= Some(895e6), "from its first step to its last");
}

#[test]
fn what_outlasts_the_timeout_after_the_window_is_cut_short() {
    let server = Recording::good();
    let text = "[load]\nusers = 3\nconnections = 3\n[[flow]]\nname = \"f\"\n[[flow.step]]\n\
                path = \"/a\"\nthink = { constant = \"20s\" }\n[[flow.step]]\npath = \"/b\"\n";
    let finished = Run::scenario("--warmup 0s -d 300ms --timeout 500ms", &server.target(), text)
        .finish()
        .expect_code(0);
    let document = finished.document();
    document.expect(finished.took < Duration::from_secs(6), "nobody waits for twenty seconds");
    document.expect(document.released() == 3, "the first step of each");
    document.expect(flow(&document, "f")["unfinished"] == 3, "reported as such");
    document.expect(step(&document, "GET /b")["released"] == 0, "never came to it");
}

#[test]
fn a_user_keeps_to_a_connection_of_its_own_where_that_is_asked_for() {
    let text = r#"
        [[flow]]
        name = "two"
        [[flow.step]]
        path = "/a"
        headers = { X-User = "{{user}}" }
        [[flow.step]]
        path = "/b"
        headers = { X-User = "{{user}}" }
    "#;
    for load in ["users = 5\nconnections = 8", "rate = 300\nconnections = 4"] {
        for cores in [1, 2] {
            let server = Recording::good();
            let text = format!("[load]\nown_connections = true\n{load}\n{text}");
            let args = format!("--warmup 0s -d 500ms --cores {cores}");
            let run = Run::scenario(&args, &server.target(), &text);
            let document = run.finish().expect_code(0).document();
            document.expect_only(&["ok"]);
            let mut connections: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
            for asked in server.asked() {
                let user = asked.field("X-User").expect("every request names its user");
                connections.entry(user).or_default().insert(asked.connection);
            }
            document.expect(connections.len() >= 5, "there are users");
            document.expect(connections.values().all(|of| of.len() == 1), "one each");
            let all: BTreeSet<_> = connections.values().flatten().collect();
            let is_closed = load.starts_with("users");
            document.expect(!is_closed || all.len() == 5, "of five users, five");
            document.expect(is_closed || all.len() == connections.len(), "nobody has another's");
            let reasons = document.at("verdict.reasons").to_string();
            document.expect(!reasons.contains("\"connections\""), &reasons);
        }
    }
}
