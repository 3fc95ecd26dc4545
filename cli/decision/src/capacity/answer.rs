//! The capacity from the trials so far: an interval, and what it rests on.
//!
//! Where the share of bad requests jumps from one load to the next, the interval lies between the
//! bounds of the classification. Where it grows gradually, as in queues, one load's trials decide
//! little; then the crossing is estimated from all trials near it. Either way both ends are loads
//! that were tried.

use uringbench_core::statistics::crossing::{CountedTrial, Crossing, crossing};

use super::classify::LoadClass;
use super::trial::TrialPurpose;
use super::tried::{Bounds, LEVELS, Place, STEPS_OF_WIDTH, Tried, TriedTrial};

/// Confidence of the interval of a crossing.
const CONFIDENCE: f64 = 0.99;
/// A crossing is estimated from trials whose loads are at most so far off, as a logarithm: the
/// nearest that suffice, because farther off the curve bends.
const REACHES: [f64; 4] = [0.09, 0.16, 0.3, 0.5];
/// Trials of falling loads after an overload, all bad, that show a target that has collapsed.
const STEP_BACKS_MAX: usize = 2;
/// A trial is partly bad if its share of bad requests is within this factor of the goal's.
const PARTLY: f64 = 30.0;
/// So many partly bad trials show that the share grows gradually.
const PARTLY_MIN: usize = 2;
/// And from at least so many.
const TRIALS_MIN: usize = 10;

/// The answer of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct CapacityAnswer {
    /// The highest load that surely meets all goals; `None` if no load did.
    pub lower: Option<f64>,
    /// The lowest load that surely misses one; `None` if none did.
    pub upper: Option<f64>,
    /// Why there is no upper end.
    pub ceiling: Option<Ceiling>,
    /// The goal that is missed first, by its number; `None` without an upper end.
    pub limiting: Option<usize>,
    /// The interval for each goal.
    pub goals: Vec<GoalAnswer>,
    /// Good requests per second to expect at the lower end (RFC 9971, conditional throughput).
    pub conditional_throughput: Option<f64>,
    /// Whether the interval is as narrow as asked.
    pub is_settled: bool,
    /// Whether a long trial at the lower end met all goals; `None` without one.
    pub confirmed: Option<bool>,
    /// What an overload left behind; `None` if the target recovered at once, or without a check.
    pub hysteresis: Option<Hysteresis>,
    /// Whether the target was seen to recover from an overload.
    pub recovery_checked: bool,
    /// Seconds spent.
    pub seconds: f64,
    /// Number of trials.
    pub trials: usize,
}

/// The answer for one goal.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GoalAnswer {
    /// The highest load that surely meets it.
    pub lower: Option<f64>,
    /// The lowest load that surely misses it.
    pub upper: Option<f64>,
    /// The estimated load at which it is just met, if the share of bad requests grows gradually.
    pub crossing: Option<Crossing>,
}

/// Why no load was found that misses a goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ceiling {
    /// The generator cannot offer more.
    Generator,
    /// The highest load that may be tried meets all goals.
    Range,
}

/// A load that was sustained, and after an overload was not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hysteresis {
    /// The overload.
    pub overload: f64,
    /// The lower load after it.
    pub load: f64,
    /// Whether it was sustained when tried again.
    pub has_recovered: bool,
}

/// The interval of one goal, or of all, on the grid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Located {
    pub(super) bounds: Bounds,
    pub(super) crossing: Option<Crossing>,
    /// Whether further trials would not change it.
    pub(super) is_decided: bool,
}

impl Located {
    /// The place at which the goal is just met, as far as known.
    pub(super) fn middle(&self, tried: &Tried) -> Option<f64> {
        let crossing = self.crossing.map(|crossing| tried.exact_place(crossing.load.value));
        let between = |(lower, upper): (Place, Place)| f64::from(lower + upper) / 2.0;
        crossing.or_else(|| self.bounds.lower.zip(self.bounds.upper).map(between))
    }
}

