//! Waits in examples, and the estimator against a simulated machine whose waits are known.

use proptest::prelude::*;
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::*;

fn record(time: u64, tid: u32, content: Content<'static>) -> Record<'static> {
    Record { event: 1, time: Timestamp(time), cpu: 0, pid: tid / 10 * 10, tid, content }
}

const OUT: Content<'static> = Content::SwitchedOut { is_preempted: false };
const PREEMPTED: Content<'static> = Content::SwitchedOut { is_preempted: true };
const IN: Content<'static> = Content::SwitchedIn;

/// Apply a record, and return the length, the weight and the stack of the interval that ended.
fn at(waits: &mut OffCpu, time: u64, tid: u32, content: Content<'static>) -> Option<[u64; 3]> {
    let interval = waits.observe(&record(time, tid, content))?;
    assert_eq!((interval.tid, interval.pid), (tid, tid / 10 * 10));
    Some([interval.length().0, interval.weight, interval.stack.0.into()])
}

#[test]
fn an_interval_lasts_from_out_to_in_wherever_that_is() {
    let mut waits = OffCpu::default();
    assert_eq!(at(&mut waits, 100, 11, OUT), None);
    assert_eq!(at(&mut waits, 110, 12, PREEMPTED), None);
    let elsewhere = Record { cpu: 7, ..record(150, 11, IN) };
    let expected = OffCpuInterval {
        pid: 10,
        tid: 11,
        start: Timestamp(100),
        end: Timestamp(150),
        is_preempted: false,
        weight: 0,
        stack: StackId::EMPTY,
    };
    assert_eq!(waits.observe(&elsewhere), Some(expected));
    assert_eq!(at(&mut waits, 113, 12, IN), Some([3, 0, 0]));
    let totals = WaitTotals { intervals: 2, blocked: Nanos(50), preempted: Nanos(3) };
    assert_eq!((waits.totals(10), waits.totals(20)), (totals, WaitTotals::default()));
    assert_eq!(waits.gaps(), OffCpuGaps::default());
}

#[test]
fn a_noted_stack_weighs_its_period_times_the_length_of_the_next_wait() {
    let mut waits = OffCpu::default();
    waits.note_stack(11, Timestamp(99), StackId(5), 8);
    at(&mut waits, 100, 11, OUT);
    assert_eq!(at(&mut waits, 160, 11, IN), Some([60, 480, 5]));
    at(&mut waits, 200, 11, OUT);
    assert_eq!(at(&mut waits, 210, 11, IN), Some([10, 0, 0]), "its stack was the one before");
    // A departure that was not recorded: the stack noted is not the next one's.
    waits.note_stack(11, Timestamp(220), StackId(5), 8);
    at(&mut waits, 230, 11, IN);
    at(&mut waits, 240, 11, OUT);
    assert_eq!(at(&mut waits, 250, 11, IN), Some([10, 0, 0]));
    // Another thread's stack.
    waits.note_stack(12, Timestamp(260), StackId(6), 8);
    at(&mut waits, 260, 11, OUT);
    assert_eq!(at(&mut waits, 270, 11, IN), Some([10, 0, 0]));
}

#[test]
fn who_was_not_seen_leaving_has_waited_an_unknown_time() {
    let mut waits = OffCpu::default();
    assert_eq!(at(&mut waits, 5, 11, IN), None);
    assert_eq!(waits.gaps(), OffCpuGaps { unknown_starts: 1, dropped: 0 });
    for (time, tid) in [(10, 0), (11, u32::MAX)] {
        assert_eq!(waits.observe(&record(time, tid, OUT)), None);
        assert_eq!(waits.observe(&record(time + 5, tid, IN)), None);
    }
    assert_eq!(waits.gaps(), OffCpuGaps { unknown_starts: 1, dropped: 0 });
    assert_eq!(waits.finish(Timestamp(99)), []);
}

#[test]
fn lost_records_end_what_goes_on() {
    let mut waits = OffCpu::default();
    at(&mut waits, 10, 11, OUT);
    at(&mut waits, 11, 12, OUT);
    waits.note_stack(13, Timestamp(12), StackId(3), 1);
    at(&mut waits, 20, 0, Content::Lost(5));
    assert_eq!(at(&mut waits, 30, 11, IN), None);
    at(&mut waits, 31, 13, OUT);
    assert_eq!(at(&mut waits, 32, 13, IN), Some([1, 0, 0]));
    assert_eq!(waits.gaps(), OffCpuGaps { unknown_starts: 1, dropped: 2 });
}

#[test]
fn a_thread_that_leaves_twice_was_not_seen_coming_back() {
    let mut waits = OffCpu::default();
    at(&mut waits, 10, 11, OUT);
    at(&mut waits, 20, 11, OUT);
    assert_eq!(at(&mut waits, 25, 11, IN), Some([5, 0, 0]));
    assert_eq!(waits.gaps(), OffCpuGaps { unknown_starts: 0, dropped: 1 });
}

#[test]
fn the_last_departure_of_a_thread_is_no_wait() {
    let mut waits = OffCpu::default();
    at(&mut waits, 10, 11, Content::Exit { pid: 10, tid: 11 });
    // It is preempted on its way out, returns, and ends.
    at(&mut waits, 11, 11, PREEMPTED);
    assert_eq!(at(&mut waits, 12, 11, IN), None);
    at(&mut waits, 13, 11, OUT);
    assert_eq!(waits.finish(Timestamp(50)), []);
    assert_eq!(waits.gaps(), OffCpuGaps::default());
    // A new thread may get its number.
    let fork = Content::Fork { pid: 10, tid: 11, parent: 10, parent_tid: 10 };
    at(&mut waits, 60, 10, fork);
    at(&mut waits, 70, 11, OUT);
    assert_eq!(at(&mut waits, 75, 11, IN), Some([5, 0, 0]));
    at(&mut waits, 80, 11, OUT);
    at(&mut waits, 81, 11, Content::Exit { pid: 10, tid: 11 });
    assert_eq!(waits.gaps().dropped, 1);
}

#[test]
fn threads_that_end_take_no_memory() {
    let mut waits = OffCpu::default();
    for tid in 1..3 * GONE_MAX as u32 {
        at(&mut waits, 10, tid, Content::Exit { pid: tid, tid });
        at(&mut waits, 11, tid, OUT);
    }
    let gone = [waits.gone.threads.len(), waits.gone.oldest_first.len()];
    assert_eq!((gone, waits.off.len()), ([GONE_MAX; 2], 0));
}

#[test]
fn waits_that_go_on_at_the_end_are_cut_off() {
    let mut waits = OffCpu::default();
    at(&mut waits, 20, 12, OUT);
    waits.note_stack(11, Timestamp(10), StackId(4), 2);
    at(&mut waits, 10, 11, OUT);
    let rest: Vec<_> = waits.finish(Timestamp(30)).iter().map(|i| (i.tid, i.weight)).collect();
    assert_eq!(rest, [(11, 40), (12, 0)]);
    assert_eq!(waits.totals(10).blocked, Nanos(30));
    assert_eq!(waits.finish(Timestamp(40)), []);
}

/// A machine of some CPUs on which more threads take turns, and its true waits.
struct Machine {
    /// In order of time; a departure comes with its number on its CPU.
    records: Vec<(Record<'static>, Option<u64>)>,
    /// (tid, length), in the order of their ends.
    waits: Vec<(u32, u64)>,
    end: u64,
}

const CPUS: usize = 3;
const THREADS: u32 = 9;

fn run_machine(seed: u64, switches: usize) -> Machine {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut below = |bound: u64| random.next_u64() % bound;
    let mut running: Vec<u32> = (1..=CPUS as u32).collect();
    // Those that wait, and since when; at first those with unknown starts.
    let mut off: Vec<(u32, Option<u64>)> =
        (CPUS as u32 + 1..=THREADS).map(|tid| (tid, None)).collect();
    let (mut now, mut departures) = (1_000, [0; CPUS]);
    let (mut records, mut waits) = (Vec::new(), Vec::new());
    for _ in 0..switches {
        // Long and short times, so that waits differ by orders of magnitude.
        let scale = below(12);
        now += 1 + below(1 << scale);
        let cpu = below(CPUS as u64) as usize;
        let place = |record| Record { cpu: cpu as u32, ..record };
        let leaves = running[cpu];
        let content = if below(4) == 0 { PREEMPTED } else { OUT };
        records.push((place(record(now, leaves, content)), Some(departures[cpu])));
        departures[cpu] += 1;
        let (comes, since) = off.swap_remove(below(off.len() as u64) as usize);
        records.push((place(record(now, comes, IN)), None));
        waits.extend(since.map(|since| (comes, now - since)));
        running[cpu] = comes;
        off.push((leaves, Some(now)));
    }
    Machine { records, waits, end: now }
}

/// The intervals of a machine if each CPU samples one of `period` departures, beginning with number
/// `phase`.
fn observe(machine: &Machine, period: u64, phase: u64) -> (OffCpu, Vec<OffCpuInterval>) {
    let mut off_cpu = OffCpu::default();
    let mut intervals = Vec::new();
    for (record, departure) in &machine.records {
        if departure.is_some_and(|number| number % period == phase) {
            off_cpu.note_stack(record.tid, record.time, StackId(record.tid), period);
        }
        intervals.extend(off_cpu.observe(record));
    }
    (off_cpu, intervals)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Intervals and their sums are exact for any sampling; with every departure sampled so are the
    /// weights; otherwise each phase of the sampling is equally likely, and the weights' mean over
    /// all of them is the exact sum: for the whole and for every stack.
    #[test]
    fn weights_are_right_on_average_and_exact_when_all_is_sampled(
        seed: u64,
        switches in 0..400usize,
        period in 1..20u64,
    ) {
        let machine = run_machine(seed, switches);
        let mut weights = [0; THREADS as usize + 1];
        for phase in 0..period {
            let (mut off_cpu, intervals) = observe(&machine, period, phase);
            let reported: Vec<_> = intervals.iter().map(|i| (i.tid, i.length().0)).collect();
            prop_assert_eq!(&reported, &machine.waits);
            for interval in &intervals {
                prop_assert!(interval.weight == 0 || interval.stack == StackId(interval.tid));
                weights[interval.tid as usize] += interval.weight;
            }
            let waits = [off_cpu.totals(0), off_cpu.totals(10)];
            let sum: u64 = waits.iter().map(|waits| waits.blocked.0 + waits.preempted.0).sum();
            prop_assert_eq!(sum, machine.waits.iter().map(|(_, length)| length).sum::<u64>());
            let known = machine.waits.len() as u64;
            prop_assert_eq!(off_cpu.gaps().unknown_starts, switches as u64 - known);
            off_cpu.finish(Timestamp(machine.end));
            prop_assert_eq!(off_cpu.gaps().dropped, 0);
        }
        for (tid, &weight) in weights.iter().enumerate() {
            let lengths = machine.waits.iter().filter(|(who, _)| *who == tid as u32);
            let exact: u64 = lengths.map(|(_, length)| length).sum();
            prop_assert_eq!(weight, period * exact, "of thread {}", tid);
        }
    }
}

/// A single phase, as in practice: the sum is as close as the scatter of the waits allows.
#[test]
fn one_of_eight_departures_tells_the_sum_within_five_standard_errors() {
    let period = 8;
    for seed in 0..20 {
        let machine = run_machine(seed, 20_000);
        let exact: f64 = machine.waits.iter().map(|(_, length)| *length as f64).sum();
        let squares: f64 = machine.waits.iter().map(|(_, length)| (*length as f64).powi(2)).sum();
        // For independent choices; taking every eighth departure scatters less, if anything.
        let error = ((period - 1) as f64 * squares).sqrt();
        let (_, intervals) = observe(&machine, period, seed % period);
        let reported: f64 = intervals.iter().map(|interval| interval.weight as f64).sum();
        assert!((reported - exact).abs() < 5.0 * error, "{reported} for {exact} ± {error}");
        assert!(error < exact / 10.0, "the test could not fail");
    }
}
