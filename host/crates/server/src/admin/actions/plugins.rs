//! Actions on one plugin, or on the providers of one capability.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use plugbay::{Action, ActionError, ActionOptions, ActionReport, Host};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};

use super::asked::{Asked, DryRun, Prefer, with_preference};
use crate::admin::reading::json;
use crate::problem::Problem;

/// How long a drain waits for calls, if the client does not say.
const DRAIN_WAIT: Duration = Duration::from_millis(100);
/// How long an action may take before it is answered with 202, if the client does not say. A plugin may take long to
/// start.
const WAIT: Duration = Duration::from_secs(30);

/// The answer of an action that goes on when the answer is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct Accepted {
    /// The action.
    pub action: Action,
    /// The plugin or the capability.
    pub on: String,
}

/// What an action answers with 202.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "each is written by itself; this is its place in the document")]
pub(in crate::admin) enum Unfinished {
    /// A drain that still waits for calls.
    Draining(Box<ActionReport>),
    /// Another action that goes on.
    Accepted(Accepted),
}

/// On which plugin.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "the path is read by its name")]
pub(in crate::admin) struct PluginPath {
    /// The name of a plugin.
    #[param(example = "hello")]
    name: String,
}

/// Answers the report of an action; 202 if it takes longer than `within`, or than the client waits. The action goes on
/// after that, and if the client disconnects.
async fn answer(
    asked: Asked<String>,
    action: Action,
    within: Duration,
    act: impl AsyncFnOnce(&Host, &str, ActionOptions) -> Result<ActionReport, ActionError>,
) -> Result<Response, Problem> {
    let Asked { host, on, options, prefers, .. } = asked;
    let done = timeout(within, act(&host, &on, options)).await;
    let response = match done {
        Ok(report) => {
            let report = report.map_err(|error| problem(&error))?;
            let is_left = report.left.is_some_and(|left| !left.is_drained());
            let status = if is_left { StatusCode::ACCEPTED } else { StatusCode::OK };
            (status, Json(report)).into_response()
        }
        Err(_elapsed) => (StatusCode::ACCEPTED, Json(Accepted { action, on })).into_response(),
    };
    Ok(with_preference(response, prefers))
}

async fn answer_soon(
    asked: Asked<String>,
    action: Action,
    act: impl AsyncFnOnce(&Host, &str, ActionOptions) -> Result<ActionReport, ActionError>,
) -> Result<Response, Problem> {
    let within = asked.prefers.unwrap_or(WAIT);
    answer(asked, action, within, act).await
}

pub(super) fn problem(error: &ActionError) -> Problem {
    let status = match error {
        ActionError::UnknownPlugin { .. } | ActionError::UnknownCapability { .. } => {
            StatusCode::NOT_FOUND
        }
        ActionError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::CONFLICT,
    };
    Problem::new(status, error.reason(), error.to_string())
}

/// Stops a plugin, whatever the configuration says, until it is enabled.
#[utoipa::path(
    post, path = "/v1/plugins/{name}/disable", tag = "act", params(PluginPath, DryRun, Prefer),
    responses(
        (status = 200, description = "What changed", body = ActionReport),
        (status = 202, description = "The action goes on", body = Unfinished),
    ),
)]
pub(in crate::admin) async fn disable(asked: Asked<String>) -> Result<Response, Problem> {
    let act = async |host: &Host, on: &str, options| host.disable(on, options).await;
    answer_soon(asked, Action::Disable, act).await
}

/// Lets a plugin run, and ends a drain.
#[utoipa::path(
    post, path = "/v1/plugins/{name}/enable", tag = "act", params(PluginPath, DryRun, Prefer),
    responses(
        (status = 200, description = "What changed", body = ActionReport),
        (status = 202, description = "The action goes on", body = Unfinished),
    ),
)]
pub(in crate::admin) async fn enable(asked: Asked<String>) -> Result<Response, Problem> {
    let act = async |host: &Host, on: &str, options| host.enable(on, options).await;
    answer_soon(asked, Action::Enable, act).await
}

/// Starts the same version of a plugin again.
#[utoipa::path(
    post, path = "/v1/plugins/{name}/restart", tag = "act", params(PluginPath, DryRun, Prefer),
    responses(
        (status = 200, description = "What changed", body = ActionReport),
        (status = 202, description = "The action goes on", body = Unfinished),
    ),
)]
pub(in crate::admin) async fn restart(asked: Asked<String>) -> Result<Response, Problem> {
    let act = async |host: &Host, on: &str, options| host.restart(on, options).await;
    answer_soon(asked, Action::Restart, act).await
}

