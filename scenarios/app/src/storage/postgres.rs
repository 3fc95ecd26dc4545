//! A PostgreSQL server, over a few connections that requests share.

use std::str::FromStr;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, NoTls};

use super::fields::{Fields, Record, Value};
use super::{StoreError, schema};

/// Most connections: what a small server usually shares among its clients.
const CONNECTIONS: usize = 8;
/// How long a connection may take to open, or to become free.
const PATIENCE: Duration = Duration::from_secs(5);

/// A server that was reached. Broken connections are reopened when they are needed.
pub(crate) struct Postgres {
    pool: Pool,
}

impl Postgres {
    /// Connect, and create missing tables and rows.
    pub(super) async fn open(url: &str) -> Result<Self, StoreError> {
        let mut config = Config::from_str(url)?;
        config.connect_timeout(PATIENCE);
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let pool = Pool::builder(Manager::from_config(config, NoTls, recycling))
            .max_size(CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(PATIENCE))
            .create_timeout(Some(PATIENCE))
            .build()
            // Fails only where timeouts are given and no runtime.
            .expect("a runtime was given");
        pool.get().await?.batch_execute(schema::POSTGRES).await?;
        Ok(Self { pool })
    }

    pub(super) async fn first<T: Record>(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<T>, StoreError> {
        let connection = self.pool.get().await?;
        let statement = connection.prepare_cached(statement).await?;
        let row = connection.query_opt(&statement, &parameters(values)).await?;
        row.map(|row| T::read(&Fields::Postgres(&row))).transpose()
    }

    pub(super) async fn all<T: Record>(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<T>, StoreError> {
        let connection = self.pool.get().await?;
        let statement = connection.prepare_cached(statement).await?;
        let rows = connection.query(&statement, &parameters(values)).await?;
        rows.iter().map(|row| T::read(&Fields::Postgres(row))).collect()
    }

    pub(super) async fn execute(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<(), StoreError> {
        let connection = self.pool.get().await?;
        let statement = connection.prepare_cached(statement).await?;
        connection.execute(&statement, &parameters(values)).await?;
        Ok(())
    }
}

fn parameters<'a>(values: &'a [Value<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    values.iter().map(Value::for_postgres).collect()
}
