//! The viewers of a run, each with a queue of updates. A full queue loses updates, which are
//! counted; its viewer gets all rows again when it has room.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Viewers at once.
pub(crate) const VIEWERS_MAX: usize = 8;
/// Updates that wait for a viewer.
const QUEUE_MAX: usize = 16;

/// An event of the stream, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Update(pub(crate) Arc<str>);

impl Update {
    /// `data` has no line ends: JSON escapes them.
    pub(crate) fn new(event: &str, data: &str) -> Self {
        Self(format!("event: {event}\ndata: {data}\n\n").into())
    }
}

/// The queues.
#[derive(Debug, Default)]
pub(crate) struct Viewers {
    all: Mutex<Vec<Viewer>>,
    dropped: AtomicU64,
}

#[derive(Debug)]
struct Viewer {
    queue: SyncSender<Update>,
    /// It missed updates.
    is_behind: bool,
}

impl Viewers {
    fn all(&self) -> MutexGuard<'_, Vec<Viewer>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more, who gets this first; `None` if there is no room.
    pub(crate) fn add(&self, first: Update) -> Option<Receiver<Update>> {
        let mut all = self.all();
        if all.len() >= VIEWERS_MAX {
            return None;
        }
        let (queue, updates) = sync_channel(QUEUE_MAX);
        // The queue is empty.
        let _ = queue.try_send(first);
        all.push(Viewer { queue, is_behind: false });
        Some(updates)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.all().len()
    }

    /// Updates that were not sent.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// New rows for all; `state` is for those who missed some. Never waits.
    pub(crate) fn send(&self, row: &Update, state: impl Fn() -> Update) {
        let mut made = None;
        self.all().retain_mut(|viewer| {
            let update = match viewer.is_behind {
                true => made.get_or_insert_with(&state).clone(),
                false => row.clone(),
            };
            match viewer.queue.try_send(update) {
                Ok(()) => viewer.is_behind = false,
                Err(TrySendError::Full(_)) => {
                    viewer.is_behind = true;
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                }
                Err(TrySendError::Disconnected(_)) => return false,
            }
            true
        });
    }

    /// The last update for all; nobody is a viewer afterwards. Returns how many got it.
    pub(crate) fn end(&self, last: &Update) -> usize {
        let all = std::mem::take(&mut *self.all());
        all.into_iter().filter(|viewer| viewer.queue.try_send(last.clone()).is_ok()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(number: usize) -> Update {
        Update::new("row", &number.to_string())
    }

    #[test]
    fn a_viewer_who_does_not_read_delays_nobody_and_gets_all_rows_later() {
        let viewers = Viewers::default();
        let slow = viewers.add(update(0)).expect("there is room");
        let quick = viewers.add(update(0)).expect("there is room");
        let state = || Update::new("state", "all");
        for number in 1..=40 {
            viewers.send(&update(number), state);
            while quick.try_recv().is_ok() {}
        }
        assert_eq!(viewers.dropped(), 40 - (QUEUE_MAX as u64 - 1));
        let read: Vec<_> = slow.try_iter().collect();
        assert_eq!(read, (0..QUEUE_MAX).map(update).collect::<Vec<_>>());
        viewers.send(&update(41), state);
        viewers.send(&update(42), state);
        assert_eq!(slow.try_iter().collect::<Vec<_>>(), [state(), update(42)]);
        assert_eq!(quick.try_iter().collect::<Vec<_>>(), [update(41), update(42)]);
    }

    #[test]
    fn those_who_left_make_room() {
        let viewers = Viewers::default();
        let mut inside: Vec<_> =
            (0..VIEWERS_MAX).map(|_| viewers.add(update(0)).expect("there is room")).collect();
        assert!(viewers.add(update(0)).is_none());
        inside.truncate(3);
        viewers.send(&update(1), || update(0));
        assert_eq!(viewers.count(), 3);
        assert_eq!(viewers.end(&update(9)), 3);
        assert_eq!(viewers.count(), 0);
    }
}
