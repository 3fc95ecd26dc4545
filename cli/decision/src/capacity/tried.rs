//! The trials so far, and which loads they show to be bounds.
//!
//! Loads lie on a grid, so that trials at nearly the same load are trials at the same load. A load
//! is an upper bound if it is one for any goal, and a lower bound if it is one for all. Of several
//! upper bounds the lowest counts, and lower bounds above it do not (RFC 9971, loss inversion).

use std::collections::BTreeSet;

use super::classify::{ClassifyRule, LoadClass, LoadTrials};
use super::trial::{CapacityTrial, SearchSettings, TrialLimit, TrialPurpose, TrialResult};

/// Steps of the grid within the width of the answer.
pub(super) const STEPS_OF_WIDTH: i32 = 10;
/// The bounds are brought closer together than the answer may be wide, by this factor.
const BOUNDS_OF_WIDTH: f64 = 0.6;
/// A load that could not be offered so often is not tried again.
const LIMITED_MAX: usize = 2;
/// A load at which trials were disturbed so often neither.
const DISTURBED_MAX: usize = 3;
/// Targets of a search, from the coarsest to the one of the answer (RFC 9971 calls them preceding).
pub(super) const LEVELS: usize = 3;
/// Requests that a full trial must have at least.
const REQUESTS_MIN: f64 = 10.0;

/// A load as a number of steps from the first.
pub(super) type Place = i32;

/// Two loads, one that is kept up and a higher one that is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) lower: Option<Place>,
    pub(super) upper: Option<Place>,
}

/// A trial with its result.
#[derive(Clone, Debug)]
pub(super) struct TriedTrial {
    pub(super) place: Place,
    pub(super) trial: CapacityTrial,
    pub(super) result: TrialResult,
}

/// All trials.
#[derive(Clone, Debug)]
pub(super) struct Tried {
    pub(super) settings: SearchSettings,
    pub(super) trials: Vec<TriedTrial>,
}

impl TriedTrial {
    /// The share of requests outside a goal.
    pub(super) fn loss(&self, goal: usize) -> f64 {
        self.result.bad[goal] as f64 / self.result.of.max(1) as f64
    }

    pub(super) fn is_good(&self, settings: &SearchSettings) -> bool {
        let goals = settings.goals.iter().enumerate();
        goals.into_iter().all(|(goal, asked)| self.loss(goal) <= asked.loss_ratio)
    }

    /// Whether the target, and nothing else, missed a goal.
    pub(super) fn is_bad(&self, settings: &SearchSettings) -> bool {
        self.result.limit == TrialLimit::Nothing && !self.is_good(settings)
    }

    /// Whether it shows what the target sustains at its load.
    fn counts(&self, settings: &SearchSettings) -> bool {
        self.trial.purpose.locates()
            && match self.result.limit {
                TrialLimit::Nothing => true,
                TrialLimit::Disturbed => self.is_good(settings),
                TrialLimit::Generator => false,
            }
    }
}

impl Tried {
    pub(super) const fn new(settings: SearchSettings) -> Self {
        Self { settings, trials: Vec::new() }
    }

    /// The load at a place, to four digits.
    pub(super) fn load(&self, place: Place) -> f64 {
        if place >= self.highest() {
            return self.settings.to;
        }
        let load = self.settings.from * (f64::from(place) * self.step()).exp();
        let unit =
            if self.settings.is_whole { 1.0 } else { 10_f64.powf(load.log10().floor() - 3.0) };
        ((load / unit).round() * unit).max(unit).min(self.settings.to)
    }

    /// The place that stands for all places with the same load.
    pub(super) fn canonical(&self, place: Place) -> Place {
        self.place(self.load(place))
    }

    /// A place so many steps above another, at least so many that the load differs.
    pub(super) fn above(&self, place: Place, steps: Place) -> Place {
        let mut above = place + steps;
        while self.canonical(above) <= place && above < self.highest() {
            above += 1;
        }
        self.canonical(above.min(self.highest()))
    }

    /// The same below.
    pub(super) fn below(&self, place: Place, steps: Place) -> Place {
        let mut below = place - steps;
        while self.canonical(below) >= place && below > self.lowest() {
            below -= 1;
        }
        self.canonical(below.max(self.lowest()))
    }

    /// The place of a load that was made of one.
    pub(super) fn place(&self, load: f64) -> Place {
        if load >= self.settings.to {
            self.highest()
        } else {
            self.exact_place(load).round() as Place
        }
    }

    /// The place of any load, between two steps.
    pub(super) fn exact_place(&self, load: f64) -> f64 {
        (load / self.settings.from).ln() / self.step()
    }

    /// The place of the highest load.
    pub(super) fn highest(&self) -> Place {
        self.exact_place(self.settings.to).ceil() as Place
    }

