//! The list of stored results: one row for each run, links to what belongs together, and a field
//! to find a run. It has no script: what is chosen stands in its address.

mod query;

use maud::{Markup, html};
use uringbench_core::summary::plural;
use uringbench_document::history::HistoryEntry;
use uringbench_report::history::figure;

pub use query::{ShelfQuery, field};

use self::query::encoded;
use crate::foreign::Foreign;
use crate::run::Tone;
use crate::shell;
use crate::table::heads;

/// Rows of a page.
pub const SHELF_ROWS: usize = 100;
/// Folders that cannot be looked into, as far as they are named.
const UNREAD_SHOWN: usize = 10;
/// Digits of a commit that are shown.
const HASH: usize = 8;

/// The figures of a row: their heads and names.
const FIGURES: [(&str, &str); 6] = [
    ("rate", "rate_completed"),
    ("p50", "response_p50_ns"),
    ("p99", "response_p99_ns"),
    ("time", "time_mean_ns"),
    ("CPU/request", "target_cpu_us_per_request"),
    ("errors", "error_share"),
];

/// A result that is no single run: a suite, a comparison, a search for capacity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherResult {
    /// Its ID, for its address.
    pub id: String,
    /// `suite`, `capacity` or `comparison`.
    pub kind: &'static str,
    /// Its folder, below the folder of the results.
    pub folder: String,
}

/// What the list shows.
#[derive(Clone, Copy, Debug)]
pub struct Shelf<'a> {
    /// The folder of the results.
    pub root: &'a str,
    /// The runs of this page, newest first, [`SHELF_ROWS`] at most.
    pub runs: &'a [HistoryEntry],
    /// All runs that fit the query.
    pub total: usize,
    /// What was asked for.
    pub query: &'a ShelfQuery,
    /// The run that others are compared with.
    pub with: Option<&'a HistoryEntry>,
    /// Other results; none on further pages, and none if runs are looked for.
    pub others: &'a [OtherResult],
    /// Folders that cannot be looked into, each with the reason.
    pub unread: &'a [String],
}

/// The list as a page.
pub fn shelf(shelf: &Shelf<'_>) -> String {
    let body = html! {
        main {
            header.verdict {
                h1 { "Results in " (Foreign(shelf.root)) }
                p.what { (plural(shelf.total as u64, "run")) (chosen(shelf)) }
            }
            (search(shelf.query))
            @if let Some(with) = shelf.with { (comparing(shelf.query, with)) }
            (runs(shelf))
            (turning(shelf))
            (others(shelf.others))
            (unread(shelf.unread))
        }
    };
    shell::browsed(&format!("Results in {}", shelf.root), &body)
}

/// Why there is no page.
pub fn no_page(why: &str) -> String {
    let body = html! {
        main {
            header.verdict.doubtful {
                h1 { span.word { (Tone::Doubtful.sign()) " There is nothing to show" } }
                p.because { (Foreign(why)) }
            }
        }
    };
    shell::browsed("There is nothing to show", &body)
}

/// A page of a result, with a way back to the list at this relative reference.
pub fn with_way_back(mut page: String, list: &str) -> String {
    const BODY: &str = "<body>";
    let way = html! { nav.way { a href=(list) { "← All results" } } };
    if let Some(at) = page.find(BODY) {
        page.insert_str(at + BODY.len(), &way.into_string());
    }
    page
}

/// What the list is limited to, each with a link that lifts it.
fn chosen(shelf: &Shelf<'_>) -> Markup {
    let words = shelf.query.words();
    html! {
        @for (name, value) in words.into_iter().filter(|(name, _)| *name != "with") {
            " · " (name) " " strong { (Foreign(value)) } " "
            a href=(without(shelf.query, name)) { "(lift)" }
        }
    }
}

fn without(query: &ShelfQuery, name: &str) -> String {
    let mut query = ShelfQuery { page: 0, ..query.clone() };
    if let Some(field) = query.field(name) {
        field.clear();
    }
    query.to_string()
}

fn search(query: &ShelfQuery) -> Markup {
    html! {
        form.find method="get" action="./" role="search" {
            @for (name, value) in query.words().into_iter().filter(|(name, _)| *name != "find") {
                input type="hidden" name=(name) value=(value);
            }
            label { "Name, target, tag, branch or commit "
                input type="search" name="find" value=(query.find);
            }
            " " button { "Find" }
        }
    }
}

fn comparing(query: &ShelfQuery, with: &HistoryEntry) -> Markup {
    html! {
        p.missing {
            "Compare a run with " strong { (Foreign(&with.benchmark_name)) } " of "
            (Foreign(&with.timestamp)) ": choose it below, or "
            a href=(without(query, "with")) { "compare none" } "."
        }
    }
}

