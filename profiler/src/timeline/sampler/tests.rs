//! The ticks as numbers, and a sampler beside a real process.

use std::process::{Child, Command};
use std::time::Instant;

use super::*;
use crate::selector::resolve;

#[test]
fn ticks_stay_on_their_grid_and_late_ones_are_left_out() {
    let period = Nanos(100);
    let next = |now| next_tick(Timestamp(1_000), Timestamp(now), period);
    assert_eq!(next(1_001), (Timestamp(1_100), 0));
    assert_eq!(next(1_099), (Timestamp(1_100), 0));
    assert_eq!(next(1_100), (Timestamp(1_200), 1));
    assert_eq!(next(1_555), (Timestamp(1_600), 5));
}

fn sleeper() -> (Child, Selector, Found) {
    let child = Command::new("sleep").arg("1000").spawn().expect("sleep runs");
    let selector = Selector::Pid(child.id());
    let found = resolve(&selector).expect("it runs");
    (child, selector, found)
}

fn end(mut child: Child) {
    child.kill().expect("it runs");
    child.wait().expect("it ends");
}

fn wait_for(sampler: &Sampler, readings: usize) -> Vec<Reading> {
    let patience = Instant::now() + Duration::from_secs(30);
    loop {
        let found = sampler.readings_after(0);
        if found.len() >= readings {
            return found;
        }
        assert!(Instant::now() < patience, "{} readings within 30 s", found.len());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn readings_come_on_the_grid_until_it_is_stopped() {
    let (child, selector, found) = sleeper();
    let before = now();
    let sampler = Sampler::start(selector, found, SamplerOptions { hz: 100, follows_heaps: true })
        .expect("a thread");
    let seen = wait_for(&sampler, 5);
    assert!(sampler.readings_after(seen.len() + 1_000).is_empty());
    let stopping = now();
    let sampled = sampler.stop();
    end(child);
    let readings = &sampled.readings;
    assert_eq!(readings[..seen.len()], seen[..]);
    assert!(readings.is_sorted_by(|a, b| a.time < b.time));
    assert!(readings[0].time >= before && readings[seen.len() - 1].time <= stopping);
    let due = |reading: &Reading| (reading.time - reading.late).0;
    for reading in &seen {
        assert_eq!((due(reading) - due(&seen[0])) % 10_000_000, 0, "{reading:?}");
        assert_eq!((reading.target.processes, reading.target.threads), (1, 1));
        assert!(reading.target.rss_anon > 0 && reading.host.cpu.is_some());
    }
    assert!(seen[0].target.pss.is_some() && seen[1].target.pss.is_none());
    assert!(!sampled.notes.iter().any(|note| note.contains("gone")), "{:?}", sampled.notes);
}

#[test]
fn a_slow_sampler_stops_at_once_and_a_target_that_ended_is_said() {
    let (child, selector, found) = sleeper();
    let sampler = Sampler::start(selector, found, SamplerOptions { hz: 1, follows_heaps: false })
        .expect("a thread");
    sampler.measuring(true);
    wait_for(&sampler, 1);
    end(child);
    std::thread::sleep(Duration::from_millis(150));
    let sampled = sampler.stop();
    let last = sampled.readings.last().expect("one at least");
    assert_eq!(last.target.processes, 0);
    assert!(sampled.notes.iter().any(|note| note.contains("gone at the end")));
}

#[test]
fn what_a_reader_should_know_is_said() {
    let reading = |unread, fds| {
        let mut reading = Reading { late: Nanos::from_millis(7), ..Reading::default() };
        reading.target.processes = 1;
        reading.target.threads_unread = unread;
        reading.target.fds = fds;
        reading
    };
    assert_eq!(notes(&[reading(0, Some(3))], 0), Vec::<String>::new());
    let all = notes(&[reading(88, None)], 4);
    assert_eq!(
        all,
        [
            "run queue and switches of the target are of 512 threads; up to 88 more were not read",
            "4 readings were left out of the timeline because the machine was too busy (the \
             latest came 7.00 ms late)",
            "the target's file descriptors may not be counted: run as its user or with \
             CAP_SYS_PTRACE",
        ]
    );
}
