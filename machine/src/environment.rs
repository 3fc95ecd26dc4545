//! The machine on which a result was measured, as stored with the result: facts that explain a
//! difference between two results, and that `doctor` checks.

use std::collections::BTreeMap;

use crate::cpu_set::CpuSet;
use crate::cpus::{self, Topology};
use crate::line_of;

/// This machine. `None` for values that could not be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SystemEnvironment {
    /// Name of the machine.
    pub hostname: Option<String>,
    /// Kernel release, as `uname -r`.
    pub kernel: Option<String>,
    /// Model of the first CPU.
    pub cpu: Option<String>,
    /// The CPUs this process may use.
    pub cpus: CpuSet,
    /// Number of physical cores of these CPUs.
    pub cores: usize,
    /// Frequency governor of each of those CPUs that has one, with the CPUs it governs.
    pub governors: BTreeMap<String, CpuSet>,
    /// The kernel's clock source: `tsc` is the fast one.
    pub clock_source: Option<String>,
    /// TCP congestion control of new connections.
    pub congestion_control: Option<String>,
    /// Kind of virtual machine or container, if detected; `None` on bare metal.
    pub virtualisation: Option<String>,
}

/// Reads all values.
pub fn read() -> SystemEnvironment {
    let cpus = cpus::allowed();
    let cpu_info = line_of("/proc/cpuinfo").unwrap_or_default();
    SystemEnvironment {
        hostname: line_of("/proc/sys/kernel/hostname"),
        kernel: line_of("/proc/sys/kernel/osrelease"),
        cpu: cpu_model(&cpu_info),
        cores: Topology::read(&cpus).cores_of(&cpus).len(),
        governors: governors(&cpus),
        clock_source: line_of("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        congestion_control: line_of("/proc/sys/net/ipv4/tcp_congestion_control"),
        virtualisation: virtualisation(&Hints {
            product: line_of("/sys/class/dmi/id/product_name"),
            hypervisor: line_of("/sys/hypervisor/type"),
            hypervisor_flag: has_flag(&cpu_info, "hypervisor"),
            docker: std::fs::exists("/.dockerenv").unwrap_or(false),
            podman: std::fs::exists("/run/.containerenv").unwrap_or(false),
        }),
        cpus,
    }
}

/// Signs of virtual machines and containers.
#[derive(Clone, Debug, Default)]
struct Hints {
    product: Option<String>,
    hypervisor: Option<String>,
    hypervisor_flag: bool,
    docker: bool,
    podman: bool,
}

fn virtualisation(hints: &Hints) -> Option<String> {
    let machine = match (&hints.product, &hints.hypervisor) {
        _ if !hints.hypervisor_flag && hints.hypervisor.is_none() => None,
        (_, Some(kind)) => Some(format!("virtual machine ({kind})")),
        (Some(product), None) if !product.is_empty() => {
            Some(format!("virtual machine ({product})"))
        }
        _ => Some("virtual machine".to_owned()),
    };
    let container = match (hints.docker, hints.podman) {
        (true, _) => Some("Docker container".to_owned()),
        (_, true) => Some("Podman container".to_owned()),
        _ => None,
    };
    let found: Vec<String> = container.into_iter().chain(machine).collect();
    (!found.is_empty()).then(|| found.join(" in a "))
}

/// The value of the first line with the model: x86 and Arm use different names.
fn cpu_model(cpu_info: &str) -> Option<String> {
    let value_of = |key: &str| {
        cpu_info.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == key).then(|| value.trim().to_owned())
        })
    };
    ["model name", "Model", "cpu model", "CPU part"].into_iter().find_map(value_of)
}

fn has_flag(cpu_info: &str, flag: &str) -> bool {
    cpu_info
        .lines()
        .filter(|line| line.starts_with("flags"))
        .any(|line| line.split_ascii_whitespace().any(|word| word == flag))
}

fn governors(cpus: &CpuSet) -> BTreeMap<String, CpuSet> {
    let mut by_name: BTreeMap<String, CpuSet> = BTreeMap::new();
    for cpu in cpus.iter() {
        let path = format!("/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor");
        if let Some(name) = line_of(path) {
            by_name.entry(name).or_default().insert(cpu);
        }
    }
    by_name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_and_flags_are_found_in_cpuinfo() {
        let x86 = "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu hypervisor\n";
        assert_eq!(cpu_model(x86).as_deref(), Some("AMD EPYC"));
        assert!(has_flag(x86, "hypervisor") && !has_flag(x86, "hyper"));
        assert_eq!(cpu_model("CPU part\t: 0xd0c\n").as_deref(), Some("0xd0c"));
        assert_eq!(cpu_model(""), None);
    }

    #[test]
    fn virtual_machines_and_containers_are_told_apart() {
        let vm = Hints { hypervisor_flag: true, ..Hints::default() };
        let cases = [
            (Hints::default(), None),
            (Hints { product: Some("ThinkPad".into()), ..Hints::default() }, None),
            (vm.clone(), Some("virtual machine")),
            (Hints { product: Some("KVM".into()), ..vm.clone() }, Some("virtual machine (KVM)")),
            (Hints { docker: true, ..vm }, Some("Docker container in a virtual machine")),
            (Hints { podman: true, ..Hints::default() }, Some("Podman container")),
        ];
        for (hints, expected) in cases {
            assert_eq!(virtualisation(&hints).as_deref(), expected, "{hints:?}");
        }
    }

    #[test]
    fn this_machine_has_a_kernel_and_a_cpu() {
        let here = read();
        assert!(here.kernel.is_some_and(|kernel| kernel.contains('.')));
        assert!(here.cores >= 1 && here.cores <= here.cpus.len());
    }
}