/// Gives a plugin no new calls, and waits for those in flight as long as the client prefers.
#[utoipa::path(
    post, path = "/v1/plugins/{name}/drain", tag = "act", params(PluginPath, DryRun, Prefer),
    responses(
        (status = 200, description = "No call is left", body = ActionReport),
        (status = 202, description = "Calls are left; none is new", body = Unfinished),
    ),
)]
pub(in crate::admin) async fn drain(mut asked: Asked<String>) -> Result<Response, Problem> {
    // The wait is that for the calls; the action itself ends at once.
    let wait = asked.prefers.unwrap_or(DRAIN_WAIT);
    asked.options = asked.options.wait(wait);
    let act = async |host: &Host, on: &str, options| host.drain(on, options).await;
    answer(asked, Action::Drain, wait + WAIT, act).await
}

/// The body of `POST /v1/plugins/{name}/breaker`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Breaker {
    state: BreakerPosition,
}

/// The position in which a breaker is put.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum BreakerPosition {
    /// All calls are refused.
    Open,
    /// All calls are admitted.
    Closed,
}

/// Opens the breaker of a plugin, or closes it.
#[utoipa::path(
    post, path = "/v1/plugins/{name}/breaker", tag = "act", params(PluginPath, DryRun, Prefer),
    request_body(content = Breaker, example = json!({"state": "open"})),
    responses(
        (status = 200, description = "What changed", body = ActionReport),
        (status = 202, description = "The action goes on", body = Unfinished),
    ),
)]
pub(in crate::admin) async fn breaker(
    asked: Asked<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let Breaker { state } = json(&body, r#"{"state":"open"} or {"state":"closed"}"#)?;
    match state {
        BreakerPosition::Open => {
            let act = async |host: &Host, on: &str, options| host.open_breaker(on, options).await;
            answer_soon(asked, Action::BreakerOpen, act).await
        }
        BreakerPosition::Closed => {
            let act = async |host: &Host, on: &str, options| host.reset_breaker(on, options).await;
            answer_soon(asked, Action::BreakerReset, act).await
        }
    }
}

/// The body of `POST /v1/capabilities/{name}/weights`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Weights {
    /// The weights by plugin. Plugins that are not named keep the configured weight.
    weights: BTreeMap<String, Weight>,
}

/// A weight. To JSON 90 and 90.0 are the same number.
#[derive(Deserialize, ToSchema)]
#[serde(try_from = "f64")]
#[schema(value_type = u32, maximum = 10000)]
struct Weight(u32);

/// The largest weight, as in the configuration.
const MAX_WEIGHT: u32 = 10_000;

impl TryFrom<f64> for Weight {
    type Error = String;

    fn try_from(number: f64) -> Result<Self, Self::Error> {
        // Written without a fraction if it has none; the sum makes -0 a 0.
        let whole = (number + 0.0).to_string().parse().ok().filter(|it| *it <= MAX_WEIGHT);
        whole.map(Self).ok_or_else(|| {
            format!("expected a whole number from 0 to {MAX_WEIGHT}, found {number}")
        })
    }
}

/// Sets the weights of a capability's providers.
#[utoipa::path(
    post, path = "/v1/capabilities/{name}/weights", tag = "act",
    params(
        ("name" = String, Path, description = "The capability, as `KIND:NAME`", example = "codec:json"),
        DryRun, Prefer,
    ),
    request_body(content = Weights, example = json!({"weights": {"json": 90, "json-new": 10}})),
    responses(
        (status = 200, description = "What changed", body = ActionReport),
        (status = 202, description = "The action goes on", body = Unfinished),
    ),
)]
pub(in crate::admin) async fn weights(
    asked: Asked<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let Weights { weights } = json(&body, r#"{"weights":{"PLUGIN":NUMBER}}"#)?;
    let weights = weights.into_iter().map(|(name, Weight(weight))| (name, weight)).collect();
    let act =
        async move |host: &Host, on: &str, options| host.set_weights(on, weights, options).await;
    answer_soon(asked, Action::Weights, act).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_a_whole_number() {
        let read = |text: &str| serde_json::from_str(text).ok().map(|Weight(weight)| weight);
        assert_eq!(["90", "90.0", "9e1", "0", "-0.0"].map(read), [90, 90, 90, 0, 0].map(Some));
        for wrong in ["-1", "0.5", "10001", "1e300", "\"1\"", "null"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
