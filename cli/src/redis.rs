//! A Redis URL: the login in it, and the command that is sent.

use std::sync::Arc;

use uringbench_core::plan::{Commands, Workload};
use uringbench_core::resp::command::RedisCommand;
use uringbench_core::resp::opening::{RedisLogin, RespVersion};

use crate::args::{RedisArgs, RedisTest, RequestArgs, RunArgs, StreamArgs, given_of_request};
use crate::exit::{Failure, usage};
use crate::login::{self, UrlLogin};
use crate::request::BuiltRequest;

/// The digits of a random key, as in redis-benchmark.
const KEY_DIGITS: usize = 12;
/// Bytes of a value, as in redis-benchmark.
const DATA_SIZE: u32 = 3;
/// The most bytes of values in a command.
const DATA_MAX: u32 = 512 << 20;

/// Whether a URL is one of Redis.
pub(crate) fn is_redis(url: &str) -> bool {
    login::has_scheme(url, &["redis", "rediss"])
}

/// Who logs in.
fn login(given: UrlLogin) -> Result<RedisLogin, Failure> {
    let UrlLogin { user, password, .. } = given;
    if user.is_some() && password.is_none() {
        return Err(usage(
            "the URL has a user without a password: write redis://USER:PASSWORD@HOST, or \
             redis://:PASSWORD@HOST for the default user",
        ));
    }
    Ok(RedisLogin { user, password, ..RedisLogin::default() })
}

/// The command of these options, for the database that the URL's path names.
pub(crate) fn build(args: &RunArgs, path: &str, given: UrlLogin) -> Result<BuiltRequest, Failure> {
    refuse_http("Redis", &args.request, &args.stream)?;
    let mut login = login(given)?;
    login.database = database(path)?;
    if args.database.redis.resp3 {
        login.version = RespVersion::Resp3;
    }
    let typed = typed(args)?;
    let words = uringbench_scenario::command(&typed);
    let words = words.map_err(|why| usage(format!("`{typed}`: {why}")))?;
    let command = RedisCommand::new(words).map_err(|why| usage(why.to_string()))?;
    if args.load.seed.is_some() && args.load.rate.is_none() && command.is_constant() {
        return Err(usage(
            "--seed has no effect: neither the command nor its due times are random",
        ));
    }
    let commands = Commands { command, pipeline: 1, login };
    Ok(BuiltRequest {
        method: login::shown(&typed),
        workload: Workload::Commands(Arc::new(commands)),
    })
}

/// Redis is not asked for with another URL.
pub(crate) fn refuse(args: &RunArgs) -> Result<(), Failure> {
    let RedisArgs { test, resp3, .. } = &args.database.redis;
    if !test.is_empty() || *resp3 {
        return Err(usage("--test and --resp3 are for Redis: use a redis:// or rediss:// URL"));
    }
    Ok(())
}

/// Options of HTTP are refused with a database of this name.
pub(crate) fn refuse_http(
    name: &str,
    request: &RequestArgs,
    stream: &StreamArgs,
) -> Result<(), Failure> {
    let given = given_of_request(request, stream).or_else(|| request.http2.then_some("--http2"));
    given.map_or(Ok(()), |option| {
        Err(usage(format!("{option} is for HTTP or WebSockets: leave it out with {name}")))
    })
}

fn database(path: &str) -> Result<u32, Failure> {
    let digits = path.strip_prefix('/').unwrap_or(path);
    if digits.is_empty() {
        return Ok(0);
    }
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number).ok_or_else(|| {
        usage(format!("`{path}` is no database: write its number, as in redis://HOST:6379/0"))
    })
}

/// The command as text.
fn typed(args: &RunArgs) -> Result<String, Failure> {
    let RedisArgs { test, keyspace, data_size, .. } = &args.database.redis;
    let one = match (&args.command, test.as_slice()) {
        (Some(_), _) if keyspace.is_some() || data_size.is_some() => {
            return Err(usage(
                "-r and --data-size are for --test: write {{int 0 999999 width=12}} and \
                 {{string 100}} into a command",
            ));
        }
        (Some(command), _) => return Ok(command.clone()),
        (None, [one]) => *one,
        (None, []) => {
            return Err(usage(
                "no command given: write one behind the URL, as in 'GET key:{{int 0 999999 \
                 width=12}}', or give --test set,get",
            ));
        }
        (None, _) => {
            return Err(usage("several --test are several runs: give one of them here"));
        }
    };
    let size = data_size.unwrap_or(DATA_SIZE);
    let values = if one == RedisTest::Mset { RedisTest::MSET_KEYS } else { 1 };
    if u64::from(size) * values as u64 > u64::from(DATA_MAX) {
        return Err(usage(format!(
            "--data-size {size}: a command is kept in memory, so its values are 512 MiB at most"
        )));
    }
    let key = match keyspace {
        None => format!("{:0KEY_DIGITS$}", 0),
        Some(keys) => format!("{{{{int 0 {} width={KEY_DIGITS}}}}}", keys - 1),
    };
    let value = if size == 0 { "''".to_owned() } else { "x".repeat(size as usize) };
    Ok(one.command(&key, &value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_taken_out_of_the_url() {
        for (url, left, user, password) in [
            ("redis://h:1/2", "redis://h:1/2", None, None),
            ("redis://:p%40ss@h", "redis://h", None, Some("p@ss")),
            ("rediss://a:b:c@h/0", "rediss://h/0", Some("a"), Some("b:c")),
            ("REDIS://u:x@y@h/", "REDIS://h/", Some("u"), Some("x@y")),
        ] {
            let given = login::taken_out(url).expect(url);
            assert_eq!(given.url, left);
            let login = login(given).expect(url);
            assert_eq!((login.user.as_deref(), login.password.as_deref()), (user, password));
        }
        let wrong =
            ["redis://u@h", "redis://u:@h", "redis://:%zz@h", "redis://:%@h", "redis://:%+5@h"];
        let odd =
            ["redis://:zz#zz@h", "redis://u:12/zz@h", "redis://:a?zz@h", "redis://u:p@h/zz@h"];
        for wrong in wrong.into_iter().chain(odd) {
            let why = login::taken_out(wrong).and_then(login).expect_err(wrong).to_string();
            assert!(!why.contains("zz"), "{why}");
        }
    }

    #[test]
    fn databases_are_numbers() {
        assert_eq!([database("/").ok(), database("/15").ok()], [Some(0), Some(15)]);
        for wrong in ["/x", "/-1", "/+1", "/1?a", "/99999999999"] {
            assert!(database(wrong).is_err(), "{wrong}");
        }
    }
}
