//! A PostgreSQL URL: the login in it, and the transaction that is sent.

use std::sync::Arc;

use uringbench_core::plan::{Transactions, Workload};
use uringbench_core::postgres::login::PostgresLogin;
use uringbench_core::postgres::statement::{QueryMode, Transaction, TransactionParts};
use uringbench_scenario::Statements;

use crate::args::{Builtin, PostgresArgs, RunArgs};
use crate::exit::{Failure, usage};
use crate::login::{self, UrlLogin};
use crate::redis::refuse_http;
use crate::request::BuiltRequest;
use crate::url::{Scheme, Url};

/// The variable of libpq with the password.
const PASSWORD: &str = "PGPASSWORD";

/// Whether a URL is one of PostgreSQL.
pub(crate) fn is_postgres(url: &str) -> bool {
    login::has_scheme(url, &["postgres", "postgresql"])
}

/// The URL with TLS, if its `sslmode` asks for it.
pub(crate) fn with_tls(url: &mut Url) -> Result<(), Failure> {
    let Some((path, query)) = url.path.split_once('?') else { return Ok(()) };
    for parameter in query.split('&').filter(|it| !it.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        url.scheme = match (name, value) {
            ("sslmode", "disable") => Scheme::Postgres,
            // As libpq: only a file of authorities makes it check them.
            ("sslmode", "require") => Scheme::PostgresTls { verifies: false },
            ("sslmode", "verify-full") => Scheme::PostgresTls { verifies: true },
            ("sslmode", _) => {
                return Err(usage(format!(
                    "sslmode={value} is not supported: use disable, require or verify-full"
                )));
            }
            (name, _) => {
                return Err(usage(format!(
                    "`{name}` is no parameter of a URL here: only sslmode is"
                )));
            }
        };
    }
    url.path = path.to_owned();
    Ok(())
}

/// The transaction of these options, for the database that the URL's path names.
pub(crate) fn build(args: &RunArgs, path: &str, given: UrlLogin) -> Result<BuiltRequest, Failure> {
    refuse_http("PostgreSQL", &args.request, &args.stream)?;
    let PostgresArgs { query_mode, no_describe, .. } = &args.database.postgres;
    let Wanted { typed, named, method } = wanted(args)?;
    let mode = query_mode.map_or_else(Default::default, Into::into);
    if *no_describe && mode == QueryMode::Simple {
        return Err(usage("--no-describe has no effect in -M simple: the server always describes"));
    }
    let named: Vec<(&str, String)> =
        named.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let Statements { draws, statements } = uringbench_scenario::statements(&typed, &named)
        .map_err(|why| usage(format!("`{method}`: {why}")))?;
    let parts = TransactionParts { mode, describes: !no_describe, draws, statements };
    let transaction = Transaction::new(parts).map_err(|why| usage(why.to_string()))?;
    if args.load.seed.is_some() && args.load.rate.is_none() && transaction.is_constant() {
        return Err(usage(
            "--seed has no effect: neither the statement nor its due times are random",
        ));
    }
    let login = login(path, given)?;
    let transactions = Transactions { transaction, pipeline: 1, login };
    Ok(BuiltRequest { method, workload: Workload::Transactions(Arc::new(transactions)) })
}

/// The statements that are asked for.
struct Wanted {
    typed: String,
    /// Their named values.
    named: Vec<(String, String)>,
    /// Their name in reports.
    method: String,
}

fn wanted(args: &RunArgs) -> Result<Wanted, Failure> {
    let PostgresArgs { builtin, script, scale, .. } = &args.database.postgres;
    if scale.is_some() && builtin.is_none() && script.is_none() {
        return Err(usage("--scale has no effect without --builtin or --script: leave it out"));
    }
    let scale = scale.unwrap_or(1);
    if let Some(path) = script {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|why| usage(format!("cannot read {shown}: {why}")))?;
        let script = uringbench_scenario::pgbench_script(&text, scale)
            .map_err(|why| usage(format!("{shown}, {why}")))?;
        let name = path.file_name().map_or_else(String::new, |it| it.to_string_lossy().into());
        return Ok(Wanted { typed: script.text, named: script.named, method: name });
    }
    if let Some(builtin) = builtin {
        let named = Builtin::values(scale).map(|(name, value)| (name.to_owned(), value)).to_vec();
        let method = builtin.name().to_owned();
        return Ok(Wanted { typed: builtin.statements(), named, method });
    }
    let command = args.command.as_ref().ok_or_else(|| {
        usage(
            "no statement given: write one behind the URL, as in 'SELECT abalance FROM \
             pgbench_accounts WHERE aid = {{int 1 100000}}', or give --builtin select-only",
        )
    })?;
    let method = login::shown(command);
    Ok(Wanted { typed: command.clone(), named: Vec::new(), method })
}

