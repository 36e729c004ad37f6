//! The description of the API, made from its handlers and types (`OpenAPI` 3.1).

use axum::Json;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

use super::bodies::SnapshotBody;
use super::{events, lookup, register};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Plugbay's directory of services",
        description = "Processes register endpoints and renew their leases; others look them up and watch them. Errors are \
            `application/problem+json` (RFC 9457) with a stable `code`. With tokens, each request has one as a bearer.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(
        register::register,
        register::deregister,
        register::heartbeat,
        register::heartbeats,
        lookup::services,
        lookup::endpoints,
        lookup::endpoint,
        lookup::health,
        events::watch,
        events::watch_all,
    ),
    components(schemas(SnapshotBody))
)]
struct Description;

/// `GET /openapi.json`
pub(super) async fn openapi() -> Json<OpenApi> {
    Json(Description::openapi())
}
