//! The handlers of the admin plane.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use plugbay::{Host, RollbackError, Status};
use tokio::time::timeout;

use super::bodies::{Generations, Names, Plugins, Preparing, RejectedList, Versions};
use super::prefer;
use super::registry::{self, Registry};
use crate::problem::Problem;
use crate::shared::Shared;

/// How long a reload may take before it is answered with 202, if the client does not say.
const RELOAD_WAIT: Duration = Duration::from_millis(100);

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
        Err(rejection) => Err(Problem::bad_request(rejection.to_string())),
    }
}

pub(super) async fn status(State(shared): State<Arc<Shared>>) -> Answer<Status> {
    Ok(Json(host(&shared)?.status()))
}

pub(super) async fn plugins(State(shared): State<Arc<Shared>>) -> Answer<Plugins> {
    let Status { generation, plugins, .. } = host(&shared)?.status();
    Ok(Json(Plugins { generation, plugins }))
}

pub(super) async fn plugin(State(shared): State<Arc<Shared>>, name: Name) -> Answer<Versions> {
    let name = name_in(name)?;
    let status = host(&shared)?.status();
    super::plugin(&status, &name).map(Json).map_err(Problem::not_found)
}

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

pub(super) async fn rejected(State(shared): State<Arc<Shared>>) -> Answer<RejectedList> {
    let now = host(&shared)?.snapshot();
    Ok(Json(RejectedList { generation: now.generation(), rejected: now.rejected().to_vec() }))
}

/// Waits for the report as long as the client prefers. The reload goes on after that, and if the
/// client disconnects.
pub(super) async fn reload(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let host = host(&shared)?;
    let preferred = prefer::wait(&headers);
    let mut response = match timeout(preferred.unwrap_or(RELOAD_WAIT), host.reload()).await {
        Ok(report) => Json(report).into_response(),
        Err(_elapsed) => {
            (StatusCode::ACCEPTED, Json(Preparing { preparing: host.preparing() })).into_response()
        }
    };
    if let Some(wait) = preferred
        && let Ok(applied) = HeaderValue::from_str(&format!("wait={}", wait.as_secs()))
    {
        response.headers_mut().insert(prefer::APPLIED, applied);
    }
    Ok(response)
}

/// The change goes on if the client disconnects.
pub(super) async fn rollback(
    State(shared): State<Arc<Shared>>,
    number: Result<Path<u64>, PathRejection>,
) -> Answer<plugbay::Report> {
    let number = match number {
        Ok(Path(number)) => number,
        Err(rejection) => return Err(Problem::bad_request(rejection.to_string())),
    };
    host(&shared)?.roll_back(number).await.map(Json).map_err(|error| rollback_problem(&error))
}

/// The change goes on if the client disconnects.
pub(super) async fn resume(State(shared): State<Arc<Shared>>) -> Answer<plugbay::Report> {
    host(&shared)?.resume().await.map(Json).map_err(|error| rollback_problem(&error))
}

pub(super) fn rollback_problem(error: &RollbackError) -> Problem {
    let status = match error {
        RollbackError::Unknown { .. } => StatusCode::NOT_FOUND,
        RollbackError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::CONFLICT,
    };
    Problem::new(status, error.reason(), error.to_string())
}

pub(super) async fn registries(State(shared): State<Arc<Shared>>) -> Answer<Names> {
    let now = host(&shared)?.snapshot();
    let names = registry::names(&now.capabilities());
    Ok(Json(Names { generation: now.generation(), names }))
}

pub(super) async fn registry(State(shared): State<Arc<Shared>>, name: Name) -> Answer<Registry> {
    let name = name_in(name)?;
    let status = host(&shared)?.status();
    registry::registry(&status, &name).map(Json).ok_or_else(|| {
        let known = registry::names(&status.capabilities).join(", ");
        Problem::not_found(format!("no kind {name:?}; known: {known}"))
    })
}
