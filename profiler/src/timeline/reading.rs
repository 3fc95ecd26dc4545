//! One reading of the target, its control group and the host. Counters are cumulative and never
//! decrease; levels are current values.

use uringbench_core::time::{Nanos, Timestamp};
use uringbench_machine::cgroup::CgroupMemory;

use crate::leak::heap::HeapReading;

/// All values read at one tick.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The start of the reading.
    pub time: Timestamp,
    /// The delay of the reading after its tick.
    pub late: Nanos,
    /// The sum of the target's processes.
    pub target: TargetReading,
    /// The memory of its control group, if it has one of its own.
    pub cgroup: Option<CgroupMemory>,
    /// The machine, or the part of it that a container can see.
    pub host: HostReading,
    /// The heaps of runtimes that report them, if memory is followed.
    pub heaps: Vec<HeapReading>,
    /// Heaps of such runtimes that could not be read, and processes that may have one.
    pub unread_heaps: u64,
}

/// The target: counters since the first reading, for every process that was ever a member and for
/// the children they waited for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetReading {
    /// CPU time in user mode, in steps of the kernel's tick.
    pub user: Nanos,
    /// CPU time in the kernel, in the same steps.
    pub system: Nanos,
    /// Exact CPU time of the observed threads, without threads that lived between two readings.
    pub on_cpu: Nanos,
    /// Time for which its threads could have run but waited for a CPU.
    pub run_queue: Nanos,
    /// How often a thread gave up its CPU to wait.
    pub voluntary_switches: u64,
    /// How often a thread was preempted.
    pub involuntary_switches: u64,
    /// Page faults that needed no disk.
    pub minor_faults: u64,
    /// Page faults that waited for a disk.
    pub major_faults: u64,
    /// Resident private memory in bytes: the heap, stacks, written copies.
    pub rss_anon: u64,
    /// Resident pages of files in bytes; shared ones count once per process.
    pub rss_file: u64,
    /// Shared memory in bytes: each object (memfd, segment, shared anonymous mapping, file of a
    /// tmpfs) once, with all its pages.
    pub rss_shmem: u64,
    /// Whether an object could not be read: `rss_shmem` is then the resident part, counted once per
    /// process that maps it.
    pub is_shmem_per_process: bool,
    /// Memory swapped out, in bytes.
    pub swap: u64,
    /// Proportional set size in bytes: shared pages divided among their users. Read only rarely.
    pub pss: Option<u64>,
    /// Open file descriptors; `None` without the permission to count them.
    pub fds: Option<u64>,
    /// Threads.
    pub threads: u64,
    /// Processes; 0 if the target has ended, and then all levels are 0.
    pub processes: u64,
    /// Threads beyond the number that is read one by one: run queue, switches and `on_cpu` exclude
    /// them.
    pub threads_unread: u64,
    /// The private memory of each process, of at most [`PROCESSES_MAX`]; once a second, empty in
    /// between.
    pub each: Vec<ProcessMemory>,
}

impl TargetReading {
    /// CPU time that the scheduler accounts to the target. Threads and children that lived too
    /// short to be observed are only in the sums of their processes.
    pub fn accounted(&self) -> Nanos {
        self.on_cpu.max(Nanos(self.user.0 + self.system.0))
    }
}

/// The largest number of processes whose memory is listed separately.
pub const PROCESSES_MAX: usize = 256;

/// The private memory of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessMemory {
    /// The process.
    pub pid: u32,
    /// Its start in ticks since boot, which with the PID identifies it.
    pub start: u64,
    /// Resident private and swapped memory, in bytes.
    pub bytes: u64,
}

/// The host; a part is `None` if the kernel does not report it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HostReading {
    /// The time of all CPUs.
    pub cpu: Option<HostCpu>,
    /// Time in which at least one task waited for a CPU.
    pub pressure_cpu: Option<Nanos>,
    /// Time in which at least one task waited for memory.
    pub pressure_memory: Option<Nanos>,
    /// Time in which at least one task waited for a disk.
    pub pressure_io: Option<Nanos>,
    /// The activity of the disks.
    pub disk: Option<HostDisk>,
    /// The traffic of the network devices in this network namespace.
    pub network: Option<HostNetwork>,
    /// Retransmitted TCP segments.
    pub tcp_retransmits: Option<u64>,
    /// Memory available without swapping, in bytes.
    pub memory_available: Option<u64>,
}

/// The time of all CPUs since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostCpu {
    /// User mode, including nice and guests.
    pub user: Nanos,
    /// The kernel, including interrupts.
    pub system: Nanos,
    /// Idle.
    pub idle: Nanos,
    /// Idle while waiting for a disk.
    pub iowait: Nanos,
    /// Used by the hypervisor for others.
    pub steal: Nanos,
    /// Context switches.
    pub context_switches: u64,
}

/// The activity of the disks since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostDisk {
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Total time of reads.
    pub read_time: Nanos,
    /// Total time of writes.
    pub write_time: Nanos,
}

/// The traffic of the network devices since boot, including the loopback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostNetwork {
    /// Bytes received.
    pub received_bytes: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Packets received.
    pub received_packets: u64,
    /// Packets sent.
    pub sent_packets: u64,
}
