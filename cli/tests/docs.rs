//! Checks the pages against the program: their commands run, and their options, links, keys and
//! codes exist.
//!
//! Each page with `sh` blocks is a separate test, so that they run in parallel. A block marked `sh
//! skip` is only for people: it needs other programs, or servers that run until stopped.

#[path = "docs/commands.rs"]
mod commands;
#[path = "docs/fields.rs"]
mod fields;
#[path = "docs/keys.rs"]
mod keys;
#[path = "docs/pages.rs"]
mod pages;
#[path = "runs/support/mod.rs"]
#[expect(dead_code, reason = "what pages show needs few of the servers")]
mod support;

use std::collections::BTreeSet;
use std::path::Path;

use commands::{Target, uringbench};
use pages::{Page, all, root};

/// A test for each page with commands.
macro_rules! pages_with_commands {
    ($($name:ident: $path:literal,)*) => {
        const WITH_COMMANDS: &[&str] = &[$($path),*];
        $(
            #[test]
            fn $name() {
                commands::work($path);
            }
        )*
    };
}

pages_with_commands! {
    commands_of_readme_work: "README.md",
    commands_of_capacity_work: "docs/guide/capacity.md",
    commands_of_chaos_work: "docs/guide/chaos.md",
    commands_of_ci_work: "docs/guide/ci.md",
    commands_of_closed_open_loop_work: "docs/guide/closed-open-loop.md",
    commands_of_comparing_work: "docs/guide/comparing.md",
    commands_of_connections_work: "docs/guide/connections.md",
    commands_of_grpc_work: "docs/guide/grpc.md",
    commands_of_history_work: "docs/guide/history.md",
    commands_of_import_work: "docs/guide/import.md",
    commands_of_leaks_work: "docs/guide/leaks.md",
    commands_of_live_work: "docs/guide/live.md",
    commands_of_profiling_work: "docs/guide/profiling.md",
    commands_of_protocols_work: "docs/guide/protocols.md",
    commands_of_reports_work: "docs/guide/reports.md",
    commands_of_scenarios_work: "docs/guide/scenarios.md",
    commands_of_suites_work: "docs/guide/suites.md",
    commands_of_formats_work: "docs/reference/formats.md",
}

#[test]
fn every_page_with_commands_is_run() {
    let pages = all();
    let with_commands = pages.iter().filter(|page| !page.commands().is_empty());
    let with_commands: Vec<_> = with_commands.map(|page| page.path.as_str()).collect();
    assert_eq!(with_commands, WITH_COMMANDS, "name each page in `pages_with_commands`");
}

#[test]
fn every_option_is_one_of_the_help() {
    let mut help = String::new();
    read_help(&[], &mut help);
    let options = options(&help);
    for known in ["--rate", "-R", "--origin", "--dose", "--error-rate"] {
        assert!(options.contains(known), "{known}: {options:?}");
    }
    for page in all() {
        let spans = page.spans();
        let spans = spans.filter(|span| span.starts_with('-') || span.starts_with("uringbench"));
        let unknown: Vec<_> =
            spans.flat_map(self::options).filter(|option| !options.contains(option)).collect();
        assert!(unknown.is_empty(), "{} names options that do not exist: {unknown:?}", page.path);
    }
}

#[test]
fn every_link_and_every_file_leads_somewhere() {
    for page in all() {
        let links = page.links().filter(|link| {
            let (file, anchor) = page.target(link);
            let has_anchor = |anchor: String| {
                let text = std::fs::read_to_string(&file).unwrap_or_default();
                Page { path: String::new(), text }.anchors().contains(&anchor)
            };
            !file.exists() || anchor.is_some_and(|anchor| !has_anchor(anchor))
        });
        let files = page.spans().filter(|span| {
            let is_file = [".rs", ".md", ".toml", "/"].iter().any(|end| span.ends_with(end));
            is_file && span.contains('/') && !span.starts_with('/') && !span.contains(is_no_path)
        });
        let files = files.filter(|file| !root().join(file).exists());
        let gone: Vec<_> = links.chain(files).collect();
        assert!(gone.is_empty(), "{} names things that are not there: {gone:?}", page.path);
    }
}

const fn is_no_path(letter: char) -> bool {
    matches!(letter, '<' | ' ' | ':' | '*' | '{' | '…')
}

#[test]
fn reasons_of_the_verdict_are_those_of_the_page() {
    let folder = root().join("engine/core/src/validity");
    let files = std::fs::read_dir(folder.join("rules")).expect("the rules are there");
    let files = files.map(|file| file.expect("a folder can be listed").path());
    let rules: String = std::iter::once(folder.join("rules.rs"))
        .chain(files)
        .map(|file| std::fs::read_to_string(file).expect("rules are text"))
        .collect();
    let codes: BTreeSet<_> = ["suspect(\"", "invalid(\"", "stolen(\""]
        .iter()
        .flat_map(|call| rules.split(call).skip(1))
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(codes.len() > 20, "these are not all the rules: {codes:?}");
    let page = Page::read("docs/guide/reading-results.md");
    assert_eq!(page.listed("## Verdict reasons"), codes, "{}", page.path);
}

#[test]
fn documents_have_no_keys_beside_those_of_the_page() {
    let target = Target::start(&["target"]);
    let folder = tempfile::tempdir().expect("the machine has room for a folder");
    let pid = target.child.id().to_string();
    let load = ["--json", "-q", "-d", "300ms", "--cores", "1", "-R", "1k", "--profile", &pid];
    for (name, words) in [
        (keys::RUN, [&load[..], &[target.url.as_str()]].concat()),
        (keys::RUN, [&["soak"][..], &load, &[target.url.as_str()]].concat()),
        (keys::PROFILE, vec!["profile", "--json", "-d", "300ms", "-o", "first", &pid]),
        (keys::PROFILE, vec!["profile", "--json", "--read", "first"]),
    ] {
        let output = uringbench(folder.path()).args(&words).output().expect("the binary starts");
        let document = serde_json::from_slice(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        keys::no_other_keys(name, &document.unwrap_or_else(|_| panic!("{words:?}: {stderr}")));
    }
}

/// Adds the help of a command and of all its subcommands, as the help lists them.
fn read_help(words: &[&str], help: &mut String) {
    let output = uringbench(Path::new(".")).args(words).arg("--help").output();
    let text = String::from_utf8(output.expect("the binary starts").stdout);
    let text = text.expect("help is UTF-8");
    let listed = text.split("\nCommands:\n").nth(1).and_then(|rest| rest.split("\n\n").next());
    for line in listed.into_iter().flat_map(str::lines) {
        // Continuation lines are indented further.
        let name = line.strip_prefix("  ").filter(|line| !line.starts_with(' '));
        if let Some(name) = name.and_then(|line| line.split(' ').next()) {
            read_help(&[words, &[name]].concat(), help);
        }
    }
    help.push_str(&text);
}

/// `-x` and `--long` options in a text, without their values.
fn options(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| c.is_whitespace() || "[],|=(`)".contains(c));
    let is_option = |word: &&str| {
        let name = word.trim_start_matches('-');
        let dashes = word.len() - name.len();
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        is_name && (dashes == 2 || dashes == 1 && name.len() == 1)
    };
    words
        .map(|word| word.trim_end_matches([':', '.', ';']))
        .filter(is_option)
        .map(Into::into)
        .collect()
}
