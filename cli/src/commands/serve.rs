//! `uringbench serve`: the stored results in a browser, until the command is interrupted.
//!
//! Nothing but the history's index is written, and no path comes from an address: runs are found
//! by the IDs that the history has, other results by those of the folders where they lie.

use std::collections::VecDeque;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, anyhow};
use uringbench_decision::{ComparisonSettings, TrendOptions, trend};
use uringbench_document::fingerprint;
use uringbench_document::history::HistoryEntry;
use uringbench_live::{Page, PageServer, Pages};
use uringbench_page::shelf::{
    OtherResult, SHELF_ROWS, Shelf, ShelfQuery, field, no_page, shelf, with_way_back,
};
use uringbench_store::{History, HistoryFilter, StoredRun};

use super::report::{DOCUMENTS, Kind, page_of};
use super::trend::usual_figure;
use crate::args::ServeArgs;
use crate::comparing;
use crate::console;
use crate::exit::{Exit, Failure};
use crate::live::LiveAddress;
use crate::store_place::StorePlace;

/// Days before the newest run over which a slope is fitted.
const TREND_DAYS: f64 = 30.0;
/// Folders are looked at so far below that of the results, as for the history.
const DEPTH_MAX: usize = 12;
/// Folders that are looked at, at most.
const FOLDERS_MAX: usize = 50_000;
/// Results other than runs that are listed, at most.
const OTHERS_MAX: usize = 500;
/// Listen, say where, and answer until interrupted.
pub(crate) fn execute(args: &ServeArgs) -> Result<Exit, Failure> {
    let place = StorePlace::of(args.dir.as_slice())?;
    let cannot = |why: String| Err(Failure::CannotRun(anyhow!(why)));
    if place.database.is_some() {
        return cannot("a folder is shown, not a database: name that of the results".to_owned());
    }
    if !place.root.is_dir() {
        let root = place.root.display();
        return cannot(format!("there is no folder {root}: name that of the results"));
    }
    let any_port = LiveAddress(SocketAddr::from(([127, 0, 0, 1], 0)));
    let address = args.listen.unwrap_or(any_port);
    let results = Results { place, turn: Mutex::new(()) };
    let server = PageServer::start(address.0, results).context("no results are shown")?;
    if let Some(warning) = address.warning("all results") {
        console::note(&warning);
    }
    console::print(&format!("results at {}\n", server.url()))?;
    console::flush();
    loop {
        std::thread::park();
    }
}

/// The results of a folder.
struct Results {
    place: StorePlace,
    /// Pages are made one at a time: documents of one are in memory.
    turn: Mutex<()>,
}

impl Pages for Results {
    fn page(&self, path: &str, query: &str) -> Page {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let made = match path.split_once('/') {
            None if path.is_empty() => self.list(&ShelfQuery::parse(query)),
            None if path == "compare" => self.compared(query),
            None if path == "trend" => self.trend(query),
            Some(("run", id)) => self.run(id),
            Some(("result", id)) => self.result(id),
            _ => Err(nothing("the address is not one of this server")),
        };
        made.map_or_else(|why| Page::Missing(no_page(&why.to_string())), Page::Found)
    }
}

fn nothing(why: &'static str) -> Failure {
    Failure::CannotRun(anyhow!(why))
}

impl Results {
    fn history(&self) -> Result<History, Failure> {
        let history = History::open_existing(&self.place.root).map_err(anyhow::Error::new)?;
        history.ok_or_else(|| nothing("the folder of the results is gone"))
    }

    /// A run of the history.
    fn entry(&self, id: &str) -> Result<(HistoryEntry, PathBuf), Failure> {
        let history = self.history()?;
        let entry = history.find(id).map_err(anyhow::Error::new)?;
        // Rows of other programs have no folder.
        let entry = entry.filter(|it| !it.folder.is_empty());
        let entry = entry.ok_or_else(|| nothing("no run has this number: it may be deleted"))?;
        let folder = history.folder_of(&entry);
        Ok((entry, folder))
    }

    fn list(&self, query: &ShelfQuery) -> Result<String, Failure> {
        let runs = self.history()?.list(&HistoryFilter::default()).map_err(anyhow::Error::new)?;
        let with = runs.iter().find(|run| run.run_id == query.with).cloned();
        let find = query.find.to_lowercase();
        let fitting: Vec<HistoryEntry> =
            runs.into_iter().filter(|run| is_wanted(run, query, &find)).collect();
        let first = query.page.saturating_mul(SHELF_ROWS).min(fitting.len());
        let last = first.saturating_add(SHELF_ROWS).min(fitting.len());
        let is_whole = ShelfQuery { with: String::new(), ..query.clone() } == ShelfQuery::default();
        let others = if is_whole { others(&self.place.root) } else { Vec::new() };
        Ok(shelf(&Shelf {
            root: &self.place.root.display().to_string(),
            runs: &fitting[first..last],
            total: fitting.len(),
            query,
            with: with.as_ref(),
            others: &others,
        }))
    }

    fn run(&self, id: &str) -> Result<String, Failure> {
        let (_, folder) = self.entry(id)?;
        Ok(with_way_back(page_of(&folder)?, "../"))
    }

    fn result(&self, id: &str) -> Result<String, Failure> {
        let found = others(&self.place.root).into_iter().find(|other| other.id == id);
        let found = found.ok_or_else(|| nothing("this result is not there: it may be deleted"))?;
        Ok(with_way_back(page_of(&self.place.root.join(found.folder))?, "../"))
    }

