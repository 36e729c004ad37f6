//! The paths of the data plane.

use std::sync::Arc;

use axum::Router;
use axum::http::Method;
use axum::middleware;
use axum::routing::{MethodRouter, get, post};
use plugbay::Host;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

use super::state::Data;
use super::{around, codecs, routes};
use crate::guests::Guests;
use crate::problem::{other_method, panicked};

const CODECS: &str = "/v1/codecs";
const ENCODE: &str = "/v1/codecs/{name}/encode";
const DECODE: &str = "/v1/codecs/{name}/decode";

/// The paths of the data plane that no route can replace, for
/// [`Builder::reserved`](plugbay::Builder::reserved).
pub const RESERVED_PATHS: [&str; 3] = [CODECS, ENCODE, DECODE];

/// The data plane of `host`. Once `draining` is cancelled, every answer ends its connection.
pub(crate) fn router(host: Host, draining: CancellationToken, guests: Arc<Guests>) -> Router {
    let data = Data { host, draining, guests, budget: Arc::default() };
    Router::new()
        .route(CODECS, only("GET, HEAD, OPTIONS", get(codecs::list)))
        .route(ENCODE, only("OPTIONS, POST", post(codecs::encode)))
        .route(DECODE, only("OPTIONS, POST", post(codecs::decode)))
        .fallback(routes::serve)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(data.clone(), around::around))
        .with_state(data)
}

/// Adds the answer for methods that a path does not have.
fn only(allow: &'static str, methods: MethodRouter<Data>) -> MethodRouter<Data> {
    methods.fallback(move |method: Method| async move { other_method(&method, allow) })
}
