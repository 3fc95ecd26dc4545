//! A suite in words: who is first how often, by how much, with what memory, and what went wrong.

use std::collections::BTreeMap;

use uringbench_document::insight::InsightSeverity;
use uringbench_document::suite::{
    CellState, ClaimVerdict, CountedInsight, SuiteCell, SuiteDocument, SuiteTarget,
};

use super::mebibytes;
use super::scaling::scaling;

/// Failures and insights that are listed in full; the table has the rest.
const LISTED: usize = 6;

/// Adds to a suite what follows from its cells: the figures of its targets, how they scale, and
/// the conclusions. Its claims are decided before.
pub fn conclude(suite: &mut SuiteDocument) {
    let relative = relative_rates(suite);
    for target in &mut suite.targets {
        let cells: Vec<&SuiteCell> =
            suite.cells.iter().filter(|cell| cell.target == target.name).collect();
        let firsts = cells.iter().filter(|cell| cell.rank == Some(1)).count();
        target.firsts = u32::try_from(firsts).unwrap_or(u32::MAX);
        target.relative_rate = relative.get(&target.name).copied();
        let memory = cells.iter().filter_map(|cell| cell.figures.as_ref()?.memory_bytes);
        target.memory_bytes = memory.reduce(f64::max).map(|bytes| bytes as u64);
        target.insights = counted_insights(&cells);
    }
    suite.scaling = scaling(suite);
    let mut sentences = Vec::new();
    sentences.extend(claims(suite));
    sentences.extend(firsts(suite));
    sentences.extend(rates(suite));
    sentences.extend(memory(suite));
    sentences.extend(leaks(suite));
    sentences.extend(falls(suite));
    sentences.extend(distrusted(suite));
    sentences.extend(failures(suite));
    sentences.extend(limits(suite));
    suite.conclusions = sentences;
}

/// The geometric mean of each target's rates relative to the best one, over the cases that all of
/// them completed.
fn relative_rates(suite: &SuiteDocument) -> BTreeMap<String, f64> {
    let mut cases: BTreeMap<&str, Vec<(&str, f64)>> = BTreeMap::new();
    for cell in &suite.cells {
        let rate = cell.figures.as_ref().map_or(0.0, |figures| figures.rate);
        // At a rate that is offered, all are as fast.
        let is_closed = cell.figures.as_ref().is_some_and(|figures| figures.offered.is_none());
        if cell.state == CellState::Measured && rate > 0.0 && is_closed {
            cases.entry(&cell.case).or_default().push((&cell.target, rate));
        }
    }
    cases.retain(|_, rates| rates.len() == suite.targets.len());
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    for rates in cases.values() {
        let best = rates.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
        for (target, rate) in rates {
            *sums.entry((*target).to_owned()).or_default() += (rate / best).ln();
        }
    }
    let count = cases.len() as f64;
    sums.into_iter().map(|(target, sum)| (target, (sum / count).exp())).collect()
}

/// The observations on a target, the most serious and most frequent first.
fn counted_insights(cells: &[&SuiteCell]) -> Vec<CountedInsight> {
    let mut found: Vec<CountedInsight> = Vec::new();
    for cell in cells {
        for insight in &cell.insights {
            match found.iter_mut().find(|it| it.insight.kind == insight.kind) {
                Some(known) => known.cells += 1,
                None => found.push(CountedInsight {
                    cells: 1,
                    case: cell.case.clone(),
                    insight: insight.clone(),
                }),
            }
        }
    }
    found.sort_by_key(|it| (std::cmp::Reverse(it.insight.severity), std::cmp::Reverse(it.cells)));
    found
}

fn firsts(suite: &SuiteDocument) -> Option<String> {
    let ranked = suite.cells.iter().filter(|cell| cell.rank.is_some()).map(|cell| &cell.case);
    let ranked = ranked.collect::<std::collections::BTreeSet<_>>().len();
    if ranked == 0 || suite.targets.len() < 2 {
        return None;
    }
    let mut targets: Vec<&SuiteTarget> = suite.targets.iter().collect();
    targets.sort_by_key(|target| std::cmp::Reverse(target.firsts));
    let each = targets.iter().map(|target| format!("{} in {}", target.name, target.firsts));
    Some(format!(
        "Cases with the highest rate, alone or within chance of it, of {ranked}: {}.",
        listed(&each.collect::<Vec<_>>())
    ))
}

fn rates(suite: &SuiteDocument) -> Option<String> {
    let of = |target: &SuiteTarget| Some((target.relative_rate?, target.name.clone()));
    let mut known: Vec<(f64, String)> = suite.targets.iter().filter_map(of).collect();
    if known.len() < 2 {
        return None;
    }
    known.sort_by(|a, b| b.0.total_cmp(&a.0));
    let each = known.iter().map(|(share, name)| format!("{name} {:.0} %", 100.0 * share));
    Some(format!(
        "Over the cases that all completed, the geometric mean of the rates relative to the best \
         is: {}.",
        listed(&each.collect::<Vec<_>>())
    ))
}

