//! The address of a PostgreSQL database, and what it asks of TLS.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use uringbench_core::http::percent;

/// Beginnings of such addresses.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// The address of a database. It may contain a password, so it is never printed whole.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    pub(super) config: Config,
    /// The file of the certificates to trust; the system's without one.
    pub(super) roots: Option<PathBuf>,
}

impl DatabaseUrl {
    /// Whether a text means a database and not a folder.
    pub fn is_one(text: &str) -> bool {
        SCHEMES.iter().any(|scheme| text.starts_with(scheme))
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, options) = text.split_once('?').unwrap_or((text, ""));
        let mut roots = None;
        let mut others = Vec::new();
        for option in options.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("sslrootcert", file)) => roots = Some(PathBuf::from(unescaped(file))),
                // Whoever asks for TLS gets it with the certificate checked.
                Some(("sslmode", "verify-ca" | "verify-full")) => {
                    others.push("sslmode=require".to_owned());
                }
                _ => others.push(option.to_owned()),
            }
        }
        let without = format!("{address}?{}", others.join("&"));
        let mut config: Config = without.parse().map_err(|why: tokio_postgres::Error| {
            // The cause names the faulty part; the text as a whole may contain a password.
            let cause = std::error::Error::source(&why)
                .map_or_else(|| why.to_string(), ToString::to_string);
            format!(
                "not an address of a PostgreSQL database ({cause}): expected \
                     postgres://USER@HOST:PORT/DATABASE"
            )
        })?;
        if config.get_hosts().is_empty() {
            return Err("no host in it: expected postgres://USER@HOST:PORT/DATABASE".to_owned());
        }
        if roots.is_some() && config.get_ssl_mode() == SslMode::Prefer {
            config.ssl_mode(SslMode::Require);
        }
        if config.get_application_name().is_none() {
            config.application_name("uringbench");
        }
        Ok(Self { config, roots })
    }
}

/// `%2F` and the like.
fn unescaped(text: &str) -> String {
    String::from_utf8_lossy(&percent::decoded(text, b'+')).into_owned()
}

/// Host, port and database.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.config.get_ports().first().map(|port| format!(":{port}"));
        match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) => write!(f, "{name}{}", port.unwrap_or_default())?,
            Some(Host::Unix(folder)) => write!(f, "{}", folder.display())?,
            None => {}
        }
        let database = self.config.get_dbname().or_else(|| self.config.get_user());
        write!(f, "/{}", database.unwrap_or_default())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        let url: DatabaseUrl = "postgres://me:s3cret@db.example:5433/bench".parse().unwrap();
        assert_eq!(url.to_string(), "db.example:5433/bench");
        assert!(!format!("{url:?}").contains("s3cret"));
        let socket: DatabaseUrl = "postgresql://me@%2Frun%2Fpg/bench".parse().unwrap();
        assert_eq!(socket.to_string(), "/run/pg/bench");
        assert!(DatabaseUrl::is_one("postgres://x") && !DatabaseUrl::is_one("results"));
    }

    #[test]
    fn asking_for_tls_means_that_the_certificate_is_checked() {
        let mode = |options: &str| {
            let url: DatabaseUrl = format!("postgres://h/d?{options}").parse().unwrap();
            (url.config.get_ssl_mode(), url.roots)
        };
        assert_eq!(mode(""), (SslMode::Prefer, None));
        assert_eq!(mode("sslmode=disable"), (SslMode::Disable, None));
        assert_eq!(mode("sslmode=verify-full"), (SslMode::Require, None));
        let with_file = (SslMode::Require, Some("/etc/a b.pem".into()));
        assert_eq!(mode("sslrootcert=%2Fetc/a%20b.pem&connect_timeout=3"), with_file);
    }

    #[test]
    fn a_mistake_is_named_without_the_password() {
        for (text, part) in [
            ("postgres://me:s3cret@h:port/d", "expected postgres://"),
            ("postgres://me:s3cret@h/d?sslmod=x", "sslmod"),
            ("postgres:///d", "no host"),
        ] {
            let why = text.parse::<DatabaseUrl>().unwrap_err();
            assert!(why.contains(part) && !why.contains("s3cret"), "{text}: {why}");
        }
    }
}
