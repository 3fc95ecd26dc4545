//! Redis in simulated worlds: the law holds whatever becomes of batches, replies and connections.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use uringbench_core::ending::Ending;
use uringbench_core::flow::text::Text;
use uringbench_core::flow::value::{Escape, TemplateValue, Value};
use uringbench_core::http::request::RequestTemplate;
use uringbench_core::outcome::Outcome;
use uringbench_core::plan::{Commands, Plan, Protocol, TlsVersions, Workload};
use uringbench_core::resp::command::RedisCommand;
use uringbench_core::resp::opening::{RedisLogin, RespVersion};
use uringbench_core::time::Nanos;

use crate::checks::{Sums, climate, run, vary_load};
use crate::number_from;
use crate::secure::tls_plan;
use crate::server::Leaving;
use crate::world::{Climate, Speech};

const SEEDS: u64 = 1_500;

/// A command: constant or not, small or large.
fn commands(below: &mut impl FnMut(u64) -> u64) -> Commands {
    let value = vec![b'v'; [3, 3, 3, 2_000, 90_000][below(5) as usize]];
    let key = match below(2) {
        0 => Text::from("key"),
        _ => {
            let padded = Value::Padded { low: 0, high: 999, width: 12 };
            Text::from("key:").slot(TemplateValue::new(padded, Escape::None))
        }
    };
    let words = vec!["SET".into(), key, Text::new().literal(&value)];
    let login = RedisLogin {
        version: [RespVersion::Resp2, RespVersion::Resp3][below(2) as usize],
        user: None,
        password: (below(2) == 0).then(|| "secret".to_owned()),
        database: below(2) as u32,
    };
    let pipeline = [1, 1, 16, 1 + below(40) as u16][below(4) as usize];
    Commands { command: RedisCommand::new(words).expect("a command"), pipeline, login }
}

fn plan(seed: u64, below: &mut impl FnMut(u64) -> u64) -> Plan {
    let request = RequestTemplate::of_bytes(Vec::new());
    let plan = Plan::plain(([127, 0, 0, 1], 80).into(), request);
    let plan = plan.with(|plan| {
        plan.workload = Workload::Commands(Arc::new(commands(below)));
        plan.seed = seed;
        if below(12) == 0 {
            let versions = [TlsVersions::Both, TlsVersions::Only12][below(2) as usize];
            plan.protocol = Protocol::Tls(tls_plan(below(4) > 0, versions));
        }
        vary_load(plan, below);
    });
    plan.expect("a plan")
}

fn simulate(seed: u64) -> Sums {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed ^ 0x4ed1);
    let mut below = |bound: u64| random.next_u64() % bound;
    let plan = plan(seed, &mut below);
    let climate = climate(&plan, &mut below);
    // What HTTP says to idle connections is not what Redis says.
    let quietly =
        |(_, leaving): &(Nanos, Leaving)| matches!(leaving, Leaving::Closing | Leaving::Breaking);
    let leaves = climate.leaves.filter(quietly);
    let climate = Climate { leaves, speech: Speech::default(), ..climate };
    run(seed, &plan, climate, &mut below)
}

#[test]
fn the_law_holds_for_commands() {
    let mut seen = Sums::default();
    for seed in 0..SEEDS {
        match catch_unwind(AssertUnwindSafe(|| simulate(seed))) {
            Ok(sums) => seen.merge(&sums),
            Err(_) => panic!(
                "seed {seed} failed as shown above; replay it alone:\n  SIM_SEED={seed} cargo test \
                 -p uringbench-engine --test simulation replies::replay"
            ),
        }
    }
    for outcome in Outcome::ALL {
        let is_seen = seen.counts.of(outcome) > 0 || outcome == Outcome::CheckFailed;
        assert!(is_seen, "{outcome:?} was never simulated");
    }
    let ended = |ending| seen.totals.endings.of(ending) > 0;
    for ending in [Ending::BrokenOff, Ending::Unanswered, Ending::Malformed, Ending::Late] {
        assert!(ended(ending), "no connection ended so: {ending:?}");
    }
    assert!(seen.totals.unsolicited > 0, "no reply came unasked");
    assert!(seen.totals.unsolicited_messages > 0, "no push came");
    assert!(seen.totals.idle_lost > 0, "no idle connection was lost");
    assert_eq!(seen.counts.retried, 0, "a command may not be sent twice");
}

#[test]
fn replay() {
    if let Some(seed) = number_from("SIM_SEED") {
        simulate(seed);
    }
}
