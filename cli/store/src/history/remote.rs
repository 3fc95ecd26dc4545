//! The history in PostgreSQL, for teams: the same tables, filled by every machine that measures.
//!
//! A run reaches it once, whoever sends it and however often: its ID is unique. Nothing here is the
//! only copy of anything.

mod tls;
mod url;

use std::future::Future;
use std::io;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Transaction};
use uringbench_document::history::HistoryEntry;

use super::filter::{Dialect, HistoryFilter};
use super::{row, schema};
use tls::Tls;

pub use url::DatabaseUrl;

/// How long to wait for an answer, of whichever kind.
const PATIENCE: Duration = Duration::from_secs(5);
/// Runs sent in one transaction.
const BATCH: usize = 200;
/// The number of the lock under which tables are made: any, but always the same.
const LOCK: i64 = 0x7572_696e_6762;

/// The value of a parameter.
type Value<'a> = &'a (dyn ToSql + Sync);

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// It does not answer.
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Silent,
    /// It answers with an error, or the connection fails.
    #[error("{}", with_cause(cause))]
    Failed {
        /// The error.
        #[from]
        cause: tokio_postgres::Error,
    },
    /// TLS or this process could not be prepared.
    #[error("{cause}")]
    Local {
        /// The system's error.
        #[from]
        cause: io::Error,
    },
    /// A later version of the tables.
    #[error(
        "its tables are of version {found}, made by a newer uringbench than this one, which knows \
         version {}: update this one",
        schema::VERSION
    )]
    Newer {
        /// The version of the tables.
        found: i64,
    },
}

/// The error and what caused it: tokio-postgres names the latter separately.
fn with_cause(error: &tokio_postgres::Error) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// A connection to the database.
pub struct RemoteHistory {
    runtime: Runtime,
    client: Client,
}

impl RemoteHistory {
    /// Connect, and make or change the tables if that is needed.
    ///
    /// # Errors
    /// If the database cannot be reached, does not answer, or its tables are newer.
    pub fn connect(url: &DatabaseUrl) -> Result<Self, RemoteError> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let tls = Tls::new(url.roots.as_deref())?;
        let client = wait(&runtime, async {
            let (mut client, connection) = url.config.connect(tls).await?;
            // Ends with the client.
            tokio::spawn(connection);
            client.batch_execute("SET TIME ZONE 'UTC'").await?;
            let change = client.transaction().await?;
            let migrated = migrate(&change).await?;
            change.commit().await?;
            Ok::<_, tokio_postgres::Error>(migrated.map(|()| client))
        })??;
        let client = client.map_err(|found| RemoteError::Newer { found })?;
        Ok(Self { runtime, client })
    }

    /// Add the runs that it does not have.
    ///
    /// # Errors
    /// If the database fails; some of the runs may be there then.
    pub fn add(&mut self, entries: &[HistoryEntry]) -> Result<(), RemoteError> {
        for batch in entries.chunks(BATCH) {
            let Self { runtime, client } = self;
            wait(runtime, async {
                let change = client.transaction().await?;
                insert(&change, batch).await?;
                change.commit().await
            })??;
        }
        Ok(())
    }

    /// The runs that pass the filter, newest first.
    ///
    /// # Errors
    /// If the database fails.
    pub fn list(&self, filter: &HistoryFilter) -> Result<Vec<HistoryEntry>, RemoteError> {
        let condition = filter.condition(Dialect::Postgres);
        let columns = schema::COLUMNS.map(|name| match name {
            "timestamp" => "to_char(timestamp AT TIME ZONE 'UTC', \
                            'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
                .to_owned(),
            name => format!("{name}::text"),
        });
        let sql = format!(
            "SELECT {}, (SELECT coalesce(json_agg(json_build_object('insight_type', insight_type, \
             'description', description, 'severity', severity, 'recommendations', \
             coalesce(recommendations, '[]'::jsonb)) ORDER BY id), '[]')::text FROM \
             performance_insights WHERE benchmark_result_id = benchmark_results.id) FROM \
             benchmark_results{}",
            columns.join(", "),
            condition.sql
        );
        let values: Vec<Value<'_>> =
            condition.values.iter().map(|value| value as Value<'_>).collect();
        let rows = wait(&self.runtime, self.client.query(&sql, &values))??;
        let entry = |found: &tokio_postgres::Row| {
            let mut values = row::Row::default();
            for (at, value) in values.iter_mut().enumerate() {
                *value = found.try_get(at)?;
            }
            let insights: String = found.try_get(values.len())?;
            let insights = serde_json::from_str(&insights).unwrap_or_default();
            Ok(HistoryEntry { insights, ..row::entry(values) })
        };
        rows.iter().map(entry).collect()
    }
}

