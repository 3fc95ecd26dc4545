//! The kind of database, from its name.

use std::fmt;
use std::path::PathBuf;

/// Which database the application uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// SQLite in memory, empty at each start.
    Memory,
    /// SQLite in this file, created if it does not exist.
    File(PathBuf),
    /// A PostgreSQL server, by its URL.
    Postgres(String),
}

impl Database {
    /// A URL of PostgreSQL is a server, all else a file.
    pub fn named(name: PathBuf) -> Self {
        let url = name.to_str().filter(|name| {
            ["postgres://", "postgresql://"].iter().any(|scheme| name.starts_with(scheme))
        });
        match url {
            Some(url) => Self::Postgres(url.to_owned()),
            None => Self::File(name),
        }
    }
}

/// Its name for messages, without the password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("in memory"),
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Postgres(url) => f.write_str(&without_password(url)),
        }
    }
}

/// A URL without the password in `user:password@` or `password=`.
fn without_password(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
    match rest.rsplit_once('@') {
        Some((user, place)) => {
            let name = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{name}@{place}")
        }
        // An invalid URL: any part of it may be the password.
        None if options.contains('@') => format!("{scheme}://…"),
        None => format!("{scheme}://{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_server_and_all_else_a_file() {
        let named = |name: &str| Database::named(PathBuf::from(name));
        assert_eq!(named("postgres://a@b/c"), Database::Postgres("postgres://a@b/c".to_owned()));
        assert_eq!(named("postgresql://b/c"), Database::Postgres("postgresql://b/c".to_owned()));
        assert_eq!(named("postgres.db"), Database::File(PathBuf::from("postgres.db")));
    }

    #[test]
    fn passwords_stay_out_of_messages() {
        let shown = |url: &str| Database::Postgres(url.to_owned()).to_string();
        assert_eq!(shown("postgres://ada:secret@h:5432/db"), "postgres://ada@h:5432/db");
        assert_eq!(shown("postgres://ada:se@cret@h/db"), "postgres://ada@h/db");
        assert_eq!(shown("postgres://h/db?password=secret"), "postgres://h/db");
        assert_eq!(shown("postgres://ada:sec?ret@h/db"), "postgres://…");
    }
}
