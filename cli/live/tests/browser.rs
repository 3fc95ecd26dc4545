//! The page of a run in a browser: it follows the run, and becomes its report.

#[path = "../../page/tests/browser/chromium.rs"]
#[expect(dead_code, reason = "tests of other pages use more of it")]
mod chromium;
mod made;

use chromium::Chromium;
use made::{second, start};
use serde_json::json;

/// Texts of the page, joined.
const TILES: &str = "[...document.querySelectorAll('.tile')].map((it) => it.textContent).join('|')";
const REPORT: &str = "<!doctype html><title>the report</title><p>done";

#[test]
fn the_page_follows_the_run_and_becomes_its_report() {
    let Some(mut browser) = Chromium::start("the_page_follows_the_run") else { return };
    let server = start();
    let add = |at: u64| {
        let (interval, response) = second(at);
        server.interval(&interval, &response);
    };
    (0..5).for_each(add);
    browser.go(server.url());
    browser.wait("document.getElementById('word')?.textContent === 'measuring 0:05'");
    assert!(browser.text(".what").starts_with("<script>alert(1)</script> GET http"));
    let charts = "document.querySelectorAll('.u-over').length";
    let before = browser.evaluate(charts).as_u64().expect("a count");
    assert!(before >= 4, "rate, times, in flight, CPU: {before}");
    let tiles = browser.evaluate(TILES);
    let tiles = tiles.as_str().expect("a text");
    assert!(tiles.contains("answers100/s") && tiles.contains("client0.25 CPU"), "{tiles}");
    // One by one; with the first failures a chart is added.
    for at in 5..12 {
        add(at);
        let word = format!("measuring 0:{:02}", at + 1);
        browser.wait(&format!("document.getElementById('word').textContent === '{word}'"));
    }
    let objectives = browser.text("#objectives");
    assert!(objectives.starts_with("✓ p99"), "enough samples: {objectives}");
    assert_eq!(browser.evaluate(charts), json!(before + 1), "failures by kind");
    for scheme in ["light", "dark"] {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        browser.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }
    let size = json!({ "width": 360, "height": 800, "deviceScaleFactor": 2, "mobile": true });
    browser.call("Emulation.setDeviceMetricsOverride", size);
    browser.wait("document.documentElement.scrollWidth <= 360");
    let faults = browser.faults();
    // Its page, and its stream.
    let foreign = |fault: &&String| !fault.starts_with("requests") || !fault.contains("/events");
    let foreign: Vec<_> = faults.iter().filter(foreign).collect();
    assert!(foreign.is_empty(), "{foreign:#?}");
    let end = std::thread::spawn(move || server.finish(Some(REPORT.to_owned())));
    browser.wait("document.title === 'the report' && location.pathname.endsWith('/report.html')");
    assert_eq!(end.join().expect("it does not panic"), Vec::<String>::new());
}
