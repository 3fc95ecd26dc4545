//! Transactions as bytes, in each mode, against bytes written by hand after libpq's.

use super::*;
use crate::flow::value::{Escape, TemplateValue};

fn draw(value: Value, is_quoted: bool) -> Draw {
    Draw { text: Text::new().slot(TemplateValue::new(value, Escape::None)), is_quoted }
}

fn parts(mode: QueryMode, statements: &[&[SqlPart]], draws: &[Draw]) -> TransactionParts {
    let statements = statements.iter().map(|parts| parts.to_vec()).collect();
    TransactionParts { mode, describes: true, draws: draws.to_vec(), statements }
}

fn sql(text: &str) -> SqlPart {
    SqlPart::Sql(text.to_owned())
}

fn rendered(transaction: &Transaction, sequence: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let mut random = Random::new(sequence);
    transaction.render((sequence, 1), &mut random, &mut DrawnValues::default(), &mut out);
    out
}

/// The tags of messages, and their bodies.
fn messages(mut bytes: &[u8]) -> Vec<(char, Vec<u8>)> {
    let mut found = Vec::new();
    while let Some((tag, rest)) = bytes.split_first() {
        let (length, _) = rest.split_first_chunk::<4>().expect("a length");
        let (body, behind) = rest.split_at(u32::from_be_bytes(*length) as usize);
        found.push((char::from(*tag), body[4..].to_vec()));
        bytes = behind;
    }
    found
}

const BIND: &[u8] = b"\0s0\0\0\0\0\x02\0\0\0\x02\x2d7\0\0\0\x0542!!!\0\x01\0\0";

#[test]
fn parameters_are_bound_with_their_lengths() {
    let bang = Text::new().slot(TemplateValue::new(Value::Sequence, Escape::None)).literal(b"!!!");
    let draws =
        [draw(Value::Int { low: -7, high: -7 }, false), Draw { text: bang, is_quoted: true }];
    let statement = [sql("SELECT "), SqlPart::Draw(0), sql(" + f("), SqlPart::Draw(1), sql(")")];
    let of = |mode| Transaction::new(parts(mode, &[&statement], &draws)).expect("a transaction");
    let prepared = of(QueryMode::Prepared);
    assert!(!prepared.is_constant() && !prepared.begins() && !prepared.has_literals());
    assert_eq!(
        messages(prepared.preparation()),
        [('P', b"s0\0SELECT $1 + f($2)\0\0\0".to_vec()), ('S', vec![])]
    );
    let sent = messages(&rendered(&prepared, 42));
    let rest = [('D', b"P\0".to_vec()), ('E', b"\0\0\0\0\0".to_vec()), ('S', Vec::new())];
    assert_eq!(sent, [&[('B', BIND.to_vec())][..], &rest].concat());
    let extended = of(QueryMode::Extended);
    assert!(extended.preparation().is_empty());
    let sent = messages(&rendered(&extended, 42));
    let unnamed = [b"\0\0", &BIND[4..]].concat();
    let first = [('P', b"\0SELECT $1 + f($2)\0\0\0".to_vec()), ('B', unnamed)];
    assert_eq!(sent, [&first[..], &rest].concat());
    let simple = of(QueryMode::Simple);
    assert!(simple.preparation().is_empty() && simple.has_literals());
    let text = b"SELECT (-7) + f('42!!!')\0".to_vec();
    assert_eq!(messages(&rendered(&simple, 42)), [('Q', text)]);
    // Without Describe.
    let parts = TransactionParts { describes: false, ..TransactionParts::from(prepared) };
    let sent = messages(&rendered(&Transaction::new(parts).expect("a transaction"), 1));
    assert_eq!(sent.iter().map(|(tag, _)| *tag).collect::<String>(), "BES");
}

