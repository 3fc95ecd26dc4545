//! Dependency injection in axum's way: the parameters of a handler name what it needs.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::router::AppState;

/// One for the whole application.
#[derive(Clone, Default)]
pub(super) struct Singleton(Arc<Counts>);

#[derive(Default)]
struct Counts {
    uses: AtomicU64,
    scopes: AtomicU64,
    transients: AtomicU64,
}

/// One per request: all users within a request get the same.
#[derive(Clone, Copy)]
struct Scoped(u64);

/// A new one for every use.
struct Transient(u64);

/// Needs one that lives longer and one with the same lifetime.
struct Service {
    singleton: Singleton,
    scoped: Scoped,
}

impl FromRef<Arc<AppState>> for Singleton {
    fn from_ref(app: &Arc<AppState>) -> Self {
        app.features.singleton.clone()
    }
}

impl FromRequestParts<Arc<AppState>> for Singleton {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, app: &Arc<AppState>) -> Result<Self, Infallible> {
        Ok(Self::from_ref(app))
    }
}

impl FromRequestParts<Arc<AppState>> for Scoped {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        app: &Arc<AppState>,
    ) -> Result<Self, Infallible> {
        if let Some(scoped) = parts.extensions.get::<Self>() {
            return Ok(*scoped);
        }
        let scoped = Self(next(&Singleton::from_ref(app).0.scopes));
        parts.extensions.insert(scoped);
        Ok(scoped)
    }
}

impl FromRequestParts<Arc<AppState>> for Transient {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, app: &Arc<AppState>) -> Result<Self, Infallible> {
        Ok(Self(next(&Singleton::from_ref(app).0.transients)))
    }
}

impl FromRequestParts<Arc<AppState>> for Service {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        app: &Arc<AppState>,
    ) -> Result<Self, Infallible> {
        let singleton = Singleton::from_request_parts(parts, app).await?;
        Ok(Self { singleton, scoped: Scoped::from_request_parts(parts, app).await? })
    }
}

pub(super) fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/singleton", get(singleton))
        .route("/scoped", get(scoped))
        .route("/transient", get(transient))
        .route("/chain", get(chain))
}

async fn singleton(Singleton(counts): Singleton) -> Json<Value> {
    Json(json!({ "uses": next(&counts.uses) }))
}

async fn scoped(Scoped(first): Scoped, Scoped(second): Scoped) -> Json<Value> {
    Json(json!({ "scope": first, "is_shared": first == second }))
}

async fn transient(Transient(first): Transient, Transient(second): Transient) -> Json<Value> {
    Json(json!({ "instances": [first, second] }))
}

async fn chain(service: Service, Scoped(scope): Scoped) -> Json<Value> {
    let uses = next(&service.singleton.0.uses);
    Json(json!({ "uses": uses, "scope": scope, "is_shared": service.scoped.0 == scope }))
}

/// Counts from 1.
fn next(count: &AtomicU64) -> u64 {
    count.fetch_add(1, Relaxed) + 1
}
