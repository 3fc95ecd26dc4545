//! The target's processes if it runs on this machine: their IDs, the CPUs that they may use, and
//! their CPU time.
//!
//! A target is found by the sockets that listen on the address under load. Behind a proxy or in
//! another network namespace no process is found; then every value here is "unknown".

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

use procfs::net::{TcpNetEntry, TcpState};
use procfs::process::{FDTarget, Process, all_processes};
use uringbench_core::plan::Peer;
use uringbench_core::time::Nanos;
use uringbench_core::validity::ProcessCpu;

use crate::cpu_set::CpuSet;
use crate::{cgroup, cpus, processes};

const KIB: u64 = 1024;

/// The location of the target, relative to this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetLocation {
    /// On another machine.
    Remote,
    /// On this machine.
    Local(Processes),
}

/// The roots of the target's process trees; empty if no process was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processes {
    roots: BTreeSet<i32>,
}

/// CPU time used so far by each process of the target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuReading {
    processes: BTreeMap<i32, ProcessReading>,
}

/// CPU time used so far by one process, read in two ways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ProcessReading {
    name: String,
    /// That of all its threads, including ended ones, rounded down to scheduler ticks.
    ticked: Nanos,
    /// The exact time of each living thread.
    threads: BTreeMap<i32, Nanos>,
}

/// Finds out whether the target is on this machine, and its processes.
pub fn locate(peers: &[Peer]) -> TargetLocation {
    let local: Vec<&Peer> = peers.iter().filter(|peer| is_ours(peer)).collect();
    if local.is_empty() {
        return TargetLocation::Remote;
    }
    let inodes = listening_inodes(&local);
    let ours = i32::try_from(std::process::id()).unwrap_or_default();
    let mut roots: BTreeSet<i32> = all_processes()
        .into_iter()
        .flatten()
        .flatten()
        .filter(|process| process.pid() != ours && holds(process, &inodes))
        .map(|process| process.pid())
        .collect();
    // An init that opens sockets for its services keeps a copy; its tree would be the whole
    // machine.
    if roots.len() > 1 {
        roots.remove(&1);
    }
    TargetLocation::Local(Processes { roots })
}

impl TargetLocation {
    /// The CPUs that our workers should avoid: `None` if the target is on another machine, every
    /// CPU if it is on this one but unknown.
    pub fn cpus(&self) -> Option<CpuSet> {
        let Self::Local(processes) = self else {
            return None;
        };
        let online = cpus::online();
        let threads: Vec<CpuSet> = processes.tree().iter().flat_map(cpus_of_threads).collect();
        Some(working_cpus(&threads, &online))
    }

    /// The CPU time that the target's cgroup may use, in CPUs, if it is limited.
    pub fn quota(&self) -> Option<f64> {
        self.listeners().iter().find_map(|pid| cgroup::cpu_quota(&pid.to_string()))
    }

    /// The folder in which the target works, if it is a process on this machine that this user
    /// may inspect; as seen from here, also for a process in a container.
    pub fn working_folder(&self) -> Option<PathBuf> {
        let Self::Local(processes) = self else {
            return None;
        };
        processes.roots.iter().find_map(|pid| {
            let folder = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
            let within = folder.strip_prefix("/").ok()?;
            Some(Path::new(&format!("/proc/{pid}/root")).join(within))
        })
    }

    /// Periods in which the target's cgroup was throttled since its creation.
    pub fn throttled_periods(&self) -> Option<u64> {
        self.listeners().iter().find_map(|pid| cgroup::throttled_periods(&pid.to_string()))
    }

    /// The processes that listen for the target's connections; empty if they are unknown.
    pub fn listeners(&self) -> Vec<u32> {
        match self {
            Self::Local(processes) => {
                processes.roots.iter().map(|pid| pid.unsigned_abs()).collect()
            }
            Self::Remote => Vec::new(),
        }
    }

    /// CPU time that the target has used so far; `None` if its processes are unknown.
    pub fn read_cpu(&self) -> Option<CpuReading> {
        let Self::Local(processes) = self else {
            return None;
        };
        let read = |process: &Process| Some((process.pid(), ProcessReading::of(process)?));
        let processes: BTreeMap<_, _> = processes.tree().iter().filter_map(read).collect();
        (!processes.is_empty()).then_some(CpuReading { processes })
    }

    /// Resident private memory of the target's processes in bytes; `None` if they are unknown.
    pub fn private_memory(&self) -> Option<u64> {
        let Self::Local(processes) = self else {
            return None;
        };
        let of = |process: &Process| Some(process.status().ok()?.rssanon? * KIB);
        let each = processes.tree().iter().filter_map(of).collect::<Vec<_>>();
        (!each.is_empty()).then(|| each.iter().sum())
    }
}

impl Processes {
    /// The current processes: the roots and all their descendants, without this one, which a target
    /// may have started.
    fn tree(&self) -> Vec<Process> {
        let ourselves = i32::try_from(std::process::id()).unwrap_or_default();
        let mut tree = processes::family(&self.roots);
        tree.retain(|process| process.pid() != ourselves);
        tree
    }
}

