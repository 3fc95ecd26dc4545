//! Which trial comes next: MLRsearch (RFC 9971) over three levels, then trials around the crossing.
//!
//! The next trial follows from the trials so far, and from nothing else. Each level brings the
//! bounds closer together with longer trials; a load that is undecided is tried again before
//! another. At the end the target is overloaded, must sustain less than the lower end, and then
//! the lower end itself.

use super::answer::{CapacityAnswer, Located};
use super::classify::LoadClass;
use super::trial::{CapacityTrial, SearchSettings, TrialPurpose, TrialResult};
use super::tried::{Bounds, LEVELS, Place, STEPS_OF_WIDTH, Tried, TriedTrial};

/// The overload, as a multiple of the upper end.
const OVERLOAD: f64 = 1.25;
/// The load after an overload, as a multiple of the lower end.
const STEP_BACK: f64 = 0.8;
/// The trial that confirms, in full trials.
const CONFIRM: f64 = 2.0;
/// Trials that confirm; each after the first because the one before moved the answer.
const CONFIRMS_MAX: usize = 2;
/// Room between an interval and the width of the answer for rounding to loads that were tried.
const NARROW: f64 = 0.9;
/// Change of ln(share) that trials beside the crossing are apart from it.
const CLEAR: f64 = 0.7;
/// Farther than so many halves of the width they are not.
const HALVES_MAX: f64 = 4.0;
/// What a trial takes with everything around it, as a multiple of its length, until trials show it.
const AROUND: f64 = 1.2;

/// Finds the highest load that meets all goals.
#[derive(Clone, Debug)]
pub struct CapacitySearch {
    tried: Tried,
    is_stopped: bool,
}

impl CapacitySearch {
    /// A search without trials.
    pub const fn new(settings: SearchSettings) -> Self {
        Self { tried: Tried::new(settings), is_stopped: false }
    }

    /// The next trial; `None` when the search has ended.
    pub fn next_trial(&self) -> Option<CapacityTrial> {
        if self.is_stopped || self.tried.has_collapsed() {
            return None;
        }
        let (place, seconds, purpose) = self.wanted()?;
        Some(CapacityTrial { load: self.tried.load(place), seconds, purpose })
    }

    /// Takes the result of a trial.
    pub fn record(&mut self, trial: CapacityTrial, result: TrialResult) {
        let place = self.tried.place(trial.load);
        self.tried.trials.push(TriedTrial { place, trial, result });
    }

    /// Ends the search early, as if its time were over.
    pub const fn stop(&mut self) {
        self.is_stopped = true;
    }

    /// The answer of the trials so far.
    pub fn answer(&self) -> CapacityAnswer {
        self.tried.answer()
    }

    fn wanted(&self) -> Option<(Place, f64, TrialPurpose)> {
        let is_closing = self.tried.of(TrialPurpose::Overload).next().is_some()
            || self.tried.of(TrialPurpose::Confirm).next().is_some();
        let reserve = if is_closing { 0.0 } else { self.closing_time() };
        let fits = |(_, seconds, _): &(Place, f64, TrialPurpose)| {
            self.tried.spent() + seconds * self.around() + reserve <= self.tried.settings.budget
        };
        if is_closing {
            return self.closing().or_else(|| self.again()).filter(fits);
        }
        let locating = self.step_back_early().or_else(|| self.locating()).filter(fits);
        locating.or_else(|| self.closing())
    }

    /// Seconds that a second of a trial takes.
    fn around(&self) -> f64 {
        let measured: f64 = self.tried.trials.iter().map(|tried| tried.trial.seconds).sum();
        if measured > 0.0 { (self.tried.spent() / measured).max(1.0) } else { AROUND }
    }

    fn closing_time(&self) -> f64 {
        let SearchSettings { initial, full, .. } = self.tried.settings;
        (initial + full * (0.5 + CONFIRM)) * self.around()
    }

    /// A trial that narrows the interval.
    fn locating(&self) -> Option<(Place, f64, TrialPurpose)> {
        let (located, ..) = self.tried.located_all();
        if located.is_decided && self.tried.is_narrow(&located) {
            return None;
        }
        let coarse = (0..LEVELS - 1).find_map(|level| self.seek(level));
        let is_gradual = located.crossing.is_some();
        let fine = || if is_gradual { None } else { self.seek(LEVELS - 1) };
        coarse.or_else(fine).or_else(|| self.refine())
    }

