//! A real nginx, configured for one test: its own folder and ports, one worker; with TLS next to
//! plain text if a certificate is given.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use super::certificates::Leaf;
use super::turn::skip;

/// The sizes of the files it serves: `/small`, `/100k`, `/1m`.
pub(crate) const FILES: [(&str, usize); 3] =
    [("small", 64), ("100k", 100 * 1024), ("1m", 1024 * 1024)];

/// The format of `access_log FILE custom`: the time in milliseconds, the status, and the request.
pub(crate) const LOG_FORMAT: &str = "$msec $status $request_method $request_uri";

const KEEP_FOR_EVER: &str = "keepalive_requests 1000000000;";

/// A running nginx; killed with its worker on drop.
pub(crate) struct Nginx {
    child: Child,
    plain: Listening,
    tls: Listening,
    folder: TempDir,
}

/// The ports it listens on, for both address families.
#[derive(Clone, Copy)]
struct Listening {
    v4: SocketAddr,
    v6: SocketAddr,
}

impl Nginx {
    /// Starts one that keeps connections open without limit; `None`, with a message, if nginx is
    /// not installed.
    pub(crate) fn start(test: &str) -> Option<Self> {
        Self::start_with(test, KEEP_FOR_EVER)
    }

    /// Starts one with this text in its server block.
    pub(crate) fn start_with(test: &str, server: &str) -> Option<Self> {
        Self::start_either(test, server, None, false)
    }

    /// Starts one that speaks HTTP/2 alone without TLS, with this text in its server block; with a
    /// certificate it agrees on HTTP/2 within TLS too.
    pub(crate) fn start_http2(test: &str, shown: Option<&Leaf>, server: &str) -> Option<Self> {
        Self::start_either(test, server, shown, true)
    }

    /// Starts one that keeps connections open without limit and shows this certificate, with this
    /// text in its server block.
    pub(crate) fn start_tls(test: &str, shown: &Leaf, server: &str) -> Option<Self> {
        Self::start_either(test, &format!("{KEEP_FOR_EVER} {server}"), Some(shown), false)
    }

    fn start_either(
        test: &str,
        server: &str,
        shown: Option<&Leaf>,
        is_http2: bool,
    ) -> Option<Self> {
        let Some(program) = program() else {
            skip(test, "nginx is not installed (apt-get install nginx-light)");
            return None;
        };
        // Another program may take a free port before nginx starts.
        (0..5).find_map(|_| Self::try_start(&program, server, shown, is_http2)).or_else(|| {
            panic!("nginx at {} does not start with our configuration", program.display())
        })
    }

    fn try_start(
        program: &Path,
        server: &str,
        shown: Option<&Leaf>,
        is_http2: bool,
    ) -> Option<Self> {
        let how = if is_http2 { " http2" } else { "" };
        let folder = TempDir::new().expect("the machine has room for a folder");
        let (plain, tls) = (Listening::free(), Listening::free());
        let mut listens = plain.listens(how);
        if let Some(Leaf { certificate, key }) = shown {
            listens += &tls.listens(&format!(" ssl{how}"));
            if !server.contains("ssl_protocols") {
                // Older versions do not offer TLS 1.3 by default.
                listens += "        ssl_protocols TLSv1.2 TLSv1.3;\n";
            }
            listens += &format!("        ssl_certificate {};\n", certificate.display());
            listens += &format!("        ssl_certificate_key {};\n", key.display());
        }
        lay_out(folder.path(), &configuration(folder.path(), &listens, server));
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
        let mut nginx = Self { child, plain, tls, folder };
        let begun = Instant::now();
        while nginx.child.try_wait().expect("nginx is our child").is_none() {
            if plain.answers() && (shown.is_none() || tls.answers()) {
                return Some(nginx);
            }
            if begun.elapsed() > Duration::from_secs(10) {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// The lines of a log in its folder, once there are so many, or after a limit of time.
    pub(crate) fn log_lines(&self, name: &str, wanted: usize) -> usize {
        let begun = Instant::now();
        loop {
            let text = std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
            let lines = text.lines().count();
            if lines >= wanted || begun.elapsed() > Duration::from_secs(10) {
                return lines;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The process ID of its first process; the worker is a child of it.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The URL of a path, by IPv4 address.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.plain.v4)
    }

    /// The URL of a path, by IPv6 address.
    pub(crate) fn url_v6(&self, path: &str) -> String {
        format!("http://{}/{path}", self.plain.v6)
    }

    /// The URL of a path, by name.
    pub(crate) fn url_name(&self, path: &str) -> String {
        format!("http://localhost:{}/{path}", self.plain.v4.port())
    }

    /// The address for TLS, IPv4.
    pub(crate) const fn tls(&self) -> SocketAddr {
        self.tls.v4
    }

    /// The URL of a path over TLS, by IPv4 address.
    pub(crate) fn https(&self, path: &str) -> String {
        format!("https://{}/{path}", self.tls.v4)
    }

    /// The URL of a path over TLS, by IPv6 address.
    pub(crate) fn https_v6(&self, path: &str) -> String {
        format!("https://{}/{path}", self.tls.v6)
    }

    /// The URL of a path over TLS, by name.
    pub(crate) fn https_name(&self, path: &str) -> String {
        format!("https://localhost:{}/{path}", self.tls.v4.port())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Listening {
    fn free() -> Self {
        Self { v4: free_port("127.0.0.1:0"), v6: free_port("[::1]:0") }
    }

    /// Both families, with the same port, so that `localhost` works with either.
    fn listens(self, how: &str) -> String {
        let Self { v4, v6 } = self;
        let same_port = format!("[::1]:{}", v4.port());
        [v4.to_string(), v6.to_string(), same_port]
            .iter()
            .fold(String::new(), |all, at| all + &format!("        listen {at}{how};\n"))
    }

    fn answers(self) -> bool {
        TcpStream::connect(self.v4).is_ok() && TcpStream::connect(self.v6).is_ok()
    }
}

/// nginx in `PATH`, or in the folder outside a plain user's `PATH` where distributions install it.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")])
        .map(|folder| folder.join("nginx"))
        .find(|file| file.is_file())
}

/// An address with a port that nobody listens on.
pub(crate) fn free_port(address: &str) -> SocketAddr {
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

fn configuration(folder: &Path, listens: &str, server: &str) -> String {
    let folder = folder.display();
    let mut text = String::new();
    // If root starts nginx, its workers run as another user, who may not read our folder.
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
         http {{\n    log_format custom '{LOG_FORMAT}';\n    \
         access_log off;\n    sendfile on;\n{temporary}    server {{\n\
         {listens}        root {folder}/files;\n        {server}\n    }}\n}}\n"
    )
    .expect("a string takes text");
    text
}