impl CpuReading {
    /// CPU time used between two readings.
    pub fn used_since(&self, before: &Self) -> Nanos {
        let nothing = ProcessReading::default();
        self.processes.iter().fold(Nanos::ZERO, |sum, (pid, now)| {
            sum + now.used_since(before.processes.get(pid).unwrap_or(&nothing))
        })
    }

    /// The CPU time of each process between two readings `passed` apart, the busiest first.
    pub fn processes_since(&self, before: &Self, passed: Nanos) -> Vec<ProcessCpu> {
        let nothing = ProcessReading::default();
        let used = self.processes.iter().map(|(pid, now)| {
            let used = now.used_since(before.processes.get(pid).unwrap_or(&nothing));
            ProcessCpu {
                pid: pid.unsigned_abs(),
                name: now.name.clone(),
                used: used.as_secs_f64() / passed.as_secs_f64().max(f64::MIN_POSITIVE),
            }
        });
        let mut used: Vec<ProcessCpu> = used.collect();
        used.sort_by(|a, b| b.used.total_cmp(&a.used));
        used
    }

    /// Threads that used more than `least` between two readings.
    pub fn busy_threads_since(&self, before: &Self, least: Nanos) -> usize {
        let nothing = ProcessReading::default();
        let per_process = self.processes.iter().map(|(pid, now)| {
            let then = before.processes.get(pid).unwrap_or(&nothing);
            now.threads_since(then).filter(|&used| used > least).count()
        });
        per_process.sum()
    }
}

impl ProcessReading {
    /// Threads may start and end between two readings; then only the ticks include all of them.
    fn used_since(&self, before: &Self) -> Nanos {
        let ticked = self.ticked.0.saturating_sub(before.ticked.0);
        let exact: u64 = self.threads_since(before).map(|used| used.0).sum();
        // In each of two readings two sums (user, system) are rounded down.
        let rounding = 2 * tick().0;
        if ticked > exact + rounding { Nanos(ticked) } else { Nanos(exact) }
    }

    /// The time that each living thread has used since.
    fn threads_since(&self, before: &Self) -> impl Iterator<Item = Nanos> {
        self.threads.iter().map(|(tid, now)| {
            let then = before.threads.get(tid).copied().unwrap_or_default();
            Nanos(now.0.saturating_sub(then.0))
        })
    }

    fn of(process: &Process) -> Option<Self> {
        let stat = process.stat().ok()?;
        let tasks = process.tasks().into_iter().flatten().flatten();
        let threads = tasks
            .filter_map(|task| Some((task.tid, Nanos(task.schedstat().ok()?.sum_exec_runtime))));
        let ticked = Nanos((stat.utime + stat.stime).saturating_mul(tick().0));
        Some(Self { name: stat.comm, ticked, threads: threads.collect() })
    }
}

fn tick() -> Nanos {
    Nanos(Nanos::SECOND.0 / procfs::ticks_per_second().max(1))
}

/// Whether an address belongs to this machine: only such an address can be bound.
fn is_ours(peer: &Peer) -> bool {
    match peer {
        Peer::Unix(_) => true,
        Peer::Tcp(address) => {
            !address.ip().is_multicast() && UdpSocket::bind((address.ip(), 0)).is_ok()
        }
    }
}

/// The sockets that accept connections to any of these addresses.
fn listening_inodes(peers: &[&Peer]) -> BTreeSet<u64> {
    let entries = |table: procfs::ProcResult<Vec<TcpNetEntry>>| table.into_iter().flatten();
    entries(procfs::net::tcp())
        .chain(entries(procfs::net::tcp6()))
        .filter(|entry| entry.state == TcpState::Listen)
        .filter(|entry| {
            peers.iter().any(|peer| match peer {
                Peer::Tcp(peer) => accepts(entry.local_address, *peer),
                Peer::Unix(_) => false,
            })
        })
        .map(|entry| entry.inode)
        .chain(bound_inodes(peers))
        .collect()
}

/// The Unix sockets bound to any of these paths. Connections accepted from one have its path too,
/// and belong to the same processes.
fn bound_inodes(peers: &[&Peer]) -> Vec<u64> {
    let entries = procfs::net::unix().into_iter().flatten();
    let is_asked_for = |path: &Path| {
        peers.iter().any(|peer| matches!(peer, Peer::Unix(asked) if asked.as_path() == path))
    };
    entries
        .filter(|entry| entry.path.as_deref().is_some_and(is_asked_for))
        .map(|entry| entry.inode)
        .collect()
}

/// Whether a socket listening on `local` accepts connections to `peer`. An unspecified IPv6 address
/// also accepts IPv4 (`IPV6_V6ONLY` is off by default).
fn accepts(local: SocketAddr, peer: SocketAddr) -> bool {
    let bound = local.ip().to_canonical();
    let family_fits = bound.is_ipv4() == peer.is_ipv4() || local.is_ipv6();
    local.port() == peer.port()
        && (bound == peer.ip().to_canonical() || (bound.is_unspecified() && family_fits))
}

