//! Chooses the CPUs of the workers: one per physical core first, away from the target.
//!
//! `choose` decides from values alone; the readers in this module get the values of this machine.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::cpu_set::CpuSet;
use crate::line_of;

/// The value of `--cores`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoreSpec {
    /// This many CPUs, which uringbench chooses.
    Count(usize),
    /// These CPUs.
    List(CpuSet),
}

impl FromStr for CoreSpec {
    type Err = String;

    /// A single number is a count; text with a comma or a dash is a list (`3-3` is CPU 3).
    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected a number of CPUs such as 4, or a list such as 2-5,8";
        if text.contains([',', '-']) {
            let list: CpuSet = text.parse().map_err(|_| expected.to_owned())?;
            return if list.is_empty() { Err(expected.to_owned()) } else { Ok(Self::List(list)) };
        }
        match text.parse() {
            Ok(0) => Err("at least 1 CPU is needed".to_owned()),
            Ok(count) => Ok(Self::Count(count)),
            Err(_) => Err(expected.to_owned()),
        }
    }
}

/// The hardware threads of each physical core.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    siblings: BTreeMap<usize, CpuSet>,
}

/// The facts on which the choice of CPUs depends.
#[derive(Clone, Copy, Debug)]
pub struct Candidates<'a> {
    /// The CPUs this process may use.
    pub allowed: &'a CpuSet,
    /// The CPUs that share a core.
    pub topology: &'a Topology,
    /// The CPUs that the target may use; `None` if it runs on another machine.
    pub target: Option<&'a CpuSet>,
}

/// The CPUs for the workers, or one line that explains why there are none.
pub fn choose(cores: Option<&CoreSpec>, candidates: Candidates<'_>) -> Result<Vec<usize>, String> {
    let count = match cores {
        Some(spec) => {
            check(spec, candidates.allowed)?;
            match spec {
                CoreSpec::List(list) => return Ok(list.iter().collect()),
                CoreSpec::Count(count) => *count,
            }
        }
        None => default_count(candidates),
    };
    let mut ranked: Vec<usize> = candidates.allowed.iter().collect();
    ranked.sort_by_key(|&cpu| {
        let core = candidates.topology.core_of(cpu);
        let target_uses = |wanted: &dyn Fn(&CpuSet) -> bool| candidates.target.is_some_and(wanted);
        (
            target_uses(&|target| target.contains(cpu)),
            // A second hardware thread of a core adds much less than another core.
            core.iter().filter(|&other| other < cpu && candidates.allowed.contains(other)).count(),
            target_uses(&|target| target.intersects(&core)),
            cpu,
        )
    });
    ranked.truncate(count);
    ranked.sort_unstable();
    Ok(ranked)
}

/// Whether the requested CPUs exist; if not, one line that names those that do.
pub fn check(cores: &CoreSpec, allowed: &CpuSet) -> Result<(), String> {
    let missing = match cores {
        CoreSpec::Count(count) if *count > allowed.len() => format!("--cores {count}"),
        CoreSpec::List(list) => {
            let missing: CpuSet = list.iter().filter(|&cpu| !allowed.contains(cpu)).collect();
            match missing.is_empty() {
                true => return Ok(()),
                false => format!("--cores names CPU {missing}"),
            }
        }
        CoreSpec::Count(_) => return Ok(()),
    };
    Err(format!(
        "{missing}, but this process may use {} CPU{} ({allowed}); choose among these",
        allowed.len(),
        if allowed.len() == 1 { "" } else { "s" },
    ))
}

/// The default number: all physical cores, or with the target on this machine half of them and none
/// of its own.
fn default_count(candidates: Candidates<'_>) -> usize {
    let cores = candidates.topology.cores_of(candidates.allowed);
    let Some(target) = candidates.target else {
        return cores.len().max(1);
    };
    let free = cores.iter().filter(|core| !core.intersects(target)).count();
    let half = cores.len() / 2;
    if free > 0 { half.min(free).max(1) } else { half.max(1) }
}

impl Topology {
    /// Built from each CPU's `thread_siblings_list`.
    pub fn new(siblings: impl IntoIterator<Item = (usize, CpuSet)>) -> Self {
        Self { siblings: siblings.into_iter().collect() }
    }

    /// The CPUs of the core of `cpu`; only `cpu` if unknown.
    pub fn core_of(&self, cpu: usize) -> CpuSet {
        self.siblings.get(&cpu).cloned().unwrap_or_else(|| CpuSet::from_iter([cpu]))
    }

    /// The physical cores that have a CPU in `cpus`.
    pub fn cores_of(&self, cpus: &CpuSet) -> Vec<CpuSet> {
        let mut cores: Vec<CpuSet> = Vec::new();
        for cpu in cpus.iter() {
            if !cores.iter().any(|core| core.contains(cpu)) {
                cores.push(self.core_of(cpu));
            }
        }
        cores
    }

