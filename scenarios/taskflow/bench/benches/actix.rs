//! The implementation on actix-web.

use actix_web::body::to_bytes;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE};
use actix_web::rt::System;
use actix_web::test::{TestRequest, init_service};
use actix_web::web::Data;
use actix_web::{App, Error};
use criterion::{Criterion, criterion_group, criterion_main};
use taskflow_actix::{Store, configure};
use taskflow_bench::{Call, Implementation, Reply, measure};

struct Actix<S> {
    system: actix_web::rt::SystemRunner,
    service: S,
}

impl<S> Implementation for Actix<S>
where
    S: Service<actix_http::Request, Response = ServiceResponse, Error = Error>,
{
    fn answer(&mut self, call: &Call<'_>) -> Reply {
        let method = Method::from_bytes(call.method.as_bytes()).expect("the method is valid");
        let mut request = TestRequest::default()
            .method(method)
            .uri(&call.path)
            .insert_header((CONTENT_TYPE, "application/json"))
            .set_payload(call.body.clone());
        if let Some(token) = call.token {
            request = request.insert_header((AUTHORIZATION, format!("Bearer {token}")));
        }
        let answering = self.service.call(request.to_request());
        self.system.block_on(async {
            let answer = answering.await.expect("errors are answers");
            let status = answer.status().as_u16();
            let body = to_bytes(answer.into_body()).await.map_err(|_| ());
            (status, body.expect("it is in memory").to_vec())
        })
    }
}

fn all(criterion: &mut Criterion) {
    let system = System::new();
    let store = Data::new(Store::open().expect("SQLite opens a database in memory"));
    let app = App::new().app_data(store).configure(configure);
    let service = system.block_on(init_service(app));
    measure(&mut Actix { system, service }, criterion);
}

criterion_group!(benches, all);
criterion_main!(benches);
