//! Arguments about databases.

use clap::Args;

use super::{PostgresArgs, RedisArgs};

/// Options of runs against databases.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct DatabaseArgs {
    #[command(flatten)]
    pub(crate) redis: RedisArgs,
    #[command(flatten)]
    pub(crate) postgres: PostgresArgs,
}
