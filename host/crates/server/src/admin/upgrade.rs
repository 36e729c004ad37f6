//! `POST /v1/upgrade`: replaces the process by a new one of the program that is now on disk.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::Problem;
use crate::shared::Shared;
use crate::upgrades::UpgradeRequest;

/// `POST /v1/upgrade`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct Upgraded {
    /// The number of the process that serves now.
    pub process: u32,
    /// The number of the process that it replaces, which still answers what it has accepted.
    pub replaced: u32,
}

/// Replaces the process by a new one of the program that is now on disk, without refusing a connection.
///
/// Waits until the new process serves, at most `host.stall_timeout`; if it does not, nothing has changed. The upgrade
/// goes on if the client disconnects.
#[utoipa::path(
    post, path = "/v1/upgrade", tag = "act",
    responses((status = 200, description = "The new process serves", body = Upgraded)),
)]
pub(super) async fn upgrade(State(shared): State<Arc<Shared>>) -> Result<Json<Upgraded>, Problem> {
    let ask = shared.upgrades.get().ok_or_else(|| {
        let detail = "this program cannot replace itself: restart it by what started it";
        Problem::new(StatusCode::NOT_IMPLEMENTED, "not-implemented", detail)
    })?;
    let stopping = || {
        let detail = "the server is stopping";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "stopped", detail)
    };
    let (request, answered) = UpgradeRequest::new();
    ask.send(request).await.map_err(|_| stopping())?;
    let done = answered.await.map_err(|_| stopping())?;
    let process = done.map_err(|why| {
        let detail = format!("this process serves on: {why}");
        Problem::new(StatusCode::CONFLICT, "not-upgraded", detail)
    })?;
    Ok(Json(Upgraded { process, replaced: std::process::id() }))
}
