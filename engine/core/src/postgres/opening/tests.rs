//! Openings against a server's messages, split everywhere.

use super::*;
use crate::flow::text::Text;
use crate::flow::value::{Escape, TemplateValue, Value};
use crate::postgres::statement::{Draw, QueryMode, SqlPart, TransactionParts};

fn transaction(mode: QueryMode) -> Transaction {
    let statements = vec![vec![SqlPart::Sql("SELECT 1".to_owned())]];
    let parts = TransactionParts { mode, describes: true, draws: Vec::new(), statements };
    Transaction::new(parts).expect("a transaction")
}

fn login(password: Option<&str>) -> PostgresLogin {
    PostgresLogin {
        user: "bench".to_owned(),
        password: password.map(str::to_owned),
        database: "bench".to_owned(),
    }
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    message::put(tag, &mut out, |out| out.extend_from_slice(body));
    out
}

fn authentication(kind: u32, rest: &[u8]) -> Vec<u8> {
    message(b'R', &[&kind.to_be_bytes()[..], rest].concat())
}

fn error(fields: &str) -> Vec<u8> {
    message(b'E', fields.as_bytes())
}

fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

/// Feeds a server's messages, in pieces of this size. Returns what was sent, how many bytes were
/// read, and how it ended.
fn open(
    bytes: &[u8],
    piece: usize,
    mode: QueryMode,
    password: Option<&str>,
) -> (Vec<Vec<u8>>, usize, Result<bool, String>) {
    let (login, transaction) = (login(password), transaction(mode));
    let terms = PostgresTerms { login: &login, transaction: &transaction };
    let mut opening = PostgresOpening::new(7);
    let (mut sent, mut read, mut keys) = (Vec::new(), 0, None);
    for chunk in bytes.chunks(piece) {
        let mut rest = chunk;
        while !rest.is_empty() {
            match opening.feed(rest, terms, &mut keys) {
                Ok(OpeningProgress::NeedMore) => {
                    read += rest.len();
                    break;
                }
                Ok(OpeningProgress::Send(count, out)) => {
                    sent.push(out);
                    read += count;
                    rest = &rest[count..];
                }
                Ok(OpeningProgress::Opened(count)) => return (sent, read + count, Ok(true)),
                Err(refusal) => return (sent, read, Err(refusal.to_string())),
            }
        }
    }
    (sent, read, Ok(false))
}

/// The same result however the bytes come.
fn opened(
    bytes: &[u8],
    mode: QueryMode,
    password: Option<&str>,
) -> (Vec<Vec<u8>>, usize, Result<bool, String>) {
    let (sent, read, end) = open(bytes, usize::MAX, mode, password);
    for piece in [1, 2, 3, 5, 7, 11, 64] {
        let (again, again_read, again_end) = open(bytes, piece, mode, password);
        // What something else says first is quoted as far as it has come.
        if !matches!(&end, Err(why) if why.contains("does not speak")) {
            assert_eq!((&again, &again_end), (&sent, &end), "in pieces of {piece}");
        }
        if end.is_ok() {
            assert_eq!(again_read, read, "in pieces of {piece}");
        }
    }
    (sent, read, end)
}

#[test]
fn a_trusted_connection_prepares_its_statements() {
    let start = [
        authentication(0, b""),
        message(b'S', b"server_version\x0015.0\0"),
        message(b'K', &[0, 0, 0, 1, 0, 0, 0, 2]),
        message(b'N', b"SNOTICE\0C00000\0Mhello\0\0"),
        ready(),
    ]
    .concat();
    let (sent, read, end) = opened(&start, QueryMode::Prepared, None);
    let preparation = transaction(QueryMode::Prepared).preparation().to_vec();
    assert_eq!((sent, read, end), (vec![preparation.clone()], start.len(), Ok(false)));
    let prepared = [start.clone(), message(b'1', b""), ready(), ready()].concat();
    let (sent, read, end) = opened(&prepared, QueryMode::Prepared, None);
    assert_eq!((sent, end), (vec![preparation], Ok(true)));
    assert_eq!(read, prepared.len() - ready().len(), "the rest is not the opening's");
    for mode in [QueryMode::Simple, QueryMode::Extended] {
        assert_eq!(opened(&start, mode, None), (vec![], start.len(), Ok(true)));
    }
}

