//! Builds the programs to compare, and starts the server that all clients load.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::measure;

/// The programs of this workspace that take part.
#[derive(Debug)]
pub(crate) struct Built {
    /// The tool, which is also the target.
    pub(crate) uringbench: PathBuf,
    /// The floor probe.
    pub(crate) floor: PathBuf,
    /// The WebSocket echo server.
    pub(crate) echo: PathBuf,
}

/// The built-in target or the echo server, stopped when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// `HOST:PORT` it listens on.
    pub(crate) address: String,
}

/// The longest time that a server may take to listen.
const START_MAX: Duration = Duration::from_secs(10);

/// Builds the release programs and returns their paths.
pub(crate) fn build() -> Result<Built, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .args(["build", "--release", "--message-format=json-render-diagnostics"])
        .args(["-p", "uringbench", "-p", "uringbench-peers"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("cannot run cargo: {e}"))?;
    if !output.status.success() {
        return Err("the build failed; its messages are above".to_owned());
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let find = |name| executable(&messages, name).ok_or_else(|| format!("cargo built no {name}"));
    Ok(Built { uringbench: find("uringbench")?, floor: find("floor")?, echo: find("echo")? })
}

/// Programs that were built before, in one folder.
pub(crate) fn built_in(folder: &Path) -> Built {
    Built {
        uringbench: folder.join("uringbench"),
        floor: folder.join("floor"),
        echo: folder.join("echo"),
    }
}

impl Server {
    /// Starts `uringbench target` on `cpu` and a port the kernel chooses; waits until it listens.
    pub(crate) fn target(uringbench: &Path, cpu: usize) -> Result<Self, String> {
        let mut command = Command::new(uringbench);
        command.args(["target", "--listen", "127.0.0.1:0", "--cpu", &cpu.to_string()]);
        Self::start(command, cpu)
    }

    /// Starts the echo server in the same way.
    pub(crate) fn echo(echo: &Path, cpu: usize) -> Result<Self, String> {
        Self::start(Command::new(echo), cpu)
    }

    fn start(command: Command, cpu: usize) -> Result<Self, String> {
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = measure::spawn_pinned(command, &[cpu])?;
        let stdout = child.stdout.take();
        // Dropped on each return below, so that no server keeps running.
        let mut server = Self { child, address: String::new() };
        let line = stdout.and_then(|stdout| measure::first_line(stdout, START_MAX));
        let address = line.as_deref().and_then(parse_address);
        server.address = address.ok_or_else(|| {
            let said = line.unwrap_or_default();
            format!("{program} did not say where it listens but '{}'", said.trim())
        })?;
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has already ended.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// `HOST:PORT` of a `http://HOST:PORT/…` URL anywhere in the line.
pub(crate) fn parse_address(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("http://")?;
    let address = rest.split(['/', ' ', '\n']).next()?;
    let (host, port) = address.rsplit_once(':')?;
    let valid = !host.is_empty() && port.parse::<u16>().is_ok();
    valid.then(|| address.to_owned())
}

/// The executable of the binary `name` in cargo's JSON messages.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    let parsed = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut of_name = parsed.filter(|message| message["target"]["name"] == name);
    of_name.find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_executable_and_not_the_library_of_a_name() {
        let messages = r#"
{"reason":"compiler-artifact","target":{"name":"uringbench"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"floor"},"executable":"/t/floor"}
not json
{"reason":"compiler-artifact","target":{"name":"uringbench"},"executable":"/t/uringbench"}
{"reason":"build-finished","success":true}"#;
        let found = executable(messages, "uringbench");
        assert_eq!(found, Some(PathBuf::from("/t/uringbench")));
        assert_eq!(executable(messages, "peers"), None);
    }

    #[test]
    fn the_address_is_read_from_what_the_target_says() {
        let line = "listening on http://127.0.0.1:40123/\n";
        assert_eq!(parse_address(line).as_deref(), Some("127.0.0.1:40123"));
        assert_eq!(parse_address("http://[::1]:80/x").as_deref(), Some("[::1]:80"));
        for bad in ["", "listening", "http://127.0.0.1/", "http://:80/", "http://a:http/"] {
            assert_eq!(parse_address(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_target_that_says_nothing_is_an_error() {
        let cpu = crate::machine::cpus_allowed()[0];
        let error = Server::target(Path::new("/bin/true"), cpu).unwrap_err();
        assert!(error.contains("did not say"), "{error}");
    }
}
