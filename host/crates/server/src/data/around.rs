//! The middleware of every request: sets its id, its span, its snapshot and its deadline.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;
use tracing::{Instrument, field};

use super::context::Context;
use super::framing;
use super::state::Data;
use crate::problem::{MAX_REPEATED, Problem, shortened};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
/// The longest id of a client that is kept.
const MAX_ID: usize = 128;
/// The most characters of a path that a log line has.
const MAX_PATH: usize = 512;

pub(super) async fn around(State(data): State<Data>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let snapshot = data.host.snapshot();
    let id = request_id(request.headers());
    // At the highest level, so that every line of a request has its id, whatever the log's filter is.
    let span = tracing::error_span!(
        target: "plugbay_server::request",
        "request",
        id = id.to_str().unwrap_or_default(),
        method = %shortened(request.method().as_str(), MAX_REPEATED),
        path = &*shortened(request.uri().path(), MAX_PATH),
        generation = snapshot.generation(),
        handler = field::Empty,
        codec = field::Empty,
        route = field::Empty,
        plugin = field::Empty,
    );
    let arrives_by = begun + snapshot.config().server.timeout;
    // Before the first generation no route is known.
    let ready = snapshot.generation() > 0;
    request.extensions_mut().insert(Context { snapshot, arrives_by });
    let answer = async {
        let response = match framing::check(&request) {
            Ok(()) if !ready => Problem::starting().into_response(),
            Ok(()) => next.run(request).await,
            Err(problem) => problem.into_response(),
        };
        let status = response.status().as_u16();
        let took_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        tracing::info!(target: "plugbay_server::request", status, took_us, "answered");
        response
    };
    let mut response = answer.instrument(span).await;
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    if data.draining.is_cancelled() {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The client's id if it is short and has only safe characters, or a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let is_safe = |id: &&HeaderValue| {
        let id = id.as_bytes();
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:+/=".contains(byte);
        (1..=MAX_ID).contains(&id.len()) && id.iter().all(plain)
    };
    headers.get(REQUEST_ID).filter(is_safe).cloned().unwrap_or_else(new_id)
}

/// A unique id: a random number of this process, and a counter.
fn new_id() -> HeaderValue {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0));
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let id = format!("{:016x}-{}", *PROCESS, COUNT.fetch_add(1, Ordering::Relaxed));
    HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_kept(id: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_str(id).unwrap());
        request_id(&headers) == id
    }

    #[test]
    fn ids_with_unsafe_characters_are_replaced() {
        assert!(is_kept("0af7651916cd43dd-8448eb211c80319c"));
        assert!(!is_kept("") && !is_kept("a b") && !is_kept("a\"b") && !is_kept(&"x".repeat(129)));
        assert_ne!(new_id(), new_id());
    }
}