#[test]
fn statements_of_a_transaction_share_their_values() {
    let draws = [draw(Value::Int { low: 0, high: 1_000_000 }, false)];
    let statements: [&[SqlPart]; 4] = [
        &[sql("BEGIN")],
        &[sql("UPDATE t SET a = a + "), SqlPart::Draw(0), sql(" WHERE b = "), SqlPart::Draw(0)],
        &[sql("SELECT "), SqlPart::Draw(0), sql(" -- the same")],
        &[sql("END")],
    ];
    for mode in [QueryMode::Prepared, QueryMode::Extended, QueryMode::Simple] {
        let transaction = Transaction::new(parts(mode, &statements, &draws));
        let transaction = transaction.expect("a transaction");
        assert!(transaction.begins());
        for sequence in 0..50 {
            let sent = messages(&rendered(&transaction, sequence));
            let mut expected = DrawnValues::default();
            let scope = Scope {
                user: 0,
                sequence,
                unix_ms: 1,
                captures: &[],
                tables: &[],
                rows: &[],
                cookies: CookieJar::empty(),
            };
            expected.draw(&draws, &scope, &mut Random::new(sequence));
            let value = String::from_utf8_lossy(expected.value(0)).into_owned();
            let all: Vec<u8> = sent.iter().flat_map(|(_, body)| body.clone()).collect();
            let count = String::from_utf8_lossy(&all).matches(&value).count();
            assert!(count >= 3, "{mode:?}: {value} in {}", all.escape_ascii());
            let tags: String = sent.iter().map(|(tag, _)| *tag).collect();
            let expected = match mode {
                QueryMode::Prepared => "BDEBDEBDEBDES",
                QueryMode::Extended => "PBDEPBDEPBDEPBDES",
                QueryMode::Simple => "Q",
            };
            assert_eq!(tags, expected);
        }
    }
}

#[test]
fn texts_are_escaped_where_they_stand_in_a_statement() {
    let choice = Value::Choice(vec![br"it's \ 'so'".to_vec()]);
    let statement = [sql("SELECT "), SqlPart::Draw(0)];
    let draws = [draw(choice, false)];
    let simple = Transaction::new(parts(QueryMode::Simple, &[&statement], &draws));
    let sent = messages(&rendered(&simple.expect("a transaction"), 0));
    assert_eq!(sent, [('Q', br"SELECT 'it''s \ ''so'''".iter().chain(b"\0").copied().collect())]);
    let quoted = [draw(Value::Int { low: 5, high: 5 }, true)];
    let simple = Transaction::new(parts(QueryMode::Simple, &[&statement], &quoted));
    let sent = messages(&rendered(&simple.expect("a transaction"), 0));
    assert_eq!(sent, [('Q', b"SELECT '5'\0".to_vec())]);
}

#[test]
fn a_stored_transaction_is_the_same_again() {
    let draws = [draw(Value::Letters(4), false)];
    let statement = [sql("SELECT "), SqlPart::Draw(0)];
    let transaction = Transaction::new(parts(QueryMode::Prepared, &[&statement], &draws));
    let transaction = transaction.expect("a transaction");
    let stored = serde_json::to_string(&transaction).expect("JSON");
    let again: Transaction = serde_json::from_str(&stored).expect(&stored);
    assert_eq!(again, transaction);
    assert_eq!(rendered(&again, 3), rendered(&transaction, 3));
    let constant = Transaction::new(parts(QueryMode::Simple, &[&[sql("SELECT 1")]], &[]));
    let constant = constant.expect("a transaction");
    assert!(constant.is_constant());
    assert_eq!(constant.example().as_slice(), b"Q\0\0\0\x0dSELECT 1\0");
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let refused = |statements: &[&[SqlPart]]| {
        Transaction::new(parts(QueryMode::Prepared, statements, &[])).err()
    };
    assert_eq!(refused(&[]), Some(TransactionError::Empty));
    assert_eq!(refused(&[&[sql(" ")]]), Some(TransactionError::Empty));
    assert_eq!(refused(&[&[sql("BEGIN")], &[sql("SELECT 1")]]), Some(TransactionError::Open));
    let ends = TransactionError::NotBegun("END".to_owned());
    assert_eq!(refused(&[&[sql("END")]]), Some(ends));
    let copy = TransactionError::Answer("COPY".to_owned());
    assert_eq!(refused(&[&[sql("copy t from stdin")]]), Some(copy));
    assert_eq!(refused(&[&[sql("SELECT '\0'")]]), Some(TransactionError::Zero));
    assert_eq!(refused(&[&[SqlPart::Draw(0)]]), Some(TransactionError::Unknown(0)));
    let many = vec![SqlPart::Draw(0); PARAMETERS_MAX + 1];
    let draws = [draw(Value::Sequence, false)];
    let many = Transaction::new(parts(QueryMode::Prepared, &[&many], &draws)).err();
    assert_eq!(many, Some(TransactionError::Parameters));
}
