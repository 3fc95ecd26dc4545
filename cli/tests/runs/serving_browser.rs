//! `uringbench serve` in a browser, by keyboard, on a phone and in the dark; and a long list, which
//! is read page by page.

#[path = "../../page/tests/browser/chromium.rs"]
#[expect(dead_code, reason = "tests of pages use more of it")]
mod chromium;

use std::fs;
use std::path::Path;
use std::time::Instant;

use serde_json::json;

use crate::serving::{BEGAN, Shown, store};
use chromium::{Chromium, FAINT};

/// Runs of the long list: set to 10000 to measure it.
const RUNS: &str = "URINGBENCH_SHELF_RUNS";
const COMPARISON: &str = include_str!("../../page/tests/documents/comparison.json");

/// A browser on the pages of a server.
struct Looking {
    browser: Chromium,
    url: String,
}

impl Looking {
    /// Presses Enter on what a selector finds, and waits for the page with this heading.
    fn follow(&mut self, selector: &str, heading: &str) {
        self.browser.focus(selector);
        self.browser.press("Enter", false);
        let is_there = format!(
            "document.readyState === 'complete' && \
             document.querySelector('h1')?.textContent.includes({})",
            json!(heading)
        );
        self.browser.wait(&is_there);
    }

    /// Looks for faults in the page that is open; the server is the only one that it asks.
    #[track_caller]
    fn check(&mut self, name: &str) {
        for scheme in ["light", "dark"] {
            let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
            self.browser.call("Emulation.setEmulatedMedia", json!({ "features": features }));
            assert_eq!(self.browser.evaluate(FAINT), json!([]), "{name} {scheme}");
        }
        let size = json!({ "width": 360, "height": 800, "deviceScaleFactor": 2, "mobile": true });
        self.browser.call("Emulation.setDeviceMetricsOverride", size);
        let width = self.browser.evaluate("document.documentElement.scrollWidth");
        assert!(width.as_u64().expect("a width") <= 360, "{name}: {width}");
        self.browser.call("Emulation.clearDeviceMetricsOverride", json!({}));
        let faults = self.browser.faults();
        let own = format!("requests \"{}", self.url);
        let foreign: Vec<_> = faults.iter().filter(|fault| !fault.starts_with(&own)).collect();
        assert!(foreign.is_empty(), "{name}: {foreign:#?}");
    }
}

fn put(results: &Path, folder: &str, file: &str, text: &str) {
    let folder = results.join(folder);
    fs::create_dir_all(&folder).expect("the folder is ours");
    fs::write(folder.join(file), text).expect("the folder is ours");
}

#[test]
fn every_page_can_be_reached_by_keyboard_and_has_no_fault() {
    let Some(browser) = Chromium::start("every_page_can_be_reached") else { return };
    let folder = tempfile::tempdir().expect("room for a folder");
    let results = folder.path().join("results");
    store(&results, "t/a/1", BEGAN);
    store(&results, "t/a/2", "2026-11-24T10:00:00.000Z");
    put(&results, "compared/x", "comparison.json", COMPARISON);
    let shown = Shown::of(&results);
    let url = format!("http://{}/{}/", shown.host, shown.token);
    let mut looking = Looking { browser, url: url.clone() };
    looking.browser.go(&url);
    looking.browser.wait("document.querySelector('h1')?.textContent.startsWith('Results in')");
    looking.check("list");
    let back = "nav.way a";
    looking.follow("a[href^=\"run/\"]", "·");
    looking
        .browser
        .wait("document.documentElement.dataset.ready === 'yes' || !document.scripts[0]");
    looking.check("run");
    looking.follow(back, "Results in");
    looking.follow("a[href^=\"trend?\"]", "·");
    looking.check("trend");
    looking.follow(back, "Results in");
    looking.follow("a[href^=\"result/\"]", "WARN");
    looking.check("comparison of a folder");
    looking.follow(back, "Results in");
    looking.follow("a[href^=\"./?with=\"]", "Results in");
    looking.browser.wait("document.querySelector('a[href^=\"compare?\"]') !== null");
    looking.follow("a[href^=\"compare?\"]", "·");
    looking.check("comparison of two");
    looking.follow(back, "Results in");
    // The form is sent by Enter; what it finds is in the address.
    looking.browser.evaluate("document.querySelector('input[name=find]').value = 'no such'");
    looking.follow("input[name=find]", "Results in");
    looking.browser.wait("document.querySelector('.nothing') !== null");
    let address = looking.browser.evaluate("location.search");
    assert_eq!(address, json!("?find=no+such"));
    looking.check("nothing found");
    looking.browser.go(&format!("{url}run/none"));
    looking.browser.wait("document.querySelector('h1')?.textContent.includes('nothing to show')");
}

#[test]
fn a_long_list_is_shown_page_by_page() {
    let folder = tempfile::tempdir().expect("room for a folder");
    let results = folder.path().join("results");
    let count = std::env::var(RUNS).ok().and_then(|it| it.parse().ok()).unwrap_or(230_u32);
    for at in 0..count {
        let began =
            format!("2026-11-{:02}T{:02}:{:02}:00.000Z", 1 + at / 1_440, at / 60 % 24, at % 60);
        store(&results, &format!("t/{}/{at}", at % 7), &began);
    }
    let shown = Shown::of(&results);
    for _ in 0..5 {
        let began = Instant::now();
        let list = shown.get("");
        println!("{count} runs: the first page after {:?}", began.elapsed());
        assert!(list.starts_with("HTTP/1.1 200"), "{list}");
        let total = uringbench_core::summary::plural(count.into(), "run");
        assert!(list.contains(&total) && list.contains("Page 1 of "), "{list}");
        assert_eq!(list.matches("href=\"run/").count(), 100);
    }
    let last = count - 1;
    let newest = format!("2026-11-{:02} {:02}:{:02}", 1 + last / 1_440, last / 60 % 24, last % 60);
    let row = |page: &str| {
        let list = shown.get(page);
        let rest = list.split("<th scope=\"row\">").nth(1).expect("a row").to_owned();
        rest[..16].to_owned()
    };
    assert_eq!(row(""), newest, "the newest is the first");
    let oldest = shown.get(&format!("?page={}", (count - 1) / 100));
    assert!(oldest.contains("2026-11-01 00:00:00"), "{oldest}");
    assert_ne!(row("?page=1"), newest);
}
