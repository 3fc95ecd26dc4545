//! The kernel's texts, as three machines wrote them, and this machine's own.

use super::*;

#[test]
fn the_cpus_time_is_told_by_where_it_went() {
    let text = b"cpu  100 20 300 4000 50 6 7 8 9 10\n\
        cpu0 50 10 150 2000 25 3 3 4 5 5\ncpu1 50 10 150 2000 25 3 4 4 4 5\n\
        intr 12 3 4\nctxt 987654\nbtime 1700000000\nprocesses 55\n\
        procs_running 2\nprocs_blocked 0\nsoftirq 5 1 2\n";
    let expected = HostCpu {
        user: Nanos::from_millis(1_200),
        system: Nanos::from_millis(3_130),
        idle: Nanos::from_secs(40),
        iowait: Nanos::from_millis(500),
        steal: Nanos::from_millis(80),
        context_switches: 987_654,
    };
    assert_eq!(cpu(text, 100), Some(expected));
    assert_eq!(cpu(b"", 100), None);
    assert_eq!(cpu(b"cpu  x\n", 100), None);
}

#[test]
fn pressure_is_the_total_of_some() {
    let text = b"some avg10=1.31 avg60=0.65 avg300=1.22 total=2504830904\n\
        full avg10=1.28 avg60=0.62 avg300=1.07 total=2042439258\n";
    assert_eq!(stalled(text), Some(Nanos(2_504_830_904_000)));
    // Without CONFIG_PSI, or with psi=0, there is no file or no text.
    assert_eq!(stalled(b""), None);
    assert_eq!(stalled(b"some avg10=1.31 total=x\n"), None);
}

#[test]
fn disks_are_hardware_and_their_sectors_are_512_bytes() {
    let text = b"   7       0 loop0 9 0 9 9 9 0 9 9 0 9 9 0 0 0 0 0 0\n \
        259       0 nvme0n1 100 1 2000 30 400 5 6000 70 0 80 90 0 0 0 0 0 0\n \
        259       1 nvme0n1p1 100 1 2000 30 400 5 6000 70 0 80 90 0 0 0 0 0 0\n   \
        8       0 sda 1 0 2 3 4 0 6 7 0 8 9\n";
    let found = disk(text, |name| matches!(name, "nvme0n1" | "sda"));
    let expected = HostDisk {
        read_bytes: 2_002 * 512,
        written_bytes: 6_006 * 512,
        read_time: Nanos::from_millis(33),
        write_time: Nanos::from_millis(77),
    };
    assert_eq!(found, Some(expected));
    assert_eq!(disk(b"", |_| true), None);
    assert_eq!(disk(b"1 2 sda torn", |_| true), None);
}

#[test]
fn devices_that_only_pass_on_are_left_out_where_there_is_hardware() {
    let text = b"Inter-|   Receive                      |  Transmit\n \
        face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs\n    \
        lo: 10 1 0 0 0 0 0 0 10 1 0 0 0 0 0 0\n  \
        eth0: 200 20 0 0 0 0 0 0 300 30 0 0 0 0 0 0\n\
        docker0: 9000 900 0 0 0 0 0 0 9000 900 0 0 0 0 0 0\n";
    let sum = |received_bytes, sent_bytes, received_packets, sent_packets| {
        Some(HostNetwork { received_bytes, sent_bytes, received_packets, sent_packets })
    };
    assert_eq!(network(text, |name| name == "eth0"), sum(210, 310, 21, 31));
    assert_eq!(network(text, |_| false), sum(9_210, 9_310, 921, 931));
    assert_eq!(network(b"", |_| true), None);
}

#[test]
fn retransmits_are_found_by_name() {
    let text = b"Ip: Forwarding DefaultTTL\nIp: 2 64\n\
        Tcp: RtoAlgorithm MaxConn OutSegs RetransSegs InErrs\nTcp: 1 -1 1189946496 70012 520\n";
    assert_eq!(retransmits(text), Some(70_012));
    assert_eq!(retransmits(b"Tcp: RetransSegs\n"), None);
    assert_eq!(retransmits(b"Tcp: OutSegs\nTcp: 4\n"), None);
}

#[test]
fn this_machine_tells_its_cpus_time_and_it_goes_on() {
    let mut host = Host::default();
    let first = host.read();
    let before = first.cpu.expect("/proc/stat is always there");
    let ticks = |cpu: HostCpu| cpu.user.0 + cpu.system.0 + cpu.idle.0 + cpu.iowait.0 + cpu.steal.0;
    assert!(first.memory_available.is_some_and(|bytes| bytes > 0));
    // Some CPU does something or nothing in every tick.
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while ticks(host.read().cpu.expect("as before")) <= ticks(before) {
        assert!(std::time::Instant::now() < patience, "the ticks stand still");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
