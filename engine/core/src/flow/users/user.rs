//! One user: its position, and its counts.

use std::ops::Range;

use super::super::cookie_jar::CookieJar;
use super::super::program::Place;
use super::super::script::{Flow, Part, Script};
use super::super::step::Step;
use crate::pacer::Slot;
use crate::statistics::random::Random;
use crate::time::{Nanos, Timestamp};

/// Small, and without memory of its own except for cookies: there may be millions.
#[derive(Debug)]
pub(super) struct User {
    pub(super) number: u64,
    /// The seed of its next draws.
    pub(super) chance: u64,
    pub(super) cookies: CookieJar,
    /// The list of its current step; none between flows.
    pub(super) part: Option<Part>,
    pub(super) flow: u32,
    pub(super) place: Place,
    pub(super) step: u32,
    /// Of the request.
    pub(super) sequence: u64,
    pub(super) due: Timestamp,
    /// When its flow was due to begin, and whether that counts.
    pub(super) slot_due: Timestamp,
    pub(super) is_measured: bool,
    /// Time in its flow, without think times; and the part of that waiting to send.
    pub(super) spent: Nanos,
    pub(super) late: Nanos,
    pub(super) has_started: bool,
    pub(super) has_failed: bool,
}

const _: () = assert!(size_of::<User>() <= 96);

impl User {
    /// The slot of its flow.
    pub(super) const fn slot(&self) -> Slot {
        Slot { due: self.slot_due, measured: self.is_measured }
    }
}

/// The range of a user's own entries, if each has this many.
pub(super) const fn places(place: u32, each: usize) -> Range<usize> {
    let begin = place as usize * each;
    begin..begin + each
}

/// The user's current step.
pub(super) fn step_of<'a>(script: &'a Script, user: &User) -> Option<&'a Step> {
    script.part(user.part?).steps.get(user.step as usize)
}

/// Whether nothing comes after the user's current pause.
pub(super) fn is_over(flow: &Flow, user: &User) -> bool {
    let (mut place, mut random) = (user.place, Random::new(user.chance));
    place.next(&flow.operations, &mut random).is_none()
}