    /// The place of the lowest load whose trials have requests enough: one slow request of fewer
    /// would be more than its share.
    pub(super) fn lowest(&self) -> Place {
        let shares = self.settings.goals.iter().map(|goal| goal.loss_ratio);
        let strictest = shares.filter(|share| *share > 0.0).fold(1.0, f64::min);
        let rate = REQUESTS_MIN.max(1.0 / strictest) / self.settings.full;
        let least = if self.settings.is_whole { 1.0 } else { rate };
        self.exact_place(least.min(self.settings.from)).floor() as Place
    }

    /// Whether there is no load between two.
    pub(super) fn are_neighbours(&self, lower: Place, upper: Place) -> bool {
        self.settings.is_whole && self.load(upper) - self.load(lower) <= 1.0
    }

    /// The steps that double a load.
    pub(super) fn doubling(&self) -> Place {
        (2_f64.ln() / self.step()).round() as Place
    }

    /// A step of the grid, as a logarithm.
    pub(super) fn step(&self) -> f64 {
        self.settings.width.ln_1p() / f64::from(STEPS_OF_WIDTH)
    }

    /// The steps by which bounds of a level may be apart.
    pub(super) fn width(&self, level: usize) -> Place {
        let width = f64::from(STEPS_OF_WIDTH) * BOUNDS_OF_WIDTH;
        (width * f64::from(1 << (LEVELS - 1 - level))).round() as Place
    }

    /// The rule of a level for a goal: times grow from the initial ones to the final ones by equal
    /// factors.
    pub(super) fn rule(&self, goal: usize, level: usize) -> ClassifyRule {
        let SearchSettings { initial, full, sum, exceed_ratio, .. } = self.settings;
        let share = level as f64 / (LEVELS - 1) as f64;
        let sum = initial * (sum / initial).powf(share);
        let loss_ratio = self.settings.goals[goal].loss_ratio;
        ClassifyRule { loss_ratio, exceed_ratio, trial: full.min(sum), sum }
    }

    /// The trials that show what the target sustains.
    pub(super) fn counting(&self) -> impl Iterator<Item = &TriedTrial> {
        self.trials.iter().filter(|tried| tried.counts(&self.settings))
    }

    /// The places of those, ascending.
    pub(super) fn places(&self) -> BTreeSet<Place> {
        self.counting().map(|tried| tried.place).collect()
    }

    /// What a load is for one goal; undecided without trials.
    pub(super) fn class_of(&self, goal: usize, place: Place, level: usize) -> LoadClass {
        self.trials_at(goal, place).class(&self.rule(goal, level))
    }

    /// The trials at a load, for one goal.
    pub(super) fn trials_at(&self, goal: usize, place: Place) -> LoadTrials {
        let mut trials = LoadTrials::default();
        for tried in self.counting().filter(|tried| tried.place == place) {
            trials.add(tried.trial.seconds, tried.loss(goal));
        }
        trials
    }

    /// What a load is for all goals.
    pub(super) fn class(&self, place: Place, level: usize) -> LoadClass {
        let goals = 0..self.settings.goals.len();
        let classes: Vec<_> = goals.map(|goal| self.class_of(goal, place, level)).collect();
        if classes.contains(&LoadClass::Upper) {
            LoadClass::Upper
        } else if classes.contains(&LoadClass::Undecided) {
            LoadClass::Undecided
        } else {
            LoadClass::Lower
        }
    }

    /// The bounds that `class` finds.
    pub(super) fn bounds(&self, class: impl Fn(Place) -> LoadClass) -> Bounds {
        let mut bounds = Bounds::default();
        for place in self.places() {
            match class(place) {
                LoadClass::Lower => bounds.lower = Some(place),
                LoadClass::Undecided => {}
                LoadClass::Upper => {
                    bounds.upper = Some(place);
                    break;
                }
            }
        }
        bounds
    }

    /// The lowest load that the generator could not offer, or at which the machine was disturbed
    /// too often.
    pub(super) fn limited(&self) -> Option<Place> {
        let located = || self.trials.iter().filter(|tried| tried.trial.purpose.locates());
        let count = |place, limit| {
            located().filter(|tried| tried.place == place && tried.result.limit == limit).count()
        };
        let is_limited = |place: &Place| {
            let offered = self.counting().filter(|tried| tried.place == *place).count();
            let limited = count(*place, TrialLimit::Generator);
            (limited >= LIMITED_MAX && limited > offered)
                || (count(*place, TrialLimit::Disturbed) >= DISTURBED_MAX && offered == 0)
        };
        located().map(|tried| tried.place).filter(is_limited).min()
    }

    /// Trials of this purpose, in their order.
    pub(super) fn of(&self, purpose: TrialPurpose) -> impl DoubleEndedIterator<Item = &TriedTrial> {
        self.trials.iter().filter(move |tried| tried.trial.purpose == purpose)
    }

    /// Seconds spent.
    pub(super) fn spent(&self) -> f64 {
        self.trials.iter().map(|tried| tried.result.took).sum()
    }
}
