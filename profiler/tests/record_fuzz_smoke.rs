//! Runs the checks of the fuzz targets on a fixed number of generated inputs: random records in the
//! kernel's format, and tables of programs, then damaged a little.

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

#[expect(unreachable_pub, reason = "it is a crate of its own for the fuzz targets")]
#[path = "../fuzz/src/lib.rs"]
mod checks;
#[path = "../src/record/fixture.rs"]
mod fixture;

use fixture::{Origin, one_of_each};

const CASES: u64 = 20_000;

#[test]
fn rings_of_damaged_records_are_read_without_harm() {
    let decoded: usize = (0..CASES).map(|seed| checks::records(&input(seed))).sum();
    assert!(decoded > 5 * CASES as usize, "only {decoded} records were whole");
}

#[test]
fn what_a_kernel_wrote_is_read_whole_and_cut_anywhere() {
    let ring = include_bytes!("rings/shell-x86_64.ring");
    if cfg!(target_arch = "x86_64") {
        assert_eq!(checks::records(ring), 64);
    }
    for start in 0..ring.len().min(1_000) {
        checks::records(&ring[start..]);
    }
    for end in (0..ring.len()).step_by(7) {
        checks::records(&ring[..end]);
    }
}

#[test]
fn damaged_tables_of_go_programs_are_read_without_harm() {
    let seeds: [&[u8]; 4] = [
        include_bytes!("../fuzz/seeds/gopclntab/go1.2"),
        include_bytes!("../fuzz/seeds/gopclntab/go1.16"),
        include_bytes!("../fuzz/seeds/gopclntab/go1.18"),
        include_bytes!("../fuzz/seeds/gopclntab/go1.20"),
    ];
    for table in seeds {
        assert_eq!(checks::gopclntab(table), 3);
    }
    let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
    let mut below = |bound: usize| (random.next_u64() % bound as u64) as usize;
    let mut named = 0;
    for case in 0..CASES as usize {
        let mut table = seeds[case % seeds.len()].to_vec();
        for _ in 0..1 + below(6) {
            let at = below(table.len());
            table[at] = below(256) as u8;
        }
        named += checks::gopclntab(&table);
    }
    assert!(named > CASES as usize, "only {named} functions have names");
}

#[test]
fn a_damaged_heap_of_v8_is_read_without_harm() {
    let seed = include_bytes!("../fuzz/seeds/v8/function");
    assert_eq!(checks::v8(seed), 1);
    let mut random = Xoshiro256PlusPlus::seed_from_u64(8);
    let mut below = |bound: usize| (random.next_u64() % bound as u64) as usize;
    let mut described = 0;
    for _ in 0..CASES {
        let mut heap = seed.to_vec();
        for _ in 0..1 + below(4) {
            // References to other objects, or to themselves.
            let (at, to) = (below(heap.len() / 8) * 8, below(heap.len() / 32) * 32);
            heap[at] = to as u8 | 1;
            heap[at + 1] = (to >> 8) as u8;
        }
        described += checks::v8(&heap);
    }
    assert!(described as u64 > CASES / 10, "only {described} functions are described");
}

/// Up to thirty records of few threads and close times, and damage in every other input.
fn input(seed: u64) -> Vec<u8> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut below = |bound: usize| (random.next_u64() % bound as u64) as usize;
    let mut input = Vec::new();
    for _ in 0..1 + below(30) {
        let (pid, time) = (below(4) as u32, below(50) as u64);
        let tid = if below(2) == 0 { pid } else { 10 + below(3) as u32 };
        let of_each = one_of_each(Origin { pid, tid, time, cpu: below(4) as u32, event: 9 });
        input.extend_from_slice(&of_each[below(of_each.len())]);
    }
    for _ in 0..below(2) * below(4) {
        let at = below(input.len().max(1));
        match below(5) {
            _ if input.is_empty() => break,
            0 => input[at] = below(256) as u8,
            1 => input[at / 8 * 8] = below(20) as u8,
            2 => input.truncate(at + 1),
            3 => drop(input.splice(at..at, [0xff; 8])),
            _ => drop(input.drain(at / 8 * 8..)),
        }
    }
    input
}

#[test]
fn damaged_memory_of_java_is_read_without_harm() {
    assert_eq!([checks::hotspot(&[]), checks::hotspot(&[0])], [6, 6]);
    let mut random = Xoshiro256PlusPlus::seed_from_u64(9);
    let named: usize = (0..CASES / 4)
        .map(|case| {
            let damages = (random.next_u64() % 8) as usize;
            let mut damage: Vec<u8> = (0..3 * damages + case as usize % 2)
                .map(|_| (random.next_u64() >> 32) as u8)
                .collect();
            // In the part that is read.
            damage.iter_mut().skip(1).step_by(3).for_each(|upper| *upper %= 0xa0);
            checks::hotspot(&damage)
        })
        .sum();
    assert!(named > CASES as usize / 4, "only {named} methods have names");
}

#[test]
fn damaged_counters_of_a_jvm_are_read_without_harm() {
    let seeds: [&[u8]; 4] = [
        include_bytes!("../fuzz/seeds/hsperfdata/serial"),
        include_bytes!("../fuzz/seeds/hsperfdata/parallel"),
        include_bytes!("../fuzz/seeds/hsperfdata/g1"),
        include_bytes!("../fuzz/seeds/hsperfdata/z"),
    ];
    assert!(seeds.iter().all(|file| checks::hsperfdata(file)));
    let mut random = Xoshiro256PlusPlus::seed_from_u64(9);
    let mut below = |bound: usize| (random.next_u64() % bound as u64) as usize;
    let mut read = 0;
    for case in 0..CASES as usize / 4 {
        let mut file = seeds[case % seeds.len()].to_vec();
        for _ in 0..1 + below(8) {
            // Half of the damage is in the prologue and the first entries.
            let reach = if below(2) == 0 { file.len() } else { 256 };
            let at = below(reach);
            file[at] = below(256) as u8;
        }
        file.truncate(1 + below(2 * file.len()));
        read += u64::from(checks::hsperfdata(&file));
    }
    assert!(read > CASES / 40, "only {read} files had counters");
}
