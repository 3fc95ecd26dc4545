//! The reference application, on axum.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use criterion::{Criterion, criterion_group, criterion_main};
use taskflow_bench::{Call, Implementation, Reply, measure};
use tokio::runtime::{Builder, Runtime};
use tower_service::Service;
use uringbench_app::{App, AppOptions, Database, Faults};

struct Axum {
    runtime: Runtime,
    router: Router,
}

impl Implementation for Axum {
    fn answer(&mut self, call: &Call<'_>) -> Reply {
        let mut request = Request::builder()
            .method(call.method)
            .uri(&call.path)
            .header(CONTENT_TYPE, "application/json");
        if let Some(token) = call.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Body::from(call.body.clone())).expect("the request is valid");
        self.runtime.block_on(async {
            let answer = self.router.call(request).await.expect("a router cannot fail");
            let status = answer.status().as_u16();
            let body = to_bytes(answer.into_body(), usize::MAX).await.expect("it is in memory");
            (status, body.to_vec())
        })
    }
}

fn all(criterion: &mut Criterion) {
    let options = AppOptions {
        listen: ([127, 0, 0, 1], 0).into(),
        cpu: None,
        workers: 1,
        database: Database::Memory,
        files: None,
        faults: Faults::default(),
    };
    let app = App::bind(&options).expect("a port is free");
    let runtime = Builder::new_current_thread().build().expect("the machine has room for it");
    measure(&mut Axum { runtime, router: app.router() }, criterion);
}

criterion_group!(benches, all);
criterion_main!(benches);
