//! Files of a JVM 17 with each of its collectors under `-Xmx64m`; damaged ones are in the smoke
//! test of the fuzz targets.

use super::*;

const SERIAL: &[u8] = include_bytes!("../../../fuzz/seeds/hsperfdata/serial");
const PARALLEL: &[u8] = include_bytes!("../../../fuzz/seeds/hsperfdata/parallel");
const G1: &[u8] = include_bytes!("../../../fuzz/seeds/hsperfdata/g1");
const Z: &[u8] = include_bytes!("../../../fuzz/seeds/hsperfdata/z");

#[test]
fn counters_of_each_collector_are_read() {
    let serial = HeapCounters {
        collector: GarbageCollector::Serial,
        young: 3,
        full: 2,
        is_collecting: false,
        cycles: 0,
        old_used: 9_279_952,
        old_max: 44_761_088,
        young_capacity: 22_347_776,
        classes: 1_543,
        reserved: 64 << 20,
    };
    assert_eq!(heap_counters(SERIAL), Some(serial));
    let parallel = heap_counters(PARALLEL).expect("it is whole");
    assert_eq!(
        (parallel.collector, parallel.young, parallel.full),
        (GarbageCollector::Parallel, 1, 0)
    );
    assert_eq!((parallel.old_used, parallel.reserved), (1_773_648, 64 << 20));
    let g1 = heap_counters(G1).expect("it is whole");
    assert_eq!((g1.collector, g1.young, g1.cycles), (GarbageCollector::G1, 4, 0));
    assert_eq!((g1.old_used, g1.reserved), (3_385_344, 64 << 20));
    let z = heap_counters(Z).expect("it is whole");
    assert_eq!((z.collector, z.young, z.cycles), (GarbageCollector::Z, 0, 12));
    assert_eq!((z.old_used, z.old_max), (25_165_824, 64 << 20));
}

#[test]
fn a_full_collection_runs_from_its_beginning_to_its_end() {
    let mut bytes = SERIAL.to_vec();
    let name = b"sun.gc.collector.1.lastEntryTime\0";
    let named = bytes.windows(name.len()).position(|part| part == name).expect("it has one");
    let value = (named + name.len()).next_multiple_of(8);
    bytes[value..value + 8].copy_from_slice(&i64::MAX.to_le_bytes());
    let running = heap_counters(&bytes).expect("it is whole");
    let ended = heap_counters(SERIAL).expect("it is whole");
    assert_eq!(running, HeapCounters { is_collecting: true, ..ended });
}

#[test]
fn bytes_in_the_other_order_are_read_too() {
    // Turn the prologue's and one entry's numbers around, as a machine of the other order writes.
    let (name, at) = (b"sun.gc.generation.1.space.0.used\0", PROLOGUE);
    let mut bytes = vec![0; PROLOGUE];
    bytes[..8].copy_from_slice(&[0xca, 0xfe, 0xc0, 0xc0, 0, 2, 0, 1]);
    bytes[24..28].copy_from_slice(&(at as i32).to_be_bytes());
    bytes[28..32].copy_from_slice(&2_i32.to_be_bytes());
    for (name, value) in [(&name[..], 77_i64), (b"sun.gc.generation.1.space.0.maxCapacity\0", 99)] {
        let data = (ENTRY + name.len()).next_multiple_of(8);
        let mut entry = vec![0; ENTRY];
        entry[..4].copy_from_slice(&(data as i32 + 8).to_be_bytes());
        entry[4..8].copy_from_slice(&(ENTRY as i32).to_be_bytes());
        entry[12] = b'J';
        entry[16..20].copy_from_slice(&(data as i32).to_be_bytes());
        entry.extend_from_slice(name);
        entry.resize(data, 0);
        entry.extend_from_slice(&value.to_be_bytes());
        bytes.extend(entry);
    }
    let counters = heap_counters(&bytes).expect("it has what is needed");
    assert_eq!((counters.old_used, counters.old_max), (77, 99));
    assert_eq!(counters.collector, GarbageCollector::Other);
}

#[test]
fn what_is_no_such_file_has_no_counters() {
    assert_eq!(heap_counters(b""), None);
    assert_eq!(heap_counters(&[0; 4_096]), None);
    for cut in 0..SERIAL.len() {
        // Cut anywhere it is read as far as it goes.
        let _ = heap_counters(&SERIAL[..cut]);
    }
    let mut unready = SERIAL.to_vec();
    unready[7] = 0;
    assert_eq!(heap_counters(&unready), None);
}
