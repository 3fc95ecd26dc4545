//! The house rules, held over every file of the workspace.
//!
//! One test per rule. Each first shows on samples that the rule can fail, then names every
//! offence in the tree as file:line and what to do. What a sentence means is left to reviewers;
//! types, lints and layout are left to rustc, clippy and rustfmt.

#[path = "tidy/hidden.rs"]
mod hidden;
#[path = "tidy/owners.rs"]
mod owners;
#[path = "tidy/pages.rs"]
mod pages;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/words.rs"]
mod words;

use source::{Offence, Source, TREE, list};

/// Which of our crates a crate may depend on, for its tests too.
const EDGES: &[(&str, &[&str])] = &[
    ("uringbench-core", &[]),
    ("uringbench-ring", &[]),
    ("uringbench-engine", &["uringbench-core", "uringbench-ring"]),
    ("uringbench-machine", &["uringbench-core"]),
    ("uringbench-faults", &["uringbench-core", "uringbench-machine"]),
    ("uringbench-perf", &[]),
    ("uringbench-document", &["uringbench-core"]),
    ("uringbench-decision", &["uringbench-core", "uringbench-document"]),
    (
        "uringbench-profiler",
        &["uringbench-core", "uringbench-document", "uringbench-machine", "uringbench-perf"],
    ),
    ("uringbench-store", &["uringbench-core", "uringbench-document"]),
    ("uringbench-report", &["uringbench-core", "uringbench-document"]),
    ("uringbench-export", &["uringbench-core", "uringbench-document", "uringbench-report"]),
    ("uringbench-page", &["uringbench-core", "uringbench-document", "uringbench-report"]),
    (
        "uringbench-experiment",
        &[
            "uringbench-core",
            "uringbench-decision",
            "uringbench-document",
            "uringbench-engine",
            "uringbench-faults",
            "uringbench-machine",
            "uringbench-profiler",
            "uringbench-reference",
            "uringbench-scenario",
            "uringbench-store",
        ],
    ),
    ("uringbench-scenario", &["uringbench-core"]),
    ("uringbench-grpc", &["uringbench-core"]),
    ("uringbench-telemetry", &["uringbench-core", "uringbench-export"]),
    (
        "uringbench-live",
        &["uringbench-core", "uringbench-document", "uringbench-page", "uringbench-report"],
    ),
    ("uringbench-alerts", &["uringbench-core", "uringbench-export"]),
    ("uringbench-import", &["uringbench-core", "uringbench-scenario"]),
    ("uringbench-reference", &["uringbench-core", "uringbench-ring"]),
    ("uringbench-app", &[]),
    ("uringbench-peers", &["uringbench-ring"]),
    ("uringbench-core-fuzz", &["uringbench-core"]),
    ("uringbench-profiler-fuzz", &["uringbench-profiler"]),
    ("uringbench-import-fuzz", &["uringbench-import"]),
    ("uringbench-scenario-fuzz", &["uringbench-scenario"]),
    ("taskflow-actix", &[]),
    ("taskflow-bench", &["uringbench-app"]),
    ("taskflow-windjammer", &[]),
    (
        "uringbench",
        &[
            "uringbench-alerts",
            "uringbench-live",
            "uringbench-telemetry",
            "uringbench-core",
            "uringbench-decision",
            "uringbench-engine",
            "uringbench-faults",
            "uringbench-grpc",
            "uringbench-machine",
            "uringbench-page",
            "uringbench-profiler",
            "uringbench-decision",
            "uringbench-document",
            "uringbench-experiment",
            "uringbench-export",
            "uringbench-store",
            "uringbench-report",
            "uringbench-reference",
            "uringbench-app",
            "uringbench-scenario",
            "uringbench-import",
        ],
    ),
];

/// The only files in which `unsafe` may stand.
const UNSAFE_FILES: [&str; 2] = ["engine/ring/src/kernel.rs", "profiler/perf/src/kernel.rs"];

