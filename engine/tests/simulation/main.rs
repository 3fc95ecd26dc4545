//! The event loop in a simulated world: thousands of seeds, each with different load, faults and
//! timing, and every run checked against the law of outcomes.
//!
//! A seed that fails prints the command that runs it alone.

mod checks;
mod departures;
mod greetings;
mod interrupted;
mod receives;
mod replies;
mod scripts;
mod secure;
mod server;
mod streams;
mod transactions;
mod visits;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use uringbench_core::ending::Ending;
use uringbench_core::outcome::Outcome;

use crate::checks::{Sums, simulate};

/// Seeds run by `cargo test`; `SIM_SEEDS=n` runs the first n instead.
const SEEDS: u64 = 4_000;

#[test]
fn the_law_holds_in_every_simulated_run() {
    let seeds = number_from("SIM_SEEDS").unwrap_or(SEEDS);
    let mut seen = Sums::default();
    for seed in 0..seeds {
        let run = catch_unwind(AssertUnwindSafe(|| simulate(seed)));
        match run {
            Ok(sums) => seen.merge(&sums),
            Err(_) => panic!(
                "seed {seed} failed as shown above; replay it alone:\n  \
                 SIM_SEED={seed} cargo test -p uringbench-engine --test simulation replay"
            ),
        }
    }
    // A world without faults would prove nothing.
    if seeds >= SEEDS {
        for outcome in Outcome::ALL {
            assert!(seen.counts.of(outcome) > 0, "{outcome:?} was never simulated");
        }
        assert!(seen.totals.unsolicited > 0, "no unsolicited bytes were simulated");
        assert!(seen.totals.buffers_exhausted > 0, "no lack of buffers was simulated");
        assert!(seen.totals.reconnects > 0, "no reconnect was simulated");
        assert!(seen.counts.retried > 0, "no request was sent again");
        for ending in Ending::ALL {
            let of_http2 = [Ending::GoingAway, Ending::Expelled, Ending::Barred];
            let is_seen = seen.totals.endings.of(ending) > 0 || of_http2.contains(&ending);
            assert!(is_seen, "no connection ended so: {ending:?}");
        }
        assert!(seen.totals.waited > 0, "no slot found all connections busy");
        assert!(seen.totals.events > seen.totals.stalls, "no events of streams were simulated");
        assert!(seen.totals.stalls > 0, "no stream stalled");
        assert!(seen.totals.idle_lost > 0, "no idle connection was lost");
        assert!(seen.totals.handshakes_full > 0, "no full handshake was simulated");
        assert!(seen.totals.handshakes_resumed > 0, "no session was resumed");
        assert!(
            seen.flows.iter().all(|&flows| flows > 0),
            "flows end in one way: {:?}",
            seen.flows
        );
        assert!(seen.messages > 0, "nobody talked over a WebSocket");
        assert!(seen.halted > 0, "no driver stopped working");
        assert!(seen.totals.unsolicited_messages > 0, "no WebSocket sent messages on its own");
    }
}

#[test]
fn replay() {
    if let Some(seed) = number_from("SIM_SEED") {
        simulate(seed);
    }
}

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| {
        text.parse().unwrap_or_else(|_| panic!("{variable} must be a number, not {text:?}"))
    })
}
