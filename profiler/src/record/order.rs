//! Records of several rings, sorted by time.
//!
//! Within a ring records come in order of time, but rings are read one after another. A record that
//! appears in a round and was not there in the round before was written after that ring was read
//! then, so it is younger than everything seen in the rounds before: those records can be released.
//! (This is the rule of samply's sorter.) A record whose time was taken, but which was not yet
//! written, when the ring was read can come too late; it is counted and released anyway.

use uringbench_core::time::Timestamp;

/// Capacity that an empty arena keeps; above it, twice what the last round needed.
const ARENA_KEPT: usize = 1 << 20;

/// Holds records back until no older one can arrive.
///
/// Memory follows the records of two rounds, and is reused.
#[derive(Debug, Default)]
pub struct RecordOrder {
    /// The records' bytes, and the position of each.
    arena: Vec<u8>,
    entries: Vec<Entry>,
    /// Records held back are moved here, and the two are swapped.
    spare: Vec<u8>,
    /// The newest time of all, and of all rounds that had ended when the last one began.
    newest: Timestamp,
    newest_of_ended: Timestamp,
    /// No older record can arrive, unless late.
    limit: Timestamp,
    released: Timestamp,
    late: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    time: Timestamp,
    ring: u32,
    start: usize,
    len: usize,
}

impl RecordOrder {
    /// Add a record of a ring to the current round. The bytes are copied.
    pub fn push(&mut self, ring: u32, time: Timestamp, bytes: &[u8]) {
        self.late += u64::from(time < self.released);
        self.newest = self.newest.max(time);
        let entry = Entry { time, ring, start: self.arena.len(), len: bytes.len() };
        self.entries.push(entry);
        self.arena.extend_from_slice(bytes);
    }

    /// Every ring was read once since the last call.
    pub fn end_round(&mut self) {
        self.limit = self.newest_of_ended;
        self.newest_of_ended = self.newest;
    }

    /// Release, in order of time, the records that no older one can follow. Those of equal time are
    /// ordered by ring, and then by the order of the pushes.
    pub fn for_each_ready(&mut self, mut sink: impl FnMut(&[u8])) {
        self.entries.sort_unstable();
        let ready = self.entries.partition_point(|entry| entry.time <= self.limit);
        if ready == 0 {
            return;
        }
        for entry in self.entries.drain(..ready) {
            // A late one does not set the clock back.
            self.released = self.released.max(entry.time);
            sink(&self.arena[entry.start..][..entry.len]);
        }
        for entry in &mut self.entries {
            let bytes = &self.arena[entry.start..][..entry.len];
            entry.start = self.spare.len();
            self.spare.extend_from_slice(bytes);
        }
        self.arena.clear();
        self.arena.shrink_to((2 * self.spare.len()).max(ARENA_KEPT));
        std::mem::swap(&mut self.arena, &mut self.spare);
    }

    /// No more records arrive: release the rest.
    pub fn finish(&mut self, sink: impl FnMut(&[u8])) {
        self.limit = Timestamp::NEVER;
        self.for_each_ready(sink);
    }

    /// How many records arrived after a younger one was released.
    pub const fn late(&self) -> u64 {
        self.late
    }

    /// Bytes held back now.
    pub const fn held_bytes(&self) -> usize {
        self.arena.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    fn ready(order: &mut RecordOrder) -> Vec<u64> {
        let mut times = Vec::new();
        order.for_each_ready(|bytes| times.push(time_in(bytes)));
        times
    }

    fn time_in(bytes: &[u8]) -> u64 {
        u64::from_ne_bytes(bytes[..8].try_into().unwrap())
    }

    fn push(order: &mut RecordOrder, ring: u32, time: u64) {
        // Of different lengths, so that a wrong position is found.
        let mut bytes = time.to_ne_bytes().to_vec();
        bytes.resize(8 + (time % 5) as usize, ring as u8);
        order.push(ring, Timestamp(time), &bytes);
    }

    #[test]
    fn records_are_held_until_the_next_round_has_ended() {
        let mut order = RecordOrder::default();
        push(&mut order, 0, 5);
        push(&mut order, 1, 3);
        order.end_round();
        assert!(ready(&mut order).is_empty());
        push(&mut order, 0, 8);
        push(&mut order, 1, 4);
        assert!(ready(&mut order).is_empty(), "the round goes on");
        order.end_round();
        assert_eq!(ready(&mut order), [3, 4, 5]);
        order.end_round();
        assert_eq!(ready(&mut order), [8]);
        assert_eq!((order.late(), order.held_bytes()), (0, 0));
    }

    #[test]
    fn a_late_record_is_counted_and_still_handed_out() {
        let mut order = RecordOrder::default();
        for time in [10, 20] {
            push(&mut order, 0, time);
            order.end_round();
        }
        assert_eq!(ready(&mut order), [10]);
        push(&mut order, 1, 7);
        push(&mut order, 1, 15);
        order.end_round();
        assert_eq!(ready(&mut order), [7, 15, 20]);
        assert_eq!(order.late(), 1);
        push(&mut order, 1, 30);
        let mut rest = Vec::new();
        order.finish(|bytes| rest.push(time_in(bytes)));
        assert_eq!((rest, order.late()), (vec![30], 1));
    }

    #[test]
    fn memory_goes_back_to_what_a_usual_round_needs() {
        let mut order = RecordOrder::default();
        let mut round = |records: u64| {
            for time in 0..records {
                order.push(0, Timestamp(time), &[0; 32 << 10]);
            }
            order.end_round();
            order.for_each_ready(|_| ());
            order.arena.capacity() + order.spare.capacity()
        };
        round(512);
        let after = [round(1), round(1), round(1)];
        assert!(after[2] <= 2 * ARENA_KEPT, "{after:?}");
    }

    /// Writers that add records to rings while a reader visits one ring after the other.
    #[derive(Clone, Debug)]
    enum Step {
        Write(usize),
        ReadNextRing,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step =
            prop_oneof![3 => (0..4usize).prop_map(Step::Write), 1 => Just(Step::ReadNextRing)];
        proptest::collection::vec(step, 0..400)
    }

    proptest! {
        #[test]
        fn whatever_writers_and_reader_do_all_comes_out_in_order(steps in steps()) {
            let mut rings: [VecDeque<u64>; 4] = Default::default();
            let mut order = RecordOrder::default();
            let (mut next, mut now, mut out) = (0, 0, Vec::new());
            for step in steps {
                match step {
                    // Several records of one time are allowed, in one ring or in several.
                    Step::Write(ring) => {
                        rings[ring].push_back(now / 2);
                        now += 1;
                    }
                    Step::ReadNextRing => {
                        rings[next].drain(..).for_each(|t| push(&mut order, next as u32, t));
                        next = (next + 1) % rings.len();
                        if next == 0 {
                            order.end_round();
                            out.extend(ready(&mut order));
                        }
                    }
                }
            }
            for (ring, rest) in rings.iter().enumerate() {
                rest.iter().for_each(|&t| push(&mut order, ring as u32, t));
            }
            order.finish(|bytes| {
                assert_eq!(bytes.len() as u64, 8 + time_in(bytes) % 5);
                out.push(time_in(bytes));
            });
            prop_assert_eq!(order.late(), 0);
            prop_assert_eq!(out, (0..now).map(|t| t / 2).collect::<Vec<_>>());
        }
    }
}