/// How many claims hold, and each that does not.
fn claims(suite: &SuiteDocument) -> Vec<String> {
    if suite.claims.is_empty() {
        return Vec::new();
    }
    let count = |verdict| suite.claims.iter().filter(|claim| claim.verdict == verdict).count();
    let mut sentences = vec![format!(
        "Of {} claims {} hold, {} do not, and {} cannot be decided here.",
        suite.claims.len(),
        count(ClaimVerdict::Holds),
        count(ClaimVerdict::DoesNotHold),
        count(ClaimVerdict::CannotBeDecided)
    )];
    let contradicted =
        suite.claims.iter().filter(|claim| claim.verdict == ClaimVerdict::DoesNotHold);
    sentences.extend(contradicted.map(|claim| {
        let against = claim.against.as_ref();
        let against = against.map_or_else(String::new, |name| format!(" against {name}"));
        format!("Does not hold{against}: \"{}\": {}.", claim.text, claim.reason)
    }));
    sentences
}

/// The targets that leak, and where.
fn leaks(suite: &SuiteDocument) -> Vec<String> {
    let of = |cell: &SuiteCell| {
        let soak = cell.soak.as_ref().filter(|soak| soak.verdict == "leak")?;
        let reason = soak.reason.trim_end_matches('.');
        Some(format!("{} leaks in {}: {reason}.", cell.target, cell.case))
    };
    suite.cells.iter().filter_map(of).collect()
}

/// Rates that fall under load.
fn falls(suite: &SuiteDocument) -> Vec<String> {
    let fallen = suite.scaling.iter().filter(|it| it.has_fallen);
    fallen.map(|it| format!("{} in {}: {}.", it.target, it.case, it.sentence)).collect()
}

fn memory(suite: &SuiteDocument) -> Option<String> {
    let of = |target: &SuiteTarget| Some((target.memory_bytes?, target.name.clone()));
    let mut known: Vec<(u64, String)> = suite.targets.iter().filter_map(of).collect();
    known.sort();
    let mib = |bytes: u64| mebibytes(bytes as f64);
    let (least, first) = known.first()?;
    let others = known.iter().skip(1).map(|(bytes, name)| format!("{name} {}", mib(*bytes)));
    let others: Vec<_> = others.collect();
    Some(match others.is_empty() {
        true => format!("{first} has at most {} of private memory.", mib(*least)),
        false => format!(
            "{first} has the least private memory, at most {}; {}.",
            mib(*least),
            listed(&others)
        ),
    })
}

fn distrusted(suite: &SuiteDocument) -> Option<String> {
    let is_distrusted = |cell: &&SuiteCell| {
        cell.figures.as_ref().is_some_and(|figures| figures.counted == 0)
            && cell.state == CellState::Measured
    };
    let cells: Vec<&SuiteCell> = suite.cells.iter().filter(is_distrusted).collect();
    let measured = suite.cells.iter().filter(|cell| cell.state == CellState::Measured).count();
    let first = cells.first()?;
    Some(format!(
        "{} of {measured} cells do not measure their target and have no place; the first is {} \
         with {}: {}.",
        cells.len(),
        first.target,
        first.case,
        first.reason.as_deref().unwrap_or("its runs are INVALID").trim_end_matches('.')
    ))
}

fn failures(suite: &SuiteDocument) -> Vec<String> {
    let mut causes: Vec<(String, &str, Vec<&str>)> = Vec::new();
    for cell in suite.cells.iter().filter(|cell| cell.state == CellState::Failed) {
        let why = cell.reason.as_deref().unwrap_or("without a reason").trim_end_matches('.');
        let cause = format!("{}: {why}", cell.target);
        match causes.iter_mut().find(|(known, ..)| *known == cause) {
            Some((_, _, cases)) => cases.push(&cell.case),
            None => causes.push((cause, why, vec![&cell.case])),
        }
    }
    let more = causes.len().saturating_sub(LISTED);
    let mut sentences: Vec<String> = causes
        .iter()
        .take(LISTED)
        .map(|(cause, _, cases)| match cases.as_slice() {
            [one] => format!("Not measured: {one} of {cause}."),
            several => format!("Not measured: {} cases of {cause}.", several.len()),
        })
        .collect();
    if more > 0 {
        sentences.push(format!("{more} further failures are in the tables."));
    }
    sentences
}

/// What limits the targets, from their runs.
fn limits(suite: &SuiteDocument) -> Vec<String> {
    let of_targets = suite.targets.iter().flat_map(|target| {
        let serious = target.insights.iter();
        let serious = serious.filter(|it| it.insight.severity > InsightSeverity::Info);
        serious.map(move |it| (target, it))
    });
    let mut all: Vec<_> = of_targets.collect();
    all.sort_by_key(|(_, it)| {
        (std::cmp::Reverse(it.insight.severity), std::cmp::Reverse(it.cells))
    });
    let sentence = |(target, it): &(&SuiteTarget, &CountedInsight)| {
        let cells = if it.cells == 1 { "1 cell".to_owned() } else { format!("{} cells", it.cells) };
        let advice = it.insight.recommendations.first();
        let advice = advice.map_or_else(String::new, |advice| format!("; {advice}"));
        format!(
            "{} in {cells}, first in {}: {}{}.",
            target.name,
            it.case,
            it.insight.description.trim_end_matches('.'),
            advice.trim_end_matches('.')
        )
    };
    all.iter().take(LISTED).map(sentence).collect()
}

/// `a, b and c`.
fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [before @ .., last] => format!("{} and {last}", before.join(", ")),
    }
}
