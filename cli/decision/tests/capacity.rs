//! The search against simulated targets: queues whose answer has a closed form, targets that break
//! off at a load, vary from trial to trial, stay down after an overload, or are faster than the
//! generator.

use uringbench_core::statistics::random::Random;
use uringbench_decision::capacity::{
    CapacityAnswer, CapacityGoal, CapacitySearch, CapacityTrial, Ceiling, SearchSettings,
    TrialLimit, TrialPurpose, TrialResult,
};

/// What every trial takes beside its window and its warm-up, in seconds.
const AROUND: f64 = 0.3;
const WARMUP: f64 = 0.1;
/// The longest search, in seconds.
const BUDGET: f64 = 300.0;

fn settings(shares: &[f64]) -> SearchSettings {
    let goal = |&loss_ratio: &f64| CapacityGoal { name: format!("{loss_ratio}"), loss_ratio };
    SearchSettings {
        goals: shares.iter().map(goal).collect(),
        from: 100.0,
        to: 1e7,
        width: 0.05,
        is_whole: false,
        initial: 2.0,
        full: 10.0,
        sum: 30.0,
        exceed_ratio: 0.5,
        budget: BUDGET,
    }
}

/// Searches a target, which gives the requests outside each goal and all.
fn search(
    settings: SearchSettings,
    mut target: impl FnMut(&CapacityTrial) -> (Vec<u64>, u64, TrialLimit),
) -> (CapacityAnswer, Vec<(CapacityTrial, TrialResult)>) {
    let mut search = CapacitySearch::new(settings);
    let mut trials = Vec::new();
    while let Some(trial) = search.next_trial() {
        let (bad, of, limit) = target(&trial);
        let took = trial.seconds * (1.0 + WARMUP) + AROUND;
        let result = TrialResult { bad, of, limit, took };
        trials.push((trial, result.clone()));
        search.record(trial, result);
        assert!(trials.len() < 200, "no end: {trials:?}");
    }
    (search.answer(), trials)
}

/// A target that is good below a load and bad from there on.
fn cliff(trial: &CapacityTrial, at: f64) -> (Vec<u64>, u64, TrialLimit) {
    let of = (trial.load * trial.seconds) as u64;
    (vec![if trial.load < at { 0 } else { of / 2 }], of, TrialLimit::Nothing)
}

/// A queue with one server in first-come order and Poisson arrivals.
#[derive(Clone, Copy)]
struct Queue {
    service: f64,
    /// Whether service times are exponential; otherwise all are equal.
    is_random: bool,
    limit: f64,
    share: f64,
}

impl Queue {
    fn trial(&self, trial: &CapacityTrial, random: &mut Random) -> (Vec<u64>, u64, TrialLimit) {
        let (mut now, mut free, mut bad, mut of) = (0.0, 0.0_f64, 0, 0);
        let exponential = |random: &mut Random| -(1.0 - random.unit()).ln();
        let warmup = WARMUP * trial.seconds;
        loop {
            now += exponential(random) / trial.load;
            if now > warmup + trial.seconds {
                return (vec![bad], of, TrialLimit::Nothing);
            }
            let service = if self.is_random { exponential(random) } else { 1.0 };
            free = free.max(now) + service * self.service;
            if now >= warmup {
                of += 1;
                bad += u64::from(free - now >= self.limit);
            }
        }
    }

    /// The share of requests that take longer than the limit at a load.
    fn outside(&self, load: f64) -> f64 {
        if self.is_random {
            // M/M/1: the response time is exponential.
            return (-(1.0 / self.service - load) * self.limit).exp();
        }
        // M/D/1: Erlang's distribution of the waiting time (1909).
        let waited = self.limit - self.service;
        let term = |count: i32| {
            let x = load * (f64::from(count) * self.service - waited);
            let power: f64 = (1..=count).map(|i| x / f64::from(i)).product();
            power * (-x).exp()
        };
        let whole = (waited / self.service).floor() as i32;
        1.0 - (1.0 - load * self.service) * (0..=whole).map(term).sum::<f64>()
    }

    /// The highest load that meets the objective.
    fn capacity(&self) -> f64 {
        let (mut low, mut high) = (0.0, 0.9999 / self.service);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if self.outside(middle) > self.share { high = middle } else { low = middle }
        }
        low
    }

    /// The shares of seeds whose answer covers the capacity, and whose answer is narrow enough.
    fn answers(&self, seeds: u64) -> (f64, f64) {
        let truth = self.capacity();
        let (mut covered, mut narrow) = (0, 0);
        for seed in 0..seeds {
            let mut random = Random::new(seed);
            let (answer, _) = search(settings(&[self.share]), |it| self.trial(it, &mut random));
            assert!(answer.seconds <= BUDGET, "{answer:?}");
            let (Some(lower), Some(upper)) = (answer.lower, answer.upper) else { continue };
            covered += u32::from(lower <= truth && truth <= upper);
            narrow += u32::from(upper / lower <= 1.051);
        }
        (f64::from(covered) / seeds as f64, f64::from(narrow) / seeds as f64)
    }
}

