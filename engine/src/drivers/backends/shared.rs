//! Data that the tasks of a runtime share with the driver: events, and vectors to reuse. All on one
//! thread, so cells are enough.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::task::Waker;

use bytes::Bytes;
use uringbench_core::plan::Plan;

use crate::drivers::DriverEvent;
use crate::event_loop::copies_kept;

/// Capacity of a receive buffer: as in the ring, for small answers and for TLS records.
const SMALL_ANSWERS: usize = 2 << 10;
const RECORDS: usize = 16 << 10;
/// Capacity of a buffer for payload that is discarded; every discard in progress needs its own.
const SCRATCH_MIN: usize = 4 << 10;
const SCRATCH_MAX: usize = 64 << 10;
const SCRATCHES_TOGETHER: usize = 16 << 20;
/// Spare vectors kept, and the largest capacity kept.
const SPARES_MAX: usize = 256;
const SPARE_ROOM_MAX: usize = 256 << 10;

/// The shared data.
pub(super) struct Shared {
    pub(super) events: RefCell<VecDeque<DriverEvent<Vec<u8>>>>,
    /// The wait that the next event ends.
    pub(super) waiting: Cell<Option<Waker>>,
    /// Tasks that have not ended.
    pub(super) tasks: Cell<usize>,
    /// The request, repeated as often as it is sent together.
    pub(super) template: Bytes,
    pub(super) request_length: usize,
    /// For bytes that are read.
    pub(super) buffers: Pool,
    /// For bytes that are discarded.
    pub(super) scratches: Pool,
    /// For bytes built per connection.
    pub(super) spares: Pool,
}

impl Shared {
    pub(super) fn new(plan: &Plan, connections: u32) -> Self {
        let connections = connections as usize;
        let request = plan.workload.bytes();
        let buffer = if plan.tls().is_some() { RECORDS } else { SMALL_ANSWERS };
        let scratch = (SCRATCHES_TOGETHER / connections.max(1)).clamp(SCRATCH_MIN, SCRATCH_MAX);
        Self {
            events: RefCell::new(VecDeque::with_capacity(connections)),
            waiting: Cell::new(None),
            tasks: Cell::new(0),
            template: request.repeat(copies_kept(plan)).into(),
            request_length: request.len(),
            buffers: Pool::new(buffer, connections, buffer),
            scratches: Pool::new(scratch, connections, scratch),
            spares: Pool::new(0, SPARES_MAX, SPARE_ROOM_MAX),
        }
    }

    /// Report an event, which ends the wait.
    pub(super) fn tell(&self, event: DriverEvent<Vec<u8>>) {
        self.events.borrow_mut().push_back(event);
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }

    /// Whether there is no event to take.
    pub(super) fn is_quiet(&self) -> bool {
        self.events.borrow().is_empty()
    }
}

/// Emptied vectors, the last used on top: its memory is in the cache.
pub(super) struct Pool {
    idle: RefCell<Vec<Vec<u8>>>,
    /// Capacity of a new one.
    pub(super) room: usize,
    kept_max: usize,
    room_max: usize,
}

impl Pool {
    fn new(room: usize, kept_max: usize, room_max: usize) -> Self {
        Self { idle: RefCell::default(), room, kept_max, room_max }
    }

    pub(super) fn take(&self) -> Vec<u8> {
        self.idle.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(self.room))
    }

    /// Keep a vector for reuse, unless there are enough or its capacity does not fit.
    pub(super) fn give(&self, mut vector: Vec<u8>) {
        let mut idle = self.idle.borrow_mut();
        let is_fit = (self.room..=self.room_max).contains(&vector.capacity());
        if is_fit && idle.len() < self.kept_max {
            vector.clear();
            idle.push(vector);
        }
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.idle.borrow().len()
    }
}
