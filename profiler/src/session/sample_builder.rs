//! Processes the records in order of time: samples become stacks on disk, switches become waits,
//! first touches become pages; records of other processes are only counted.

use std::io;

use rustc_hash::FxHashMap;
use uringbench_core::time::Timestamp;
use uringbench_perf::PerfEventKind;

use super::stack_size::CopyCounts;
use crate::code::Code;
use crate::page_faults::PageFaults;
use crate::profile::SampleLog;
use crate::record::{Content, OffCpu, OffCpuInterval, ProcessTree, Record, SampleRecord, decode};
use crate::sample::{Sample, SampleKind};
use crate::stack::StackTable;

/// The weight of a sample of the CPU event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CpuWeight {
    /// The period is in nanoseconds (the CPU clock).
    Period,
    /// This time for every sample: the kernel adjusts the period of cycles so that samples have
    /// this rate.
    Fixed(u64),
}

/// Counts that show how complete a recording is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Samples of the target on a CPU.
    pub cpu_samples: u64,
    /// Samples of threads that left their CPU, on the whole machine.
    pub wait_stacks: u64,
    /// Samples of first touches.
    pub touch_samples: u64,
    /// Records and samples for which the kernel had no space, on the whole machine.
    pub lost: u64,
    /// How often the kernel took fewer samples than requested.
    pub throttled: u64,
    /// Records that could not be parsed.
    pub malformed: u64,
    /// All records, of every kind and process.
    pub records: u64,
    /// Switches of threads to or from a CPU, on the whole machine.
    pub switches: u64,
}

/// Processes records and keeps the results.
#[derive(Debug)]
pub(crate) struct SampleBuilder {
    pub(crate) tree: ProcessTree,
    pub(crate) code: Code,
    pub(crate) stacks: StackTable,
    pub(crate) log: SampleLog,
    pub(crate) off_cpu: OffCpu,
    pub(crate) page_faults: Option<PageFaults>,
    pub(crate) tally: Tally,
    /// The stacks of CPU samples, and how many went on after their copies.
    pub(crate) copies: CopyCounts,
    /// CPU time of processes outside the target, in nanoseconds.
    pub(crate) elsewhere: FxHashMap<u32, u64>,
    /// Names of all processes seen.
    pub(crate) names: FxHashMap<u32, String>,
    pub(crate) threads: FxHashMap<u32, (u32, String)>,
    /// The first failure, after which samples are no longer kept.
    pub(crate) failure: Option<io::Error>,
    weight: CpuWeight,
    /// Whether stacks of waits are sampled at all; if not, waits are kept without stacks.
    has_wait_stacks: bool,
}

impl SampleBuilder {
    pub(crate) fn new(
        tree: ProcessTree,
        log: SampleLog,
        page_faults: Option<PageFaults>,
        weight: CpuWeight,
        has_wait_stacks: bool,
    ) -> Self {
        Self {
            tree,
            code: Code::new(),
            stacks: StackTable::default(),
            log,
            off_cpu: OffCpu::default(),
            page_faults,
            tally: Tally::default(),
            copies: CopyCounts::default(),
            elsewhere: FxHashMap::default(),
            names: FxHashMap::default(),
            threads: FxHashMap::default(),
            failure: None,
            weight,
            has_wait_stacks,
        }
    }

    /// A process belongs to the target from now on; it has run before.
    pub(crate) fn adopt(&mut self, pid: u32) {
        self.tree.adopt(pid);
        // A process that has ended or cannot be read is unwound and named as far as possible.
        let _unread = self.code.attach(pid);
    }

    /// Processes one record as written by the kernel; `kind_of` returns the kind of its event.
    pub(crate) fn take(&mut self, bytes: &[u8], kind_of: impl Fn(u64) -> Option<PerfEventKind>) {
        self.tally.records += 1;
        match decode(bytes) {
            Ok(record) => self.on_record(&record, kind_of(record.event)),
            Err(_) => self.tally.malformed += 1,
        }
    }

    fn on_record(&mut self, record: &Record<'_>, kind: Option<PerfEventKind>) {
        self.tree.observe(record);
        match record.content {
            Content::Sample(sample) => self.on_sample(record, &sample, kind),
            Content::Lost(count) | Content::LostSamples(count) => {
                self.tally.lost += count;
                self.off_cpu.observe(record);
            }
            Content::Throttled => self.tally.throttled += 1,
            Content::SwitchedIn | Content::SwitchedOut { .. } => self.on_switch(record),
            Content::Name { name, is_exec } => {
                let name = String::from_utf8_lossy(name).into_owned();
                if record.pid == record.tid {
                    self.names.insert(record.pid, name.clone());
                }
                self.threads.insert(record.tid, (record.pid, name));
                if is_exec && let Some(page_faults) = &mut self.page_faults {
                    page_faults.forget(record.pid);
                }
                self.observe_code(record, record.pid);
            }
            Content::Exit { pid, tid } => {
                if pid == tid
                    && let Some(page_faults) = &mut self.page_faults
                {
                    page_faults.forget(pid);
                }
                self.off_cpu.observe(record);
                self.observe_code(record, pid);
            }
            Content::Fork { pid, tid, parent, parent_tid } => {
                self.inherit_names((pid, tid), (parent, parent_tid));
                self.observe_code(record, pid);
            }
            Content::Mapping(mapping) => self.observe_code(record, mapping.pid),
            Content::Unthrottled | Content::Other(_) => {}
        }
    }

