//! One reading of the target, its control group and the host. Counters are cumulative and never
//! fall; levels are of the moment.

use uringbench_core::time::{Nanos, Timestamp};
use uringbench_machine::cgroup::CgroupMemory;

/// Everything read at one tick.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// When it began.
    pub time: Timestamp,
    /// How long after its tick that was.
    pub late: Nanos,
    /// The target's processes together.
    pub target: TargetReading,
    /// The memory of its control group, when it has one of its own.
    pub cgroup: Option<CgroupMemory>,
    /// The machine (in a container: what of it can be seen).
    pub host: HostReading,
}

/// The target: counters since the first reading, of every process that was ever a member and of
/// the children they waited for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetReading {
    /// CPU time in user mode, in steps of the kernel's tick.
    pub user: Nanos,
    /// CPU time in the kernel, likewise.
    pub system: Nanos,
    /// CPU time of the threads seen, exact; lacks threads that lived between two readings.
    pub on_cpu: Nanos,
    /// Time its threads could have run but waited for a CPU.
    pub run_queue: Nanos,
    /// Times a thread gave its CPU up to wait.
    pub voluntary_switches: u64,
    /// Times a thread was preempted.
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
    /// tmpfs) once, with all the pages that it holds.
    pub rss_shmem: u64,
    /// Whether an object could not be looked at: `rss_shmem` is then the resident part, once per
    /// process that maps it.
    pub is_shmem_per_process: bool,
    /// Memory swapped out, in bytes.
    pub swap: u64,
    /// Proportional set size in bytes: shared pages divided among their users. Read rarely.
    pub pss: Option<u64>,
    /// Open file descriptors; `None` when they may not be counted.
    pub fds: Option<u64>,
    /// Threads.
    pub threads: u64,
    /// Processes; 0 when the target is gone, and all levels with it.
    pub processes: u64,
    /// Threads that were too many to be read one by one: run queue, switches and `on_cpu` are
    /// without them.
    pub threads_unread: u64,
    /// The private memory of each process, of at most [`PROCESSES_MAX`]; once a second, empty
    /// between.
    pub each: Vec<ProcessMemory>,
}

impl TargetReading {
    /// CPU time the scheduler accounts to the target. Threads and children that lived too short to
    /// be seen are in the sums of their processes alone.
    pub fn accounted(&self) -> Nanos {
        self.on_cpu.max(Nanos(self.user.0 + self.system.0))
    }
}

/// Processes whose memory is kept apart in a reading.
pub const PROCESSES_MAX: usize = 256;

/// The private memory of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessMemory {
    /// The process.
    pub pid: u32,
    /// When it started, in ticks since boot: with the PID, who it is.
    pub start: u64,
    /// Resident private and swapped memory, in bytes.
    pub bytes: u64,
}

/// The host; a part is `None` where the kernel does not tell it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HostReading {
    /// Where the time of all CPUs together went.
    pub cpu: Option<HostCpu>,
    /// Time in which at least one task waited for a CPU.
    pub pressure_cpu: Option<Nanos>,
    /// Time in which at least one task waited for memory.
    pub pressure_memory: Option<Nanos>,
    /// Time in which at least one task waited for a disk.
    pub pressure_io: Option<Nanos>,
    /// What the disks did.
    pub disk: Option<HostDisk>,
    /// What the network devices of this network namespace did.
    pub network: Option<HostNetwork>,
    /// TCP segments sent again.
    pub tcp_retransmits: Option<u64>,
    /// Memory that could be had without swapping, in bytes.
    pub memory_available: Option<u64>,
}

/// Where the time of all CPUs went, since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostCpu {
    /// User mode, nice and guests included.
    pub user: Nanos,
    /// The kernel, interrupts included.
    pub system: Nanos,
    /// Nothing to do.
    pub idle: Nanos,
    /// Nothing to do while a disk was waited for.
    pub iowait: Nanos,
    /// Taken by the hypervisor.
    pub steal: Nanos,
    /// Context switches.
    pub context_switches: u64,
}

/// What the disks did, since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostDisk {
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Time reads took, added up.
    pub read_time: Nanos,
    /// Time writes took, added up.
    pub write_time: Nanos,
}

/// What the network devices did, since boot; the loopback counts as well.
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
