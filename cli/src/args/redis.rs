//! Arguments about Redis.

use clap::{Args, ValueEnum};

use crate::units;

/// Options of runs against Redis.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Redis")]
pub(crate) struct RedisArgs {
    /// Commands of redis-benchmark to send, one run each: set,get; instead of a command
    #[arg(
        long,
        value_name = "LIST",
        value_enum,
        value_delimiter = ',',
        conflicts_with = "command"
    )]
    pub(crate) test: Vec<RedisTest>,

    /// Number of random keys that --test uses, as redis-benchmark's -r [default: one key]
    #[arg(
        short = 'r', long, value_name = "N", value_parser = units::count, requires = "test",
        allow_negative_numbers = true
    )]
    pub(crate) keyspace: Option<u64>,

    /// Bytes of the values that --test sends [default: 3]
    #[arg(
        long, value_name = "N", value_parser = units::size, requires = "test",
        allow_negative_numbers = true
    )]
    pub(crate) data_size: Option<u32>,

    /// Speak RESP3 instead of RESP2
    #[arg(long)]
    pub(crate) resp3: bool,
}

/// A command of redis-benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RedisTest {
    /// PING
    Ping,
    /// SET key value
    Set,
    /// GET key
    Get,
    /// INCR counter
    Incr,
    /// LPUSH list value
    Lpush,
    /// RPUSH list value
    Rpush,
    /// LPOP list
    Lpop,
    /// RPOP list
    Rpop,
    /// SADD set element
    Sadd,
    /// HSET hash field value
    Hset,
    /// SPOP set
    Spop,
    /// ZADD sorted set, score, element
    Zadd,
    /// LRANGE list, the first 100 elements
    Lrange,
    /// MSET of ten keys
    Mset,
}

impl RedisTest {
    /// Keys of an MSET.
    pub(crate) const MSET_KEYS: usize = 10;

    /// Its command, with this key suffix and value.
    pub(crate) fn command(self, key: &str, value: &str) -> String {
        match self {
            Self::Ping => "PING".to_owned(),
            Self::Set => format!("SET key:{key} {value}"),
            Self::Get => format!("GET key:{key}"),
            Self::Incr => format!("INCR counter:{key}"),
            Self::Lpush => format!("LPUSH mylist {value}"),
            Self::Rpush => format!("RPUSH mylist {value}"),
            Self::Lpop => "LPOP mylist".to_owned(),
            Self::Rpop => "RPOP mylist".to_owned(),
            Self::Sadd => format!("SADD myset element:{key}"),
            Self::Hset => format!("HSET myhash element:{key} {value}"),
            Self::Spop => "SPOP myset".to_owned(),
            // The score is random where the key is.
            Self::Zadd if key.starts_with("{{") => format!("ZADD myzset {key} element:{key}"),
            Self::Zadd => format!("ZADD myzset 0 element:{key}"),
            Self::Lrange => "LRANGE mylist 0 99".to_owned(),
            Self::Mset => {
                let pair = format!(" key:{key} {value}");
                format!("MSET{}", pair.repeat(Self::MSET_KEYS))
            }
        }
    }
}
