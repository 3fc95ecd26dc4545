//! A transaction as bytes: statements with parameters, sent together, answered together.
//!
//! Values are drawn once per transaction, so that several statements can use the same one. They are
//! bound as parameters; only the simple protocol has them in the text, escaped.

mod keyword;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::keyword::Effect;
use super::message::{self, SYNC};
use crate::flow::cookie_jar::CookieJar;
use crate::flow::text::{Text, TextPart};
use crate::flow::value::{Scope, Value};
use crate::statistics::random::Random;

/// The most parameters of a statement: their number has two bytes.
const PARAMETERS_MAX: usize = u16::MAX as usize;
/// Behind the parameters: every result as text, as libpq asks for it.
const RESULTS_AS_TEXT: [u8; 4] = [0, 1, 0, 0];
/// Describe the unnamed portal, as libpq does.
const DESCRIBE: [u8; 7] = [b'D', 0, 0, 0, 6, b'P', 0];
/// Execute the unnamed portal, without a limit of rows.
const EXECUTE: [u8; 10] = [b'E', 0, 0, 0, 9, 0, 0, 0, 0, 0];

/// How statements are sent, as pgbench's `-M`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryMode {
    /// As one text.
    Simple,
    /// Parsed, bound and executed each time.
    Extended,
    /// Parsed once per connection, bound and executed each time.
    #[default]
    Prepared,
}

/// A value that is drawn once per transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draw {
    /// The value.
    pub text: Text,
    /// Whether the simple protocol has it as a text in quotes, whatever it is.
    pub is_quoted: bool,
}

/// A part of a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SqlPart {
    /// Always this text.
    Sql(String),
    /// The draw of this index, as one value.
    Draw(usize),
}

/// What a transaction consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionParts {
    /// How it is sent.
    pub mode: QueryMode,
    /// Whether results are described, as libpq and so pgbench have it; the simple protocol always
    /// describes them.
    pub describes: bool,
    /// Its values.
    pub draws: Vec<Draw>,
    /// Its statements, in order.
    pub statements: Vec<Vec<SqlPart>>,
}

/// Why parts are not a transaction that can be sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TransactionError {
    /// There is none.
    #[error("there is no statement: write one behind the URL, as in 'SELECT 1', or --builtin")]
    Empty,
    /// It would stay open.
    #[error("the statements begin a transaction and do not end it: add END")]
    Open,
    /// It ends what it has not begun.
    #[error("`{0}` ends a transaction that the statements do not begin: leave it out")]
    NotBegun(String),
    /// Its answer is a stream of another kind.
    #[error("{0} does not have an answer that can be timed: use another statement")]
    Answer(String),
    /// Too many for the protocol.
    #[error("a statement of more than {PARAMETERS_MAX} values")]
    Parameters,
    /// A part has what no text of the protocol can have.
    #[error("a statement has a zero byte: leave it out")]
    Zero,
    /// A part refers to a value that is not there.
    #[error("a statement uses value {0}, which is not drawn")]
    Unknown(usize),
}

/// Statements that are sent together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "TransactionParts", into = "TransactionParts")]
pub struct Transaction {
    parts: TransactionParts,
    begins: bool,
    pieces: Vec<Piece>,
    /// What is sent once per connection.
    preparation: Vec<u8>,
    /// One of its forms: the only one, if it has no values.
    example: Arc<Vec<u8>>,
}

/// A piece of a transaction's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// Always the same.
    Bytes(Vec<u8>),
    /// The length of a message, filled in at its end.
    Begin,
    /// A draw as a parameter, with its length before it.
    Parameter(usize),
    /// A draw in the text of a statement.
    Literal { draw: usize, is_bare: bool },
    /// The end of a message.
    End,
}

/// The values of one transaction, one after the other. Kept for the next, for its memory.
#[derive(Clone, Debug, Default)]
pub struct DrawnValues {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Transaction {
    /// A transaction of these parts.
    ///
    /// # Errors
    /// If they are none.
    pub fn new(parts: TransactionParts) -> Result<Self, TransactionError> {
        let begins = check(&parts)?;
        let preparation = preparation(&parts);
        let pieces = match parts.mode {
            QueryMode::Simple => simple(&parts),
            QueryMode::Extended | QueryMode::Prepared => extended(&parts),
        };
        let mut transaction = Self { parts, begins, pieces, preparation, example: Arc::default() };
        let mut example = Vec::new();
        let mut drawn = DrawnValues::default();
        transaction.render((0, 0), &mut Random::new(1), &mut drawn, &mut example);
        transaction.example = Arc::new(example);
        Ok(transaction)
    }

