//! A blog: posts to read, a login for authors, posts and comments to write.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::lock;
use super::ring_buffer::RingBuffer;
use crate::error_response::ErrorResponse;
use crate::extract::{JsonBody, PathParams, check_long_text, check_text};
use crate::router::AppState;
use crate::storage::hexadecimal;

const AUTHORS: u32 = 10;
const PASSWORD: &str = "password";
/// Posts from the start, which stay.
const SEEDED: u64 = 100;
/// Posts written since, the newest.
const WRITTEN_KEPT: usize = 1_000;
const COMMENTS_KEPT: usize = 20;
const LISTED: usize = 20;
const UNAUTHORIZED: ErrorResponse = ErrorResponse::Unauthorized(
    "log in as author-1 to author-10, and send `Authorization: Bearer TOKEN`",
);
const MISSING: ErrorResponse = ErrorResponse::NotFound("post, or it is an old one");

/// All posts.
pub(super) struct Blog {
    seeded: Vec<Post>,
    written: RingBuffer<Post>,
}

struct Post {
    id: u64,
    author: String,
    title: String,
    text: String,
    comments: RingBuffer<Comment>,
}

#[derive(Serialize)]
struct Comment {
    author: String,
    text: String,
}

/// An author who has logged in.
struct Author(String);

#[derive(Deserialize)]
struct Login {
    name: String,
    password: String,
}

#[derive(Deserialize)]
struct PostDraft {
    title: String,
    text: String,
}

#[derive(Deserialize)]
struct CommentDraft {
    text: String,
}

impl Default for Blog {
    fn default() -> Self {
        let post = |id| {
            let author = format!("author-{}", id % u64::from(AUTHORS) + 1);
            let text = "What a framework does with a page of text. ".repeat(20);
            Post::new(id, author, format!("Post {id}"), text)
        };
        Self { seeded: (1..=SEEDED).map(post).collect(), written: RingBuffer::new(WRITTEN_KEPT) }
    }
}

impl Blog {
    fn post(&mut self, id: u64) -> Result<&mut Post, ErrorResponse> {
        if let Some(number) = id.checked_sub(SEEDED + 1) {
            return self.written.get_mut(number + 1).ok_or(MISSING);
        }
        let index = id.checked_sub(1).ok_or(MISSING)?;
        // At most their number, so it fits.
        self.seeded.get_mut(index as usize).ok_or(MISSING)
    }
}

impl Post {
    const fn new(id: u64, author: String, title: String, text: String) -> Self {
        Self { id, author, title, text, comments: RingBuffer::new(COMMENTS_KEPT) }
    }

    fn head(&self) -> Value {
        json!({ "id": self.id, "author": self.author, "title": self.title })
    }
}

/// The token is its own proof, so logins store nothing. Anyone who reads this can forge one: there
/// is nothing to steal.
fn token_of(name: &str) -> String {
    let proof = Sha256::new().chain_update("uringbench blog ").chain_update(name).finalize();
    format!("{name}.{}", hexadecimal(&proof))
}

impl FromRequestParts<Arc<AppState>> for Author {
    type Rejection = ErrorResponse;

    async fn from_request_parts(
        parts: &mut Parts,
        _: &Arc<AppState>,
    ) -> Result<Self, ErrorResponse> {
        let given = parts.headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok());
        let token = given.and_then(|it| it.strip_prefix("Bearer ")).ok_or(UNAUTHORIZED)?;
        let (name, _) = token.split_once('.').ok_or(UNAUTHORIZED)?;
        if token != token_of(name) {
            return Err(UNAUTHORIZED);
        }
        Ok(Self(name.to_owned()))
    }
}

pub(super) fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/login", post(log_in))
        .route("/posts", get(list).post(write))
        .route("/posts/{post}", get(show))
        .route("/posts/{post}/comments", post(comment))
}

async fn log_in(JsonBody(login): JsonBody<Login>) -> Result<Json<Value>, ErrorResponse> {
    let is_author = (1..=AUTHORS).any(|number| login.name == format!("author-{number}"));
    if !is_author || login.password != PASSWORD {
        return Err(UNAUTHORIZED);
    }
    Ok(Json(json!({ "token": token_of(&login.name), "token_type": "Bearer" })))
}

/// The newest, without their texts.
async fn list(State(app): State<Arc<AppState>>) -> Json<Value> {
    let blog = lock(&app.features.blog);
    let newest = blog.written.iter().chain(blog.seeded.iter().rev());
    Json(newest.take(LISTED).map(Post::head).collect())
}

async fn show(
    State(app): State<Arc<AppState>>,
    PathParams(id): PathParams<u64>,
) -> Result<Json<Value>, ErrorResponse> {
    let mut blog = lock(&app.features.blog);
    let post = blog.post(id)?;
    let comments: Vec<_> = post.comments.iter().collect();
    Ok(Json(json!({
        "id": post.id, "author": post.author, "title": post.title, "text": post.text,
        "comments": comments,
    })))
}

async fn write(
    State(app): State<Arc<AppState>>,
    Author(author): Author,
    JsonBody(draft): JsonBody<PostDraft>,
) -> Result<(StatusCode, Json<Value>), ErrorResponse> {
    check_text("title", &draft.title)?;
    check_long_text("text", &draft.text)?;
    let mut blog = lock(&app.features.blog);
    let post = Post::new(SEEDED + blog.written.next(), author, draft.title, draft.text);
    let head = post.head();
    blog.written.push(post);
    Ok((StatusCode::CREATED, Json(head)))
}

async fn comment(
    State(app): State<Arc<AppState>>,
    Author(author): Author,
    PathParams(id): PathParams<u64>,
    JsonBody(draft): JsonBody<CommentDraft>,
) -> Result<(StatusCode, Json<Value>), ErrorResponse> {
    check_text("text", &draft.text)?;
    let mut blog = lock(&app.features.blog);
    let post = blog.post(id)?;
    let number = post.comments.push(Comment { author, text: draft.text });
    Ok((StatusCode::CREATED, Json(json!({ "post": id, "comment": number }))))
}
