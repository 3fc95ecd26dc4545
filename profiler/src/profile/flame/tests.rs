//! The content of a flame graph, read from its text as a browser would.

use super::*;
use crate::profile::{Selection, fixture};
use crate::sample::SampleKind;

fn svg(lines: &[String], options: &FlameOptions) -> String {
    let mut out = Vec::new();
    write_svg(lines, options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// The titles that frames show under the mouse.
fn titles(svg: &str) -> Vec<&str> {
    let parts = svg.split("<title>").skip(1);
    parts.map(|part| part.split("</title>").next().unwrap()).collect()
}

/// The colour of the frame whose title begins with `function`.
fn fill<'a>(svg: &'a str, function: &str) -> &'a str {
    let frame = svg.split(&format!("<title>{function} (")).nth(1).unwrap();
    frame.split("fill=\"").nth(1).unwrap().split('"').next().unwrap()
}

fn rgb(fill: &str) -> [u8; 3] {
    let inside = fill.trim_start_matches("rgb(").trim_end_matches(')');
    let parts: Vec<_> = inside.split(',').map(|part| part.parse().unwrap()).collect();
    parts.try_into().unwrap()
}

#[test]
fn a_graph_shows_plain_names_shares_and_units() {
    let profile = fixture::profile(&[
        (1, SampleKind::Cpu, "main;handler_[i]!app.py;write!libc.so.6;tcp_sendmsg_[k]", 600_000),
        (2, SampleKind::Cpu, "main;Parse<Vec<u8>>", 300_000),
        (3, SampleKind::Cpu, "[truncated];compiled_[j]", 100_000),
    ]);
    let view = profile.cut(&Selection::of([SampleKind::Cpu])).unwrap();
    let options = FlameOptions {
        title: "nginx & friends".into(),
        subtitle: "99 Hz cpu-clock".into(),
        unit: FlameUnit::Time,
        notes: "taken with --profile ---".into(),
    };
    let lines = view.flame_lines(&profile);
    let drawn = svg(&lines, &options);
    let mut shown = titles(&drawn);
    shown.sort_unstable();
    assert_eq!(
        shown,
        [
            "Parse&lt;Vec&lt;u8&gt;&gt; (300 µs, 30.00%)",
            "[truncated] (100 µs, 10.00%)",
            "all (1,000 µs, 100%)",
            "compiled (100 µs, 10.00%)",
            "handler (app.py) (600 µs, 60.00%)",
            "main (900 µs, 90.00%)",
            "tcp_sendmsg (600 µs, 60.00%)",
            "write (600 µs, 60.00%)",
        ]
    );
    for text in [
        "nginx &amp; friends",
        "99 Hz cpu-clock",
        "id=\"search\"",
        "id=\"unzoom\"",
        "interpreted or JIT</text>",
        "function zoom",
    ] {
        assert!(drawn.contains(text), "{text}");
    }
    assert!(!drawn.contains("_[k]<") && !drawn.contains("_[i] "));
    let comment = drawn.split("NOTES: ").nth(1).unwrap().split("-->").next().unwrap();
    assert_eq!(comment, "taken with - -profile - - -", "two hyphens end a comment in XML");
    assert_eq!(svg(&lines, &options), drawn, "the same lines give the same bytes");
}

#[test]
fn a_colour_tells_who_runs_a_frame() {
    let drawn = svg(
        &lines(&[
            "Upper.Case/native;sys_[k] 1",
            "PyEval;f (app.py)_[i] 1",
            "[truncated];jit_[j] 1",
            "x::y 1",
        ]),
        &FlameOptions::default(),
    );
    for native in ["Upper.Case/native", "PyEval", "x::y"] {
        let [red, green, blue] = rgb(fill(&drawn, native));
        assert!(
            red > 210 && red >= green && !(115..190).contains(&green) && blue < 110,
            "{native}: {red} {green} {blue}"
        );
    }
    for managed in ["f (app.py)", "jit"] {
        let [red, green, blue] = rgb(fill(&drawn, managed));
        assert!(green > red && green > blue, "{managed}");
    }
    let [red, green, blue] = rgb(fill(&drawn, "sys"));
    assert!(red > 220 && (130..150).contains(&green) && blue < 60, "orange: {red} {green} {blue}");
    assert_eq!(rgb(fill(&drawn, "[truncated]")), [200; 3]);
}

