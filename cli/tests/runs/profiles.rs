//! The profiler through the real binary: beside a load and alone, of targets that are there, that
//! go and that never were, with a reader too slow for its samples.
//!
//! What a profile says of a program is tested with the profiler; here it is decided that a result
//! holds it, that its files agree with each other, and that no profile ever fails a load.

use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::document::Document;
use crate::support::nginx::Nginx;
use crate::support::program::Program;
use crate::support::run::{Finished, Run, Running};
use crate::support::target::Target;
use crate::support::turn::Turn;
use crate::targets;

/// Ways to sample, any of which may be what this user is allowed.
const SAMPLED: [&str; 3] = ["system_wide", "cgroup", "tasks"];

/// Whether samples can be taken here at all; loudly if not.
fn can_sample(test: &str) -> bool {
    let capabilities = uringbench_profiler::capabilities::probe();
    let tried = capabilities.system_wide.or(capabilities.per_task_user_only);
    tried.inspect_err(|why| skip_gently(test, &why.to_string())).is_ok()
}

/// A skip that is no fault of the machine's: it was tried, and refused.
fn skip_gently(test: &str, reason: &str) {
    // A closed stderr is no reason to fail a test.
    let _ = writeln!(std::io::stderr(), "SKIP {test}: {reason}");
}

#[test]
fn a_profile_beside_a_load_prices_nginx_functions() {
    const TEST: &str = "a_profile_beside_a_load_prices_nginx_functions";
    let Some(nginx) = Nginx::start(TEST) else { return };
    if !can_sample(TEST) {
        return;
    }
    let finished = beside(nginx.pid(), "", &nginx.url("small"));
    let document = finished.document();
    let processes = document.at("target.processes").as_array().expect("processes are a list");
    let named = processes.iter().filter(|process| process["name"] == "nginx").count();
    document.expect(named >= 2, "the first nginx and its worker are the target");
    expect_priced(&document);
    expect_consistent(&finished, &document);
}

#[test]
fn a_profile_beside_a_load_names_the_reference_target() {
    const TEST: &str = "a_profile_beside_a_load_names_the_reference_target";
    let target = Target::start();
    if !can_sample(TEST) {
        return;
    }
    let finished = beside(target.pid(), "--name named", target.url());
    let document = finished.document();
    expect_priced(&document);
    expect_consistent(&finished, &document);
    let folded = std::fs::read_to_string(finished.folder().join("out/profile.folded")).unwrap();
    document.expect(folded.contains("uringbench_reference"), "a function of the target's own");
    let copy = finished.folder().join("flamegraphs/named.svg");
    document.expect(copy.is_file(), "a flame graph under the name of the run");
}

/// Half of the run is not sampled: what a request costs is of the other half, as the scheduler says
/// it is of the whole.
#[test]
fn costs_are_of_what_was_sampled_while_the_overhead_is_measured() {
    const TEST: &str = "costs_are_of_what_was_sampled_while_the_overhead_is_measured";
    if !can_sample(TEST) {
        return;
    }
    let target = Target::start();
    let turn = Turn::alone();
    let profile = format!("--profile {} --profile-hz 499 --profile-overhead", target.pid());
    let args = format!("--warmup 300ms -d 8s -c 8 {profile} -o out {}", target.url());
    let finished = Run::json_alone(&args, &turn).finish().expect_code(0);
    drop(turn);
    let document = finished.document();
    // A virtual machine may lose the timers of a CPU for hours: coverage is how much of the time
    // there are samples of, and what is missing there is missing in the cost.
    let share = document.number("target.cpu.us_per_request")
        / document.number("target.counters.target.cpu_us");
    let coverage = document.number("target.coverage");
    // A cost of all of the run would be twice that of half.
    document.expect((0.6..1.67).contains(&(share / coverage)), "sampled as counted");
    let sampled = document.number("target.cpu.us_per_request");
    document.expect(document.number("target.overhead.pairs") >= 2.0, "it was switched");
    let read =
        Run::text(&format!("profile --json --read {}", finished.folder().join("out").display()));
    let again: Value = serde_json::from_str(&read.finish().expect_code(0).stdout).expect("JSON");
    let later = again["target"]["cpu"]["us_per_request"].as_f64().expect("a cost");
    document.expect((later / sampled - 1.0).abs() < 1e-6, "read again it is the same");
}

