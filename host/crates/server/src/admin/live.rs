//! What the dashboard polls: the figures of all plugins, and the latest lines of the log.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use plugbay::{LiveFigures, timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::reading::query_problem;
use super::views::host;
use crate::log::LogLine;
use crate::problem::Problem;
use crate::shared::Shared;

/// How many lines of the log are answered if the client does not say.
const LINES: usize = 200;
/// How many lines a client can ask for.
const MAX_LINES: usize = 1000;

/// `GET /v1/figures`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct Figures {
    /// When the process began to number events and lines of the log: the numbers of an earlier process mean nothing.
    #[serde(with = "timestamp")]
    #[schema(value_type = String, format = DateTime)]
    pub host_started_at: SystemTime,
    /// The figures.
    #[serde(flatten)]
    pub figures: LiveFigures,
}

/// `GET /v1/logs`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct Logs {
    /// The lines, oldest first.
    pub lines: Vec<LogLine>,
    /// The number after which the next request reads on.
    pub after: u64,
}

/// The parameters of `GET /v1/logs`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct LogQuery {
    /// The plugin that the lines are about; all lines if it is not given.
    plugin: Option<String>,
    /// Only lines with larger numbers, the oldest of them first. Otherwise the latest lines.
    after: Option<u64>,
    /// How many at most; more than 1000 count as 1000.
    #[param(example = 50)]
    limit: Option<usize>,
}

/// The figures that change with every call, of each plugin that serves.
#[utoipa::path(
    get, path = "/v1/figures", tag = "state",
    responses((status = 200, description = "The answer", body = Figures)),
)]
pub(super) async fn figures(State(shared): State<Arc<Shared>>) -> Result<Json<Figures>, Problem> {
    let figures = host(&shared)?.live_figures();
    Ok(Json(Figures { host_started_at: shared.started_at, figures }))
}

/// The latest lines of the log.
#[utoipa::path(
    get, path = "/v1/logs", tag = "state", params(LogQuery),
    responses((status = 200, description = "The answer", body = Logs)),
)]
pub(super) async fn logs(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<LogQuery>, QueryRejection>,
) -> Result<Json<Logs>, Problem> {
    let Query(query) = query
        .map_err(|rejection| query_problem(&rejection, "?plugin=NAME&after=NUMBER&limit=NUMBER"))?;
    let tail = shared.logs.get().ok_or_else(|| {
        Problem::not_found("this program keeps no lines of its log; see AdminPlane::logs")
    })?;
    // Read first: lines that are written meanwhile are read by the next request.
    let latest = tail.latest();
    let limit = query.limit.unwrap_or(LINES).min(MAX_LINES);
    let lines = tail.read(query.plugin.as_deref(), query.after, limit);
    let after = match lines.last() {
        Some(last) if lines.len() == limit => last.seq,
        Some(last) => last.seq.max(latest),
        None => latest,
    };
    Ok(Json(Logs { lines, after }))
}
