//! Sessions against the real kernel; the parser of another crate is the oracle for their records.
//!
//! No test depends on speed: each waits for records that must arrive, or counts events that must
//! happen.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::process::{Child, Command};
use std::sync::mpsc;
use std::time::Instant;

use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

use super::*;

mod oracle;

use oracle::{Content, Seen, drained, parsed};

const PATIENCE: Duration = Duration::from_secs(30);

/// Drains until `is_enough` holds for all records, and calls `work` in between.
fn until(
    session: &mut Session,
    mut work: impl FnMut(),
    is_enough: impl Fn(&[Seen]) -> bool,
) -> Vec<Seen> {
    let started = Instant::now();
    let mut seen = Vec::new();
    while !is_enough(&seen) {
        assert!(started.elapsed() < PATIENCE, "what must come did not; {} records", seen.len());
        work();
        seen.extend(drained(session));
    }
    seen
}

/// The opened session, or `None` with a message. If CI is set, it must open for root.
fn opened(what: &str, session: Result<Session, PerfError>) -> Option<Session> {
    match session {
        Ok(session) => Some(session),
        Err(error @ (PerfError::Forbidden { .. } | PerfError::Seccomp | PerfError::NoPerf)) => {
            let is_root = rustix::process::geteuid().is_root();
            let is_sandbox = !matches!(error, PerfError::Forbidden { .. });
            assert!(!is_root || is_sandbox || std::env::var_os("CI").is_none(), "{error}");
            eprintln!("SKIPPED {what}: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn own_tid() -> u32 {
    gettid().as_raw_nonzero().get().cast_unsigned()
}

fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

fn cpus() -> Vec<u32> {
    let set = sched_getaffinity(None).unwrap();
    (0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).map(|cpu| cpu as u32).collect()
}

/// Pins this thread to one CPU.
fn pinned() -> [u32; 1] {
    let cpu = cpus()[0];
    let mut set = CpuSet::new();
    set.set(cpu as usize);
    sched_setaffinity(None, &set).unwrap();
    [cpu]
}

/// An enabled session of this thread.
fn of_own_thread(what: &str, config: &SamplingConfig, cpus: &[u32], ring: u64) -> Option<Session> {
    let session =
        Session::with_rings(SampleScope::Tasks, config, cpus, ring).and_then(|mut session| {
            session.add_task(own_tid())?;
            Ok(session)
        });
    let mut session = opened(what, session)?;
    session.enable().unwrap();
    Some(session)
}

fn burn(span: Duration) {
    let started = Instant::now();
    while started.elapsed() < span {
        std::hint::spin_loop();
    }
}

fn nap() {
    std::thread::sleep(Duration::from_millis(1));
}

/// Fresh pages that are touched one by one.
struct Pages {
    /// So large that the allocator maps it each time (its threshold is at most 32 MiB).
    bytes: Vec<u8>,
    touched: BTreeSet<u64>,
}

impl Pages {
    fn new(what: &str) -> Option<Self> {
        let huge = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
        if huge.is_ok_and(|huge| huge.contains("[always]")) {
            eprintln!("SKIPPED {what}: every page touched is a huge one");
            return None;
        }
        Some(Self { bytes: vec![0; 40 << 20], touched: BTreeSet::new() })
    }

    /// Touches the next page, sometimes for longer than a tick, since the kernel throttles an event
    /// that is sampled too often within one.
    fn touch(&mut self) {
        let size = kernel::page_size();
        let page = &mut self.bytes[(self.touched.len() + 1) * size..][..size];
        let address = page.as_ptr().addr() as u64;
        std::hint::black_box(page)[0] = 1;
        self.touched.insert(address / size as u64);
        if self.touched.len().is_multiple_of(50) {
            burn(Duration::from_millis(12));
        }
    }

    /// The samples of touched pages, by page.
    fn counted(&self, seen: &[Seen]) -> BTreeMap<u64, u32> {
        let size = kernel::page_size() as u64;
        let mut counts = BTreeMap::new();
        for seen in seen {
            if let Content::Sample { address, .. } = seen.content
                && seen.kind == Some(PerfEventKind::FirstTouch)
                && self.touched.contains(&(address / size))
            {
                *counts.entry(address / size).or_default() += 1;
            }
        }
        counts
    }
}

fn of_pages() -> SamplingConfig {
    SamplingConfig {
        hz: 1,
        stack_bytes: 1_000,
        switches: false,
        first_touch_period: Some(1),
        ..SamplingConfig::default()
    }
}

struct Burner(Child);

impl Burner {
    fn start() -> Self {
        Self(Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap())
    }
}

impl Drop for Burner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn is_sample(seen: &Seen) -> bool {
    matches!(seen.content, Content::Sample { .. })
}

fn is_switch(seen: &Seen) -> bool {
    matches!(seen.content, Content::SwitchedIn | Content::SwitchedOut)
}

#[test]
fn samples_of_a_burning_process_arrive_with_registers_and_stack() {
    let what = "sampling the system";
    let config = SamplingConfig { hz: 499, ..SamplingConfig::default() };
    let Some(mut session) = opened(what, Session::open(SampleScope::System, &config, &cpus()))
    else {
        return;
    };
    let burner = Burner::start();
    let pid = burner.0.id();
    session.enable().unwrap();
    let wait = || std::thread::sleep(Duration::from_millis(20));
    let of_burner = |seen: &&Seen| seen.pid == pid && is_sample(seen);
    let seen = until(&mut session, wait, |seen| seen.iter().filter(of_burner).count() >= 20);
    assert!(seen.iter().all(|seen| seen.kind.is_some()), "every number is known");
    let mut in_user_code = 0;
    for seen in seen.iter().filter(of_burner) {
        let Content::Sample { period, ip, registers, stack, .. } = seen.content else { continue };
        assert_eq!((seen.kind, seen.tid), (Some(PerfEventKind::Cpu), pid));
        if session.clock() == CpuClock::CpuClock {
            assert_eq!(period, 1_000_000_000 / 499);
        }
        in_user_code += u32::from(ip < 1 << 63 && registers > 0 && stack > 100);
    }
    assert!(in_user_code > 0);
    assert_eq!((session.hz(), session.lost()), (499, 0));
    session.disable().unwrap();
    drained(&mut session);
    nap();
    assert!(drained(&mut session).is_empty(), "disabled is silent");
}

#[test]
fn copies_of_stacks_are_larger_once_that_is_set() {
    let config = SamplingConfig { hz: 499, stack_bytes: 1 << 10, ..SamplingConfig::default() };
    let session = Session::open(SampleScope::System, &config, &cpus());
    let Some(mut session) = opened("larger copies of stacks", session) else { return };
    let burner = Burner::start();
    let pid = burner.0.id();
    session.enable().unwrap();
    let wait = || std::thread::sleep(Duration::from_millis(20));
    let copied = |seen: &[Seen]| -> Vec<usize> {
        let own = seen.iter().filter(|seen| seen.pid == pid);
        let copied = own.filter_map(|seen| match seen.content {
            Content::Sample { stack, .. } => Some(stack),
            _ => None,
        });
        copied.collect()
    };
    let seen = until(&mut session, wait, |seen| copied(seen).len() >= 5);
    assert!(copied(&seen).iter().all(|&bytes| bytes == 1 << 10), "{:?}", copied(&seen));
    assert_eq!(session.set_stack_bytes(2 << 10), Ok(true));
    let seen = until(&mut session, wait, |seen| copied(seen).contains(&(2 << 10)));
    assert!(seen.iter().all(|seen| seen.kind.is_some()), "every number is known");
    drained(&mut session);
    let seen = until(&mut session, wait, |seen| copied(seen).len() >= 5);
    assert!(copied(&seen).iter().all(|&bytes| bytes == 2 << 10), "{:?}", copied(&seen));
    assert!(matches!(session.set_stack_bytes(7), Err(PerfError::BadRecipe(_))));
    assert_eq!(session.lost(), 0);
    session.set_sampling(false).unwrap();
    assert_eq!(session.set_stack_bytes(4 << 10), Ok(true));
    drained(&mut session);
    nap();
    assert_eq!(copied(&drained(&mut session)), [], "sampling stays off");
    let mut tasks = Session::open(SampleScope::Tasks, &config, &cpus()).unwrap();
    assert_eq!(tasks.set_stack_bytes(2 << 10), Ok(false));
}

#[test]
fn every_sample_comes_out_once_and_whole_through_a_tiny_ring() {
    let what = "page faults through a tiny ring";
    let Some(mut pages) = Pages::new(what) else { return };
    let cpus = pinned();
    let ring = 4 * kernel::page_size() as u64;
    let Some(mut session) = of_own_thread(what, &of_pages(), &cpus, ring) else { return };
    assert_eq!(session.ring_bytes(), ring);
    let (mut seen, mut bytes) = (Vec::new(), 0);
    for _ in 0..500 {
        // A third of the records that fit: this thread's other faults are samples too.
        (0..2).for_each(|_| pages.touch());
        let mut raw = Vec::new();
        session.drain(&mut |cpu, record| raw.push((cpu, record.to_vec())));
        bytes += raw.iter().map(|(_, record)| record.len() as u64).sum::<u64>();
        seen.extend(raw.iter().map(|(cpu, record)| parsed(&session, *cpu, record)));
    }
    assert!(bytes > 50 * ring, "the ring went round: {bytes} bytes");
    let counts = pages.counted(&seen);
    // A machine that takes many pages away between two drains may overrun so small a ring.
    let (touched, lost) = (pages.touched.len(), session.lost());
    assert!(counts.len() as u64 + lost >= 1_000, "{} of {touched}, {lost} lost", counts.len());
    assert!(counts.len() > 900, "{} of {touched}, {lost} lost", counts.len());
    assert!(counts.values().all(|&count| count == 1));
    assert!(!seen.iter().any(|seen| seen.content == Content::Throttled));
}

#[test]
fn what_does_not_fit_is_counted() {
    let what = "a ring that overruns";
    let Some(mut pages) = Pages::new(what) else { return };
    let cpus = pinned();
    let ring = 4 * kernel::page_size() as u64;
    let Some(mut session) = of_own_thread(what, &of_pages(), &cpus, ring) else { return };
    (0..200).for_each(|_| pages.touch());
    let lost = session.lost();
    let mut seen = drained(&mut session);
    let counts = pages.counted(&seen);
    assert!(lost > 0 && counts.len() < 200, "{lost} lost, {} seen", counts.len());
    assert!(counts.len() as u64 + lost >= 200, "{lost} lost, {} seen", counts.len());
    // The kernel reports lost records in the ring as soon as there is space again.
    pages.touch();
    seen.extend(drained(&mut session));
    let reported: u64 = seen
        .iter()
        .map(|seen| if let Content::Lost(count) = seen.content { count } else { 0 })
        .sum();
    assert_eq!(reported, session.records.lost);
    if !session.counts_lost {
        return eprintln!("SKIPPED the events' own count: this kernel has none (before 6.0)");
    }
    assert_eq!(session.lost(), reported);
    assert!(session.remove_task(own_tid()));
    assert_eq!(session.lost(), reported, "what a removed task lost stays counted");
}

#[test]
fn all_events_of_a_ring_are_told_apart_by_number() {
    let what = "all kinds in one ring";
    let Some(mut pages) = Pages::new(what) else { return };
    let config = SamplingConfig {
        hz: 997,
        off_cpu_period: Some(1),
        first_touch_period: Some(1),
        ..SamplingConfig::default()
    };
    let Some(mut session) = of_own_thread(what, &config, &cpus(), 1 << 20) else { return };
    let kinds = |seen: &[Seen]| seen.iter().filter_map(|seen| seen.kind).collect::<HashSet<_>>();
    let mut work = || {
        pages.touch();
        nap();
        std::thread::spawn(|| {}).join().unwrap();
        burn(Duration::from_millis(2));
    };
    let seen = until(&mut session, &mut work, |seen| kinds(seen).len() == 5);
    for seen in &seen {
        match (seen.kind, &seen.content) {
            (Some(PerfEventKind::Switches), Content::SwitchedIn | Content::SwitchedOut) => {}
            (Some(PerfEventKind::Sideband), content) => assert!(!is_sample(seen), "{content:?}"),
            (Some(_), Content::Sample { period, .. }) => assert!(*period > 0),
            (Some(_), Content::Lost(_) | Content::Throttled | Content::Other) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(!pages.counted(&seen).is_empty());
    assert_eq!(session.kind_of(u64::MAX), None);
}

#[test]
fn sampling_pauses_while_the_rest_goes_on() {
    let config = SamplingConfig { hz: 997, ..SamplingConfig::default() };
    let Some(mut session) = of_own_thread("a pause", &config, &cpus(), 1 << 20) else { return };
    let work = || burn(Duration::from_millis(5));
    let is_sampled = |seen: &[Seen]| seen.iter().filter(|seen| is_sample(seen)).count() > 3;
    until(&mut session, work, is_sampled);
    session.set_sampling(false).unwrap();
    drained(&mut session);
    for _ in 0..20 {
        nap();
        burn(Duration::from_millis(5));
    }
    std::thread::spawn(|| {}).join().unwrap();
    let seen = drained(&mut session);
    assert!(!seen.iter().any(is_sample), "no sample in 100 ms of CPU time");
    assert!(!seen.iter().any(is_switch), "and no switch in 20 naps");
    assert!(
        seen.iter().any(|seen| seen.kind == Some(PerfEventKind::Sideband)),
        "a thread was born"
    );
    session.set_sampling(true).unwrap();
    until(&mut session, work, is_sampled);
    // A paused task stays paused when the session is enabled again.
    session.set_sampling(false).unwrap();
    session.disable().unwrap();
    session.enable().unwrap();
    drained(&mut session);
    burn(Duration::from_millis(50));
    assert!(!drained(&mut session).iter().any(is_sample));
}

#[test]
fn switches_stop_while_samples_go_on() {
    let config = SamplingConfig { hz: 997, ..SamplingConfig::default() };
    let Some(mut session) = of_own_thread("switches", &config, &cpus(), 1 << 20) else { return };
    let has_switch = |seen: &[Seen]| seen.iter().any(is_switch);
    until(&mut session, nap, has_switch);
    session.set_switches(false).unwrap();
    let quiet = |session: &mut Session| {
        drained(session);
        let work = || {
            nap();
            burn(Duration::from_millis(5));
        };
        let seen = until(session, work, |seen| seen.iter().filter(|s| is_sample(s)).count() > 9);
        assert!(!has_switch(&seen));
    };
    quiet(&mut session);
    // Neither a general pause nor enabling the session restores them.
    session.set_sampling(false).unwrap();
    session.set_sampling(true).unwrap();
    quiet(&mut session);
    session.disable().unwrap();
    session.enable().unwrap();
    quiet(&mut session);
    session.set_switches(true).unwrap();
    until(&mut session, nap, has_switch);
}

#[test]
fn times_are_those_of_the_monotonic_clock() {
    let config = SamplingConfig { hz: 1, ..SamplingConfig::default() };
    let Some(mut session) = of_own_thread("the clock", &config, &cpus(), 1 << 16) else { return };
    drained(&mut session);
    for _ in 0..20 {
        let before = now();
        nap();
        let after = now();
        let seen = drained(&mut session);
        for wanted in [Content::SwitchedOut, Content::SwitchedIn] {
            let found: Vec<_> = seen.iter().filter(|seen| seen.content == wanted).collect();
            assert!(!found.is_empty(), "{wanted:?}");
            let is_between = |seen: &&Seen| (before..=after).contains(&seen.time);
            assert!(found.iter().any(is_between), "{wanted:?} in {before}..{after}: {found:?}");
        }
    }
}

#[test]
fn departures_are_sampled_one_of_so_many_and_say_so() {
    let what = "departures";
    let config = SamplingConfig { hz: 1, off_cpu_period: Some(1), ..SamplingConfig::default() };
    let Some(mut session) = of_own_thread(what, &config, &pinned(), 8 << 20) else { return };
    let periods = |seen: &[Seen]| -> Vec<(u64, u64)> {
        let departures = seen.iter().filter(|seen| seen.kind == Some(PerfEventKind::OffCpu));
        departures
            .filter_map(|seen| match seen.content {
                Content::Sample { period, .. } => Some((seen.time, period)),
                _ => None,
            })
            .collect()
    };
    let outs = |seen: &[Seen]| -> Vec<u64> {
        let outs = seen.iter().filter(|seen| seen.content == Content::SwitchedOut);
        outs.map(|seen| seen.time).collect()
    };
    drained(&mut session);
    (0..20).for_each(|_| nap());
    let seen = drained(&mut session);
    let sampled = periods(&seen);
    assert!(sampled.len() >= 20 && sampled.iter().all(|&(_, period)| period == 1));
    assert_eq!(sampled.len(), outs(&seen).len(), "every departure, by the other event's count");
    // The ring then holds samples of both periods.
    (0..5).for_each(|_| nap());
    let changed = now();
    session.set_off_cpu_period(10).unwrap();
    (0..200).for_each(|_| nap());
    let seen = drained(&mut session);
    let (of_one, of_ten): (Vec<_>, Vec<_>) =
        periods(&seen).into_iter().partition(|&(_, period)| period == 1);
    assert!(of_ten.iter().all(|&(_, period)| period == 10));
    let after = outs(&seen).iter().filter(|&&time| time > changed).count();
    assert!(of_one.len() >= 5 && of_one.len() <= outs(&seen).len() - after + 2, "{of_one:?}");
    assert!((10 * of_ten.len()).abs_diff(after) <= 20, "{} of {after}", of_ten.len());
}

#[test]
fn a_new_thread_is_observed_under_its_creators_numbers() {
    let what = "threads";
    let config = SamplingConfig { hz: 997, ..SamplingConfig::default() };
    let Some(mut session) = of_own_thread(what, &config, &cpus(), 1 << 20) else { return };
    let (say, heard) = mpsc::channel();
    let (leave, left) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        say.send(own_tid()).unwrap();
        while left.try_recv() == Err(mpsc::TryRecvError::Empty) {
            std::hint::spin_loop();
        }
    });
    let tid = heard.recv().unwrap();
    let numbers = |seen: &[Seen]| -> usize {
        let of_thread = seen.iter().filter(|seen| seen.tid == tid && is_sample(seen));
        of_thread.map(|seen| seen.id).collect::<HashSet<_>>().len()
    };
    let enough = |seen: &[Seen]| seen.iter().filter(|s| s.tid == tid && is_sample(s)).count() > 9;
    let creators: HashSet<_> = session.records.kinds.keys().copied().collect();
    let seen = until(&mut session, nap, enough);
    assert!(seen.iter().all(|seen| creators.contains(&seen.id)), "the creator's numbers");
    assert!(!session.has_task(tid));
    // If it is added as well it is sampled twice; after its removal it no longer is.
    session.add_task(tid).unwrap();
    session.add_task(tid).unwrap();
    let cpus = cpus().len();
    until(&mut session, nap, |seen| numbers(seen) == 2 || numbers(seen) > cpus);
    assert!(session.remove_task(tid) && !session.remove_task(tid));
    drained(&mut session);
    let seen = until(&mut session, nap, enough);
    assert!(seen.iter().all(|seen| creators.contains(&seen.id)));
    // Without its creator it is not observed.
    session.remove_task(own_tid());
    drained(&mut session);
    burn(Duration::from_millis(50));
    assert!(drained(&mut session).is_empty());
    drop(leave);
    thread.join().unwrap();
}

/// A cgroup for one test, removed when the test ends.
struct Place(std::path::PathBuf);

impl Drop for Place {
    fn drop(&mut self) {
        // The kernel empties it shortly after its last task has been reaped.
        let started = Instant::now();
        while std::fs::remove_dir(&self.0).is_err() && started.elapsed() < PATIENCE / 10 {
            nap();
        }
    }
}

#[test]
fn a_cgroup_is_observed_and_its_neighbours_are_not() {
    let what = "a cgroup";
    let places = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(std::path::Path::new);
    let Some(root) = places.into_iter().find(|place| place.join("cgroup.procs").exists()) else {
        return eprintln!("SKIPPED {what}: no cgroup2 here");
    };
    let path = root.join(format!("uringbench-test-{}", std::process::id()));
    if let Err(error) = std::fs::create_dir(&path) {
        return eprintln!("SKIPPED {what}: {}: {error}", path.display());
    }
    let place = Place(path);
    let (inside, _outside) = (Burner::start(), Burner::start());
    let pid = inside.0.id();
    std::fs::write(place.0.join("cgroup.procs"), pid.to_string()).unwrap();
    let directory = OwnedFd::from(std::fs::File::open(&place.0).unwrap());
    let config = SamplingConfig { hz: 499, ..SamplingConfig::default() };
    let session = Session::open(SampleScope::Cgroup(directory), &config, &cpus());
    if let Some(mut session) = opened(what, session) {
        session.enable().unwrap();
        let count = |seen: &[Seen]| seen.iter().filter(|seen| is_sample(seen)).count();
        let seen = until(&mut session, nap, |seen| count(seen) > 20);
        assert!(seen.iter().filter(|seen| is_sample(seen)).all(|seen| seen.pid == pid));
    }
}

#[test]
fn what_cannot_be_observed_is_a_clean_error() {
    let config = SamplingConfig { user_only: true, ..SamplingConfig::default() };
    let cpus = pinned();
    let Some(mut session) = opened("errors", Session::open(SampleScope::Tasks, &config, &cpus))
    else {
        return;
    };
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    let tid = gone.id();
    assert_eq!(session.add_task(tid), Err(PerfError::TaskGone { tid }));
    assert_eq!(session.add_task(0), Err(PerfError::TaskGone { tid: 0 }));
    assert!(!session.has_task(tid) && !session.remove_task(tid));
    // A task that ends while it is observed.
    let burner = Burner::start();
    let pid = burner.0.id();
    session.add_task(pid).unwrap();
    drop(burner);
    session.enable().unwrap();
    session.set_sampling(false).unwrap();
    session.disable().unwrap();
    drained(&mut session);
    assert_eq!(session.lost(), 0);
    assert!(session.remove_task(pid));
    let error = |scope, config: &SamplingConfig, cpus: &[u32]| {
        Session::open(scope, config, cpus).expect_err("it must not open")
    };
    let zero = SamplingConfig { hz: 0, ..SamplingConfig::default() };
    assert!(matches!(error(SampleScope::Tasks, &zero, &cpus), PerfError::BadRecipe(_)));
    assert_eq!(error(SampleScope::Tasks, &config, &[]), PerfError::NoCpus);
    let none = PerfError::NoSuchCpu { cpu: 1 << 20 };
    assert_eq!(error(SampleScope::Tasks, &config, &[1 << 20]), none);
    let directory = OwnedFd::from(std::fs::File::open("/").unwrap());
    let reported = error(SampleScope::Cgroup(directory), &config, &cpus);
    let is_reported = matches!(reported, PerfError::NotCgroup2 | PerfError::Forbidden { .. });
    assert!(is_reported, "{reported}");
    if let Ok(mut session) = Session::open(SampleScope::System, &config, &cpus) {
        assert_eq!(session.add_task(own_tid()), Err(PerfError::NotOfTasks));
    }
}

#[test]
fn a_reader_is_woken_before_the_ring_is_full() {
    let what = "wake-ups";
    let Some(mut pages) = Pages::new(what) else { return };
    let ring = 16 * kernel::page_size() as u64;
    let Some(mut session) = of_own_thread(what, &of_pages(), &pinned(), ring) else { return };
    drained(&mut session);
    assert!(!session.wait(Duration::from_millis(1)).unwrap(), "nothing has come");
    let mut touched = 0;
    while !session.wait(Duration::ZERO).unwrap() {
        pages.touch();
        touched += 1;
        assert!(touched < 300);
    }
    assert_eq!(session.lost(), 0, "after {touched} pages");
    let (mut bytes, mut longest) = (0, 0);
    session.drain(&mut |_, record| {
        bytes += record.len() as u64;
        longest = longest.max(record.len() as u64);
    });
    let quarter = ring / 4;
    assert!((quarter..=quarter + 2 * longest).contains(&bytes), "{bytes} of {ring} bytes");
}