    /// Two runs: `a` is the one before.
    fn compared(&self, query: &str) -> Result<String, Failure> {
        let mut groups = Vec::new();
        for wanted in ["a", "b"] {
            let (entry, folder) = self.entry(&field(query, wanted))?;
            let run = StoredRun::open(&folder).context("there is nothing to compare")?;
            let label = format!("{} of {}", entry.benchmark_name, entry.timestamp);
            let runs = [(run.folder.display().to_string(), run.document)];
            groups.push(comparing::group(&label, &runs));
        }
        let document = comparing::compared(&self.place, &groups, ComparisonSettings::default())?;
        Ok(with_way_back(uringbench_page::comparison(&document), "./"))
    }

    fn trend(&self, query: &str) -> Result<String, Failure> {
        let name = field(query, "name");
        let filter = HistoryFilter::default();
        let mut runs = self.history()?.list(&filter).map_err(anyhow::Error::new)?;
        runs.retain(|run| run.benchmark_name == name);
        // Oldest first.
        runs.reverse();
        let newest = runs.last().ok_or_else(|| nothing("no run has this name"))?;
        let options = TrendOptions { figure: usual_figure(newest), window_days: TREND_DAYS };
        let document = trend(runs, options);
        Ok(with_way_back(uringbench_page::trend(&document), "./"))
    }
}

/// Whether a run fits the query, whose words to find are `find` in lower case.
fn is_wanted(run: &HistoryEntry, query: &ShelfQuery, find: &str) -> bool {
    let is_it = |wanted: &str, text: &str| wanted.is_empty() || wanted == text;
    let named = [&run.benchmark_name, &run.target, &run.scenario];
    let mut texts = named.into_iter().chain(&run.branch).chain(&run.commit_sha).chain(&run.tags);
    is_it(&query.target, &run.target)
        && is_it(&query.verdict, &run.validity)
        && (query.tag.is_empty() || run.tags.contains(&query.tag))
        && (find.is_empty() || texts.any(|text| text.to_lowercase().contains(find)))
}

/// Suites, comparisons and searches for capacity below the folder, by their documents; links are
/// not followed. What lies inside of one, or of a run, belongs to it.
fn others(root: &Path) -> Vec<OtherResult> {
    let mut found = Vec::new();
    let mut waiting = VecDeque::from([(root.to_path_buf(), 0)]);
    let mut seen = 0;
    while let Some((folder, depth)) = waiting.pop_front() {
        seen += 1;
        if seen > FOLDERS_MAX || found.len() >= OTHERS_MAX {
            break;
        }
        let entries: Vec<_> = fs::read_dir(&folder).into_iter().flatten().flatten().collect();
        let is = |entry: &fs::DirEntry, is_kind: fn(&fs::FileType) -> bool| {
            entry.file_type().is_ok_and(|kind| is_kind(&kind))
        };
        let has = |name: &str| {
            entries.iter().any(|it| it.file_name() == name && is(it, fs::FileType::is_file))
        };
        match DOCUMENTS.into_iter().find(|(file, _)| has(file)) {
            Some((_, Kind::Run)) => {}
            Some((_, kind)) => {
                let name = folder.strip_prefix(root).unwrap_or(&folder).display().to_string();
                let id = fingerprint([name.as_str()]);
                found.push(OtherResult { id, kind: kind.word(), folder: name });
            }
            None if depth < DEPTH_MAX => {
                let below = entries.iter().filter(|it| is(it, fs::FileType::is_dir));
                waiting.extend(below.map(|entry| (entry.path(), depth + 1)));
            }
            None => {}
        }
    }
    // Their folders are named by time.
    found.sort_by(|one, other| other.folder.cmp(&one.folder));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_results_are_found_by_their_documents_and_not_through_links() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("results");
        for (path, file) in [
            ("a/b/1", "suite.json"),
            ("a/b/1/inner", "capacity.json"),
            ("c", "run.json"),
            ("d", "comparison.json"),
        ] {
            fs::create_dir_all(root.join(path)).expect("the folder is ours");
            fs::write(root.join(path).join(file), "{}").expect("the folder is ours");
        }
        let outside = folder.path().join("outside");
        fs::create_dir_all(&outside).expect("the folder is ours");
        fs::write(outside.join("suite.json"), "{}").expect("the folder is ours");
        std::os::unix::fs::symlink(&outside, root.join("link")).expect("a link");
        let found: Vec<_> = others(&root).into_iter().map(|it| (it.kind, it.folder)).collect();
        assert_eq!(found, [("comparison", "d".to_owned()), ("suite", "a/b/1".to_owned())]);
    }

    #[test]
    fn a_run_is_found_by_any_of_its_words() {
        let run = HistoryEntry {
            benchmark_name: "GET /Home".to_owned(),
            tags: vec!["nightly".to_owned()],
            validity: "valid".to_owned(),
            ..HistoryEntry::default()
        };
        for (text, expected) in [
            ("", true),
            ("find=home", true),
            ("find=NIGHT&verdict=valid", true),
            ("tag=night", false),
            ("tag=nightly", true),
            ("find=elsewhere", false),
            ("verdict=suspect", false),
            ("find=valid", false),
        ] {
            let query = ShelfQuery::parse(text);
            let find = query.find.to_lowercase();
            assert_eq!(is_wanted(&run, &query, &find), expected, "{text}");
        }
    }
}