    /// A trial that brings the bounds of a level closer together; `None` when they are close.
    fn seek(&self, level: usize) -> Option<(Place, f64, TrialPurpose)> {
        let Bounds { lower, upper } = self.tried.bounds(|place| self.tried.class(place, level));
        let (place, purpose) = match (lower, upper) {
            (None, None) if level == 0 => (0, TrialPurpose::Expand),
            (lower, None) => self.seek_upper(lower, level)?,
            (None, Some(upper)) => self.seek_lower(upper, level)?,
            (Some(lower), Some(upper)) => {
                let is_close = upper - lower <= self.tried.width(level);
                if is_close || self.tried.are_neighbours(lower, upper) {
                    return None;
                }
                (self.between(lower, upper), TrialPurpose::Bisect)
            }
        };
        Some((place, self.tried.rule(0, level).trial, purpose))
    }

    /// A load above all that are known to be kept up.
    fn seek_upper(&self, lower: Option<Place>, level: usize) -> Option<(Place, TrialPurpose)> {
        let from = lower.unwrap_or(Place::MIN);
        if level > 0 {
            let before = self.tried.bounds(|place| self.tried.class(place, level - 1));
            if let Some(upper) = before.upper.filter(|upper| *upper > from) {
                return Some((upper, TrialPurpose::Bisect));
            }
            if let Some(place) = before.lower.filter(|place| *place > from) {
                return Some((place, TrialPurpose::Bisect));
            }
        }
        let lower = lower?;
        if let Some(limit) = self.tried.limited() {
            let is_wide = level == 0 && limit - lower > self.tried.width(0);
            return is_wide.then(|| (lower + (limit - lower) / 2, TrialPurpose::Bisect));
        }
        let step = if level == 0 { self.tried.doubling() } else { self.growing(lower, level) };
        let place = self.tried.above(lower, step);
        (place > lower).then_some((place, TrialPurpose::Expand))
    }

    /// A load below all that are known to be too much.
    fn seek_lower(&self, upper: Place, level: usize) -> Option<(Place, TrialPurpose)> {
        let is_open = |place: &Place| {
            *place < upper && self.tried.class(*place, level) == LoadClass::Undecided
        };
        if level > 0 {
            let before = |place: &Place| self.tried.class(*place, level - 1) == LoadClass::Lower;
            let places = self.tried.places();
            if let Some(place) = places.into_iter().rev().find(|it| is_open(it) && before(it)) {
                return Some((place, TrialPurpose::Bisect));
            }
        }
        let step = if level == 0 { self.tried.doubling() } else { self.growing(upper, level) };
        let place = self.tried.below(upper, step);
        (place < upper).then_some((place, TrialPurpose::Expand))
    }

    /// A step away from a bound that doubles each time.
    fn growing(&self, bound: Place, level: usize) -> Place {
        let class = self.tried.class(bound, level);
        let same = self.tried.places().into_iter();
        let alike = same.filter(|place| self.tried.class(*place, level) == class).count();
        self.tried.width(level).saturating_mul(1 << alike.min(8))
    }

    /// The middle of two bounds, or a load near it that was tried before.
    fn between(&self, lower: Place, upper: Place) -> Place {
        let middle = self.tried.canonical(lower + (upper - lower) / 2);
        let reach = (upper - lower) / 6;
        let near = self.tried.places().into_iter().filter(|place| (place - middle).abs() <= reach);
        near.min_by_key(|place| (place - middle).abs()).unwrap_or(middle)
    }

    /// A trial beside the crossing, on the side with less, or at an end of its interval that no
    /// trial was near to.
    fn refine(&self) -> Option<(Place, f64, TrialPurpose)> {
        let (located, limiting, goals) = self.tried.located_all();
        if located.is_decided && self.tried.is_narrow(&located) {
            return None;
        }
        let first: Located = limiting.map_or(located, |goal| goals[goal]);
        let middle = first.middle(&self.tried)?;
        let place = self.missing_end(&first).unwrap_or_else(|| {
            let half = self.half(&first);
            let (lower, upper) =
                ((middle - half).round() as Place, (middle + half).round() as Place);
            if self.seconds_near(lower) <= self.seconds_near(upper) { lower } else { upper }
        });
        let place = place.min(self.tried.highest()).max(self.tried.lowest());
        Some((place, self.tried.settings.full, TrialPurpose::Refine))
    }