    /// How it is sent.
    pub const fn mode(&self) -> QueryMode {
        self.parts.mode
    }

    /// Whether its values stand in a text, in quotes, with backslashes that mean themselves.
    pub fn has_literals(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Literal { is_bare: false, .. }))
    }

    /// Whether it begins a transaction block, which a statement that fails leaves open.
    pub const fn begins(&self) -> bool {
        self.begins
    }

    /// Whether all its forms are equal.
    pub const fn is_constant(&self) -> bool {
        self.parts.draws.is_empty()
    }

    /// One of its forms as bytes: the only one, if it is constant.
    pub const fn example(&self) -> &Arc<Vec<u8>> {
        &self.example
    }

    /// What is sent once per connection before the first one; empty if nothing is.
    pub fn preparation(&self) -> &[u8] {
        &self.preparation
    }

    /// Append transaction `sequence`, sent at `unix_ms`, to `out`.
    pub fn render(
        &self,
        (sequence, unix_ms): (u64, u64),
        random: &mut Random,
        drawn: &mut DrawnValues,
        out: &mut Vec<u8>,
    ) {
        let scope = Scope {
            user: 0,
            sequence,
            unix_ms,
            captures: &[],
            tables: &[],
            rows: &[],
            cookies: CookieJar::empty(),
        };
        drawn.draw(&self.parts.draws, &scope, random);
        let mut began = out.len();
        for piece in &self.pieces {
            match piece {
                Piece::Bytes(bytes) => out.extend_from_slice(bytes),
                Piece::Begin => began = message::begin(out),
                Piece::End => message::end(began, out),
                Piece::Parameter(draw) => {
                    let value = drawn.value(*draw);
                    let length = value.len() as u32; // of values in memory
                    out.extend_from_slice(&length.to_be_bytes());
                    out.extend_from_slice(value);
                }
                Piece::Literal { draw, is_bare: true } => bare(drawn.value(*draw), out),
                Piece::Literal { draw, is_bare: false } => quoted(drawn.value(*draw), out),
            }
        }
    }
}

impl DrawnValues {
    fn draw(&mut self, draws: &[Draw], scope: &Scope<'_>, random: &mut Random) {
        self.bytes.clear();
        self.ends.clear();
        for draw in draws {
            let bytes = &mut self.bytes;
            draw.text.pieces(scope, random, &mut |piece| bytes.extend_from_slice(piece));
            self.ends.push(self.bytes.len());
        }
    }

    fn value(&self, index: usize) -> &[u8] {
        let begin = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[begin..self.ends[index]]
    }
}

impl Draw {
    /// Whether the simple protocol has it as a number, without quotes.
    fn is_bare(&self) -> bool {
        let [TextPart::Slot(value)] = self.text.parts() else { return false };
        !self.is_quoted
            && matches!(
                value.value(),
                Value::Int { .. }
                    | Value::Padded { .. }
                    | Value::Skewed(_)
                    | Value::Sequence
                    | Value::Timestamp
            )
    }
}

/// Checks the parts. Returns whether they begin a transaction block.
fn check(parts: &TransactionParts) -> Result<bool, TransactionError> {
    if parts.statements.is_empty() {
        return Err(TransactionError::Empty);
    }
    let (mut begins, mut is_open) = (false, false);
    for statement in &parts.statements {
        let mut values = 0;
        for part in statement {
            match part {
                SqlPart::Sql(sql) if sql.contains('\0') => return Err(TransactionError::Zero),
                SqlPart::Sql(_) => {}
                SqlPart::Draw(draw) if *draw >= parts.draws.len() => {
                    return Err(TransactionError::Unknown(*draw));
                }
                SqlPart::Draw(_) => values += 1,
            }
        }
        if values > PARAMETERS_MAX {
            return Err(TransactionError::Parameters);
        }
        let sql = sql(statement, &mut |_, _| {});
        match keyword::effect(&sql) {
            Effect::None => {}
            Effect::Nothing => return Err(TransactionError::Empty),
            Effect::Begins => (begins, is_open) = (true, true),
            Effect::Closes if !is_open => return Err(TransactionError::NotBegun(sql)),
            Effect::Closes => is_open = false,
            Effect::Refused(name) => return Err(TransactionError::Answer(name.to_owned())),
        }
    }
    if is_open { Err(TransactionError::Open) } else { Ok(begins) }
}

