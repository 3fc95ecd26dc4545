//! Pages of runs of every kind: their size, what they say, and that no text becomes markup.

mod made;

use made::Made;
use uringbench_document::insight::{InsightFigures, InsightSeverity};
use uringbench_document::soak::{LeakFunction, SoakFigures};
use uringbench_document::target::{Cpu, Function, TargetFigures};
use uringbench_document::{CauseFigures, Document, FailureCounted, FlowFigures, TimeFigures};

/// Largest page of a run of an hour.
const PAGE_MAX: usize = 3_000_000;

/// Texts that would be markup, code or an end of something if they were not escaped.
const HOSTILE: [&str; 8] = [
    "\"><script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "<!--",
    "' onfocus=alert(1) autofocus='",
    "a\u{2028}b\u{2029}c",
    "nul\0nul",
    "\u{202e}txet desrever",
    "javascript:alert(1)",
];

#[test]
fn the_page_of_an_hour_is_small_and_so_is_that_of_a_day() {
    let hour = Made::of_seconds(3_600).page();
    println!("an hour: {} kB", hour.len() / 1_000);
    assert!(hour.len() < PAGE_MAX, "{}", hour.len());
    let mut day = Made::of_seconds(600);
    let template = day.document.intervals[1].clone();
    day.document.intervals = (0..86_400)
        .map(|t| uringbench_document::IntervalFigures { t_s: f64::from(t), ..template.clone() })
        .collect();
    let day = day.page();
    assert!(day.len() < PAGE_MAX, "{}", day.len());
}

#[test]
fn the_first_line_is_the_verdict_with_its_reason() {
    let made = Made::of_seconds(60);
    let page = made.page();
    let first = page.split("<h1>").nth(1).and_then(|rest| rest.split("</h1>").next());
    let first = first.expect("there is a first line");
    assert!(first.contains("9.31 ms misses p99 &lt; 2.00 ms in 3 of 59 intervals"), "{first}");
    assert!(first.ends_with("1 of 2 objectives missed"), "{first}");
}

#[test]
fn a_run_without_requests_or_cut_short_has_a_page() {
    let mut empty = Made::bare();
    empty.document.counts.released = 0;
    empty.document.counts.outcomes.ok = 0;
    empty.document.intervals.clear();
    empty.document.phases.clear();
    empty.document.latency_ns.response = TimeFigures::default();
    empty.document.histograms = made::no_histograms();
    let page = empty.page();
    assert!(page.contains("no request was sent in the measured window"), "{page}");
    assert!(page.contains("ended before its first interval") && !page.contains("NaN"));
    assert!(page.contains("script-src 'none'"), "there is nothing to draw");
    let mut cut = Made::of_seconds(2);
    cut.document.intervals.truncate(1);
    cut.document.phases.truncate(1);
    cut.document.counts.outcomes.censored = 3;
    let page = cut.page();
    let body = body(&page);
    assert!(body.contains("censored") && !body.contains("NaN") && !body.contains(" inf"));
}

#[test]
fn a_thousand_steps_have_a_row_each() {
    let mut made = Made::of_seconds(5);
    let template = made.document.steps[0].clone();
    made.document.steps = (0..1_000)
        .map(|at| uringbench_document::StepFigures {
            name: format!("step-{at}"),
            flow: Some("flow".to_owned()),
            ok: Some(10),
            rate: Some(1.0),
            ..template.clone()
        })
        .collect();
    let page = made.page();
    assert_eq!(page.matches("data-step=").count(), 1_000);
    assert!(page.len() < PAGE_MAX, "{}", page.len());
}

/// What people read of a page, without data and scripts.
fn body(page: &str) -> &str {
    let rest = page.split("<body>").nth(1).expect("a body");
    rest.split("<script").next().unwrap_or_default()
}

/// A document with a text in every field that a page shows.
fn everywhere(document: &mut Document, text: &str) {
    let text = || text.to_owned();
    document.plan.url = format!("http://h/{}", text());
    document.plan.method = text();
    document.plan.name = Some(text());
    document.host.hostname = Some(text());
    document.host.cpu = Some(text());
    document.host.uringbench = Some(text());
    document.started = text();
    document.tags = vec![text()];
    document.verdict.notes = vec![text()];
    for reason in &mut document.verdict.reasons {
        (reason.code, reason.message, reason.severity) = (text(), text(), text());
    }
    for held in &mut document.slo {
        (held.objective, held.measured) = (format!("{} p99 < 2.00 ms", text()), text());
    }
    document.counts.causes = vec![CauseFigures { outcome: text(), cause: text(), count: 3 }];
    document.steps[0].name = text();
    document.steps[0].flow = Some(text());
    document.steps[0].failures = vec![FailureCounted { what: text(), count: 2 }];
    document.flows = vec![FlowFigures {
        name: text(),
        passed: 1,
        failed: 1,
        unfinished: 0,
        rate: 1.0,
        response: TimeFigures::default(),
        service: TimeFigures::default(),
        lateness: TimeFigures::default(),
    }];
    document.insights = vec![InsightFigures {
        kind: text(),
        severity: InsightSeverity::Critical,
        description: text(),
        figures: Default::default(),
        recommendations: vec![text()],
    }];
    let function = Function {
        function: text(),
        module: text(),
        self_share: 0.5,
        total_share: 0.5,
        us_per_request: None,
    };
    document.soak = Some(SoakFigures {
        verdict: "leak".to_owned(),
        reason: text(),
        notes: vec![text()],
        leak_functions: vec![LeakFunction {
            function: text(),
            bytes: 9,
            share: 1.0,
            bytes_per_request: Some(0.5),
        }],
        ..SoakFigures::default()
    });
    document.target = Some(TargetFigures {
        mode: "tasks".to_owned(),
        samples: 9,
        cpu: Cpu::default(),
        functions: vec![function],
        notes: vec![text()],
        ..TargetFigures::default()
    });
}

#[test]
fn no_text_becomes_markup() {
    let plain = {
        let mut made = Made::of_seconds(5);
        everywhere(&mut made.document, "plain");
        made.leak = made.profile.as_ref().map(|profile| made::cut(profile, 1));
        made.page()
    };
    let tags = |page: &str| body(page).matches('<').count();
    let long = "x".repeat(10_240);
    for text in HOSTILE.into_iter().chain([long.as_str()]) {
        let mut made = Made::of_seconds(5);
        everywhere(&mut made.document, text);
        if let Some(profile) = &mut made.profile {
            profile.frames.iter_mut().for_each(|frame| frame.function = text.to_owned());
            made.leak = Some(made::cut(profile, 1));
        }
        let page = made.page();
        assert_eq!(tags(&page), tags(&plain), "{text:?} changed the markup");
        for bad in ["<img", "<script>alert", "\0", "\u{202e}", "\u{2028}", "href=\"javascript"] {
            assert!(!page.contains(bad), "{bad:?} of {text:?}");
        }
        // A text that is shortened says how long it was.
        assert!(text != long || page.contains("… (10240 letters)"));
    }
}

#[test]
fn no_secret_of_an_address_is_in_a_page() {
    let mut made = Made::of_seconds(3);
    made.document.plan.url = "http://me:hunter2@h/?token=hunter3&page=2".to_owned();
    let page = made.page();
    assert!(!page.contains("hunter") && page.contains("page=2"));
}
