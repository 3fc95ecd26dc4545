//! The TCP state of a worker's connections (tcp(7), TCP_INFO): their retransmits, round trips and
//! delivery rates.
//!
//! A few connections are read in turn once per second, so that connections which end during the run
//! are included, and all that are up when the last request has ended: no request waits for a
//! reading.

use std::collections::BTreeMap;

use uringbench_core::record::TcpReading;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_ring::TcpInfo;

use crate::connections::Connections;
use crate::drivers::{Driver, EventKind, Until};

/// Time from one reading of some connections to the next.
const ASK_EVERY: Nanos = Nanos::SECOND;
/// Connections in one such reading: some microseconds each.
const ASKED_EACH: usize = 8;
/// Connections read at the end, at most, evenly chosen: 10 to 20 ms.
const ASKED_AT_END: usize = 4_096;
/// Concurrent readings: each needs a descriptor until it is done.
const ASKED_AT_ONCE: usize = 32;
/// Waits for them, a millisecond each at most: they complete at once.
const WAITS: usize = 4;

/// The readings so far.
#[derive(Debug, Default)]
pub(crate) struct Inspection {
    /// By connection number, for those that were read.
    learnt: BTreeMap<u32, Learnt>,
    /// The next one to read.
    next: u32,
    /// When the next ones are read.
    ask_at: Timestamp,
    /// Readings completed so far.
    answers: u64,
}

/// The readings of the connections of one number.
#[derive(Clone, Copy, Debug)]
struct Learnt {
    /// The one read last.
    generation: u32,
    /// Its retransmits in that reading.
    retransmits: u64,
    /// Of all those read.
    reading: TcpReading,
}

impl Inspection {
    /// A connection's reading. Its counters are of its whole life.
    fn learn(&mut self, number: u32, generation: u32, info: &TcpInfo) {
        self.answers += 1;
        let retransmits = u64::from(info.retransmits);
        let learnt = self.learnt.entry(number).or_insert_with(|| Learnt {
            generation,
            retransmits: 0,
            reading: TcpReading { connections: 1, ..TcpReading::default() },
        });
        let reading = &mut learnt.reading;
        if learnt.generation != generation {
            (learnt.generation, learnt.retransmits) = (generation, 0);
            reading.connections += 1;
        }
        reading.retransmits += retransmits.saturating_sub(learnt.retransmits);
        learnt.retransmits = retransmits;
        let span = |micros: u32| (micros > 0).then(|| Nanos(u64::from(micros) * 1_000));
        reading.rtt = span(info.rtt_us).or(reading.rtt);
        reading.rtt_min = span(info.min_rtt_us).into_iter().chain(reading.rtt_min).min();
        reading.delivery_rate =
            Some(info.delivery_rate).filter(|&rate| rate > 0).or(reading.delivery_rate);
    }

    fn readings(&self) -> Vec<TcpReading> {
        self.learnt.values().map(|learnt| learnt.reading).collect()
    }

    /// An interval is over: read some connections, if none was read for a while.
    pub(crate) fn ask_some<D: Driver>(
        &mut self,
        driver: &mut D,
        connections: &Connections,
        now: Timestamp,
    ) {
        if now < self.ask_at {
            return;
        }
        self.ask_at = now + ASK_EVERY;
        let count = connections.active();
        for _ in 0..ASKED_EACH.min(count as usize) {
            let number = self.next % count;
            self.next = number + 1;
            ask(driver, connections, number);
        }
    }

    /// A reading has completed.
    pub(crate) fn answered<D: Driver>(&mut self, driver: &mut D, number: u32, generation: u32) {
        if let Some(info) = driver.inspected(number, generation) {
            self.learn(number, generation, &info);
        }
    }

    /// The last request has ended: read the connections that are up. Other events are no longer
    /// handled.
    pub(crate) fn ask_all<D: Driver>(
        &mut self,
        driver: &mut D,
        connections: &Connections,
    ) -> Vec<TcpReading> {
        let is_up = |number: &u32| connections[*number].is_up();
        let standing: Vec<u32> = (0..connections.active()).filter(is_up).collect();
        let step = standing.len().div_ceil(ASKED_AT_END).max(1);
        let asked: Vec<u32> = standing.into_iter().step_by(step).collect();
        for numbers in asked.chunks(ASKED_AT_ONCE) {
            let before = self.answers;
            numbers.iter().for_each(|&number| ask(driver, connections, number));
            self.await_answers(driver, before + numbers.len() as u64);
            if self.answers == before {
                // The driver cannot read it.
                break;
            }
        }
        self.readings()
    }

    /// Until this many readings have completed, or no more do.
    fn await_answers<D: Driver>(&mut self, driver: &mut D, answers: u64) {
        for _ in 0..WAITS {
            let latest = driver.now() + Nanos::MILLISECOND;
            if self.answers >= answers || driver.wait(Until::Around(latest)).is_err() {
                return;
            }
            while let Some(event) = driver.next_event() {
                match event.kind {
                    EventKind::Inspected => {
                        self.answered(driver, event.connection, event.generation);
                    }
                    EventKind::Received { buffer, .. } => driver.recycle(buffer),
                    _ => {}
                }
            }
        }
    }
}

/// Start to read a connection, if it is up.
fn ask<D: Driver>(driver: &mut D, connections: &Connections, number: u32) {
    let connection = &connections[number];
    if connection.is_up() {
        driver.inspect(number, connection.generation());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(retransmits: u32, rtt_us: u32) -> TcpInfo {
        TcpInfo { retransmits, rtt_us, min_rtt_us: rtt_us, delivery_rate: 0 }
    }

    #[test]
    fn retransmits_of_successive_connections_of_a_number_add_up_and_none_counts_twice() {
        let mut inspection = Inspection::default();
        inspection.learn(1, 0, &info(3, 500));
        inspection.learn(1, 0, &info(5, 300));
        inspection.learn(1, 1, &info(2, 0));
        inspection.learn(1, 1, &info(2, 400));
        let expected = TcpReading {
            connections: 2,
            retransmits: 7,
            rtt: Some(Nanos(400_000)),
            rtt_min: Some(Nanos(300_000)),
            delivery_rate: None,
        };
        assert_eq!(inspection.readings(), [expected]);
    }
}
