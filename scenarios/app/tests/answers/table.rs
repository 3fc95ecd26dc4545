//! The pages of routes show what the application does: each of their requests is sent and its
//! answer seen.

use serde_json::Value;

use crate::served::Served;

const PAGES: [&str; 2] = [
    include_str!("../../../../docs/reference/app-routes.md"),
    include_str!("../../../../docs/reference/app-feature-routes.md"),
];
/// What differs from run to run; at the end of a list, whatever follows.
const ANY: &str = "…";

/// A row of a table.
struct Row<'a> {
    method: &'a str,
    path: &'a str,
    sent: &'a str,
    status: u16,
    answer: &'a str,
}

impl<'a> Row<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [request, sent, status, answer] = cells.try_into().ok()?;
        let (method, path) = code(request)?.split_once(' ')?;
        Some(Self { method, path, sent, status: status.parse().ok()?, answer })
    }
}

/// What stands in a cell that is all code.
fn code(cell: &str) -> Option<&str> {
    let code = cell.strip_prefix('`')?.strip_suffix('`')?;
    (!code.contains('`')).then_some(code)
}

fn is_like(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::String(any), _) if any == ANY => true,
        (Value::Array(expected), Value::Array(found)) => {
            let open = expected.last().is_some_and(|last| last == ANY);
            let expected = if open { &expected[..expected.len() - 1] } else { expected };
            (open || expected.len() == found.len())
                && found.len() >= expected.len()
                && expected.iter().zip(found).all(|(expected, found)| is_like(expected, found))
        }
        (Value::Object(expected), Value::Object(found)) => {
            expected.len() == found.len()
                && expected
                    .iter()
                    .all(|(name, value)| found.get(name).is_some_and(|it| is_like(value, it)))
        }
        _ => expected == found,
    }
}

#[test]
fn every_row_is_true() {
    let mut rows = 0;
    for chapter in PAGES.iter().flat_map(|page| page.split("\n## ").skip(1)) {
        let served = Served::start();
        let mut token = String::new();
        for row in chapter.lines().filter_map(Row::read) {
            rows += 1;
            let Row { method, path, status, .. } = row;
            // A form or a handshake is described, and tested elsewhere.
            if !row.sent.is_empty() && code(row.sent).is_none() {
                continue;
            }
            let sent = code(row.sent).unwrap_or_default();
            let mut headers = String::new();
            if !token.is_empty() {
                headers = format!("Authorization: Bearer {token}\r\n");
            }
            let mut body = "";
            if sent.starts_with(['{', '[']) {
                headers += "Content-Type: application/json\r\n";
                body = sent;
            } else if sent.contains(": ") {
                headers += &format!("{sent}\r\n");
            } else {
                body = sent;
            }
            let answer = served.send(method, path, &headers, body.as_bytes());
            assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
            let Some(expected) = code(row.answer).filter(|it| it.starts_with(['{', '['])) else {
                continue;
            };
            let expected = serde_json::from_str(expected).expect("the table shows JSON");
            let found = answer.json();
            assert!(is_like(&expected, &found), "{method} {path}: {expected} is not {found}");
            if let Some(given) = found["token"].as_str() {
                given.clone_into(&mut token);
            }
        }
    }
    assert!(rows > 80, "only {rows} rows were read");
}