impl Tried {
    /// The interval of one goal.
    pub(super) fn located(&self, goal: usize) -> Located {
        let bounds = self.best_bounds(goal);
        let Some(crossing) = self.crossing(goal, bounds) else {
            return self.located_by_bounds(goal, bounds);
        };
        // Outwards, to loads that were tried long enough to be meant, if there are any near.
        let is_below = |place: &&Place| self.load(**place) <= crossing.load.low;
        let is_above = |place: &&Place| self.load(**place) >= crossing.load.high;
        let (long, all) = (self.tried_places(), Vec::from_iter(self.places()));
        let below = long.iter().rev().find(is_below).or_else(|| all.iter().rev().find(is_below));
        let above = long.iter().find(is_above).or_else(|| all.iter().find(is_above));
        // Else as they are: the lower end is tried last, to confirm it.
        let low = self.exact_place(crossing.load.low).floor() as Place;
        let high = self.exact_place(crossing.load.high).ceil() as Place;
        let below = below.copied().filter(|place| low - place <= STEPS_OF_WIDTH);
        let above = above.copied().filter(|place| place - high <= STEPS_OF_WIDTH);
        let (lower, upper) = (below.unwrap_or(low), above.unwrap_or(high));
        let is_decided = crossing.variation < 1.0;
        Located {
            bounds: Bounds { lower: Some(lower), upper: Some(upper) },
            crossing: Some(crossing),
            is_decided,
        }
    }

    fn located_by_bounds(&self, goal: usize, bounds: Bounds) -> Located {
        let is_decided = |place, level| self.class_of(goal, place, level) != LoadClass::Undecided;
        let ends = [bounds.lower, bounds.upper];
        let are_final = ends.into_iter().flatten().all(|place| is_decided(place, LEVELS - 1));
        if self.is_gradual(goal, bounds) {
            let bounds = self.certain_bounds(goal);
            return Located { bounds, crossing: None, is_decided: false };
        }
        Located { bounds, crossing: None, is_decided: are_final }
    }

    /// Whether the share of bad requests grows gradually near bounds: trials of single loads then
    /// decide little.
    fn is_gradual(&self, goal: usize, bounds: Bounds) -> bool {
        let Bounds { lower: Some(lower), upper: Some(upper) } = bounds else { return false };
        let share = self.settings.goals[goal].loss_ratio;
        let partly = share / PARTLY..(share * PARTLY).min(f64::midpoint(share, 1.0));
        let reach = (REACHES[0] / self.step()) as Place;
        let near = lower - reach..=upper + reach;
        let is_partly =
            |it: &&TriedTrial| near.contains(&it.place) && partly.contains(&it.loss(goal));
        self.counting().filter(is_partly).count() >= PARTLY_MIN
    }

    /// Bounds without a trial against them: all at the lower one and at the next above were good,
    /// all at the upper one and at the next below bad.
    fn certain_bounds(&self, goal: usize) -> Bounds {
        let good = |tried: &&TriedTrial| self.is_good_for(goal, tried);
        let bad = |tried: &&TriedTrial| !self.is_good_for(goal, tried);
        let first_bad = self.counting().filter(bad).map(|tried| tried.place).min();
        let last_good = self.counting().filter(good).map(|tried| tried.place).max();
        let places = self.places();
        let is_below = |place: &&Place| first_bad.is_none_or(|bad| **place < bad);
        let is_above = |place: &&Place| last_good.is_none_or(|good| **place > good);
        let below = places.iter().rev().filter(is_below);
        let above = places.iter().filter(is_above);
        Bounds { lower: below.take(2).last().copied(), upper: above.take(2).last().copied() }
    }

    fn is_good_for(&self, goal: usize, tried: &TriedTrial) -> bool {
        tried.loss(goal) <= self.settings.goals[goal].loss_ratio
    }