fn runs(shelf: &Shelf<'_>) -> Markup {
    if shelf.runs.is_empty() {
        return html! { p.nothing { "No run is stored here, or none fits." } };
    }
    let has = |name: &str| shelf.runs.iter().any(|run| run.figure(name).is_some());
    let figures: Vec<_> = FIGURES.into_iter().filter(|(_, name)| has(name)).collect();
    let names = ["began", "run", "target", "verdict"];
    let names = names.into_iter().chain(figures.iter().map(|(head, _)| *head));
    let names: Vec<_> = names.chain(["commit", "tags", ""]).collect();
    html! {
        h2 { "Runs" }
        div.wide {
            table.shelf {
                (heads(&names))
                tbody { @for run in shelf.runs { (row(shelf, run, &figures)) } }
            }
        }
    }
}

fn row(shelf: &Shelf<'_>, run: &HistoryEntry, figures: &[(&str, &str)]) -> Markup {
    let query = ShelfQuery { page: 0, ..shelf.query.clone() };
    let only = |change: &dyn Fn(&mut ShelfQuery)| {
        let mut query = query.clone();
        change(&mut query);
        query.to_string()
    };
    let tone = match run.validity.as_str() {
        "valid" => Tone::Good,
        "suspect" => Tone::Doubtful,
        _ => Tone::Bad,
    };
    let commit = run.commit_sha.as_deref().unwrap_or_default();
    let commit = commit.get(..HASH).unwrap_or(commit);
    let of_target = only(&|it| it.target.clone_from(&run.target));
    let of_verdict = only(&|it| it.verdict.clone_from(&run.validity));
    // What other programs measured has no document of a run.
    let has_page = !run.folder.is_empty() && run.figure("time_mean_ns").is_none();
    let page = has_page.then(|| format!("run/{}", encoded(&run.run_id)));
    let began = run.timestamp.get(..19).unwrap_or(&run.timestamp).replace('T', " ");
    html! {
        tr {
            th scope="row" { (Foreign(&began)) }
            td {
                @match page {
                    Some(page) => { a href=(page) { (Foreign(&run.benchmark_name)) } }
                    None => { (Foreign(&run.benchmark_name)) }
                }
            }
            td { a href=(of_target) { (Foreign(&run.target)) } }
            td class=(tone.class()) {
                (tone.sign()) " " a href=(of_verdict) { (Foreign(&run.validity)) }
            }
            @for (_, name) in figures {
                td { (run.figure(name).map(|value| figure(name, value)).unwrap_or_default()) }
            }
            td { (Foreign(commit)) }
            td {
                @for tag in &run.tags {
                    a href=(only(&|it| it.tag.clone_from(tag))) { (Foreign(tag)) } " "
                }
            }
            td {
                @if has_page { (comparison(shelf, run)) " · " }
                a href=(format!("trend?name={}", encoded(&run.benchmark_name))) { "trend" }
            }
        }
    }
}

/// The way to a comparison with a run.
fn comparison(shelf: &Shelf<'_>, run: &HistoryEntry) -> Markup {
    html! {
        @match shelf.with {
            Some(with) if with.run_id == run.run_id => { "compared" }
            Some(with) => { a href=(compared(with, run)) { "compare" } }
            None => {
                @let with = run.run_id.clone();
                @let chosen = ShelfQuery { page: 0, with, ..shelf.query.clone() };
                a href=(chosen) { "compare…" }
            }
        }
    }
}

/// Where two runs are compared, the first being the one before.
fn compared(with: &HistoryEntry, run: &HistoryEntry) -> String {
    format!("compare?a={}&b={}", encoded(&with.run_id), encoded(&run.run_id))
}

/// Links to newer and older runs.
fn turning(shelf: &Shelf<'_>) -> Markup {
    let page = shelf.query.page;
    let last = shelf.total.saturating_sub(1) / SHELF_ROWS;
    let turned = |page| ShelfQuery { page, ..shelf.query.clone() }.to_string();
    html! {
        @if last > 0 {
            p.what {
                "Page " (page + 1) " of " (last + 1)
                @if page > 0 { " · " a href=(turned(page - 1)) { "newer" } }
                @if page < last { " · " a href=(turned(page + 1)) { "older" } }
            }
        }
    }
}

fn others(others: &[OtherResult]) -> Markup {
    html! {
        @if !others.is_empty() {
            h2 { "Suites, comparisons, capacities" }
            ul {
                @for other in others {
                    li {
                        (other.kind) " "
                        a href=(format!("result/{}", encoded(&other.id))) {
                            (Foreign(&other.folder))
                        }
                    }
                }
            }
        }
    }
}

/// What may be missing above.
fn unread(folders: &[String]) -> Markup {
    html! {
        @if !folders.is_empty() {
            h2 { "Not looked into" }
            p {
                "Results in these folders are missing above: change their permissions, then "
                code { "uringbench history rebuild" } " adds runs."
            }
            ul {
                @for folder in folders.iter().take(UNREAD_SHOWN) {
                    li.missing { (Foreign(folder)) }
                }
                @if folders.len() > UNREAD_SHOWN {
                    li { "and " (plural((folders.len() - UNREAD_SHOWN) as u64, "other folder")) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
