//! What a request carries through the data plane, and what is noted in its span.

use std::time::Duration;

use axum::http::StatusCode;
use plugbay::Snapshot;
use tokio::time::Instant;
use tracing::Span;

use crate::problem::Problem;

/// How long after its deadline an answer is waited for. Plugins keep the deadline themselves; this
/// is for one that cannot be stopped.
pub(super) const BACKSTOP: Duration = Duration::from_secs(1);

/// What a request carries through the data plane.
#[derive(Clone)]
pub(super) struct Context {
    /// The only one: whatever the request asks for comes from this generation.
    pub(super) snapshot: Snapshot,
    /// When the whole of it must be there.
    pub(super) arrives_by: Instant,
}

impl Context {
    /// When it must be answered, if all of it is there now. That takes as long again: a client
    /// that sends slowly takes nothing away from the plugin, which would be blamed for it.
    pub(super) fn answers_by(&self) -> Instant {
        Instant::now() + self.snapshot.config().server.timeout
    }
}

/// Notes in the request's span what serves it.
pub(super) fn served_by(kind: &'static str, name: &str, route: &str) {
    let span = Span::current();
    span.record(kind, name);
    span.record("route", route);
}

/// Notes why a plugin gave no answer: here in full, for the client's problem says less.
pub(super) fn failed(error: &plugbay::Error) -> Problem {
    let mut backtrace = None;
    if let plugbay::Error::Call(call) = error {
        backtrace = call.backtrace();
        if let Some(plugin) = call.plugin() {
            Span::current().record("plugin", plugin);
        }
    }
    let problem = Problem::from(error);
    if problem.status().is_server_error() {
        tracing::warn!(reason = error.reason(), backtrace, "{error}");
    }
    problem
}

/// The request's deadline passed, and the plugin could not be stopped.
pub(super) fn late() -> Problem {
    tracing::warn!(reason = "deadline", "no answer within server.timeout");
    let detail = "no answer within the time that a request may take";
    Problem::new(StatusCode::GATEWAY_TIMEOUT, "deadline", detail)
}

/// The call was lost with the threads that would have run it: the server is about to end.
pub(super) fn lost() -> Problem {
    tracing::error!(reason = "internal", "the call was lost");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server failed")
}
