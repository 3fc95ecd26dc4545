//! An e-commerce flow: a catalogue, stock, orders.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::lock;
use super::ring_buffer::RingBuffer;
use crate::error_response::ErrorResponse;
use crate::extract::{JsonBody, PathParams, QueryParams, check_range};
use crate::router::AppState;

const PRODUCTS: u64 = 200;
/// The last product is sold out from the start.
const STOCK: u64 = 1_000_000_000;
const PAGE: u64 = 20;
const ORDERS_KEPT: usize = 10_000;
const LINES_MAX: usize = 50;
const QUANTITY_MAX: u64 = 1_000;
const MISSING: ErrorResponse = ErrorResponse::NotFound("product, they go from 1 to 200");

/// Products, stock and orders.
pub(super) struct Shop {
    products: Vec<Product>,
    orders: RingBuffer<Order>,
}

#[derive(Clone, Serialize)]
struct Product {
    id: u64,
    name: String,
    price_cents: u64,
    stock: u64,
}

#[derive(Clone, Serialize)]
struct Order {
    order: u64,
    status: &'static str,
    total_cents: u64,
    lines: Vec<Line>,
}

#[derive(Clone, Deserialize, Serialize)]
struct Line {
    product: u64,
    quantity: u64,
}

/// The lines of an order.
#[derive(Deserialize)]
struct Cart {
    lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default = "first")]
    page: u64,
}

/// A delivery.
#[derive(Deserialize)]
struct Delivery {
    add: u64,
}

const fn first() -> u64 {
    1
}

impl Default for Shop {
    fn default() -> Self {
        let product = |id| Product {
            id,
            name: format!("Product {id}"),
            price_cents: 100 + id * 37 % 5_000,
            stock: if id == PRODUCTS { 0 } else { STOCK },
        };
        Self {
            products: (1..=PRODUCTS).map(product).collect(),
            orders: RingBuffer::new(ORDERS_KEPT),
        }
    }
}

impl Shop {
    fn product(&mut self, id: u64) -> Result<&mut Product, ErrorResponse> {
        let index = id.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.products.get_mut(index)).ok_or(MISSING)
    }

    /// All lines or none.
    fn order(&mut self, lines: Vec<Line>) -> Result<Order, ErrorResponse> {
        let mut total_cents = 0;
        for (index, line) in lines.iter().enumerate() {
            let is_again = lines[..index].iter().any(|other| other.product == line.product);
            if is_again {
                return Err(ErrorResponse::Invalid("order a product in one line".to_owned()));
            }
            check_range("quantity", line.quantity, 1, QUANTITY_MAX)?;
            let product = self.product(line.product)?;
            if product.stock < line.quantity {
                return Err(ErrorResponse::Conflict("not enough of a product is left, order less"));
            }
            total_cents += product.price_cents * line.quantity;
        }
        for line in &lines {
            self.product(line.product)?.stock -= line.quantity;
        }
        let order = Order { order: self.orders.next(), status: "placed", total_cents, lines };
        self.orders.push(order.clone());
        Ok(order)
    }
}

pub(super) fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/products", get(products))
        .route("/products/{product}", get(product))
        .route("/inventory/{product}", get(stock).post(deliver))
        .route("/orders", post(order))
        .route("/orders/{order}", get(ordered))
}

async fn products(
    State(app): State<Arc<AppState>>,
    QueryParams(asked): QueryParams<Page>,
) -> Result<Json<Value>, ErrorResponse> {
    let pages = PRODUCTS.div_ceil(PAGE);
    let page = check_range("page", asked.page, 1, pages)?;
    let start = ((page - 1) * PAGE) as usize;
    let shop = lock(&app.features.shop);
    let products = &shop.products[start..start + PAGE as usize];
    Ok(Json(json!({ "page": page, "pages": pages, "products": products })))
}

async fn product(
    State(app): State<Arc<AppState>>,
    PathParams(product): PathParams<u64>,
) -> Result<Json<Product>, ErrorResponse> {
    lock(&app.features.shop).product(product).cloned().map(Json)
}

async fn stock(
    State(app): State<Arc<AppState>>,
    PathParams(product): PathParams<u64>,
) -> Result<Json<Value>, ErrorResponse> {
    let stock = lock(&app.features.shop).product(product)?.stock;
    Ok(Json(json!({ "product": product, "stock": stock })))
}

async fn deliver(
    State(app): State<Arc<AppState>>,
    PathParams(product): PathParams<u64>,
    JsonBody(delivery): JsonBody<Delivery>,
) -> Result<Json<Value>, ErrorResponse> {
    let add = check_range("add", delivery.add, 1, STOCK)?;
    let mut shop = lock(&app.features.shop);
    let entry = shop.product(product)?;
    entry.stock = entry.stock.saturating_add(add);
    Ok(Json(json!({ "product": product, "stock": entry.stock })))
}

async fn order(
    State(app): State<Arc<AppState>>,
    JsonBody(cart): JsonBody<Cart>,
) -> Result<(StatusCode, Json<Order>), ErrorResponse> {
    check_range("lines", cart.lines.len(), 1, LINES_MAX)?;
    let order = lock(&app.features.shop).order(cart.lines)?;
    Ok((StatusCode::CREATED, Json(order)))
}

async fn ordered(
    State(app): State<Arc<AppState>>,
    PathParams(order): PathParams<u64>,
) -> Result<Json<Order>, ErrorResponse> {
    let order = lock(&app.features.shop).orders.get(order).cloned();
    order.map(Json).ok_or(ErrorResponse::NotFound("order, or it is an old one"))
}