/// What the pure half may not name: it decides from values alone.
const IMPURE: [&str; 10] = [
    "std::net",
    "std::fs",
    "std::thread",
    "std::process",
    "std::time",
    "std::env",
    "std::os",
    "std::{",
    "SystemTime",
    "Instant",
];
/// An address is plain data, and a plan names its peers by it, and where connections come from.
const PURE_ALL_THE_SAME: [(&str, &str); 2] = [
    ("engine/core/src/plan", "std::net::{IpAddr, SocketAddr}"),
    ("engine/core/src/chaos/plan.rs", "std::net::SocketAddr"),
];

/// Where nothing is printed and nothing typed is read: many runs of one process share them.
const SILENT: [&str; 2] = ["cli/experiment/src/", "machine/src/"];
const OF_A_COMMAND_LINE: [&str; 9] =
    ["clap", "print!", "println!", "eprint!", "eprintln!", "stdout", "stderr", "args", "args_os"];

/// A time is a response time, a service time or a lateness. The word `latency` is left to a key
/// of the result document, to counts that take any of the three, and to wrk's option.
const WORDS_LEFT: [&str; 3] = ["latency_ns", "LatencyCounts", "_latency"];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 7] = ["util", "utils", "common", "helper", "helpers", "manager", "misc"];

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
const COLUMNS_MAX: usize = 100;
const HEADER_LINES_MAX: usize = 12;

#[test]
fn crates_depend_only_along_the_allowed_edges() {
    let manifest = |name: &str, rest: &str| format!("[package]\nname = \"{name}\"\n{rest}");
    let of_store = "[dev-dependencies]\nuringbench-engine.workspace = true\n";
    let bad = [
        ("a/Cargo.toml", manifest("uringbench-store", of_store)),
        ("b/Cargo.toml", manifest("uringbench-ring", "[dependencies]\nanyhow = \"1\"\n")),
        ("c/Cargo.toml", manifest("uringbench-new", "")),
    ];
    let of_engine = "[dependencies]\nuringbench-ring.workspace = true # sockets\nlibc = \"0\"\n";
    let good = [("d/Cargo.toml", manifest("uringbench-engine", of_engine))];
    hold(edges, &bad, &good);
}

fn edges(source: &Source) -> Vec<Offence> {
    let Some(name) = source.package_name() else { return Vec::new() };
    let Some((_, allowed)) = EDGES.iter().find(|(package, _)| *package == name) else {
        return vec![source.offence(0, format!("say in EDGES what {name} may depend on"))];
    };
    let mut offences = Vec::new();
    for (line, dependency) in source.dependencies() {
        if dependency.name.starts_with("uringbench") && !allowed.contains(&dependency.name) {
            let what = format!("{name} must not know {}", dependency.name);
            offences.push(source.offence(line, what));
        }
        if dependency.name == "anyhow" && name != "uringbench" {
            let what = "libraries have error types of their own; anyhow is for the command line";
            offences.push(source.offence(line, what));
        }
    }
    offences
}

#[test]
fn members_take_dependencies_and_lints_from_the_workspace() {
    let package = "[package]\nname = \"x\"\n";
    let lints = "[lints]\nworkspace = true\n";
    let bad = [
        ("a/Cargo.toml", format!("{package}{lints}[dependencies]\nlibc = \"0.2\"\n")),
        ("b/Cargo.toml", format!("{package}{lints}[dev-dependencies.libc]\nversion = \"0.2\"\n")),
        ("c/Cargo.toml", format!("{package}[dependencies]\nlibc.workspace = true\n")),
    ];
    let with_feature = "[dependencies]\nlibc = { workspace = true, features = [\"std\"] }\n";
    let good = [
        ("d/Cargo.toml", format!("{package}{lints}{with_feature}")),
        ("e/Cargo.toml", format!("{package}[workspace]\n[dependencies]\nlibc = \"0.2\"\n")),
        (
            "f/Cargo.toml",
            format!("{package}workspace = \"../f\"\n[dependencies]\nlibc = \"0.2\"\n"),
        ),
    ];
    hold(workspace_table, &bad, &good);
}

