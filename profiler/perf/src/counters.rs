//! Counters of a task without a ring: CPU time, switches, faults, cycles.
//!
//! Opened with the `perf-event` crate, each counter separately, so that one which a machine lacks
//! does not prevent the others.

use std::os::fd::OwnedFd;

use perf_event::Builder;
use perf_event::events::{Event, Hardware, Software};
use rustix::io::Errno;

use crate::failure::{PerfError, Question, Subject};
use crate::kernel;

/// The counters of a task.
#[derive(Debug)]
pub struct Counters {
    task_clock: OwnedFd,
    context_switches: OwnedFd,
    migrations: OwnedFd,
    page_faults: OwnedFd,
    cycles: Option<OwnedFd>,
    instructions: Option<OwnedFd>,
    is_user_only: bool,
}

/// Counts since the counters were opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CounterValues {
    /// CPU time in nanoseconds, always including time in the kernel.
    pub task_clock_ns: u64,
    /// Switches away from a CPU; `None` if only user code could be counted.
    pub context_switches: Option<u64>,
    /// Changes of CPU; `None` if only user code could be counted.
    pub migrations: Option<u64>,
    /// Page faults, minor and major.
    pub page_faults: u64,
    /// CPU cycles, extrapolated if the processor's counters were shared; `None` without such
    /// counters, or before they were scheduled.
    pub cycles: Option<u64>,
    /// Instructions, in the same way.
    pub instructions: Option<u64>,
    /// Whether faults, cycles and instructions in the kernel are missing, because of missing
    /// permissions.
    pub is_user_only: bool,
}

impl Counters {
    /// Counts task `tid` from now on (0: the calling thread); with `inherit` also the threads and
    /// children that it creates from now on.
    ///
    /// Without the permission to observe the kernel only user code is counted, and the values state
    /// that.
    pub fn of_task(tid: u32, inherit: bool) -> Result<Self, PerfError> {
        let tid_signed = i32::try_from(tid).map_err(|_| PerfError::TaskGone { tid })?;
        match Self::open(tid_signed, inherit, false) {
            Err(PerfError::Forbidden { .. }) => Self::open(tid_signed, inherit, true),
            other => other,
        }
    }

    fn open(tid: i32, inherit: bool, is_user_only: bool) -> Result<Self, PerfError> {
        let subject = Subject::Task(tid.cast_unsigned());
        let question = Question { subject, user_only: is_user_only };
        let refused = |errno| question.refused(errno);
        let software = |kind| counter(kind, tid, inherit, is_user_only).map_err(refused);
        let hardware = |kind: Hardware| match counter(kind, tid, inherit, is_user_only) {
            Ok(counter) => Ok(Some(counter)),
            Err(Errno::NOENT | Errno::OPNOTSUPP | Errno::INVAL | Errno::NODEV) => Ok(None),
            Err(errno) => Err(question.refused(errno)),
        };
        Ok(Self {
            task_clock: software(Software::TASK_CLOCK)?,
            context_switches: software(Software::CONTEXT_SWITCHES)?,
            migrations: software(Software::CPU_MIGRATIONS)?,
            page_faults: software(Software::PAGE_FAULTS)?,
            cycles: hardware(Hardware::CPU_CYCLES)?,
            instructions: hardware(Hardware::INSTRUCTIONS)?,
            is_user_only,
        })
    }

    /// The counts so far.
    pub fn read(&self) -> Result<CounterValues, PerfError> {
        let read = |counter| Reading::of(counter).map(|reading| reading.scaled().unwrap_or(0));
        let read_hardware = |counter: &Option<OwnedFd>| {
            let reading = counter.as_ref().map(Reading::of).transpose()?;
            Ok(reading.and_then(Reading::scaled))
        };
        let in_kernel = |counter| {
            if self.is_user_only { Ok(None) } else { read(counter).map(Some) }
        };
        Ok(CounterValues {
            task_clock_ns: read(&self.task_clock)?,
            context_switches: in_kernel(&self.context_switches)?,
            migrations: in_kernel(&self.migrations)?,
            page_faults: read(&self.page_faults)?,
            cycles: read_hardware(&self.cycles)?,
            instructions: read_hardware(&self.instructions)?,
            is_user_only: self.is_user_only,
        })
    }
}

fn counter(
    kind: impl Into<Event>,
    tid: i32,
    inherit: bool,
    is_user_only: bool,
) -> Result<OwnedFd, Errno> {
    let mut builder = Builder::new().kind(kind).any_cpu().observe_pid(tid);
    builder.inherit(inherit).exclude_kernel(is_user_only).enabled(true);
    let counter =
        builder.build().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    kernel::adopt(counter)
}

/// A counter's value, with the time for which it was enabled and for which it ran, in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Reading {
    count: u64,
    enabled: u64,
    running: u64,
}

impl Reading {
    fn of(counter: &OwnedFd) -> Result<Self, PerfError> {
        let mut bytes = [0; 24];
        rustix::io::read(counter, &mut bytes)
            .map_err(|errno| PerfError::Other { step: "reading a counter", errno })?;
        let words = bytes.as_chunks().0;
        let [count, enabled, running] = [0, 1, 2].map(|index| u64::from_ne_bytes(words[index]));
        Ok(Self { count, enabled, running })
    }

    /// The count extrapolated to the whole enabled time; `None` if it never ran.
    fn scaled(self) -> Option<u64> {
        let Self { count, enabled, running } = self;
        if running == 0 {
            return None;
        }
        if running >= enabled {
            return Some(count);
        }
        let scaled = u128::from(count) * u128::from(enabled) / u128::from(running);
        Some(u64::try_from(scaled).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_counter_is_extrapolated() {
        let scaled = |count, enabled, running| Reading { count, enabled, running }.scaled();
        assert_eq!(scaled(500, 100, 100), Some(500));
        assert_eq!(scaled(500, 100, 25), Some(2_000));
        assert_eq!(scaled(500, 100, 101), Some(500));
        assert_eq!(scaled(0, 100, 0), None);
        assert_eq!(scaled(u64::MAX, 100, 1), Some(u64::MAX));
    }
}
