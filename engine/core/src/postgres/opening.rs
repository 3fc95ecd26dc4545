//! The opening of a connection to PostgreSQL: login, the server's parameters, and the statements
//! that are prepared on it, which may be refused as well.

use std::fmt;

use super::error::ServerRefusal;
use super::login::{PostgresLogin, md5_answer};
use super::message;
use super::scram::{self, ScramError, ScramExchange, ScramKeys};
use super::statement::Transaction;
use crate::http::quote;
use crate::statistics::random::Random;

/// The longest message of an opening.
const MESSAGE_MAX: usize = 64 << 10;
/// A tag and a length.
const HEADER: usize = 5;

/// What connections of a run have in common.
#[derive(Clone, Copy, Debug)]
pub struct PostgresTerms<'a> {
    /// Who connects.
    pub login: &'a PostgresLogin,
    /// What will be sent.
    pub transaction: &'a Transaction,
}

/// How far an opening is.
#[derive(Debug)]
enum Stage {
    /// The server says how it is to be convinced.
    Login,
    /// It has the first message of SCRAM.
    Scram(ScramExchange),
    /// It has the proof.
    Proved(ScramExchange),
    /// It knows this side, by SCRAM or in another way.
    Known,
    /// Its parameters have come; statements are being prepared.
    Preparing,
}

/// The opening of one connection.
#[derive(Debug)]
pub struct PostgresOpening {
    stage: Stage,
    random: Random,
    /// The message under way, if it came in parts.
    partial: Vec<u8>,
    /// Whether backslashes in texts mean themselves.
    has_plain_strings: bool,
}

/// The result of reading some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpeningProgress {
    /// All of them have been read.
    NeedMore,
    /// So many have been read, and the server waits for these.
    Send(usize, Vec<u8>),
    /// So many have been read, and the connection is open.
    Opened(usize),
}

/// Why a connection is not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostgresRefusal {
    /// The server says so.
    Server(ServerRefusal),
    /// The same about a statement.
    Statement(ServerRefusal),
    /// The server asks for a password, and there is none.
    Password,
    /// It asks for a way of login that is not spoken.
    Method(&'static str),
    /// SCRAM has failed.
    Scram(ScramError),
    /// Values cannot be written into statements.
    Strings,
    /// Something else answers, beginning like this.
    Other(String),
    /// TLS answers.
    Tls,
}

impl fmt::Display for PostgresRefusal {
    /// Cause and fix in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(error) => write!(f, "the server refuses the connection: {error}"),
            Self::Statement(error) => write!(f, "the server refuses the statement: {error}"),
            Self::Password => f.write_str(
                "the server asks for a password: give it as postgres://USER:PASSWORD@HOST, or in \
                 PGPASSWORD",
            ),
            Self::Method(name) => write!(
                f,
                "the server asks for {name}, which is not supported: allow scram-sha-256 in its \
                 pg_hba.conf"
            ),
            Self::Scram(error) => error.fmt(f),
            Self::Strings => f.write_str(
                "the server reads backslashes in texts (standard_conforming_strings is off): turn \
                 it on, or leave -M simple out",
            ),
            Self::Other(begin) => {
                write!(f, "the target does not speak PostgreSQL ({begin}): check the port")
            }
            Self::Tls => f.write_str("the port speaks TLS alone: PostgreSQL begins without it"),
        }
    }
}

impl PostgresTerms<'_> {
    /// The first bytes of a connection.
    pub fn startup(&self) -> Vec<u8> {
        message::startup(&self.login.user, &self.login.database)
    }

    fn password(&self) -> Result<&str, PostgresRefusal> {
        self.login.password.as_deref().ok_or(PostgresRefusal::Password)
    }
}

impl PostgresOpening {
    /// An opening whose random choices `seed` decides.
    pub fn new(seed: u64) -> Self {
        Self {
            stage: Stage::Login,
            random: Random::new(seed),
            partial: Vec::new(),
            has_plain_strings: true,
        }
    }

    /// Whether the server has taken the login, and prepares statements.
    pub const fn is_preparing(&self) -> bool {
        matches!(self.stage, Stage::Preparing)
    }