fn workspace_table(source: &Source) -> Vec<Offence> {
    let has = |text: &str| source.lines.iter().any(|line| line.text.trim() == text);
    let is_of_another = has("[workspace]")
        || source.lines.iter().any(|line| line.text.starts_with("workspace = \""));
    if source.package_name().is_none() || is_of_another {
        return Vec::new();
    }
    let mut offences: Vec<_> = source
        .dependencies()
        .filter(|(_, dependency)| !dependency.is_of_workspace)
        .map(|(line, dependency)| {
            let name = dependency.name;
            let what =
                format!("declare {name} in the root's table, here `{name}.workspace = true`");
            source.offence(line, what)
        })
        .collect();
    if !has("[lints]") {
        offences.push(source.offence(0, "take the lints: `[lints]`, `workspace = true`"));
    }
    offences
}

#[test]
fn the_core_decides_from_values_alone() {
    let inside = "engine/core/src/x.rs";
    let bad = [
        (inside, "use std::net::TcpStream;"),
        (inside, "let now = Instant::now();"),
        (inside, "use std::{fs, io};"),
        (inside, "use std::net::SocketAddr;"),
        ("engine/core/src/plan.rs", "use std::net::TcpStream;"),
    ];
    let good = [
        (inside, "/// Not an `Instant`.\nlet x = \"std::fs\";"),
        ("engine/core/src/plan/transport.rs", "use std::net::{IpAddr, SocketAddr};"),
        ("engine/src/clock.rs", "use std::time::Instant;"),
    ];
    hold(purity, &bad, &good);
}

fn purity(source: &Source) -> Vec<Offence> {
    if !source.path.starts_with("engine/core/src/") {
        return Vec::new();
    }
    source.offences(|line| {
        let mut code = line.code.clone();
        for (exempt, exemption) in PURE_ALL_THE_SAME {
            if source.path.starts_with(exempt) {
                code = code.replace(exemption, "");
            }
        }
        let found = IMPURE.into_iter().find(|name| has_word(&code, name))?;
        Some(format!("`{found}` in the pure half: take what it gives as an argument"))
    })
}

#[test]
fn libraries_print_nothing_and_read_no_arguments() {
    let bad = [
        ("cli/experiment/src/x.rs", "println!(\"done\");"),
        ("cli/experiment/src/x.rs", "writeln!(io::stderr(), \"x\")?;"),
        ("cli/experiment/src/x.rs", "use clap::Args;"),
        ("machine/src/x.rs", "let x = std::env::args();"),
    ];
    let good = [
        ("cli/experiment/src/x.rs", "// println!\nlet x = \"clap\"; eprint();"),
        ("cli/experiment/tests/x.rs", "eprintln!(\"SKIPPED\");"),
        ("cli/src/x.rs", "println!();"),
    ];
    hold(printing, &bad, &good);
}

fn printing(source: &Source) -> Vec<Offence> {
    if !SILENT.iter().any(|folder| source.path.starts_with(folder)) {
        return Vec::new();
    }
    source.offences(|line| {
        let found = OF_A_COMMAND_LINE.into_iter().find(|name| has_word(&line.code, name))?;
        Some(format!("`{found}` is for the command line: return it, or report to an observer"))
    })
}

#[test]
fn files_are_short() {
    let bad = [("a.rs", "x\n".repeat(FILE_LINES_MAX + 1))];
    let good = [("a.rs", "x\n".repeat(FILE_LINES_MAX)), ("a.md", "x\n".repeat(1_000))];
    hold(file_length, &bad, &good);
}

fn file_length(source: &Source) -> Vec<Offence> {
    let lines = source.lines.len();
    if !source.is_rust() || lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    vec![source.offence(lines - 1, format!("{lines} lines: split it at {FILE_LINES_MAX}"))]
}