/// Who connects to which database.
fn login(path: &str, given: UrlLogin) -> Result<PostgresLogin, Failure> {
    let from_environment = || std::env::var(PASSWORD).ok().filter(|it| !it.is_empty());
    let user = given
        .user
        .ok_or_else(|| usage("the URL has no user: write postgres://USER@HOST/DATABASE"))?;
    let name = path.strip_prefix('/').unwrap_or(path);
    let name = login::decoded(name).filter(|name| !name.contains('/')).ok_or_else(|| {
        usage(format!("`{path}` is no database: write its name, as in postgres://USER@HOST/NAME"))
    })?;
    // As libpq: the database of the user's name.
    let database = if name.is_empty() { user.clone() } else { name };
    let password = given.password.or_else(from_environment);
    let all = [Some(&user), Some(&database), password.as_ref()];
    if all.into_iter().flatten().any(|text| text.contains('\0')) {
        return Err(usage("user, password and database have no zero byte: leave %00 out"));
    }
    Ok(PostgresLogin { user, password, database })
}

/// PostgreSQL is not asked for with another URL.
pub(crate) fn refuse(args: &RunArgs) -> Result<(), Failure> {
    let PostgresArgs { query_mode, builtin, script, scale, no_describe } = &args.database.postgres;
    let is_given = builtin.is_some() || script.is_some() || scale.is_some();
    if query_mode.is_some() || is_given || *no_describe {
        return Err(usage(
            "-M, --builtin, --script, --scale and --no-describe are for PostgreSQL: use a \
             postgres:// URL",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Result<PostgresLogin, String> {
        let given = login::taken_out(url).map_err(|why| why.to_string())?;
        let mut url = Url::parse(&given.url)?;
        with_tls(&mut url).map_err(|why| why.to_string())?;
        login(&url.path, given).map_err(|why| why.to_string())
    }

    #[test]
    fn logins_are_those_of_the_url() {
        for (url, user, password, database) in [
            ("postgres://u@h", "u", None, "u"),
            ("postgres://u@h:1/", "u", None, "u"),
            ("postgresql://u:p%40ss@h/d", "u", Some("p@ss"), "d"),
            ("postgres://u:a:b@h/my%20db?sslmode=disable", "u", Some("a:b"), "my db"),
        ] {
            let login = of(url).expect(url);
            assert_eq!((login.user.as_str(), login.database.as_str()), (user, database));
            if password.is_some() {
                assert_eq!(login.password.as_deref(), password);
            }
        }
        for (url, part) in [
            ("postgres://h/d", "no user"),
            ("postgres://:zz@h/d", "no user"),
            ("postgres://u@h/a/b", "no database"),
            ("postgres://u:zz%00@h", "zero byte"),
            ("postgres://u:%zz@h", "percent-encoded"),
            ("postgres://u@h/d?sslmode=prefer", "verify-full"),
            ("postgres://u@h/d?connect_timeout=1", "only sslmode"),
        ] {
            let why = of(url).expect_err(url);
            assert!(why.contains(part) && !why.contains("zz"), "{why}");
        }
    }

    #[test]
    fn tls_is_what_the_url_asks_for() {
        for (query, has_tls, verifies) in [
            ("", false, true),
            ("?sslmode=disable", false, true),
            ("?sslmode=require", true, false),
            ("?sslmode=verify-full", true, true),
        ] {
            let mut url = Url::parse(&format!("postgres://h/d{query}")).expect("a URL");
            with_tls(&mut url).expect("a mode");
            assert_eq!((url.scheme.has_tls(), url.scheme.verifies()), (has_tls, verifies));
            assert_eq!(url.to_string(), "postgres://h/d");
        }
    }
}
