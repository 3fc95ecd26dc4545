//! The source tree as the rules read it: every file split into lines, every manifest into its
//! dependencies.
//!
//! It covers only the part of Rust's lexer and of TOML that the rules need: no nested block
//! comments, and each dependency on one line.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

/// A violation of a rule, and the fix.
pub(crate) struct Offence {
    pub(crate) place: String,
    pub(crate) what: String,
}

pub(crate) fn list(offences: &[Offence]) -> String {
    offences.iter().map(|offence| format!("{}: {}\n", offence.place, offence.what)).collect()
}

/// One file of the tree.
pub(crate) struct Source {
    /// Path from the root of the workspace.
    pub(crate) path: String,
    pub(crate) lines: Vec<Line>,
}

/// A line as written and, of Rust, its code (strings emptied) and its comment.
#[derive(Default)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) code: String,
    pub(crate) comment: String,
}

pub(crate) struct Dependency<'a> {
    pub(crate) name: &'a str,
    pub(crate) is_of_workspace: bool,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let lines = if path.ends_with(".rs") {
            Splitter::split(text)
        } else {
            text.lines().map(|text| Line { text: text.to_owned(), ..Line::default() }).collect()
        };
        Self { path: path.to_owned(), lines }
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// An offence at a line, counted from 0.
    pub(crate) fn offence(&self, line: usize, what: impl Into<String>) -> Offence {
        Offence { place: format!("{}:{}", self.path, line + 1), what: what.into() }
    }

    /// One offence for each line for which `look` returns one.
    pub(crate) fn offences(&self, look: impl Fn(&Line) -> Option<String>) -> Vec<Offence> {
        let lines = self.lines.iter().enumerate();
        lines.filter_map(|(at, line)| look(line).map(|what| self.offence(at, what))).collect()
    }

    /// The name of the package in a Cargo.toml.
    pub(crate) fn package_name(&self) -> Option<&str> {
        let mut lines = self.lines.iter().map(|line| line.text.trim());
        let is_manifest = self.path.ends_with("Cargo.toml");
        lines.find(|line| is_manifest && *line == "[package]")?;
        lines.find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
    }

    /// The dependencies of all kinds in a Cargo.toml, each with its line, counted from 0.
    pub(crate) fn dependencies(&self) -> impl Iterator<Item = (usize, Dependency<'_>)> {
        let mut section = "";
        self.lines.iter().enumerate().filter_map(move |(at, line)| {
            let text = line.text.trim();
            if text.starts_with('[') {
                section = text.trim_matches(['[', ']']);
                // `[dependencies.name]`: the keys that follow belong to this dependency.
                let (_, name) = section.rsplit_once("dependencies.")?;
                return Some((at, Dependency { name, is_of_workspace: false }));
            }
            let (key, value) = text.split_once('=')?;
            let name = key.trim().trim_end_matches(".workspace");
            let is_of_workspace = key.contains(".workspace") || value.contains("workspace = true");
            (section.ends_with("dependencies") && !text.starts_with('#'))
                .then_some((at, Dependency { name, is_of_workspace }))
        })
    }
}

/// Every file that people write, without build outputs.
pub(crate) static TREE: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    walk(&root, "", &mut found);
    assert!(found.len() > 50, "this is no walk over the workspace: {} files", found.len());
    found
});

fn walk(root: &Path, folder: &str, found: &mut Vec<Source>) {
    let entries = fs::read_dir(root.join(folder)).expect("a folder of the workspace is readable");
    let mut entries: Vec<_> = entries.map(|entry| entry.expect("an entry is readable")).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{folder}{name}");
        let ends = [".rs", ".toml", ".md", ".ci/run", ".ci/fuzz", "kernels/run", "kernels/init"];
        let is_written = ends.iter().any(|end| path.ends_with(end));
        if entry.path().is_dir() {
            // Cargo marks the output folders that it makes with this file.
            let is_output = entry.path().join("CACHEDIR.TAG").exists()
                || [".git", "results", "flamegraphs", "target"].contains(&path.as_str());
            if !is_output {
                walk(root, &format!("{path}/"), found);
            }
        } else if is_written {
            let text = fs::read_to_string(entry.path()).expect("a source is UTF-8");
            found.push(Source::new(&path, &text));
        }
    }
}

/// Separates code, strings and comments, as far as the rules need it.
struct Splitter<'a> {
    rest: &'a str,
    lines: Vec<Line>,
}

impl<'a> Splitter<'a> {
    fn split(text: &'a str) -> Vec<Line> {
        let mut splitter = Self { rest: text, lines: vec![Line::default()] };
        while let Some(next) = splitter.rest.chars().next() {
            splitter.token(next);
        }
        // There is no line after the last line end.
        if splitter.lines.last().is_some_and(|line| line.text.is_empty()) {
            splitter.lines.pop();
        }
        splitter.lines
    }

    fn token(&mut self, next: char) {
        let rest = self.rest;
        let upto = |end: Option<usize>| end.unwrap_or(rest.len());
        if rest.starts_with("//") {
            self.take(upto(rest.find('\n')), Kind::Comment);
        } else if rest.starts_with("/*") {
            self.take(upto(rest.find("*/").map(|at| at + 2)), Kind::Comment);
        } else if next == '"' {
            let code = &self.line().code;
            let before = code.trim_end_matches('#');
            // Only a prefix can touch a quote: `r`, `br`, `cr`.
            let body = if before.ends_with('r') {
                let end = format!("\"{}", &code[before.len()..]);
                rest[1..].find(&end).map(|at| at + end.len())
            } else {
                closing(&rest[1..], '"').map(|at| at + 1)
            };
            self.take(upto(body.map(|at| at + 1)), Kind::Literal);
        } else if next == '\'' && is_letter(&rest[1..]) {
            self.take(upto(closing(&rest[1..], '\'').map(|at| at + 2)), Kind::Literal);
        } else {
            self.take(next.len_utf8(), Kind::Code);
        }
    }

    fn take(&mut self, bytes: usize, kind: Kind) {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        for letter in taken.chars() {
            if letter == '\n' {
                self.lines.push(Line::default());
                continue;
            }
            self.line().text.push(letter);
            match kind {
                Kind::Code => self.line().code.push(letter),
                Kind::Comment => self.line().comment.push(letter),
                Kind::Literal => {}
            }
        }
    }

    fn line(&mut self) -> &mut Line {
        self.lines.last_mut().expect("there is always a line")
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// The end of a literal, with escapes skipped.
fn closing(body: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    body.char_indices().find_map(|(at, letter)| {
        let is_end = letter == quote && !is_escaped;
        is_escaped = letter == '\\' && !is_escaped;
        is_end.then_some(at)
    })
}

/// Whether a character literal follows the `'`, rather than the name of a lifetime.
fn is_letter(rest: &str) -> bool {
    rest.starts_with('\\') || rest.chars().nth(1) == Some('\'')
}
