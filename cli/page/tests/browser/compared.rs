//! The page of a comparison with what its runs add, and that of a soak: percentile bands and flame
//! graphs, with scripts and without.

use serde_json::{Value, json};
use uringbench_document::soak::{LeakFunction, SoakFigures};
use uringbench_page::flame::FlameDifference;
use uringbench_page::{ComparisonDetails, ComparisonPage, PercentileBand, RunCurve, comparison};

use super::Opened;
use super::chromium::FAINT;
use super::documents;
use super::made::{Made, cut};

/// The page of a comparison of three runs with three that are as fast, with a stack of three times
/// the cost. A label is hostile.
fn page() -> String {
    let mut document = documents::Made::Comparison.document();
    document["comparisons"][0]["after"]["label"] = json!("<b>branch");
    let document = serde_json::from_value(document).expect("it is one");
    let runs = [20, 21, 22, 23, 24, 25].map(Made::of_seconds);
    let curves: Vec<_> =
        runs.iter().map(|run| RunCurve::of(&run.document).expect("it has requests")).collect();
    let band = |curves: &[RunCurve]| PercentileBand::of(curves).expect("there are runs");
    let profile = runs[0].profile.as_ref().expect("it is profiled");
    let details = [ComparisonDetails {
        bands: Some([band(&curves[..3]), band(&curves[3..])]),
        difference: FlameDifference::of(&cut(profile, 1), &cut(profile, 3)),
        missing: vec!["results/ab/main-07 is not in the percentiles: <gone>.".to_owned()],
    }];
    comparison(&ComparisonPage { document: &document, details: &details })
}

/// The page of a soak whose target keeps memory.
fn soak() -> String {
    let mut made = Made::of_seconds(20);
    made.document.soak = Some(SoakFigures {
        verdict: "leak".to_owned(),
        reason: "it grows".to_owned(),
        leak_functions: vec![LeakFunction {
            function: "keep".to_owned(),
            bytes: 4_096,
            share: 1.0,
            bytes_per_request: Some(1.0),
        }],
        ..SoakFigures::default()
    });
    let leak = cut(made.profile.as_ref().expect("it is profiled"), 1);
    made.leak = Some(leak);
    made.page()
}

fn both_schemes_and_a_phone(opened: &mut Opened) {
    for scheme in ["light", "dark"] {
        opened.emulate(scheme);
        assert_eq!(opened.browser.evaluate(FAINT), json!([]), "{scheme}");
    }
    opened.narrow(|browser| {
        let width = browser.evaluate("document.documentElement.scrollWidth");
        assert!(width.as_u64().expect("a width") <= 360, "{width}");
    });
}

#[test]
fn a_difference_is_walked_by_keys_with_either_sides_widths() {
    let Some(mut opened) = Opened::start("a_difference_is_walked") else { return };
    opened.open(&page());
    let line = "#difference-0-line";
    opened.browser.focus("[data-plot=\"difference-0\"]");
    opened.browser.press("ArrowDown", false);
    let outer = opened.browser.text(line);
    for part in ["/request in <b>branch, ", " in main (", "+"] {
        assert!(outer.contains(part), "{part}: {outer}");
    }
    // The heaviest way down is that of the stack that grew.
    for _ in 0..3 {
        opened.browser.press("ArrowDown", false);
    }
    assert!(opened.browser.text(line).ends_with(": more"), "{}", opened.browser.text(line));
    opened.browser.press("Enter", false);
    opened.browser.press("Escape", false);
    let toggle = "#difference-0-search ~ button[aria-pressed]";
    assert_eq!(opened.browser.text(toggle), "Widths of main");
    opened.browser.focus(toggle);
    opened.browser.press("Enter", false);
    let pressed = format!("document.querySelector('{toggle}').ariaPressed");
    assert_eq!(opened.browser.evaluate(&pressed), json!("true"));
    opened.browser.focus("[data-plot=\"difference-0\"]");
    opened.browser.press("/", false);
    let focused = opened.browser.evaluate("document.activeElement.id");
    assert_eq!(focused, json!("difference-0-search"));
    both_schemes_and_a_phone(&mut opened);
    opened.is_faultless();
}

#[test]
fn the_memory_that_stays_is_a_flame_graph_of_the_page() {
    let Some(mut opened) = Opened::start("the_memory_that_stays") else { return };
    opened.open(&soak());
    opened.browser.focus("[data-plot=\"leak\"]");
    opened.browser.press("ArrowDown", false);
    let line = opened.browser.text("#leak-line");
    assert!(line.contains("of what stays, ") && line.ends_with(" bytes/request"), "{line}");
    // The run's own graph is another one.
    opened.browser.focus("[data-plot=\"flame\"]");
    opened.browser.press("ArrowDown", false);
    assert!(opened.browser.text("#flame-line").contains("of the CPU time"));
    both_schemes_and_a_phone(&mut opened);
    opened.is_faultless();
}

#[test]
fn without_scripts_bands_and_graphs_are_pictures_with_their_figures() {
    let Some(mut opened) = Opened::start("without_scripts_bands") else { return };
    opened.browser.call("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    let file = opened.folder.path().join("page.html");
    std::fs::write(&file, page()).expect("the folder is ours");
    opened.browser.open(&file, false);
    let titles = "[...document.querySelectorAll('svg.flame title')].map((it) => it.textContent)";
    let titles = opened.browser.evaluate(titles);
    let titles = titles.as_array().expect("a list");
    let has_figures =
        |title: &Value| title.as_str().is_some_and(|text| text.contains("/request, before "));
    assert!(titles.len() > 10 && titles.iter().all(has_figures), "{titles:?}");
    let signs = "[...document.querySelectorAll('svg.flame text')].map((it) => it.textContent)\
                 .filter((it) => it.startsWith('▲ ')).length";
    assert!(opened.browser.evaluate(signs).as_u64().expect("a count") > 0);
    let bands = "[...document.querySelectorAll('path.band')].filter((it) => \
                 it.getBoundingClientRect().height > 50).length";
    assert_eq!(opened.browser.evaluate(bands), json!(2));
}
