//! The faults of a run as plain data: what is done to whom, when, and for how long.

use std::net::SocketAddr;

use super::objective::ChaosObjective;
use crate::time::Nanos;

/// The chaos of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChaosPlan {
    /// A good answer is `ok` and takes at most this long; `None` takes the p99 before the faults.
    pub good: Option<Nanos>,
    /// How long the run goes on after the end of a fault at least.
    pub recovery: Nanos,
    /// The share of good answers that a month's error budget is counted for, such as 0.999.
    pub availability: f64,
    /// Processes that are started before the run, and ended after it.
    pub processes: Vec<PlannedProcess>,
    /// Proxies that are in the path from before the run to after it.
    pub proxies: Vec<PlannedProxy>,
    /// The faults, at least one.
    pub faults: Vec<PlannedFault>,
    /// What is asked of the target.
    pub objectives: Vec<ChaosObjective>,
}

/// A process that the run starts, watches, and may start again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedProcess {
    /// The name by which faults refer to it.
    pub name: String,
    /// The command, for a shell.
    pub command: String,
    /// It is ready when it accepts connections here.
    pub ready: SocketAddr,
}

/// A TCP proxy of ours in the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedProxy {
    /// The name by which faults refer to it.
    pub name: String,
    /// Where it accepts connections.
    pub listen: SocketAddr,
    /// Where it connects them to.
    pub to: SocketAddr,
}

/// One fault, which is injected once or several times.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedFault {
    /// Its name in reports.
    pub name: String,
    /// When it is injected first, from the start of the measured window.
    pub at: Nanos,
    /// It comes earlier or later by up to this much, at random for each injection.
    pub jitter: Nanos,
    /// How long it lasts; zero for a kind that is over at once.
    pub length: Nanos,
    /// How often it is injected, at least once.
    pub repeat: u32,
    /// The time from one injection to the next.
    pub every: Nanos,
    /// Whether it may be there together with another.
    pub may_overlap: bool,
    /// What is done.
    pub kind: FaultKind,
}

/// What is done, and to whom. A process is named as `--profile` does: a PID, a name, or
/// `cgroup:PATH`; or it is a process of the plan.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultKind {
    /// Nothing: it shows how often the figures see a fault where there is none.
    Nothing,
    /// Processes stand still.
    Pause {
        /// Which.
        process: String,
    },
    /// Processes get a signal that ends them; a process of the plan is started again.
    Kill {
        /// Which.
        process: String,
        /// The number of the signal.
        signal: i32,
        /// How long after their end it is started again; `None` if something else does, or nobody.
        restart: Option<Nanos>,
    },
    /// The control group of a process has less CPU time.
    Cpu {
        /// Which.
        process: String,
        /// In CPUs.
        limit: f64,
    },
    /// The control group of a process has less memory.
    Memory {
        /// Which.
        process: String,
        /// In bytes.
        limit: u64,
    },
    /// Threads of ours use CPU time beside the target.
    Burn {
        /// How many.
        threads: u32,
        /// On which CPUs; all but the workers' if empty.
        cpus: Vec<usize>,
    },
    /// A process may open only a few more files.
    Fds {
        /// Which.
        process: String,
        /// How many more.
        spare: u64,
    },
    /// A file system is full.
    DiskFull {
        /// A folder on it.
        folder: String,
        /// Bytes that are left free.
        leave: u64,
    },
    /// Commands of the user begin and end it.
    Exec {
        /// Begins it.
        start: String,
        /// Succeeds while it is there; `None` if nothing shows it.
        verify: Option<String>,
        /// Ends it.
        stop: String,
    },
    /// A proxy handles what passes in another way.
    Proxy {
        /// Which.
        proxy: String,
        /// In which direction.
        direction: ProxyDirection,
        /// How.
        toxic: Toxic,
    },
}

/// A direction through a proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyDirection {
    /// From the client to the server.
    Upstream,
    /// From the server to the client.
    #[default]
    Downstream,
    /// Both.
    Both,
}

/// What a proxy does to what passes; names and meanings are those of Toxiproxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toxic {
    /// Bytes arrive later by `delay`, and by up to `jitter` more or less at random.
    Delay {
        /// The mean.
        delay: Nanos,
        /// The most that is added or taken away.
        jitter: Nanos,
    },
    /// Bytes pass at this rate at most.
    Bandwidth {
        /// Bytes per second, at least 1.
        rate: u64,
    },
    /// Nothing passes, and nothing says so: a black hole.
    Timeout,
    /// Connections are reset as soon as bytes arrive.
    ResetPeer,
    /// Bytes pass in pieces with pauses between them.
    Slicer {
        /// Bytes of a piece, at least 1.
        size: u32,
        /// The pause.
        delay: Nanos,
    },
    /// A connection ends after so many bytes.
    LimitData {
        /// How many.
        bytes: u64,
    },
    /// The end of a connection is passed on late.
    SlowClose {
        /// By how much.
        delay: Nanos,
    },
    /// Connections end, and new ones are refused.
    Down,
}

impl ProxyDirection {
    /// The word for it in scenario files.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Downstream => "downstream",
            Self::Both => "both",
        }
    }
}

impl FaultKind {
    /// The word for it in scenario files and documents.
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Pause { .. } => "pause",
            Self::Kill { .. } => "kill",
            Self::Cpu { .. } => "cpu",
            Self::Memory { .. } => "memory",
            Self::Burn { .. } => "burn",
            Self::Fds { .. } => "fds",
            Self::DiskFull { .. } => "disk_full",
            Self::Exec { .. } => "exec",
            Self::Proxy { toxic, .. } => toxic.key(),
        }
    }

    /// The thing that it changes, for the rule that two faults do not change one thing at once.
    pub fn subject(&self) -> Option<&str> {
        match self {
            Self::Nothing | Self::Burn { .. } => None,
            Self::Pause { process }
            | Self::Kill { process, .. }
            | Self::Cpu { process, .. }
            | Self::Memory { process, .. }
            | Self::Fds { process, .. } => Some(process),
            Self::DiskFull { folder, .. } => Some(folder),
            Self::Exec { start, .. } => Some(start),
            Self::Proxy { proxy, .. } => Some(proxy),
        }
    }

    /// Whether it lasts for a time that the plan names.
    pub const fn has_length(&self) -> bool {
        !matches!(self, Self::Kill { .. })
    }
}

impl Toxic {
    /// The word for it in scenario files and documents.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Delay { .. } => "latency",
            Self::Bandwidth { .. } => "bandwidth",
            Self::Timeout => "timeout",
            Self::ResetPeer => "reset_peer",
            Self::Slicer { .. } => "slicer",
            Self::LimitData { .. } => "limit_data",
            Self::SlowClose { .. } => "slow_close",
            Self::Down => "down",
        }
    }
}