    /// Read bytes up to the first message that is to be answered. `keys` are those of the password,
    /// derived by an earlier opening or by this one.
    ///
    /// # Errors
    /// If the connection cannot be opened; the opening is then of no further use.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        terms: PostgresTerms<'_>,
        keys: &mut Option<ScramKeys>,
    ) -> Result<OpeningProgress, PostgresRefusal> {
        let mut at = 0;
        while at < bytes.len() {
            let (taken, is_whole) = self.collect(&bytes[at..])?;
            at += taken;
            if !is_whole {
                break;
            }
            let message = std::mem::take(&mut self.partial);
            let reaction = self.on_message(message[0], &message[HEADER..], terms, keys);
            self.partial = message;
            self.partial.clear();
            match reaction? {
                Reaction::None => {}
                Reaction::Send(out) => return Ok(OpeningProgress::Send(at, out)),
                Reaction::Open => return Ok(OpeningProgress::Opened(at)),
            }
        }
        Ok(OpeningProgress::NeedMore)
    }

    /// Take the bytes of the message under way. Returns how many, and whether it is whole.
    fn collect(&mut self, bytes: &[u8]) -> Result<(usize, bool), PostgresRefusal> {
        let other = |partial: &[u8]| {
            let begin = [partial, bytes].concat();
            match begin.as_slice() {
                // An alert of TLS (RFC 8446 section 5.1).
                [0x15, 0x03, ..] => PostgresRefusal::Tls,
                begin => PostgresRefusal::Other(quote::first_line(begin)),
            }
        };
        let before = self.partial.len();
        let tag = self.partial.first().or_else(|| bytes.first()).copied().unwrap_or_default();
        if !b"RSKZENAv13".contains(&tag) {
            return Err(other(&self.partial));
        }
        let mut taken = 0;
        let mut wanted = HEADER;
        for _ in 0..2 {
            let more = wanted.saturating_sub(self.partial.len()).min(bytes.len() - taken);
            self.partial.extend_from_slice(&bytes[taken..taken + more]);
            taken += more;
            let Some(&[_, a, b, c, d]) = self.partial.first_chunk::<HEADER>() else { break };
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            if !(4..MESSAGE_MAX).contains(&length) {
                return Err(other(&self.partial[..before]));
            }
            wanted = 1 + length;
        }
        Ok((taken, self.partial.len() == wanted && self.partial.len() >= HEADER))
    }

    fn on_message(
        &mut self,
        tag: u8,
        body: &[u8],
        terms: PostgresTerms<'_>,
        keys: &mut Option<ScramKeys>,
    ) -> Result<Reaction, PostgresRefusal> {
        match tag {
            b'R' => self.on_authentication(body, terms, keys),
            b'E' => Err(match ServerRefusal::read(body) {
                None => PostgresRefusal::Other(quote::first_line(body)),
                Some(error) if self.is_preparing() && !error.is_fatal => {
                    PostgresRefusal::Statement(error)
                }
                Some(error) => PostgresRefusal::Server(error),
            }),
            b'S' => {
                if body == b"standard_conforming_strings\0off\0" {
                    self.has_plain_strings = false;
                }
                Ok(Reaction::None)
            }
            b'Z' => self.on_ready(body, terms),
            _ => Ok(Reaction::None),
        }
    }

    /// The server is ready for statements.
    fn on_ready(
        &mut self,
        body: &[u8],
        terms: PostgresTerms<'_>,
    ) -> Result<Reaction, PostgresRefusal> {
        let transaction = terms.transaction;
        match self.stage {
            Stage::Preparing => Ok(Reaction::Open),
            Stage::Known if transaction.has_literals() && !self.has_plain_strings => {
                Err(PostgresRefusal::Strings)
            }
            Stage::Known if transaction.preparation().is_empty() => Ok(Reaction::Open),
            Stage::Known => {
                self.stage = Stage::Preparing;
                Ok(Reaction::Send(transaction.preparation().to_vec()))
            }
            // Nobody has logged in yet.
            Stage::Login | Stage::Scram(_) | Stage::Proved(_) => {
                Err(PostgresRefusal::Other(quote::first_line(body)))
            }
        }
    }

    /// The server asks for a proof, or has got it.
    fn on_authentication(
        &mut self,
        body: &[u8],
        terms: PostgresTerms<'_>,
        keys: &mut Option<ScramKeys>,
    ) -> Result<Reaction, PostgresRefusal> {
        let odd = || PostgresRefusal::Other(quote::first_line(body));
        let (kind, rest) = body.split_first_chunk::<4>().ok_or_else(odd)?;
        let stage = std::mem::replace(&mut self.stage, Stage::Login);
        match (u32::from_be_bytes(*kind), stage) {
            (0, Stage::Login | Stage::Known) => {
                self.stage = Stage::Known;
                Ok(Reaction::None)
            }
            // Whoever knows the password has signed before this.
            (0, _) => Err(PostgresRefusal::Scram(ScramError::Unproved)),
            (3, Stage::Login) => {
                let password = format!("{}\0", terms.password()?);
                Ok(Reaction::Send(message::password(password.as_bytes())))
            }
            (5, Stage::Login) => {
                let salt = rest.get(..4).ok_or_else(odd)?;
                let answer = md5_answer(&terms.login.user, terms.password()?, salt);
                Ok(Reaction::Send(message::password(&answer)))
            }
            (10, Stage::Login) => {
                let mut mechanisms = rest.split(|byte| *byte == 0);
                if !mechanisms.any(|it| it == scram::MECHANISM.as_bytes()) {
                    return Err(PostgresRefusal::Method("SASL without SCRAM-SHA-256"));
                }
                terms.password()?;
                let exchange = ScramExchange::new(&mut self.random);
                let first = exchange.first();
                let mut bytes = Vec::new();
                message::text(scram::MECHANISM, &mut bytes);
                bytes.extend_from_slice(&(first.len() as u32).to_be_bytes()); // a short text
                bytes.extend_from_slice(first.as_bytes());
                self.stage = Stage::Scram(exchange);
                Ok(Reaction::Send(message::password(&bytes)))
            }
            (11, Stage::Scram(mut exchange)) => {
                let proof = exchange.proof(rest, terms.password()?, keys);
                let proof = proof.map_err(PostgresRefusal::Scram)?;
                self.stage = Stage::Proved(exchange);
                Ok(Reaction::Send(message::password(proof.as_bytes())))
            }
            (12, Stage::Proved(exchange)) => {
                exchange.verify(rest).map_err(PostgresRefusal::Scram)?;
                self.stage = Stage::Known;
                Ok(Reaction::None)
            }
            (2, _) => Err(PostgresRefusal::Method("Kerberos")),
            (7 | 8, _) => Err(PostgresRefusal::Method("GSSAPI")),
            (9, _) => Err(PostgresRefusal::Method("SSPI")),
            _ => Err(odd()),
        }
    }
}

/// What a message leads to.
enum Reaction {
    None,
    Send(Vec<u8>),
    Open,
}

#[cfg(test)]
mod tests;
