//! The context of a request in the data plane, and the fields of its span.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use plugbay::config::RouteOptions;
use plugbay::{Correlation, Snapshot, split_label};
use tokio::time::Instant;
use tracing::Span;

use super::forwarded::Origin;
use crate::listener::Client;
use crate::problem::Problem;

/// How long after its deadline the server waits for an answer. Plugins end at the deadline by
/// themselves; this is for a plugin that cannot be stopped.
pub(super) const BACKSTOP: Duration = Duration::from_secs(1);

/// The context of a request in the data plane.
pub(super) struct Context {
    /// The generation that serves the whole request.
    pub(super) snapshot: Snapshot,
    /// What the request is known by.
    pub(super) correlation: Arc<Correlation>,
    /// The time by which the whole request must have arrived.
    pub(super) arrives_by: Instant,
    /// The client, by its own word or that of a trusted proxy.
    pub(super) client: Client,
    /// For whom handlers are told that they answer, if there are trusted proxies.
    pub(super) origin: Option<Origin>,
    /// How the requests of its route are served, if the configuration says something about it.
    pub(super) options: Option<Arc<RouteOptions>>,
}

impl Context {
    /// The time by which the request must be answered, if all of it has arrived now. The plugin
    /// gets the full timeout, so that it is not blamed for a slow client.
    pub(super) fn answers_by(&self) -> Instant {
        Instant::now() + timeout(&self.snapshot, self.options.as_deref())
    }

    /// Whether it depends on the client whether the request is served.
    pub(super) fn is_limited(&self) -> bool {
        let server = &self.snapshot.config().server;
        let lists = [&server.allow, &server.deny];
        self.options.is_some() || !server.rate.is_none() || lists.iter().any(|it| !it.is_empty())
    }

    /// The largest body, in bytes.
    pub(super) fn max_body(&self) -> usize {
        let own = self.options.as_ref().and_then(|it| it.max_body);
        own.unwrap_or(self.snapshot.config().server.max_body).as_usize()
    }
}

/// The longest time for a request to arrive, and again for its answer.
pub(super) fn timeout(snapshot: &Snapshot, options: Option<&RouteOptions>) -> Duration {
    options.and_then(|it| it.timeout).unwrap_or(snapshot.config().server.timeout)
}

/// Logs a failed call in full, and returns the shorter problem for the client.
pub(super) fn failed(error: &plugbay::Error) -> Problem {
    let mut backtrace = None;
    if let plugbay::Error::Call(call) = error {
        backtrace = call.backtrace();
        if let Some(plugin) = call.plugin() {
            name_plugin(plugin);
        }
    }
    let problem = Problem::from(error);
    if problem.status().is_server_error() {
        tracing::warn!(reason = error.reason(), backtrace, "{error}");
    }
    problem
}

/// Names the plugin that answers, `name@version`, in the request's span, and so in all its lines.
pub(super) fn name_plugin(plugin: &str) {
    let ((plugin, version), span) = (split_label(plugin), Span::current());
    span.record("plugin", plugin);
    span.record("version", version);
}

/// The request's deadline passed, and the plugin could not be stopped.
pub(super) fn late() -> Problem {
    tracing::warn!(reason = "deadline", "no answer within server.timeout");
    let detail = "no answer within server.timeout";
    Problem::new(StatusCode::GATEWAY_TIMEOUT, "deadline", detail)
}

/// The problem for a call whose threads ended, because the server stops.
pub(super) fn lost() -> Problem {
    tracing::error!(reason = "internal", "the call was lost");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server failed")
}
