//! The data plane: routes of the running generation, and codecs by name.
//!
//! - `GET /v1/codecs` lists the codecs.
//! - `POST /v1/codecs/{name}/encode` takes a document, JSON or CBOR by `Content-Type`, and
//!   answers bytes of the codec's first media type.
//! - `POST /v1/codecs/{name}/decode` takes bytes and answers a document, JSON or CBOR by
//!   `Accept`.
//! - Every other path belongs to the routes. They cannot take `/v1/codecs` away.

mod blocking;
mod body;
mod codecs;
mod context;
mod exchange;
mod routes;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use plugbay::Host;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

use crate::problem::Problem;

/// What the handlers of the data plane share.
#[derive(Clone)]
struct Data {
    host: Host,
    draining: CancellationToken,
    blocking: Arc<blocking::Bulkheads>,
}

/// The data plane of `host`. Once `draining` is cancelled, every answer ends its connection.
pub(crate) fn router(host: Host, draining: CancellationToken) -> Router {
    let data = Data { host, draining, blocking: Arc::default() };
    Router::new()
        .route("/v1/codecs", only("GET, HEAD, OPTIONS", get(codecs::list)))
        .route("/v1/codecs/{name}/encode", only("OPTIONS, POST", post(codecs::encode)))
        .route("/v1/codecs/{name}/decode", only("OPTIONS, POST", post(codecs::decode)))
        .fallback(routes::serve)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(data.clone(), context::around))
        .with_state(data)
}

/// Answers the methods that a path does not have.
fn only(allow: &'static str, methods: MethodRouter<Data>) -> MethodRouter<Data> {
    methods.fallback(move |method: Method| async move { other_method(&method, allow) })
}

/// `OPTIONS` asks which methods there are; any other is refused with them.
pub(crate) fn other_method(method: &Method, allow: &str) -> Response {
    if *method != Method::OPTIONS {
        return Problem::method_not_allowed(method.as_str(), allow).into_response();
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// A fault of this program: the connection stays, the log has what happened.
#[expect(clippy::needless_pass_by_value, reason = "the signature that the layer asks for")]
pub(crate) fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let said = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = said.unwrap_or("of another type"), "a request panicked");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server failed").into_response()
}
