//! The terminal of this process: its second screen while the view is shown, and its state before
//! it, which comes back at the end, after a panic, and before a signal stops or ends the process.
//!
//! It is opened for itself and never waited for: what a stopped terminal does not take is dropped.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::process::getpgrp;
use rustix::termios::{
    LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr,
};
use uringbench_report::live::FrameSize;

/// The second screen, empty, without a cursor.
const SHOW: &str = "\x1b[?1049h\x1b[?25l\x1b[2J";
/// The first screen, with its cursor and without a style.
const HIDE: &str = "\x1b[0m\x1b[?25h\x1b[?1049l";
/// The size of a terminal that does not know it.
const SIZE: FrameSize = FrameSize { columns: 80, rows: 24 };
/// How long to wait for keys before the end of the view is looked for.
const KEYS_WAIT: Duration = Duration::from_millis(250);
const ESCAPE: u8 = 0x1b;

static SCREEN: Mutex<Option<Screen>> = Mutex::new(None);
static HOOK: Once = Once::new();

/// The terminal while there is a view.
struct Screen {
    terminal: File,
    before: Termios,
    is_shown: bool,
    /// The process is about to be stopped: no frame may come in between.
    is_held: bool,
}

fn screen() -> MutexGuard<'static, Option<Screen>> {
    SCREEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Show the second screen, or say why it cannot be shown.
pub(super) fn open() -> Result<(), String> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !std::io::stdout().is_terminal() || !std::io::stderr().is_terminal() {
        return Err("stdout and stderr must be a terminal".to_owned());
    }
    if is_set("CI") {
        return Err("the variable CI says that nobody looks".to_owned());
    }
    if std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb") {
        return Err("TERM names no terminal that can be drawn on".to_owned());
    }
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let terminal = OpenOptions::new().read(true).write(true).custom_flags(flags).open("/dev/tty");
    let terminal = terminal.map_err(|why| format!("there is no terminal of its own: {why}"))?;
    if !is_foreground(&terminal) {
        return Err("this process is in the background".to_owned());
    }
    let before = tcgetattr(&terminal).map_err(|why| format!("the terminal's modes: {why}"))?;
    HOOK.call_once(|| {
        let next = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            close();
            next(info);
        }));
    });
    *screen() = Some(Screen { terminal, before, is_shown: false, is_held: false });
    Ok(())
}

/// Whether this process may draw and read.
fn is_foreground(terminal: &File) -> bool {
    tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp())
}

impl Screen {
    fn show(&mut self) {
        if self.is_shown || self.is_held || !is_foreground(&self.terminal) {
            return;
        }
        let mut modes = self.before.clone();
        // Signals stay with the keys that send them.
        modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        if tcsetattr(&self.terminal, OptionalActions::Now, &modes).is_ok() {
            self.is_shown = true;
            self.write(SHOW);
        }
    }

    fn hide(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            self.write(HIDE);
            let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
        }
    }

    /// What does not fit is dropped, and the next frame draws everything.
    fn write(&mut self, text: &str) {
        let _ = self.terminal.write_all(text.as_bytes());
    }
}

/// Draw a frame. After a stop, the second screen comes back with it.
pub(super) fn draw(lines: &[String]) {
    let mut screen = screen();
    let Some(screen) = screen.as_mut() else { return };
    screen.show();
    if screen.is_shown {
        let text = lines.join("\x1b[K\r\n");
        screen.write(&format!("\x1b[H{text}\x1b[K\x1b[J"));
    }
}

/// Show the first screen while `stop` lasts.
pub(super) fn hide_during(stop: impl FnOnce()) {
    let hold = |is_held: bool| {
        if let Some(screen) = screen().as_mut() {
            screen.is_held = is_held;
            if is_held {
                screen.hide();
            }
        }
    };
    hold(true);
    stop();
    hold(false);
}

/// Show the first screen for good. Without a view it does nothing.
pub(crate) fn close() {
    if let Some(mut screen) = screen().take() {
        screen.hide();
    }
}

/// The size of the terminal.
pub(super) fn size() -> FrameSize {
    let screen = screen();
    let size = screen.as_ref().and_then(|screen| tcgetwinsize(&screen.terminal).ok());
    let size = size.filter(|size| size.ws_col > 0 && size.ws_row > 0);
    size.map_or(SIZE, |size| FrameSize { columns: size.ws_col, rows: size.ws_row })
}

/// The keys of the next moment; `None` when there is no view any more.
pub(super) fn keys() -> Option<Vec<u8>> {
    let terminal = {
        let screen = screen();
        let screen = screen.as_ref()?;
        // In the background, reading would stop the process.
        match screen.is_shown && is_foreground(&screen.terminal) {
            true => Some(screen.terminal.try_clone().ok()?),
            false => None,
        }
    };
    let Some(mut terminal) = terminal else {
        std::thread::sleep(KEYS_WAIT);
        return Some(Vec::new());
    };
    let wait = Timespec::try_from(KEYS_WAIT).ok();
    let mut ready = [PollFd::new(&terminal, PollFlags::IN)];
    let count = poll(&mut ready, wait.as_ref()).unwrap_or_default();
    if count == 0 || screen().is_none() {
        return Some(Vec::new());
    }
    let mut bytes = [0; 64];
    match terminal.read(&mut bytes) {
        // The other side is gone.
        Ok(0) => None,
        // Arrows and other keys of several bytes begin with an escape.
        Ok(read) => Some(bytes[..read].iter().copied().take_while(|it| *it != ESCAPE).collect()),
        Err(why) if why.kind() == std::io::ErrorKind::WouldBlock => Some(Vec::new()),
        Err(why) if why.kind() == std::io::ErrorKind::Interrupted => Some(Vec::new()),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use serde_json::{Value, json};

    use super::*;

    const PANICS: &str = "tui::terminal::tests::panics_while_the_screen_is_shown";

    /// Set by the second test, in a terminal of its own.
    const ASKED: &str = "URINGBENCH_TEST_PANIC";

    #[test]
    fn panics_while_the_screen_is_shown() {
        if std::env::var_os(ASKED).is_none() {
            return;
        }
        open().expect("there is a terminal");
        draw(&["shown".to_owned()]);
        panic!("on purpose");
    }

    #[test]
    fn a_panic_restores_the_terminal_and_is_read_on_the_screen_before() {
        let this = std::env::current_exe().expect("a test is a program");
        let command = json!([this, "--exact", PANICS, "--nocapture"]);
        let environ = json!({ "TERM": "xterm-256color", ASKED: "1" });
        let steps = json!([{ "wait": "shown", "key": "" }]);
        let spec =
            json!({ "command": command, "environ": environ, "size": [80, 24], "steps": steps });
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runs/support/terminal.py");
        let output = Command::new("python3").arg(script).arg(spec.to_string()).output();
        let Ok(output) = output else {
            let _ = writeln!(std::io::stderr(), "SKIP: python3 is not installed");
            assert!(std::env::var_os("CI").is_none(), "CI must have python3");
            return;
        };
        let played: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
        assert_eq!(played["after"], played["before"]);
        let text = played["text"].as_str().expect("a text");
        let (shown, after) = text.split_once(HIDE).expect("the second screen was left");
        assert!(shown.contains(SHOW) && shown.contains("shown"), "{text}");
        assert!(after.contains("on purpose"), "{text}");
    }
}