fn holds(process: &Process, inodes: &BTreeSet<u64>) -> bool {
    process
        .fd()
        .into_iter()
        .flatten()
        .flatten()
        .any(|fd| matches!(fd.target, FDTarget::Socket(inode) if inodes.contains(&inode)))
}

fn cpus_of_threads(process: &Process) -> Vec<CpuSet> {
    let tasks = process.tasks().into_iter().flatten().flatten();
    tasks
        .filter_map(|task| Some(CpuSet::from_ranges(&task.status().ok()?.cpus_allowed_list?)))
        .collect()
}

/// The CPUs on which a target works. If some threads are pinned and others are not, the pinned ones
/// do the work: the rest are masters and timers.
fn working_cpus(threads: &[CpuSet], online: &CpuSet) -> CpuSet {
    let mut cpus = CpuSet::default();
    for pinned in threads.iter().filter(|cpus| cpus.len() < online.len()) {
        cpus.extend(pinned);
    }
    if cpus.is_empty() { online.clone() } else { cpus }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_listener_is_matched_with_the_address_under_load() {
        let cases = [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("[::]:80", "127.0.0.1:80", true),
            ("[::]:80", "[::1]:80", true),
            ("[::ffff:127.0.0.1]:80", "127.0.0.1:80", true),
            ("127.0.0.1:81", "127.0.0.1:80", false),
            ("127.0.0.2:80", "127.0.0.1:80", false),
            ("0.0.0.0:80", "[::1]:80", false),
        ];
        for (local, peer, expected) in cases {
            let accepted = accepts(local.parse().unwrap(), peer.parse().unwrap());
            assert_eq!(accepted, expected, "{local} {peer}");
        }
    }

    #[test]
    fn the_pinned_threads_are_those_that_work() {
        let set = |text: &str| text.parse::<CpuSet>().unwrap();
        let of = |threads: &[&str]| {
            let threads: Vec<CpuSet> = threads.iter().map(|text| set(text)).collect();
            working_cpus(&threads, &set("0-3")).to_string()
        };
        assert_eq!(of(&[]), "0-3");
        assert_eq!(of(&["0-3", "0-3"]), "0-3");
        assert_eq!(of(&["0-3", "0", "2"]), "0,2");
    }

    fn reading(ticked: u64, threads: &[(i32, u64)]) -> CpuReading {
        let threads = threads.iter().map(|&(tid, nanos)| (tid, Nanos(nanos))).collect();
        let process = ProcessReading { name: "server".to_owned(), ticked: Nanos(ticked), threads };
        CpuReading { processes: BTreeMap::from([(7, process)]) }
    }

    #[test]
    fn exact_times_are_used_unless_threads_came_and_went() {
        let second = Nanos::SECOND.0;
        let before = reading(second, &[(7, second + 3), (8, 5)]);
        let steady = reading(2 * second, &[(7, 2 * second), (8, 9), (9, 1)]);
        assert_eq!(steady.used_since(&before), Nanos(second - 3 + 4 + 1));
        let gone = reading(3 * second, &[(7, second + 3)]);
        assert_eq!(gone.used_since(&before), Nanos(2 * second));
        assert_eq!(steady.used_since(&CpuReading::default()), Nanos(2 * second + 10));
        assert_eq!(steady.busy_threads_since(&before, Nanos(1)), 2);
        let shares = gone.processes_since(&before, Nanos(4 * second));
        assert_eq!(shares, [ProcessCpu { pid: 7, name: "server".to_owned(), used: 0.5 }]);
        assert_eq!(before.processes_since(&before, Nanos(second))[0].used, 0.0);
    }

    #[test]
    fn addresses_of_this_machine_are_known_and_others_are_remote() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let here = listener.local_addr().unwrap();
        // This process itself listens, and never counts as its own target.
        assert_eq!(locate(&[Peer::Tcp(here)]), TargetLocation::Local(Processes::default()));
        // RFC 5737: an address that no machine has.
        let elsewhere = "192.0.2.1:80".parse().unwrap();
        assert_eq!(locate(&[Peer::Tcp(elsewhere)]), TargetLocation::Remote);
        assert_eq!(TargetLocation::Remote.cpus(), None);
    }

    #[test]
    fn a_process_tree_is_walked_and_its_cpu_time_grows() {
        let mut busy =
            std::process::Command::new("sh").arg("-c").arg("while :; do :; done").spawn().unwrap();
        let pid = busy.id().cast_signed();
        let here = TargetLocation::Local(Processes { roots: BTreeSet::from([pid]) });
        let before = here.read_cpu().unwrap();
        while here.read_cpu().unwrap().used_since(&before) == Nanos::ZERO {
            std::thread::yield_now();
        }
        assert!(!here.cpus().unwrap().is_empty());
        busy.kill().unwrap();
        busy.wait().unwrap();
    }

    #[test]
    fn a_target_that_started_us_does_not_contain_us() {
        let ours = i32::try_from(std::process::id()).unwrap();
        let parent = TargetLocation::Local(Processes { roots: BTreeSet::from([ours]) });
        let reading = parent.read_cpu().unwrap_or_default();
        assert!(!reading.processes.contains_key(&ours), "{reading:?}");
    }
}
