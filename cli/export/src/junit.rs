//! JUnit XML, as Jenkins, GitLab and others read it: a suite for each run or comparison, a case for
//! each check.
//!
//! The elements and attributes are those that Jenkins' schema allows; it rejects some that other
//! readers know. A case has at most one result, since Jenkins keeps one.

use std::fmt::Write as _;

use crate::checks::{CheckGroup, CheckState, ResultCheck};

/// The document of these groups.
pub fn xml(groups: &[CheckGroup]) -> String {
    let all = || groups.iter().flat_map(|group| &group.checks);
    // Numbers are summed from -0.0 on, which would stand in the file of an empty document.
    let seconds = groups.iter().map(|group| group.seconds).sum::<f64>() + 0.0;
    let mut page = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(
        page,
        "<testsuites name=\"uringbench\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{}\">",
        all().count(),
        count(all(), CheckState::Failed),
        count(all(), CheckState::Invalid),
        time(seconds),
    );
    groups.iter().for_each(|group| suite(&mut page, group));
    page.push_str("</testsuites>\n");
    page
}

fn count<'a>(checks: impl Iterator<Item = &'a ResultCheck>, state: CheckState) -> usize {
    checks.filter(|check| check.state == state).count()
}

fn suite(page: &mut String, group: &CheckGroup) {
    let CheckGroup { name, started, hostname, seconds, properties, checks } = group;
    let _ = write!(
        page,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" \
         time=\"{}\"",
        escaped(name),
        checks.len(),
        count(checks.iter(), CheckState::Failed),
        count(checks.iter(), CheckState::Invalid),
        count(checks.iter(), CheckState::Undecided),
        time(*seconds),
    );
    for (attribute, value) in [("timestamp", local(started)), ("hostname", hostname)] {
        if !value.is_empty() {
            let _ = write!(page, " {attribute}=\"{}\"", escaped(value));
        }
    }
    page.push_str(">\n");
    if !properties.is_empty() {
        page.push_str("    <properties>\n");
        for (name, value) in properties {
            let (name, value) = (escaped(name), escaped(value));
            let _ = writeln!(page, "      <property name=\"{name}\" value=\"{value}\"/>");
        }
        page.push_str("    </properties>\n");
    }
    for (at, check) in checks.iter().enumerate() {
        // The whole time belongs to the first case, so that the sum is right.
        case(page, name, check, if at == 0 { *seconds } else { 0.0 });
    }
    page.push_str("  </testsuite>\n");
}

fn case(page: &mut String, suite: &str, check: &ResultCheck, seconds: f64) {
    // A dot would begin another package.
    let class = escaped(&format!("uringbench.{}", suite.replace('.', "_")));
    let (name, time) = (escaped(&check.name), time(seconds));
    let _ = write!(page, "    <testcase name=\"{name}\" classname=\"{class}\" time=\"{time}\"");
    let text = text(check);
    let message = escaped(&check.message);
    let result = match check.state {
        CheckState::Passed | CheckState::Warned if text.is_empty() => {
            page.push_str("/>\n");
            return;
        }
        CheckState::Passed | CheckState::Warned => {
            format!("<system-out>{text}</system-out>")
        }
        CheckState::Undecided => format!("<skipped message=\"{message}\"/>"),
        CheckState::Invalid => {
            format!("<error type=\"invalid\" message=\"{message}\">{text}</error>")
        }
        CheckState::Failed => {
            format!("<failure type=\"missed\" message=\"{message}\">{text}</failure>")
        }
    };
    let _ = writeln!(page, ">\n      {result}\n    </testcase>");
}

/// Message and details as the content of an element.
fn text(check: &ResultCheck) -> String {
    let lines = std::iter::once(&check.message).chain(&check.details);
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).map(|line| escaped(line)).collect();
    lines.join("\n")
}

/// Three decimals: Jenkins' schema allows no more.
fn time(seconds: f64) -> String {
    format!("{:.3}", if seconds.is_finite() { seconds.max(0.0) } else { 0.0 })
}

/// The time without its fraction and its zone: readers disagree about both.
fn local(started: &str) -> &str {
    started.split(['.', 'Z']).next().unwrap_or_default()
}

/// Text inside of an element or an attribute; characters that XML forbids become U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // In an attribute they would be read as spaces.
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}
