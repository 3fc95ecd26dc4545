//! Reads the target's processes: the sums of their levels, and counters for `totals`. A process
//! that ends while it is read is left out, which is no error.

use std::fs::{self, File};
use std::io::Read;

use procfs::process::{Schedstat, Stat};
use procfs::{FromBufRead, FromRead};
use rustix::time::{ClockId, clock_gettime};
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_machine::processes;

use super::membership::{Member, Membership};
use super::reading::{PROCESSES_MAX, ProcessMemory, TargetReading};
use super::shared::{Mapper, SharedMemory};
use super::totals::{Counters, Scheduling, Totals, Usage};

/// The largest number of threads whose files are read at a tick; each costs some 20 µs.
pub const THREADS_MAX: usize = 512;
/// Time between two readings of the PSS: the kernel walks all page tables for it, 20 ms per GB, and
/// holds the lock that the target's page faults need.
const PSS_PERIOD: Nanos = Nanos::from_secs(60);
/// Time between two readings that list the memory of each process.
const EACH_PERIOD: Nanos = Nanos::from_millis(900);

/// The reader of one target.
#[derive(Debug)]
pub struct ProcessReader {
    membership: Membership,
    totals: Totals,
    /// Nanoseconds of one tick of `utime` and related fields.
    tick: u64,
    pss_read: Option<Timestamp>,
    each_read: Option<Timestamp>,
    shared: SharedMemory,
    /// The processes with shared memory in the current reading.
    mappers: Vec<Mapper>,
    buffer: Vec<u8>,
}

impl ProcessReader {
    /// Follows these members; counters start at the first reading.
    pub fn new(membership: Membership) -> Self {
        let per_second = procfs::ticks_per_second().max(1);
        let since_boot = clock_gettime(ClockId::Boottime);
        // Start times of processes are in whole ticks, rounded down.
        let attached = since_boot.tv_sec as u64 * per_second
            + since_boot.tv_nsec as u64 * per_second / 1_000_000_000;
        Self {
            membership,
            totals: Totals::new(attached),
            tick: 1_000_000_000 / per_second,
            pss_read: None,
            each_read: None,
            shared: SharedMemory::default(),
            mappers: Vec::new(),
            buffer: Vec::with_capacity(4096),
        }
    }

    /// Reads all values at `now`; the PSS only if it is due and `is_measuring` is false.
    pub fn read(&mut self, now: Timestamp, is_measuring: bool) -> TargetReading {
        let members = self.membership.list();
        let wants_pss = !is_measuring
            && self.pss_read.is_none_or(|read| now.since(read) >= PSS_PERIOD)
            && !members.is_empty();
        if wants_pss {
            self.pss_read = Some(now);
        }
        let mut sum = TargetReading { fds: Some(0), ..TargetReading::default() };
        self.mappers.clear();
        let mut pss = wants_pss.then_some(0);
        let mut threads_left = THREADS_MAX;
        let mut present = Vec::with_capacity(members.len());
        for member in members {
            let Some(counters) = self.process(member, &mut sum, &mut threads_left) else {
                continue;
            };
            present.push(counters);
            if wants_pss {
                pss = pss.zip(self.pss(member.pid)).map(|(sum, own)| sum + own);
            }
        }
        self.totals.add(present);
        let shared = self.shared.read(now, &self.mappers);
        if self.each_read.is_some_and(|read| now.since(read) < EACH_PERIOD) {
            sum.each.clear();
        } else {
            self.each_read = Some(now);
        }
        let (usage, scheduling) = (self.totals.usage(), self.totals.scheduling());
        TargetReading {
            user: Nanos(usage.user),
            system: Nanos(usage.system),
            minor_faults: usage.minor,
            major_faults: usage.major,
            on_cpu: Nanos(scheduling.on_cpu),
            run_queue: Nanos(scheduling.run_queue),
            voluntary_switches: scheduling.voluntary,
            involuntary_switches: scheduling.involuntary,
            rss_shmem: shared.bytes,
            is_shmem_per_process: shared.is_per_process,
            pss,
            ..sum
        }
    }

