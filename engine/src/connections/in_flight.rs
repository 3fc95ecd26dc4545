//! The exchanges in flight, each at a place that identifies it as long as it lasts.
//!
//! An exchange may end before older ones of its connection. Only [`InFlight::oldest`] assumes an
//! order; it is for protocols that answer requests in order.

use uringbench_core::answer_code::AnswerCode;
use uringbench_core::pacer::Slot;
use uringbench_core::time::Timestamp;

use crate::record::recorder::Answers;

/// Identifies an exchange while it is in flight: its place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExchangeId(pub(crate) u32);

/// Requests sent together, and their responses. Half a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
pub(crate) struct Exchange {
    due: Timestamp,
    sent: Timestamp,
    /// When the first byte of the oldest response arrived; `never` before that.
    first_byte: Timestamp,
    /// How many of them are unanswered, 0 if the place is free; more than one only in a closed
    /// loop.
    count: u16,
    marks: Marks,
    /// How often the oldest of them has been given back.
    retries: u8,
    /// The user who sent the request, in a scenario; otherwise the row of its body.
    user: u32,
}

const _: () = assert!(size_of::<Exchange>() == 32);

/// Two flags of an exchange, in one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Marks(u8);

impl Marks {
    /// Its slot is in the measured window.
    const MEASURED: u8 = 1;
    /// It was given back and has not been sent again.
    const OWED: u8 = 2;

    const fn has(self, mark: u8) -> bool {
        self.0 & mark != 0
    }
}

impl Exchange {
    /// `count` requests of a user for `slot`, sent now.
    #[inline]
    pub(crate) const fn new(slot: Slot, count: u16, user: u32, sent: Timestamp) -> Self {
        Self {
            due: slot.due,
            sent,
            first_byte: Timestamp::NEVER,
            count,
            marks: Marks(if slot.measured { Marks::MEASURED } else { 0 }),
            retries: 0,
            user,
        }
    }

    /// They left at this time. Requests without a due time are due when they leave.
    #[inline]
    pub(crate) const fn leave(&mut self, sent: Timestamp, has_due_time: bool) {
        self.sent = sent;
        if !has_due_time {
            self.due = sent;
        }
    }

    /// The slot they were sent for.
    #[inline]
    pub(crate) const fn slot(&self) -> Slot {
        Slot { due: self.due, measured: self.marks.has(Marks::MEASURED) }
    }

    /// When they were first sent.
    #[inline]
    pub(crate) const fn sent(&self) -> Timestamp {
        self.sent
    }

    /// How many of them are unanswered.
    #[inline]
    pub(crate) const fn count(&self) -> u16 {
        self.count
    }

    /// How often the oldest of them has been given back.
    pub(crate) const fn retries(&self) -> u8 {
        self.retries
    }

    /// The user who sent the request, in a scenario; otherwise the row of its body.
    #[inline]
    pub(crate) const fn user(&self) -> u32 {
        self.user
    }

    /// Whether bytes of the oldest response have arrived.
    #[inline]
    pub(crate) fn is_begun(&self) -> bool {
        self.first_byte != Timestamp::NEVER
    }

    /// Bytes of the oldest response arrive.
    #[inline]
    pub(crate) fn begin_response(&mut self, now: Timestamp) {
        self.first_byte = self.first_byte.min(now);
    }

    /// The bytes that arrived belong to no response.
    pub(crate) const fn not_begun(&mut self) {
        self.first_byte = Timestamp::NEVER;
    }

    /// Whether they were given back and have not been sent again.
    pub(crate) fn is_owed(&self) -> bool {
        self.marks.has(Marks::OWED)
    }

    /// The oldest `count` requests are answered; the next one's response has not begun.
    #[inline]
    fn answered(&mut self, code: AnswerCode, count: u16) -> Answers {
        let first_byte = std::mem::replace(&mut self.first_byte, Timestamp::NEVER);
        Answers { slot: self.slot(), sent: self.sent, first_byte, code, count }
    }
}

/// One connection's part of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    /// Requests in flight: the sum of the counts of its exchanges.
    in_flight: u16,
    /// Those that were given back and have not been sent again.
    owed: u16,
    /// The first place in use, or the next one to use.
    first: u16,
    /// Places in use.
    entries: u16,
}

impl Share {
    /// Requests in flight.
    #[inline]
    pub(crate) const fn in_flight(&self) -> u16 {
        self.in_flight
    }

    /// Those that were given back and have not been sent again.
    #[inline]
    pub(crate) const fn owed(&self) -> u16 {
        self.owed
    }
}

/// The exchanges of every connection: `depth` places for each, in one allocation.
pub(crate) struct InFlight {
    all: Box<[Exchange]>,
    depth: u16,
    /// Exchanges in flight on all connections.
    count: u64,
}

impl InFlight {
    pub(crate) fn new(connections: u32, depth: u16) -> Self {
        let no_slot = Slot { due: Timestamp::default(), measured: false };
        let free = Exchange::new(no_slot, 0, 0, Timestamp::default());
        let all = vec![free; connections as usize * usize::from(depth)].into();
        Self { all, depth, count: 0 }
    }

