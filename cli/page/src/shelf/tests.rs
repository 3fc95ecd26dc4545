//! The list's links and texts; its addresses have tests beside them.

use super::*;

fn run(id: &str, name: &str) -> HistoryEntry {
    HistoryEntry {
        run_id: id.to_owned(),
        folder: "t/1".to_owned(),
        timestamp: "2026-12-01T10:20:30.123Z".to_owned(),
        benchmark_name: name.to_owned(),
        target: "127.0.0.1:80".to_owned(),
        validity: "valid".to_owned(),
        tags: vec!["night & day".to_owned()],
        commit_sha: Some("0123456789".to_owned()),
        results: [("rate_completed".to_owned(), 1_234.0)].into(),
        ..HistoryEntry::default()
    }
}

fn shown(runs: &[HistoryEntry], query: &ShelfQuery, with: Option<&HistoryEntry>) -> String {
    let others = [OtherResult { id: "7".to_owned(), kind: "suite", folder: "a<b>/c".to_owned() }];
    let total = runs.len() + query.page * SHELF_ROWS;
    shelf(&Shelf { root: "results", runs, total, query, with, others: &others, unread: &[] })
}

#[test]
fn every_run_leads_to_its_page_its_trend_and_its_comparison() {
    let runs = [run("01", "web"), run("02", "a/b?c")];
    let page = shown(&runs, &ShelfQuery::default(), None);
    for part in [
        "Results in results",
        "2 runs",
        "href=\"run/01\">web</a>",
        "2026-12-01 10:20:30",
        "✓ <a href=\"./?verdict=valid\">valid</a>",
        "1,234/s",
        "01234567<",
        "href=\"./?with=01\">compare…</a>",
        "href=\"trend?name=a%2Fb%3Fc\"",
        "href=\"./?tag=night%20%26%20day\">night &amp; day</a>",
        "href=\"./?target=127.0.0.1%3A80\"",
        "href=\"result/7\">a&lt;b&gt;/c</a>",
        "script-src 'none'",
        "form-action 'self'",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("<script") && !page.contains("p50"), "{page}");
    let query = ShelfQuery { with: "01".to_owned(), find: "w\"x".to_owned(), ..Default::default() };
    let page = shown(&runs, &query, Some(&runs[0]));
    for part in [
        "href=\"compare?a=01&amp;b=02\">compare</a>",
        "compare none",
        "find <strong>w&quot;x</strong>",
        "name=\"with\" value=\"01\"",
        "name=\"find\" value=\"w&quot;x\"",
        "href=\"./?with=01\">(lift)",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
}

#[test]
fn folders_that_cannot_be_looked_into_are_named() {
    let unread: Vec<String> = (0..12).map(|at| format!("t/<{at}>: permission denied")).collect();
    let query = ShelfQuery::default();
    let of = |unread: &[String]| {
        let (runs, with, others) = (&[][..], None, &[][..]);
        shelf(&Shelf { root: "results", runs, total: 0, query: &query, with, others, unread })
    };
    let page = of(&unread);
    for part in ["Not looked into", "t/&lt;9&gt;: permission denied", "and 2 other folders"] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("t/&lt;10&gt;") && !of(&[]).contains("Not looked into"), "{page}");
}

#[test]
fn further_pages_are_linked_and_what_a_run_says_is_inert() {
    let hostile = "</title><script>alert(1)</script>\u{202e}";
    let query = ShelfQuery { page: 1, tag: "x".to_owned(), ..Default::default() };
    let page = shown(&[run(hostile, hostile)], &query, None);
    assert!(page.contains("Page 2 of 2") && page.contains("href=\"./?tag=x\">newer"), "{page}");
    assert!(!page.contains("older") && !page.contains("<script>"), "{page}");
    // What another program measured is in the list, and has no page of a run.
    let mut imported = run("03", "sorted");
    imported.results = [("time_mean_ns".to_owned(), 5.0)].into();
    let page = shown(&[imported], &ShelfQuery::default(), None);
    assert!(page.contains("sorted") && page.contains("trend?name=sorted"), "{page}");
    assert!(!page.contains("run/03") && !page.contains("compare"), "{page}");
    let none = shown(&[], &ShelfQuery::default(), None);
    assert!(none.contains("0 runs") && none.contains("none fits"), "{none}");
    let why = no_page("<b>");
    assert!(why.contains("&lt;b&gt;") && why.contains("There is nothing to show"), "{why}");
    let back = with_way_back("<html><body><p>x<body></p></body></html>".to_owned(), "../");
    assert_eq!(back.matches("<nav").count(), 1, "{back}");
    assert!(back.contains("<body><nav class=\"way\"><a href=\"../\">"), "{back}");
}