    /// Reads one process: adds its levels to `sum` and returns its counters. `None` if it has
    /// ended.
    fn process(
        &mut self,
        member: Member,
        sum: &mut TargetReading,
        threads_left: &mut usize,
    ) -> Option<Counters> {
        let folder = format!("/proc/{}", member.pid);
        let stat = Stat::from_read(self.file(&format!("{folder}/stat"))?).ok()?;
        if stat.starttime != member.start {
            return None;
        }
        let mut counters = counters(&stat, self.tick);
        if matches!(stat.state, 'Z' | 'X' | 'x') {
            return Some(counters);
        }
        let status = Status::of(self.file(&format!("{folder}/status"))?);
        sum.rss_anon += status.rss_anon;
        sum.rss_file += status.rss_file;
        sum.swap += status.swap;
        if status.rss_shmem > 0 {
            self.mappers.push(Mapper { pid: member.pid, resident: status.rss_shmem });
        }
        if sum.each.len() < PROCESSES_MAX {
            let bytes = status.rss_anon + status.swap;
            sum.each.push(ProcessMemory { pid: member.pid, start: member.start, bytes });
        }
        let threads = stat.num_threads.max(0) as u64;
        sum.threads += threads;
        sum.processes += 1;
        sum.fds = sum.fds.zip(fds(member.pid)).map(|(sum, own)| sum + own);
        if threads == 1 {
            counters.has_all_threads = *threads_left > 0;
            if counters.has_all_threads {
                *threads_left -= 1;
                let scheduling = self.scheduling(&folder, status);
                counters.threads.extend(scheduling.map(|found| (member.pid, found)));
            }
        } else {
            let tids = processes::threads(member.pid);
            let read = tids.len().min(*threads_left);
            *threads_left -= read;
            counters.has_all_threads = read == tids.len();
            for tid in &tids[..read] {
                let folder = format!("{folder}/task/{tid}");
                let Some(status) = self.file(&format!("{folder}/status")).map(Status::of) else {
                    continue;
                };
                let scheduling = self.scheduling(&folder, status);
                counters.threads.extend(scheduling.map(|found| (*tid, found)));
            }
        }
        sum.threads_unread += threads.saturating_sub(counters.threads.len() as u64)
            * u64::from(!counters.has_all_threads);
        Some(counters)
    }

    /// The scheduler's counts for the thread in `folder`.
    fn scheduling(&mut self, folder: &str, status: Status) -> Option<Scheduling> {
        let schedstat = Schedstat::from_read(self.file(&format!("{folder}/schedstat"))?).ok()?;
        Some(Scheduling {
            on_cpu: schedstat.sum_exec_runtime,
            run_queue: schedstat.run_delay,
            voluntary: status.voluntary_switches,
            involuntary: status.involuntary_switches,
        })
    }

    fn pss(&mut self, pid: u32) -> Option<u64> {
        let read = self.file(&format!("/proc/{pid}/smaps_rollup"))?;
        pss(read)
    }

    fn file(&mut self, path: &str) -> Option<&[u8]> {
        self.buffer.clear();
        File::open(path).ok()?.read_to_end(&mut self.buffer).ok()?;
        Some(&self.buffer)
    }
}

fn counters(stat: &Stat, tick: u64) -> Counters {
    Counters {
        pid: stat.pid.unsigned_abs(),
        parent: stat.ppid.unsigned_abs(),
        start: stat.starttime,
        own: Usage {
            user: stat.utime.saturating_mul(tick),
            system: stat.stime.saturating_mul(tick),
            minor: stat.minflt,
            major: stat.majflt,
        },
        reaped: Usage {
            user: stat.cutime.unsigned_abs().saturating_mul(tick),
            system: stat.cstime.unsigned_abs().saturating_mul(tick),
            minor: stat.cminflt,
            major: stat.cmajflt,
        },
        threads: Vec::new(),
        has_all_threads: false,
    }
}

/// The few needed lines of `status`; a map of all sixty would cost more than the kernel needs to
/// write them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Status {
    rss_anon: u64,
    rss_file: u64,
    rss_shmem: u64,
    swap: u64,
    voluntary_switches: u64,
    involuntary_switches: u64,
}

impl Status {
    fn of(text: &[u8]) -> Self {
        let mut status = Self::default();
        for line in text.split(|&byte| byte == b'\n') {
            let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
            let (name, value) = line.split_at(colon);
            let field = match name {
                b"RssAnon" => &mut status.rss_anon,
                b"RssFile" => &mut status.rss_file,
                b"RssShmem" => &mut status.rss_shmem,
                b"VmSwap" => &mut status.swap,
                b"voluntary_ctxt_switches" => &mut status.voluntary_switches,
                b"nonvoluntary_ctxt_switches" => &mut status.involuntary_switches,
                _ => continue,
            };
            let value = std::str::from_utf8(&value[1..]).unwrap_or("").trim();
            let (number, unit) = value.split_once(' ').unwrap_or((value, ""));
            let scale = if unit == "kB" { 1024 } else { 1 };
            *field = number.parse::<u64>().unwrap_or(0).saturating_mul(scale);
        }
        status
    }
}

/// The PSS in bytes from a `smaps_rollup`.
fn pss(text: &[u8]) -> Option<u64> {
    let rollup = procfs::process::SmapsRollup::from_buf_read(text).ok()?;
    rollup.memory_map_rollup.0.first()?.extension.map.get("Pss").copied()
}

/// The number of open descriptors. Since Linux 6.2 it is the folder's size (f1f1f2569901); a
/// listing takes longer the more there are, and holds a lock of the target.
fn fds(pid: u32) -> Option<u64> {
    let folder = format!("/proc/{pid}/fd");
    match fs::metadata(&folder).ok()?.len() {
        0 => Some(fs::read_dir(&folder).ok()?.count() as u64),
        open => Some(open),
    }
}

#[cfg(test)]
mod tests;