#[test]
fn passwords_are_sent_as_the_server_asks_for_them() {
    let after = [authentication(0, b""), ready()].concat();
    let clear = [authentication(3, b""), after.clone()].concat();
    let (sent, _, end) = opened(&clear, QueryMode::Simple, Some("pw"));
    assert_eq!((sent, end), (vec![message(b'p', b"pw\0")], Ok(true)));
    let salted = [authentication(5, &[1, 2, 3, 4]), after.clone()].concat();
    let (sent, _, end) = opened(&salted, QueryMode::Simple, Some("pw"));
    let hash = md5_answer("bench", "pw", &[1, 2, 3, 4]);
    assert_eq!((sent, end), (vec![message(b'p', &hash)], Ok(true)));
    for asks in [&clear, &salted, &authentication(10, b"SCRAM-SHA-256\0\0")] {
        let (sent, _, end) = opened(asks, QueryMode::Simple, None);
        assert!(sent.is_empty() && end.expect_err("none is given").contains("PGPASSWORD"));
    }
}

#[test]
fn a_server_that_does_not_prove_itself_is_refused() {
    let asks = authentication(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
    let (sent, _, end) = opened(&asks, QueryMode::Simple, Some("pencil"));
    assert_eq!((sent.len(), end), (1, Ok(false)));
    assert!(sent[0].starts_with(b"p\0\0\0\x3eSCRAM-SHA-256\0\0\0\0\x28n,,n=,r="));
    let nonce = String::from_utf8_lossy(&sent[0][sent[0].len() - 32..]).into_owned();
    let proceed = format!("r={nonce}server,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2");
    let proceed = [asks.clone(), authentication(11, proceed.as_bytes())].concat();
    let (sent, _, end) = opened(&proceed, QueryMode::Simple, Some("pencil"));
    assert_eq!((sent.len(), end), (2, Ok(false)));
    for (rest, part) in [
        (authentication(0, b""), "does not prove"),
        (authentication(12, b"v=AAAA"), "does not prove"),
        (authentication(12, b"e=other-error"), "cannot be read"),
        (ready(), "does not speak PostgreSQL"),
    ] {
        let bytes = [proceed.clone(), rest].concat();
        let (_, _, end) = opened(&bytes, QueryMode::Simple, Some("pencil"));
        assert!(end.clone().is_err_and(|why| why.contains(part)), "{end:?}");
    }
    let early = [asks, authentication(0, b"")].concat();
    let (_, _, end) = opened(&early, QueryMode::Simple, Some("pencil"));
    assert!(end.is_err_and(|why| why.contains("does not prove")));
}

#[test]
fn refusals_name_their_fix() {
    let start = [authentication(0, b""), ready()].concat();
    let fatal = |code: &str| error(&format!("SFATAL\0VFATAL\0C{code}\0Mx\0\0"));
    let refused = "SERROR\0VERROR\0C42P01\0Mrelation \"pgbench_accounts\" does not exist\0\0";
    let quirk = message(b'S', b"standard_conforming_strings\0off\0");
    for (bytes, part) in [
        (fatal("53300"), "max_connections"),
        (fatal("28P01"), "user and the password"),
        (fatal("3D000"), "createdb"),
        ([start.clone(), fatal("57P01")].concat(), "refuses the connection"),
        ([start.clone(), error(refused)].concat(), "pgbench -i -s N"),
        (authentication(7, b""), "GSSAPI"),
        (authentication(10, b"OTHER\0\0"), "SCRAM-SHA-256"),
        (authentication(99, b""), "does not speak"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), "does not speak PostgreSQL (`HTTP/1.1 400"),
        (b"\x15\x03\x03\0\x02".to_vec(), "TLS"),
        (b"E\0\0\0\x03".to_vec(), "does not speak"),
        (b"S\x7f\xff\xff\xff".to_vec(), "does not speak"),
    ] {
        let (_, _, end) = open(&bytes, usize::MAX, QueryMode::Prepared, None);
        let why = end.expect_err(part);
        assert!(why.contains(part) && !why.contains('\n'), "{why}");
    }
    // Only values in quotes depend on how texts are read.
    let odd = [authentication(0, b""), quirk, ready()].concat();
    assert_eq!(opened(&odd, QueryMode::Simple, None).2, Ok(true));
    let text = Text::new().slot(TemplateValue::new(Value::Letters(3), Escape::None));
    let parts = TransactionParts {
        mode: QueryMode::Simple,
        describes: true,
        draws: vec![Draw { text, is_quoted: false }],
        statements: vec![vec![SqlPart::Sql("SELECT ".to_owned()), SqlPart::Draw(0)]],
    };
    let transaction = Transaction::new(parts).expect("a transaction");
    let terms = PostgresTerms { login: &login(None), transaction: &transaction };
    let refused = PostgresOpening::new(1).feed(&odd, terms, &mut None);
    assert_eq!(refused, Err(PostgresRefusal::Strings));
}
