//! Users and their login tokens.

use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::fields::{Fields, Record, Value};
use super::{Store, StoreError};

/// A user, as visible to others.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) email: String,
}

/// The data of a registration.
pub(crate) struct Account<'a> {
    pub(crate) name: &'a str,
    pub(crate) email: &'a str,
    pub(crate) password: &'a str,
}

/// The record that a login is checked with.
struct Credentials {
    user: i64,
    salt: String,
    secret: String,
}

impl Record for User {
    fn read(fields: &Fields<'_>) -> Result<Self, StoreError> {
        Ok(Self { id: fields.number(0)?, name: fields.text(1)?, email: fields.text(2)? })
    }
}

impl Record for Credentials {
    fn read(fields: &Fields<'_>) -> Result<Self, StoreError> {
        Ok(Self { user: fields.number(0)?, salt: fields.text(1)?, secret: fields.text(2)? })
    }
}

impl Store {
    /// A new user; none if the name is taken.
    pub(crate) async fn register(&self, account: &Account<'_>) -> Result<Option<User>, StoreError> {
        let salt = unguessable();
        let secret = secret(&salt, account.password);
        self.change(
            "INSERT INTO users (name, email, salt, secret) VALUES ($1, $2, $3, $4)
             ON CONFLICT (name) DO NOTHING RETURNING id, name, email",
            &[account.name, account.email, &salt, &secret].map(Value::Text),
        )
        .await
    }

    /// A new token for the user of this name, if the password is theirs.
    pub(crate) async fn log_in(
        &self,
        name: &str,
        password: &str,
    ) -> Result<Option<String>, StoreError> {
        let statement = "SELECT id, salt, secret FROM users WHERE name = $1";
        let known: Option<Credentials> = self.find(statement, &[Value::Text(name)]).await?;
        let Some(known) = known else { return Ok(None) };
        if secret(&known.salt, password) != known.secret {
            return Ok(None);
        }
        let token = unguessable();
        self.execute(
            "INSERT INTO sessions (token, account) VALUES ($1, $2)",
            &[Value::Text(&token), Value::Number(known.user)],
        )
        .await?;
        Ok(Some(token))
    }

    /// The user of this token.
    pub(crate) async fn user_of(&self, token: &str) -> Result<Option<User>, StoreError> {
        self.find(
            "SELECT users.id, users.name, users.email
             FROM sessions JOIN users ON users.id = sessions.account WHERE token = $1",
            &[Value::Text(token)],
        )
        .await
    }
}

/// The stored form of a password. One round: a real password hash is slow by design, and would be
/// all that a load on this application measures.
fn secret(salt: &str, password: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(salt);
    hash.update(password);
    hexadecimal(&hash.finalize())
}

/// Bytes as hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _infallible = write!(digits, "{byte:02x}");
    }
    digits
}

/// 128 bits in hexadecimal. Each `RandomState` of a thread differs from the last, and the first has
/// keys from the system's random source.
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