#[test]
fn nothing_to_draw_is_said_in_words() {
    let options = FlameOptions { title: "a < b".into(), ..FlameOptions::default() };
    for nothing in [lines(&[]), lines(&["main;a 0"])] {
        let drawn = svg(&nothing, &options);
        assert!(drawn.contains(">No samples: there is nothing to draw.</text>"), "{drawn}");
        assert!(drawn.contains(">a &lt; b</text>") && drawn.ends_with("</svg>\n"));
    }
}

fn difference(before: (&[&str], u64), after: (&[&str], u64), direction: Direction) -> String {
    let (before_lines, after_lines) = (lines(before.0), lines(after.0));
    let mut out = Vec::new();
    write_difference_svg(
        FoldedSide { lines: &before_lines, requests: before.1 },
        FoldedSide { lines: &after_lines, requests: after.1 },
        direction,
        &FlameOptions::default(),
        &mut out,
    )
    .unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_difference_is_per_request_and_shows_both_directions() {
    // Per 1,000 requests: parse 4,000 then 8,000; same 2,000 both; gone 2,000; added 2,000.
    let before = (&["main;gone 200", "main;parse 400", "main;same 200"][..], 100);
    let after = (&["main;added 100", "main;parse 400", "main;same 100"][..], 50);
    let grown = difference(before, after, Direction::Grown);
    let mut shown = titles(&grown);
    shown.sort_unstable();
    assert_eq!(
        shown,
        [
            "added (2,000 ns per 1,000 requests, 16.67%; +16.67%)",
            "all (12,000 ns per 1,000 requests, 100%)",
            "main (12,000 ns per 1,000 requests, 100.00%; 0.00%)",
            "parse (8,000 ns per 1,000 requests, 66.67%; +33.33%)",
            "same (2,000 ns per 1,000 requests, 16.67%; 0.00%)",
        ]
    );
    assert!(
        grown.contains(">widths: after</text>")
            && grown.contains(">more per request than before</text>")
    );
    let [red, green, _] = rgb(fill(&grown, "parse"));
    assert!(red == 255 && green < 255);

    let vanished = difference(before, after, Direction::Vanished);
    let mut shown = titles(&vanished);
    shown.sort_unstable();
    assert_eq!(
        shown,
        [
            "all (8,000 ns per 1,000 requests, 100%)",
            "gone (2,000 ns per 1,000 requests, 25.00%; -25.00%)",
            "main (8,000 ns per 1,000 requests, 100.00%; 0.00%)",
            "parse (4,000 ns per 1,000 requests, 50.00%; +50.00%)",
            "same (2,000 ns per 1,000 requests, 25.00%; 0.00%)",
        ]
    );
    let [red, _, blue] = rgb(fill(&vanished, "gone"));
    assert!(blue == 255 && red < 255, "less is blue in both directions");
    assert!(vanished.contains(">widths: before</text>"));
}

#[test]
fn a_difference_without_requests_or_samples_says_so() {
    let some = (&["main 5"][..], 10);
    let drawn = difference((&["main 5"], 0), some, Direction::Grown);
    assert!(drawn.contains(">No request was completed on one side"), "{drawn}");
    let drawn = difference(some, (&[], 10), Direction::Grown);
    assert!(drawn.contains(">No samples on this side"), "{drawn}");
    assert!(difference(some, (&[], 10), Direction::Vanished).contains("main (500 ns"));
}
