//! Processes that keep the file of a JVM, as far as the heaps' reader can see.

use std::path::PathBuf;
use std::process::{Child, Command};

use super::*;
use crate::timeline::reading::ProcessMemory;

const SERIAL: &[u8] = include_bytes!("../../../fuzz/seeds/hsperfdata/serial");

/// A process whose counters are where a JVM would keep them.
struct Pretender {
    child: Child,
    folder: PathBuf,
}

impl Pretender {
    fn start() -> Self {
        let child = Command::new("sleep").arg("1000").spawn().expect("sleep runs");
        let folder = PathBuf::from(format!("/tmp/hsperfdata_uringbench-test-{}", child.id()));
        std::fs::create_dir(&folder).expect("a folder in /tmp");
        let pretender = Self { child, folder };
        std::fs::write(pretender.file(), SERIAL).expect("space");
        pretender
    }

    fn file(&self) -> PathBuf {
        self.folder.join(self.child.id().to_string())
    }

    fn id(&self) -> Id {
        let entry = uringbench_machine::processes::ProcessEntry::read(self.child.id());
        (self.child.id(), entry.expect("it lives").start)
    }

    fn end(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Pretender {
    fn drop(&mut self) {
        // It may have ended before; the folder is the test's own.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn a_heap_is_read_until_its_process_ends() {
    let mut jvm = Pretender::start();
    let mut heaps = Heaps::default();
    heaps.open(jvm.id());
    let readings = heaps.read(Timestamp(0));
    assert_eq!((readings.len(), readings[0].counters.full, heaps.unread()), (1, 2, 0));
    jvm.end();
    // Its file is still there, as it is for us when the JVM has removed it.
    assert!(heaps.read(Timestamp(1)).is_empty() && heaps.open.is_empty());
    assert_eq!((heaps.unread(), heaps.notes()), (0, Vec::new()));
}

#[test]
fn a_heap_that_can_no_longer_be_read_is_counted_until_its_process_ends() {
    let (mut first, mut second) = (Pretender::start(), Pretender::start());
    let mut heaps = Heaps::default();
    for jvm in [&first, &second] {
        heaps.open(jvm.id());
        std::fs::write(jvm.file(), b"").expect("space");
    }
    assert!(heaps.read(Timestamp(0)).is_empty());
    assert_eq!(heaps.unread(), 2);
    let notes = heaps.notes();
    assert!(notes.len() == 1 && notes[0].ends_with(" and 1 more)"), "{notes:?}");
    first.end();
    assert!(heaps.read(Timestamp(1)).is_empty());
    assert_eq!(heaps.unread(), 1);
    assert!(heaps.notes()[0].ends_with(&format!("(JVM {})", second.child.id())));
    second.end();
    heaps.read(Timestamp(2));
    assert_eq!(heaps.unread(), 0);
}

#[test]
fn processes_that_were_not_looked_at_count_as_unread() {
    let process = |pid| ProcessMemory { pid, start: 1, bytes: 5 };
    // No process has such a PID: there is no runtime to find.
    let each: Vec<ProcessMemory> = (0..20).map(|at| process(u32::MAX - at)).collect();
    let target = TargetReading { processes: 23, each, ..TargetReading::default() };
    let mut heaps = Heaps::default();
    let mut unread = Vec::new();
    for second in 0..3 {
        heaps.follow(Timestamp(0) + Nanos::from_secs(second), &target);
        unread.push(heaps.unread());
    }
    // Three were never listed.
    assert_eq!(unread, [15, 7, 3]);
}

#[test]
fn heaps_whose_pages_cannot_be_counted_are_tried_more_and_more_rarely() {
    let (first, second) = (Pretender::start(), Pretender::start());
    let mut heaps = Heaps::default();
    heaps.open(first.id());
    heaps.open(second.id());
    let mut now = Timestamp(1);
    for times in [2, 4, 8, 16, 32, 32] {
        let readings = heaps.read(now);
        assert!(readings.iter().all(|reading| reading.resident.is_none()));
        let pause = heaps.resident_due.since(now).0;
        assert!(pause >= (RESIDENT_PERIOD.0 * times).saturating_sub(RESIDENT_PERIOD.0 / 20));
        now = heaps.resident_due;
    }
}
