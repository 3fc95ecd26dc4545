//! The requests of a URL, without users: all equal, or one of a database with other values.

use std::sync::Arc;

use uringbench_core::flow::step::{Failed, Judgement};
use uringbench_core::outcome::Outcome;
use uringbench_core::pacer::{Pace, Pacer};
use uringbench_core::plan::{Commands, Transactions};
use uringbench_core::postgres::statement::DrawnValues;
use uringbench_core::schedule::Share;
use uringbench_core::statistics::random::Random;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_core::websocket::machine::Message;

use super::{Departed, Next, Reading, Start, StepConfig};
use crate::connections::Connections;
use crate::connections::connect_failure::ConnectFailure;
use crate::connections::in_flight::Exchange;
use crate::event_loop::LoopOptions;
use crate::record::recorder::Recorder;
use crate::wire::ConnectionConfig;
use crate::wire::messages::Hearing;
use crate::wire::websocket::WebSocketConfig;

/// The slots of one worker.
pub(crate) struct Slots {
    /// `None` until the run begins.
    pub(super) pacer: Option<Pacer>,
    pub(super) step: StepConfig,
    /// Whether they are released on a schedule.
    is_open: bool,
    /// Makes the requests, if they differ.
    maker: Option<Box<RequestMaker>>,
    /// Which of their bodies the next one sends, if they have several.
    rows: Option<Box<Rows>>,
}

/// Takes rows in turn: after the last one comes the first.
#[derive(Clone, Copy, Debug)]
struct Rows {
    next: u64,
    /// All workers take turns.
    step: u64,
    count: u64,
}

impl Rows {
    /// Those of a worker, if there are several.
    fn of(options: &LoopOptions) -> Option<Box<Self>> {
        let Share { index, count } = options.share;
        let rows = Self { next: index.into(), step: count.into(), count: options.rows.into() };
        (rows.count > 1).then(|| Box::new(rows))
    }

    /// The next row.
    #[inline]
    const fn take(&mut self) -> u32 {
        let row = self.next % self.count;
        self.next = row + self.step;
        row as u32
    }
}

/// Makes requests of a database with other values each.
struct RequestMaker {
    kind: MadeKind,
    share: Share,
    /// Milliseconds since 1970 at the zero of the driver's clock.
    epoch: u64,
    random: Random,
    /// How many were made.
    made: u64,
}

/// The kind of requests that are made.
enum MadeKind {
    /// Commands of Redis.
    Commands(Arc<Commands>),
    /// Transactions of PostgreSQL.
    Transactions(Arc<Transactions>, DrawnValues),
}

impl RequestMaker {
    /// What makes the requests of a run, if they differ.
    fn of(config: &ConnectionConfig, seed: u64) -> Option<Self> {
        let (kind, share, epoch) = match (&config.redis, &config.postgres) {
            (Some(redis), _) if !redis.commands.command.is_constant() => {
                (MadeKind::Commands(Arc::clone(&redis.commands)), redis.share, redis.epoch)
            }
            (_, Some(postgres)) if !postgres.transactions.transaction.is_constant() => {
                let transactions = Arc::clone(&postgres.transactions);
                let kind = MadeKind::Transactions(transactions, DrawnValues::default());
                (kind, postgres.share, postgres.epoch)
            }
            _ => return None,
        };
        Some(Self { kind, share, epoch, random: Random::new(seed), made: 0 })
    }

    /// Add a request to `out`.
    fn make(&mut self, unix_ms: u64, out: &mut Vec<u8>) {
        // Unique among those of all workers.
        let sequence = self.made * u64::from(self.share.count) + u64::from(self.share.index);
        let (scope, random) = ((sequence, unix_ms), &mut self.random);
        match &mut self.kind {
            MadeKind::Commands(commands) => commands.command.render(scope, random, out),
            MadeKind::Transactions(transactions, drawn) => {
                transactions.transaction.render(scope, random, drawn, out);
            }
        }
        self.made += 1;
    }
}

impl Slots {
    pub(super) fn new(options: &LoopOptions, config: &ConnectionConfig) -> Self {
        let knows_answers = config.websocket.as_ref().is_some_and(WebSocketConfig::knows_answers);
        let maker = RequestMaker::of(config, options.seed).map(Box::new);
        // Messages of calls are counted as they pass.
        let stream = config.stream.filter(|_| !config.has_calls());
        let step = StepConfig {
            constant: maker.is_none().then_some(0..config.request.len()),
            is_head: options.is_head,
            is_repeatable: options.is_repeatable,
            reading: stream.map_or(Reading::Status, Reading::Stream),
            socket: None,
            hearing: knows_answers.then(Hearing::default),
        };
        Self { pacer: None, step, is_open: options.is_open, maker, rows: Rows::of(options) }
    }