/// Drive the future, for a limited time.
fn wait<T>(runtime: &Runtime, future: impl Future<Output = T>) -> Result<T, RemoteError> {
    let limited = async { tokio::time::timeout(PATIENCE, future).await };
    runtime.block_on(limited).map_err(|_elapsed| RemoteError::Silent)
}

/// Bring the tables to this version; returns the version found if it is a later one.
async fn migrate(change: &Transaction<'_>) -> Result<Result<(), i64>, tokio_postgres::Error> {
    // Two machines may come at once.
    change.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let sql = "SELECT to_regclass('uringbench_history') IS NOT NULL";
    let mut found = 0;
    if change.query_one(sql, &[]).await?.try_get(0)? {
        found =
            change.query_one("SELECT version FROM uringbench_history", &[]).await?.try_get(0)?;
    }
    if found > schema::VERSION {
        return Ok(Err(found));
    }
    for step in schema::postgres_steps(found) {
        change.batch_execute(&step).await?;
    }
    if found < schema::VERSION {
        let sql = "UPDATE uringbench_history SET version = $1";
        change.execute(sql, &[&schema::VERSION]).await?;
    }
    Ok(Ok(()))
}

/// Add runs. All are on their way before the first answer is waited for, so that a distant database
/// takes no longer per run.
async fn insert(
    change: &Transaction<'_>,
    entries: &[HistoryEntry],
) -> Result<(), tokio_postgres::Error> {
    let places = schema::COLUMNS.iter().enumerate().map(|(at, name)| match *name {
        "timestamp" => format!("${}::text::timestamptz", at + 1),
        "results" | "tags" => format!("${}::text::jsonb", at + 1),
        _ => format!("${}::text", at + 1),
    });
    let sql = format!(
        "INSERT INTO benchmark_results ({}) VALUES ({}) ON CONFLICT (run_id) DO NOTHING",
        schema::COLUMNS.join(", "),
        places.collect::<Vec<_>>().join(", ")
    );
    let statement = change.prepare(&sql).await?;
    let rows: Vec<row::Row> = entries.iter().map(row::of).collect();
    let values: Vec<Vec<Value<'_>>> =
        rows.iter().map(|row| row.iter().map(|value| value as Value<'_>).collect()).collect();
    let added = try_join_all(values.iter().map(|row| change.execute(&statement, row))).await?;
    let sql = "INSERT INTO performance_insights (benchmark_result_id, insight_type, description, \
               severity, recommendations) SELECT id, $2::text, $3::text, $4::text, \
               $5::text::jsonb FROM benchmark_results WHERE run_id = $1::text";
    let new = entries.iter().zip(added).filter(|(_, added)| *added > 0);
    for (entry, insight) in
        new.flat_map(|(entry, _)| entry.insights.iter().map(move |it| (entry, it)))
    {
        let [kind, description, severity, recommendations] = row::of_insight(insight);
        let run = &entry.run_id;
        change.execute(sql, &[run, &kind, &description, &severity, &recommendations]).await?;
    }
    Ok(())
}

/// Shows nothing of the connection.
impl std::fmt::Debug for RemoteHistory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteHistory").finish_non_exhaustive()
    }
}
