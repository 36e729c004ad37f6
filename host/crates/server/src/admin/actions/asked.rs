//! What every action takes: on what it acts, whether it only says what it would do, who asks, how long the client waits.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, Path};
use axum::http::HeaderValue;
use axum::http::request::Parts;
use axum::response::Response;
use plugbay::{ActionOptions, Host};
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use crate::access::Caller;
use crate::admin::views::host;
use crate::admin::{prefer, reading};
use crate::field_error::FieldError;
use crate::problem::{MAX_REPEATED, Problem, shortened};
use crate::shared::Shared;

/// The parameters of the query.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "the query is read as a whole, so that every other parameter is refused"
)]
pub(in crate::admin) struct DryRun {
    /// Whether to say what would change, and change nothing. No other parameter is accepted.
    #[param(required = false, example = true)]
    dry_run: bool,
}

/// How long the client waits.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "the field is read from the header")]
pub(in crate::admin) struct Prefer {
    /// `wait=SECONDS` bounds how long the answer waits for what was begun, up to 300 s (RFC 7240). Other preferences are
    /// ignored.
    #[param(rename = "Prefer", example = "wait=30")]
    prefer: Option<String>,
}

/// What an action takes. `T` is what the path names.
pub(in crate::admin) struct Asked<T> {
    pub(super) host: Host,
    /// On what it acts.
    pub(super) on: T,
    pub(super) options: ActionOptions,
    pub(super) dry_run: bool,
    /// How long the client wants to wait, if it says so.
    pub(super) prefers: Option<Duration>,
}

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Shared>> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        shared: &Arc<Shared>,
    ) -> Result<Self, Self::Rejection> {
        let path = Path::from_request_parts(parts, shared).await;
        let Path(on) = path.map_err(|rejection| reading::path_problem(&rejection))?;
        let dry_run = is_dry_run(parts.uri.query())?;
        // A plane without tokens does not know who it is.
        let by = match parts.extensions.get::<Caller>() {
            Some(Caller { name, open: false, .. }) => name.to_string(),
            _ => "operator".to_owned(),
        };
        let options = ActionOptions::by(&by).dry_run(dry_run);
        let prefers = prefer::wait(&parts.headers);
        Ok(Self { host: host(shared)?.clone(), on, options, dry_run, prefers })
    }
}

/// Whether the only parameter, `dry_run`, is set.
fn is_dry_run(query: Option<&str>) -> Result<bool, Problem> {
    match query {
        None | Some("" | "dry_run=false") => Ok(false),
        Some("dry_run" | "dry_run=true") => Ok(true),
        Some(other) => {
            let found = shortened(other, MAX_REPEATED);
            let detail = format!("expected no parameter, or dry_run=true; found {found:?}");
            Err(Problem::bad_request(detail.clone())
                .error(FieldError::parameter("dry_run", detail)))
        }
    }
}

/// Says that the client's wait was applied, if it gave one.
pub(super) fn with_preference(mut response: Response, prefers: Option<Duration>) -> Response {
    if let Some(wait) = prefers
        && let Ok(applied) = HeaderValue::from_str(&format!("wait={}", wait.as_secs()))
    {
        response.headers_mut().insert(prefer::APPLIED, applied);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dry_run_is_a_parameter() {
        let dry = |query: &str| is_dry_run(Some(query));
        assert!(dry("dry_run").unwrap() && dry("dry_run=true").unwrap());
        assert!(!dry("").unwrap() && !dry("dry_run=false").unwrap());
        assert!(!is_dry_run(None).unwrap());
        for mistyped in ["dryrun=true", "dry_run=yes", "dry_run=true&x=1", "dry-run"] {
            assert_eq!(dry(mistyped).unwrap_err().code(), "bad-request", "{mistyped}");
        }
    }
}
