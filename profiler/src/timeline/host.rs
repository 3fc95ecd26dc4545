//! Reads the machine: CPU time, pressure, disks and network.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use procfs::net::InterfaceDeviceStatus;
use procfs::{DiskStats, FromBufRead, FromBufReadSI, KernelStats, Meminfo};
use uringbench_core::time::Nanos;

use super::reading::{HostCpu, HostDisk, HostNetwork, HostReading};

/// The reader of the machine.
#[derive(Debug, Default)]
pub struct Host {
    /// Whether a device is hardware, by its folder in sysfs: other devices only pass on the traffic
    /// of hardware, and would count it twice.
    hardware: BTreeMap<String, bool>,
}

impl Host {
    /// Reads all values.
    pub fn read(&mut self) -> HostReading {
        let file = |path: &str| fs::read(path).unwrap_or_default();
        let pressure = |of: &str| stalled(&file(&format!("/proc/pressure/{of}")));
        HostReading {
            cpu: cpu(&file("/proc/stat"), procfs::ticks_per_second()),
            pressure_cpu: pressure("cpu"),
            pressure_memory: pressure("memory"),
            pressure_io: pressure("io"),
            disk: disk(&file("/proc/diskstats"), |name| self.is_hardware("block", name)),
            network: network(&file("/proc/net/dev"), |name| self.is_hardware("class/net", name)),
            tcp_retransmits: retransmits(&file("/proc/net/snmp")),
            memory_available: memory_available(&file("/proc/meminfo")),
        }
    }

    fn is_hardware(&mut self, class: &str, name: &str) -> bool {
        // In sysfs a `/` within a name is written `!` (cciss!c0d0).
        let folder = format!("/sys/{class}/{}/device", name.replace('/', "!"));
        *self.hardware.entry(folder).or_insert_with_key(|folder| Path::new(folder).exists())
    }
}

fn cpu(text: &[u8], ticks_per_second: u64) -> Option<HostCpu> {
    let tick = 1_000_000_000 / ticks_per_second.max(1);
    let stats = KernelStats::from_buf_read(text, procfs::current_system_info()).ok()?;
    let time = |ticks: u64| Nanos(ticks.saturating_mul(tick));
    let total = &stats.total;
    let interrupts = total.irq.unwrap_or(0) + total.softirq.unwrap_or(0);
    Some(HostCpu {
        user: time(total.user + total.nice),
        system: time(total.system + interrupts),
        idle: time(total.idle),
        iowait: time(total.iowait.unwrap_or(0)),
        steal: time(total.steal.unwrap_or(0)),
        context_switches: stats.ctxt,
    })
}

/// `total` of the line `some`, in microseconds.
fn stalled(text: &[u8]) -> Option<Nanos> {
    let text = std::str::from_utf8(text).ok()?;
    let some = text.lines().find(|line| line.starts_with("some "))?;
    let total = some.split(' ').find_map(|field| field.strip_prefix("total="))?;
    Some(Nanos(total.parse::<u64>().ok()?.saturating_mul(1_000)))
}

fn disk(text: &[u8], mut is_hardware: impl FnMut(&str) -> bool) -> Option<HostDisk> {
    /// The kernel counts in sectors of this size, whatever the disk uses.
    const SECTOR: u64 = 512;
    let disks = DiskStats::from_buf_read(text).ok().filter(|disks| !disks.0.is_empty())?;
    let mut sum = HostDisk::default();
    for disk in disks.0.iter().filter(|disk| is_hardware(&disk.name)) {
        sum.read_bytes += disk.sectors_read.saturating_mul(SECTOR);
        sum.written_bytes += disk.sectors_written.saturating_mul(SECTOR);
        sum.read_time += Nanos::from_millis(disk.time_reading);
        sum.write_time += Nanos::from_millis(disk.time_writing);
    }
    Some(sum)
}

/// Hardware and the loopback; in a container, which has no hardware, all devices.
fn network(text: &[u8], mut is_hardware: impl FnMut(&str) -> bool) -> Option<HostNetwork> {
    let devices = InterfaceDeviceStatus::from_buf_read(text).ok()?.0;
    let hardware: Vec<_> = devices.values().filter(|device| is_hardware(&device.name)).collect();
    let counted: Vec<_> = if hardware.is_empty() {
        devices.values().collect()
    } else {
        hardware.into_iter().chain(devices.get("lo")).collect()
    };
    let mut sum = HostNetwork::default();
    for device in &counted {
        sum.received_bytes += device.recv_bytes;
        sum.sent_bytes += device.sent_bytes;
        sum.received_packets += device.recv_packets;
        sum.sent_packets += device.sent_packets;
    }
    Some(sum).filter(|_| !counted.is_empty())
}

/// `RetransSegs` of the pair of lines that begin with `Tcp:`, names first.
fn retransmits(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let names = lines.next()?;
    let values = lines.next()?;
    let mut pairs = names.split(' ').zip(values.split(' '));
    pairs.find(|(name, _)| *name == "RetransSegs")?.1.parse().ok()
}

fn memory_available(text: &[u8]) -> Option<u64> {
    Meminfo::from_buf_read(text).ok()?.mem_available
}

#[cfg(test)]
mod tests;
