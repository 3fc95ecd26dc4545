//! A test that runs itself again as an ordinary user, when it is started by root.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Way, skip};
use crate::targets;

/// The user that owns nothing, on every Linux.
const NOBODY: u32 = 65_534;
/// Holds the folder with the programs for the user that owns nothing.
const PROGRAMS: &str = "URINGBENCH_SIDECAR_PROGRAMS";

/// Run `body` with the burner, built with these flags, as an ordinary user: this one, or that
/// which owns nothing, as whom root runs the test `name` once more.
pub(crate) fn with_burner(name: &str, flags: &[&str], body: impl FnOnce(&Path)) {
    let is_root = rustix::process::geteuid().is_root();
    if let Some(programs) = std::env::var_os(PROGRAMS) {
        assert!(!is_root, "the test was to become another user");
        return allowed(name, || body(&PathBuf::from(programs).join("burner")));
    }
    let Ok(burner) = targets::build("burner", flags) else { return };
    if is_root { again(name, &burner) } else { allowed(name, || body(&burner)) }
}

fn allowed(name: &str, body: impl FnOnce()) {
    match Way::Ordinary.obstacle() {
        Some(why) => skip(name, &why),
        None if uringbench_profiler::capabilities::probe().per_task.is_ok() => {
            skip(name, "this user may do more than an ordinary one");
        }
        None => body(),
    }
}

/// The programs are copied to where everyone may read: the folder they are built in need not be.
fn again(name: &str, burner: &Path) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(burner, folder.path().join("burner")).unwrap();
    let this = folder.path().join("tests");
    std::fs::copy("/proc/self/exe", &this).unwrap();
    for path in [folder.path(), &folder.path().join("burner"), &this] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let output = Command::new(&this)
        .args(["--exact", name, "--nocapture"])
        .env(PROGRAMS, folder.path())
        .env_remove("TMPDIR")
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .expect("root may become another user");
    let reported = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    if let Some(line) = complaints.lines().find(|line| line.starts_with("SKIPPED")) {
        skip(name, line);
    }
    assert!(output.status.success(), "as uid {NOBODY}:\n{reported}\n{complaints}");
    assert!(reported.contains("1 passed"), "the test did not run as uid {NOBODY}:\n{reported}");
}
