//! The users of one worker: who sends what, and when. Pure; time is an argument.
//!
//! In a closed loop the number of users is constant, and each begins a flow when its last one has
//! ended. In an open loop a user arrives for each flow and leaves after it. Users are kept in a
//! slab and identified by their place in it, so memory does not grow with the number of users that
//! have left.

mod asked;
mod ended;
mod line;
mod user;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

pub use self::ended::{Ended, FlowEnd};
use self::line::Line;
use self::user::{User, is_over, places, step_of};
use super::cookie_jar::CookieJar;
use super::program::{Action, Place};
use super::script::{FlowReplay, Part, RowOrder, Script};
use crate::pacer::Slot;
use crate::schedule::Share;
use crate::statistics::random::Random;
use crate::time::{Nanos, Timestamp};

/// The users of one worker.
#[derive(Debug)]
pub struct VirtualUsers {
    script: Arc<Script>,
    share: Share,
    seed: u64,
    users: Vec<User>,
    /// Places of users that have left, latest last.
    vacant: VecDeque<u32>,
    /// Places assigned in turn if each has its own connection; otherwise 0.
    places: u32,
    /// Users of a closed loop who may begin a flow.
    idle: VecDeque<u32>,
    /// Users with a request to send, in the order in which it became ready.
    ready: Line,
    /// If users have their own connections: users whose request may have become possible to send,
    /// because it is ready or their connection became free.
    candidates: VecDeque<u32>,
    /// Users in a think time, and its end.
    pausing: BinaryHeap<Reverse<(Timestamp, u32)>>,
    /// Users with steps left.
    busy: usize,
    chance: Random,
    arrived: u64,
    requests: u64,
    next_rows: Vec<u64>,
    /// Captured values of each user, in the order of their places.
    captures: Vec<Vec<u8>>,
    /// The row of each user in each table, likewise.
    rows: Vec<usize>,
    /// The target of each user's latest request; empty if no cookies are stored.
    targets: Vec<Vec<u8>>,
    keeps_cookies: bool,
    is_leaving: bool,
    /// Flows that have ended and were not taken yet.
    ended: Vec<Ended>,
    scratch: Vec<u8>,
}

