//! PostgreSQL in simulated worlds: the law holds whatever becomes of transactions, answers and
//! connections.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use uringbench_core::ending::Ending;
use uringbench_core::flow::text::Text;
use uringbench_core::flow::value::{Escape, TemplateValue, Value};
use uringbench_core::http::request::RequestTemplate;
use uringbench_core::outcome::Outcome;
use uringbench_core::plan::{Plan, Transactions, Workload};
use uringbench_core::postgres::login::PostgresLogin;
use uringbench_core::postgres::statement::{
    Draw, QueryMode, SqlPart, Transaction, TransactionParts,
};
use uringbench_core::time::Nanos;

use crate::checks::{Sums, climate, run, vary_load};
use crate::number_from;
use crate::server::Leaving;
use crate::world::{Climate, Speech};

const SEEDS: u64 = 1_500;

/// A transaction: constant or not, of one statement or several, small or large.
fn transactions(below: &mut impl FnMut(u64) -> u64) -> Transactions {
    let sql = |text: &str| SqlPart::Sql(text.to_owned());
    let large = format!("SELECT '{}'", "x".repeat([0, 3, 2_000, 90_000][below(4) as usize]));
    let mut draws = Vec::new();
    let mut statements = vec![vec![sql(&large)]];
    if below(2) == 0 {
        let padded = Value::Padded { low: 0, high: 999, width: 12 };
        let text = Text::new().slot(TemplateValue::new(padded, Escape::None));
        draws.push(Draw { text, is_quoted: false });
        statements.push(vec![sql("SELECT "), SqlPart::Draw(0), sql(" + "), SqlPart::Draw(0)]);
    }
    let begins = below(3) == 0;
    if begins {
        statements.insert(0, vec![sql("BEGIN")]);
        statements.push(vec![sql("END")]);
    }
    let mode = [QueryMode::Prepared, QueryMode::Extended, QueryMode::Simple][below(3) as usize];
    let parts = TransactionParts { mode, describes: below(2) == 0, draws, statements };
    let login = PostgresLogin {
        user: "bench".to_owned(),
        password: (below(2) == 0).then(|| "secret".to_owned()),
        database: "bench".to_owned(),
    };
    let pipeline = [1, 1, 16, 1 + below(40) as u16][below(4) as usize];
    Transactions {
        transaction: Transaction::new(parts).expect("a transaction"),
        pipeline: if begins { 1 } else { pipeline },
        login,
    }
}

fn plan(seed: u64, below: &mut impl FnMut(u64) -> u64) -> Plan {
    let request = RequestTemplate::of_bytes(Vec::new());
    let plan = Plan::plain(([127, 0, 0, 1], 80).into(), request);
    let plan = plan.with(|plan| {
        plan.workload = Workload::Transactions(Arc::new(transactions(below)));
        plan.seed = seed;
        vary_load(plan, below);
    });
    plan.expect("a plan")
}

fn simulate(seed: u64) -> Sums {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed ^ 0x5064);
    let mut below = |bound: u64| random.next_u64() % bound;
    let plan = plan(seed, &mut below);
    let climate = climate(&plan, &mut below);
    // What HTTP says to idle connections is not what PostgreSQL says.
    let quietly =
        |(_, leaving): &(Nanos, Leaving)| matches!(leaving, Leaving::Closing | Leaving::Breaking);
    let leaves = climate.leaves.filter(quietly);
    let climate = Climate { leaves, speech: Speech::default(), ..climate };
    run(seed, &plan, climate, &mut below)
}

#[test]
fn the_law_holds_for_transactions() {
    let mut seen = Sums::default();
    for seed in 0..SEEDS {
        match catch_unwind(AssertUnwindSafe(|| simulate(seed))) {
            Ok(sums) => seen.merge(&sums),
            Err(_) => panic!(
                "seed {seed} failed as shown above; replay it alone:\n  SIM_SEED={seed} cargo test \
                 -p uringbench-engine --test simulation transactions::replay"
            ),
        }
    }
    for outcome in Outcome::ALL {
        let is_seen = seen.counts.of(outcome) > 0 || outcome == Outcome::CheckFailed;
        assert!(is_seen, "{outcome:?} was never simulated");
    }
    let ended = |ending| seen.totals.endings.of(ending) > 0;
    for ending in
        [Ending::Announced, Ending::BrokenOff, Ending::Unanswered, Ending::Malformed, Ending::Late]
    {
        assert!(ended(ending), "no connection ended so: {ending:?}");
    }
    assert!(seen.totals.rows > 0, "no row came");
    assert!(seen.totals.unsolicited > 0, "no answer came unasked");
    assert!(seen.totals.unsolicited_messages > 0, "no notice came");
    assert!(seen.totals.idle_lost > 0, "no idle connection was lost");
    assert_eq!(seen.counts.retried, 0, "a transaction may not be sent twice");
}

#[test]
fn replay() {
    if let Some(seed) = number_from("SIM_SEED") {
        simulate(seed);
    }
}
