//! No descriptor stays open, whatever succeeds or fails. Alone in its program, as it counts the
//! descriptors of the whole process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::fd::OwnedFd;
use std::process::Command;

use rustix::process::{Resource, getrlimit, setrlimit};
use uringbench_perf::{Counters, PerfError, SampleScope, SamplingConfig, Session};

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn lower_limit(descriptors: u64) -> impl Drop {
    struct Restore(rustix::process::Rlimit);
    impl Drop for Restore {
        fn drop(&mut self) {
            setrlimit(Resource::Nofile, self.0).unwrap();
        }
    }
    let before = getrlimit(Resource::Nofile);
    let mut limit = before;
    limit.current = Some(descriptors);
    setrlimit(Resource::Nofile, limit).unwrap();
    Restore(before)
}

#[test]
fn no_descriptor_stays_open() {
    let config = SamplingConfig {
        user_only: true,
        first_touch_period: Some(1),
        ..SamplingConfig::default()
    };
    let own = std::process::id();
    let mut session = match Session::open(SampleScope::Tasks, &config, &[0]) {
        Ok(session) => session,
        Err(error) => return eprintln!("SKIPPED descriptors: {error}"),
    };
    drop(Session::open(SampleScope::Tasks, &config, &[0]));
    let before = open_descriptors();

    session.add_task(own).unwrap();
    assert_eq!(open_descriptors(), before + 4, "one event of each kind asked for");
    assert!(session.remove_task(own));
    assert_eq!(open_descriptors(), before);

    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    assert!(session.add_task(gone.id()).is_err());
    let root = OwnedFd::from(std::fs::File::open("/").unwrap());
    assert!(Session::open(SampleScope::Cgroup(root), &config, &[0]).is_err());
    assert!(Session::open(SampleScope::System, &config, &[0, 1 << 20]).is_err());
    assert_eq!(open_descriptors(), before, "after what failed");

    // Room for two of a task's four events, then for no ring at all.
    for room in [2, 0] {
        let limit = lower_limit(lowest_free_after(room));
        assert_eq!(session.add_task(own), Err(PerfError::TooManyFiles), "room for {room}");
        assert!(!session.has_task(own));
        drop(limit);
        assert_eq!(open_descriptors(), before);
    }
    let limit = lower_limit(lowest_free_after(0));
    let error = Session::open(SampleScope::Tasks, &config, &[0]).unwrap_err();
    assert_eq!(error, PerfError::TooManyFiles);
    assert_eq!(Counters::of_task(0, false).unwrap_err(), PerfError::TooManyFiles);
    drop(limit);
    session.add_task(own).unwrap();
    drop(session);
    drop(Counters::of_task(0, true));
    assert_eq!(open_descriptors(), before - 1, "the session's ring is closed too");
}

/// The limit that leaves room for so many more descriptors.
fn lowest_free_after(room: usize) -> u64 {
    let probes: Vec<_> = (0..=room).map(|_| std::fs::File::open("/").unwrap()).collect();
    let last = probes.last().expect("there is one more than the room");
    std::os::fd::AsRawFd::as_raw_fd(last).unsigned_abs().into()
}
