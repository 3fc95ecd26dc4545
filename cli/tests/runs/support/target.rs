//! The reference target in a separate process, which a test can stop, continue and kill.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// A running `uringbench target`; killed on drop.
pub(crate) struct Target {
    child: Child,
    url: String,
}

impl Target {
    /// Starts it on a free port of 127.0.0.1.
    pub(crate) fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_uringbench"))
            .args(["target", "--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary under test starts");
        let stdout = child.stdout.take().expect("it was piped");
        let (said, hear) = mpsc::channel();
        // The thread keeps reading, so that the target never blocks on a full pipe.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = said.send(line);
            }
        });
        let line = hear.recv_timeout(Duration::from_secs(10)).unwrap_or_default();
        // `target` owns the child now, so a panic below kills it.
        let mut target = Self { child, url: String::new() };
        let Some(url) = line.strip_prefix("listening on ") else {
            panic!("`uringbench target` must say where it listens, said {line:?}");
        };
        target.url = url.to_owned();
        target
    }

    /// The URL for uringbench.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The process ID.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the target is our child");
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // SIGKILL ends a stopped process too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
