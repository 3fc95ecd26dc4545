//! The fields of `chaos`, `[[process]]`, `[[proxy]]` and `[[fault]]`, for serde and for the JSON
//! Schema.

use schemars::JsonSchema;
use serde::Deserialize;

use super::values::{MemoryAmount, PerSecond, Span};

/// What a good answer is, and how long the target may take to recover.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Chaos {
    /// The slowest good answer; default the p99 before the first fault.
    pub(crate) good: Option<Span>,
    /// How long the run goes on after the end of a fault at least; default 10 seconds.
    pub(crate) recovery: Option<Span>,
    /// The share of good answers that a month's error budget is counted for, such as `"99.9%"`,
    /// which is the default.
    pub(crate) availability: Option<String>,
}

/// A process that the run starts before the load, watches, and may start again.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Process {
    /// The name by which faults refer to it.
    pub(crate) name: String,
    /// The command, for a shell. It must stay in the foreground. It runs in the scenario's folder.
    pub(crate) command: String,
    /// It is ready when it accepts connections at this address: `tcp:127.0.0.1:5432`.
    pub(crate) ready: String,
}

/// A TCP proxy that the run puts into the path: of the load, or of what the target depends on.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Proxy {
    /// The name by which faults refer to it.
    pub(crate) name: String,
    /// The address where it accepts connections.
    pub(crate) listen: String,
    /// The address that it connects them to.
    pub(crate) to: String,
}

/// A fault: something is done to the target, or to what it depends on, at a time of the run.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// Its name in reports and objectives; default the kind.
    pub(crate) name: Option<String>,
    /// When it begins, from the start of the measured window: `"40s"`, or `"40s±2s"` for a random
    /// time around it.
    pub(crate) at: String,
    /// How long it lasts.
    #[serde(rename = "for")]
    pub(crate) length: Option<Span>,
    /// How often it comes; default once.
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) repeat: Option<u32>,
    /// The time from one to the next.
    pub(crate) every: Option<Span>,
    /// Whether it may be there together with others.
    #[serde(default, rename = "overlap")]
    pub(crate) may_overlap: bool,
    /// What is done.
    pub(crate) inject: Inject,
}

/// What a fault does. A process is a PID, a name, `cgroup:PATH`, or the name of a `[[process]]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Inject {
    /// Nothing: it shows how often the figures see a fault where there is none.
    Nothing(Nothing),
    /// The processes stand still; a control group by its freezer.
    Pause(OfProcess),
    /// The processes get a signal that ends them.
    Kill(Kill),
    /// Less CPU time for the control group of the process, in CPUs.
    Cpu(Cpu),
    /// Less memory for the control group of the process.
    Memory(Memory),
    /// Threads of uringbench use CPU time beside the target: a noisy neighbour.
    Burn(Burn),
    /// The process may open only a few more files.
    Fds(Fds),
    /// The file system of a folder is full.
    DiskFull(DiskFull),
    /// Commands begin and end it.
    Exec(Exec),
    /// Bytes through a proxy arrive later.
    #[serde(rename = "latency")]
    Delay(Delay),
    /// Bytes through a proxy pass at this rate at most.
    Bandwidth(Bandwidth),
    /// Nothing passes a proxy, and nothing says so.
    Timeout(OfProxy),
    /// Connections through a proxy are reset as soon as bytes arrive.
    ResetPeer(OfProxy),
    /// Bytes through a proxy pass in pieces, with pauses between them.
    Slicer(Slicer),
    /// Connections through a proxy end after so many bytes.
    LimitData(LimitData),
    /// The ends of connections pass a proxy late.
    SlowClose(SlowClose),
    /// Connections through a proxy end, and new ones are refused.
    Down(OfProxy),
}

/// A direction through a proxy.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Way {
    /// From the client to the server.
    Upstream,
    /// From the server to the client.
    #[default]
    Downstream,
    /// Both.
    Both,
}

/// Which proxy.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfProxy {
    /// The proxy.
    pub(crate) proxy: String,
    /// The direction; default downstream.
    #[serde(default)]
    pub(crate) direction: Way,
}

/// How much later.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Delay {
    /// The proxy.
    pub(crate) proxy: String,
    /// The direction; default downstream.
    #[serde(default)]
    pub(crate) direction: Way,
    /// The mean.
    pub(crate) delay: Span,
    /// The most that is added or taken away at random; default none.
    pub(crate) jitter: Option<Span>,
}

/// How fast.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bandwidth {
    /// The proxy.
    pub(crate) proxy: String,
    /// The direction; default downstream.
    #[serde(default)]
    pub(crate) direction: Way,
    /// Bytes per second of each connection: `"100k"`.
    pub(crate) rate: PerSecond,
}

/// Which pieces.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Slicer {
    /// The proxy.
    pub(crate) proxy: String,
    /// The direction; default downstream.
    #[serde(default)]
    pub(crate) direction: Way,
    /// Bytes of a piece.
    #[schemars(range(min = 1))]
    pub(crate) size: u32,
    /// The pause between two.
    pub(crate) delay: Span,
}

/// How many bytes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitData {
    /// The proxy.
    pub(crate) proxy: String,
    /// The direction; default downstream.
    #[serde(default)]
    pub(crate) direction: Way,
    /// How many.
    pub(crate) bytes: u64,
}

/// How late.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SlowClose {
    /// The proxy.
    pub(crate) proxy: String,
    /// The direction; default downstream.
    #[serde(default)]
    pub(crate) direction: Way,
    /// By how much.
    pub(crate) delay: Span,
}

/// No parameters.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// Whose processes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfProcess {
    /// The process.
    pub(crate) process: String,
}

/// Which processes end, and how.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kill {
    /// The process: a `[[process]]`, which is started again, or one that something else starts
    /// again.
    pub(crate) process: String,
    /// `KILL` or `TERM`; default `KILL`.
    pub(crate) signal: Option<String>,
    /// How long after its end a `[[process]]` is started again; default at once.
    pub(crate) restart: Option<Span>,
}

/// How much CPU time.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cpu {
    /// The process.
    pub(crate) process: String,
    /// CPUs: `0.2` is a fifth of one.
    pub(crate) limit: f64,
}

/// How much memory.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Memory {
    /// The process.
    pub(crate) process: String,
    /// The limit, at least `"1M"`.
    pub(crate) limit: MemoryAmount,
}

/// How many threads, and where.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Burn {
    /// How many; default one.
    #[schemars(range(min = 1, max = 1024))]
    pub(crate) threads: Option<u32>,
    /// On these CPUs; default all that no worker uses.
    #[serde(default)]
    pub(crate) cpus: Vec<usize>,
}

/// How many files.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fds {
    /// The process.
    pub(crate) process: String,
    /// Files that it may open besides those that are open; default none.
    pub(crate) spare: Option<u64>,
}

/// Which file system.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiskFull {
    /// A folder on it.
    pub(crate) folder: String,
    /// Bytes that are left free; default none.
    pub(crate) leave: Option<u64>,
}

/// Commands for a shell; each may take 30 seconds.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exec {
    /// Begins the fault.
    pub(crate) start: String,
    /// Succeeds while the fault is there.
    pub(crate) verify: Option<String>,
    /// Ends the fault; it may run twice.
    pub(crate) stop: String,
}
