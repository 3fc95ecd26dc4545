//! TaskFlow's requests, one by one, for every implementation that answers them in its own process.
//!
//! All implementations get the same requests in the same order, and each answer's status is
//! checked, so a benchmark of an error is a failure. A measured request leaves the tables as they
//! were, or adds a row that no other request reads, so the time does not depend on the number of
//! iterations.

use criterion::Criterion;
use serde_json::{Value, json};

/// A request below `/api/v1`.
pub struct Call<'a> {
    /// Its method, such as `POST`.
    pub method: &'static str,
    /// Its path, such as `/api/v1/tasks/7`.
    pub path: String,
    /// The token of the user who sends it.
    pub token: Option<&'a str>,
    /// Its body, which is JSON; empty if it has none.
    pub body: String,
}

/// The status of an answer, and its body.
pub type Reply = (u16, Vec<u8>);

/// An implementation: what it answers to a request.
pub trait Implementation {
    /// The answer to a request.
    fn answer(&mut self, call: &Call<'_>) -> Reply;
}

/// Tasks in the list that is measured: as many as a list has at most.
const TASKS: usize = 50;

/// Measures every request of TaskFlow.
///
/// # Panics
/// On an answer with an unexpected status: its time would be that of something else.
pub fn measure(implementation: &mut impl Implementation, criterion: &mut Criterion) {
    let mut client = Client { implementation, token: String::new() };
    authentication(&mut client, criterion);
    let project = client.created("/projects", &json!({ "name": "Bench", "description": "" }));
    projects(&mut client, criterion, project);
    tasks(&mut client, criterion, project);
}

fn authentication(client: &mut Client<'_, impl Implementation>, criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("authentication");
    let mut users = 0_u64;
    group.bench_function("register", |bencher| {
        bencher.iter(|| {
            users += 1;
            let name = format!("bench-{users}");
            client.call("POST", "/auth/register", &account(&name), 201)
        });
    });
    client.call("POST", "/auth/register", &account("bench"), 201);
    let login = json!({ "name": "bench", "password": "password" });
    let session = client.call("POST", "/auth/login", &login, 200);
    session["token"].as_str().expect("a login has a token").clone_into(&mut client.token);
    group.bench_function("login", |bencher| {
        bencher.iter(|| client.call("POST", "/auth/login", &login, 200));
    });
    group.bench_function("me", |bencher| {
        bencher.iter(|| client.call("GET", "/auth/me", &Value::Null, 200));
    });
    group.finish();
}

fn projects(client: &mut Client<'_, impl Implementation>, criterion: &mut Criterion, project: u64) {
    let draft = json!({ "name": "Another", "description": "that is deleted at once" });
    let path = format!("/projects/{project}");
    let mut group = criterion.benchmark_group("projects");
    group.bench_function("create and delete", |bencher| {
        bencher.iter(|| {
            let created = client.created("/projects", &draft);
            client.call("DELETE", &format!("/projects/{created}"), &Value::Null, 204)
        });
    });
    group.bench_function("list", |bencher| {
        bencher.iter(|| client.call("GET", "/projects", &Value::Null, 200));
    });
    group.bench_function("update", |bencher| {
        bencher.iter(|| client.call("PUT", &path, &draft, 200));
    });
    group.finish();
}

fn tasks(client: &mut Client<'_, impl Implementation>, criterion: &mut Criterion, project: u64) {
    let of_project = format!("/projects/{project}/tasks");
    let draft = |number: usize| {
        let title = format!("Task {number}");
        json!({ "title": title, "description": "to be done", "status": "todo" })
    };
    let ids: Vec<_> =
        (0..TASKS).map(|number| client.created(&of_project, &draft(number))).collect();
    let first = format!("/tasks/{}", ids[0]);
    let mut group = criterion.benchmark_group("tasks");
    group.bench_function("create and delete", |bencher| {
        bencher.iter(|| {
            let created = client.created(&of_project, &draft(TASKS));
            client.call("DELETE", &format!("/tasks/{created}"), &Value::Null, 204)
        });
    });
    group.bench_function("list", |bencher| {
        bencher.iter(|| client.call("GET", &of_project, &Value::Null, 200));
    });
    group.bench_function("search", |bencher| {
        bencher.iter(|| client.call("GET", "/tasks/search?q=Task", &Value::Null, 200));
    });
    group.bench_function("update", |bencher| {
        bencher.iter(|| client.call("PUT", &first, &draft(0), 200));
    });
    group.finish();
}

fn account(name: &str) -> Value {
    json!({ "name": name, "email": "bench@example.com", "password": "password" })
}

/// Somebody who uses an implementation, logged in once there is a token.
struct Client<'a, I> {
    implementation: &'a mut I,
    token: String,
}

impl<I: Implementation> Client<'_, I> {
    /// The body of the answer, which must have this status.
    fn call(&mut self, method: &'static str, path: &str, body: &Value, expected: u16) -> Value {
        let call = Call {
            method,
            path: format!("/api/v1{path}"),
            token: (!self.token.is_empty()).then_some(&self.token),
            body: if body.is_null() { String::new() } else { body.to_string() },
        };
        let (status, answer) = self.implementation.answer(&call);
        let text = String::from_utf8_lossy(&answer);
        assert_eq!(status, expected, "{method} {path} is answered by {status}: {text}");
        if answer.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&answer).expect("every body of the API is JSON")
    }

    /// The id of what is created.
    fn created(&mut self, path: &str, body: &Value) -> u64 {
        let created = self.call("POST", path, body, 201);
        created["id"].as_u64().expect("everything that is created has an id")
    }
}