fn beside(pid: u32, more: &str, url: &str) -> Finished {
    let profile = format!("--profile {pid} --profile-hz 499 --timeline-hz 10 -o out {more}");
    let args = format!("--warmup 300ms -d 2s -c 8 {profile} {url}");
    Run::json(&args).finish().expect_code(0)
}

/// Functions and their costs per request, each with an interval around it.
fn expect_priced(document: &Document) {
    let mode = document.text("target.mode");
    document.expect(SAMPLED.contains(&mode), "it was sampled");
    let functions = document.at("target.functions").as_array().expect("functions are a list");
    document.expect(!functions.is_empty(), "functions are named");
    let mut sum = 0.0;
    for function in functions {
        let cost = &function["us_per_request"];
        let number = |key: &str| cost[key].as_f64();
        let (Some(value), Some(low), Some(high)) =
            (number("value"), number("ci_low"), number("ci_high"))
        else {
            // What was sampled once has no interval.
            continue;
        };
        document.expect(low <= value && value <= high, "an interval holds its value");
        sum += value;
    }
    let all = document.number("target.cpu.us_per_request");
    document.expect(sum > 0.0 && sum <= all * 1.001, "parts are not more than the whole");
    // A request takes longer than nothing, and less than all there is.
    let share: f64 = functions.iter().filter_map(|f| f["self_share"].as_f64()).sum();
    // Kernel time is spread over hundreds of functions; the first 20 are listed.
    document.expect(share > 0.1 && share <= 1.001, "shares are shares");
}

/// The files are there, and say what the document says.
fn expect_consistent(finished: &Finished, document: &Document) {
    let folder = finished.folder().join("out");
    let files = document.at("target.files").as_array().expect("files are a list");
    for name in files.iter().filter_map(Value::as_str) {
        document.expect(folder.join(name).is_file(), name);
    }
    let listed = |name: &str| files.iter().any(|file| file == name);
    document.expect(
        ["flamegraph.svg", "profile.folded", "timeline.json", "profile.samples"]
            .into_iter()
            .all(listed),
        "what every profile has",
    );
    expect_exports(&folder, document);
    let stored: Value = parse(&folder.join("run.json"));
    document.expect(&stored["target"] == document.at("target"), "stored as it was printed");
    let svg = text(&folder.join("flamegraph.svg"));
    document.expect(svg.contains("<svg") && svg.trim_end().ends_with("</svg>"), "a whole SVG");

    let folded = text(&folder.join("profile.folded"));
    let weights = folded.lines().map(|line| {
        let (stack, weight) = line.rsplit_once(' ').expect("a stack and its weight");
        assert!(!stack.is_empty() && !stack.split(';').any(str::is_empty), "{line}");
        weight.parse::<u64>().expect("a weight in nanoseconds")
    });
    let sum = weights.sum::<u64>() as f64 / 1e9;
    let seconds = document.number("target.cpu.seconds");
    document.expect((sum - seconds).abs() < 1e-6, "stacks add up to the CPU time");
    expect_timeline(&parse(&folder.join("timeline.json")), document);
}

