//! The page of a comparison, with what its runs add: their response times, and the profiles of one
//! run of each side.
//!
//! A comparison names its runs by their folders. Where one is not there any more, or another run
//! is, the page says so and does without.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use uringbench_document::Document;
use uringbench_document::comparison::{
    ComparedGroup, ComparedRun, ComparisonDocument, GroupComparison,
};
use uringbench_page::flame::{FlameCut, FlameDifference};
use uringbench_page::{ComparisonDetails, ComparisonPage, PercentileBand, RunCurve};
use uringbench_profiler::profile::read_stored;
use uringbench_store::StoredRun;

use super::profile;

/// Folders of a run's path below that of its comparison, at most: `profiled/A`.
const BELOW_MAX: usize = 3;

/// Makes the page. `folder` is that of the comparison's document, if it is stored.
pub(crate) fn comparison_page(document: &ComparisonDocument, folder: Option<&Path>) -> String {
    let mut curves = Curves { folder, known: BTreeMap::new() };
    let details = document.comparisons.iter().map(|comparison| curves.details(comparison));
    let details: Vec<_> = details.collect();
    uringbench_page::comparison(&ComparisonPage { document, details: &details })
}

/// The response times of runs, each read once.
struct Curves<'a> {
    folder: Option<&'a Path>,
    known: BTreeMap<String, Result<RunCurve, String>>,
}

impl Curves<'_> {
    fn details(&mut self, comparison: &GroupComparison) -> ComparisonDetails {
        let mut missing = Vec::new();
        let [before, after] =
            [&comparison.before, &comparison.after].map(|group| self.band(group, &mut missing));
        let difference = self.difference(comparison).unwrap_or_else(|why| {
            missing.push(format!("There is no flame graph of the difference: {why}."));
            None
        });
        ComparisonDetails { bands: before.zip(after).map(<[_; 2]>::from), difference, missing }
    }

    /// The band of the runs that count.
    fn band(&mut self, group: &ComparedGroup, missing: &mut Vec<String>) -> Option<PercentileBand> {
        let mut found = Vec::new();
        for run in group.runs.iter().filter(|run| run.excluded.is_none()) {
            match self.curve(run) {
                Ok(curve) => found.push(curve),
                Err(why) => missing.push(format!("{} is not in the percentiles: {why}.", run.run)),
            }
        }
        PercentileBand::of(&found)
    }

    fn curve(&mut self, run: &ComparedRun) -> Result<RunCurve, String> {
        if let Some(known) = self.known.get(&run.run) {
            return known.clone();
        }
        let curve = self.document(run).and_then(|document| {
            let few = || "it has too few requests".to_owned();
            RunCurve::of(&document).ok_or_else(few)
        });
        self.known.insert(run.run.clone(), curve.clone());
        curve
    }

    fn document(&self, run: &ComparedRun) -> Result<Document, String> {
        let folder = self.place(&run.run).ok_or("its folder is gone")?;
        let read = StoredRun::open(&folder).map_err(|why| why.to_string())?;
        match read.document.started == run.started {
            true => Ok(read.document),
            false => Err("another run is in its folder now".to_owned()),
        }
    }

    /// Where a run is: where its name says, or below the comparison, if both were moved together.
    fn place(&self, name: &str) -> Option<PathBuf> {
        let named = PathBuf::from(name);
        let is_run = |folder: &Path| folder.join("run.json").is_file();
        if is_run(&named) || named.is_file() {
            return Some(named);
        }
        let parts: Vec<_> =
            named.components().filter(|part| matches!(part, Component::Normal(_))).collect();
        let below = (1..=BELOW_MAX.min(parts.len())).map(|last| {
            let end: PathBuf = parts[parts.len() - last..].iter().collect();
            self.folder.map(|folder| folder.join(end))
        });
        below.flatten().find(|folder| is_run(folder))
    }

    /// The profiles that the changes of functions are by; `None` if there are none.
    fn difference(&self, comparison: &GroupComparison) -> Result<Option<FlameDifference>, String> {
        let Some(functions) = &comparison.functions else { return Ok(None) };
        let [before, after] = [&functions.before, &functions.after].map(|name| self.cut(name));
        let (Some(before), Some(after)) = (before?, after?) else {
            return Err("a profile has no load".to_owned());
        };
        Ok(FlameDifference::of(&before, &after))
    }

    fn cut(&self, name: &str) -> Result<Option<FlameCut>, String> {
        let folder = self.place(name).ok_or_else(|| format!("the folder {name} is gone"))?;
        let stored = read_stored(&folder).map_err(|why| why.to_string())?;
        profile::measured(&stored).map_err(|why| why.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_found_where_it_was_or_below_its_comparison() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = folder.path().join("moved/A/01");
        std::fs::create_dir_all(&run).expect("the folder is ours");
        std::fs::write(run.join("run.json"), "{}").expect("the folder is ours");
        let moved = folder.path().join("moved");
        let curves = Curves { folder: Some(&moved), known: BTreeMap::new() };
        assert_eq!(curves.place("/gone/of/ab/A/01"), Some(run.clone()));
        assert_eq!(curves.place(&run.display().to_string()), Some(run));
        for none in ["/gone/A/02", "..", "/", ""] {
            assert_eq!(curves.place(none), None, "{none}");
        }
        let compared = ComparedRun {
            run: "/gone/A/01".to_owned(),
            started: String::new(),
            validity: String::new(),
            excluded: None,
        };
        assert!(curves.document(&compared).is_err(), "its document is damaged");
    }
}
