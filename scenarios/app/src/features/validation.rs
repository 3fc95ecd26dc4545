//! Validation: fields, nested records, long lists, a schema. All faults are reported at once.

use std::sync::{Arc, LazyLock};

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::schema::Schema;
use crate::extract::JsonBody;
use crate::router::AppState;

const BULK_MAX: usize = 10_000;
/// Most faults named in an answer; all are counted.
const FAULTS_REPORTED: usize = 100;

/// A name, an @, and a domain of several labels.
const EMAIL: &str = r"^[A-Za-z0-9._%+-]{1,64}@([A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}$";
const POSTCODE: &str = "^[A-Za-z0-9 ]{4,10}$";
/// Such as `AB-1234`.
const CODE: &str = "^[A-Z]{2}-[0-9]{4}$";

static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
    let compiled = |pattern| Regex::new(pattern).expect("the patterns above are sound");
    Patterns { email: compiled(EMAIL), postcode: compiled(POSTCODE), code: compiled(CODE) }
});

static SCHEMA: LazyLock<(Value, Schema)> = LazyLock::new(|| {
    let text = include_str!("order.schema.json");
    let document: Value = serde_json::from_str(text).expect("the file is JSON");
    let schema = Schema::read(&document).expect("the file is a schema");
    (document, schema)
});

struct Patterns {
    email: Regex,
    postcode: Regex,
    code: Regex,
}

/// Fields with limits.
#[derive(Deserialize)]
struct Person {
    name: String,
    age: u32,
    email: String,
}

/// Records within records.
#[derive(Deserialize)]
struct Purchase {
    buyer: Person,
    address: Address,
    lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Address {
    street: String,
    city: String,
    postcode: String,
}

#[derive(Deserialize)]
struct Line {
    code: String,
    quantity: u32,
    price_cents: u64,
}

/// The faults.
#[derive(Default)]
pub(super) struct Faults {
    count: usize,
    reported: Vec<Fault>,
}

#[derive(Serialize)]
struct Fault {
    /// The path of the field, with dots; empty for the whole.
    field: String,
    rule: String,
}

impl Faults {
    /// Add a fault; its text is made only if it is reported.
    pub(super) fn add(&mut self, words: impl FnOnce() -> (String, String)) {
        self.count += 1;
        if self.reported.len() < FAULTS_REPORTED {
            let (field, rule) = words();
            self.reported.push(Fault { field, rule });
        }
    }

    /// Add a fault unless the value is right.
    fn expect(&mut self, is_right: bool, path: &str, field: &str, rule: &str) {
        if !is_right {
            self.add(|| (format!("{path}{field}"), rule.to_owned()));
        }
    }

    fn answer(self, checked: usize) -> Response {
        if self.count == 0 {
            return Json(json!({ "valid": true, "checked": checked })).into_response();
        }
        let body = json!({
            "valid": false,
            "error": "fix the fields",
            "faults": self.count,
            "fields": self.reported,
        });
        (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
    }
}

pub(super) fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/simple", post(simple))
        .route("/complex", post(complex))
        .route("/bulk", post(bulk))
        .route("/schema", get(async || Json(&SCHEMA.0)).post(by_schema))
}

async fn simple(JsonBody(person): JsonBody<Person>) -> Response {
    let mut faults = Faults::default();
    check_person(&person, "", &mut faults);
    faults.answer(1)
}

async fn complex(JsonBody(purchase): JsonBody<Purchase>) -> Response {
    let mut faults = Faults::default();
    let Purchase { buyer, address, lines } = purchase;
    check_person(&buyer, "buyer.", &mut faults);
    for (field, text) in [("street", &address.street), ("city", &address.city)] {
        faults.expect(has_length(text, 1, 100), "address.", field, "1 to 100 characters");
    }
    let is_postcode = PATTERNS.postcode.is_match(&address.postcode);
    faults.expect(is_postcode, "address.", "postcode", "4 to 10 letters and digits");
    faults.expect((1..=100).contains(&lines.len()), "", "lines", "1 to 100 of them");
    for (index, line) in lines.iter().enumerate() {
        let path = format!("lines.{index}.");
        faults.expect(PATTERNS.code.is_match(&line.code), &path, "code", "like AB-1234");
        faults.expect((1..=1_000).contains(&line.quantity), &path, "quantity", "1 to 1000");
        faults.expect(line.price_cents <= 10_000_000, &path, "price_cents", "10000000 at most");
    }
    faults.answer(1 + lines.len())
}

async fn bulk(JsonBody(people): JsonBody<Vec<Person>>) -> Response {
    let mut faults = Faults::default();
    faults.expect(people.len() <= BULK_MAX, "", "", "10000 at most");
    for (index, person) in people.iter().take(BULK_MAX).enumerate() {
        check_person(person, &format!("{index}."), &mut faults);
    }
    faults.answer(people.len())
}

async fn by_schema(JsonBody(document): JsonBody<Value>) -> Response {
    let mut faults = Faults::default();
    SCHEMA.1.check(&document, "", &mut faults);
    faults.answer(1)
}

fn check_person(person: &Person, path: &str, faults: &mut Faults) {
    faults.expect(has_length(&person.name, 1, 50), path, "name", "1 to 50 characters");
    faults.expect(person.age <= 150, path, "age", "0 to 150");
    let is_email = PATTERNS.email.is_match(&person.email);
    faults.expect(is_email, path, "email", "like name@example.com");
}

fn has_length(text: &str, least: usize, most: usize) -> bool {
    (least..=most).contains(&text.chars().count())
}