    /// Files of other processes are not opened.
    fn observe_code(&mut self, record: &Record<'_>, pid: u32) {
        if self.tree.contains(pid) {
            self.code.observe(record);
        }
    }

    fn inherit_names(&mut self, (pid, tid): (u32, u32), (parent, parent_tid): (u32, u32)) {
        if pid != parent
            && let Some(name) = self.names.get(&parent).cloned()
        {
            self.names.insert(pid, name);
        }
        if let Some((_, name)) = self.threads.get(&parent_tid).cloned() {
            self.threads.insert(tid, (pid, name));
        }
    }

    fn on_sample(
        &mut self,
        record: &Record<'_>,
        sample: &SampleRecord<'_>,
        kind: Option<PerfEventKind>,
    ) {
        let Some(kind) = kind else {
            self.tally.malformed += 1;
            return;
        };
        self.tally.wait_stacks += u64::from(kind == PerfEventKind::OffCpu);
        if !self.tree.contains(record.pid) {
            if kind == PerfEventKind::Cpu {
                *self.elsewhere.entry(record.pid).or_default() += self.cpu_weight(sample);
            }
            return;
        }
        let before = self.code.counts();
        // Pages that stay are few, and the function that touched one is the answer.
        let stack = match kind {
            PerfEventKind::FirstTouch => {
                self.code.stack_with_python(record.pid, sample, &mut self.stacks)
            }
            _ => self.code.stack(record.pid, sample, &mut self.stacks),
        };
        if kind == PerfEventKind::Cpu {
            let after = self.code.counts();
            self.copies.stacks += after.total() - before.total();
            self.copies.cut += after.longer_than_copy() - before.longer_than_copy();
        }
        let Record { time, cpu, pid, tid, .. } = *record;
        let base = Sample { time, cpu, pid, tid, kind: SampleKind::Cpu, weight: 0, stack };
        match kind {
            PerfEventKind::Cpu => {
                self.tally.cpu_samples += 1;
                let weight = self.cpu_weight(sample);
                self.keep(&Sample { weight, ..base });
            }
            PerfEventKind::OffCpu => {
                self.off_cpu.note_stack(tid, time, stack, sample.period.max(1));
            }
            PerfEventKind::FirstTouch => {
                self.tally.touch_samples += 1;
                if let Some(page_faults) = &mut self.page_faults {
                    page_faults.note(&base, sample.address);
                }
            }
            PerfEventKind::Sideband | PerfEventKind::Switches => {}
        }
    }

    fn on_switch(&mut self, record: &Record<'_>) {
        self.tally.switches += 1;
        if !self.tree.contains(record.pid) {
            return;
        }
        if let Some(wait) = self.off_cpu.observe(record) {
            self.keep_wait(record.cpu, &wait);
        }
    }

    fn keep_wait(&mut self, cpu: u32, wait: &OffCpuInterval) {
        let kind = if wait.is_preempted { SampleKind::Preempted } else { SampleKind::Blocked };
        let weight = if self.has_wait_stacks { wait.weight } else { wait.length().0 };
        if weight > 0 {
            let &OffCpuInterval { pid, tid, end: time, stack, .. } = wait;
            self.keep(&Sample { time, cpu, pid, tid, kind, weight, stack });
        }
    }

    /// Switches are not recorded from now on: current waits cannot be timed.
    pub(crate) fn interrupt_waits(&mut self, time: Timestamp) {
        let content = Content::Lost(0);
        self.off_cpu.observe(&Record { event: 0, time, cpu: 0, pid: 0, tid: 0, content });
    }

    /// The recording ends: current waits are cut off.
    pub(crate) fn finish(&mut self, end: Timestamp) {
        for wait in self.off_cpu.finish(end) {
            self.keep_wait(0, &wait);
        }
        if self.failure.is_none() {
            self.failure = self.log.flush().err();
        }
    }

    fn keep(&mut self, sample: &Sample) {
        if self.failure.is_none()
            && let Err(why) = self.log.push(sample)
        {
            self.failure = Some(why);
        }
    }

    const fn cpu_weight(&self, sample: &SampleRecord<'_>) -> u64 {
        match self.weight {
            CpuWeight::Period => sample.period,
            CpuWeight::Fixed(nanos) => nanos,
        }
    }
}

/// A time at which sampling was switched on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Toggled {
    /// The time.
    pub time: Timestamp,
    /// The state from then on.
    pub on: bool,
    /// CPU time that the target had used by then, in nanoseconds.
    pub target_cpu_ns: u64,
}
