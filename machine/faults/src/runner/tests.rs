//! Schedules of faults on fixtures: what may be there at once, how long, and what comes back.

use std::fs;

use super::*;
use crate::active::tests::{OneTarget, Sleeping, process};

/// What becomes of faults that are injected at these times for so long, in milliseconds.
fn followed(targets: OneTarget, faults: Vec<(FaultKind, u64, u64)>) -> Vec<InjectionReport> {
    let folder = tempfile::tempdir().expect("a folder");
    let injection = |(number, (_, at, length)): (usize, &(FaultKind, u64, u64))| Injection {
        fault: number,
        at: Nanos::from_millis(*at),
        length: Nanos::from_millis(*length),
    };
    let injections: Vec<_> = faults.iter().enumerate().map(injection).collect();
    let planned = |(number, (kind, at, length)): (usize, (FaultKind, u64, u64))| PlannedFault {
        name: number.to_string(),
        at: Nanos::from_millis(at),
        jitter: Nanos::ZERO,
        length: Nanos::from_millis(length),
        repeat: 1,
        every: Nanos::ZERO,
        may_overlap: true,
        kind,
    };
    let faults = faults.into_iter().enumerate().map(planned).collect();
    let mut follower = Follower {
        plan: ChaosPlan { faults, ..ChaosPlan::default() },
        targets: Arc::new(targets),
        journal: Journal::create(&folder.path().join("journal")).expect("a journal"),
        is_over: Arc::new(|| false),
        active: Vec::new(),
        restarting: Vec::new(),
        reports: Vec::new(),
    };
    follower.follow(&injections, now());
    follower.journal.close();
    assert!(!follower.journal.path().exists(), "nothing is left to undo");
    follower.reports
}

#[test]
fn one_file_is_changed_by_one_fault_at_a_time() {
    let child = Sleeping::start();
    let group = tempfile::tempdir().expect("a folder");
    let file = group.path().join("cpu.max");
    fs::write(&file, "max 100000").expect("written");
    let mut targets = child.target();
    targets.found.cgroup = Some(group.path().to_path_buf());
    let cpu = |name: &str, limit| FaultKind::Cpu { process: name.to_owned(), limit };
    // Two names of one target: the second would bring back the limit of the first.
    let faults = vec![(cpu("a", 0.2), 0, 300), (cpu("b", 0.1), 50, 500)];
    let reports = followed(targets, faults);
    assert!(reports[0].cleared.is_some() && reports[0].failure.is_none(), "{reports:?}");
    let why = reports[1].failure.as_ref().expect("it is refused");
    assert!(why.contains("the same thing"), "{why}");
    assert_eq!(fs::read_to_string(file).expect("it is there"), "max 100000");
}

#[test]
fn a_fault_lasts_as_long_as_planned_however_slowly_it_begins() {
    let folder = tempfile::tempdir().expect("a folder");
    let targets = OneTarget { folder: folder.path().to_path_buf(), ..OneTarget::default() };
    let slow = FaultKind::Exec {
        start: "sleep 0.3; touch fault".to_owned(),
        verify: Some("test -e fault".to_owned()),
        stop: "rm fault".to_owned(),
    };
    let reports = followed(targets, vec![(slow, 0, 200)]);
    let InjectionReport { effective, cleared, .. } = &reports[0];
    let (effective, cleared) = effective.zip(*cleared).expect("it came and went");
    assert!(cleared.since(effective) >= Nanos::from_millis(200), "{reports:?}");
}

#[test]
fn a_killed_process_comes_back_while_others_fail() {
    let child = Sleeping::start();
    let targets = child.target();
    let restart = Some(Nanos::from_millis(200));
    let kill = FaultKind::Kill { process: process(), signal: 9, restart };
    let reports = followed(targets, vec![(kill, 0, 0), (FaultKind::Nothing, 50, 10)]);
    let back = reports[0].cleared.expect("it is started again");
    assert!(reports[1].injected < back, "nothing waits for it: {reports:?}");
}