    /// The bounds of the finest level that has them.
    fn best_bounds(&self, goal: usize) -> Bounds {
        let levels = || (0..LEVELS).rev();
        let bounds = |level| self.bounds(|place| self.class_of(goal, place, level));
        let Some(upper) = levels().find_map(|level| bounds(level).upper) else {
            let lower = levels().filter_map(|level| bounds(level).lower).max();
            return Bounds { lower, upper: None };
        };
        let places = self.places();
        let is_lower = |level: usize| {
            let class = move |place: &&Place| self.class_of(goal, **place, level);
            let mut below = places.range(..upper).rev();
            below.find(|place| class(place) == LoadClass::Lower).copied()
        };
        Bounds { lower: levels().find_map(is_lower), upper: Some(upper) }
    }

    /// The crossing near the bounds, from the trials nearest to it that locate it among themselves.
    fn crossing(&self, goal: usize, bounds: Bounds) -> Option<Crossing> {
        let Bounds { lower: Some(lower), upper: Some(upper) } = bounds else { return None };
        let middle = (self.load(lower) * self.load(upper)).sqrt();
        let around = |middle, reach| self.crossing_around(goal, middle, reach);
        let first = REACHES[1..].iter().find_map(|reach| around(middle, *reach))?;
        let middle = first.load.value;
        let is_within = |crossing: &Crossing, reach: f64| {
            let (low, high) = (crossing.load.low / middle, crossing.load.high / middle);
            low.ln() >= -reach && high.ln() <= reach
        };
        REACHES
            .iter()
            .find_map(|reach| around(middle, *reach).filter(|found| is_within(found, *reach)))
    }

    fn crossing_around(&self, goal: usize, middle: f64, reach: f64) -> Option<Crossing> {
        let is_near = |load: f64| (load / middle).ln().abs() <= reach;
        let near: Vec<_> = self
            .counting()
            .filter(|tried| is_near(tried.trial.load))
            .map(|tried| CountedTrial {
                load: tried.trial.load,
                hits: tried.result.bad[goal] as f64,
                of: tried.result.of.max(1) as f64,
            })
            .collect();
        let share = self.settings.goals[goal].loss_ratio;
        if near.len() < TRIALS_MIN || share <= 0.0 {
            return None;
        }
        crossing(&near, share, CONFIDENCE)
    }

    /// The places of trials that are longer than those that look for the region.
    fn tried_places(&self) -> Vec<Place> {
        let shortest = self.rule(0, 1).trial;
        let is_long = |place: &Place| {
            let mut at = self.counting().filter(|tried| tried.place == *place);
            at.any(|tried| tried.trial.seconds >= shortest)
        };
        self.places().into_iter().filter(is_long).collect()
    }

    /// The interval for all goals, and the goal that is missed first.
    pub(super) fn located_all(&self) -> (Located, Option<usize>, Vec<Located>) {
        let goals: Vec<_> = (0..self.settings.goals.len()).map(|goal| self.located(goal)).collect();
        let numbered = goals.iter().enumerate();
        let limiting =
            numbered.filter_map(|(goal, located)| Some((located.bounds.upper?, goal))).min();
        let lowers = goals.iter().map(|located| located.bounds.lower);
        // Without a lower bound for one goal there is none for all.
        let lower = lowers.min().flatten();
        let upper = limiting.map(|(upper, _)| upper);
        let limiting = limiting.map(|(_, goal)| goal);
        let first = limiting.map(|goal| goals[goal]);
        let located = Located {
            bounds: Bounds { lower, upper },
            crossing: first.and_then(|located| located.crossing),
            is_decided: goals.iter().all(|located| located.is_decided),
        };
        (located, limiting, goals)
    }

    /// The ceiling that the trials have met.
    pub(super) fn ceiling(&self) -> Option<Ceiling> {
        let (located, ..) = self.located_all();
        let Bounds { lower, upper } = located.bounds;
        match (lower, upper) {
            (_, Some(_)) => None,
            (Some(lower), None) if lower >= self.highest() => Some(Ceiling::Range),
            (_, None) => self.limited().map(|_| Ceiling::Generator),
        }
    }

