//! The rules of names: words that gave way do not come back, and one word names one thing.

use std::collections::BTreeMap;

use crate::pages::MANNERED;
use crate::source::{Offence, Source, TREE, list};
use crate::{first_word, has_word, hold};

/// Names that gave way to the field's words: the folder, the name, and the word in its place.
const RENAMED: [(&str, &str, &str); 57] = [
    ("engine/", "Crowd", "VirtualUsers"),
    ("engine/", "Gathering", "ResponseBuffer"),
    ("engine/", "Jar", "CookieJar"),
    ("engine/", "Shapes", "HeaderCache"),
    ("engine/", "Carry", "PartialHead"),
    ("engine/", "Patience", "SpinPolicy"),
    ("engine/", "Margin", "TimerSlack"),
    ("engine/", "Admission", "ConnectQueue"),
    ("engine/", "Trickle", "RateLimit"),
    ("engine/", "SocketTerms", "WebSocketConfig"),
    ("engine/", "Terms", "ConnectionConfig"),
    ("engine/", "Handover", "IntervalCounts"),
    ("engine/src/", "Fed", "FeedResult"),
    ("engine/", "Crew", "WorkerPool"),
    ("engine/", "Ends", "WorkerHandle"),
    ("engine/", "Links", "WorkerChannels"),
    ("engine/", "SendTold", "SendNotify"),
    ("engine/", "send_told", "send_tracked"),
    ("engine/src/", "say_goodbye", "send_close_all"),
    ("engine/src/", "take_leave", "send_close"),
    ("engine/src/", "heed", "apply_command"),
    ("engine/src/backends/", "Alarm", "Deadline"),
    ("engine/src/backends/", "Calls", "PendingOrders"),
    ("engine/src/backends/", "Board", "Shared"),
    ("profiler/", "FirstTouches", "PageFaults"),
    ("profiler/", "Survivors", "LivePages"),
    ("profiler/", "Findings", "Analysis"),
    ("profiler/", "Elsewhere", "OtherProcess"),
    ("profiler/", "Gatherer", "SampleBuilder"),
    ("profiler/", "Follower", "RingReader"),
    ("profiler/", "Followed", "ReaderResult"),
    ("profiler/", "Told", "ReaderCommand"),
    ("profiler/", "RoundPace", "PollInterval"),
    ("profiler/", "SwitchPace", "SwitchSampling"),
    ("profiler/", "Spaces", "AddressSpaces"),
    ("profiler/", "Places", "CodeLookup"),
    ("profiler/", "Dose", "RateStep"),
    ("profiler/", "Call", "LeakVerdict"),
    ("profiler/perf/", "Recipe", "SamplingConfig"),
    ("profiler/perf/", "Lane", "CpuRing"),
    ("profiler/perf/", "Outlet", "RecordSink"),
    ("profiler/perf/", "Abilities", "Capabilities"),
    ("cli/experiment/", "Beside", "ProfiledRun"),
    ("cli/experiment/", "Told", "ProfileReport"),
    ("cli/src/", "Built", "BuiltRequest"),
    ("cli/src/", "Said", "Output"),
    ("cli/scenario/", "Problem", "Diagnostic"),
    ("cli/scenario/", "Surroundings", "Context"),
    ("scenarios/app/", "Given", "JsonBody"),
    ("scenarios/app/", "Asked", "QueryParams"),
    ("scenarios/app/", "Refusal", "ErrorResponse"),
    ("scenarios/app/", "Trouble", "Faults"),
    ("scenarios/app/", "TroubleMaker", "FaultInjector"),
    ("scenarios/app/", "Site", "AppState"),
    ("scenarios/app/", "Newest", "RingBuffer"),
    ("engine/core/src/flow/", "Given", "SetCookie"),
    ("engine/core/src/http/", "Said", "ParsedHeaders"),
];

#[test]
fn names_given_up_do_not_come_back() {
    let bad = [
        ("engine/src/a.rs", "struct Crowd;"),
        ("engine/core/src/flow/b.rs", "fn f(jar: &Jar) {}"),
        ("engine/src/c.rs", "self.heed(command);"),
    ];
    let good = [
        ("cli/src/a.rs", "struct Crowd;"),
        ("engine/src/a.rs", "struct Crowds; // crowd"),
        ("engine/core/src/b.rs", "heed();"),
    ];
    hold(given_up, &bad, &good);
}