    /// Exchanges in flight on all connections.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    fn first_place(&self, number: u32) -> usize {
        number as usize * usize::from(self.depth)
    }

    /// The place behind `index` within a connection's share.
    #[inline]
    fn wrapped(&self, index: u16) -> u16 {
        if index >= self.depth { index - self.depth } else { index }
    }

    /// The oldest exchange of a connection that has one in flight, for protocols that answer in
    /// order.
    #[inline]
    pub(crate) fn oldest(&self, number: u32, share: &Share) -> ExchangeId {
        ExchangeId((self.first_place(number) + usize::from(share.first)) as u32)
    }

    /// An exchange in flight.
    #[inline]
    pub(crate) fn get(&self, id: ExchangeId) -> &Exchange {
        &self.all[id.0 as usize]
    }

    /// The same, mutable.
    #[inline]
    pub(crate) fn get_mut(&mut self, id: ExchangeId) -> &mut Exchange {
        &mut self.all[id.0 as usize]
    }

    /// The exchanges in flight on a connection, by place from the first on: for protocols that
    /// answer in order, the order in which they were sent.
    pub(crate) fn of(
        &self,
        number: u32,
        share: &Share,
    ) -> impl Iterator<Item = (ExchangeId, &Exchange)> {
        let start = self.first_place(number);
        let (first, depth) = (share.first, self.depth);
        (0..if share.entries > 0 { depth } else { 0 }).filter_map(move |place| {
            let at = start + usize::from(self.wrapped(first + place));
            let exchange = &self.all[at];
            (exchange.count > 0).then_some((ExchangeId(at as u32), exchange))
        })
    }

    /// When the oldest exchange in flight on a connection was sent, or at a later time that `later`
    /// gives for it.
    pub(crate) fn earliest(
        &self,
        number: u32,
        share: &Share,
        later: impl Fn(ExchangeId) -> Timestamp,
    ) -> Option<Timestamp> {
        self.of(number, share).map(|(id, exchange)| exchange.sent.max(later(id))).min()
    }

    /// The target has not processed an exchange, or it may be sent twice: queue it to be sent
    /// again, on the next connection of this number or on the same one.
    pub(crate) fn give_back(&mut self, share: &mut Share, id: ExchangeId) {
        let exchange = &mut self.all[id.0 as usize];
        exchange.first_byte = Timestamp::NEVER;
        exchange.retries = exchange.retries.saturating_add(1);
        if !exchange.is_owed() {
            exchange.marks.0 |= Marks::OWED;
            share.owed += exchange.count;
        }
    }

    /// The first exchange of a connection that was given back, to send it again.
    pub(crate) fn take_owed(&mut self, number: u32, share: &mut Share) -> Option<ExchangeId> {
        let (id, _) = self.of(number, share).find(|(_, exchange)| exchange.is_owed())?;
        let exchange = &mut self.all[id.0 as usize];
        exchange.marks.0 &= !Marks::OWED;
        share.owed -= exchange.count;
        Some(id)
    }

    /// Add an exchange. The caller has checked that there is room.
    #[inline]
    pub(crate) fn push(
        &mut self,
        number: u32,
        share: &mut Share,
        exchange: Exchange,
    ) -> ExchangeId {
        let start = self.first_place(number);
        // Found at once if exchanges end in the order in which they began.
        let mut index = self.wrapped(share.first + share.entries);
        while self.all[start + usize::from(index)].count > 0 {
            index = self.wrapped(index + 1);
        }
        let place = start + usize::from(index);
        self.all[place] = exchange;
        share.entries += 1;
        share.in_flight += exchange.count;
        self.count += u64::from(exchange.count);
        ExchangeId(place as u32)
    }

    /// `count` requests of an exchange have ended, with any outcome.
    #[inline]
    pub(crate) fn end(&mut self, number: u32, share: &mut Share, id: ExchangeId, count: u16) {
        let exchange = &mut self.all[id.0 as usize];
        exchange.count -= count;
        if exchange.is_owed() {
            share.owed -= count;
        }
        if exchange.count == 0 {
            share.entries -= 1;
            self.move_first(number, share);
        }
        share.in_flight -= count;
        self.count -= u64::from(count);
    }

    /// The first place is one in use, if any is.
    #[inline]
    fn move_first(&self, number: u32, share: &mut Share) {
        let start = self.first_place(number);
        if share.entries == 0 {
            share.first = self.wrapped(share.first + 1);
            return;
        }
        while self.all[start + usize::from(share.first)].count == 0 {
            share.first = self.wrapped(share.first + 1);
        }
    }

    /// The oldest `count` requests of an exchange are answered with this code, and end.
    #[inline]
    pub(crate) fn answered(
        &mut self,
        number: u32,
        share: &mut Share,
        id: ExchangeId,
        (code, count): (AnswerCode, u16),
    ) -> Answers {
        let answers = self.all[id.0 as usize].answered(code, count);
        self.end(number, share, id, count);
        answers
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use uringbench_core::statistics::random::Random;

    use super::*;

    /// A table of three connections, with a model beside it.
    struct Modelled {
        table: InFlight,
        shares: [Share; 3],
        /// By connection: the exchanges in flight, by id, and their request counts.
        model: Vec<BTreeMap<u32, u16>>,
    }

    impl Modelled {
        fn new(depth: u16) -> Self {
            let shares = [Share::default(); 3];
            Self { table: InFlight::new(3, depth), shares, model: vec![BTreeMap::new(); 3] }
        }

        fn push(&mut self, number: u32, count: u16, user: u32) -> ExchangeId {
            let slot = Slot { due: Timestamp(u64::from(user)), measured: false };
            let exchange = Exchange::new(slot, count, user, Timestamp(u64::from(user)));
            let share = &mut self.shares[number as usize];
            let id = self.table.push(number, share, exchange);
            let before = self.model[number as usize].insert(id.0, count);
            assert_eq!(before, None, "the place of another");
            assert_eq!(self.table.get(id).user(), user);
            id
        }

        fn end(&mut self, number: u32, id: ExchangeId, count: u16) {
            let share = &mut self.shares[number as usize];
            self.table.end(number, share, id, count);
            let left = self.model[number as usize].get_mut(&id.0).expect("it is in flight");
            *left -= count;
            self.model[number as usize].retain(|_, left| *left > 0);
        }

        fn assert_same(&self) {
            let mut all = 0;
            for (number, (share, model)) in self.shares.iter().zip(&self.model).enumerate() {
                let of = self.table.of(number as u32, share);
                let found: BTreeMap<u32, u16> =
                    of.map(|(id, exchange)| (id.0, exchange.count())).collect();
                assert_eq!(found, *model);
                let sum: u16 = model.values().sum();
                assert_eq!((share.in_flight, share.entries), (sum, model.len() as u16));
                all += u64::from(sum);
            }
            assert_eq!(self.table.count(), all);
        }
    }

    #[test]
    fn exchanges_may_end_in_any_order() {
        let mut random = Random::new(7);
        for depth in [1, 2, 5, 16] {
            let mut modelled = Modelled::new(depth);
            for user in 0..4_000 {
                let number = random.below(3) as u32;
                let in_flight: Vec<_> =
                    modelled.model[number as usize].clone().into_iter().collect();
                let has_room = in_flight.len() < usize::from(depth);
                if has_room && random.below(2) == 0 {
                    modelled.push(number, 1 + random.below(3) as u16, user);
                } else if !in_flight.is_empty() {
                    let (id, left) = in_flight[random.below(in_flight.len())];
                    let count = 1 + random.below(usize::from(left)) as u16;
                    modelled.end(number, ExchangeId(id), count);
                }
                modelled.assert_same();
            }
        }
    }

    #[test]
    fn in_order_the_oldest_is_the_one_that_began_first() {
        let mut modelled = Modelled::new(4);
        let mut began = std::collections::VecDeque::new();
        for user in 0..50 {
            if began.len() == 4 || user % 3 == 2 {
                let oldest = modelled.table.oldest(1, &modelled.shares[1]);
                assert_eq!(began.pop_front(), Some(oldest));
                modelled.end(1, oldest, 1);
            }
            began.push_back(modelled.push(1, 1, user));
            let share = &modelled.shares[1];
            let users: Vec<_> = modelled.table.of(1, share).map(|(id, _)| id).collect();
            assert!(users.iter().eq(&began), "{users:?} {began:?}");
            let first = modelled.table.get(began[0]).sent();
            let never = |_| Timestamp::default();
            assert_eq!(modelled.table.earliest(1, share, never), Some(first));
        }
    }

    #[test]
    fn what_is_given_back_keeps_its_slot_and_is_sent_again_in_order() {
        let mut modelled = Modelled::new(3);
        let ids = [modelled.push(0, 2, 9), modelled.push(0, 1, 10), modelled.push(0, 1, 11)];
        modelled.table.get_mut(ids[0]).begin_response(Timestamp(10));
        // One stays: the target is processing it.
        for id in [ids[2], ids[0], ids[0]] {
            modelled.table.give_back(&mut modelled.shares[0], id);
        }
        let exchange = modelled.table.get(ids[0]);
        assert!(!exchange.is_begun());
        assert_eq!((exchange.retries(), exchange.slot().due), (2, Timestamp(9)));
        assert_eq!(modelled.shares[0].owed, 3);
        modelled.end(0, ids[0], 1);
        assert_eq!(modelled.shares[0].owed, 2, "what has ended is not owed");
        let Modelled { table, shares, .. } = &mut modelled;
        let mut next = || table.take_owed(0, &mut shares[0]);
        assert_eq!([next(), next(), next()], [Some(ids[0]), Some(ids[2]), None]);
        assert_eq!(modelled.shares[0].owed, 0);
    }
}
