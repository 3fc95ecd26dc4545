//! Targets in places of their own: a PID namespace with another root folder, and a control group
//! whose neighbours are left out.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use uringbench_machine::mounts::Mounts;
use uringbench_profiler::capabilities;
use uringbench_profiler::selector::Selector;
use uringbench_profiler::session::{Attachment, Mode};

use crate::support::program::Program;
use crate::support::taken::{SHARES, Taken};
use crate::support::{HZ, Recorder, Way, skip, turn};
use crate::targets;

const BURN: Duration = Duration::from_secs(1);

#[test]
fn a_target_in_a_pid_namespace_with_its_own_root_is_named() {
    let _turn = turn();
    let test = "a PID namespace";
    // Without libraries it needs nothing but itself in its folder.
    let Ok(burner) = targets::build("burner", &["-fomit-frame-pointer", "-static"]) else { return };
    if let Some(why) = Way::System.obstacle() {
        return skip(test, &why);
    }
    let root = tempfile::tempdir().unwrap();
    fs::copy(burner, root.path().join("inside")).unwrap();
    let words = ["--pid", "--fork", "--mount", "--kill-child", "chroot"];
    let words = [&words[..], &[root.path().to_str().unwrap(), "/inside", "shares"]].concat();
    let mut outside = Program::start("unshare", &words);
    outside.wait_ready();
    let inner = outside.child();
    let status = fs::read_to_string(format!("/proc/{inner}/status")).unwrap();
    assert!(status.lines().any(|line| line == format!("NSpid:\t{inner}\t1")), "{status}");

    let recorder = Recorder::attach(Selector::Pid(outside.pid()), Way::System, HZ);
    Program::burn_of(inner, BURN);
    let taken = recorder.detach();
    assert_eq!(taken.pids(), [inner].into(), "numbers are those out here");
    expect_burning(&taken);
}

/// Names and stacks are as they are anywhere.
fn expect_burning(taken: &Taken) {
    let counts = taken.innermost();
    let burning: u64 = SHARES.iter().filter_map(|(name, _)| counts.get(*name)).sum();
    let all = taken.samples().len() as u64;
    assert!(all > 400 && burning * 2 > all, "{burning} of {all}: {counts:?}");
    assert!(taken.figures.unwound.unwrap() > 0.98, "{:?}", taken.figures);
}

/// A control group, removed when it is empty again.
struct Group(PathBuf);

impl Group {
    fn create() -> Result<Self, String> {
        let root = Mounts::read().cgroup2().ok_or("there is no cgroup2 here")?;
        let path = root.join(format!("uringbench-sidecar-{}", std::process::id()));
        match fs::create_dir(&path) {
            Ok(()) => Ok(Self(path)),
            Err(why) => Err(format!("{}: {why}", path.display())),
        }
    }

    fn take_in(&self, pid: u32) {
        fs::write(self.0.join("cgroup.procs"), pid.to_string()).unwrap();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Processes that were killed leave it a moment later.
        for _ in 0..200 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn a_control_group_is_sampled_and_its_neighbours_are_not() {
    let _turn = turn();
    let test = "a control group";
    let Ok(burner) = targets::build("burner", &["-fomit-frame-pointer"]) else { return };
    if let Err(why) = capabilities::probe().cgroup {
        return skip(test, &why.to_string());
    }
    match Group::create() {
        Ok(group) => in_group(&group, &burner),
        Err(why) => skip(test, &why),
    }
}

fn in_group(group: &Group, burner: &Path) {
    let first = Program::burner(burner, &["shares"]);
    group.take_in(first.pid());
    let neighbour = Program::burner(burner, &["shares"]);
    let recorder = Recorder::attach_somehow(Selector::Cgroup(group.0.clone()), HZ);
    let attachment = recorder.attachment().clone();
    first.burn(BURN);
    // Whoever joins later is of the target as well.
    let later = Program::burner(burner, &["shares"]);
    group.take_in(later.pid());
    later.burn(BURN / 2);
    let taken = recorder.detach();
    let Attachment::Sampling { mode: Mode::Cgroup, is_user_only: false, .. } = attachment else {
        panic!("{attachment:?}");
    };
    assert_eq!(taken.pids(), [first.pid(), later.pid()].into(), "not {}", neighbour.pid());
    expect_burning(&taken);
    taken.expect_no_thread_twice();
    let group = &group.0;
    drop((first, later));
    let procs = fs::read_to_string(group.join("cgroup.procs")).unwrap();
    assert_eq!(procs, "", "{}", group.display());
}
