//! nginx as the server of the comparisons that need a feature the built-in target lacks: closing
//! connections, and TLS 1.3.
//!
//! One process per configuration, in a separate folder, stopped when dropped. The module
//! `protocols` defines the comparisons.

use std::fmt::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use rustix::process::{Pid, Signal, kill_process};

use crate::measure;

/// The protocol that it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Plain HTTP.
    Plain,
    /// HTTPS; sessions are never resumed, even if the client offers one.
    FullHandshakes,
    /// HTTPS with session tickets and a session cache.
    Resumption,
    /// HTTP/2 over TLS.
    Http2Tls,
    /// HTTP/2 in the clear, whose connections end after nginx's default of 1,000 requests.
    Http2Recycled,
}

impl Kind {
    const fn is_tls(self) -> bool {
        !matches!(self, Self::Plain | Self::Http2Recycled)
    }

    const fn is_http2(self) -> bool {
        matches!(self, Self::Http2Tls | Self::Http2Recycled)
    }
}

/// A running nginx.
#[derive(Debug)]
pub(crate) struct Nginx {
    child: Child,
    /// `HOST:PORT` it listens on.
    pub(crate) address: String,
}

/// The longest time that nginx may take to listen, and to stop.
const START_MAX: Duration = Duration::from_secs(10);
const STOP_MAX: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(20);

impl Nginx {
    /// Starts nginx in the new `folder` with one worker for each of `cpus`, none pinned to a
    /// particular CPU; waits until it accepts connections.
    pub(crate) fn start(
        program: &Path,
        folder: &Path,
        kind: Kind,
        cpus: &[usize],
    ) -> Result<Self, String> {
        let fail = |e: std::io::Error| format!("cannot set up {}: {e}", folder.display());
        std::fs::create_dir_all(folder).map_err(fail)?;
        if kind.is_tls() {
            make_certificate(folder)?;
        }
        // The port is free now and, except for a rare race, when nginx binds it; otherwise nginx
        // reports it.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.map_err(fail)?.to_string();
        let file = folder.join("nginx.conf");
        let is_root = rustix::process::geteuid().is_root();
        let text = configuration(folder, &address, kind, cpus.len(), is_root);
        std::fs::write(&file, text).map_err(fail)?;
        let mut command = Command::new(program);
        command.arg("-p").arg(folder).arg("-c").arg(&file);
        let child = measure::spawn_pinned(command, cpus)?;
        // Dropped on each return below, so that no server keeps running.
        let mut nginx = Self { child, address };
        nginx.wait_until_it_accepts(folder)?;
        Ok(nginx)
    }

