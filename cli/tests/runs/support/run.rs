//! One run of the binary under test, started in a folder of its own, with a limit of time.
//!
//! It builds the command, and fails with the command if the run hangs. The tests and `document`
//! check the result.

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

use super::document::Document;
use super::turn::Turn;

/// No test needs a longer run.
const BOUND: Duration = Duration::from_secs(60);

/// A run to start.
pub(crate) struct Run {
    around: Vec<String>,
    args: Vec<String>,
    folder: TempDir,
    turn: Option<Turn>,
    is_unread: bool,
}

impl Run {
    /// `uringbench --json -q` and these arguments, separated by blanks.
    pub(crate) fn json(args: &str) -> Self {
        Self::new(&format!("--json -q {args}"), Some(Turn::together()))
    }

    /// Like [`Run::json`], for a test that must have the machine for itself.
    pub(crate) fn json_alone(args: &str, _turn: &Turn) -> Self {
        Self::new(&format!("--json -q {args}"), None)
    }

    /// Like [`Run::json`], with a scenario for this target; `text` is the rest of its file.
    pub(crate) fn scenario(args: &str, target: &str, text: &str) -> Self {
        let run = Self::json(&format!("{args} shop.toml"));
        run.file("shop.toml", &format!("target = \"{target}\"\n{text}"))
    }

    /// `uringbench` and these arguments, separated by blanks.
    pub(crate) fn text(args: &str) -> Self {
        Self::new(args, Some(Turn::together()))
    }

    fn new(args: &str, turn: Option<Turn>) -> Self {
        let args = args.split_whitespace().map(str::to_owned).collect();
        let folder = TempDir::new().expect("the machine has room for a folder");
        Self { around: Vec::new(), args, folder, turn, is_unread: false }
    }

    /// Adds a file to the folder it runs in.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("the folder is ours");
        self
    }

    /// Adds arguments, separated by blanks.
    pub(crate) fn args(mut self, args: &str) -> Self {
        self.args.extend(args.split_whitespace().map(str::to_owned));
        self
    }

    /// Adds one argument, which may contain blanks.
    pub(crate) fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Lets a shell script start the command, which is its `"$@"`. `before` are the words that
    /// start the shell in another place, e.g. `unshare --net`.
    pub(crate) fn through(mut self, before: &str, script: &str) -> Self {
        self.around = before.split_whitespace().map(str::to_owned).collect();
        self.around.extend(["sh", "-c", script, "sh"].map(str::to_owned));
        self
    }

    /// Makes its standard error a full pipe that nobody reads.
    pub(crate) fn unread(mut self) -> Self {
        self.is_unread = true;
        self
    }

    /// The folder it runs in.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it.
    pub(crate) fn start(self) -> Running {
        let mut words = self.around;
        words.push(env!("CARGO_BIN_EXE_uringbench").to_owned());
        words.extend(self.args);
        let (unread, stderr) = match self.is_unread.then(full_pipe) {
            Some((reader, writer)) => (Some(reader), Stdio::from(writer)),
            None => (None, Stdio::piped()),
        };
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .current_dir(self.folder.path())
            // Where GitHub runs the tests, results must not go into its summary.
            .env_remove("GITHUB_ACTIONS")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            // A process group of its own, so that all its children can be ended with it.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|e| panic!("{} does not start: {e}", words[0]));
        let left = Left {
            stdout: collect(child.stdout.take().expect("it was piped")),
            stderr: child.stderr.take().map_or_else(|| thread::spawn(String::new), collect),
            unread,
            folder: self.folder,
        };
        Running {
            child,
            command: words.join(" "),
            began: Instant::now(),
            left: Some(left),
            _turn: self.turn,
        }
    }

    /// Starts it and waits for its end.
    pub(crate) fn finish(self) -> Finished {
        self.start().finish()
    }
}

/// A run in progress; killed with all its children on drop.
pub(crate) struct Running {
    child: Child,
    command: String,
    began: Instant,
    /// Taken when it has finished.
    left: Option<Left>,
    _turn: Option<Turn>,
}

struct Left {
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
    /// Kept open, so that writing to it blocks and does not fail.
    unread: Option<PipeReader>,
    folder: TempDir,
}

