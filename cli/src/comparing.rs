//! What the commands that compare have in common: words to groups of runs, arguments to settings,
//! the functions that changed, and the printed result.

use anyhow::Context;
use uringbench_decision::{ComparisonSettings, Metric, Pairing, RunGroup, compare, known_noise};
use uringbench_document::Document;
use uringbench_document::comparison::{ComparisonDocument, ComparisonLimits};
use uringbench_experiment::profiling::{changed_functions, is_profiled};
use uringbench_report::comparison;
use uringbench_store::{read_noise, select};

use crate::actions::{self, Stdout};
use crate::args::{FormArgs, LimitArgs};
use crate::console;
use crate::exit::{Exit, Failure, usage};
use crate::store_place::StorePlace;

/// The settings that were typed; noise floors are added when the runs are known.
pub(crate) fn settings(args: &LimitArgs, pairing: Pairing) -> Result<ComparisonSettings, Failure> {
    let LimitArgs { warn, fail, severe, ref metric, force } = *args;
    if !(warn <= fail && fail <= severe) {
        return Err(usage("--warn must not be above --fail, and --fail not above --severe"));
    }
    let mut settings = ComparisonSettings {
        limits: ComparisonLimits { warn, fail, severe },
        pairing,
        is_forced: force,
        ..ComparisonSettings::default()
    };
    if !metric.is_empty() {
        let named = metric.iter().map(|name| {
            let all = Metric::ALL.map(Metric::key).join(", ");
            Metric::named(name).ok_or_else(|| usage(format!("no figure `{name}`: use {all}")))
        });
        settings.gated = named.collect::<Result<_, _>>()?;
    }
    Ok(settings)
}

/// The runs that words name, each with its folder.
pub(crate) fn runs(
    place: &StorePlace,
    words: &[String],
) -> Result<Vec<(String, Document)>, Failure> {
    let mut all = Vec::new();
    for word in words {
        let runs = select(&place.root, word).context("there is nothing to compare")?;
        all.extend(runs.into_iter().map(|run| (run.folder.display().to_string(), run.document)));
    }
    Ok(all)
}

/// The group of runs.
pub(crate) fn group(label: &str, runs: &[(String, Document)]) -> RunGroup {
    RunGroup::new(label, runs.iter().map(|(name, run)| (name.clone(), run)))
}

/// Compare, add the functions that changed, print, and turn the verdict into an exit code.
pub(crate) fn conclude(
    place: &StorePlace,
    groups: &[RunGroup],
    settings: ComparisonSettings,
    form: &FormArgs,
) -> Result<Exit, Failure> {
    let document = compared(place, groups, settings)?;
    print(&document, form)?;
    Ok(document.verdict.into())
}

/// The comparison with the noise floor that is known, and the functions that changed.
pub(crate) fn compared(
    place: &StorePlace,
    groups: &[RunGroup],
    mut settings: ComparisonSettings,
) -> Result<ComparisonDocument, Failure> {
    if let Some(first) = groups.first() {
        settings.noise = known_noise(first, &read_noise(&place.root));
    }
    let mut document =
        compare(groups, &settings).map_err(|why| Failure::CannotRun(anyhow::Error::new(why)))?;
    let before = groups.first().and_then(|group| group.typical(has_profile));
    for (comparison, after) in document.comparisons.iter_mut().zip(groups.iter().skip(1)) {
        if let (Some(before), Some(after)) = (before, after.typical(has_profile)) {
            comparison.functions = changed_functions(before.as_ref(), after.as_ref());
        }
    }
    Ok(document)
}

fn has_profile(run: &str) -> bool {
    is_profiled(run.as_ref())
}

/// Print a comparison in the form that was asked for, and report it to GitHub if that runs us.
pub(crate) fn print(document: &ComparisonDocument, form: &FormArgs) -> Result<(), Failure> {
    let (page, stdout) = if form.json {
        let text = serde_json::to_string_pretty(document).context("cannot write JSON")?;
        (format!("{text}\n"), Stdout::Document)
    } else if form.markdown {
        // It is on its way to a summary already.
        return console::print(&comparison::markdown(document));
    } else {
        (actions::shown(comparison::text(document, console::colour())), Stdout::Text)
    };
    console::print(&page)?;
    actions::compared(document, stdout)
}
