//! One CPU's ring with its event, and the changes to its records on reading.
//!
//! The owner of a ring is an event that never runs: tasks start and end, but the ring stays. It
//! belongs to this process's main thread, which lasts as long as the process.

use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::time::Duration;

use perf_event_open_sys::bindings as sys;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::event_attr::{PERIOD_OFFSET, PerfEventKind, owner};
use crate::failure::{PerfError, Question, Subject};
use crate::kernel::{self, Ring, Who};

/// A CPU's ring.
#[derive(Debug)]
pub(crate) struct CpuRing {
    pub(crate) cpu: u32,
    ring: Ring,
    owner: OwnedFd,
    /// The period of each sample of a switch away from the CPU, by the position from which it
    /// applies; the first applies now.
    off_cpu: VecDeque<(u64, u64)>,
}

/// The session's facts about its events, and the buffer in which records are patched.
#[derive(Debug, Default)]
pub(crate) struct RecordSink {
    pub(crate) kinds: HashMap<u64, PerfEventKind>,
    first_touch_period: u64,
    /// Lost records that the kernel reported (`PERF_RECORD_LOST`).
    pub(crate) lost: u64,
    /// Samples that could not be passed on.
    pub(crate) dropped: u64,
    wrapped: Vec<u8>,
    patched: Vec<u8>,
}

/// Whether events report the number of records they lost: since Linux 6.0.
pub(crate) fn counts_lost(owner_task: u32) -> bool {
    kernel::open(&owner(0, true), Who::Task(owner_task), None).is_ok()
}

impl RecordSink {
    /// One of `first_touch_period` page faults is sampled.
    pub(crate) fn new(first_touch_period: u64) -> Self {
        Self { first_touch_period, ..Self::default() }
    }
}

impl CpuRing {
    /// Opens a ring for each CPU, all of equal size: of `bytes` if that much memory may be locked,
    /// otherwise of half of it, and so on down to a page.
    pub(crate) fn open_all(
        owner_task: u32,
        cpus: &[u32],
        bytes: u64,
        counts_lost: bool,
    ) -> Result<Vec<Self>, PerfError> {
        let mut pages = (bytes / kernel::page_size() as u64).next_power_of_two() as usize;
        loop {
            let rings: Result<Vec<_>, _> =
                cpus.iter().map(|&cpu| Self::open(owner_task, cpu, pages, counts_lost)).collect();
            match rings {
                Err(PerfError::NoRingMemory) if pages > 1 => pages /= 2,
                other => return other,
            }
        }
    }

    fn open(owner_task: u32, cpu: u32, pages: usize, counts: bool) -> Result<Self, PerfError> {
        let attr = owner((pages * kernel::page_size()) as u64, counts);
        let question = Question { subject: Subject::Ring(cpu), user_only: true };
        let owner = kernel::open(&attr, Who::Task(owner_task), Some(cpu))
            .map_err(|errno| question.refused(errno))?;
        let ring = Ring::map(&owner, pages).map_err(|errno| match errno {
            Errno::PERM | Errno::NOMEM | Errno::AGAIN => PerfError::NoRingMemory,
            errno => PerfError::Other { step: "mapping a ring", errno },
        })?;
        Ok(Self { cpu, ring, owner, off_cpu: VecDeque::from([(0, 1)]) })
    }

    /// Bytes of data that the ring can hold.
    pub(crate) fn ring_bytes(&self) -> u64 {
        self.ring.size() as u64
    }

    /// Lets an event of this CPU write into this ring.
    pub(crate) fn attach(&self, event: &OwnedFd) -> Result<(), Errno> {
        kernel::set_output(event, &self.owner)
    }

    /// Sets the period of the switches written from now on.
    pub(crate) fn set_off_cpu_period(&mut self, period: u64) {
        self.off_cpu.push_back((self.ring.head(), period));
    }