impl VirtualUsers {
    /// Share `share` of a script's users; `seed` decides their random values.
    pub fn new(script: Arc<Script>, share: Share, seed: u64) -> Self {
        let users = script.users().map_or(0, |users| share.of(u64::from(users)));
        let mixed = seed ^ (u64::from(share.index) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let keeps_cookies = script.steps().any(|(_, step)| step.uses_jar());
        let mut virtual_users = Self {
            next_rows: vec![u64::from(share.index); script.tables().len()],
            captures: Vec::with_capacity(users as usize * script.captures()),
            rows: Vec::with_capacity(users as usize * script.tables().len()),
            targets: Vec::new(),
            keeps_cookies,
            script,
            share,
            seed,
            users: Vec::with_capacity(users as usize),
            vacant: VecDeque::new(),
            places: 0,
            idle: VecDeque::with_capacity(users as usize),
            ready: Line::new(),
            candidates: VecDeque::new(),
            pausing: BinaryHeap::new(),
            busy: 0,
            chance: Random::new(mixed),
            arrived: 0,
            requests: 0,
            is_leaving: false,
            ended: Vec::new(),
            scratch: Vec::new(),
        };
        for _ in 0..users {
            let user = virtual_users.arrive();
            virtual_users.idle.push_back(user);
        }
        virtual_users
    }

    /// Whether the users stay the same, and none arrives.
    pub fn is_closed(&self) -> bool {
        self.script.users().is_some()
    }

    /// Whether a user of a closed loop may begin a flow.
    pub fn has_idle(&self) -> bool {
        !self.idle.is_empty()
    }

    /// A flow begins: that of an idle user or, in an open loop, of a new one. `number` is the
    /// slot's, if flows are replayed.
    pub fn begin(&mut self, slot: Slot, number: Option<usize>) {
        let place = match (self.script.users(), self.idle.pop_front()) {
            (_, Some(user)) => user,
            (None, None) => self.arrive(),
            (Some(_), None) => return,
        };
        let flow = self.choose(number);
        let has_start = !self.script.part(Part::Start).steps.is_empty();
        self.draw_rows(place, number.unwrap_or(0));
        let user = &mut self.users[place as usize];
        user.flow = flow;
        (user.slot_due, user.is_measured) = (slot.due, slot.measured);
        (user.spent, user.late) = (Nanos::ZERO, Nanos::ZERO);
        user.has_failed = false;
        let part = if has_start && !user.has_started { Part::Start } else { Part::Flow(flow) };
        self.busy += 1;
        self.enter(place, part, slot.due);
    }

    /// Count a flow of an open loop that never begins. Returns the number of the step that would
    /// have been its first.
    pub fn reject(
        &mut self,
        slot: Slot,
        number: Option<usize>,
        end: FlowEnd,
        now: Timestamp,
    ) -> usize {
        let flow = self.choose(number);
        let late = now.since(slot.due);
        self.ended.push(Ended { flow, slot, done: now, response: late, lateness: late, end });
        let has_start = !self.script.part(Part::Start).steps.is_empty();
        let part = if has_start { Part::Start } else { Part::Flow(flow) };
        let (mut place, operations) = (Place::default(), &self.script.part(part).operations);
        loop {
            match place.next(operations, &mut self.chance) {
                Some(Action::Pause(_)) => {}
                Some(Action::Send(step)) => return self.script.step_number(part, step as u32),
                None => return self.script.step_number(part, 0),
            }
        }
    }

    fn choose(&mut self, number: Option<usize>) -> u32 {
        match (number, self.script.replay()) {
            (Some(number), Some(FlowReplay { flows: Some(flows), .. })) => {
                flows.get(number).copied().unwrap_or(0)
            }
            _ => self.script.draw(&mut self.chance),
        }
    }

    /// Users whose think time is over continue.
    pub fn wake(&mut self, now: Timestamp) {
        while let Some(&Reverse((at, place))) = self.pausing.peek()
            && at <= now
        {
            self.pausing.pop();
            if self.users[place as usize].part.is_some() {
                self.advance(place, at);
            } else {
                self.idle.push_back(place);
            }
        }
    }

    /// When the next think time ends; never, if no user is in one.
    pub fn wakes_at(&self) -> Timestamp {
        self.pausing.peek().map_or(Timestamp::NEVER, |&Reverse((at, _))| at)
    }

    /// Take the user whose request has waited longest.
    pub fn take(&mut self) -> Option<u32> {
        let place = self.ready.pop()?;
        self.number_request(place);
        Some(place)
    }

    /// Take the request of this user. Returns whether it has one.
    pub fn take_of(&mut self, place: u32) -> bool {
        let has_one = self.ready.remove(place);
        if has_one {
            self.number_request(place);
        }
        has_one
    }

    fn number_request(&mut self, place: u32) {
        let sequence = self.requests * u64::from(self.share.count) + u64::from(self.share.index);
        self.requests += 1;
        self.users[place as usize].sequence = sequence;
    }

    /// If users have their own connections: the next one whose request can be sent, as decided by
    /// `may_send`. Each is tried once when its request is ready, and after each
    /// [`Self::look_again`].
    pub fn take_if(&mut self, may_send: impl Fn(u32) -> bool) -> Option<u32> {
        while let Some(place) = self.candidates.pop_front() {
            if self.ready.contains(place) && may_send(place) {
                return self.take_of(place).then_some(place);
            }
        }
        None
    }

    /// A user's own connection can take a request.
    pub fn look_again(&mut self, place: u32) {
        if self.ready.contains(place) {
            self.candidates.push_back(place);
        }
    }

    /// The same with this many places, each with a connection: in an open loop users take them in
    /// turn, so that each connection has the longest time to reconnect.
    #[must_use]
    pub fn with_places(self, places: u32) -> Self {
        Self { places, ..self }
    }

    /// Whether another user may arrive, if each place has a connection.
    pub fn has_room(&self) -> bool {
        !self.vacant.is_empty() || self.users.len() < self.places as usize
    }

    /// Whether the user of this place has left, in an open loop, and no other has arrived there.
    pub fn has_left(&self, place: u32) -> bool {
        let is_vacant = |user: &User| user.part.is_none();
        self.script.users().is_none() && self.users.get(place as usize).is_some_and(is_vacant)
    }

    /// Whether a request is ready to send.
    pub fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The same, if it has been due for longer than `patience`.
    pub fn take_stale(&mut self, now: Timestamp, patience: Nanos) -> Option<u32> {
        let place = self.ready.first()?;
        (self.users[place as usize].due + patience < now).then(|| self.take()).flatten()
    }

    /// The user's request is sent now.
    pub fn note_sent(&mut self, place: u32, now: Timestamp) {
        let user = &mut self.users[place as usize];
        user.late += now.since(user.due);
    }

    /// When the user's request was due.
    pub fn due(&self, place: u32) -> Timestamp {
        self.users[place as usize].due
    }

    /// The number of the user's current step.
    pub fn step_number(&self, place: u32) -> usize {
        let user = &self.users[place as usize];
        user.part.map_or(0, |part| self.script.step_number(part, user.step))
    }

    /// The request ended, passed or not: advance the user.
    pub fn end_step(&mut self, place: u32, has_passed: bool, now: Timestamp) {
        let user = &mut self.users[place as usize];
        user.spent += now.since(user.due);
        user.has_failed |= !has_passed;
        let is_last = || step_of(&self.script, user).is_some_and(|step| step.is_last_when_failed);
        if !has_passed && is_last() {
            self.break_off(place, now);
        } else {
            self.advance(place, now);
        }
    }

    /// The user has waited too long for a connection: its flow ends.
    pub fn give_up(&mut self, place: u32, now: Timestamp) {
        let user = &mut self.users[place as usize];
        user.spent += now.since(user.due);
        user.has_failed = true;
        self.break_off(place, now);
    }

    /// No more flows begin: users of a closed loop leave as soon as their last one has ended.
    pub fn leave(&mut self, now: Timestamp) {
        if std::mem::replace(&mut self.is_leaving, true) {
            return;
        }
        let mut going = std::mem::take(&mut self.idle);
        let users = &self.users;
        self.pausing.retain(|&Reverse((_, place))| {
            let is_resting = users[place as usize].part.is_none();
            if is_resting {
                going.push_back(place);
            }
            !is_resting
        });
        for place in going {
            if self.says_goodbye(place) {
                self.busy += 1;
                self.enter(place, Part::End, now);
            }
        }
    }

    /// Whether no user has a step left.
    pub const fn is_quiet(&self) -> bool {
        self.busy == 0
    }

    /// The same, once users of a closed loop know that they leave, so that none has final steps
    /// left.
    pub fn is_over(&self) -> bool {
        self.busy == 0 && (self.is_leaving || self.script.users().is_none())
    }

    /// The run is over: unfinished flows remain unfinished.
    pub fn abandon(&mut self, now: Timestamp) {
        for place in 0..self.users.len() as u32 {
            self.cut_short(place, now);
        }
        self.ready.clear();
        self.candidates.clear();
        self.pausing.clear();
    }

    /// The same for one user, if it has steps left.
    pub fn cut_short(&mut self, place: u32, now: Timestamp) {
        let user = &mut self.users[place as usize];
        let Some(part) = user.part.take() else { return };
        self.busy -= 1;
        if part != Part::End {
            let response = user.spent + now.since(user.due);
            let (flow, slot, lateness) = (user.flow, user.slot(), user.late);
            self.ended.push(Ended {
                flow,
                slot,
                done: now,
                response,
                lateness,
                end: FlowEnd::Unfinished,
            });
        }
    }

    /// A flow that has ended; each is returned once.
    pub fn take_ended(&mut self) -> Option<Ended> {
        self.ended.pop()
    }

    /// A new user, in the place of one who has left if there is any.
    fn arrive(&mut self) -> u32 {
        let number = self.arrived * u64::from(self.share.count) + u64::from(self.share.index);
        self.arrived += 1;
        let chance = self.seed ^ number.wrapping_mul(0xd1b5_4a32_d192_ed03);
        // If connections do not matter, the place left last is in the cache.
        let vacant = match self.places {
            0 => self.vacant.pop_back(),
            places if self.users.len() < places as usize => None,
            _ => self.vacant.pop_front(),
        };
        if let Some(place) = vacant {
            let captures = &mut self.captures[places(place, self.script.captures())];
            captures.iter_mut().for_each(Vec::clear);
            let user = &mut self.users[place as usize];
            user.cookies.clear();
            (user.number, user.chance, user.has_started) = (number, chance, false);
            return place;
        }
        let users = self.users.len() + 1;
        self.captures.resize_with(users * self.script.captures(), Vec::new);
        self.rows.resize(users * self.script.tables().len(), 0);
        self.targets.resize_with(if self.keeps_cookies { users } else { 0 }, Vec::new);
        self.users.push(User {
            number,
            chance,
            cookies: CookieJar::new(),
            part: None,
            flow: 0,
            place: Place::default(),
            step: 0,
            sequence: 0,
            due: Timestamp::default(),
            slot_due: Timestamp::default(),
            is_measured: false,
            spent: Nanos::ZERO,
            late: Nanos::ZERO,
            has_started: false,
            has_failed: false,
        });
        self.users.len() as u32 - 1
    }

    fn draw_rows(&mut self, place: u32, slot: usize) {
        let user = self.users[place as usize].number;
        let tables = self.script.tables();
        let drawn = &mut self.rows[places(place, tables.len())];
        for (number, (table, order)) in tables.iter().zip(self.script.orders()).enumerate() {
            let rows = table.rows().max(1);
            drawn[number] = match order {
                RowOrder::Random => self.chance.below(rows),
                RowOrder::Replayed => slot % rows,
                RowOrder::User => (user % rows as u64) as usize,
                RowOrder::Shared => {
                    let next = &mut self.next_rows[number];
                    let row = *next % rows as u64;
                    *next += u64::from(self.share.count);
                    row as usize
                }
            };
        }
    }

    fn enter(&mut self, place: u32, part: Part, now: Timestamp) {
        let user = &mut self.users[place as usize];
        user.part = Some(part);
        user.place = Place::default();
        user.due = now;
        self.advance(place, now);
    }

    /// Advance to the user's next request, its think time, or the end of its steps.
    fn advance(&mut self, place: u32, now: Timestamp) {
        let user = &mut self.users[place as usize];
        let Some(part) = user.part else { return };
        let flow = self.script.part(part);
        let mut random = Random::new(user.chance);
        let action = user.place.next(&flow.operations, &mut random);
        user.chance = random.bits();
        match action {
            Some(Action::Send(step)) => {
                user.step = step as u32;
                user.due = now;
                self.ready.push(place);
                if self.script.has_own_connections() {
                    self.candidates.push_back(place);
                }
            }
            Some(Action::Pause(span)) if !is_over(flow, user) => {
                // A pause at the end belongs to no flow, so the end of the run does not cut one
                // short.
                user.due = now + span;
                self.pausing.push(Reverse((now + span, place)));
            }
            Some(Action::Pause(span)) => self.finish(place, now, span),
            None => self.finish(place, now, Nanos::ZERO),
        }
    }

    /// The user's steps are done. A pause after the last one is the user's, not the flow's.
    fn finish(&mut self, place: u32, now: Timestamp, pause: Nanos) {
        let user = &mut self.users[place as usize];
        match user.part {
            Some(Part::Start) => {
                user.has_started = true;
                let part = Part::Flow(user.flow);
                if pause > Nanos::ZERO {
                    (user.part, user.place) = (Some(part), Place::default());
                    user.due = now + pause;
                    self.pausing.push(Reverse((now + pause, place)));
                } else {
                    self.enter(place, part, now);
                }
            }
            Some(Part::Flow(_)) => {
                self.note_end(place, now);
                self.go_on(place, now, pause);
            }
            Some(Part::End) | None => self.rest(place, now, Nanos::ZERO),
        }
    }

    /// The user's steps end because one has failed.
    fn break_off(&mut self, place: u32, now: Timestamp) {
        match self.users[place as usize].part {
            Some(Part::Start) => {
                self.note_end(place, now);
                self.rest(place, now, Nanos::ZERO);
            }
            Some(Part::Flow(_)) => {
                self.note_end(place, now);
                self.go_on(place, now, Nanos::ZERO);
            }
            Some(Part::End) | None => self.rest(place, now, Nanos::ZERO),
        }
    }

    fn note_end(&mut self, place: u32, now: Timestamp) {
        let user = &self.users[place as usize];
        let end = if user.has_failed { FlowEnd::Failed } else { FlowEnd::Passed };
        let (flow, slot) = (user.flow, user.slot());
        let (response, lateness) = (user.spent, user.late);
        self.ended.push(Ended { flow, slot, done: now, response, lateness, end });
    }

    /// A flow has ended: begin the user's next part, if any.
    fn go_on(&mut self, place: u32, now: Timestamp, pause: Nanos) {
        self.users[place as usize].has_started = true;
        let is_last = self.script.users().is_none() || self.is_leaving;
        if is_last && self.says_goodbye(place) {
            self.enter(place, Part::End, now);
        } else {
            self.rest(place, now, pause);
        }
    }

    fn says_goodbye(&self, place: u32) -> bool {
        self.users[place as usize].has_started && !self.script.part(Part::End).steps.is_empty()
    }

    /// The user has nothing to do: it waits for its next flow, or leaves.
    fn rest(&mut self, place: u32, now: Timestamp, pause: Nanos) {
        self.busy -= 1;
        self.users[place as usize].part = None;
        if self.script.users().is_none() {
            self.vacant.push_back(place);
        } else if self.is_leaving {
            // The user has left, and no other arrives.
        } else if pause > Nanos::ZERO {
            self.pausing.push(Reverse((now + pause, place)));
        } else {
            self.idle.push_back(place);
        }
    }
}

#[cfg(test)]
mod tests;
