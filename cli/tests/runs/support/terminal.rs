//! A run in a pseudo-terminal, played by `terminal.py`.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// The second screen begins and ends.
const SHOW: &str = "\x1b[?1049h";
const HIDE: &str = "\x1b[?1049l";

/// What happened in a terminal.
pub(crate) struct Played {
    all: Value,
}

/// Plays steps with a program; `None` without Python, unless `CI` is set.
pub(crate) fn play(
    command: &[&str],
    environ: &[(&str, &str)],
    size: (u16, u16),
    steps: &Value,
) -> Option<Played> {
    let environ: serde_json::Map<String, Value> = [("TERM", "xterm-256color")]
        .iter()
        .chain(environ)
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    let spec = json!({ "command": command, "environ": environ, "size": size, "steps": steps });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runs/support/terminal.py");
    let folder = tempfile::tempdir().expect("the machine has room for a folder");
    let output = Command::new("python3")
        .arg(script)
        .arg(spec.to_string())
        .current_dir(folder.path())
        .output();
    let Ok(output) = output else {
        let _ = writeln!(std::io::stderr(), "SKIP: python3 is not installed");
        assert!(std::env::var_os("CI").is_none(), "CI must have python3");
        return None;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    let all: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|why| {
        panic!("{why}: {}{errors}", String::from_utf8_lossy(&output.stdout));
    });
    let played = Played { all };
    assert!(played.all["missing"].is_null(), "never came: {}", played.all);
    Some(played)
}

impl Played {
    pub(crate) fn text(&self) -> &str {
        self.all["text"].as_str().expect("a text")
    }

    pub(crate) fn code(&self) -> i64 {
        self.all["code"].as_i64().expect("a code")
    }

    /// Whether lines were edited and echoed by the terminal at a step.
    pub(crate) fn is_cooked(&self, step: usize) -> bool {
        self.all["seen"][step] == json!({ "canonical": true, "echo": true })
    }

    /// What stands on the first screen after the view.
    pub(crate) fn afterwards(&self) -> &str {
        self.text().rsplit_once(HIDE).expect("the second screen was left").1
    }

    /// The lines of the last frame, without styles.
    pub(crate) fn last_frame(&self) -> Vec<String> {
        let shown = self.text().rsplit_once(HIDE).expect("the second screen was left").0;
        let frame = shown.rsplit_once("\x1b[H").expect("a frame").1;
        frame.split("\x1b[K").map(|line| plain(line.trim_start_matches(['\r', '\n']))).collect()
    }

    /// The terminal is as it was before: its modes, its screen, its cursor.
    #[track_caller]
    pub(crate) fn is_restored(&self) {
        assert_eq!(self.all["after"], self.all["before"], "{}", self.text());
        let (shown, hidden) = (self.text().matches(SHOW), self.text().matches(HIDE));
        assert_eq!((shown.count() > 0, hidden.count()), (true, self.text().matches(SHOW).count()));
        assert!(!self.afterwards().contains("\x1b[?25l"), "the cursor is hidden");
        let cursor = self.text().rsplit_once("\x1b[?25").expect("the cursor was hidden").1;
        assert!(cursor.starts_with('h'), "the cursor is back");
    }
}

/// Without styles.
fn plain(line: &str) -> String {
    let mut bare = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        bare.push_str(before);
        rest = after.find(|c: char| c.is_ascii_alphabetic()).map_or("", |at| &after[at + 1..]);
    }
    bare + rest
}
