//! The page of a run of an hour in a browser: its charts are drawn, and how long that takes is
//! printed. With `URINGBENCH_PAGE_LOADS=5` it is opened so often.

use serde_json::json;

use super::Opened;
use super::made::Made;

/// How often the page is opened.
const LOADS: &str = "URINGBENCH_PAGE_LOADS";
/// Notes when the charts are drawn: in the frame after the scripts are done.
const WATCH: &str = "new MutationObserver((_, watch) => {
    if (document.documentElement?.dataset.ready !== 'yes') return;
    watch.disconnect();
    requestAnimationFrame(() => setTimeout(() => { window.drawn = performance.now(); }));
}).observe(document, { attributes: true, childList: true, subtree: true });";

#[test]
fn the_page_of_an_hour_draws_its_charts() {
    let Some(mut opened) = Opened::start("the_page_of_an_hour_draws") else { return };
    opened.browser.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": WATCH }));
    let page = Made::of_seconds(3_600).page();
    let loads = std::env::var(LOADS).ok().and_then(|it| it.parse().ok()).unwrap_or(1);
    for _ in 0..loads {
        opened.open(&page);
        opened.browser.wait("window.drawn > 0");
        let drawn = opened.browser.evaluate(
            "[window.drawn, performance.timing.responseEnd - \
             performance.timing.navigationStart].map(Math.round)",
        );
        println!("{} kB: drawn and read after {drawn} ms", page.len() / 1_000);
    }
    let charts = "[...document.querySelectorAll('.u-over')].length";
    assert!(opened.browser.evaluate(charts).as_u64().expect("a count") >= 8);
    opened.is_faultless();
}
