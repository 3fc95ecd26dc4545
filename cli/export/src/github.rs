//! GitHub Actions: annotations as workflow commands, and text that cannot become one.
//!
//! GitHub shows ten annotations of a level for each step and drops the rest without a word, so the
//! worst come first and the last one says how many are missing.

use crate::checks::{CheckGroup, CheckState, ResultCheck};

/// Annotations of a level that GitHub shows for a step.
const SHOWN_MAX: usize = 10;
/// Bytes of a job summary; GitHub drops the whole text of a step beyond 1 MiB.
pub const SUMMARY_MAX: usize = 900_000;

/// How an annotation is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AnnotationLevel {
    Error,
    Warning,
}

impl AnnotationLevel {
    const ALL: [Self; 2] = [Self::Error, Self::Warning];

    const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }

    const fn of(state: CheckState) -> Option<Self> {
        match state {
            CheckState::Passed => None,
            CheckState::Warned | CheckState::Undecided => Some(Self::Warning),
            CheckState::Invalid | CheckState::Failed => Some(Self::Error),
        }
    }
}

/// The annotations of all checks that did not pass, a line each.
pub fn annotations(groups: &[CheckGroup]) -> String {
    AnnotationLevel::ALL.into_iter().map(|level| of_level(groups, level)).collect()
}

fn of_level(groups: &[CheckGroup], level: AnnotationLevel) -> String {
    let checks = groups.iter().flat_map(|group| group.checks.iter().map(move |it| (group, it)));
    let mut shown: Vec<(&CheckGroup, &ResultCheck)> =
        checks.filter(|(_, check)| AnnotationLevel::of(check.state) == Some(level)).collect();
    shown.sort_by_key(|(_, check)| std::cmp::Reverse(check.state));
    let over = shown.len().saturating_sub(SHOWN_MAX);
    // The last one shown gives its place to the number of those that are not.
    let kept = if over > 0 { SHOWN_MAX - 1 } else { shown.len() };
    let mut lines: String = shown
        .iter()
        .take(kept)
        .map(|(group, check)| {
            line(level, &format!("{}: {}", group.name, check.name), &check.message)
        })
        .collect();
    if over > 0 {
        let more = format!("and {} more: see the summary of the job", shown.len() - kept);
        lines.push_str(&line(level, "uringbench", &more));
    }
    lines
}

/// `::error title=shop%3A p99 < 20 ms::missed`.
fn line(level: AnnotationLevel, title: &str, message: &str) -> String {
    let (word, title, message) = (level.word(), property(title), data(message));
    format!("::{word} title={title}::{message}\n")
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The text with a visible mark before lines that GitHub's runner would take for commands: servers
/// and files may have written them.
pub fn inert(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let start = line.trim_start();
        if start.starts_with("::") {
            let indent = &line[..line.len() - start.len()];
            out.push_str(indent);
            out.push_str("\\:");
            out.push_str(&start[1..].replace("##[", "##\\["));
        } else {
            out.push_str(&line.replace("##[", "##\\["));
        }
    }
    out
}

/// A summary cut to the size that GitHub accepts, with a sentence that says so.
pub fn fitting(summary: &str, bytes: usize) -> String {
    const CUT: &str = "\n\nThe rest does not fit into a job summary: see the stored result.\n";
    if summary.len() <= bytes {
        return summary.to_owned();
    }
    let head = crate::benchmark::cut(summary, bytes.saturating_sub(CUT.len()));
    // Not within a line: half of a table's row would be text.
    let end = head.rfind('\n').unwrap_or(head.len());
    format!("{}{CUT}", &head[..end])
}