fn given_up(source: &Source) -> Vec<Offence> {
    source.offences(|line| {
        let renamed = RENAMED.iter().find(|(folder, name, _)| {
            source.path.starts_with(folder) && has_word(&line.code, name)
        });
        renamed.map(|(_, name, word)| format!("`{name}`: the word is `{word}`"))
    })
}

#[test]
fn sources_use_the_field_s_verbs() {
    let bad = [
        ("cli/src/a.rs", "// What is told."),
        ("profiler/src/a.rs", "let x = \"see the remedy\";"),
        ("engine/core/src/a.rs", "fn told() {}"),
        ("engine/src/a.rs", "// Sent again and again."),
        ("cli/tests/runs/a.rs", "// told"),
        ("benches/a/src/a.rs", "// Made anew."),
    ];
    let good = [
        ("cli/src/a.rs", "// It is untold."),
        ("cli/tests/tidy/a.rs", "// told"),
        ("benches/a.sh", "# told"),
    ];
    hold(mannered, &bad, &good);
}

fn mannered(source: &Source) -> Vec<Offence> {
    // The rule itself and its examples contain the words.
    if !source.is_rust() || source.path.starts_with("cli/tests/tidy/") {
        return Vec::new();
    }
    source.offences(|line| {
        let text = line.text.to_lowercase();
        let found = MANNERED.into_iter().find(|word| has_word(&text, word))?;
        Some(format!("`{found}`: write report, send, check, fix, or name the thing"))
    })
}

#[test]
fn public_types_have_names_of_their_own() {
    let source = |path: &str, text: &str| Source::new(path, text);
    let offences = |first: &str, second: &str| {
        named_twice(&[source("a/src/x.rs", first), source("a/src/y.rs", second)]).len()
    };
    assert_eq!(offences("pub struct Load {", "pub enum Load {"), 1);
    assert_eq!(offences("pub struct Load {", "pub(crate) enum Load {"), 1);
    let good = [
        source("a/src/x.rs", "pub struct Load {\npub(crate) struct Step;\n// pub enum Plan {"),
        source("b/src/y.rs", "pub enum Loads {\npub(crate) struct Step;\npub struct Plan;"),
        source("b/src/z.rs", "struct Plan;\npub(super) struct Loads;"),
        source("b/tests/y.rs", "pub struct Plan;"),
    ];
    assert!(named_twice(&good).is_empty(), "{}", list(&named_twice(&good)));
    let found = named_twice(&TREE);
    assert!(found.is_empty(), "{} to fix:\n{}", found.len(), list(&found));
}

/// Types of one name in two files of the libraries that can meet: public ones everywhere, those of
/// a crate within it.
fn named_twice(tree: &[Source]) -> Vec<Offence> {
    let mut public: BTreeMap<&str, &str> = BTreeMap::new();
    let mut of_crate: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    let mut offences = Vec::new();
    let is_library =
        |path: &str| path.contains("src/") && !path.contains("/tests") && !path.contains("/fuzz/");
    for source in tree.iter().filter(|source| source.is_rust() && is_library(&source.path)) {
        let root = source.path.split("src/").next().unwrap_or_default();
        for (at, line) in source.lines.iter().enumerate() {
            let Some((name, is_public)) = shared_type(&line.code) else { continue };
            let in_crate = of_crate.insert((root, name), &source.path);
            let anywhere = if is_public { public.insert(name, &source.path) } else { None };
            let others = [in_crate, anywhere].into_iter().flatten();
            if let Some(other) = others.into_iter().find(|other| *other != source.path) {
                let what = format!("`{name}` is a type of {other} too: rename one");
                offences.push(source.offence(at, what));
            }
        }
    }
    offences
}

/// The name of the type that a line declares for other files, and whether for other crates.
fn shared_type(code: &str) -> Option<(&str, bool)> {
    let declared = code.trim_start();
    let (declared, is_public) = match declared.strip_prefix("pub ") {
        Some(rest) => (rest, true),
        None => (declared.strip_prefix("pub(crate) ")?, false),
    };
    let kinds = ["struct ", "enum ", "trait ", "type ", "union "];
    let rest = kinds.into_iter().find_map(|kind| declared.strip_prefix(kind))?;
    Some((first_word(rest), is_public))
}
