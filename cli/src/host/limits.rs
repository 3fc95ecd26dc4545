//! The limits of this process that a load runs into: open files and locked memory.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use uringbench_core::plan::{Peer, Plan};

/// A resource limit; `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    /// What holds now.
    pub(crate) soft: Option<u64>,
    /// What the process may raise it to by itself.
    pub(crate) hard: Option<u64>,
}

/// Descriptors beside the connections: streams, results, name look-up, and some to spare.
const FILES_OTHERWISE: u64 = 32;
/// Descriptors each worker holds for its ring.
const FILES_PER_WORKER: u64 = 2;

/// Open files, as they are.
pub(crate) fn files() -> Limit {
    getrlimit(Resource::Nofile).into()
}

/// Locked memory, as it is.
pub(crate) fn locked_memory() -> Limit {
    getrlimit(Resource::Memlock).into()
}

/// Raise the soft limit of open files to the hard one, which needs no privilege, and return what
/// holds then.
pub(crate) fn raise_files() -> Limit {
    let limit = getrlimit(Resource::Nofile);
    // A refusal leaves the old limit, and the check against it says so.
    let _kept =
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    files()
}

/// Whether so many connections, and so many idle ones besides, fit under the limit of open files.
pub(crate) fn check_files(
    connections: u32,
    idle: u32,
    workers: usize,
    limit: Limit,
) -> Result<(), String> {
    let otherwise = u64::from(idle) + FILES_OTHERWISE + FILES_PER_WORKER * workers as u64;
    let needed = u64::from(connections) + otherwise;
    let Some(allowed) = limit.soft.filter(|&allowed| allowed < needed) else {
        return Ok(());
    };
    if idle > 0 {
        let fitting = allowed.saturating_sub(needed - u64::from(idle));
        return Err(format!(
            "-c {connections} and --idle-connections {idle} need {needed} open files, but this \
             process may open {allowed}: raise the limit first (`ulimit -n {needed}`, as root), \
             or hold {fitting} idle ones or fewer"
        ));
    }
    let fitting = allowed.saturating_sub(otherwise);
    Err(format!(
        "-c {connections} needs {needed} open files, but this process may open {allowed}: \
         raise the limit first (`ulimit -n {needed}`, as root), or use -c {fitting} or fewer"
    ))
}

/// What this plan will run into for want of local ports, as cause and remedy: what the kernel would
/// say of each connection too many, told once.
pub(crate) fn ports_wanting(plan: &Plan) -> Option<String> {
    let tcp = plan.peers.iter().filter(|peer| matches!(peer, Peer::Tcp(_))).count();
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let connections = u64::from(plan.connections) + u64::from(plan.idle);
    let foreseen = || foresee_ports(connections, tcp, plan.sources.len(), &range);
    (tcp > 0).then(foreseen).flatten()
}

/// What connections to so many addresses, from so many, will run into for want of local ports, as
/// cause and remedy. `range` is `net.ipv4.ip_local_port_range`, as the kernel prints it.
fn foresee_ports(connections: u64, peers: usize, sources: usize, range: &str) -> Option<String> {
    let mut ends = range.split_ascii_whitespace().map(|end| end.parse::<u64>().ok());
    let (first, last) = (ends.next()??, ends.next()??);
    // Each pair of addresses has the whole range to itself.
    let pairs = (peers * sources.max(1)) as u64;
    let ports = (last + 1).saturating_sub(first).saturating_mul(pairs);
    (connections > ports).then(|| {
        format!(
            "{connections} connections need as many local ports, and there are {ports}: widen \
             net.ipv4.ip_local_port_range, or give more addresses to connect from with --source-ip"
        )
    })
}

impl From<Rlimit> for Limit {
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
        let limit = |soft| Limit { soft, hard: soft };
        assert_eq!(check_files(u32::MAX, u32::MAX, 4, limit(None)), Ok(()));
        assert_eq!(check_files(990, 0, 1, limit(Some(1_024))), Ok(()));
        let why = check_files(1_000, 0, 1, limit(Some(1_024))).unwrap_err();
        assert!(why.contains("1024") && why.contains("ulimit -n 1034"), "{why}");
        assert!(why.contains("-c 990 or fewer"), "{why}");
        let why = check_files(10, 1_000, 1, limit(Some(1_024))).unwrap_err();
        assert!(why.contains("980 idle ones") && why.contains("ulimit -n 1044"), "{why}");
    }
}
