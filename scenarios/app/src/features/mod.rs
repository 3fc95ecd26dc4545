//! Features of frameworks one by one, below `/features`, so that each cost is measured separately.
//!
//! State between requests is in memory and bounded, so that a soak test of these routes finds no
//! growth that is only the application's own data.

mod analytics;
mod asynchronous;
mod background;
mod basic;
mod blog;
mod files;
mod inject;
mod middleware;
mod pipeline;
mod ring_buffer;
mod schema;
mod shop;
mod validation;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;

use crate::router::AppState;

pub(crate) use background::work;

/// The state of these routes between requests.
#[derive(Default)]
pub(crate) struct Features {
    lines: Mutex<middleware::Lines>,
    singleton: inject::Singleton,
    jobs: background::Jobs,
    shop: Mutex<shop::Shop>,
    blog: Mutex<blog::Blog>,
    events: Mutex<analytics::Events>,
    texts: Mutex<pipeline::Texts>,
}

/// Their routes.
pub(crate) fn routes(app: &Arc<AppState>) -> Router<Arc<AppState>> {
    Router::new()
        .nest("/basic", basic::routes())
        .nest("/middleware", middleware::routes(app))
        .nest("/inject", inject::routes())
        .nest("/async", asynchronous::routes())
        .nest("/validation", validation::routes())
        .nest("/files", files::routes())
        .nest("/background", background::routes())
        .nest("/shop", shop::routes())
        .nest("/blog", blog::routes())
        .nest("/analytics", analytics::routes())
        .nest("/pipeline", pipeline::routes())
}

/// The state changes in single steps, so it is valid after a panic too.
fn lock<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
