//! Commands of the user that begin, verify and end a fault: for a shell, with a deadline, in a
//! process group of their own, so that Ctrl-C does not end them halfway.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// How long a command may take.
pub(crate) const WITHIN: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(5);
/// Between two commands that look for the same thing: each is a new shell, beside the target.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Runs a command in a folder to its end.
///
/// # Errors
/// It cannot be started, fails, or takes too long: the cause in one line.
pub(crate) fn run(command: &str, folder: &Path) -> Result<(), String> {
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(command)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|why| format!("`{command}` cannot be started: {why}"))?;
    let started = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("`{command}` failed: {status}")),
            Ok(None) if started.elapsed() < WITHIN => thread::sleep(LOOK),
            Ok(None) => {
                // Fails only if nothing is left of the group.
                let _killed = kill_process_group(Pid::from_child(&child), Signal::KILL);
                let _reaped = child.wait();
                return Err(format!("`{command}` took longer than {WITHIN:?}"));
            }
            Err(why) => return Err(format!("`{command}`: {why}")),
        }
    }
}
