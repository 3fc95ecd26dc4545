//! The pages as the tests read them: blocks, spans, links, headings, table rows.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// One page.
pub(crate) struct Page {
    /// Path from the root of the tree.
    pub(crate) path: String,
    pub(crate) text: String,
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// README, CONTRIBUTING and all pages in `docs`.
pub(crate) fn all() -> Vec<Page> {
    let mut pages = vec![Page::read("README.md"), Page::read("CONTRIBUTING.md")];
    below("docs", &mut pages);
    assert!(pages.len() > 15, "these are not all the pages: {}", pages.len());
    pages
}

fn below(folder: &str, pages: &mut Vec<Page>) {
    let entries = fs::read_dir(root().join(folder)).expect("a folder of pages is readable");
    let mut entries: Vec<_> = entries.map(|entry| entry.expect("an entry is readable")).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            below(&path, pages);
        } else if path.ends_with(".md") {
            pages.push(Page::read(&path));
        }
    }
}

impl Page {
    pub(crate) fn read(path: &str) -> Self {
        let text = fs::read_to_string(root().join(path));
        let text = text.unwrap_or_else(|error| panic!("{path}: {error}"));
        Self { path: path.to_owned(), text }
    }

    /// Fenced blocks: the text after the fence, and the content.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = (&str, &str)> {
        let fenced = self.text.split("```").skip(1).step_by(2);
        fenced.filter_map(|block| block.split_once('\n'))
    }

    /// The lines of its `sh` blocks, with continued lines joined and comments removed.
    pub(crate) fn commands(&self) -> Vec<String> {
        let blocks = self.blocks().filter(|(mark, _)| *mark == "sh");
        let joined: Vec<_> = blocks.map(|(_, block)| block.replace("\\\n", " ")).collect();
        let lines = joined.iter().flat_map(|block| block.lines());
        let lines = lines.map(|line| line.split(" # ").next().unwrap_or(line).trim());
        lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
    }

    /// Inline code between backquotes, except in blocks.
    pub(crate) fn spans(&self) -> impl Iterator<Item = &str> {
        let prose = self.text.split("```").step_by(2);
        prose.flat_map(|prose| prose.split('`').skip(1).step_by(2))
    }

    /// The targets of its links, except to other sites.
    pub(crate) fn links(&self) -> impl Iterator<Item = &str> {
        let prose = self.text.split("```").step_by(2);
        let links = prose.flat_map(|prose| prose.split("](").skip(1));
        links.filter_map(|rest| rest.split(')').next()).filter(|link| !link.starts_with("http"))
    }

    /// The file a link leads to, and the heading in it.
    pub(crate) fn target(&self, link: &str) -> (PathBuf, Option<String>) {
        let (file, anchor) = link.split_once('#').map_or((link, None), |(f, a)| (f, Some(a)));
        let folder = Path::new(&self.path).parent().unwrap_or_else(|| Path::new(""));
        let path = match file {
            "" => PathBuf::from(&self.path),
            file => folder.join(file),
        };
        (root().join(path), anchor.map(str::to_owned))
    }

    /// The anchors of its headings.
    pub(crate) fn anchors(&self) -> BTreeSet<String> {
        let prose = self.text.split("```").step_by(2).collect::<String>();
        prose.lines().filter(|line| line.starts_with('#')).map(anchor).collect()
    }

    /// The first cells of the tables below a heading that contain only code.
    pub(crate) fn listed(&self, heading: &str) -> BTreeSet<&str> {
        let (_, section) = self.text.split_once(heading).expect("the page has this heading");
        let section = section.split("\n## ").next().unwrap_or(section);
        let cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
        cells.map(|(code, _)| code).filter(|code| !code.contains('`')).collect()
    }
}

/// The anchor of a heading.
pub(crate) fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// Compares a generated page with the tree's; with `UPDATE_DOCS=1` writes it first.
pub(crate) fn is_up_to_date(path: &str, text: &str) {
    let file = root().join(path);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, text).expect("the page can be written");
    }
    let page = fs::read_to_string(&file).unwrap_or_default();
    assert!(page == text, "{path} is not up to date: run this test with UPDATE_DOCS=1");
}
