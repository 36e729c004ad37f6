//! Lookups.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query as Pairs, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::time::timeout;

use super::problem::{Problem, ProblemBody};
use super::query::Parameters;
use super::register::names;
use super::state::{Api, Caller};
use crate::directory::{EndpointError, Scope, Snapshot};
use crate::server::access::Right;
use crate::wire::{Endpoint, EndpointId, Health, Invalid, Sequence, ServiceName};

/// The number of the last change of what was asked for: what a blocking query sends back.
const INDEX: HeaderName = HeaderName::from_static("plugbay-index");
/// Where the next page begins.
const CURSOR: HeaderName = HeaderName::from_static("plugbay-next-cursor");

/// `GET /services`: the services that the caller may read, and how many endpoints each has.
#[utoipa::path(
    get,
    path = "/services",
    operation_id = "services",
    responses(
        (
            status = 200,
            description = "Each service with the number of its endpoints.",
            body = BTreeMap<String, usize>
        )
    )
)]
pub(super) async fn services(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (counts, sequence) = api.directory.read(|directory, now| {
        let services =
            directory.services(now).filter(|(name, _)| caller.may(Right::Read, name.as_str()));
        let counts: BTreeMap<ServiceName, usize> =
            services.map(|(name, counts)| (name.clone(), counts.all)).collect();
        (counts, directory.sequence())
    });
    Ok(answer(&counts, sequence, None, &headers))
}

/// `GET /services/{name}`
#[utoipa::path(
    get,
    path = "/services/{name}",
    operation_id = "endpoints",
    params(
        ("name" = String, Path, description = "The service."),
        ("include_unhealthy" = Option<bool>, Query, description = "Critical endpoints too."),
        ("tag" = Option<Vec<String>>, Query, description = "Only those with all of these tags."),
        ("limit" = Option<u32>, Query, description = "At most this many."),
        (
            "cursor" = Option<String>,
            Query,
            description = "The field Plugbay-Next-Cursor of the page before."
        ),
        (
            "index" = Option<u64>,
            Query,
            description = "Wait until the service has changed after this: the field Plugbay-Index of an answer."
        ),
        (
            "wait" = Option<String>,
            Query,
            description = "But not longer than this: seconds, or a text with a unit."
        ),
        ("If-None-Match" = Option<String>, Header, description = "The ETag of an earlier answer.")
    ),
    responses(
        (
            status = 200,
            description = "Its endpoints.",
            body = Vec<Endpoint>,
            headers(
                ("Plugbay-Index" = u64, description = "The last change of the service."),
                (
                    "Plugbay-Next-Cursor" = String,
                    description = "Where the next page begins, if there is one."
                ),
                ("ETag" = String)
            )
        ),
        (status = 304, description = "As before."),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub(super) async fn endpoints(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
    Pairs(pairs): Pairs<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name: ServiceName = name.parse().map_err(|error: String| Invalid::of("name", error))?;
    caller.need(Right::Read, name.as_str())?;
    let parameters = Parameters::read(&pairs)?;
    if let Some(index) = parameters.index {
        wait(&api, &name, index, &parameters).await?;
    }
    let look = |directory: &crate::directory::Directory, now| {
        directory.lookup(name.as_str(), &parameters.query, now)
    };
    let Snapshot { sequence, endpoints, next } = api.directory.read(look);
    Ok(answer(&endpoints, sequence, next, &headers))
}

/// Waits until the service has changed after `index`, the time is over, or the server stops.
async fn wait(
    api: &Api,
    name: &ServiceName,
    index: Sequence,
    parameters: &Parameters,
) -> Result<(), Problem> {
    let _permit = Arc::clone(&api.watchers).try_acquire_owned().map_err(|_| too_many(api))?;
    let mut watcher = api.directory.watch(Scope::Service(name.clone()), Some(index));
    let changed = timeout(parameters.wait, watcher.passed());
    let _ = api.settings.stopped.run_until_cancelled(changed).await;
    Ok(())
}

pub(super) fn too_many(api: &Api) -> Problem {
    let most = api.settings.watchers;
    let detail = format!("expected at most {most} watches and blocking queries at the same time");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail)
}

/// `GET /services/{name}/{id}`
#[utoipa::path(
    get,
    path = "/services/{name}/{id}",
    operation_id = "endpoint",
    params(
        ("name" = String, Path, description = "The service."),
        ("id" = String, Path, description = "The endpoint.")
    ),
    responses(
        (status = 200, description = "The endpoint.", body = Endpoint),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub(super) async fn endpoint(
    State(api): State<Api>,
    caller: Caller,
    Path(path): Path<(String, String)>,
) -> Result<Json<Arc<Endpoint>>, Problem> {
    let (name, id) = names(&path)?;
    caller.need(Right::Read, name.as_str())?;
    let found = api.directory.read(|directory, now| directory.endpoint(name.as_str(), id, now));
    Ok(Json(found.ok_or(EndpointError::NotFound)?))
}

/// `GET /services/{name}/{id}/health`
#[utoipa::path(
    get,
    path = "/services/{name}/{id}/health",
    operation_id = "health",
    params(
        ("name" = String, Path, description = "The service."),
        ("id" = String, Path, description = "The endpoint.")
    ),
    responses(
        (status = 200, description = "All that is known of its health.", body = Health),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub(super) async fn health(
    State(api): State<Api>,
    caller: Caller,
    Path(path): Path<(String, String)>,
) -> Result<Json<Health>, Problem> {
    let (name, id) = names(&path)?;
    caller.need(Right::Read, name.as_str())?;
    let found = api.directory.read(|directory, now| directory.health(name.as_str(), id, now));
    Ok(Json(found.ok_or(EndpointError::NotFound)?))
}

/// An answer with its index and its entity tag, or 304 if the client has it already.
fn answer(
    value: &impl Serialize,
    sequence: Sequence,
    next: Option<EndpointId>,
    headers: &HeaderMap,
) -> Response {
    let body = serde_json::to_vec(value).unwrap_or_default();
    // A weak guard against sending the same again, not against malice: SipHash with a fixed key.
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    let known = headers.get_all(header::IF_NONE_MATCH).iter().any(|field| names_tag(field, &tag));
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, "application/json")], body).into_response()
    };
    let fields = response.headers_mut();
    fields.insert(INDEX, sequence.0.into());
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        fields.insert(header::ETAG, tag);
    }
    if let Some(next) = next
        && let Ok(cursor) = HeaderValue::from_str(&next.to_string())
    {
        fields.insert(CURSOR, cursor);
    }
    response
}

/// Whether `If-None-Match` (RFC 9110, section 13.1.2) names a tag.
fn names_tag(field: &HeaderValue, tag: &str) -> bool {
    let Ok(text) = field.to_str() else { return false };
    text.split(',').map(str::trim).any(|it| it == "*" || it.strip_prefix("W/").unwrap_or(it) == tag)
}
