//! The probes of a supervisor: whether to restart this process, and whether to send it requests.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use plugbay::Host;
use serde::Serialize;
use utoipa::ToSchema;

use super::bodies::{Check, Readiness};
use crate::problem::Problem;
use crate::shared::Shared;

/// The answer of a probe.
#[derive(Serialize, ToSchema)]
pub(super) struct Probe {
    /// `alive` or `ready`.
    status: &'static str,
}

/// The answer of `/readyz`.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Ready {
    /// Without `verbose`.
    Brief(Probe),
    /// With `verbose`: all that the readiness depends on.
    Verbose(Readiness),
}

/// Alive unless the reconciler is stalled, also while the first generation is being built.
#[utoipa::path(
    get, path = "/livez", tag = "observe",
    responses((status = 200, description = "Alive", body = Probe)),
)]
pub(super) async fn livez(State(shared): State<Arc<Shared>>) -> Response {
    if shared.liveness.is_alive() {
        return Json(Probe { status: "alive" }).into_response();
    }
    if shared.draining.is_cancelled() {
        return unavailable("the host is shut down".to_owned());
    }
    let takes = shared.liveness.step_takes().as_secs();
    unavailable(format!(
        "the reconciler is stuck: its current step has taken {takes} s, longer than host.stall_timeout"
    ))
}

/// Ready from the first generation to the signal to stop.
#[utoipa::path(
    get, path = "/readyz", tag = "observe",
    params(("verbose" = Option<String>, Query, description = "With any value or none: answers all that the readiness depends on, also if the host is not ready")),
    responses(
        (status = 200, description = "Ready", body = Ready),
        (status = 503, description = "Not ready, asked with `verbose`", body = Readiness),
    ),
)]
pub(super) async fn readyz(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Response {
    let checks = [server(&shared), generation(&shared)];
    let ready = checks.iter().all(|check| check.ok);
    if query.is_some_and(|query| is_verbose(&query)) {
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        return (status, Json(Ready::Verbose(Readiness { ready, checks: checks.into() })))
            .into_response();
    }
    match checks.into_iter().find(|check| !check.ok) {
        None => Json(Ready::Brief(Probe { status: "ready" })).into_response(),
        Some(failed) => unavailable(failed.details.into_iter().next().unwrap_or_default()),
    }
}

/// Whether the query has the parameter `verbose`, with any value or none.
fn is_verbose(query: &str) -> bool {
    query.split('&').any(|pair| pair.split('=').next() == Some("verbose"))
}

fn server(shared: &Shared) -> Check {
    let stopping = shared.draining.is_cancelled() && !shared.replaced.is_cancelled();
    Check::new(
        "server",
        stopping.then(|| "the server is stopping".to_owned()).into_iter().collect(),
    )
}

fn generation(shared: &Shared) -> Check {
    let details = match shared.host.get() {
        None => {
            let takes = shared.liveness.step_takes().as_secs();
            vec![
                "the first generation is being built".to_owned(),
                format!("its current step has taken {takes} s"),
            ]
        }
        Some(host) if host.is_ready() => Vec::new(),
        Some(host) => refused(host),
    };
    Check::new("generation", details)
}

/// Why a host that was built has no generation. The operator has to fix what was refused.
fn refused(host: &Host) -> Vec<String> {
    let now = host.snapshot();
    let refused = now.rejected().iter();
    let refused = refused
        .map(|it| format!("the first generation was refused: {}: {}", it.source, it.message));
    let refused: Vec<_> = refused.collect();
    if refused.is_empty() { vec!["the host is shut down".to_owned()] } else { refused }
}

fn unavailable(detail: String) -> Response {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbose_is_a_parameter_with_or_without_a_value() {
        for verbose in ["verbose", "verbose=1", "a=b&verbose"] {
            assert!(is_verbose(verbose), "{verbose}");
        }
        for other in ["", "verbos", "a=verbose", "verbosely"] {
            assert!(!is_verbose(other), "{other}");
        }
    }
}
