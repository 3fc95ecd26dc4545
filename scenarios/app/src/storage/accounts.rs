//! Users and the tokens they log in for.

use std::hash::{BuildHasher, RandomState};

use rusqlite::{OptionalExtension, params};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Store;

/// A user, as others may see them.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) email: String,
}

/// What a registration is given.
pub(crate) struct Account<'a> {
    pub(crate) name: &'a str,
    pub(crate) email: &'a str,
    pub(crate) password: &'a str,
}

impl User {
    pub(super) fn read(row: &rusqlite::Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self { id: row.get(0)?, name: row.get(1)?, email: row.get(2)? })
    }
}

impl Store {
    /// A new user; none if the name is taken.
    pub(crate) fn register(&self, account: &Account<'_>) -> Result<Option<User>, rusqlite::Error> {
        let salt = unguessable();
        let secret = secret(&salt, account.password);
        self.writer()
            .prepare_cached(
                "INSERT INTO users (name, email, salt, secret) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (name) DO NOTHING RETURNING id, name, email",
            )?
            .query_row(params![account.name, account.email, salt, secret], User::read)
            .optional()
    }

    /// A new token for the user of this name, if the password is theirs.
    pub(crate) fn log_in(
        &self,
        name: &str,
        password: &str,
    ) -> Result<Option<String>, rusqlite::Error> {
        let found = self
            .reader()
            .prepare_cached("SELECT id, salt, secret FROM users WHERE name = ?1")?
            .query_row([name], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, Vec<u8>>(2)?))
            })
            .optional()?;
        let Some((user, salt, expected)) = found else { return Ok(None) };
        if secret(&salt, password) != expected {
            return Ok(None);
        }
        let token = unguessable();
        self.writer()
            .prepare_cached("INSERT INTO sessions (token, user) VALUES (?1, ?2)")?
            .execute(params![token, user])?;
        Ok(Some(token))
    }

    /// Whose token this is.
    pub(crate) fn user_of(&self, token: &str) -> Result<Option<User>, rusqlite::Error> {
        self.reader()
            .prepare_cached(
                "SELECT users.id, users.name, users.email
                 FROM sessions JOIN users ON users.id = sessions.user WHERE token = ?1",
            )?
            .query_row([token], User::read)
            .optional()
    }
}

/// What is kept of a password. One round: a real password hash is slow by design, and would be
/// all that a load on this application measures.
fn secret(salt: &str, password: &str) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(salt);
    hash.update(password);
    hash.finalize().to_vec()
}

/// 128 bits in hexadecimal. Each `RandomState` of a thread differs from the last, and the first
/// has keys of the system's randomness, which nobody outside knows.
fn unguessable() -> String {
    let half = || RandomState::new().hash_one(());
    format!("{:016x}{:016x}", half(), half())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_secrets_differ() {
        assert_eq!(unguessable().len(), 32);
        assert_ne!(unguessable(), unguessable());
        assert_ne!(secret("a", "x"), secret("b", "x"));
        assert_eq!(secret("a", "x"), secret("a", "x"));
    }
}
