//! PostgreSQL: answers are read alike however their bytes are split, and payload may be skipped;
//! so are openings.

use std::sync::LazyLock;

use uringbench_core::postgres::login::PostgresLogin;
use uringbench_core::postgres::opening::{OpeningProgress, PostgresOpening, PostgresTerms};
use uringbench_core::postgres::reader::{PostgresFault, PostgresReader};
use uringbench_core::postgres::statement::{QueryMode, SqlPart, Transaction, TransactionParts};
use uringbench_core::reply::ReplyProgress;

use super::Choices;
use super::replies::{Replies, read_alike};

static TERMS: LazyLock<(PostgresLogin, Transaction)> = LazyLock::new(|| {
    let login = PostgresLogin {
        user: "u".to_owned(),
        password: Some("p".to_owned()),
        database: "d".to_owned(),
    };
    let statements = vec![vec![SqlPart::Sql("SELECT 1".to_owned())]];
    let mode = QueryMode::Prepared;
    let parts = TransactionParts { mode, describes: true, draws: Vec::new(), statements };
    (login, Transaction::new(parts).expect("a transaction"))
});

/// Bytes are the same answers, and the same opening, however they are split. Returns how many
/// answers ended, and whether the opening did.
pub fn postgres(input: &[u8]) -> (usize, bool) {
    let answers = read_alike::<PostgresReader>(input);
    let Some((mut choices, stream)) = Choices::take(input) else { return (answers, false) };
    let whole = open(stream, |left| left);
    assert_eq!(whole, open(stream, |left| choices.up_to(left.min(16))));
    (answers, whole.end == Some(true))
}

impl Replies for PostgresReader {
    type Fault = PostgresFault;

    fn feed(&mut self, bytes: &[u8]) -> Result<ReplyProgress, PostgresFault> {
        Self::feed(self, bytes)
    }

    fn opaque(&self) -> u64 {
        Self::opaque(self)
    }

    fn skip(&mut self, count: u64) {
        Self::skip(self, count);
    }

    fn rows(&self) -> u64 {
        Self::rows(self)
    }
}

#[derive(Debug, PartialEq)]
struct Opened {
    sent: Vec<Vec<u8>>,
    /// Whether it was opened, if it has ended.
    end: Option<bool>,
}

fn open(stream: &[u8], mut piece: impl FnMut(usize) -> usize) -> Opened {
    let (login, transaction) = &*TERMS;
    let terms = PostgresTerms { login, transaction };
    let mut opening = PostgresOpening::new(1);
    let mut keys = None;
    let mut opened = Opened { sent: Vec::new(), end: None };
    let mut rest = stream;
    while !rest.is_empty() {
        let (mut now, later) = rest.split_at(piece(rest.len()).max(1));
        rest = later;
        while !now.is_empty() {
            match opening.feed(now, terms, &mut keys) {
                Ok(OpeningProgress::NeedMore) => break,
                Ok(OpeningProgress::Send(consumed, out)) => {
                    opened.sent.push(out);
                    now = &now[consumed..];
                }
                Ok(OpeningProgress::Opened(_)) => return Opened { end: Some(true), ..opened },
                Err(_) => return Opened { end: Some(false), ..opened },
            }
        }
    }
    opened
}
