//! Faults on fixtures: folders like those of control groups, a small file system, a child.

use std::process::{Child, Command};

use super::*;

/// Targets with one process, which may be in a control group.
#[derive(Default)]
struct OneTarget {
    found: FoundProcesses,
    kept: Vec<PathBuf>,
    cpus: Vec<usize>,
}

impl Targets for OneTarget {
    fn find(&self, _name: &str) -> Result<FoundProcesses, String> {
        Ok(self.found.clone())
    }

    fn is_ours(&self, _name: &str) -> bool {
        false
    }

    fn restart(&self, _name: &str) -> Result<(), String> {
        Err("it is not ours".to_owned())
    }

    fn proxy(&self, _name: &str) -> Option<Arc<ProxyControl>> {
        None
    }

    fn kept_folders(&self) -> Vec<PathBuf> {
        self.kept.clone()
    }

    fn kept_cpus(&self) -> Vec<usize> {
        self.cpus.clone()
    }
}

struct Sleeping(Child);

impl Sleeping {
    fn start() -> Self {
        Self(Command::new("sleep").arg("1000").spawn().expect("it starts"))
    }

    fn target(&self) -> OneTarget {
        let found = FoundProcesses { members: vec![self.0.id()], cgroup: None };
        OneTarget { found, ..OneTarget::default() }
    }
}

impl Drop for Sleeping {
    fn drop(&mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("it ended");
    }
}

fn process() -> String {
    "target".to_owned()
}

/// Begins and ends a fault: it works while it is there, and not before or after.
fn works(kind: &FaultKind, targets: &OneTarget) {
    let prepared = prepare(kind, targets).expect("it is not refused");
    let undo = prepared.undo();
    assert!(undo.iter().all(Undo::is_done), "{kind:?} is there already");
    let held = prepared.act().expect("it begins");
    assert!(prepared.await_effect(), "{kind:?} is not seen");
    assert!(undo.iter().all(|undo| !undo.is_done()), "{kind:?}");
    drop(held);
    for undo in undo {
        assert_eq!(undo.apply(), Ok(()), "{kind:?}");
        assert_eq!(undo.apply(), Ok(()), "{kind:?} twice");
    }
}

#[test]
fn processes_stand_still_and_have_fewer_files() {
    let child = Sleeping::start();
    let targets = child.target();
    works(&FaultKind::Pause { process: process() }, &targets);
    works(&FaultKind::Fds { process: process(), spare: 1 }, &targets);
}

#[test]
fn limits_of_both_versions_of_control_groups_come_and_go() {
    let child = Sleeping::start();
    let folder = tempfile::tempdir().expect("a folder");
    let with = |files: &[(&str, &str)]| {
        let group = folder.path().join(files[0].0);
        fs::create_dir(&group).expect("a folder");
        for (name, value) in files {
            fs::write(group.join(name), value).expect("written");
        }
        let mut targets = child.target();
        targets.found.cgroup = Some(group);
        targets
    };
    let unified = with(&[("cpu.max", "max 100000\n"), ("memory.max", "max\n")]);
    works(&FaultKind::Cpu { process: process(), limit: 0.2 }, &unified);
    works(&FaultKind::Memory { process: process(), limit: 10_000_000 }, &unified);
    let old = [
        ("cpu.cfs_quota_us", "-1\n"),
        ("cpu.cfs_period_us", "50000\n"),
        ("memory.limit_in_bytes", "9223372036854771712\n"),
    ];
    let old = with(&old);
    let prepared = prepare(&FaultKind::Cpu { process: process(), limit: 0.2 }, &old);
    let Ok(Prepared::Write { new, .. }) = prepared else { panic!("{prepared:?}") };
    assert_eq!(new, "10000");
    works(&FaultKind::Cpu { process: process(), limit: 0.2 }, &old);
    works(&FaultKind::Memory { process: process(), limit: 10_000_000 }, &old);
    let frozen = with(&[("freezer.state", "THAWED\n")]);
    works(&FaultKind::Pause { process: process() }, &frozen);
}

#[test]
fn a_small_file_system_is_full_and_empty_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "none"])
        .arg(path)
        .status()
        .is_ok_and(|status| status.success());
    if !mounted {
        eprintln!("skipped: no file system can be mounted here");
        return;
    }
    let name = path.display().to_string();
    let kind = FaultKind::DiskFull { folder: name.clone(), leave: 0 };
    let prepared = prepare(&kind, &OneTarget::default()).expect("it is not refused");
    let held = prepared.act().expect("it begins");
    assert!(prepared.await_effect());
    let refused = fs::write(path.join("a"), vec![1; 65_536]);
    drop((held, prepared));
    let taken = fs::write(path.join("a"), vec![1; 65_536]);
    let kept = OneTarget { kept: vec![path.to_path_buf()], ..OneTarget::default() };
    let why = check(&kind, &kept).expect_err("it is that of the results").to_string();
    let unmounted = Command::new("umount").arg(path).status().expect("it runs");
    assert!(unmounted.success() && refused.is_err() && taken.is_ok());
    assert!(why.contains("which uringbench needs"), "{why}");
}

#[test]
fn what_would_hit_the_wrong_ones_is_refused() {
    let of = |pid: u32| {
        let found = FoundProcesses { members: vec![pid], cgroup: None };
        let targets = OneTarget { found, cpus: vec![0], ..OneTarget::default() };
        check(&FaultKind::Pause { process: process() }, &targets).map_err(|why| why.to_string())
    };
    assert!(of(1).expect_err("init").contains("init"));
    assert!(of(std::process::id()).expect_err("ours").contains("itself"));
    let parent = ProcessId::own().ancestors()[0];
    assert!(of(parent).is_err());
    let targets = OneTarget { cpus: vec![0], ..OneTarget::default() };
    let burn = FaultKind::Burn { threads: 1, cpus: vec![0] };
    assert!(check(&burn, &targets).expect_err("a worker's").to_string().contains("worker"));
    let root = FaultKind::DiskFull { folder: "/".to_owned(), leave: 0 };
    assert!(check(&root, &targets).expect_err("the root").to_string().contains("root"));
}

#[test]
fn threads_burn_until_they_end() {
    let kind = FaultKind::Burn { threads: 2, cpus: Vec::new() };
    let prepared = prepare(&kind, &OneTarget::default()).expect("it is not refused");
    let held = prepared.act().expect("it begins");
    let Held::Burning(burning) = &held else { panic!("{held:?}") };
    assert!(burning.threads.len() == 2 && burning.threads.iter().all(|it| !it.is_finished()));
    let is_over = Arc::clone(&burning.is_over);
    drop(held);
    assert!(is_over.load(Ordering::Relaxed));
}