#[test]
fn functions_are_short() {
    let function = |signature: &str, lines: usize| {
        format!("{signature} {{\n{}}}\n", "let c = '{'; // }\n".repeat(lines - 2))
    };
    let bad = [
        ("a.rs", function("const fn f<F: Fn([u8; 2])>(f: F)", FUNCTION_LINES_MAX + 1)),
        ("b.rs", function("fn f()\nwhere\n    T: X,\n", FUNCTION_LINES_MAX)),
    ];
    let good = [
        ("a.rs", function("fn f(g: fn(u8) -> u8)", FUNCTION_LINES_MAX)),
        ("b.rs", format!("trait T {{ fn f();\n{}}}", "// fn g() {\n".repeat(FUNCTION_LINES_MAX))),
    ];
    hold(function_length, &bad, &good);
}

fn function_length(source: &Source) -> Vec<Offence> {
    let code: Vec<(usize, char)> = source
        .lines
        .iter()
        .enumerate()
        .flat_map(|(line, text)| text.code.chars().chain(['\n']).map(move |c| (line, c)))
        .collect();
    let letters: String = code.iter().map(|&(_, c)| c).collect();
    let mut offences = Vec::new();
    for (at, name) in function_names(&letters) {
        let Some(last) = end_of_function(&code[at..]) else { continue };
        let first = code[at].0;
        let lines = last - first + 1;
        if lines > FUNCTION_LINES_MAX {
            let what = format!("`{name}` has {lines} lines: split it at {FUNCTION_LINES_MAX}");
            offences.push(source.offence(first, what));
        }
    }
    offences
}

/// Where a function begins, in characters, and its name. A `fn(u8)` type has no name.
fn function_names(code: &str) -> Vec<(usize, &str)> {
    let is_start = |at: usize| !code[..at].ends_with(is_word);
    let mut names = Vec::new();
    for (at, keyword) in code.match_indices("fn ").filter(|(at, _)| is_start(*at)) {
        let name = first_word(&code[at + keyword.len()..]);
        if !name.is_empty() {
            names.push((code[..at].chars().count(), name));
        }
    }
    names
}

