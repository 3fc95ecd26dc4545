//! From options to a listening application, and its end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use rustix::thread::{CpuSet, sched_setaffinity};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::site::{self, Site};
use crate::stats::Stats;
use crate::storage::Store;
use crate::trouble::{Trouble, TroubleMaker};

/// Where and how to serve.
#[derive(Clone, Debug, PartialEq)]
pub struct AppOptions {
    /// The address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The CPU to stay on, if any.
    pub cpu: Option<usize>,
    /// Threads that serve, at least 1.
    pub workers: usize,
    /// The file of the database; none keeps it in memory, new at each start.
    pub database: Option<PathBuf>,
    /// What goes wrong on purpose.
    pub trouble: Trouble,
}

/// Why the application cannot serve.
#[derive(Debug, Error)]
pub enum AppError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}; choose another with --listen")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The CPU does not exist or is not allowed.
    #[error("cannot run on CPU {cpu}: {source}; choose another with --cpu")]
    Cpu {
        /// What was asked for.
        cpu: usize,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The database cannot be opened or set up.
    #[error("cannot open the database {name}: {source}; choose another file with --database")]
    Database {
        /// Its file, or where else it is.
        name: String,
        /// SQLite's answer.
        source: rusqlite::Error,
    },
    /// No threads, no signals.
    #[error("cannot start {workers} workers: {source}; ask for fewer with --workers")]
    Start {
        /// What was asked for.
        workers: usize,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Serving ended by itself.
    #[error("serving failed: {0}")]
    Serve(io::Error),
}

/// How long answers under way may take once the application is told to stop: an endless stream
/// would keep it up for ever.
const GRACE: Duration = Duration::from_secs(3);

/// A bound, not yet serving application.
pub struct App {
    runtime: Runtime,
    listener: TcpListener,
    address: SocketAddr,
    site: Arc<Site>,
    workers: usize,
}

impl App {
    /// Open the database, fill it, and listen.
    pub fn bind(options: &AppOptions) -> Result<Self, AppError> {
        let (address, workers) = (options.listen, options.workers.max(1));
        if let Some(cpu) = options.cpu {
            stay_on(cpu)?;
        }
        let store = Store::open(options.database.as_deref(), workers).map_err(|source| {
            let file = options.database.as_ref();
            let name =
                file.map_or_else(|| "in memory".to_owned(), |file| file.display().to_string());
            AppError::Database { name, source }
        })?;
        let trouble = TroubleMaker::new(options.trouble);
        let site = Arc::new(Site { store, stats: Stats::new(), trouble });
        let runtime = Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            .build()
            .map_err(|source| AppError::Start { workers, source })?;
        let listening = runtime.block_on(async {
            let listener = TcpListener::bind(address).await?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        });
        let (listener, address) =
            listening.map_err(|source| AppError::Listen { address, source })?;
        Ok(Self { runtime, listener, address, site, workers })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serve until SIGINT or SIGTERM.
    pub fn serve(self) -> Result<(), AppError> {
        let workers = self.workers;
        let signals = self.runtime.block_on(async {
            Ok([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?])
        });
        let signals = signals.map_err(|source| AppError::Start { workers, source })?;
        self.serve_until(first_of(signals))
    }

    /// Serve until `stop` is done; answers under way are then finished, for a few seconds.
    pub fn serve_until(
        self,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), AppError> {
        let Self { runtime, listener, site, .. } = self;
        // Small answers must not wait for the acknowledgement of earlier ones. A connection that
        // is gone already cannot be set; its first read will tell.
        let listener = listener.tap_io(|connection| {
            let _gone = connection.set_nodelay(true);
        });
        let served = runtime.block_on(async move {
            let (told, stopping) = oneshot::channel::<()>();
            let serving =
                axum::serve(listener, site::routes(site)).with_graceful_shutdown(async move {
                    stop.await;
                    drop(told);
                });
            tokio::select! {
                served = serving => served,
                () = async { let _told = stopping.await; sleep(GRACE).await } => Ok(()),
            }
        });
        // Background tasks may sleep; nobody waits for them any more.
        runtime.shutdown_background();
        served.map_err(AppError::Serve)
    }
}

/// Threads take this over from the one that starts them.
fn stay_on(cpu: usize) -> Result<(), AppError> {
    let mut set = CpuSet::new();
    if cpu < CpuSet::MAX_CPU {
        set.set(cpu);
    }
    sched_setaffinity(None, &set).map_err(|errno| AppError::Cpu { cpu, source: errno.into() })
}

async fn first_of([mut interrupt, mut terminate]: [Signal; 2]) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