/// The closed form against the values of Crommelin's formula in SciPy's `quad` and of tables:
/// P(W > 0) = ρ, and the mean wait is ρ / (2 (1 - ρ)) service times.
#[test]
fn the_closed_form_has_the_known_moments() {
    let of = |limit| Queue { service: 1.0, is_random: false, limit, share: 0.01 };
    assert!((of(1.0 + 1e-12).outside(0.8) - 0.8).abs() < 1e-9);
    let steps = 4_000;
    let waits = (0..steps).map(|at| of(1.0 + 20.0 * (f64::from(at) + 0.5) / f64::from(steps)));
    let mean: f64 = waits.map(|queue| queue.outside(0.8)).sum::<f64>() * 20.0 / f64::from(steps);
    assert!((mean - 2.0).abs() < 0.01, "{mean}");
}

#[test]
fn queues_with_equal_service_times_are_covered_narrowly() {
    let queue = Queue { service: 0.1e-3, is_random: false, limit: 2e-3, share: 0.01 };
    let (covered, narrow) = queue.answers(40);
    assert!(covered >= 0.95 && narrow >= 0.95, "covered {covered}, narrow {narrow}");
}

#[test]
fn queues_with_random_service_times_are_covered_narrowly() {
    let queue = Queue { service: 60e-6, is_random: true, limit: 1.2e-3, share: 0.01 };
    let (covered, narrow) = queue.answers(40);
    assert!(covered >= 0.95 && narrow >= 0.95, "covered {covered}, narrow {narrow}");
}

/// Trials of a slow queue vary so much that five minutes do not suffice: the answer is wide, and
/// right.
#[test]
fn slow_queues_are_covered_widely() {
    for is_random in [false, true] {
        let queue = Queue { service: 1e-3, is_random, limit: 20e-3, share: 0.01 };
        let (covered, _) = queue.answers(40);
        assert!(covered >= 0.95, "covered {covered}, random {is_random}");
    }
}

#[test]
fn a_load_at_which_the_target_breaks_off_is_bracketed() {
    for at in [130.0, 101.0, 777.0, 1_234.5, 98_765.0] {
        let (answer, _) = search(settings(&[0.01]), |trial| cliff(trial, at));
        let (lower, upper) = (answer.lower.unwrap(), answer.upper.unwrap());
        assert!(lower < at && at <= upper && upper / lower <= 1.051, "{at}: {answer:?}");
        assert!(answer.is_settled && answer.confirmed == Some(true), "{at}: {answer:?}");
        assert_eq!((answer.hysteresis, answer.recovery_checked), (None, true));
        assert!(answer.seconds <= 200.0, "{at}: {answer:?}");
    }
}

#[test]
fn a_target_that_is_bad_from_the_first_load_on_is_searched_below() {
    let (answer, _) = search(settings(&[0.01]), |trial| cliff(trial, 30.0));
    let (lower, upper) = (answer.lower.unwrap(), answer.upper.unwrap());
    assert!(lower < 30.0 && upper >= 30.0 && upper / lower <= 1.06, "{answer:?}");
    let (answer, _) = search(settings(&[0.01]), |trial| cliff(trial, 0.0));
    assert_eq!((answer.lower, answer.is_settled), (None, false));
}

#[test]
fn several_goals_are_met_at_once() {
    let two = |trial: &CapacityTrial| {
        let of = (trial.load * trial.seconds) as u64;
        let bad = |at: f64| if trial.load < at { 0 } else { of / 2 };
        (vec![bad(5_000.0), bad(3_000.0)], of, TrialLimit::Nothing)
    };
    let (answer, _) = search(settings(&[0.01, 0.001]), two);
    let (lower, upper) = (answer.lower.unwrap(), answer.upper.unwrap());
    assert!(lower < 3_000.0 && 3_000.0 <= upper, "{answer:?}");
    assert_eq!(answer.limiting, Some(1));
}

/// One trial in sixteen is spoilt, by anything beside the load.
#[test]
fn single_bad_trials_rarely_move_the_answer() {
    let (mut near, seeds) = (0, 40);
    for seed in 0..seeds {
        let mut random = Random::new(seed);
        let spoilt = |trial: &CapacityTrial| {
            let (bad, of, limit) = cliff(trial, 2_000.0);
            (if random.below(16) == 0 { vec![of / 2] } else { bad }, of, limit)
        };
        let (answer, _) = search(settings(&[0.01]), spoilt);
        let is_below = |lower: f64| (1_800.0..2_000.0).contains(&lower);
        let is_above = |upper: f64| (2_000.0..2_200.0).contains(&upper);
        near += u32::from(answer.lower.is_some_and(is_below) && answer.upper.is_some_and(is_above));
    }
    assert!(near >= 30, "{near} of {seeds}");
}

