//! `uringbench serve`: the stored results in a browser, until the command is interrupted.
//!
//! Nothing but the history's index is written, and no path comes from an address: runs are found
//! by the IDs that the history has, other results by those of the folders where they lie.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::io;
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

use super::history::note_left_out;
use super::report::{DOCUMENTS, Kind, comparison_page, page_of};
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
    // A history that is missing is made now, not while somebody waits for the list.
    let history = History::open_existing(&place.root).map_err(anyhow::Error::new)?;
    note_left_out(history.as_ref().map(History::left_out).unwrap_or_default());
    drop(history);
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
        let history = self.history()?;
        let failed = anyhow::Error::new;
        let with = match query.with.as_str() {
            "" => None,
            id => history.find(id).map_err(failed)?,
        };
        let of_all = ShelfQuery { with: String::new(), page: query.page, ..ShelfQuery::default() };
        let is_all = ShelfQuery { with: String::new(), ..query.clone() } == of_all;
        let first = query.page.saturating_mul(SHELF_ROWS);
        let (runs, total) = match is_all {
            // Of many runs only those of the page are read.
            true => {
                let (limit, skip) = (Some(SHELF_ROWS as u64), first as u64);
                let filter = HistoryFilter { limit, skip, ..HistoryFilter::default() };
                (history.list(&filter).map_err(failed)?, history.count().map_err(failed)?)
            }
            false => {
                let find = query.find.to_lowercase();
                let mut runs = history.list(&HistoryFilter::default()).map_err(failed)?;
                runs.retain(|run| is_wanted(run, query, &find));
                let total = runs.len();
                (runs.into_iter().skip(first).take(SHELF_ROWS).collect(), total)
            }
        };
        let is_first = is_all && query.page == 0;
        let found = if is_first { self.others(&history)? } else { Others::default() };
        Ok(shelf(&Shelf {
            root: &self.place.root.display().to_string(),
            runs: &runs,
            total,
            query,
            with: with.as_ref(),
            others: &found.results,
            unread: &found.unread,
        }))
    }

    fn others(&self, history: &History) -> Result<Others, Failure> {
        let runs = history.folders().map_err(anyhow::Error::new)?;
        Ok(others(&self.place.root, &runs))
    }

    fn run(&self, id: &str) -> Result<String, Failure> {
        let (_, folder) = self.entry(id)?;
        Ok(with_way_back(page_of(&folder)?, "../"))
    }

    fn result(&self, id: &str) -> Result<String, Failure> {
        let all = self.others(&self.history()?)?.results;
        let found = all.into_iter().find(|other| other.id == id);
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
        Ok(with_way_back(comparison_page(&document, None), "./"))
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

/// Results that are no single runs.
#[derive(Debug, Default)]
struct Others {
    results: Vec<OtherResult>,
    /// Folders that cannot be looked into, each with the reason.
    unread: Vec<String>,
}

/// Suites, comparisons and searches for capacity below the folder, by their documents; links are
/// not followed. What lies inside of one, or of a run, belongs to it. The folders `runs` are known
/// to be runs: they are the most by far, and are not looked into.
fn others(root: &Path, runs: &BTreeSet<PathBuf>) -> Others {
    let mut all = Others::default();
    let mut waiting = VecDeque::from([(root.to_path_buf(), 0)]);
    let mut seen = 0;
    while let Some((folder, depth)) = waiting.pop_front() {
        seen += 1;
        if seen > FOLDERS_MAX || all.results.len() >= OTHERS_MAX {
            break;
        }
        let entries = fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = entries.unwrap_or_else(|why| {
            all.unread.push(format!("{}: {why}", folder.display()));
            Vec::new()
        });
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
                all.results.push(OtherResult { id, kind: kind.word(), folder: name });
            }
            None if depth < DEPTH_MAX => {
                let below = entries.iter().filter(|it| is(it, fs::FileType::is_dir));
                let below = below.map(fs::DirEntry::path).filter(|path| !runs.contains(path));
                waiting.extend(below.map(|path| (path, depth + 1)));
            }
            None => {}
        }
    }
    // Their folders are named by time.
    all.results.sort_by(|one, other| other.folder.cmp(&one.folder));
    all
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
        let found = |runs: &[&str]| {
            let runs = runs.iter().map(|run| root.join(run)).collect();
            let all = others(&root, &runs);
            assert_eq!(all.unread, Vec::<String>::new());
            all.results.into_iter().map(|it| (it.kind, it.folder)).collect::<Vec<_>>()
        };
        let both = [("comparison", "d".to_owned()), ("suite", "a/b/1".to_owned())];
        assert_eq!(found(&[]), both);
        assert_eq!(found(&["c"]), both, "what is known to be a run is not looked into");
        assert_eq!(found(&["a"]), both[..1]);
        let gone = others(&root.join("gone"), &BTreeSet::new());
        assert_eq!((gone.results.len(), gone.unread.len()), (0, 1));
        assert!(gone.unread[0].contains("gone: "), "{:?}", gone.unread);
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
