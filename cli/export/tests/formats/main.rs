//! Every format read by something that is not ours: a schema, another program, a library, or the
//! grammar of its specification.

mod benchmarks;
mod buckets;
mod ci;
mod junit;
mod outside;
mod profiles;
mod tables;

use uringbench_document::Document;
use uringbench_document::comparison::ComparisonDocument;

const OPEN: &str = include_str!("../../../document/tests/run-v1-open.json");
const SCRIPT: &str = include_str!("../../../document/tests/run-v1-scenario-first.json");
const SOAK: &str = include_str!("../../../document/tests/run-v1-soak.json");
const TAGGED: &str = include_str!("../../../document/tests/run-v1-tagged.json");
const COMPARISON: &str = include_str!("comparison.json");

/// Characters with a meaning in one of the formats.
const HOSTILE: &str = "=a\"b'c</d>&e]]>\u{0}\u{1b}\u{fffe}|f`g,h\n::error::i%j@k#1 \u{202e}l\r";

fn stored(text: &str) -> Document {
    Document::read(text).expect("it is a document of a run")
}

fn compared() -> ComparisonDocument {
    ComparisonDocument::read(COMPARISON).expect("it is a comparison")
}

/// A run all of whose texts are hostile.
fn hostile() -> Document {
    let mut run = stored(OPEN);
    run.plan.name = Some(HOSTILE.to_owned());
    run.plan.url = format!("http://h:1/{HOSTILE}");
    run.host.hostname = Some(HOSTILE.to_owned());
    run.host.kernel = Some(HOSTILE.to_owned());
    run.host.cpu = Some(HOSTILE.to_owned());
    run.host.uringbench = Some(HOSTILE.to_owned());
    run.verdict.notes = vec![HOSTILE.to_owned()];
    for reason in &mut run.verdict.reasons {
        reason.message = HOSTILE.to_owned();
    }
    for held in &mut run.slo {
        held.objective = HOSTILE.to_owned();
        held.measured = HOSTILE.to_owned();
    }
    for interval in &mut run.intervals {
        interval.phase = HOSTILE.to_owned();
    }
    run
}

/// A run that ended before its first request.
fn empty() -> Document {
    let mut run = stored(OPEN);
    run.intervals.clear();
    run.latency_ns.response = Default::default();
    run.counts.released = 0;
    run.counts.completed = 0;
    run.counts.outcomes.ok = 0;
    run.rate.completed = 0.0;
    run.histograms.response = stored(TAGGED).histograms.lateness;
    run
}

/// The runs that every format must take.
fn all() -> Vec<Document> {
    let mut runs: Vec<_> = [OPEN, SCRIPT, SOAK, TAGGED].map(stored).into();
    runs.extend([hostile(), empty()]);
    runs
}
