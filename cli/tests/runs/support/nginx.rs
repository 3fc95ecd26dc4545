//! A real nginx, configured for one test: own folder, own ports, one worker.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use super::turn::skip;

/// The sizes of the files it serves: `/small`, `/100k`, `/1m`.
pub(crate) const FILES: [(&str, usize); 3] =
    [("small", 64), ("100k", 100 * 1024), ("1m", 1024 * 1024)];

/// A running nginx; killed with its worker on drop.
pub(crate) struct Nginx {
    child: Child,
    v4: SocketAddr,
    v6: SocketAddr,
    _folder: TempDir,
}

impl Nginx {
    /// Start one that keeps connections for ever; `None`, loudly, where nginx is not installed.
    pub(crate) fn start(test: &str) -> Option<Self> {
        Self::start_with(test, "keepalive_requests 1000000000;")
    }

    /// Start one with this in its server block.
    pub(crate) fn start_with(test: &str, server: &str) -> Option<Self> {
        let Some(program) = program() else {
            skip(test, "nginx is not installed (apt-get install nginx-light)");
            return None;
        };
        // Another program may take a free port between its choice and nginx's start.
        (0..5).find_map(|_| Self::try_start(&program, server)).or_else(|| {
            panic!("nginx at {} does not start with our configuration", program.display())
        })
    }

    fn try_start(program: &Path, server: &str) -> Option<Self> {
        let folder = TempDir::new().expect("the machine has room for a folder");
        let (v4, v6) = (free_port("127.0.0.1:0"), free_port("[::1]:0"));
        lay_out(folder.path(), &configuration(folder.path(), v4, v6, server));
        let child = Command::new(program)
            .arg("-p")
            .arg(folder.path())
            .args(["-e", "error.log", "-c", "nginx.conf"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("nginx is an executable");
        let mut nginx = Self { child, v4, v6, _folder: folder };
        let begun = Instant::now();
        while nginx.child.try_wait().expect("nginx is our child").is_none() {
            if TcpStream::connect(v4).is_ok() && TcpStream::connect(v6).is_ok() {
                return Some(nginx);
            }
            if begun.elapsed() > Duration::from_secs(10) {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// The number of its first process; the worker is a child of it.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The URL of a path, by IPv4 address.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.v4)
    }

    /// The URL of a path, by IPv6 address.
    pub(crate) fn url_v6(&self, path: &str) -> String {
        format!("http://{}/{path}", self.v6)
    }

    /// The URL of a path, by name.
    pub(crate) fn url_name(&self, path: &str) -> String {
        format!("http://localhost:{}/{path}", self.v4.port())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// nginx in PATH, or where distributions put it out of a plain user's PATH.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")])
        .map(|folder| folder.join("nginx"))
        .find(|file| file.is_file())
}

fn free_port(address: &str) -> SocketAddr {
    let listener = TcpListener::bind(address).expect("the loopback interface has a free port");
    listener.local_addr().expect("a bound socket has an address")
}

fn lay_out(folder: &Path, configuration: &str) {
    std::fs::write(folder.join("nginx.conf"), configuration).expect("the folder is ours");
    std::fs::create_dir(folder.join("files")).expect("the folder is ours");
    for (name, len) in FILES {
        std::fs::write(folder.join("files").join(name), vec![b'x'; len])
            .expect("the folder is ours");
    }
}

fn configuration(folder: &Path, v4: SocketAddr, v6: SocketAddr, server: &str) -> String {
    let folder = folder.display();
    let mut text = String::new();
    // Started by root, workers would be another user's, who may not read our folder.
    if rustix::process::geteuid().is_root() {
        text.push_str("user root;\n");
    }
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .fold(String::new(), |all, n| all + &format!("    {n}_temp_path {folder}/{n};\n"));
    write!(
        text,
        "daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n    access_log off;\n    sendfile on;\n{temporary}    server {{\n        \
         listen {v4};\n        listen {v6};\n        listen [::1]:{};\n        \
         root {folder}/files;\n        {server}\n    }}\n}}\n",
        v4.port()
    )
    .expect("a string takes text");
    text
}
