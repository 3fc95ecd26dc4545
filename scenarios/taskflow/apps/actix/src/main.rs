//! The program: from environment variables to a server, until a signal ends it.

use std::env;
use std::io;
use std::num::NonZeroUsize;
use std::str::FromStr;

use actix_web::web::Data;
use actix_web::{App, HttpServer};
use taskflow_actix::{Store, configure};

/// Seconds that answers in progress may take after SIGTERM, as in the reference application.
const GRACE: u64 = 3;

#[actix_web::main]
async fn main() -> io::Result<()> {
    let port: u16 = setting("PORT")?.unwrap_or(8001);
    let workers: Option<NonZeroUsize> = setting("WORKERS")?;
    let store = Data::new(Store::open().map_err(io::Error::other)?);
    let mut server =
        HttpServer::new(move || App::new().app_data(store.clone()).configure(configure))
            // Small answers must not wait for the acknowledgement of earlier ones.
            .tcp_nodelay(true)
            .shutdown_timeout(GRACE);
    if let Some(workers) = workers {
        server = server.workers(workers.get());
    }
    server.bind(("127.0.0.1", port))?.run().await
}

/// The number in an environment variable, if it is set.
fn setting<T: FromStr>(name: &str) -> io::Result<Option<T>> {
    let Ok(text) = env::var(name) else { return Ok(None) };
    let wrong = |_| io::Error::other(format!("{name} is {text:?}: give a number from 1"));
    text.parse().map(Some).map_err(wrong)
}
