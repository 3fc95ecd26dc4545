//! Requests that wait for a receiver: which are sent together, when to try again, and how many
//! were accepted, refused or dropped. Pure: the time is an argument.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::post::PostResult;

/// Requests that wait at most: an hour of seconds.
const WAITING_MAX: usize = 3_600;
/// Requests that are sent as one.
const TOGETHER_MAX: usize = 60;
/// The first pause after a failure; each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The requests of one receiver, oldest first.
#[derive(Debug, Default)]
pub(crate) struct PushQueue {
    waiting: VecDeque<Vec<u8>>,
    accepted: usize,
    lost: usize,
    failures: u32,
    next_try: Option<Instant>,
    why: Option<String>,
}

impl PushQueue {
    /// Add the newest. If the receiver has been away for too long, the oldest gives way.
    pub(crate) fn add(&mut self, request: Vec<u8>) {
        if self.waiting.len() >= WAITING_MAX {
            self.waiting.pop_front();
            self.lost += 1;
        }
        self.waiting.push_back(request);
    }

    /// When the next request may be sent, if one waits.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        (!self.waiting.is_empty()).then(|| self.next_try.unwrap_or(now))
    }

    /// The oldest requests, joined, and their number.
    pub(crate) fn batch(&self) -> (usize, Vec<u8>) {
        let count = self.waiting.len().min(TOGETHER_MAX);
        (count, self.waiting.iter().take(count).flatten().copied().collect())
    }

    /// The run is over: the next try is now, whatever the pause.
    pub(crate) fn hurry(&mut self) {
        self.next_try = None;
    }

    /// What became of the oldest `count`. Returns whether this is the first failure of a series.
    pub(crate) fn posted(&mut self, count: usize, result: PostResult, now: Instant) -> bool {
        let is_first = self.failures == 0;
        match result {
            PostResult::Accepted => {
                self.waiting.drain(..count);
                self.accepted += count;
                (self.failures, self.next_try) = (0, None);
                false
            }
            PostResult::Later(after, why) => {
                let pause = PAUSE_MIN.saturating_mul(1 << self.failures.min(10));
                let pause = after.unwrap_or(pause).min(PAUSE_MAX);
                self.failures += 1;
                self.next_try = Some(now + pause);
                self.why = Some(why);
                is_first
            }
            PostResult::Refused(why) => {
                self.waiting.drain(..count);
                self.lost += count;
                (self.failures, self.next_try) = (1, None);
                self.why = Some(why);
                is_first
            }
        }
    }

    /// The last cause of a failure.
    pub(crate) fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }

    /// The number of requests that did not arrive, and of all; `None` if none is missing.
    pub(crate) fn missing(&self) -> Option<(usize, usize)> {
        let missing = self.lost + self.waiting.len();
        (missing > 0).then_some((missing, missing + self.accepted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later() -> PostResult {
        PostResult::Later(None, "away".to_owned())
    }

    #[test]
    fn a_receiver_that_comes_back_gets_everything_in_order() {
        let (mut queue, now) = (PushQueue::default(), Instant::now());
        for number in 0..100 {
            queue.add(vec![number]);
        }
        let (count, body) = queue.batch();
        assert_eq!((count, body.len(), body[0]), (60, 60, 0));
        assert!(queue.posted(count, later(), now), "the first failure is reported");
        assert!(!queue.posted(count, later(), now), "the second is not");
        assert_eq!(queue.due(now), Some(now + 2 * PAUSE_MIN));
        assert!(!queue.posted(count, PostResult::Accepted, now));
        assert_eq!((queue.due(now), queue.batch()), (Some(now), (40, (60..100).collect())));
        assert!(!queue.posted(40, PostResult::Accepted, now));
        assert_eq!((queue.due(now), queue.missing()), (None, None));
    }

    #[test]
    fn pauses_grow_to_a_bound_and_follow_the_receiver() {
        let (mut queue, now) = (PushQueue::default(), Instant::now());
        queue.add(vec![1]);
        for _ in 0..40 {
            queue.posted(1, later(), now);
        }
        assert_eq!(queue.due(now), Some(now + PAUSE_MAX));
        queue.posted(1, PostResult::Later(Some(Duration::from_secs(3)), String::new()), now);
        assert_eq!(queue.due(now), Some(now + Duration::from_secs(3)));
        queue.posted(1, PostResult::Later(Some(Duration::MAX), String::new()), now);
        assert_eq!(queue.due(now), Some(now + PAUSE_MAX));
    }

    #[test]
    fn all_that_is_missing_is_counted() {
        let (mut queue, now) = (PushQueue::default(), Instant::now());
        for _ in 0..WAITING_MAX + 5 {
            queue.add(vec![0]);
        }
        queue.posted(60, PostResult::Refused("no".to_owned()), now);
        queue.posted(60, PostResult::Accepted, now);
        let all = WAITING_MAX + 5;
        assert_eq!(queue.missing(), Some((all - 60, all)));
        assert_eq!(queue.why(), Some("no"));
    }
}
