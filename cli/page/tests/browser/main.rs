//! Pages in a browser: they are themselves alone, every number follows a chosen stretch, and they
//! can be read and used by keyboard, in the dark, on paper, on a phone and with a screen reader.

mod chromium;
mod compared;
#[path = "../documents/mod.rs"]
mod documents;
mod hour;
#[path = "../made/mod.rs"]
#[expect(dead_code, reason = "other tests make further runs")]
mod made;

use std::path::PathBuf;

use chromium::{Chromium, FAINT};
use made::Made;
use serde_json::json;
use tempfile::TempDir;
use uringbench_document::{IntervalFigures, StepFigures};

/// A browser with a page in it.
struct Opened {
    browser: Chromium,
    folder: TempDir,
}

impl Opened {
    fn start(test: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("the machine has room for a folder");
        Chromium::start(test).map(|browser| Self { browser, folder })
    }

    fn open(&mut self, page: &str) {
        let file: PathBuf = self.folder.path().join("page.html");
        std::fs::write(&file, page).expect("the folder is ours");
        self.browser.open(&file, page.contains("application/octet-stream"));
    }

    /// Gives the page a colour scheme.
    fn emulate(&mut self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.browser.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Looks at the page on a phone.
    fn narrow(&mut self, look: impl Fn(&mut Chromium)) {
        let size = json!({ "width": 360, "height": 800, "deviceScaleFactor": 2, "mobile": true });
        self.browser.call("Emulation.setDeviceMetricsOverride", size);
        look(&mut self.browser);
        self.browser.call("Emulation.clearDeviceMetricsOverride", json!({}));
    }

    /// The cell of a figure in the table of the stretch: 1 is the stretch, 2 the rest.
    fn cell(&mut self, row: &str, column: usize) -> String {
        self.browser.text(&format!("[data-row=\"{row}\"] > :nth-child({})", column + 1))
    }

    fn tile(&mut self, key: &str) -> String {
        self.browser.text(&format!("[data-figure=\"{key}\"] .value"))
    }

    #[track_caller]
    fn is_faultless(&mut self) {
        let faults = self.browser.faults();
        assert!(faults.is_empty(), "{faults:#?}");
    }
}

/// As pages write counts.
fn grouped(count: u64) -> String {
    uringbench_core::summary::Grouped(count).to_string()
}

fn nanos(nanos: u64) -> String {
    uringbench_core::time::Nanos(nanos).to_string()
}

#[test]
fn keys_choose_a_stretch_and_every_number_follows() {
    let Some(mut opened) = Opened::start("keys_choose_a_stretch") else { return };
    let made = Made::of_seconds(60);
    let intervals = &made.document.intervals;
    opened.open(&made.page());
    let whole = opened.tile("p99");
    opened.browser.focus("[data-plot=\"rate\"]");
    // The first key shows the cursor on the first measured interval, the second chooses it.
    opened.browser.press("ArrowRight", false);
    opened.browser.press("Enter", false);
    let first = &intervals[1];
    assert_eq!(opened.cell("requests that ended", 1), grouped(first.completed));
    assert_eq!(opened.cell("p50", 1), nanos(first.response_p50_ns.expect("it has requests")));
    assert_eq!(opened.cell("p99", 1), nanos(first.response_p99_ns.expect("it has requests")));
    assert_eq!(opened.cell("slowest", 1), nanos(first.response_max_ns.expect("it has requests")));
    assert_eq!(opened.tile("p99"), opened.cell("p99", 1));
    let sum = |of: &[IntervalFigures]| of.iter().map(|it| it.completed).sum::<u64>();
    assert_eq!(opened.cell("requests that ended", 2), grouped(sum(&intervals[2..])));
    for _ in 0..4 {
        opened.browser.press("ArrowRight", true);
    }
    assert_eq!(opened.cell("requests that ended", 1), grouped(sum(&intervals[1..6])));
    assert!(opened.browser.text("#chosen").contains("1 s – 6 s (5 of 60 rows)"));
    assert!(opened.browser.text("#flame-scope").contains("against the rest"));
    opened.browser.press("Escape", false);
    assert_eq!(opened.tile("p99"), whole);
    assert!(opened.browser.text("#chosen").starts_with("All of the run."));
    opened.is_faultless();
}

#[test]
fn the_mouse_chooses_the_same_stretch_in_every_chart() {
    let Some(mut opened) = Opened::start("the_mouse_chooses") else { return };
    let made = Made::of_seconds(60);
    opened.open(&made.page());
    let place = opened.browser.evaluate(
        "(() => { const plot = document.querySelector('[data-plot=\"rate\"] .u-over'); \
         plot.scrollIntoView({block: 'center'}); const box = plot.getBoundingClientRect(); \
         return [box.left, box.top, box.width, box.height]; })()",
    );
    let [left, top, width, height] = [0, 1, 2, 3].map(|at| place[at].as_f64().expect("a number"));
    let at = |second: f64| (left + width * second / 60.0, top + height / 2.0);
    opened.browser.drag(at(30.05), at(32.95));
    let intervals = &made.document.intervals[30..33];
    let errors: u64 = intervals.iter().map(|it| it.errors).sum();
    assert_eq!(opened.cell("errors", 1), grouped(errors));
    assert_eq!(opened.cell("errors", 2), "0");
    let widths = opened.browser.evaluate(
        "[...document.querySelectorAll('.u-select')].filter((it) => it.offsetWidth > 10).length",
    );
    assert!(widths.as_u64().expect("a count") >= 6, "{widths}");
    // The functions that ran more in it, with a word beside the colour.
    let moved = opened.browser.text("#moved");
    assert!(moved.contains("more per request") && moved.contains("noise"), "{moved}");
    opened.is_faultless();
}

#[test]
fn the_flame_graph_answers_to_keys() {
    let Some(mut opened) = Opened::start("the_flame_graph_answers") else { return };
    opened.open(&Made::of_seconds(30).page());
    opened.browser.focus("[data-plot=\"flame\"]");
    opened.browser.press("ArrowDown", false);
    let outer = opened.browser.text("#flame-line");
    assert!(outer.contains("of the CPU time") && outer.contains("/request"), "{outer}");
    opened.browser.press("ArrowDown", false);
    let inner = opened.browser.text("#flame-line");
    assert_ne!(inner, outer);
    opened.browser.press("ArrowUp", false);
    assert_eq!(opened.browser.text("#flame-line"), outer);
    opened.browser.press("Enter", false);
    opened.browser.press("Escape", false);
    opened.browser.press("/", false);
    assert_eq!(opened.browser.evaluate("document.activeElement.id"), json!("flame-search"));
    opened.is_faultless();
}

#[test]
fn pages_of_other_results_are_faultless_in_both_schemes() {
    let Some(mut opened) = Opened::start("pages_of_other_results") else { return };
    for kind in documents::ALL {
        opened.open(&documents::made(kind, &kind.document()));
        for scheme in ["light", "dark"] {
            opened.emulate(scheme);
            assert_eq!(opened.browser.evaluate(FAINT), json!([]), "{kind:?} {scheme}");
        }
        opened.narrow(|browser| {
            let width = browser.evaluate("document.documentElement.scrollWidth");
            assert!(width.as_u64().expect("a width") <= 360, "{kind:?}: {width}");
        });
        opened.is_faultless();
    }
}

#[test]
fn a_page_can_be_read_in_the_dark_on_paper_and_on_a_phone() {
    let Some(mut opened) = Opened::start("a_page_can_be_read") else { return };
    opened.open(&Made::of_seconds(60).page());
    for scheme in ["light", "dark"] {
        opened.emulate(scheme);
        assert_eq!(opened.browser.evaluate(FAINT), json!([]), "{scheme}");
    }
    opened.narrow(|browser| {
        let width = browser.evaluate("document.documentElement.scrollWidth");
        assert!(width.as_u64().expect("a width") <= 360, "{width}");
    });
    opened.browser.call("Emulation.setEmulatedMedia", json!({ "media": "print" }));
    opened.browser.evaluate("dispatchEvent(new Event('beforeprint'))");
    let closed = opened.browser.evaluate("document.querySelectorAll('details:not([open])').length");
    assert_eq!(closed, json!(0));
    let printed = opened.browser.call("Page.printToPDF", json!({}));
    assert!(printed["data"].as_str().is_some_and(|data| data.len() > 10_000));
    opened.is_faultless();
}

#[test]
fn every_control_has_a_name() {
    let Some(mut opened) = Opened::start("every_control_has_a_name") else { return };
    opened.open(&Made::of_seconds(30).page());
    let tree = opened.browser.call("Accessibility.getFullAXTree", json!({}));
    let nodes = tree["nodes"].as_array().expect("a tree");
    let is_focusable = |node: &&serde_json::Value| {
        let properties = node["properties"].as_array();
        properties
            .into_iter()
            .flatten()
            .any(|it| it["name"] == "focusable" && it["value"]["value"] == true)
    };
    let controls: Vec<_> = nodes.iter().filter(is_focusable).collect();
    assert!(controls.len() > 15, "these are not all: {}", controls.len());
    let name =
        |node: &serde_json::Value| node["name"]["value"].as_str().unwrap_or_default().to_owned();
    let unnamed: Vec<_> = controls.iter().filter(|node| name(node).trim().is_empty()).collect();
    assert!(unnamed.is_empty(), "{unnamed:#?}");
    // Each chart is a figure with its title.
    let figures = nodes.iter().filter(|node| node["role"]["value"] == "figure");
    assert!(figures.map(name).filter(|name| !name.is_empty()).count() >= 6);
}

#[test]
fn a_step_can_be_found_and_shown_alone() {
    let Some(mut opened) = Opened::start("a_step_can_be_found") else { return };
    let mut made = Made::of_seconds(10);
    let held = &mut made.document.slo;
    held[1].objective = "browse/request p99 < 2.00 ms".to_owned();
    made.document.steps[0].flow = Some("browse".to_owned());
    made.document.steps[0].errors = Some([("timeout".to_owned(), 3)].into());
    let other = StepFigures { name: "other".to_owned(), ..made.document.steps[0].clone() };
    made.document.steps.push(other);
    opened.open(&made.page());
    let shown = |opened: &mut Opened, table: &str| {
        let rows = format!(
            "[...document.querySelectorAll('{table} tbody tr')].filter((it) => !it.hidden).length"
        );
        opened.browser.evaluate(&rows).as_u64().expect("a count")
    };
    let pressed = "document.querySelector('#steps button').ariaPressed";
    let whole = ["#objectives", "#failures"].map(|table| shown(&mut opened, table));
    assert_eq!(whole[0], 2);
    // Each row has its picture.
    assert_eq!(opened.browser.evaluate("document.querySelectorAll('#steps .spark').length"), 2);
    opened.browser.focus("#steps button");
    opened.browser.press("Enter", false);
    assert_eq!(opened.browser.evaluate(pressed), json!("true"));
    let line = opened.browser.text("#steps-line");
    assert!(line.starts_with("Only browse/request: ") && line.contains("1 objective"), "{line}");
    assert_eq!((shown(&mut opened, "#objectives"), shown(&mut opened, "#failures")), (1, 1));
    assert!(opened.browser.text("#failures tr:not([hidden]) td:last-child").contains("request"));
    opened.browser.press("Escape", false);
    assert_eq!(opened.browser.evaluate(pressed), json!("false"));
    let again = ["#objectives", "#failures"].map(|table| shown(&mut opened, table));
    assert_eq!((again, opened.browser.text("#steps-line").as_str()), (whole, ""));
    opened.browser.evaluate(
        "(() => { const it = document.getElementById('steps-search'); it.value = 'OTHER'; \
         it.dispatchEvent(new Event('input')); })()",
    );
    assert_eq!(shown(&mut opened, "#steps"), 1);
    assert_eq!(opened.browser.text("#steps-line"), "1 of 2 rows");
    opened.is_faultless();
}

#[test]
fn hostile_texts_are_texts() {
    let Some(mut opened) = Opened::start("hostile_texts_are_texts") else { return };
    for text in [
        "\"><script>alert(1)</script>",
        "</script><img src=x onerror=alert(1)>",
        "' onfocus='a",
        "<!--",
    ] {
        let mut made = Made::of_seconds(10);
        made.document.plan.name = Some(text.to_owned());
        made.document.slo[0].objective = format!("{text} p99 < 2.00 ms");
        if let Some(profile) = &mut made.profile {
            profile.frames.iter_mut().for_each(|frame| frame.function = text.to_owned());
        }
        opened.open(&made.page());
        assert!(opened.browser.text(".what").contains(text));
        opened.browser.focus("[data-plot=\"flame\"]");
        opened.browser.press("ArrowDown", false);
        assert!(opened.browser.text("#flame-line").starts_with(text));
        opened.is_faultless();
    }
}

#[test]
fn without_scripts_a_page_is_whole() {
    let Some(mut opened) = Opened::start("without_scripts") else { return };
    opened.browser.call("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    let file = opened.folder.path().join("page.html");
    std::fs::write(&file, Made::of_seconds(30).page()).expect("the folder is ours");
    opened.browser.open(&file, false);
    let drawn = opened.browser.evaluate(
        "[...document.querySelectorAll('.plot svg.chart, .plot svg.flame')].filter((it) => \
         it.getBoundingClientRect().height > 50).length",
    );
    assert!(drawn.as_u64().expect("a count") >= 8, "{drawn}");
    let canvases = opened.browser.evaluate("document.querySelectorAll('canvas').length");
    assert_eq!(canvases, json!(0));
}