#[test]
fn a_generator_that_is_the_limit_bounds_nothing() {
    let slow = |trial: &CapacityTrial| {
        let (_, of, _) = cliff(trial, 1e9);
        let is_offered = trial.load <= 30_000.0;
        let limit = if is_offered { TrialLimit::Nothing } else { TrialLimit::Generator };
        (vec![if is_offered { 0 } else { of }], of, limit)
    };
    let (answer, trials) = search(settings(&[0.01]), slow);
    assert_eq!((answer.upper, answer.ceiling), (None, Some(Ceiling::Generator)));
    assert!(answer.lower.is_some_and(|it| (25_000.0..=30_000.0).contains(&it)), "{answer:?}");
    assert!(answer.is_settled && answer.confirmed == Some(true), "{answer:?}");
    assert!(trials.iter().all(|(trial, _)| trial.purpose != TrialPurpose::Overload));
}

#[test]
fn bad_trials_of_a_disturbed_machine_are_repeated() {
    let mut disturbed = 0;
    let at_times = |trial: &CapacityTrial| {
        let (bad, of, limit) = cliff(trial, 2_000.0);
        if (390.0..410.0).contains(&trial.load) && disturbed < 2 {
            disturbed += 1;
            return (vec![of], of, TrialLimit::Disturbed);
        }
        (bad, of, limit)
    };
    let (answer, _) = search(settings(&[0.01]), at_times);
    let (lower, upper) = (answer.lower.unwrap(), answer.upper.unwrap());
    assert!(lower < 2_000.0 && 2_000.0 <= upper && upper / lower <= 1.051, "{answer:?}");
    assert_eq!(disturbed, 2);
}

#[test]
fn a_range_that_is_met_everywhere_has_no_upper_end() {
    let settings = SearchSettings { to: 1_000.0, ..settings(&[0.01]) };
    let (answer, _) = search(settings, |trial| cliff(trial, 1e9));
    assert_eq!((answer.lower, answer.upper), (Some(1_000.0), None));
    assert_eq!((answer.ceiling, answer.is_settled), (Some(Ceiling::Range), true));
}

#[test]
fn a_target_that_an_overload_breaks_is_reported_at_once() {
    let mut is_broken = false;
    let breaks = |trial: &CapacityTrial| {
        is_broken |= trial.load >= 1_000.0;
        cliff(trial, if is_broken { 0.0 } else { 1e9 })
    };
    let (answer, trials) = search(settings(&[0.01]), breaks);
    let found = answer.hysteresis.unwrap();
    assert!(!found.has_recovered && found.overload >= 1_000.0, "{answer:?}");
    assert!(answer.lower.is_some_and(|lower| lower < 1_000.0), "{answer:?}");
    assert!(trials.len() < 12 && !answer.is_settled, "{answer:?}");
}

/// After an overload the target takes one trial to recover.
#[test]
fn a_slow_recovery_is_reported_and_searched_on() {
    let mut is_tired = false;
    let recovers = |trial: &CapacityTrial| {
        let was_tired = is_tired;
        is_tired = trial.load >= 1_000.0;
        let is_step = trial.purpose == TrialPurpose::StepBack;
        cliff(trial, if was_tired && is_step { 0.0 } else { 1_000.0 })
    };
    let (answer, _) = search(settings(&[0.01]), recovers);
    assert!(answer.hysteresis.is_some_and(|found| found.has_recovered), "{answer:?}");
    let (lower, upper) = (answer.lower.unwrap(), answer.upper.unwrap());
    assert!(lower < 1_000.0 && 1_000.0 <= upper && upper / lower <= 1.051, "{answer:?}");
}

#[test]
fn whole_loads_end_with_neighbours() {
    for at in [2.0, 3.0, 7.0, 11.0, 60.0] {
        let whole = SearchSettings { from: 1.0, to: 4_096.0, is_whole: true, ..settings(&[0.01]) };
        let (answer, _) = search(whole, |trial| {
            let of = (1_000.0 * trial.seconds) as u64;
            (vec![if trial.load < at { 0 } else { of }], of, TrialLimit::Nothing)
        });
        let (lower, upper) = (answer.lower.unwrap(), answer.upper.unwrap());
        assert!(lower < at && at <= upper, "{at}: {answer:?}");
        assert!(upper - lower <= 1.0 || upper / lower <= 1.051, "{at}: {answer:?}");
        assert!(answer.is_settled, "{at}: {answer:?}");
    }
}

#[test]
fn a_short_budget_is_kept_and_its_answer_is_wider() {
    let queue = Queue { service: 1e-3, is_random: true, limit: 20e-3, share: 0.01 };
    let mut random = Random::new(1);
    let short =
        SearchSettings { budget: 30.0, initial: 0.2, full: 1.0, sum: 3.0, ..settings(&[0.01]) };
    let (answer, _) = search(short, |trial| queue.trial(trial, &mut random));
    assert!(answer.seconds <= 31.0, "{answer:?}");
    let (lower, upper) = (answer.lower.unwrap(), answer.upper.unwrap());
    assert!(lower < queue.capacity() && queue.capacity() < upper, "{answer:?}");
}