    fn wait_until_it_accepts(&mut self, folder: &Path) -> Result<(), String> {
        let started = Instant::now();
        while TcpStream::connect(&self.address).is_err() {
            // Checked before the log is read, so that the log contains the last messages.
            let has_ended = self.child.try_wait().is_ok_and(|status| status.is_some());
            if has_ended || started.elapsed() > START_MAX {
                let log = std::fs::read_to_string(folder.join("error.log")).unwrap_or_default();
                let last = log.lines().last().unwrap_or("no message in its error log");
                return Err(format!("nginx does not accept connections: {last}"));
            }
            thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let is_running = |child: &mut Child| matches!(child.try_wait(), Ok(None));
        if is_running(&mut self.child) {
            // On SIGTERM nginx stops its workers; SIGKILL would leave them running.
            kill_process(Pid::from_child(&self.child), Signal::TERM).ok();
        }
        let asked = Instant::now();
        while is_running(&mut self.child) && asked.elapsed() < STOP_MAX {
            thread::sleep(POLL);
        }
        // An error means that it has already ended.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    (folder.join("certificate.pem"), folder.join("key.pem"))
}

/// Makes a self-signed certificate with an ECDSA key on P-256, rcgen's default.
fn make_certificate(folder: &Path) -> Result<(), String> {
    let fail = |what: &dyn std::fmt::Display| format!("cannot make a certificate: {what}");
    let key = KeyPair::generate().map_err(|e| fail(&e))?;
    let names = ["localhost", "127.0.0.1"].map(str::to_owned);
    let parameters = CertificateParams::new(names).map_err(|e| fail(&e))?;
    let signed = parameters.self_signed(&key).map_err(|e| fail(&e))?;
    let (certificate, key_file) = certificate(folder);
    std::fs::write(certificate, signed.pem()).map_err(|e| fail(&e))?;
    std::fs::write(key_file, key.serialize_pem()).map_err(|e| fail(&e))
}

fn configuration(
    folder: &Path,
    address: &str,
    kind: Kind,
    workers: usize,
    is_root: bool,
) -> String {
    let mut text = String::from("daemon off;\n");
    // If root starts nginx, its workers run as another user, who may not enter our folder.
    if is_root {
        text.push_str("user root;\n");
    }
    let (certificate, key) = certificate(folder);
    let (certificate, key) = (certificate.display(), key.display());
    let folder = folder.display();
    let sessions = match kind {
        Kind::Plain | Kind::Http2Tls | Kind::Http2Recycled => "",
        Kind::FullHandshakes => "ssl_session_tickets off;\n        ssl_session_cache off;",
        Kind::Resumption => "ssl_session_tickets on;\n        ssl_session_cache shared:S:10m;",
    };
    let http2 = if kind.is_http2() { " http2" } else { "" };
    let recycled = if kind == Kind::Http2Recycled { 1_000 } else { 1_000_000_000 };
    let (how, tls) = if kind.is_tls() {
        let tls = format!(
            "        ssl_protocols TLSv1.3;\n        ssl_certificate {certificate};\n        \
             ssl_certificate_key {key};\n        {sessions}\n"
        );
        (" ssl", tls)
    } else {
        ("", String::new())
    };
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String =
        temporary.map(|n| format!("    {n}_temp_path {folder}/{n};\n")).concat();
    write!(
        text,
        "worker_processes {workers};\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n\
         events {{ worker_connections 10000; }}\n\
         http {{\n    access_log off;\n    keepalive_requests {recycled};\n{temporary}    \
         server {{\n        listen {address}{how}{http2};\n{tls}        \
         location / {{ return 200 \"hello\\n\"; }}\n    }}\n}}\n"
    )
    .expect("a string takes text");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: Kind) -> String {
        configuration(Path::new("/x"), "127.0.0.1:81", kind, 2, false)
    }

    #[test]
    fn a_configuration_says_what_its_kind_is() {
        let plain = text(Kind::Plain);
        assert!(plain.contains("listen 127.0.0.1:81;") && !plain.contains("ssl"), "{plain}");
        assert!(plain.contains("worker_processes 2;") && !plain.contains("user"), "{plain}");
        let full = text(Kind::FullHandshakes);
        assert!(full.contains("listen 127.0.0.1:81 ssl;"), "{full}");
        assert!(full.contains("ssl_certificate_key /x/key.pem;"), "{full}");
        assert!(full.contains("tickets off;") && full.contains("cache off;"), "{full}");
        let resumed = text(Kind::Resumption);
        assert!(resumed.contains("tickets on;") && resumed.contains("shared:S:10m;"), "{resumed}");
        let h2 = [text(Kind::Http2Tls), text(Kind::Http2Recycled)];
        assert!(h2[0].contains(" ssl http2;") && h2[0].contains("requests 1000000000;"));
        assert!(h2[1].contains(":81 http2;") && h2[1].contains("requests 1000;"));
        for kind in [Kind::Plain, Kind::FullHandshakes, Kind::Resumption, Kind::Http2Tls] {
            let text = text(kind);
            assert_eq!(text.matches('{').count(), text.matches('}').count(), "{text}");
        }
    }

    #[test]
    fn the_key_is_an_ecdsa_key_on_p256() {
        let folder = std::env::temp_dir().join(format!("peers-key-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        make_certificate(&folder).unwrap();
        let (file, key_file) = certificate(&folder);
        let key = KeyPair::from_pem(&std::fs::read_to_string(key_file).unwrap()).unwrap();
        assert!(key.is_compatible(&rcgen::PKCS_ECDSA_P256_SHA256));
        assert!(std::fs::read_to_string(file).unwrap().starts_with("-----BEGIN CERTIFICATE"));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_does_not_listen_is_an_error() {
        let folder = std::env::temp_dir().join(format!("peers-nginx-{}", std::process::id()));
        let cpus = [crate::machine::cpus_allowed()[0]];
        let started = Nginx::start(Path::new("/bin/false"), &folder, Kind::Plain, &cpus);
        let error = started.unwrap_err();
        assert!(error.contains("does not accept connections: no message"), "{error}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
