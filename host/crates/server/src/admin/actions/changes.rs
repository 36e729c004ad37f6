//! Actions on the host as a whole: reload, rollback, resume, and what a rollback would change.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use plugbay::{ActionReport, Change, Report, RollbackError};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use utoipa::ToSchema;

use super::asked::{Asked, DryRun, Prefer, with_preference};
use super::plugins::problem;
use crate::admin::reading::path_problem;
use crate::admin::views::host;
use crate::problem::Problem;
use crate::shared::Shared;

/// How long a reload may take before it is answered with 202, if the client does not say.
const RELOAD_WAIT: Duration = Duration::from_millis(100);

/// `GET /v1/generations/{number}/diff`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct Diff {
    /// The number of the generation that serves.
    pub generation: u64,
    /// The generation that it is compared with.
    pub to: u64,
    /// What a rollback to it would change.
    pub change: Change,
}

/// `POST /v1/reload`, if the reload goes on when the answer is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct Preparing {
    /// The sources of the artifacts that are being prepared.
    pub preparing: Vec<String>,
}

/// What a change of the whole host answers.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(in crate::admin) enum Changed {
    /// What was done.
    Done(Report),
    /// With `dry_run`: what would change.
    Preview(Box<ActionReport>),
}

/// Reads the folder and the configuration now.
///
/// Waits for the report as long as the client prefers, 100 ms otherwise. The reload goes on after that, and if the client
/// disconnects.
#[utoipa::path(
    post, path = "/v1/reload", tag = "act", params(DryRun, Prefer),
    responses(
        (status = 200, description = "The report, or with `dry_run` what would change", body = Changed),
        (status = 202, description = "The reload goes on", body = Preparing),
    ),
)]
pub(in crate::admin) async fn reload(asked: Asked<()>) -> Result<Response, Problem> {
    let Asked { host, dry_run, prefers, .. } = asked;
    if dry_run {
        let preview = host.preview_reload().await.map_err(|error| problem(&error))?;
        return Ok(Json(Changed::Preview(Box::new(preview))).into_response());
    }
    let response = match timeout(prefers.unwrap_or(RELOAD_WAIT), host.reload()).await {
        Ok(report) => Json(Changed::Done(report)).into_response(),
        Err(_elapsed) => {
            (StatusCode::ACCEPTED, Json(Preparing { preparing: host.preparing() })).into_response()
        }
    };
    Ok(with_preference(response, prefers))
}

/// Serves what an earlier generation served; changes are then held back until a resume.
///
/// The change goes on if the client disconnects.
#[utoipa::path(
    post, path = "/v1/generations/{number}/rollback", tag = "act",
    params(("number" = u64, Path, description = "The generation to roll back to", example = 1), DryRun),
    responses(
        (status = 200, description = "The report, or with `dry_run` what would change", body = Changed),
    ),
)]
pub(in crate::admin) async fn rollback(asked: Asked<u64>) -> Result<Json<Changed>, Problem> {
    let Asked { host, on, dry_run, .. } = asked;
    let changed = if dry_run {
        host.preview_roll_back(on).map(Box::new).map(Changed::Preview)
    } else {
        host.roll_back(on).await.map(Changed::Done)
    };
    changed.map(Json).map_err(|error| rollback_problem(&error))
}

/// Applies changes of files and of the configuration again.
///
/// The change goes on if the client disconnects.
#[utoipa::path(
    post, path = "/v1/resume", tag = "act", params(DryRun),
    responses(
        (status = 200, description = "The report, or with `dry_run` what would change", body = Changed),
    ),
)]
pub(in crate::admin) async fn resume(asked: Asked<()>) -> Result<Json<Changed>, Problem> {
    let Asked { host, dry_run, .. } = asked;
    if dry_run {
        let preview = host.preview_resume().await.map_err(|error| problem(&error))?;
        return Ok(Json(Changed::Preview(Box::new(preview))));
    }
    let report = host.resume().await.map_err(|error| rollback_problem(&error))?;
    Ok(Json(Changed::Done(report)))
}

/// What a rollback to a generation would change.
#[utoipa::path(
    get, path = "/v1/generations/{number}/diff", tag = "state",
    params(("number" = u64, Path, description = "The generation to compare with", example = 1)),
    responses((status = 200, description = "What differs", body = Diff)),
)]
pub(in crate::admin) async fn diff(
    State(shared): State<Arc<Shared>>,
    number: Result<Path<u64>, PathRejection>,
) -> Result<Json<Diff>, Problem> {
    let host = host(&shared)?;
    let Path(to) = number.map_err(|rejection| path_problem(&rejection))?;
    let change = host.diff(to).map_err(|error| rollback_problem(&error))?;
    Ok(Json(Diff { generation: host.snapshot().generation(), to, change }))
}

fn rollback_problem(error: &RollbackError) -> Problem {
    let status = match error {
        RollbackError::Unknown { .. } => StatusCode::NOT_FOUND,
        RollbackError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::CONFLICT,
    };
    Problem::new(status, error.reason(), error.to_string())
}
