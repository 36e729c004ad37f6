//! The description of the admin plane as an `OpenAPI` 3.1 document, made from the handlers and from the types that they
//! write and read.

mod complete;
mod problems;

use axum::Extension;
use axum::body::Bytes;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::OpenApi;

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

/// Makes the document, which is served from then on.
#[derive(Clone, Copy)]
pub(super) struct Document(pub(super) fn() -> Bytes);

/// The document of the routes that need a token, and of those that do not.
pub(super) fn text(
    mut guarded: utoipa::openapi::OpenApi,
    open: utoipa::openapi::OpenApi,
) -> String {
    let mut api = Plane::openapi();
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
pub(super) async fn document(Extension(Document(text)): Extension<Document>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text()).into_response()
}

#[cfg(test)]
mod tests;
