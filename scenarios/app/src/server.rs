//! From options to a listening application, until its end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use rustix::thread::{CpuSet, sched_setaffinity};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::fault_injection::{FaultInjector, Faults};
use crate::features::{self, Features};
use crate::files::Files;
use crate::router::{self, AppState};
use crate::stats::Stats;
use crate::storage::{Database, Store};

/// Where and how to serve.
#[derive(Clone, Debug, PartialEq)]
pub struct AppOptions {
    /// The address to listen on; port 0 chooses a free one.
    pub listen: SocketAddr,
    /// The CPU to run on, if any.
    pub cpu: Option<usize>,
    /// Threads that serve, at least 1.
    pub workers: usize,
    /// The database.
    pub database: Database,
    /// The folder whose files are served below `/static`, if any.
    pub files: Option<PathBuf>,
    /// Faults to inject.
    pub faults: Faults,
}

/// Why the application cannot serve.
#[derive(Debug, Error)]
pub enum AppError {
    /// The address is in use or not local.
    #[error("cannot listen on {address}: {source}; choose another with --listen")]
    Listen {
        /// The requested address.
        address: SocketAddr,
        /// The kernel's error.
        source: io::Error,
    },
    /// The CPU does not exist or is not allowed.
    #[error("cannot run on CPU {cpu}: {source}; choose another with --cpu")]
    Cpu {
        /// The requested CPU.
        cpu: usize,
        /// The kernel's error.
        source: io::Error,
    },
    /// The database cannot be reached, opened or set up.
    #[error("cannot open the database {database}: {cause}; {fix}")]
    Database {
        /// The requested database.
        database: Database,
        /// The database's error.
        cause: String,
        /// The fix.
        fix: &'static str,
    },
    /// The folder of files cannot be read.
    #[error("cannot read the folder {}: {source}; name another with --static", folder.display())]
    Files {
        /// The requested folder.
        folder: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
    /// Threads or signals are not available.
    #[error("cannot start {workers} workers: {source}; ask for fewer with --workers")]
    Start {
        /// The requested number.
        workers: usize,
        /// The kernel's error.
        source: io::Error,
    },
    /// Serving ended by itself.
    #[error("serving failed: {0}")]
    Serve(io::Error),
}

/// How long answers in progress may take once the application is stopped: an endless stream would
/// run for ever.
const GRACE: Duration = Duration::from_secs(3);

/// A bound, not yet serving application.
pub struct App {
    runtime: Runtime,
    listener: TcpListener,
    address: SocketAddr,
    app: Arc<AppState>,
    workers: usize,
}

impl App {
    /// Open the database, fill it, and listen.
    pub fn bind(options: &AppOptions) -> Result<Self, AppError> {
        let (address, workers) = (options.listen, options.workers.max(1));
        if let Some(cpu) = options.cpu {
            stay_on(cpu)?;
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            .build()
            .map_err(|source| AppError::Start { workers, source })?;
        let store = runtime.block_on(Store::open(&options.database, workers));
        let store = store.map_err(|error| AppError::Database {
            database: options.database.clone(),
            cause: error.to_string(),
            fix: error.fix(),
        })?;
        let files = Files::open(options.files.as_deref()).map_err(|source| AppError::Files {
            folder: options.files.clone().unwrap_or_default(),
            source,
        })?;
        let app = Arc::new(AppState {
            store,
            files,
            features: Features::default(),
            stats: Stats::new(),
            faults: FaultInjector::new(options.faults),
        });
        let listening = runtime.block_on(async {
            let listener = TcpListener::bind(address).await?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        });
        let (listener, address) =
            listening.map_err(|source| AppError::Listen { address, source })?;
        Ok(Self { runtime, listener, address, app, workers })
    }

    /// Its local address.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its routes, for a caller in the same process, who needs no connection.
    pub fn router(&self) -> Router {
        router::routes(self.app.clone())
    }

    /// A future that completes at SIGINT or SIGTERM. From now on they do not kill the process.
    pub fn interruption(&self) -> Result<impl Future<Output = ()> + Send + 'static, AppError> {
        // Signals can only be caught inside a runtime.
        let _inside = self.runtime.enter();
        let caught =
            |kind| signal(kind).map_err(|source| AppError::Start { workers: self.workers, source });
        let signals = [caught(SignalKind::interrupt())?, caught(SignalKind::terminate())?];
        Ok(first_of(signals))
    }

    /// Serve until `stop` completes; answers in progress are then finished, for a few seconds.
    pub fn serve_until(
        self,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), AppError> {
        let router = self.router();
        let Self { runtime, listener, app, workers, .. } = self;
        for _ in 0..workers {
            runtime.spawn(features::work(app.clone()));
        }
        // Small answers must not wait for the acknowledgement of earlier ones. A closed connection
        // cannot be configured; its first read reports it.
        let listener = listener.tap_io(|connection| {
            let _gone = connection.set_nodelay(true);
        });
        let served = runtime.block_on(async move {
            let (stopped, stopping) = oneshot::channel::<()>();
            let serving = axum::serve(listener, router).with_graceful_shutdown(async move {
                stop.await;
                drop(stopped);
            });
            tokio::select! {
                served = serving => served,
                () = async { let _closed = stopping.await; sleep(GRACE).await } => Ok(()),
            }
        });
        // Background tasks may sleep; nothing waits for them any more.
        runtime.shutdown_background();
        served.map_err(AppError::Serve)
    }
}

/// Threads inherit this from the one that starts them.
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
