//! Who connects to which database, and what is sent to prove it.

use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

/// How connections of a run are opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostgresLogin {
    /// The user.
    pub user: String,
    /// The password; `None` if the server is to ask for none.
    pub password: Option<String>,
    /// The database.
    pub database: String,
}

/// The answer to a request for a hash: of password, user, and the server's salt
/// (<https://www.postgresql.org/docs/current/protocol-flow.html>).
pub(super) fn md5_answer(user: &str, password: &str, salt: &[u8]) -> Vec<u8> {
    let inner = hex(&Md5::new().chain_update(password).chain_update(user).finalize());
    let outer = hex(&Md5::new().chain_update(inner).chain_update(salt).finalize());
    format!("md5{outer}\0").into_bytes()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_libpq() {
        // postgres-protocol's example, made with libpq.
        let answer = md5_answer("md5_user", "password", &[0x2a, 0x3d, 0x8f, 0xe0]);
        assert_eq!(answer, b"md562af4dd09bbb41884907a838a3233294\0");
    }
}
