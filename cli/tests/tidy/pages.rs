//! The rules of the manual's pages: how long they are, their words, and that all can be found.

use crate::source::{Offence, Source, TREE};
use crate::{has_word, hold};

/// Where a newcomer begins; other pages are reached from there.
const FIRST_PAGE: &str = "README.md";
/// Made of the code, and looked up, not read: their length is that of what they list.
const GENERATED_PAGES: [&str; 4] = [
    "docs/reference/options.md",
    "docs/reference/result-json.md",
    "docs/reference/run-json.md",
    "docs/reference/scenario-fields.md",
];
/// Verbs of speech and literary turns, which no page and no source uses in place of the field's
/// words.
pub(crate) const MANNERED: [&str; 15] = [
    "again and again",
    "anew",
    "for want of",
    "heed",
    "held against",
    "judged",
    "judges",
    "judging",
    "mend",
    "mended",
    "of its own accord",
    "remedy",
    "so or so",
    "tells",
    "told",
];

const FIRST_PAGE_BYTES_MAX: usize = 8 * 1024;
const PAGE_BYTES_MAX: usize = 12 * 1024;

#[test]
fn pages_are_short() {
    let bytes = |count: usize| format!("{}\n", "x".repeat(count - 1));
    let bad = [
        (FIRST_PAGE, bytes(FIRST_PAGE_BYTES_MAX + 1)),
        ("docs/guide/x.md", bytes(PAGE_BYTES_MAX + 1)),
        ("CONTRIBUTING.md", bytes(PAGE_BYTES_MAX + 1)),
    ];
    let good = [
        (FIRST_PAGE, bytes(FIRST_PAGE_BYTES_MAX)),
        ("docs/guide/x.md", bytes(PAGE_BYTES_MAX)),
        (GENERATED_PAGES[0], bytes(PAGE_BYTES_MAX + 1)),
        ("docs/x.rs", bytes(PAGE_BYTES_MAX + 1)),
    ];
    hold(page_length, &bad, &good);
}

fn page_length(source: &Source) -> Vec<Offence> {
    let most = if source.path == FIRST_PAGE { FIRST_PAGE_BYTES_MAX } else { PAGE_BYTES_MAX };
    let bytes: usize = source.lines.iter().map(|line| line.text.len() + 1).sum();
    let is_free = GENERATED_PAGES.contains(&source.path.as_str());
    if !is_page(&source.path) || is_free || bytes <= most {
        return Vec::new();
    }
    vec![source.offence(0, format!("{bytes} bytes: {most} are enough, split it"))]
}

/// Whether a path is one of the manual's pages.
fn is_page(path: &str) -> bool {
    let is_of_docs = path.starts_with("docs/") && path.ends_with(".md");
    is_of_docs || [FIRST_PAGE, "CONTRIBUTING.md"].contains(&path)
}

#[test]
fn pages_use_the_field_s_words() {
    let bad = [("README.md", "What is told."), ("docs/x.md", "Heed it, and mend it: `told`.")];
    let good = [("docs/x.md", "Mending is reported."), ("CHANGELOG.md", "told")];
    hold(mannered_words, &bad, &good);
}

fn mannered_words(source: &Source) -> Vec<Offence> {
    source.offences(|line| {
        let text = line.text.to_lowercase();
        let found = MANNERED.into_iter().find(|word| has_word(&text, word));
        let found = found.filter(|_| is_page(&source.path))?;
        Some(format!("`{found}`: write report, fix, check, or name the thing"))
    })
}

#[test]
fn every_page_can_be_reached_from_the_first() {
    let page = |path: &str, text: &str| Source::new(path, text);
    let first = page("README.md", "[a](docs/guide/a.md#x) [out](https://x.y)");
    let second = page("docs/guide/a.md", "[b](../b.md), [up](../../README.md)");
    let (third, lone) = (page("docs/b.md", ""), page("docs/c.md", "[a](guide/a.md)"));
    let pages: Vec<_> = [first, second, third, lone].into();
    assert_eq!(unreached(&pages), ["docs/c.md"]);
    assert_eq!(unreached(&TREE), Vec::<&str>::new(), "link them from a page that is reached");
}

fn unreached(tree: &[Source]) -> Vec<&str> {
    let mut reached = vec![FIRST_PAGE.to_owned()];
    let mut at = 0;
    while at < reached.len() {
        let page = tree.iter().find(|source| source.path == reached[at]);
        for link in page.into_iter().flat_map(links) {
            if !reached.contains(&link) {
                reached.push(link);
            }
        }
        at += 1;
    }
    let pages = tree.iter().map(|source| source.path.as_str()).filter(|path| is_page(path));
    pages.filter(|path| !reached.iter().any(|link| link == path)).collect()
}

/// Where the links of a page lead, as paths from the root.
fn links(page: &Source) -> Vec<String> {
    let texts = page.lines.iter().map(|line| line.text.as_str());
    let links = texts.flat_map(|text| text.split("](").skip(1));
    let files = links.filter_map(|rest| rest.split([')', '#']).next());
    let folder = page.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    files.map(|file| joined(folder, file)).collect()
}

fn joined(folder: &str, file: &str) -> String {
    let mut parts: Vec<_> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in file.split('/') {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
