//! The actions of operators over HTTP: each is one function of the library.
//!
//! | path | body | action |
//! |---|---|---|
//! | `POST /v1/plugins/{name}/disable`, `enable`, `restart` | | [`Host::disable`], [`Host::enable`], [`Host::restart`] |
//! | `POST /v1/plugins/{name}/drain` | | [`Host::drain`]; waits as long as `Prefer: wait=SECONDS` says |
//! | `POST /v1/plugins/{name}/breaker` | `{"state":"open"}`, `{"state":"closed"}` | [`Host::open_breaker`], [`Host::reset_breaker`] |
//! | `POST /v1/capabilities/{KIND:NAME}/weights` | `{"weights":{"PLUGIN":N}}` | [`Host::set_weights`] |
//! | `GET /v1/config` | | [`Host::running_config`] |
//! | `GET /v1/generations/{number}/diff` | | [`Host::diff`] |
//!
//! With `?dry_run=true` these, and reload, rollback and resume, say what would change and change nothing. Another
//! parameter is refused: a mistyped one must not lead to the change that it was to prevent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use plugbay::{
    Action, ActionError, ActionOptions, ActionReport, Change, Host, RollbackError, RunningConfig,
};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::prefer;
use super::views::{self, host};
use crate::access::Caller;
use crate::problem::Problem;
use crate::shared::Shared;

/// How long a drain waits for calls, if the client does not say.
const DRAIN_WAIT: Duration = Duration::from_millis(100);
/// How long an action may take before it is answered with 202, if the client does not say. A plugin may take long to
/// start.
const WAIT: Duration = Duration::from_secs(30);
/// The largest body of an action, in bytes.
const MAX_BODY: usize = 64 << 10;

/// `GET /v1/generations/{number}/diff`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Diff {
    /// The number of the generation that serves.
    pub generation: u64,
    /// The generation that it is compared with.
    pub to: u64,
    /// What a rollback to it would change.
    pub change: Change,
}

/// The answer of an action that goes on when the answer is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Accepted {
    /// The action.
    pub action: Action,
    /// The plugin or the capability.
    pub on: String,
}

/// What every action takes.
pub(super) struct Asked {
    host: Host,
    on: String,
    options: ActionOptions,
    prefers: Option<Duration>,
    /// The longest wait for the report.
    within: Duration,
}

type Name = Result<Path<String>, PathRejection>;
/// Who acts.
type By = Extension<Caller>;
type Query = RawQuery;

impl Asked {
    fn new(
        shared: &Shared,
        name: Name,
        query: Query,
        headers: &HeaderMap,
        by: By,
    ) -> Result<Self, Problem> {
        let Path(on) = name.map_err(|rejection| Problem::bad_request(rejection.to_string()))?;
        // A plane without tokens does not know who it is.
        let Extension(Caller { name: caller, open, .. }) = by;
        let by = if open { "operator".to_owned() } else { caller.to_string() };
        let options = ActionOptions::by(&by).dry_run(is_dry_run(query)?);
        let prefers = prefer::wait(headers);
        let within = prefers.unwrap_or(WAIT);
        Ok(Self { host: host(shared)?.clone(), on, options, prefers, within })
    }

    /// Answers the report of an action; 202 if it takes longer than the client waits. The action goes on after that,
    /// and if the client disconnects.
    async fn answer(
        self,
        action: Action,
        act: impl AsyncFnOnce(&Host, &str, ActionOptions) -> Result<ActionReport, ActionError>,
    ) -> Result<Response, Problem> {
        let Self { host, on, options, prefers, within } = self;
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
}

fn with_preference(mut response: Response, prefers: Option<Duration>) -> Response {
    if let Some(wait) = prefers
        && let Ok(applied) = HeaderValue::from_str(&format!("wait={}", wait.as_secs()))
    {
        response.headers_mut().insert(prefer::APPLIED, applied);
    }
    response
}

/// Whether the only parameter, `dry_run`, is set.
fn is_dry_run(RawQuery(query): RawQuery) -> Result<bool, Problem> {
    match query.as_deref() {
        None | Some("" | "dry_run=false") => Ok(false),
        Some("dry_run" | "dry_run=true") => Ok(true),
        Some(other) => {
            let found = crate::problem::shortened(other, crate::problem::MAX_REPEATED);
            let detail = format!("expected no parameter, or dry_run=true; found {found:?}");
            Err(Problem::bad_request(detail))
        }
    }
}

fn problem(error: &ActionError) -> Problem {
    let status = match error {
        ActionError::UnknownPlugin { .. } | ActionError::UnknownCapability { .. } => {
            StatusCode::NOT_FOUND
        }
        ActionError::Weights(_) => StatusCode::BAD_REQUEST,
        ActionError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::CONFLICT,
    };
    Problem::new(status, error.reason(), error.to_string())
}

fn rollback_problem(error: &RollbackError) -> Problem {
    views::rollback_problem(error)
}

/// Reads the JSON of a body.
fn read<'b, T: Deserialize<'b>>(body: &'b Bytes, expected: &str) -> Result<T, Problem> {
    if body.len() > MAX_BODY {
        let detail = format!("expected at most {MAX_BODY} bytes, found {}", body.len());
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail));
    }
    serde_json::from_slice(body)
        .map_err(|error| Problem::bad_request(format!("expected {expected}: {error}")))
}

pub(super) async fn disable(
    State(shared): State<Arc<Shared>>,
    name: Name,
    query: Query,
    headers: HeaderMap,
    by: By,
) -> Result<Response, Problem> {
    let asked = Asked::new(&shared, name, query, &headers, by)?;
    asked.answer(Action::Disable, async |host, on, options| host.disable(on, options).await).await
}