    /// Passes on every complete record.
    pub(crate) fn drain(&mut self, records: &mut RecordSink, sink: &mut dyn FnMut(u32, &[u8])) {
        let Self { cpu, ring, off_cpu, .. } = self;
        let RecordSink { kinds, first_touch_period, lost, dropped, wrapped, patched } = records;
        let broken = ring.drain(wrapped, &mut |at, record| {
            while off_cpu.get(1).is_some_and(|&(from, _)| from <= at) {
                off_cpu.pop_front();
            }
            let kind = match word(record, 0) as u32 {
                sys::PERF_RECORD_SAMPLE => kinds.get(&word(record, 1)),
                sys::PERF_RECORD_LOST => {
                    *lost += word(record, 2);
                    None
                }
                _ => None,
            };
            let period = match kind {
                Some(PerfEventKind::OffCpu) => off_cpu[0].1,
                Some(PerfEventKind::FirstTouch) => *first_touch_period,
                _ => return sink(*cpu, record),
            };
            if put_period(record, period, patched) {
                sink(*cpu, patched);
            } else {
                *dropped += 1;
            }
        });
        *dropped += u64::from(broken > 0);
    }
}

/// Waits until a ring has records to read, for at most `timeout`. Returns whether one has.
pub(crate) fn wait(rings: &[CpuRing], timeout: Duration) -> Result<bool, Errno> {
    let mut fds: Vec<_> =
        rings.iter().map(|ring| PollFd::new(&ring.owner, PollFlags::IN)).collect();
    let span = Timespec::try_from(timeout).ok();
    match poll(&mut fds, span.as_ref()) {
        Ok(0) | Err(Errno::INTR) => return Ok(false),
        Ok(_) => {}
        Err(errno) => return Err(errno),
    }
    let is_ready = fds.iter().any(|fd| fd.revents().contains(PollFlags::IN));
    if !is_ready {
        // The owners reported a hang-up: the main thread has ended before the process. Nothing will
        // wake the reader any more, so it must not spin.
        std::thread::sleep(timeout);
    }
    Ok(is_ready)
}

/// The word of a record at an index, in native byte order; 0 beyond the end.
fn word(record: &[u8], index: usize) -> u64 {
    let bytes = record.get(index * 8..index * 8 + 8).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u64::from_ne_bytes)
}

/// Adds a period to a sample without one. False if the result is too long for a record.
fn put_period(record: &[u8], period: u64, patched: &mut Vec<u8>) -> bool {
    let (Ok(size), Some((before, after))) =
        (u16::try_from(record.len() + 8), record.split_at_checked(PERIOD_OFFSET))
    else {
        return false;
    };
    patched.clear();
    patched.extend_from_slice(before);
    patched.extend_from_slice(&period.to_ne_bytes());
    patched.extend_from_slice(after);
    patched[6..8].copy_from_slice(&size.to_ne_bytes());
    true
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_period_is_put_where_the_layout_has_it() {
        let mut record: Vec<u8> = (0..80).collect();
        record[6..8].copy_from_slice(&80u16.to_ne_bytes());
        let mut patched = Vec::new();
        assert!(put_period(&record, 0x0102_0304_0506_0708, &mut patched));
        assert_eq!(patched.len(), 88);
        assert_eq!(u16::from_ne_bytes([patched[6], patched[7]]), 88);
        assert_eq!(word(&patched, 7), 0x0102_0304_0506_0708);
        assert_eq!((&patched[8..56], &patched[64..]), (&record[8..56], &record[56..]));
        assert!(!put_period(&record[..48], 1, &mut patched), "too short to be a sample");
        assert!(!put_period(&vec![0; 65_528], 1, &mut patched), "too long to grow");
    }

    #[test]
    fn a_reader_does_not_spin_when_the_owner_is_gone() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let (leave, left) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let tid = rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned();
            sender.send(tid).unwrap();
            let _ = left.recv();
        });
        let rings = CpuRing::open_all(receiver.recv().unwrap(), &[0], 1, false);
        drop(leave);
        thread.join().unwrap();
        let rings = match rings {
            Ok(rings) => rings,
            Err(error) => return eprintln!("SKIPPED an owner that is gone: {error}"),
        };
        let started = Instant::now();
        for _ in 0..3 {
            assert_eq!(wait(&rings, Duration::from_millis(20)), Ok(false));
        }
        assert!(started.elapsed() >= Duration::from_millis(60));
    }
}