/// The line of the brace that closes a function's body, if it has one.
fn end_of_function(code: &[(usize, char)]) -> Option<usize> {
    let (mut depth, mut in_signature) = (0, 0);
    for &(line, c) in code {
        match c {
            '(' | '[' if depth == 0 => in_signature += 1,
            ')' | ']' if depth == 0 => in_signature -= 1,
            ';' if depth == 0 && in_signature == 0 => return None,
            '{' => depth += 1,
            '}' if depth == 1 => return Some(line),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[test]
fn lines_fit_a_window() {
    let bad = [("a.rs", format!("// {}", "ü".repeat(COLUMNS_MAX)))];
    let good = [("a.rs", "ü".repeat(COLUMNS_MAX)), ("a.md", "x".repeat(COLUMNS_MAX + 1))];
    hold(columns, &bad, &good);
}

fn columns(source: &Source) -> Vec<Offence> {
    source.offences(|line| {
        let columns = line.text.chars().count();
        (source.is_rust() && columns > COLUMNS_MAX)
            .then(|| format!("{columns} columns: break it at {COLUMNS_MAX}"))
    })
}

#[test]
fn every_file_says_what_it_decides() {
    let header = |lines| "//! x\n".repeat(lines);
    let bad = [("a.rs", "use x;\n".to_owned()), ("b.rs", header(HEADER_LINES_MAX + 1))];
    let good = [("a.rs", header(HEADER_LINES_MAX)), ("a.md", "# x\n".to_owned())];
    hold(header_lines, &bad, &good);
}

fn header_lines(source: &Source) -> Vec<Offence> {
    let lines = source.lines.iter().take_while(|line| line.text.starts_with("//!")).count();
    let what = match lines {
        0 => "open it with `//!`: what it decides, and what it leaves to whom".to_owned(),
        1..=HEADER_LINES_MAX => return Vec::new(),
        _ => format!("{lines} lines of header: {HEADER_LINES_MAX} are enough"),
    };
    if source.is_rust() { vec![source.offence(0, what)] } else { Vec::new() }
}

#[test]
fn unsafe_stands_in_the_driver_alone() {
    let bad =
        [("engine/src/x.rs", "let x = unsafe { y() };"), ("a.rs", "unsafe impl Send for X {}")];
    let good = [
        (UNSAFE_FILES[0], "unsafe { y() }"),
        ("a.rs", "// unsafe\n#[expect(unsafe_code, reason = \"unsafe\")]\nlet s = r#\"unsafe\"#;"),
    ];
    hold(unsafe_places, &bad, &good);
}

fn unsafe_places(source: &Source) -> Vec<Offence> {
    source.offences(|line| {
        let is_found = has_word(&line.code, "unsafe");
        (is_found && !UNSAFE_FILES.contains(&source.path.as_str()))
            .then(|| format!("`unsafe` belongs into {}", UNSAFE_FILES.join(", ")))
    })
}

#[test]
fn no_lint_is_silenced_for_ever() {
    let bad = [
        ("a.rs", "#[allow(dead_code)]"),
        ("b.rs", "#![allow(missing_docs)]"),
        ("c.rs", "#[cfg_attr(test, allow(dead_code))]"),
    ];
    let good = [("a.rs", "#[expect(dead_code, reason = \"x\")]\nfn allow(x: u8) {}")];
    hold(silenced, &bad, &good);
}

fn silenced(source: &Source) -> Vec<Offence> {
    source.offences(|line| {
        let is_attribute = line.code.trim_start().starts_with('#');
        (is_attribute && has_word(&line.code, "allow")).then(|| {
            "use `#[expect(…, reason = …)]`, which says when it is no longer needed".into()
        })
    })
}

#[test]
fn nothing_is_left_unfinished() {
    let bad = [
        ("a.rs", "// TODO: more"),
        ("b.rs", "x(); // FIXME"),
        ("c.rs", "/* XXX */"),
        ("d.rs", "todo!()"),
        ("e.rs", "unimplemented!(\"later\")"),
        ("f.rs", "#[ignore = \"slow\"]"),
    ];
    let good = [("a.rs", "let pattern = \"TODO XXX\"; // XXXL ignores it"), ("a.md", "todo!")];
    hold(unfinished, &bad, &good);
}

fn unfinished(source: &Source) -> Vec<Offence> {
    source.offences(|line| {
        let in_comment = ["TODO", "FIXME", "XXX"]
            .into_iter()
            .find(|mark| has_word(&line.comment, mark) || has_word(&line.code, mark));
        let in_code = ["todo!", "unimplemented!", "#[ignore"];
        let found =
            in_comment.or_else(|| in_code.into_iter().find(|mark| line.code.contains(mark)))?;
        Some(format!("`{found}`: finish it, or leave it to the issue tracker"))
    })
}

#[test]
fn names_say_what_is_inside() {
    let bad = [
        ("cli/src/util.rs", "//! x"),
        ("cli/src/helpers/x.rs", "//! x"),
        ("cli/src/x.rs", "pub(crate) mod common {"),
    ];
    let good = [("cli/src/x.rs", "mod commons;\nlet manager = 1;"), ("a.md", "mod util;")];
    hold(empty_names, &bad, &good);
}

fn empty_names(source: &Source) -> Vec<Offence> {
    let rename = |name: &str| format!("`{name}` says nothing: name it after what it decides");
    let mut parts = source.path.split(['/', '.']);
    let in_path = parts.find(|part| EMPTY_NAMES.contains(part)).filter(|_| source.is_rust());
    let mut offences: Vec<_> =
        in_path.map(|name| source.offence(0, rename(name))).into_iter().collect();
    offences.extend(source.offences(|line| {
        let (_, after) = line.code.split_once("mod ")?;
        let name = first_word(after);
        EMPTY_NAMES.contains(&name).then(|| rename(name))
    }));
    offences
}

#[test]
fn times_are_named_for_what_they_are() {
    let bad = [("a.rs", "let latency = done - due;"), ("b.rs", "fn record(Latency: u64)")];
    let good = [
        ("a.rs", "// latency\nlet key = \"latency\"; let x = LatencyCounts::default();"),
        ("b.rs", "struct X { latency_ns: u64 }"),
    ];
    hold(time_words, &bad, &good);
}

fn time_words(source: &Source) -> Vec<Offence> {
    source.offences(|line| {
        let mut words = line.code.split(|c| !is_word(c));
        let found = words
            .find(|word| word.to_lowercase().contains("latency") && !WORDS_LEFT.contains(word))?;
        Some(format!("`{found}`: say response, service or lateness"))
    })
}

#[test]
fn no_file_knows_whose_machine_it_was_written_on() {
    let path = |top: &str| format!("see /{top}/x");
    let bad = [("a.rs", path("work")), ("a.md", path("root")), (".ci/run", path("root"))];
    let good = [
        ("a.rs", path("tmp")),
        ("a.md", "work/root".to_owned()),
        ("b.rs", format!("/proc/{{pid}}/{}/tmp", "root")),
    ];
    hold(machine_paths, &bad, &good);
}

fn machine_paths(source: &Source) -> Vec<Offence> {
    source.offences(|line| {
        let tops = ["work", "root"].map(|top| format!("/{top}/"));
        // Below `/proc/PID` it is a path of every machine.
        let is_top = |at: usize| !line.text[..at].ends_with(|c: char| is_word(c) || c == '}');
        let found =
            tops.iter().find(|top| line.text.match_indices(*top).any(|(at, _)| is_top(at)))?;
        Some(format!("`{found}` is a path of one machine"))
    })
}

#[test]
fn comments_name_files_that_exist() {
    let bad = [("a.rs", "// See gone_for_good.rs."), ("b.rs", "//! As `old/tidy.rs` says.")];
    let good = [("a.rs", "// See tidy.rs, `tests/tidy.rs` and *.rs.\nlet x = \"gone.rs\";")];
    hold(named_files, &bad, &good);
}

fn named_files(source: &Source) -> Vec<Offence> {
    let is_there = |name: &str| TREE.iter().any(|file| format!("/{}", file.path).ends_with(name));
    source.offences(|line| {
        let words = line.comment.split(|c| !is_word(c) && !matches!(c, '/' | '.' | '-'));
        let mut named =
            words.map(|word| word.trim_end_matches('.')).filter(|word| word.ends_with(".rs"));
        let gone = named.find(|name| *name != ".rs" && !is_there(&format!("/{name}")))?;
        Some(format!("there is no file {gone}"))
    })
}

/// Show on samples that a rule can fail and can hold, then hold it over the tree.
fn hold<S, T>(rule: fn(&Source) -> Vec<Offence>, bad: &[(&str, S)], good: &[(&str, T)])
where
    S: AsRef<str>,
    T: AsRef<str>,
{
    for (path, text) in bad {
        let found = rule(&Source::new(path, text.as_ref()));
        assert!(!found.is_empty(), "the rule misses the offence in {path}:\n{}", text.as_ref());
    }
    for (path, text) in good {
        let found = rule(&Source::new(path, text.as_ref()));
        assert!(found.is_empty(), "the rule sees in {path} what is not there:\n{}", list(&found));
    }
    let found: Vec<_> = TREE.iter().flat_map(rule).collect();
    assert!(found.is_empty(), "{} to fix:\n{}", found.len(), list(&found));
}

const fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

fn first_word(text: &str) -> &str {
    let text = text.trim_start();
    &text[..text.find(|c| !is_word(c)).unwrap_or(text.len())]
}

/// Whether `word` stands in `text` as a word of its own.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let after = &text[at + word.len()..];
        let goes_on = word.ends_with(is_word) && after.starts_with(is_word);
        !(goes_on || text[..at].ends_with(is_word))
    })
}