impl Running {
    /// The process ID.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends the binary a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the run is our child");
    }

    /// The folder it runs in.
    pub(crate) fn folder(&self) -> &Path {
        self.left.as_ref().expect("it has not finished").folder.path()
    }

    /// Waits for its end; after the limit it is killed and the test fails.
    pub(crate) fn finish(mut self) -> Finished {
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the run is our child") {
                break status;
            }
            if self.began.elapsed() > BOUND {
                self.end_all();
                panic!("hangs: still running after {BOUND:?}: {}", self.command);
            }
            thread::sleep(Duration::from_millis(2));
        };
        let took = self.began.elapsed();
        // Children left by a wrapping shell would keep the pipes open.
        self.end_all();
        let left = self.left.take().expect("a run finishes once");
        drop(left.unread);
        Finished {
            status,
            stdout: left.stdout.join().expect("reading a pipe does not panic"),
            stderr: left.stderr.join().expect("reading a pipe does not panic"),
            took,
            command: std::mem::take(&mut self.command),
            folder: left.folder,
        }
    }

    fn end_all(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.left.is_some() {
            self.end_all();
        }
    }
}

/// A pipe that accepts no more bytes.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("descriptors are left");
    let flags = fcntl_getfl(&writer).expect("a pipe has flags");
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).expect("they can be changed");
    while writer.write(&[b'.'; 4_096]).is_ok() {}
    while writer.write(b".").is_ok() {}
    fcntl_setfl(&writer, flags).expect("they can be changed back");
    (reader, writer)
}

fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The results of a run.
pub(crate) struct Finished {
    status: ExitStatus,
    command: String,
    folder: TempDir,
    /// Its standard output.
    pub(crate) stdout: String,
    /// Its standard error.
    pub(crate) stderr: String,
    /// Time from start to end.
    pub(crate) took: Duration,
}

impl Finished {
    /// Checks that it ended with this exit code, and without a panic.
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "exit code ({})\n{self}", self.status);
        assert!(!self.stderr.contains("panicked at"), "{self}");
        self
    }

    /// Checks that it ended with one of these exit codes, and without a panic.
    pub(crate) fn expect_one_of(self, codes: [i32; 2]) -> Self {
        let is_one = self.status.code().is_some_and(|code| codes.contains(&code));
        assert!(is_one, "exit code ({})\n{self}", self.status);
        assert!(!self.stderr.contains("panicked at"), "{self}");
        self
    }

    /// The only document on standard output, whose counts must obey the law.
    pub(crate) fn document(&self) -> Document {
        let value = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("not one JSON document on stdout: {e}\n{self}"));
        let document = Document::new(value, self.to_string());
        document.assert_law();
        document
    }

    /// Checks that standard error is one line that contains all of `parts`.
    pub(crate) fn expect_line(&self, parts: &[&str]) {
        let line = self.stderr.trim_end();
        assert!(!line.is_empty() && !line.contains('\n'), "one line on stderr\n{self}");
        for part in parts {
            assert!(line.contains(part), "the line must hold {part:?}\n{self}");
        }
        assert!(
            line.split_whitespace().count() >= 8,
            "a line with its cause and its fix is longer than this\n{self}"
        );
    }

    /// Checks that there is one `run.json`, equal to standard output, with a `response.hlog` next
    /// to it.
    pub(crate) fn expect_stored(&self) {
        let path = self.file("run.json");
        let text = std::fs::read_to_string(&path).expect("a file just found can be read");
        let parse = |text: &str| -> serde_json::Value {
            serde_json::from_str(text).unwrap_or_else(|e| panic!("no JSON: {e}\n{self}"))
        };
        assert_eq!(parse(&text)["counts"], parse(&self.stdout)["counts"], "{self}");
        let hlog = path.with_file_name("response.hlog");
        assert!(hlog.metadata().is_ok_and(|file| file.len() > 0), "{}\n{self}", hlog.display());
    }

    /// All files named `name` below the folder it ran in.
    pub(crate) fn files(&self, name: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("the folder is ours").flatten() {
                let path = entry.path();
                if entry.file_type().is_ok_and(|t| t.is_dir()) {
                    folders.push(path);
                } else if entry.file_name() == name {
                    found.push(path);
                }
            }
        }
        found
    }

    /// The only file named `name` below the folder it ran in.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        let found = self.files(name);
        assert_eq!(found.len(), 1, "files named {name}: {found:?}\n{self}");
        found[0].clone()
    }

    /// The folder it ran in.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { command, status, took, stdout, stderr, .. } = self;
        write!(
            f,
            "$ {command}\n{status} after {took:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}"
        )
    }
}