/// What other tools read holds the same samples, and the load.
fn expect_exports(folder: &Path, document: &Document) {
    let firefox = gunzipped(&folder.join("profile.firefox.json.gz"));
    let firefox: Value = serde_json::from_slice(&firefox).expect("the Firefox Profiler's JSON");
    let threads = firefox["threads"].as_array().expect("it has threads");
    let samples = threads.iter().filter_map(|thread| thread["samples"]["length"].as_u64());
    let counted = document.number("target.samples") as u64;
    document.expect(samples.sum::<u64>() >= counted, "it has all samples of the whole run");
    document.expect(firefox.to_string().contains("requests per second"), "and the load");
    // The strings of a protocol buffer stand in it as they are.
    let pprof = gunzipped(&folder.join("profile.pb.gz"));
    let contains = |text: &str| pprof.windows(text.len()).any(|part| part == text.as_bytes());
    let first = document.at("target.functions")[0]["function"].as_str().expect("a name");
    document.expect(contains(first) && contains("nanoseconds"), "pprof's file names functions");
}

fn gunzipped(path: &Path) -> Vec<u8> {
    let file = std::fs::File::open(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    let mut content = Vec::new();
    flate2::read::GzDecoder::new(file).read_to_end(&mut content).expect("it is compressed");
    content
}

/// Every series has a value, or none, for each moment; and they say what the document says.
fn expect_timeline(timeline: &Value, document: &Document) {
    let times = timeline["t_s"].as_array().expect("moments are a list");
    let rises = times.windows(2).all(|two| two[0].as_f64() < two[1].as_f64());
    document.expect(times.len() >= 3 && rises, "moments of the timeline");
    for part in ["load", "target", "host"] {
        let series = timeline[part].as_object().unwrap_or_else(|| panic!("no {part}"));
        for (name, values) in series {
            let count = values.as_array().map_or(0, Vec::len);
            assert_eq!(count, times.len(), "{part}.{name}");
        }
    }
    let rows = timeline["load"]["completed_per_s"].as_array().expect("a list");
    let some = rows.iter().filter_map(Value::as_f64).fold(0.0, f64::max);
    document.expect(some > 0.0, "the load is on the timeline");
    let memory = timeline["target"]["rss_anon_bytes"].as_array().expect("a list");
    document.expect(memory.iter().any(|bytes| bytes.as_f64() > Some(0.0)), "so is the target");
}

fn parse(path: &Path) -> Value {
    serde_json::from_str(&text(path)).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

#[test]
fn a_target_that_is_not_there_leaves_the_load_alone() {
    let target = Target::start();
    // The kernel hands out no greater number than 2^22.
    for (profile, cause) in [("4194304", "no process"), ("no-such-process-42", "no process")] {
        let args = format!("--warmup 0s -n 400 -c 8 --profile {profile} -o out {}", target.url());
        let finished = Run::json(&args).finish().expect_code(0);
        let document = finished.document();
        document.expect_only(&["ok"]);
        document.expect(document.text("target.mode") == "none", "nothing was sampled");
        let why = document.at("target.instead_of.0").as_str().unwrap_or_default();
        document.expect(why.contains(cause) && why.contains("give"), "cause and fix");
        let stored = parse(&finished.folder().join("out/run.json"));
        assert_eq!(stored["target"]["mode"], "none");
    }
}

#[test]
fn a_target_that_goes_meanwhile_is_told_of_up_to_its_end() {
    const TEST: &str = "a_target_that_goes_meanwhile_is_told_of_up_to_its_end";
    let Ok(burner) = targets::build("burner", &[]) else { return };
    if !can_sample(TEST) {
        return;
    }
    let target = Target::start();
    let burner = Program::start(&burner, &["shares"]);
    let profile = format!("--profile {} --profile-hz 997 -o out", burner.pid());
    let args = format!("--warmup 0s -d 3s -R 100 -c 2 {profile} {}", target.url());
    let run = Run::json(&args).start();
    wait_attached(&run);
    burner.burn(Duration::from_millis(500));
    drop(burner);
    let document = run.finish().expect_code(0).document();
    document.expect_only(&["ok"]);
    let functions = document.at("target.functions").to_string();
    document.expect(functions.contains("sixty_percent"), "named past its end");
}

/// Wait until the binary has opened perf events.
fn wait_attached(run: &Running) {
    let began = Instant::now();
    let folder = format!("/proc/{}/fd", run.pid());
    let is_event = |entry: std::fs::DirEntry| {
        std::fs::read_link(entry.path()).is_ok_and(|to| to.as_os_str() == "anon_inode:[perf_event]")
    };
    while !std::fs::read_dir(&folder).is_ok_and(|all| all.flatten().any(is_event)) {
        assert!(began.elapsed() < Duration::from_secs(20), "it does not attach: {folder}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn samples_that_were_lost_are_told_and_make_a_profile_invalid() {
    const TEST: &str = "samples_that_were_lost_are_told_and_make_a_profile_invalid";
    let Ok(burner) = targets::build("burner", &[]) else { return };
    if !can_sample(TEST) {
        return;
    }
    let burner = Program::start(&burner, &["shares"]);
    let args = format!("profile --profile-hz 997 -o out {}", burner.pid());
    let run = Run::text(&args).start();
    wait_attached(&run);
    burner.burn(Duration::from_millis(500));
    // Nobody reads the rings: 8 MiB hold half a second of samples with their stacks.
    run.signal(Signal::STOP);
    burner.burn(Duration::from_secs(2));
    run.signal(Signal::CONT);
    burner.burn(Duration::from_millis(200));
    run.signal(Signal::INT);
    let finished = run.finish().expect_code(0);
    let document = profile_of(&finished);
    let target = &document["target"];
    assert!(target["lost"].as_u64() > Some(100), "{finished}");
    assert_eq!(target["validity"], "invalid", "{finished}");
    assert_eq!(target["reasons"][0]["code"], "samples_lost", "{finished}");
    assert!(target["samples"].as_u64() > Some(50), "what was not lost is there\n{finished}");
}

fn profile_of(finished: &Finished) -> Value {
    let document = parse(&finished.folder().join("out/profile.json"));
    assert_eq!(document["schema"], "uringbench.profile/1", "{finished}");
    document
}

#[test]
fn a_command_is_sampled_from_its_first_instruction_on() {
    const TEST: &str = "a_command_is_sampled_from_its_first_instruction_on";
    let Ok(burner) = targets::build("burner", &[]) else { return };
    if can_sample(TEST) {
        let command = format!("-- {} storm --seconds 2", burner.display());
        let run = Run::text(&format!("profile -q --profile-hz 997 -o out {command}"));
        expect_all_of_it(&run.finish().expect_code(0), 0.9);
    }
}

#[test]
fn a_command_is_sampled_for_an_ordinary_user() {
    const TEST: &str = "a_command_is_sampled_for_an_ordinary_user";
    let Ok(burner) = targets::build("burner", &[]) else { return };
    if !rustix::process::geteuid().is_root() {
        return skip_gently(TEST, "only root becomes another user; the test beside this one ran");
    }
    if uringbench_profiler::capabilities::probe().paranoid.is_none_or(|level| level > 2) {
        return skip_gently(TEST, "kernel.perf_event_paranoid forbids it");
    }
    // Where the programs are built another user may have no way to.
    let place = tempfile::tempdir().unwrap();
    let copied = place.path().join("burner");
    let binary = place.path().join("uringbench");
    std::fs::copy(&burner, &copied).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_uringbench"), &binary).unwrap();
    let command = format!("-- {} storm --seconds 2", copied.display());
    let script = format!("shift; exec {} \"$@\"", binary.display());
    let run = Run::text(&format!("profile -q --profile-hz 997 -o out {command}"))
        .through("setpriv --reuid=65534 --regid=65534 --clear-groups", &script);
    for folder in [place.path(), run.folder()] {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(folder, open).unwrap();
    }
    let finished = run.finish().expect_code(0);
    assert_eq!(profile_of(&finished)["target"]["mode"], "tasks", "{finished}");
    // Without the kernel's half, starting and ending children is not seen.
    expect_all_of_it(&finished, 0.6);
}

/// The burner says itself what CPU time it and its children used.
fn expect_all_of_it(finished: &Finished, least: f64) {
    let line = finished.stdout.lines().find_map(|line| line.strip_prefix("cpu_ns "));
    let used = line.and_then(|nanos| nanos.parse::<f64>().ok()).expect("the burner says") / 1e9;
    let document = profile_of(finished);
    let sampled = document["target"]["cpu"]["seconds"].as_f64().expect("it was sampled");
    // Where others preempt it hundreds of times a second, their switches are sampled with it.
    let most = 1.25;
    let share = sampled / used;
    assert!(share >= least && share <= most, "{sampled} s of {used} s\n{finished}");
    let functions = document["target"]["functions"].to_string();
    assert!(functions.contains("sixty_percent"), "{finished}");
}

#[test]
fn a_spike_is_found_and_the_function_behind_it() {
    const TEST: &str = "a_spike_is_found_and_the_function_behind_it";
    let Ok(leaky) = targets::build("leaky", &[]) else { return };
    if !can_sample(TEST) {
        return;
    }
    let turn = Turn::alone();
    let server = Program::start(&leaky, &["0", "spike", "1000", "150"]);
    let port = server.said().strip_prefix("listening ").expect("it says where").to_owned();
    // Nobody waits 50 ms but behind the 150 ms that the function computes. Those are over when the
    // 4 s are: what a run's end cuts in two is in no slice of its measured window.
    let profile = format!("--profile {} --profile-hz 997 --spike 50ms -o out", server.pid());
    let args = format!("--warmup 0s -d 4s -R 500 -c 4 {profile} http://127.0.0.1:{port}/");
    let attempt = || {
        let finished = Run::json_alone(&args, &turn).finish().expect_code(0);
        let document = finished.document();
        let functions = document.at("target.spikes.functions").as_array().expect("a list");
        let mut functions = functions.iter();
        let found = functions.find(|found| found["function"] == "compute_in_spike").cloned();
        (finished, document, found)
    };
    // A machine that is busy with something else has spikes of its own, of which this function is
    // not the cause; in three runs of four spikes each it stands out.
    let mut runs = (0..3).map(|_| attempt());
    let is_right = |(_, _, found): &(_, _, Option<_>)| found.is_some();
    let (finished, document, found) = runs.find(is_right).expect("the function is named");
    document.expect(document.text("target.spikes.extent") == "some", "there are spikes");
    let found = found.expect("it was found a line above");
    let share = |key: &str| found[key].as_f64().unwrap_or(0.0);
    document.expect(share("spike_share") > 2.0 * share("other_share"), "it is what differs");
    document.expect(finished.folder().join("out/spikes.svg").is_file(), "spikes.svg");
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let url = "http://127.0.0.1:1/";
    let cases = [
        format!("--profile-hz 99 {url}"),
        format!("--profile-overhead {url}"),
        format!("--timeline-hz 2 {url}"),
        format!("--spike 5ms {url}"),
        format!("--profile 1 --profile-hz 0 {url}"),
        format!("--profile 1 --profile-hz 10001 {url}"),
        format!("--profile 1 --timeline-hz 11 {url}"),
        format!("--profile cgroup: {url}"),
        "profile".to_owned(),
        "profile 1 -- sleep 1".to_owned(),
        "profile 99999999999".to_owned(),
    ];
    for case in cases {
        let finished = Run::text(&case).finish().expect_code(2);
        assert_eq!(finished.stderr.trim_end().lines().count(), 1, "one line\n{finished}");
        assert!(finished.stdout.is_empty(), "{finished}");
        let left = std::fs::read_dir(finished.folder()).unwrap().count();
        assert_eq!(left, 0, "nothing was begun\n{finished}");
    }
}
