//! Percentile distributions and stacks.

use uringbench_export::hgrm;
use uringbench_export::speedscope::{StackFrame, WeightedStack, document};

use crate::{OPEN, all, empty, stored};

/// The numbers of the lines between head and foot.
fn rows(page: &str) -> Vec<Vec<f64>> {
    let lines = page.lines().skip(2).take_while(|line| !line.starts_with('#'));
    let number = |word: &str| word.parse().unwrap_or_else(|_| panic!("{word} in\n{page}"));
    lines.map(|line| line.split_whitespace().map(number).collect()).collect()
}

#[test]
fn a_distribution_rises_to_every_value() {
    for run in all() {
        let page = hgrm::text(&run).expect("it is whole");
        let head = "       Value     Percentile TotalCount 1/(1-Percentile)\n\n";
        assert!(page.starts_with(head), "{page}");
        let rows = rows(&page);
        for column in 0..3 {
            assert!(rows.iter().map(|row| row[column]).is_sorted(), "{page}");
        }
        let count = run.histograms.response().expect("it is whole").len();
        if let Some(last) = rows.last() {
            assert_eq!((last[1], last[2]), (1.0, count as f64), "{page}");
            assert_eq!(last.len(), 3, "infinity is left out: {page}");
        }
        assert!(page.contains(&format!("Total count    = {count:>12}]")), "{page}");
    }
}

#[test]
fn a_distribution_has_the_percentiles_of_the_run() {
    let run = stored(OPEN);
    let page = hgrm::text(&run).expect("it is whole");
    let at = |quantile: f64| {
        let rows = rows(&page);
        let row = rows.iter().find(|row| row[1] >= quantile).cloned();
        row.expect("it reaches 100 %")[0]
    };
    let p50 = run.latency_ns.response.p50.expect("there are values") as f64 / 1e6;
    assert!((at(0.5) - p50).abs() < 0.001, "{p50}\n{page}");
    let max = run.latency_ns.response.max.expect("there are values") as f64 / 1e6;
    assert!((at(1.0) / max - 1.0).abs() < 0.002, "{max}\n{page}");
    // The geometry of all our histograms, as Java prints it.
    assert!(page.ends_with("#[Buckets =           32, SubBuckets     =         2048]\n"), "{page}");
}

#[test]
fn a_run_without_requests_has_an_empty_distribution() {
    let page = hgrm::text(&empty()).expect("it is whole");
    assert!(rows(&page).is_empty() && page.contains("Total count    =            0]"), "{page}");
}

#[test]
fn every_frame_of_a_stack_is_listed_once() {
    let frame = |function: &str, module: &str| StackFrame {
        function: function.to_owned(),
        module: module.to_owned(),
    };
    let (main, serve, other) = (frame("main", "app"), frame("serve", "app"), frame("serve", ""));
    let stacks = [
        WeightedStack { frames: vec![main.clone(), serve.clone()], ns: 7 },
        WeightedStack { frames: vec![main, other, serve], ns: 5 },
        WeightedStack { frames: Vec::new(), ns: 3 },
    ];
    let document = document("shop", &stacks);
    let frames = document["shared"]["frames"].as_array().expect("frames are listed");
    assert_eq!(frames.len(), 4, "{document}");
    assert_eq!(frames[1], serde_json::json!({ "name": "serve", "file": "app" }));
    let profile = &document["profiles"][0];
    assert_eq!(profile["samples"], serde_json::json!([[0, 1], [0, 2, 1], [3]]));
    assert_eq!(profile["weights"], serde_json::json!([7, 5, 3]));
    assert_eq!((&profile["startValue"], &profile["endValue"]), (&0.into(), &15.into()));
    assert_eq!((&profile["type"], &profile["unit"]), (&"sampled".into(), &"nanoseconds".into()));
}
