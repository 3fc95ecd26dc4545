//! A PostgreSQL server of the tests' own: new, on a socket in a folder that goes with it.

use std::env;
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getuid, kill_process};
use tempfile::TempDir;

/// Who runs it where root may not: somebody every system knows.
const NOBODY: u32 = 65_534;
/// A server that does not come up fails its test.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server.
pub(crate) struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    options: Vec<String>,
    server: Child,
}

impl Cluster {
    /// None where PostgreSQL is not installed and nobody insists on it.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&["-h", ""], |_| ())
    }

    /// With further options of the server, and after a change of its new folder of data.
    pub(crate) fn start_with(options: &[&str], prepare: impl FnOnce(&Path)) -> Option<Self> {
        let Some(programs) = programs() else {
            eprintln!("SKIP: no PostgreSQL; install the package postgresql");
            assert!(env::var_os("CI").is_none(), "CI must have PostgreSQL");
            return None;
        };
        let folder = tempfile::tempdir().expect("room for a folder");
        if getuid().is_root() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("root gives to anybody");
        }
        let data = folder.path().join("data");
        let made = unprivileged(&programs.join("initdb"))
            .args(["--auth=trust", "--username=bench", "--encoding=UTF8", "--no-locale"])
            .args(["--no-sync", "--pgdata"])
            .arg(&data)
            .current_dir(folder.path())
            .output()
            .expect("the program starts");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        prepare(&data);
        if getuid().is_root() {
            for file in fs::read_dir(&data).expect("it was made").flatten() {
                chown(file.path(), Some(NOBODY), Some(NOBODY)).expect("root gives to anybody");
            }
        }
        let options: Vec<_> = options.iter().map(|&option| option.to_owned()).collect();
        let server = serve(&programs, folder.path(), &options);
        let cluster = Self { folder, programs, options, server };
        cluster.wait();
        Some(cluster)
    }

    /// The address of a new database.
    pub(crate) fn database(&self, name: &str) -> String {
        assert!(self.create(name), "a new database, {name}");
        self.url(name)
    }

    /// The address of the database of this name, there or not.
    pub(crate) fn url(&self, name: &str) -> String {
        let folder = self.folder.path().to_str().expect("a name of text").replace('/', "%2F");
        format!("postgres://bench@{folder}/{name}")
    }

    /// End it, as a crash would.
    pub(crate) fn stop(&mut self) {
        let _gone = kill_process(Pid::from_child(&self.server), Signal::QUIT);
        self.server.wait().expect("it is our child");
    }

    /// Have it again, with what was in it.
    pub(crate) fn restart(&mut self) {
        self.server = serve(&self.programs, self.folder.path(), &self.options);
        self.wait();
    }

    fn wait(&self) {
        let begun = Instant::now();
        let mut attempt = 0;
        while !self.create(&format!("there_{}_{attempt}", self.server.id())) {
            assert!(begun.elapsed() < PATIENCE, "the server comes up");
            attempt += 1;
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn create(&self, name: &str) -> bool {
        // It is a part of the socket's name.
        let port = self.options.iter().find_map(|option| option.strip_prefix("port="));
        let status = Command::new(self.programs.join("createdb"))
            .args(["--username=bench", "--host"])
            .arg(self.folder.path())
            .args(["--port", port.unwrap_or("5432"), name])
            .stderr(Stdio::null())
            .status();
        status.expect("the program starts").success()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

fn serve(programs: &Path, folder: &Path, options: &[String]) -> Child {
    let log = fs::File::create(folder.join("log")).expect("room for a log");
    unprivileged(&programs.join("postgres"))
        .arg("-D")
        .arg(folder.join("data"))
        .arg("-k")
        .arg(folder)
        .args(["-c", "fsync=off", "-c", "shared_buffers=16MB"])
        .args(options)
        .current_dir(folder)
        .stderr(log)
        .spawn()
        .expect("the program starts")
}

/// A program that refuses to run as root, and ends with the thread that started it.
fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if getuid().is_root() {
        command.args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}")]);
        command.arg("--clear-groups");
    }
    command.args(["--pdeathsig", "QUIT"]).arg(program);
    command
}

/// Where the server's programs are: in the path, or where Debian keeps each version's.
fn programs() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = debian.map(|version| version.path().join("bin"));
    debian.chain(env::split_paths(&path)).find(|folder| folder.join("initdb").exists())
}