pub(super) async fn enable(
    State(shared): State<Arc<Shared>>,
    name: Name,
    query: Query,
    headers: HeaderMap,
    by: By,
) -> Result<Response, Problem> {
    let asked = Asked::new(&shared, name, query, &headers, by)?;
    asked.answer(Action::Enable, async |host, on, options| host.enable(on, options).await).await
}

pub(super) async fn restart(
    State(shared): State<Arc<Shared>>,
    name: Name,
    query: Query,
    headers: HeaderMap,
    by: By,
) -> Result<Response, Problem> {
    let asked = Asked::new(&shared, name, query, &headers, by)?;
    asked.answer(Action::Restart, async |host, on, options| host.restart(on, options).await).await
}

pub(super) async fn drain(
    State(shared): State<Arc<Shared>>,
    name: Name,
    query: Query,
    headers: HeaderMap,
    by: By,
) -> Result<Response, Problem> {
    let mut asked = Asked::new(&shared, name, query, &headers, by)?;
    // The wait is that for the calls; the action itself ends at once.
    let wait = asked.prefers.unwrap_or(DRAIN_WAIT);
    asked.options = asked.options.wait(wait);
    asked.within = wait + WAIT;
    asked.answer(Action::Drain, async |host, on, options| host.drain(on, options).await).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Breaker {
    state: BreakerPosition,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum BreakerPosition {
    Open,
    Closed,
}

pub(super) async fn breaker(
    State(shared): State<Arc<Shared>>,
    name: Name,
    query: Query,
    headers: HeaderMap,
    by: By,
    body: Bytes,
) -> Result<Response, Problem> {
    let expected = r#"{"state":"open"} or {"state":"closed"}"#;
    let Breaker { state } = read(&body, expected)?;
    let asked = Asked::new(&shared, name, query, &headers, by)?;
    match state {
        BreakerPosition::Open => {
            let act = async |host: &Host, on: &str, options| host.open_breaker(on, options).await;
            asked.answer(Action::BreakerOpen, act).await
        }
        BreakerPosition::Closed => {
            let act = async |host: &Host, on: &str, options| host.reset_breaker(on, options).await;
            asked.answer(Action::BreakerReset, act).await
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Weights {
    weights: BTreeMap<String, u32>,
}

pub(super) async fn weights(
    State(shared): State<Arc<Shared>>,
    name: Name,
    query: Query,
    headers: HeaderMap,
    by: By,
    body: Bytes,
) -> Result<Response, Problem> {
    let Weights { weights } = read(&body, r#"{"weights":{"PLUGIN":NUMBER}}"#)?;
    let asked = Asked::new(&shared, name, query, &headers, by)?;
    let act =
        async move |host: &Host, on: &str, options| host.set_weights(on, weights, options).await;
    asked.answer(Action::Weights, act).await
}

pub(super) async fn reload(
    State(shared): State<Arc<Shared>>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if is_dry_run(query)? {
        let preview = host(&shared)?.preview_reload().await;
        return preview.map(|report| Json(report).into_response()).map_err(|it| problem(&it));
    }
    views::reload(State(shared), headers).await
}

pub(super) async fn rollback(
    State(shared): State<Arc<Shared>>,
    number: Result<Path<u64>, PathRejection>,
    query: Query,
) -> Result<Response, Problem> {
    if is_dry_run(query)? {
        let number = number_in(number)?;
        let preview = host(&shared)?.preview_roll_back(number);
        return preview
            .map(|report| Json(report).into_response())
            .map_err(|error| rollback_problem(&error));
    }
    views::rollback(State(shared), number).await.map(IntoResponse::into_response)
}

pub(super) async fn resume(
    State(shared): State<Arc<Shared>>,
    query: Query,
) -> Result<Response, Problem> {
    if is_dry_run(query)? {
        let preview = host(&shared)?.preview_resume().await;
        return preview.map(|report| Json(report).into_response()).map_err(|it| problem(&it));
    }
    views::resume(State(shared)).await.map(IntoResponse::into_response)
}

pub(super) async fn config(
    State(shared): State<Arc<Shared>>,
) -> Result<Json<RunningConfig>, Problem> {
    Ok(Json(host(&shared)?.running_config()))
}

pub(super) async fn diff(
    State(shared): State<Arc<Shared>>,
    number: Result<Path<u64>, PathRejection>,
) -> Result<Json<Diff>, Problem> {
    let (host, to) = (host(&shared)?, number_in(number)?);
    let change = host.diff(to).map_err(|error| rollback_problem(&error))?;
    Ok(Json(Diff { generation: host.snapshot().generation(), to, change }))
}

fn number_in(number: Result<Path<u64>, PathRejection>) -> Result<u64, Problem> {
    let Path(number) = number.map_err(|rejection| Problem::bad_request(rejection.to_string()))?;
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dry_run_is_a_parameter() {
        let dry = |query: &str| is_dry_run(RawQuery(Some(query.to_owned())));
        assert!(dry("dry_run").unwrap() && dry("dry_run=true").unwrap());
        assert!(!dry("").unwrap() && !dry("dry_run=false").unwrap());
        assert!(!is_dry_run(RawQuery(None)).unwrap());
        for mistyped in ["dryrun=true", "dry_run=yes", "dry_run=true&x=1", "dry-run"] {
            assert_eq!(dry(mistyped).unwrap_err().code(), "bad-request", "{mistyped}");
        }
    }
}
