//! Pages of comparisons, suites, capacity searches and trends: what they say first, and that no
//! text of theirs becomes markup.

#[path = "documents/mod.rs"]
mod documents;

use documents::{ALL, Made, made};
use serde_json::Value;

/// Texts that are one of a few words, not a user's.
const WORDS: [&str; 12] = [
    "schema", "verdict", "state", "effect", "evidence", "severity", "unit", "better", "over",
    "figure", "ceiling", "validity",
];

fn first_line(page: &str) -> &str {
    let rest = page.split("<h1>").nth(1).expect("a first line");
    rest.split("</h1>").next().unwrap_or_default()
}

#[test]
fn the_first_line_is_what_follows() {
    let lines = [
        (Made::Comparison, "response p99 is 6.2 % higher (95 %: +3.9 to +8.4)"),
        (Made::Suite, "beta has the highest rate in all 5 cases"),
        (Made::Capacity, "CAPACITY 41,200/s to 43,100/s (p99 &lt; 20.0 ms is missed above)"),
        (Made::Trend, "changed from 8.75 ms to 7.90 ms, -9.7 % (better) at"),
    ];
    for (kind, line) in lines {
        let page = made(kind, &kind.document());
        assert!(first_line(&page).contains(line), "{}", first_line(&page));
        assert!(!page.contains("NaN") && page.len() < 200_000, "{}", page.len());
    }
}

#[test]
fn a_suite_marks_ties_doubts_claims_and_cells_without_a_figure() {
    let page = made(Made::Suite, &Made::Suite.document());
    let marks = ["≈ first", "★ first", "place 3", "⚠ suspect", "– cannot", "✗ failed"];
    let decided = ["does not hold", "no leak in 120,000 requests", "grows up to 64 connections"];
    for part in marks.into_iter().chain(decided) {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn documents_without_results_have_pages() {
    for (kind, list) in [
        (Made::Comparison, "/comparisons"),
        (Made::Suite, "/cells"),
        (Made::Capacity, "/trials"),
        (Made::Trend, "/points"),
    ] {
        let mut document = kind.document();
        if let Some(list) = document.pointer_mut(list) {
            *list = Value::Array(Vec::new());
        }
        for of_points in ["/changes", "/outliers"] {
            if let Some(list) = document.pointer_mut(of_points) {
                *list = Value::Array(Vec::new());
            }
        }
        let page = made(kind, &document);
        assert!(page.contains("<main>") && !page.contains("NaN"), "{kind:?}");
    }
}

/// Every text of a document becomes `text`, but for words of the document's own.
fn replace(value: &mut Value, text: &str) {
    match value {
        Value::String(old) => text.clone_into(old),
        Value::Array(list) => list.iter_mut().for_each(|value| replace(value, text)),
        Value::Object(fields) => {
            let others = fields.iter_mut().filter(|(key, _)| !WORDS.contains(&key.as_str()));
            others.for_each(|(_, value)| replace(value, text));
        }
        _ => {}
    }
}

#[test]
fn no_text_becomes_markup() {
    for kind in ALL {
        let with = |text: &str| {
            let mut document = kind.document();
            replace(&mut document, text);
            made(kind, &document)
        };
        let plain = with("plain").matches('<').count();
        for text in ["\"><script>alert(1)</script>", "</title><img src=x>", "<!--", "\u{202e}x\0"] {
            let page = with(text);
            assert_eq!(page.matches('<').count(), plain, "{kind:?} with {text:?}");
            assert!(!page.contains("<script") && !page.contains('\u{202e}'), "{kind:?}");
        }
    }
}
