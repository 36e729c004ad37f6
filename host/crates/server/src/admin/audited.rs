//! Writes requests that change something to the audit log, before and after.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::client::client;
use crate::access::Caller;
use crate::audit::{Act, AuditLog, Phase};
use crate::problem::{Problem, shortened};
use crate::request_id;
use crate::shared::Shared;

/// The longest path that is written, in characters.
const MAX_PATH: usize = 500;

/// Lets a request that changes something pass once it is in the audit log, and adds what came of it. A client that
/// leaves changes neither.
pub(super) async fn audited(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    match &shared.audit {
        None => next.run(request).await,
        Some(log) => {
            let act = act(&request);
            // In a task of its own, because the act goes on if the client leaves.
            let acting = tokio::spawn(write_around(Arc::clone(log), act, request, next));
            acting.await.unwrap_or_else(|_panic| failed().into_response())
        }
    }
}

async fn write_around(log: Arc<AuditLog>, act: Act, request: Request, next: Next) -> Response {
    if !write(&log, Phase::Asked, &act).await {
        let detail = "the request is not acted on, because it cannot be written to the audit log (admin.audit)";
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "audit", detail).into_response();
    }
    let began = Instant::now();
    let response = next.run(request).await;
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let status = response.status().as_u16();
    // If it cannot be written, that is in the log of the host; what was done is done.
    write(&log, Phase::Answered { status, took_ms }, &act).await;
    response
}

/// Whether a line was written.
async fn write(log: &Arc<AuditLog>, phase: Phase, act: &Act) -> bool {
    let (log, act) = (Arc::clone(log), act.clone());
    let written = tokio::task::spawn_blocking(move || log.append(phase, &act));
    matches!(written.await, Ok(Ok(())))
}

fn act(request: &Request) -> Act {
    let id = request_id::of(request.headers());
    let caller = request.extensions().get::<Caller>().cloned();
    let caller = caller.unwrap_or_else(Caller::anonymous);
    Act {
        name: caller.name.to_string(),
        role: caller.role.to_string(),
        client: client(request).to_string(),
        method: shortened(request.method().as_str(), 20).into_owned(),
        path: shortened(request.uri().path(), MAX_PATH).into_owned(),
        request_id: String::from_utf8_lossy(id.as_bytes()).into_owned(),
    }
}

fn failed() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server failed")
}