    /// Add `count` requests that differ to `out`.
    pub(super) fn render(&mut self, count: u16, now: Timestamp, out: &mut Vec<u8>) {
        if let Some(maker) = &mut self.maker {
            let unix_ms = maker.epoch + now.0 / 1_000_000;
            (0..count).for_each(|_| maker.make(unix_ms, out));
        }
    }

    /// In a closed loop, as many as a connection can take; in an open one, one, so that they spread
    /// over the connections.
    #[inline]
    pub(super) fn next(&mut self, connections: &mut Connections, now: Timestamp) -> Next {
        let Some(pacer) = &mut self.pacer else {
            return Next::Wait { until: None, is_starved: false };
        };
        let Some((number, room)) = connections.usable() else {
            return Next::Wait { until: None, is_starved: true };
        };
        match pacer.poll(now, room) {
            Pace::Release(slot, count) => {
                let row = self.rows.as_mut().map_or(0, |rows| rows.take());
                Next::Send(Start { number, user: row, slot, count })
            }
            Pace::WaitUntil(due) => Next::Wait { until: Some(due), is_starved: false },
            Pace::Done => Next::Wait { until: None, is_starved: false },
        }
    }

    #[inline]
    pub(super) fn give_up_stale(
        &mut self,
        timeout: Nanos,
        recorder: &mut Recorder,
        now: Timestamp,
    ) {
        let Some(pacer) = &mut self.pacer else { return };
        while let Some(slot) = pacer.give_up(now, timeout) {
            recorder.released(0, slot, 1);
            recorder.failed(0, slot, (Outcome::NotSent, 1), now);
        }
    }

    pub(super) fn give_up_all(&mut self, recorder: &mut Recorder, now: Timestamp) {
        let (true, Some(pacer)) = (self.is_open, &mut self.pacer) else { return };
        while let Pace::Release(slot, count) = pacer.poll(now, 1) {
            recorder.released(0, slot, count);
            recorder.failed(0, slot, (Outcome::NotSent, count), now);
        }
    }

    pub(super) fn fail_next(
        &mut self,
        connected: u32,
        failure: &ConnectFailure,
        recorder: &mut Recorder,
        now: Timestamp,
    ) {
        if (!self.is_open || connected == 0)
            && let Some(pacer) = &mut self.pacer
            && let Pace::Release(slot, count) = pacer.poll(now, 1)
        {
            recorder.released(0, slot, count);
            recorder.caused(0, slot, (Outcome::ConnectFailed, count), failure);
            recorder.failed(0, slot, (Outcome::ConnectFailed, count), now);
        }
    }

    #[inline]
    pub(super) fn departed(
        &mut self,
        exchange: &Exchange,
        recorder: &mut Recorder,
        Departed { begun, sent }: Departed,
    ) {
        if self.is_open {
            recorder.sent(0, exchange.slot(), sent);
        } else {
            let span = sent.since(begun).0 * u64::from(exchange.count());
            recorder.totals().departing.0 += span;
        }
    }
}

/// Whether a message is the awaited reply, if replies are matched by content.
#[inline]
pub(super) const fn judge_message(message: &Message, knows_answers: bool) -> Judgement {
    if message.matches || !knows_answers { Ok(()) } else { Err(Failed::Echo) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(share: Share, count: u64) -> Rows {
        Rows { next: share.index.into(), step: share.count.into(), count }
    }

    #[test]
    fn rows_take_turns_over_all_workers() {
        let mut one = rows(Share::WHOLE, 3);
        assert_eq!([(); 7].map(|()| one.take()), [0, 1, 2, 0, 1, 2, 0]);
        let mut both = [0, 1].map(|index| rows(Share { index, count: 2 }, 3));
        let taken: Vec<_> = (0..6).map(|at| both[at % 2].take()).collect();
        assert_eq!(taken, [0, 1, 2, 0, 1, 2]);
        // More workers than rows.
        let mut fourth = rows(Share { index: 3, count: 4 }, 2);
        assert_eq!([(); 3].map(|()| fourth.take()), [1, 1, 1]);
    }
}
