//! `--tui` in a real pseudo-terminal: it shows the run, and the terminal is afterwards as before,
//! however the run ends.

use serde_json::{Value, json};

use crate::support::run::Run;
use crate::support::script::Behaviour;
use crate::support::server::Server;
use crate::support::terminal::{Played, play};

const BINARY: &str = env!("CARGO_BIN_EXE_uringbench");

fn view(more: &[&str], environ: &[(&str, &str)], steps: &Value) -> Option<Played> {
    let server = Server::start(&Behaviour::Good);
    let url = server.url();
    let mut command =
        vec![BINARY, "--tui", "--cores", "1", "-c", "2", "--warmup", "0s", "-d", "60s"];
    command.extend(more);
    command.push(&url);
    play(&command, environ, (100, 30), steps)
}

#[test]
fn q_ends_the_run_and_its_report_is_on_the_screen_before() {
    let steps = json!([{ "wait": "measuring", "key": "q" }]);
    let Some(played) = view(&["--slo", "p99<1s"], &[], &steps) else { return };
    played.is_restored();
    assert!(!played.is_cooked(0), "keys come at once");
    // On a busy machine the measurement may be INVALID.
    assert!([0, 13].contains(&played.code()), "{}: {}", played.code(), played.text());
    let report = played.afterwards();
    assert!(report.contains("completed") && report.contains("stored"), "{report}");
    let frame = played.last_frame().join("\n");
    for part in ["uringbench · GET http://127", " now ", " CPU ", "SLO", "ended", "ok "] {
        assert!(frame.contains(part), "{part}: {frame}");
    }
}

#[test]
fn ctrl_c_ends_it_as_always() {
    let steps = json!([{ "wait": "measuring", "key": "\u{3}" }]);
    let Some(played) = view(&[], &[], &steps) else { return };
    played.is_restored();
    assert_eq!(played.code(), 0, "{}", played.text());
    assert!(played.afterwards().contains("ending the run; again to stop at once"));
}

#[test]
fn a_signal_that_kills_restores_the_terminal_first() {
    let quit = json!([{ "wait": "measuring", "signal": "QUIT" }]);
    let Some(played) = view(&[], &[], &quit) else { return };
    played.is_restored();
    assert_eq!(played.code(), -3, "{}", played.text());
}

#[test]
fn a_stop_gives_the_terminal_back_until_the_run_goes_on() {
    let steps = json!([
        { "wait": "measuring", "signal": "TSTP" },
        { "wait": "", "signal": "CONT" },
        { "wait": "measuring", "key": "q" },
    ]);
    let Some(played) = view(&[], &[], &steps) else { return };
    played.is_restored();
    assert!(played.is_cooked(0), "stopped");
    assert!(!played.is_cooked(2), "shown again");
}

#[test]
fn another_size_has_another_frame_and_without_colour_there_is_none() {
    let steps = json!([
        { "wait": "measuring", "size": [60, 16] },
        { "wait": "measuring", "key": "x" },
        { "wait": "measuring", "key": " " },
        { "wait": "FROZEN", "key": "q" },
    ]);
    let Some(played) = view(&[], &[("NO_COLOR", "1")], &steps) else { return };
    played.is_restored();
    let frame = played.last_frame();
    assert!(frame.len() <= 17, "{frame:#?}");
    assert!(frame.iter().all(|line| line.trim_end().chars().count() <= 60), "{frame:#?}");
    assert!(!played.text().contains("\x1b[1;3"), "{}", played.text());
}

#[test]
fn without_a_terminal_there_are_lines() {
    let server = Server::start(&Behaviour::Good);
    let run = format!("--tui --cores 1 -c 1 -d 1s --warmup 0s {}", server.url());
    let finished = Run::text(&run).finish().expect_code(0);
    let errors = &finished.stderr;
    assert!(errors.contains("--tui: stdout and stderr must be a terminal"), "{finished}");
    assert!(errors.contains("p50") && !errors.contains('\x1b'), "{finished}");
}
