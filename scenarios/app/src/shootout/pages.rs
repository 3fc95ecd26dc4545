//! Answers computed from the request alone: text, JSON, a template, parameters, a file.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::LazyLock;

use axum::Json;
use axum::response::{Html, IntoResponse};
use serde::Serialize;
use serde_json::{Value, json};

use crate::error_response::ErrorResponse;
use crate::extract::{PathParams, QueryParams};

/// Enough records for more than 1 MiB of JSON.
const LARGE_RECORDS: u32 = 9_000;
const LIST_ITEMS: u32 = 50;

#[derive(Serialize)]
struct Greeting {
    hello: &'static str,
}

/// One of many, with all kinds of JSON values.
#[derive(Serialize)]
pub(super) struct Record {
    id: u32,
    name: String,
    email: String,
    active: bool,
    score: f64,
    tags: [&'static str; 3],
}

/// Built once: the cost of a request is serialising it as JSON.
static LARGE: LazyLock<Vec<Record>> = LazyLock::new(|| (1..=LARGE_RECORDS).map(record).collect());

fn record(id: u32) -> Record {
    Record {
        id,
        name: format!("user-{id}"),
        email: format!("user-{id}@example.com"),
        active: id.is_multiple_of(2),
        score: f64::from(id) / 8.0,
        tags: ["alpha", "beta", "gamma"],
    }
}

pub(super) async fn ping() -> &'static str {
    "pong"
}

pub(super) async fn json() -> impl IntoResponse {
    Json(Greeting { hello: "world" })
}

pub(super) async fn json_large() -> Json<&'static [Record]> {
    Json(LARGE.as_slice())
}

pub(super) async fn html() -> Html<String> {
    Html(page("Items & more", (1..=LIST_ITEMS).map(|id| format!("Item <{id}>"))))
}

pub(super) async fn path(PathParams(id): PathParams<i64>) -> Json<Value> {
    Json(json!({ "id": id }))
}

/// Query parameters of every name; of two with the same name the last one counts.
pub(super) async fn query(
    QueryParams(parameters): QueryParams<BTreeMap<String, String>>,
) -> Result<Json<Value>, ErrorResponse> {
    if parameters.is_empty() {
        return Err(ErrorResponse::Invalid(
            "give at least one parameter, as in ?a=1&b=2".to_owned(),
        ));
    }
    Ok(Json(json!({ "count": parameters.len(), "parameters": parameters })))
}

/// The template: inserted values are text, whatever characters they have.
fn page(title: &str, items: impl Iterator<Item = String>) -> String {
    let title = Escaped(title);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><title>{title}</title></head>\n\
         <body>\n<h1>{title}</h1>\n<ul>\n"
    );
    for item in items {
        // Writing to a string cannot fail.
        let _infallible = writeln!(page, "<li>{}</li>", Escaped(&item));
    }
    page.push_str("</ul>\n</body>\n</html>\n");
    page
}

/// Text escaped for HTML.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}
