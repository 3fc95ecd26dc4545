//! The viewers of a run, each with a queue of updates. A full queue loses updates, which are
//! counted; its viewer gets all rows again when it has room.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Viewers at once.
pub(crate) const VIEWERS_MAX: usize = 8;
/// Updates that wait for a viewer.
const QUEUE_MAX: usize = 16;

/// Begins the data of an event.
const DATA: &str = "data: ";

/// An event of the stream, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Update(pub(crate) Arc<str>);

impl Update {
    /// `data` has no line ends: JSON escapes them.
    pub(crate) fn new(event: &str, data: &str) -> Self {
        Self(format!("event: {event}\n{DATA}{data}\n\n").into())
    }

    /// Its data alone.
    pub(crate) fn data(&self) -> &str {
        self.0.split_once(DATA).map_or("", |(_, data)| data).trim_end()
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
    /// Updates in the queue, or a few more.
    waiting: Arc<AtomicUsize>,
    /// It missed updates.
    is_behind: bool,
}

/// What waits for one viewer.
#[derive(Debug)]
pub(crate) struct Updates {
    queue: Receiver<Update>,
    waiting: Arc<AtomicUsize>,
}

impl Updates {
    /// The next one, within this time.
    pub(crate) fn next(&self, patience: Duration) -> Result<Update, RecvTimeoutError> {
        let update = self.queue.recv_timeout(patience)?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Ok(update)
    }
}

impl Viewer {
    fn send(&self, update: Update) -> Result<(), TrySendError<Update>> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.queue.try_send(update).inspect_err(|_| {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        })
    }
}

impl Viewers {
    fn all(&self) -> MutexGuard<'_, Vec<Viewer>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more, who gets this first; `None` if there is no room.
    pub(crate) fn add(&self, first: Update) -> Option<Updates> {
        let mut all = self.all();
        if all.len() >= VIEWERS_MAX {
            return None;
        }
        let (queue, updates) = sync_channel(QUEUE_MAX);
        let waiting = Arc::new(AtomicUsize::new(0));
        let viewer = Viewer { queue, waiting: Arc::clone(&waiting), is_behind: false };
        // The queue is empty.
        let _ = viewer.send(first);
        all.push(viewer);
        Some(Updates { queue: updates, waiting })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.all().len()
    }

    /// Updates that were not sent.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// New rows for all; `state` is for those who missed some, and made only if one of them has
    /// room for it. Never waits.
    pub(crate) fn send(&self, row: &Update, mut state: impl FnMut() -> Update) {
        let mut made = None;
        self.all().retain_mut(|viewer| {
            let is_full = viewer.waiting.load(Ordering::Relaxed) >= QUEUE_MAX;
            let update = match viewer.is_behind && !is_full {
                true => made.get_or_insert_with(&mut state).clone(),
                // Where it is full, nothing is sent, and its viewer may have left.
                false => row.clone(),
            };
            match viewer.send(update) {
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
        all.into_iter().filter(|viewer| viewer.send(last.clone()).is_ok()).count()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn update(number: usize) -> Update {
        Update::new("row", &number.to_string())
    }

    #[test]
    fn a_viewer_who_does_not_read_delays_nobody_and_gets_all_rows_later() {
        let viewers = Viewers::default();
        let slow = viewers.add(update(0)).expect("there is room");
        let quick = viewers.add(update(0)).expect("there is room");
        let made = Cell::new(0);
        let state = || {
            made.set(made.get() + 1);
            Update::new("state", "all")
        };
        let all = |updates: &Updates| -> Vec<Update> {
            std::iter::from_fn(|| updates.next(NOW).ok()).collect()
        };
        for number in 1..=40 {
            viewers.send(&update(number), state);
            while quick.next(NOW).is_ok() {}
        }
        assert_eq!(viewers.dropped(), 40 - (QUEUE_MAX as u64 - 1));
        assert_eq!(made.get(), 0, "nobody has room for it");
        assert_eq!(all(&slow), (0..QUEUE_MAX).map(update).collect::<Vec<_>>());
        viewers.send(&update(41), state);
        viewers.send(&update(42), state);
        assert_eq!(all(&slow), [state(), update(42)]);
        assert_eq!(all(&quick), [update(41), update(42)]);
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
