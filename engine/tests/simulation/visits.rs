//! The simulated server's knowledge of users, and its checks of their requests.

use std::collections::BTreeMap;
use std::sync::Arc;

use uringbench_core::flow::exchange::Exchange;
use uringbench_core::flow::script::{Part, Script};
use uringbench_core::time::Timestamp;

use crate::scripts::{FLOWS_MAX, ROWS, TIMES_MAX};

/// What the server has received from the users of a run.
#[derive(Debug, Default)]
pub(crate) struct Visits {
    /// The latest request of each user.
    users: BTreeMap<u64, Latest>,
    /// The progress of each flow: the number of its step, and how often it was received.
    flows: BTreeMap<u64, (usize, u32)>,
    /// Requests by number.
    sequences: BTreeMap<u64, Vec<u8>>,
    /// Messages received over WebSockets.
    pub(crate) messages: u64,
}

/// A request whose user waits for the answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latest {
    /// The connection on which it arrived.
    pub(crate) connection: u32,
    pub(crate) generation: u32,
    /// When its answer begins to arrive; never if the server does not answer.
    pub(crate) answered: Timestamp,
}

/// A request as parsed from its path.
pub(crate) struct Visit {
    /// The number of its step.
    pub(crate) step: usize,
    /// The user who sent it, if the path contains the user.
    pub(crate) user: Option<u64>,
    pub(crate) is_head: bool,
}

impl Visits {
    /// Checks one request by its header.
    pub(crate) fn read(&mut self, script: &Script, head: &[u8]) -> Visit {
        let line = head.split(|&byte| byte == b'\r').next().expect("a first line");
        let text = std::str::from_utf8(line).expect("a request line is text");
        let mut words = text.split(' ');
        let (method, path) = (words.next().expect("a method"), words.next().expect("a path"));
        let mut cells = path.split('/').skip(1);
        let mut number = || cells.next().and_then(|cell| cell.parse::<u64>().ok());
        let step = number().expect("a step's number") as usize;
        let (part, known) = script.steps().nth(step).expect("a step of the script");
        assert_eq!(known.is_head(), method == "HEAD", "the method of another step");
        let mut visit = Visit { step, user: None, is_head: known.is_head() };
        if let Some(user) = number() {
            let rest = (number(), number(), number(), number());
            let (Some(flow), Some(sequence), Some(row), Some(_)) = rest else {
                panic!("a value is missing: {path}");
            };
            visit.user = Some(user);
            assert_eq!(row, user % ROWS, "a user keeps its row");
            assert!(script.users().is_none_or(|users| user < u64::from(users)), "user {user}");
            let before = self.sequences.insert(sequence, head.to_vec());
            if let Some(before) = &before {
                let may_repeat = known.template.is_idempotent();
                assert!(may_repeat && before == head, "request {sequence} came twice: {path}");
            }
            let captured = cells.next().unwrap_or_default();
            let is_own = captured.is_empty() || captured == user.to_string();
            let is_nobody_s = captured == "constant" || captured.starts_with('x');
            assert!(is_own || is_nobody_s, "user {user} has what is another's: {captured}");
            if before.is_none() && sequence < FLOWS_MAX as u64 {
                self.follow(script, (part, step), flow);
            }
        }
        visit
    }

    /// Checks that the steps of a flow arrive in order, and none too often.
    fn follow(&mut self, script: &Script, (part, step): (Part, usize), flow: u64) {
        let (latest, times) = self.flows.entry(flow).or_insert((step, 0));
        assert!(step >= *latest, "step {step} after step {latest} of flow {flow}");
        if let (Part::Flow(now), Some((Part::Flow(before), _))) =
            (part, script.steps().nth(*latest))
        {
            assert_eq!(now, before, "flow {flow} becomes another");
        }
        if let (Part::Flow(now), Some(chosen)) =
            (part, script.replay().and_then(|replay| replay.flows.as_ref()))
        {
            assert_eq!(chosen.get(flow as usize), Some(&now), "the flow of time {flow}");
        }
        (*latest, *times) = if step == *latest { (step, *times + 1) } else { (step, 1) };
        assert!(*times <= TIMES_MAX, "step {step} of flow {flow} came too often");
    }

    /// Sets the request that a user now waits for, and returns the one before.
    pub(crate) fn replace(&mut self, user: u64, latest: Latest) -> Option<Latest> {
        self.users.insert(user, latest)
    }

    /// The user whose WebSocket this connection carried may continue.
    pub(crate) fn end_talk(&mut self, connection: u32, generation: u32, now: Timestamp) {
        let over = |latest: &&mut Latest| {
            (latest.connection, latest.generation) == (connection, generation)
        };
        self.users.values_mut().filter(over).for_each(|latest| latest.answered = now);
    }

    /// The number of flows that have begun, by the requests received.
    pub(crate) fn flows(&self) -> u64 {
        self.flows.len() as u64
    }
}

/// The WebSocket of a step, if it has one.
pub(crate) fn socket(script: &Arc<Script>, step: usize) -> Option<String> {
    let (_, step) = script.steps().nth(step)?;
    let Exchange::Socket(socket) = &step.exchange else { return None };
    Some(socket.opening.accept().to_owned())
}

/// Whether a step's WebSocket identifies answers only by their order.
pub(crate) fn is_blind(script: &Script, step: usize) -> bool {
    script.steps().nth(step).is_some_and(|(_, step)| !step.knows_answers())
}

/// Whether the answers of a step are event streams.
pub(crate) fn is_stream(script: &Script, step: usize) -> bool {
    let step = script.steps().nth(step).map(|(_, step)| &step.exchange);
    matches!(step, Some(Exchange::Events { .. }))
}

/// Whether the script has steps over WebSockets.
pub(crate) fn has_talks(script: &Script) -> bool {
    script.steps().any(|(_, step)| matches!(step.exchange, Exchange::Socket(_)))
}
