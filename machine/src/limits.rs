//! Limits of this process that affect a load: open files, locked memory, local ports.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use uringbench_core::plan::{Engine, Plan};

/// A resource limit; `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceLimit {
    /// The current limit.
    pub soft: Option<u64>,
    /// The largest limit that the process may set itself.
    pub hard: Option<u64>,
}

/// Descriptors in addition to the connections: streams, results, name look-up, and a reserve.
const FILES_OTHERWISE: u64 = 32;
/// Descriptors of each worker for its ring.
const FILES_PER_WORKER: u64 = 2;

/// The current limit of open files.
pub fn files() -> ResourceLimit {
    getrlimit(Resource::Nofile).into()
}

/// The current limit of locked memory.
pub fn locked_memory() -> ResourceLimit {
    getrlimit(Resource::Memlock).into()
}

/// Raises the soft limit of open files to the hard one, which needs no privilege, and returns the
/// new limit.
pub fn raise_files() -> ResourceLimit {
    let limit = getrlimit(Resource::Nofile);
    // If this fails the old limit stays, and the check against it reports that.
    let _kept =
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    files()
}

/// Whether this many connections, and this many idle ones, fit under the limit of open files. Each
/// worker's ring has its own table with its own limit; connections of the runtimes are files of
/// this process.
pub fn check_files(
    connections: u32,
    idle: u32,
    workers: usize,
    engine: Engine,
    limit: ResourceLimit,
) -> Result<(), String> {
    let tables = if engine == Engine::Ring { workers as u64 } else { 1 };
    let otherwise = FILES_OTHERWISE + FILES_PER_WORKER * workers as u64;
    let (connections, idle) = (u64::from(connections), u64::from(idle));
    let needed = (connections + idle).div_ceil(tables) + otherwise;
    let Some(allowed) = limit.soft.filter(|&allowed| allowed < needed) else {
        return Ok(());
    };
    let fitting = allowed.saturating_sub(otherwise) * tables;
    let (load, fix) = if idle > 0 {
        let fitting = fitting.saturating_sub(connections);
        let load = format!("-c {connections} and --idle-connections {idle} need");
        (load, format!("or hold {fitting} idle ones or fewer"))
    } else {
        (format!("-c {connections} needs"), format!("or use -c {fitting} or fewer"))
    };
    let (each, cores) = if engine == Engine::Ring {
        (" on each core", ", or give it more --cores")
    } else {
        ("", "")
    };
    Err(format!(
        "{load} {needed} open files{each}, but the limit is {allowed}: raise it first (`ulimit -n \
         {needed}`, as root), {fix}{cores}"
    ))
}

/// The failure of this plan if it needs more local ports than there are, as cause and fix: reported
/// once instead of the kernel's error for each surplus connection.
pub fn ports_wanting(plan: &Plan) -> Option<String> {
    let tcp = plan.transport.carrier.addresses().len();
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let connections = u64::from(plan.connections()) + u64::from(plan.transport.connections.idle);
    let foreseen = || foresee_ports(connections, tcp, plan.sources().len(), &range);
    (tcp > 0).then(foreseen).flatten()
}

/// The failure of this many connections to `peers` addresses from `sources` addresses if they need
/// more local ports than there are, as cause and fix. `range` is `net.ipv4.ip_local_port_range`, as
/// the kernel prints it.
fn foresee_ports(connections: u64, peers: usize, sources: usize, range: &str) -> Option<String> {
    let mut ends = range.split_ascii_whitespace().map(|end| end.parse::<u64>().ok());
    let (first, last) = (ends.next()??, ends.next()??);
    // Each pair of addresses can use the whole range.
    let pairs = (peers * sources.max(1)) as u64;
    let ports = (last + 1).saturating_sub(first).saturating_mul(pairs);
    (connections > ports).then(|| {
        format!(
            "{connections} connections need as many local ports, and there are {ports}: widen \
             net.ipv4.ip_local_port_range, or give more addresses to connect from with --source-ip"
        )
    })
}

impl From<Rlimit> for ResourceLimit {
    fn from(limit: Rlimit) -> Self {
        Self { soft: limit.current, hard: limit.maximum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_counted_for_each_pair_of_addresses() {
        let range = "40000\t40050\n";
        assert_eq!(foresee_ports(51, 1, 0, range), None);
        assert_eq!(foresee_ports(204, 1, 4, range), None);
        assert_eq!(foresee_ports(102, 2, 1, range), None);
        let why = foresee_ports(205, 1, 4, range).unwrap();
        assert!(why.contains("there are 204") && why.contains("--source-ip"), "{why}");
        assert_eq!(foresee_ports(u64::MAX, 1, 1, "garbage"), None);
    }

    #[test]
    fn connections_fit_or_the_line_says_how_many_would() {
        let limit = |soft| ResourceLimit { soft, hard: soft };
        assert_eq!(check_files(u32::MAX, u32::MAX, 4, Engine::Ring, limit(None)), Ok(()));
        assert_eq!(check_files(990, 0, 1, Engine::Ring, limit(Some(1_024))), Ok(()));
        let why = check_files(1_000, 0, 1, Engine::Ring, limit(Some(1_024))).unwrap_err();
        assert!(why.contains("1024") && why.contains("ulimit -n 1034"), "{why}");
        assert!(why.contains("-c 990 or fewer"), "{why}");
        let why = check_files(10, 1_000, 1, Engine::Ring, limit(Some(1_024))).unwrap_err();
        assert!(why.contains("980 idle ones") && why.contains("ulimit -n 1044"), "{why}");
        // One table for each worker, or one for all.
        let over = |engine| check_files(0, 1_976, 2, engine, limit(Some(1_024)));
        assert_eq!(over(Engine::Ring), Ok(()));
        let why = over(Engine::Monoio).unwrap_err();
        assert!(why.contains("988 idle ones") && !why.contains("core"), "{why}");
        let why = check_files(0, 1_977, 2, Engine::Ring, limit(Some(1_024))).unwrap_err();
        assert!(why.contains("1976 idle ones or fewer, or give it more --cores"), "{why}");
    }
}
