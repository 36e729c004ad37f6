//! The handlers of the admin plane.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use plugbay::{Host, RunningConfig, Status};

use super::bodies::{Generations, Names, Plugins, RejectedList, Versions};
use super::reading::path_problem;
use super::registry::{self, Registry};
use crate::problem::Problem;
use crate::shared::Shared;

type Answer<T> = Result<Json<T>, Problem>;
type Name = Result<Path<String>, PathRejection>;

/// Adds `Connection: close` to every answer while the server stops.
pub(super) async fn ending(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    if shared.draining.is_cancelled() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

pub(super) fn host(shared: &Shared) -> Result<&Host, Problem> {
    shared.host.get().ok_or_else(|| {
        let detail = "the first generation is being built";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "starting", detail)
    })
}

fn name_in(name: Name) -> Result<String, Problem> {
    match name {
        Ok(Path(name)) => Ok(name),
        Err(rejection) => Err(path_problem(&rejection)),
    }
}

/// What runs, what was refused, and all that belongs to it, in one document.
#[utoipa::path(
    get, path = "/v1/status", tag = "state",
    responses((status = 200, description = "The answer", body = Status)),
)]
pub(super) async fn status(State(shared): State<Arc<Shared>>) -> Answer<Status> {
    Ok(Json(host(&shared)?.status()))
}

/// The plugins that serve.
#[utoipa::path(
    get, path = "/v1/plugins", tag = "state",
    responses((status = 200, description = "The answer", body = Plugins)),
)]
pub(super) async fn plugins(State(shared): State<Arc<Shared>>) -> Answer<Plugins> {
    let Status { generation, plugins, .. } = host(&shared)?.status();
    Ok(Json(Plugins { generation, plugins }))
}

/// One plugin: its stable version, and its version on trial.
#[utoipa::path(
    get, path = "/v1/plugins/{name}", tag = "state",
    params(("name" = String, Path, description = "The name of a plugin, or a capability `KIND:NAME` that it offers", example = "hello")),
    responses((status = 200, description = "The answer", body = Versions)),
)]
pub(super) async fn plugin(State(shared): State<Arc<Shared>>, name: Name) -> Answer<Versions> {
    let name = name_in(name)?;
    let status = host(&shared)?.status();
    super::plugin(&status, &name).map(Json).map_err(Problem::not_found)
}

/// The generation that serves, those to roll back to, retired versions, and the latest events.
#[utoipa::path(
    get, path = "/v1/generations", tag = "state",
    responses((status = 200, description = "The answer", body = Generations)),
)]
pub(super) async fn generations(State(shared): State<Arc<Shared>>) -> Answer<Generations> {
    let host = host(&shared)?;
    let now = host.snapshot();
    Ok(Json(Generations {
        generation: now.generation(),
        published_at: now.published_at(),
        pinned: now.pinned(),
        history: now.history(),
        previous: now.previous(),
        draining: host.draining(),
        pending_restart: now.pending_restart().to_vec(),
        events: shared.history.after(0),
    }))
}

/// What was refused, with reason and hint.
#[utoipa::path(
    get, path = "/v1/rejected", tag = "state",
    responses((status = 200, description = "The answer", body = RejectedList)),
)]
pub(super) async fn rejected(State(shared): State<Arc<Shared>>) -> Answer<RejectedList> {
    let now = host(&shared)?.snapshot();
    Ok(Json(RejectedList { generation: now.generation(), rejected: now.rejected().to_vec() }))
}

/// The kinds of capabilities.
#[utoipa::path(
    get, path = "/debug/registry", tag = "debug",
    responses((status = 200, description = "The answer", body = Names)),
)]
pub(super) async fn registries(State(shared): State<Arc<Shared>>) -> Answer<Names> {
    let now = host(&shared)?.snapshot();
    let names = registry::names(&now.capabilities());
    Ok(Json(Names { generation: now.generation(), names }))
}

/// The names of one kind, or of all plugins, with who provides each.
#[utoipa::path(
    get, path = "/debug/registry/{name}", tag = "debug",
    params(("name" = String, Path, description = "A kind, or `plugins`", example = "plugins")),
    responses((status = 200, description = "The answer", body = Registry)),
)]
pub(super) async fn registry(State(shared): State<Arc<Shared>>, name: Name) -> Answer<Registry> {
    let name = name_in(name)?;
    let status = host(&shared)?.status();
    registry::registry(&status, &name).map(Json).ok_or_else(|| {
        let known = registry::names(&status.capabilities).join(", ");
        Problem::not_found(format!("no kind {name:?}; known: {known}"))
    })
}

/// The configuration in force, and where each value comes from. Values that sound like secrets are hidden.
#[utoipa::path(
    get, path = "/v1/config", tag = "state",
    responses((status = 200, description = "The answer", body = RunningConfig)),
)]
pub(super) async fn config(State(shared): State<Arc<Shared>>) -> Answer<RunningConfig> {
    Ok(Json(host(&shared)?.running_config()))
}
