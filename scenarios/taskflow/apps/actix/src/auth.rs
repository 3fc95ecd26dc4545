//! Authentication: registration, login, and the token of a user.

use std::fmt::Write;
use std::future::{Ready, ready};
use std::hash::{BuildHasher, RandomState};

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::{Data, Json};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::error_response::{ErrorResponse, check_text};
use crate::store::{Record, Store};

const PASSWORD_MIN: usize = 8;

/// A user, as visible to others. As a parameter of a handler, it requires a login.
#[derive(Serialize)]
pub(crate) struct User {
    pub(crate) id: i64,
    name: String,
    email: String,
}

#[derive(Deserialize)]
pub(crate) struct Registration {
    name: String,
    email: String,
    password: String,
}

#[derive(Deserialize)]
pub(crate) struct Login {
    name: String,
    password: String,
}

/// What a login is checked with.
struct Credentials {
    user: i64,
    salt: String,
    secret: String,
}

impl Record for User {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { id: row.get(0)?, name: row.get(1)?, email: row.get(2)? })
    }
}

impl Record for Credentials {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { user: row.get(0)?, salt: row.get(1)?, secret: row.get(2)? })
    }
}

pub(crate) async fn register(
    store: Data<Store>,
    asked: Json<Registration>,
) -> Result<HttpResponse, ErrorResponse> {
    check_text("name", &asked.name)?;
    check_text("e-mail address", &asked.email)?;
    if !asked.email.contains('@') {
        return Err(ErrorResponse::Invalid("give an e-mail address with an @ in it".to_owned()));
    }
    if asked.password.chars().count() < PASSWORD_MIN {
        let cause = format!("give a password of at least {PASSWORD_MIN} characters");
        return Err(ErrorResponse::Invalid(cause));
    }
    let salt = unguessable();
    let secret = secret(&salt, &asked.password);
    let user: Option<User> = store.first(
        "INSERT INTO users (name, email, salt, secret) VALUES ($1, $2, $3, $4)
         ON CONFLICT (name) DO NOTHING RETURNING id, name, email",
        params![asked.name, asked.email, salt, secret],
    )?;
    let user = user.ok_or(ErrorResponse::Conflict("this name is taken, register another"))?;
    Ok(HttpResponse::Created().json(user))
}

pub(crate) async fn log_in(
    store: Data<Store>,
    asked: Json<Login>,
) -> Result<Json<Value>, ErrorResponse> {
    let statement = "SELECT id, salt, secret FROM users WHERE name = $1";
    let known: Option<Credentials> = store.first(statement, [&asked.name])?;
    let known = known.ok_or(ErrorResponse::Unauthorized)?;
    if secret(&known.salt, &asked.password) != known.secret {
        return Err(ErrorResponse::Unauthorized);
    }
    let token = unguessable();
    let statement = "INSERT INTO sessions (token, account) VALUES ($1, $2)";
    store.execute(statement, params![token, known.user])?;
    Ok(Json(json!({ "token": token, "token_type": "Bearer" })))
}

pub(crate) async fn me(user: User) -> Json<User> {
    Json(user)
}

impl FromRequest for User {
    type Error = ErrorResponse;
    type Future = Ready<Result<Self, ErrorResponse>>;

    fn from_request(request: &HttpRequest, _body: &mut Payload) -> Self::Future {
        ready(sender(request))
    }
}

/// The user whose token the request has.
fn sender(request: &HttpRequest) -> Result<User, ErrorResponse> {
    let given = request.headers().get(header::AUTHORIZATION);
    let token = given
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or(ErrorResponse::Unauthorized)?;
    let store: &Data<Store> = request.app_data().expect("the application has the store");
    let user = store.first(
        "SELECT users.id, users.name, users.email
         FROM sessions JOIN users ON users.id = sessions.account WHERE token = $1",
        [token.trim()],
    )?;
    user.ok_or(ErrorResponse::Unauthorized)
}

/// The stored form of a password. One round, as in the reference application: a real password hash
/// is slow by design, and would be all that a load measures.
fn secret(salt: &str, password: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(salt);
    hash.update(password);
    hash.finalize().iter().fold(String::with_capacity(64), |mut digits, byte| {
        // Writing to a string cannot fail.
        let _infallible = write!(digits, "{byte:02x}");
        digits
    })
}

/// 128 bits in hexadecimal. Each `RandomState` of a thread differs from the last, and the first has
/// keys from the system's random source.
fn unguessable() -> String {
    let half = || RandomState::new().hash_one(());
    format!("{:016x}{:016x}", half(), half())
}
