//! Faults on fixtures: folders like those of control groups, a small file system, a child.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use super::*;

/// Targets with one process, which may be in a control group.
#[derive(Default)]
pub(crate) struct OneTarget {
    pub(crate) found: FoundProcesses,
    /// Whether it is started, and started again, by the run.
    pub(crate) is_ours: bool,
    pub(crate) folder: PathBuf,
    pub(crate) kept: Vec<PathBuf>,
    pub(crate) cpus: Vec<usize>,
}

impl Targets for OneTarget {
    fn find(&self, _name: &str) -> Result<FoundProcesses, String> {
        Ok(self.found.clone())
    }

    fn is_ours(&self, _name: &str) -> bool {
        self.is_ours
    }

    fn restart(&self, _name: &str) -> Result<bool, String> {
        Ok(self.is_ours)
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

    fn folder(&self) -> PathBuf {
        self.folder.clone()
    }
}

pub(crate) struct Sleeping(pub(crate) Child);

impl Sleeping {
    pub(crate) fn start() -> Self {
        Self(Command::new("sleep").arg("1000").spawn().expect("it starts"))
    }

    pub(crate) fn target(&self) -> OneTarget {
        let found = FoundProcesses { members: vec![self.0.id()], cgroup: None };
        OneTarget { found, is_ours: true, ..OneTarget::default() }
    }
}

impl Drop for Sleeping {
    fn drop(&mut self) {
        // A test may have done it.
        let _killed = self.0.kill();
        self.0.wait().expect("it ended");
    }
}

pub(crate) fn process() -> String {
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
fn what_a_limited_process_starts_gets_its_files_back() {
    let mut shell = Command::new("sh")
        .args(["-c", "read line; sleep 1000 & wait"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = shell.stdin.take().expect("it is piped");
    let shell = Sleeping(shell);
    let soft = |pid: u32| {
        let pid = Pid::from_raw(pid.cast_signed()).expect("a PID");
        soft_limit(pid).expect("it runs").0
    };
    let before = soft(shell.0.id());
    let kind = FaultKind::Fds { process: process(), spare: 7 };
    let prepared = prepare(&kind, &shell.target()).expect("it is not refused");
    let Prepared::Files(limits) = &prepared else { panic!("{prepared:?}") };
    let new = limits[0].2;
    let _held = prepared.act().expect("it begins");
    input.write_all(b"\n").expect("it reads");
    let family = || processes::descendants(&[shell.0.id()]);
    while family().len() < 2 {
        thread::yield_now();
    }
    let family = family();
    assert!(family.iter().all(|pid| soft(*pid) == Some(new)));
    for undo in prepared.undo() {
        assert_eq!(undo.apply(), Ok(()));
    }
    assert!(family.iter().all(|pid| soft(*pid) == before), "also of what it started");
    let started = family.iter().find(|pid| **pid != shell.0.id()).expect("it has started");
    ProcessId::of(*started).expect("it runs").signal(Signal::KILL).expect("it is ours");
}

#[test]
fn a_limit_of_files_is_a_number_and_must_be_one() {
    let taken = BTreeSet::from([0, 1, 2, 5, 9]);
    let limits: Vec<_> = (0..6).map(|spare| free_number(&taken, spare)).collect();
    assert_eq!(limits, [3, 4, 6, 7, 8, 10]);
    assert_eq!(free_number(&taken, u64::MAX), u64::MAX);
    let child = Sleeping::start();
    let kind = FaultKind::Fds { process: process(), spare: u64::MAX };
    let why = check(&kind, &child.target()).expect_err("it is no limit").to_string();
    assert!(why.contains("smaller `spare`"), "{why}");
    // A process that has ended meanwhile, and never this one.
    let ours = Pid::from_raw(std::process::id().cast_signed()).expect("a PID");
    let before = soft_limit(ours).expect("it is there");
    let prepared = prepare(&FaultKind::Fds { process: process(), spare: 1 }, &child.target());
    let prepared = prepared.expect("it is not refused");
    drop(child);
    assert_eq!(prepared.act().expect_err("nobody is there"), ALL_ENDED);
    assert_eq!(soft_limit(ours).expect("it is there"), before);
}

#[test]
fn commands_run_in_the_folder_of_their_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let targets = OneTarget { folder: folder.path().to_path_buf(), ..OneTarget::default() };
    let kind = FaultKind::Exec {
        start: "touch fault".to_owned(),
        verify: Some("test -e fault".to_owned()),
        stop: "rm -f fault".to_owned(),
    };
    works(&kind, &targets);
}

#[test]
fn what_was_refused_needs_no_undo() {
    let file = PathBuf::from("/proc/version");
    let value = fs::read_to_string(&file).expect("there is procfs");
    let new = "0".to_owned();
    let prepared = Prepared::Write { file, old: value, new };
    prepared.act().expect_err("nobody may write it");
    assert_eq!(prepared.undo()[0].apply(), Ok(()));
}

#[test]
fn a_group_of_an_old_hierarchy_is_frozen_in_that_of_the_freezer() {
    let mount = tempfile::tempdir().expect("a folder");
    let group = |hierarchy: &str, processes: &str| {
        let folder = mount.path().join(hierarchy).join("a/b");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("cgroup.procs"), processes).expect("written");
        folder
    };
    let memory = group("memory", "12\n13\n");
    let freezer = group("freezer", "12\n13\n");
    fs::write(freezer.join("freezer.state"), "THAWED\n").expect("written");
    let found = freezer_of(mount.path(), &memory).expect("it has the same processes");
    assert_eq!(found.0, freezer.join("freezer.state"));
    group("freezer", "12\n");
    assert_eq!(freezer_of(mount.path(), &memory), None);
    fs::write(freezer.join("cgroup.procs"), format!("{}\n", std::process::id())).expect("written");
    assert!(apart(&freezer).expect_err("we are in it").contains("both"));
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
    // A process that another test starts has this one's files open for a moment.
    let is_taken = || {
        std::thread::sleep(Duration::from_millis(10));
        fs::write(path.join("a"), vec![1; 65_536]).is_ok()
    };
    let taken = (0..1_000).any(|_| is_taken());
    let kept = OneTarget { kept: vec![path.to_path_buf()], ..OneTarget::default() };
    let why = check(&kind, &kept).expect_err("it is that of the results").to_string();
    let unmounted = Command::new("umount").arg("--lazy").arg(path).status().expect("it runs");
    assert!(unmounted.success() && refused.is_err() && taken);
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
    // Such as the watchdog.
    let child = Sleeping::start();
    assert!(of(child.0.id()).expect_err("ours").contains("part of this run"));
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
