//! What all requests share, and which path leads where.

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::get;

use crate::features::{self, Features};
use crate::files::{self, Files};
use crate::refusal::Refusal;
use crate::stats::{self, Stats};
use crate::storage::Store;
use crate::trouble::{self, TroubleMaker};
use crate::{shootout, taskflow};

/// The application behind its routes.
pub(crate) struct Site {
    pub(crate) store: Store,
    pub(crate) files: Files,
    pub(crate) features: Features,
    pub(crate) stats: Stats,
    pub(crate) trouble: TroubleMaker,
}

/// All routes, behind the one layer that counts requests and makes trouble.
pub(crate) fn routes(site: Arc<Site>) -> Router {
    Router::new()
        .route("/health", get(stats::health))
        .route("/stats", get(stats::show))
        .merge(shootout::routes())
        .route("/static/{*path}", get(files::serve))
        .nest("/api/v1", taskflow::routes())
        .nest("/features", features::routes(&site))
        .method_not_allowed_fallback(async || Refusal::WrongMethod)
        .fallback(async || Refusal::NotFound("path"))
        .layer(middleware::from_fn_with_state(site.clone(), trouble::meet))
        .with_state(site)
}
