//! Liveness, readiness and metrics, for a directory that is a server of its own.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use plugbay_telemetry::{Collectors, Format};

use super::problem::Problem;
use super::state::{Api, Caller};
use crate::server::access::Right;
use crate::server::metrics::DirectoryCollector;

/// How long the figures may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// `GET /readyz`: ready until the server stops.
pub(super) async fn readyz(State(api): State<Api>) -> Result<&'static str, Problem> {
    if api.settings.stopped.is_cancelled() {
        let detail = "the directory stops";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail));
    }
    Ok("ok\n")
}

/// `GET /metrics`
pub(super) async fn metrics(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    caller.need_all(Right::Read)?;
    let work = move || {
        let collectors = Collectors::new();
        let collector = Arc::new(DirectoryCollector::new(api.directory.clone()));
        collectors.register("directory", collector).map_err(|error| error.to_string())?;
        Ok(collectors.gather(DEADLINE).encode(Format::Text))
    };
    let text =
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.to_string()));
    let internal = |error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error);
    let text = text.map_err(internal)?;
    Ok(([(header::CONTENT_TYPE, Format::Text.content_type())], text).into_response())
}