/// The text of a statement, with what `value` adds for each of its values, which are numbered.
fn sql(statement: &[SqlPart], value: &mut dyn FnMut(usize, &mut String)) -> String {
    let mut text = String::new();
    let mut count = 0;
    for part in statement {
        match part {
            SqlPart::Sql(sql) => text.push_str(sql),
            SqlPart::Draw(_) => {
                count += 1;
                value(count, &mut text);
            }
        }
    }
    text
}

/// Its text with parameters.
fn numbered(statement: &[SqlPart]) -> String {
    sql(statement, &mut |number, text| *text += &format!("${number}"))
}

/// The name of a statement on its connection.
fn name(parts: &TransactionParts, index: usize) -> String {
    match parts.mode {
        QueryMode::Prepared => format!("s{index}"),
        QueryMode::Simple | QueryMode::Extended => String::new(),
    }
}

fn preparation(parts: &TransactionParts) -> Vec<u8> {
    let mut out = Vec::new();
    if parts.mode == QueryMode::Prepared {
        for (index, statement) in parts.statements.iter().enumerate() {
            message::parse(&name(parts, index), &numbered(statement), &mut out);
        }
        out.extend_from_slice(&SYNC);
    }
    out
}

fn extended(parts: &TransactionParts) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut fixed = Vec::new();
    for (index, statement) in parts.statements.iter().enumerate() {
        if parts.mode == QueryMode::Extended {
            message::parse("", &numbered(statement), &mut fixed);
        }
        let draws = statement.iter().filter_map(|part| match part {
            SqlPart::Draw(draw) => Some(Piece::Parameter(*draw)),
            SqlPart::Sql(_) => None,
        });
        let draws: Vec<Piece> = draws.collect();
        let head = |out: &mut Vec<u8>| {
            // The unnamed portal.
            out.push(0);
            message::text(&name(parts, index), out);
            out.extend_from_slice(&[0, 0]);
            let count = draws.len() as u16; // checked
            out.extend_from_slice(&count.to_be_bytes());
        };
        if draws.is_empty() {
            message::put(b'B', &mut fixed, |out| {
                head(out);
                out.extend_from_slice(&RESULTS_AS_TEXT);
            });
        } else {
            fixed.push(b'B');
            pieces.extend([Piece::Bytes(std::mem::take(&mut fixed)), Piece::Begin]);
            head(&mut fixed);
            pieces.push(Piece::Bytes(std::mem::take(&mut fixed)));
            pieces.extend(draws);
            pieces.extend([Piece::Bytes(RESULTS_AS_TEXT.to_vec()), Piece::End]);
        }
        if parts.describes {
            fixed.extend_from_slice(&DESCRIBE);
        }
        fixed.extend_from_slice(&EXECUTE);
    }
    fixed.extend_from_slice(&SYNC);
    pieces.push(Piece::Bytes(fixed));
    pieces
}

fn simple(parts: &TransactionParts) -> Vec<Piece> {
    let mut pieces = vec![Piece::Bytes(vec![b'Q']), Piece::Begin];
    let mut fixed = Vec::new();
    for (index, statement) in parts.statements.iter().enumerate() {
        if index > 0 {
            // On a line of its own, since a statement may end with a comment.
            fixed.extend_from_slice(b"\n;");
        }
        for part in statement {
            match part {
                SqlPart::Sql(sql) => fixed.extend_from_slice(sql.as_bytes()),
                SqlPart::Draw(draw) => {
                    pieces.push(Piece::Bytes(std::mem::take(&mut fixed)));
                    let is_bare = parts.draws[*draw].is_bare();
                    pieces.push(Piece::Literal { draw: *draw, is_bare });
                }
            }
        }
    }
    fixed.push(0);
    pieces.extend([Piece::Bytes(fixed), Piece::End]);
    pieces
}

/// A number. A sign of its own could become part of an operator or a comment.
fn bare(number: &[u8], out: &mut Vec<u8>) {
    if number.starts_with(b"-") {
        out.push(b'(');
        out.extend_from_slice(number);
        out.push(b')');
    } else {
        out.extend_from_slice(number);
    }
}

/// A text in quotes, where backslashes mean themselves.
fn quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'\'');
    for byte in text {
        out.extend_from_slice(if *byte == b'\'' { b"''" } else { std::slice::from_ref(byte) });
    }
    out.push(b'\'');
}

impl TryFrom<TransactionParts> for Transaction {
    type Error = TransactionError;

    fn try_from(parts: TransactionParts) -> Result<Self, TransactionError> {
        Self::new(parts)
    }
}

impl From<Transaction> for TransactionParts {
    fn from(transaction: Transaction) -> Self {
        transaction.parts
    }
}

#[cfg(test)]
mod tests;
