//! The description of the admin plane as an `OpenAPI` 3.1 document, made from the handlers and from the types that they
//! write and read.

mod complete;
mod problems;

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::OpenApi;

use super::router::{with_token, without_token};
use crate::problem::ProblemDetails;

pub(super) use self::problems::with_problems;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Plugbay's admin plane",
        description = "Shows what a host runs, what was refused and why, and acts on it. Errors are `application/problem+json` \
            (RFC 9457) with a stable `code`; each operation lists the codes that it answers.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    tags(
        (name = "state", description = "What runs, and what was refused"),
        (name = "act", description = "What changes the host. A request with an `Idempotency-Key` may be sent again"),
        (name = "observe", description = "Probes and metrics"),
        (name = "debug", description = "What developers ask for"),
    ),
    components(schemas(ProblemDetails)),
)]
struct Plane;

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| text().into());

/// The document, as it is served.
pub(super) fn text() -> String {
    let mut api = Plane::openapi();
    let (_, mut guarded) = with_token().split_for_parts();
    let (_, open) = without_token().split_for_parts();
    complete::guarded(&mut guarded);
    api.merge(guarded);
    api.merge(open);
    complete::all(&mut api);
    let mut text = api.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "state", operation_id = "openapi",
    responses((status = 200, description = "The document", body = serde_json::Value, content_type = "application/json")),
)]
pub(super) async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.clone()).into_response()
}

#[cfg(test)]
mod tests;
