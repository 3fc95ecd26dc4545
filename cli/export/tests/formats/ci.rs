//! Annotations and summaries of GitHub Actions.

use uringbench_export::checks::{CheckGroup, CheckState, ResultCheck};
use uringbench_export::github::{annotations, fitting, inert};
use uringbench_export::markdown::page;
use uringbench_report::markdown::escaped;

use crate::{HOSTILE, OPEN, SOAK, all, compared, hostile, stored};

fn group(states: &[(CheckState, usize)]) -> CheckGroup {
    let mut group = CheckGroup::of_run(&stored(OPEN));
    group.name = "shop: a, b".to_owned();
    group.checks = states
        .iter()
        .flat_map(|&(state, count)| (0..count).map(move |at| (state, at)))
        .map(|(state, at)| ResultCheck {
            name: format!("{state:?} {at}"),
            state,
            message: "50 %\nof it".to_owned(),
            details: Vec::new(),
        })
        .collect();
    group
}

#[test]
fn each_check_that_did_not_pass_is_one_command() {
    use CheckState::{Failed, Invalid, Passed, Undecided, Warned};
    let group = group(&[(Passed, 3), (Warned, 1), (Undecided, 1), (Invalid, 1), (Failed, 1)]);
    assert_eq!(
        annotations(&[group]),
        "\
::error title=shop%3A a%2C b%3A Failed 0::50 %25%0Aof it
::error title=shop%3A a%2C b%3A Invalid 0::50 %25%0Aof it
::warning title=shop%3A a%2C b%3A Undecided 0::50 %25%0Aof it
::warning title=shop%3A a%2C b%3A Warned 0::50 %25%0Aof it
"
    );
}

#[test]
fn ten_of_a_level_are_shown_and_the_last_says_how_many_are_not() {
    let text =
        annotations(&[group(&[(CheckState::Failed, 10)]), group(&[(CheckState::Warned, 14)])]);
    let of = |level: &str| text.lines().filter(|line| line.starts_with(level)).collect::<Vec<_>>();
    let (errors, warnings) = (of("::error "), of("::warning "));
    assert_eq!((errors.len(), warnings.len()), (10, 10));
    assert!(errors[9].contains("Failed 9"), "{}", errors[9]);
    assert!(warnings[9].ends_with("::and 5 more: see the summary of the job"), "{}", warnings[9]);
}

#[test]
fn no_text_ends_its_annotation() {
    let groups: Vec<_> = all().iter().map(CheckGroup::of_run).collect();
    for line in annotations(&groups).lines() {
        assert!(
            line.starts_with("::error title=") || line.starts_with("::warning title="),
            "{line}"
        );
        let title = line.split_once("title=").and_then(|(_, rest)| rest.split_once("::"));
        let (title, message) = title.expect("a title and a message");
        assert!(!title.contains([':', ',', '\r']) && !message.contains('\r'), "{line}");
    }
    let gates = annotations(&CheckGroup::of_comparison(&compared()));
    assert_eq!(gates.lines().count(), 1, "{gates}");
    assert!(gates.starts_with("::error title=old and new%3A response p99::response p99: 1.00 ms"));
}

#[test]
fn a_line_of_others_is_no_command() {
    let text = "VALID\n  ::error::x\n::stop-commands::y\na ::error:: b\nx ##[error]y\n";
    let expected = "VALID\n  \\::error::x\n\\::stop-commands::y\na ::error:: b\nx ##\\[error]y\n";
    assert_eq!(inert(text), expected);
    assert_eq!(inert("a\nb"), "a\nb");
}

#[test]
fn a_summary_says_the_verdict_first_and_marks_objectives() {
    let text = page(&stored(OPEN), Some("results/x"));
    let expected = "### ❌ SUSPECT, 1 of 3 objectives missed: golden\n\n- `steal`: ";
    assert!(text.starts_with(expected), "{text}");
    for row in [
        "| objective | measured | |\n|---|---|---|\n| p99 &lt; 20.0 ms | 30.3 µs | ✅ met |",
        "| rate &gt; 60,000/s | 50,000/s | ❌ **missed** |",
        "| p99.99 &lt; 1.00 s | too few samples | ⚠️ not decided |",
        "| completed | 50,000/s |",
        "| response p99 | 30.3 µs |",
        "- stored in results/x",
    ] {
        assert!(text.contains(row), "{row}\n{text}");
    }
    let soak = page(&stored(SOAK), None);
    assert!(soak.contains("- **LEAK**: ") && soak.contains("| browse/look |"), "{soak}");
    assert!(!soak.contains("stored in"), "{soak}");
}

#[test]
fn nothing_in_a_cell_is_markup_a_mention_or_a_reference() {
    let text = escaped("a|b`c*d_e[f](g)<h>&@i#1\nhttps://x\u{0}");
    assert_eq!(text, "a\\|b\\`c\\*d\\_e\\[f\\](g)&lt;h&gt;&amp;&#64;i&#35;1 https&#58;//x ");
    let text = page(&hostile(), Some(HOSTILE));
    assert!(!text.contains("</d>") && !text.contains('\u{0}') && !text.contains("@k"), "{text}");
    // Every line is one of ours.
    for line in text.lines().filter(|line| line.contains("error")) {
        assert!(line.starts_with(['#', '|', '-', ' ']), "{line}");
    }
}

#[test]
fn a_long_summary_is_cut_between_lines_and_says_so() {
    let long = "| ü |\n".repeat(1_000);
    let cut = fitting(&long, 600);
    assert!(cut.len() <= 600 && cut.contains("| ü |\n\nThe rest does not fit"), "{cut}");
    assert_eq!(fitting("short", 600), "short");
}