    /// Whether the interval is as narrow as asked.
    pub(super) fn is_narrow(&self, located: &Located) -> bool {
        let Bounds { lower: Some(lower), upper: Some(upper) } = located.bounds else {
            return false;
        };
        // Loads are rounded to four digits.
        self.load(upper) / self.load(lower) <= 1.0 + self.settings.width * 1.01
            || self.are_neighbours(lower, upper)
    }

    pub(super) fn answer(&self) -> CapacityAnswer {
        let (located, limiting, goals) = self.located_all();
        let Bounds { lower, upper } = located.bounds;
        let ceiling = self.ceiling();
        let load = |place: Option<Place>| place.map(|place| self.load(place));
        let final_rules = (0..goals.len()).map(|goal| self.rule(goal, LEVELS - 1));
        let throughput = lower.and_then(|place| {
            let per_goal = final_rules.enumerate().map(|(goal, rule)| {
                let trials = self.trials_at(goal, place);
                trials.conditional_throughput(self.load(place), &rule)
            });
            per_goal.min_by(f64::total_cmp)
        });
        let is_capped = ceiling.is_some() && lower.is_some() && located.is_decided;
        CapacityAnswer {
            lower: load(lower),
            upper: load(upper),
            ceiling,
            limiting,
            goals: goals
                .iter()
                .map(|located| GoalAnswer {
                    lower: load(located.bounds.lower),
                    upper: load(located.bounds.upper),
                    crossing: located.crossing,
                })
                .collect(),
            conditional_throughput: throughput,
            is_settled: is_capped || (located.is_decided && self.is_narrow(&located)),
            confirmed: self.confirmed(&located),
            hysteresis: self.hysteresis(lower),
            recovery_checked: self.of(TrialPurpose::StepBack).next().is_some(),
            seconds: self.spent(),
            trials: self.trials.len(),
        }
    }

    /// Whether the long trial at the lower end supports it: it was good, or the interval from all
    /// trials, with it among them, still has this lower end.
    pub(super) fn confirmed(&self, located: &Located) -> Option<bool> {
        let lower = located.bounds.lower?;
        let says = |tried: &TriedTrial| {
            let is_good = located.crossing.is_some() || tried.is_good(&self.settings);
            (tried.place == lower || (tried.place > lower && is_good)).then_some(is_good)
        };
        self.of(TrialPurpose::Confirm).filter_map(says).next_back()
    }

    /// What an overload left behind: a load that was not kept up after it, though it is otherwise.
    fn hysteresis(&self, lower: Option<Place>) -> Option<Hysteresis> {
        let is_step = |tried: &TriedTrial| tried.trial.purpose == TrialPurpose::StepBack;
        let is_bad = |tried: &TriedTrial| tried.is_bad(&self.settings);
        let has_collapsed = self.has_collapsed();
        let is_kept_up = |place: Place| has_collapsed || lower.is_some_and(|it| place <= it);
        let (first, step) = self
            .trials
            .iter()
            .enumerate()
            .find(|(_, tried)| is_step(tried) && is_bad(tried) && is_kept_up(tried.place))?;
        let overload = self.trials[..first].iter().rev().find(|it| !is_step(it) && is_bad(it))?;
        Some(Hysteresis {
            overload: overload.trial.load,
            load: step.trial.load,
            has_recovered: !has_collapsed,
        })
    }

    /// Whether the target does not recover from an overload: what was kept up no longer is.
    pub(super) fn has_collapsed(&self) -> bool {
        let is_step = |tried: &&TriedTrial| tried.trial.purpose == TrialPurpose::StepBack;
        let bad = self.trials.iter().rev().take_while(is_step);
        bad.filter(|tried| tried.is_bad(&self.settings)).count() >= STEP_BACKS_MAX
    }
}
