//! Frames of six states in three sizes, compared with files; `UPDATE_FRAMES=1` writes them.

use std::path::Path;

use uringbench_core::record::Interval;

use super::*;
use crate::Colour;

const SIZES: [(u16, u16); 4] = [(60, 14), (80, 24), (120, 40), (200, 50)];

fn run() -> LiveRun {
    LiveRun {
        title: "GET http://10.0.0.2/search?q=x".to_owned(),
        load: "open loop, 20,000/s constant, 64 connections".to_owned(),
        warmup: Nanos::from_secs(5),
        window: Some(Nanos::from_secs(180)),
        objectives: LiveObjectives::new(
            vec!["p99<20ms,errors<0.1%".parse().expect("an objective")],
            false,
        ),
        cpus: 1,
        connections: 64,
    }
}

/// A second with answers around these times.
fn second(at: u64, phase: Phase, nanos: u64, failed: u64) -> (Interval, LatencyCounts) {
    let mut counts = LatencyCounts::default();
    for part in 0..2_000 {
        counts.record_many(nanos / 2 + nanos * part * part / 2_000_000, 10);
    }
    let mut outcomes = [0; Outcome::ALL.len()];
    outcomes[Outcome::Ok as usize] = 20_000 - failed;
    outcomes[Outcome::Timeout as usize] = failed;
    let at_share = |share| counts.value_at(share).expect("there are values");
    let interval = Interval {
        start: Nanos::from_secs(at),
        length: Nanos::SECOND,
        phase,
        released: 20_000,
        completed: 20_000 - failed,
        errors: failed,
        outcomes,
        in_flight: 12,
        connected: 64,
        response: Some(uringbench_core::record::IntervalQuantiles {
            p50: at_share(0.5),
            p99: at_share(0.99),
            max: at_share(1.0),
        }),
        lateness_p99: Some(12_000),
        sent_bytes: 0,
        received_bytes: 0,
    };
    (interval, counts)
}

fn sample(used: f64) -> LiveSample {
    LiveSample {
        client: Some(0.27),
        target: Some(TargetCpu { used, allowed: 1.0 }),
        target_memory: Some(24 << 20),
        stolen: Some(0.0),
    }
}

fn of_seconds(seconds: u64) -> LiveState {
    let mut state = LiveState::new(run());
    for at in 0..seconds {
        let phase = if at < 5 { Phase::Warmup } else { Phase::Measure };
        let nanos = 400_000 + (at % 7) * 30_000;
        let (interval, response) = second(at, phase, nanos, 0);
        state.add((&interval).into(), &response, sample(0.6));
    }
    state
}

fn states() -> Vec<(&'static str, LiveState, bool)> {
    let mut missed = of_seconds(90);
    for at in 90..96 {
        let (interval, response) = second(at, Phase::Measure, 40_000_000, 300);
        missed.add((&interval).into(), &response, sample(0.99));
    }
    missed.message("alert p99_high is firing: response_time_p99 40.0 ms > 20.0 ms");
    let mut foreign = LiveRun { title: "名前\u{202e}\x1b[2J run".to_owned(), ..run() };
    foreign.window = None;
    foreign.objectives = LiveObjectives::default();
    let mut foreign = LiveState::new(foreign);
    let (mut interval, _) = second(0, Phase::Measure, 1, 0);
    interval = Interval { completed: 0, outcomes: Default::default(), response: None, ..interval };
    interval.connected = 3;
    foreign.add((&interval).into(), &LatencyCounts::default(), LiveSample::default());
    let mut ending = of_seconds(130);
    ending.end();
    vec![
        ("begin", LiveState::new(run()), false),
        ("warmup", of_seconds(3), false),
        ("measure", of_seconds(102), false),
        ("missed", missed, false),
        ("no-answers", foreign, true),
        ("ending", ending, false),
    ]
}

#[test]
fn frames_are_those_of_the_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frames");
    for (name, state, is_frozen) in states() {
        for (columns, rows) in SIZES {
            let size = FrameSize { columns, rows };
            let lines = frame(&state, is_frozen, size, Colour::No);
            assert!(lines.len() <= usize::from(rows), "{name} {columns}: {}", lines.len());
            for line in &lines {
                let wide = line.chars().count();
                assert!(wide <= usize::from(columns), "{name} {columns}: {wide}: {line}");
                assert!(!line.contains(char::is_control), "{name}: {line:?}");
            }
            let text = lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n");
            let file = folder.join(format!("{name}-{columns}.txt"));
            if std::env::var_os("UPDATE_FRAMES").is_some() {
                std::fs::create_dir_all(&folder).expect("the folder is ours");
                std::fs::write(&file, format!("{text}\n")).expect("the folder is ours");
            }
            let expected = std::fs::read_to_string(&file).unwrap_or_default();
            assert_eq!(expected, format!("{text}\n"), "{}", file.display());
        }
    }
}

#[test]
fn colours_change_no_letter() {
    for (name, state, is_frozen) in states() {
        let size = FrameSize { columns: 80, rows: 24 };
        let plain = frame(&state, is_frozen, size, Colour::No);
        for (line, coloured) in plain.iter().zip(frame(&state, is_frozen, size, Colour::Yes)) {
            let mut bare = String::new();
            let mut rest = coloured.as_str();
            while let Some((before, after)) = rest.split_once("\x1b[") {
                bare.push_str(before);
                rest = after.split_once('m').map_or("", |(_, rest)| rest);
            }
            bare.push_str(rest);
            assert_eq!(&bare, line, "{name}");
        }
    }
}

#[test]
fn any_size_has_a_frame() {
    let state = of_seconds(70);
    for columns in 0..210 {
        for rows in 0..30 {
            let lines = frame(&state, false, FrameSize { columns, rows }, Colour::No);
            assert!(lines.len() <= usize::from(rows));
            assert!(lines.iter().all(|line| line.chars().count() <= usize::from(columns)));
        }
    }
}

#[test]
fn a_long_run_keeps_its_memory() {
    let mut state = LiveState::new(run());
    let (mut interval, response) = second(0, Phase::Measure, 400_000, 0);
    for at in 0..2_000 {
        interval.start = Nanos::from_secs(at);
        state.add((&interval).into(), &response, LiveSample::default());
        state.message("one more");
    }
    assert_eq!((state.seconds.len(), state.messages.len()), (KEPT, MESSAGES));
    assert_eq!(state.outcomes[0], 2_000 * 20_000);
}
