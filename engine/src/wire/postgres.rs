//! PostgreSQL on a connection: its opening, the reader of its answers, and what this side has sent
//! on its own. `event_loop::replies` acts on what is read.

use std::sync::{Arc, Mutex, PoisonError};

use uringbench_core::plan::Transactions;
use uringbench_core::postgres::opening::{
    OpeningProgress, PostgresOpening, PostgresRefusal, PostgresTerms,
};
use uringbench_core::postgres::reader::PostgresReader;
use uringbench_core::postgres::scram::ScramKeys;
use uringbench_core::schedule::Share;

/// The PostgreSQL transactions of a loop.
#[derive(Clone, Debug)]
pub struct PostgresConfig {
    /// What is sent, and how connections are opened.
    pub transactions: Arc<Transactions>,
    /// This loop's part of the run.
    pub share: Share,
    /// Milliseconds since 1970 at the zero of the driver's clock.
    pub epoch: u64,
    /// Seed of the nonces of logins.
    pub seed: u64,
    /// The keys of the password, once a connection has derived them: no other loop has these.
    pub keys: Arc<Mutex<Option<ScramKeys>>>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Postgres {
    /// `None` once it is open.
    opening: Option<Box<PostgresOpening>>,
    reader: PostgresReader,
    /// Statements of this side's own that are not answered yet.
    own: u32,
}

impl PostgresConfig {
    pub(crate) fn terms(&self) -> PostgresTerms<'_> {
        let Transactions { login, transaction, .. } = &*self.transactions;
        PostgresTerms { login, transaction }
    }

    /// A server's text without the password, which it may repeat.
    pub(crate) fn without_password(&self, text: String) -> String {
        match self.transactions.login.password.as_deref().filter(|it| !it.is_empty()) {
            Some(password) => text.replace(password, "…"),
            None => text,
        }
    }
}

impl Postgres {
    /// A connection that is being opened; `life` differs from those of all others of the loop.
    pub(crate) fn new(config: &PostgresConfig, life: u64) -> Self {
        let opening = PostgresOpening::new(config.seed ^ life.rotate_left(20));
        Self { opening: Some(Box::new(opening)), reader: PostgresReader::default(), own: 0 }
    }

    /// Whether its opening is not over.
    pub(crate) const fn is_being_opened(&self) -> bool {
        self.opening.is_some()
    }

    /// Read bytes of the opening; `None` once it is over.
    pub(crate) fn open(
        &mut self,
        bytes: &[u8],
        config: &PostgresConfig,
    ) -> Option<Result<OpeningProgress, PostgresRefusal>> {
        let mut keys = config.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let progress = self.opening.as_mut()?.feed(bytes, config.terms(), &mut keys);
        if let Ok(OpeningProgress::Opened(_)) = progress {
            self.opening = None;
        }
        Some(progress)
    }

    /// What reads its answers.
    #[inline]
    pub(crate) const fn reader(&self) -> &PostgresReader {
        &self.reader
    }

    /// The same, mutable.
    #[inline]
    pub(crate) const fn reader_mut(&mut self) -> &mut PostgresReader {
        &mut self.reader
    }

    /// This side sends a statement of its own, whose answer is nobody's.
    pub(crate) const fn send_own(&mut self) {
        self.own += 1;
    }

    /// Whether the next answer is that of such a statement.
    #[inline]
    pub(crate) const fn awaits_own(&self) -> bool {
        self.own > 0
    }

    /// It has come.
    pub(crate) const fn take_own(&mut self) {
        self.own -= 1;
    }
}
