//! The state that requests share, and the routes.

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::get;

use crate::error_response::ErrorResponse;
use crate::fault_injection::{self, FaultInjector};
use crate::features::{self, Features};
use crate::files::{self, Files};
use crate::stats::{self, Stats};
use crate::storage::Store;
use crate::{grpc, shootout, taskflow};

/// The application behind its routes.
pub(crate) struct AppState {
    pub(crate) store: Store,
    pub(crate) files: Files,
    pub(crate) features: Features,
    pub(crate) stats: Stats,
    pub(crate) faults: FaultInjector,
}

/// All routes, inside the one layer that counts requests and injects faults.
pub(crate) fn routes(app: Arc<AppState>) -> Router {
    Router::new()
        .route("/health", get(stats::health))
        .route("/stats", get(stats::show))
        .merge(shootout::routes())
        .merge(grpc::routes())
        .route("/static/{*path}", get(files::serve))
        .nest("/api/v1", taskflow::routes())
        .nest("/features", features::routes(&app))
        .method_not_allowed_fallback(async || ErrorResponse::WrongMethod)
        .fallback(async || ErrorResponse::NotFound("path"))
        .layer(middleware::from_fn_with_state(app.clone(), fault_injection::layer))
        .with_state(app)
}