    /// Reads the siblings of these CPUs from `/sys`.
    pub fn read(cpus: &CpuSet) -> Self {
        Self::new(cpus.iter().filter_map(|cpu| {
            let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
            let siblings: CpuSet = line_of(path)?.parse().ok()?;
            siblings.contains(cpu).then_some((cpu, siblings))
        }))
    }
}

/// The online CPUs of the whole machine; if they are unknown, those that this process may use.
pub fn online() -> CpuSet {
    let list = line_of("/sys/devices/system/cpu/online").and_then(|list| list.parse().ok());
    list.filter(|cpus: &CpuSet| !cpus.is_empty()).unwrap_or_else(allowed)
}

/// The CPUs that this process may use: its affinity, which is never wider than its cgroup's cpuset.
pub fn allowed() -> CpuSet {
    let status = procfs::process::Process::myself().and_then(|process| process.status());
    match status.ok().and_then(|status| status.cpus_allowed_list) {
        Some(ranges) => CpuSet::from_ranges(&ranges),
        None => {
            let count = std::thread::available_parallelism().map_or(1, usize::from);
            (0..count).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> CpuSet {
        text.parse().unwrap()
    }

    /// `cores` cores with two hardware threads each, numbered as in Linux: n and n + cores.
    fn smt(cores: usize) -> Topology {
        Topology::new(
            (0..2 * cores)
                .map(|cpu| (cpu, [cpu % cores, cpu % cores + cores].into_iter().collect())),
        )
    }

    #[test]
    fn cpus_are_chosen_core_by_core_and_away_from_the_target() {
        let (plain, smt) = (Topology::default(), smt(4));
        // Requested, allowed, topology, target's CPUs, chosen.
        type Case<'a> = (&'a str, &'a str, &'a Topology, Option<&'a str>, &'a [usize]);
        let cases: [Case<'_>; 18] = [
            ("", "0-3", &plain, None, &[0, 1, 2, 3]),
            ("", "0-7", &smt, None, &[0, 1, 2, 3]),
            ("", "4-7", &smt, None, &[4, 5, 6, 7]),
            ("", "0,4", &smt, None, &[0]),
            ("", "0-1", &plain, Some("0-1"), &[0]),
            ("", "0-1", &plain, Some("0"), &[1]),
            ("", "0", &plain, Some("0"), &[0]),
            ("", "0-7", &smt, Some("0-7"), &[0, 1]),
            ("", "0-7", &smt, Some("0,4"), &[1, 2]),
            ("", "0-7", &smt, Some("0-2,4-6"), &[3]),
            ("", "0-7", &smt, Some("0"), &[1, 2]),
            ("2", "0-3", &plain, None, &[0, 1]),
            ("1", "0-1", &plain, Some("0"), &[1]),
            ("2", "0-1", &plain, Some("0"), &[0, 1]),
            ("5", "0-7", &smt, None, &[0, 1, 2, 3, 4]),
            ("4", "0-7", &smt, Some("0"), &[1, 2, 3, 5]),
            ("1-2,5", "0-7", &smt, Some("1"), &[1, 2, 5]),
            ("3-3", "0-3", &plain, None, &[3]),
        ];
        for (asked, allowed, topology, target, chosen) in cases {
            let spec = (!asked.is_empty()).then(|| asked.parse::<CoreSpec>().unwrap());
            let (allowed, target) = (set(allowed), target.map(set));
            let candidates = Candidates { allowed: &allowed, topology, target: target.as_ref() };
            let label = format!("{asked} of {allowed} with target {target:?}");
            assert_eq!(choose(spec.as_ref(), candidates).as_deref(), Ok(chosen), "{label}");
        }
    }

    #[test]
    fn cpus_that_are_not_there_are_named_with_those_that_are() {
        for (asked, named) in [("5", "--cores 5"), ("2-9", "CPU 4-9"), ("7,", "CPU 7")] {
            let why = check(&asked.parse().unwrap(), &set("0-3")).unwrap_err();
            assert!(why.contains(named) && why.contains("(0-3)"), "{why}");
        }
        for text in ["0", "", "x", ",", "-", "5-2", "-1"] {
            assert!(text.parse::<CoreSpec>().is_err(), "{text}");
        }
    }

    #[test]
    fn this_machine_has_at_least_the_cpu_the_test_runs_on() {
        let allowed = allowed();
        assert!(!allowed.is_empty());
        let cores = Topology::read(&allowed).cores_of(&allowed);
        assert!((1..=allowed.len()).contains(&cores.len()));
    }
}
