//! The changes between two profiles, function by function and per request. Pure.
//!
//! Functions are the same if their names and kinds are: the file may have another name in another
//! build. `statistics` decides how significant a change is.

use rustc_hash::FxHashMap;

use super::{Profile, View};
use crate::stack::FrameKind;

/// One of two profiles.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The source of the names.
    pub profile: &'a Profile,
    /// The part of it that is compared.
    pub view: &'a View,
    /// Requests completed while it was sampled.
    pub requests: u64,
}

/// The weight of a function per request, in the unit of the view.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CostPerRequest {
    /// The function itself.
    pub of_itself: f64,
    /// With all that it calls.
    pub in_all: f64,
}

/// A function, before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionChange {
    /// Its plain name.
    pub name: String,
    /// Its file: after, or before if it is gone; empty if it has none.
    pub module: String,
    /// The kind of its frames.
    pub kind: FrameKind,
    /// Before; `None` for a function that is new.
    pub before: Option<CostPerRequest>,
    /// After; `None` for a function that has vanished.
    pub after: Option<CostPerRequest>,
}

impl FunctionChange {
    /// The change of the function's own weight per request; negative for less.
    pub fn growth(&self) -> f64 {
        let of_itself = |side: Option<CostPerRequest>| side.map_or(0.0, |weight| weight.of_itself);
        of_itself(self.after) - of_itself(self.before)
    }

    /// The same including all that it calls.
    pub fn growth_in_all(&self) -> f64 {
        let in_all = |side: Option<CostPerRequest>| side.map_or(0.0, |weight| weight.in_all);
        in_all(self.after) - in_all(self.before)
    }
}

/// Every function of either profile, the one whose own weight changed most first. `None` if a side
/// has no completed requests to divide by.
pub fn difference(before: Side<'_>, after: Side<'_>) -> Option<Vec<FunctionChange>> {
    if before.requests == 0 || after.requests == 0 {
        return None;
    }
    let mut changes: FxHashMap<(String, FrameKind), FunctionChange> = FxHashMap::default();
    for (side, is_after) in [(before, false), (after, true)] {
        let per_request = |weight: u64| weight as f64 / side.requests as f64;
        for share in side.view.functions(side.profile) {
            let key = (share.name.clone(), share.kind);
            let change = changes.entry(key).or_insert_with(|| FunctionChange {
                name: share.name,
                module: String::new(),
                kind: share.kind,
                before: None,
                after: None,
            });
            let place = if is_after { &mut change.after } else { &mut change.before };
            // The functions come with the heaviest first: its file is used.
            if place.is_none() {
                change.module = share.module;
            }
            let weight = place.get_or_insert_default();
            weight.of_itself += per_request(share.self_weight);
            weight.in_all += per_request(share.total_weight);
        }
    }
    let mut changes: Vec<_> = changes.into_values().collect();
    changes.sort_by(|a, b| {
        let size = |change: &FunctionChange| (change.growth().abs(), change.growth_in_all().abs());
        let (a_size, b_size) = (size(a), size(b));
        let by_size = b_size.0.total_cmp(&a_size.0).then(b_size.1.total_cmp(&a_size.1));
        by_size.then_with(|| (&a.name, a.kind).cmp(&(&b.name, b.kind)))
    });
    Some(changes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Selection, fixture};
    use crate::sample::SampleKind::Cpu;

    fn cut(samples: &[fixture::Written<'_>]) -> (Profile, View) {
        let profile = fixture::profile(samples);
        let view = profile.cut(&Selection::of([Cpu])).unwrap();
        (profile, view)
    }

    #[test]
    fn changes_are_per_request_and_functions_of_one_side_are_there() {
        let (old, old_view) = cut(&[
            (1, Cpu, "main!v1;parse!v1", 400),
            (2, Cpu, "main!v1;gone!v1", 100),
            (3, Cpu, "main!v1;send!v1", 1_000),
        ]);
        // Half the requests, half the work: only the functions below changed.
        let (new, new_view) = cut(&[
            (1, Cpu, "main!v2;parse!v2", 600),
            (2, Cpu, "main!v2;added!v2", 10),
            (3, Cpu, "main!v2;send!v2", 500),
        ]);
        let before = Side { profile: &old, view: &old_view, requests: 100 };
        let after = Side { profile: &new, view: &new_view, requests: 50 };
        let changes = difference(before, after).unwrap();
        let read: Vec<_> = changes
            .iter()
            .map(|change| {
                let of_itself = |side: Option<CostPerRequest>| side.map(|weight| weight.of_itself);
                let sides = (of_itself(change.before), of_itself(change.after));
                (&*change.name, &*change.module, sides, change.growth())
            })
            .collect();
        let expected = [
            ("parse", "v2", (Some(4.0), Some(12.0)), 8.0),
            ("gone", "v1", (Some(1.0), None), -1.0),
            ("added", "v2", (None, Some(0.2)), 0.2),
            ("main", "v2", (Some(0.0), Some(0.0)), 0.0),
            ("send", "v2", (Some(10.0), Some(10.0)), 0.0),
        ];
        assert_eq!(read, expected);
        assert!((changes[3].growth_in_all() - 7.2).abs() < 1e-9);
        let back = difference(after, before).unwrap();
        assert!((back[0].growth() + 8.0).abs() < 1e-9);
    }

    #[test]
    fn without_requests_there_is_no_difference() {
        let (profile, view) = cut(&[(1, Cpu, "main", 1)]);
        let side = Side { profile: &profile, view: &view, requests: 1 };
        assert_eq!(difference(side, Side { requests: 0, ..side }), None);
        assert_eq!(difference(Side { requests: 0, ..side }, side), None);
    }
}
