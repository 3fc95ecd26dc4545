//! The send times that a run reports, compared with the kernel's own timestamps of the delivery.
//!
//! It depends on time, so it is a benchmark for a machine with nothing else to do: `cargo bench -p
//! uringbench-engine --bench sent_stamps`. It fails when the error is too large. The part that does
//! not depend on the machine is tested in the simulation (`simulation/departures.rs`).

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use uringbench_core::histogram::LatencyCounts;
use uringbench_core::http::request::{RequestParts, RequestTemplate};
use uringbench_core::outcome::Outcome;
use uringbench_core::plan::{Arrivals, Limit, Load, Plan};
use uringbench_core::rate::Rate;
use uringbench_core::record::{Interval, RunRecord};
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_engine::{Control, Observer};

const REQUESTS: u64 = 1_000;
const ROUNDS: usize = 20;
/// Nanoseconds from one request to the next: less than a send takes, so that hundreds are due in
/// one turn.
const GAP: u64 = 1_000;
/// The largest error of a timestamp at p99, in nanoseconds.
const ERROR_MAX: u64 = 20_000;

struct Unobserved;

impl Observer for Unobserved {
    fn started(&mut self, _: Timestamp, _: u32) {}
    fn measure_begins(&mut self) {}
    fn interval(&mut self, _: &Interval, _: &LatencyCounts) {}
    fn measure_ended(&mut self) {}
}

/// The receiver; it stops when dropped.
struct Receiver {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Receiver {
    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/sent_stamps.py");
        let mut child = Command::new("python3")
            .args([script, &REQUESTS.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let lines = BufReader::new(child.stdout.take().expect("it was piped"));
        Self { child, lines }
    }

    fn numbers(&mut self) -> Vec<u64> {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("it says something");
        line.split_whitespace().map(|word| word.parse().expect("a number")).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn burst(port: u16) -> RunRecord {
    let rate = Rate::per_second(1_000_000_000 / GAP).expect("a rate");
    let request = RequestTemplate::build(RequestParts::new("GET", "localhost", "/"));
    let plan = Plan::plain(([127, 0, 0, 1], port).into(), request.expect("a plain request"))
        .with(|plan| {
            plan.transport.connections.count = REQUESTS as u32;
            plan.load = Load::open(rate, Arrivals::Constant);
            plan.limits.window = Limit::Requests(REQUESTS);
            plan.limits.timeout = Nanos::from_secs(20);
        })
        .expect("a plan");
    let record = uringbench_engine::run(&plan, &Control::new(), &mut Unobserved);
    record.expect("the receiver listens")
}

fn main() {
    let mut receiver = Receiver::start();
    let port = receiver.numbers()[0] as u16;
    let (mut errors, mut most_late) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        let record = burst(port);
        assert_eq!(record.counts.of(Outcome::Ok), REQUESTS);
        let start = record.start().0;
        // In order of lateness, which grows with the backlog.
        let mut real: Vec<u64> = (0..)
            .zip(receiver.numbers())
            .map(|(slot, delivered)| delivered.saturating_sub(start + GAP * slot))
            .collect();
        real.sort_unstable();
        let mut stamped = Vec::new();
        for value in record.times.lateness.iter_recorded() {
            let count = value.count_at_value() as usize;
            stamped.resize(stamped.len() + count, value.value_iterated_to());
        }
        assert_eq!((stamped.len(), real.len()), (REQUESTS as usize, REQUESTS as usize));
        most_late = most_late.max(real[real.len() - 1]);
        errors.extend(stamped.iter().zip(&real).map(|(stamp, real)| stamp.abs_diff(*real)));
    }
    errors.sort_unstable();
    let at = |share: f64| errors[((errors.len() - 1) as f64 * share) as usize];
    println!(
        "latest send {most_late} ns after it was due; error p50 {} ns, p99 {} ns, max {} ns",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    assert!(at(0.99) <= ERROR_MAX, "p99 of the error: {} ns", at(0.99));
}