    /// The end of a narrow interval, if the answer is wide because that end was not tried.
    fn missing_end(&self, located: &Located) -> Option<Place> {
        let crossing = located.crossing?;
        let (low, high) = (crossing.load.low, crossing.load.high);
        if high / low > 1.0 + self.tried.settings.width * NARROW {
            return None;
        }
        let low = self.tried.exact_place(low).floor() as Place;
        let high = self.tried.exact_place(high).ceil() as Place;
        let off =
            |place: Option<Place>, end: Place| place.map_or(Place::MAX, |it| (it - end).abs());
        let Bounds { lower, upper } = located.bounds;
        Some(if off(lower, low) >= off(upper, high) { low } else { high })
    }

    /// Steps between the crossing and the trials beside it: half the width of the answer, or where
    /// the share of bad requests has changed clearly.
    fn half(&self, located: &Located) -> f64 {
        let half = f64::from(STEPS_OF_WIDTH - 1) / 2.0;
        let clear = located.crossing.map_or(0.0, |it| CLEAR / it.slope / self.tried.step());
        half.max(clear.min(half * HALVES_MAX))
    }

    /// Seconds of trials at nearly this load.
    fn seconds_near(&self, place: Place) -> f64 {
        let near = self.tried.counting().filter(|tried| (tried.place - place).abs() <= 1);
        near.map(|tried| tried.trial.seconds).sum()
    }

    /// After the first overload, the last load that was kept up must be again.
    fn step_back_early(&self) -> Option<(Place, f64, TrialPurpose)> {
        let Bounds { lower, upper } = self.tried.bounds(|place| self.tried.class(place, 0));
        upper?;
        let SearchSettings { initial, full, .. } = self.tried.settings;
        match self.tried.of(TrialPurpose::StepBack).next_back() {
            None => Some((lower?, initial, TrialPurpose::StepBack)),
            // The last load may have been kept up by chance; half of it was not.
            Some(last) if last.is_bad(&self.tried.settings) => {
                let half = self.tried.below(last.place, self.tried.doubling());
                Some((half, full / 2.0, TrialPurpose::StepBack))
            }
            Some(_) => None,
        }
    }

    /// The end: overload, step back, confirm.
    fn closing(&self) -> Option<(Place, f64, TrialPurpose)> {
        let (located, ..) = self.tried.located_all();
        let Bounds { lower, upper } = located.bounds;
        let lower = lower?;
        let SearchSettings { initial, full, .. } = self.tried.settings;
        let factor =
            |factor: f64| self.tried.exact_place(self.tried.settings.from * factor).round();
        let is_overloaded = self.tried.of(TrialPurpose::Overload).next().is_some();
        if let Some(upper) = upper.filter(|_| !is_overloaded) {
            return Some((upper + factor(OVERLOAD) as Place, initial, TrialPurpose::Overload));
        }
        let steps = self.tried.trials.iter().rev();
        let steps = steps.take_while(|tried| tried.trial.purpose == TrialPurpose::StepBack);
        let since: Vec<_> = steps.collect();
        let last = self.tried.trials.last().map(|tried| tried.trial.purpose);
        let must_step = last == Some(TrialPurpose::Overload)
            || since.first().is_some_and(|tried| tried.is_bad(&self.tried.settings));
        if must_step {
            let place =
                since.first().map_or_else(|| lower + factor(STEP_BACK) as Place, |it| it.place);
            return Some((place, full / 2.0, TrialPurpose::StepBack));
        }
        let confirms = self.tried.of(TrialPurpose::Confirm).count();
        let is_open = self.tried.confirmed(&located).is_none();
        (is_open && confirms < CONFIRMS_MAX).then_some((
            lower,
            full * CONFIRM,
            TrialPurpose::Confirm,
        ))
    }

    /// The trial that confirms may move the answer: then locate it again.
    fn again(&self) -> Option<(Place, f64, TrialPurpose)> {
        let confirms = self.tried.of(TrialPurpose::Confirm).count();
        if confirms >= CONFIRMS_MAX { None } else { self.refine() }
    }
}
