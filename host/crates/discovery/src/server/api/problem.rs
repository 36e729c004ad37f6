//! Errors as `application/problem+json` (RFC 9457). `code` is stable, `detail` is for people.
//!
//! | code | status | when |
//! |---|---|---|
//! | `invalid` | 400 | fields of the body or of the query are wrong; `errors` has one reason for each |
//! | `unauthenticated` | 401 | the directory needs a token, or another one |
//! | `forbidden` | 403 | the token has no right to this service |
//! | `not-owner` | 403 | another token registered the endpoint |
//! | `not-found` | 404 | no such endpoint, or its lease ran out |
//! | `method-not-allowed` | 405 | the path exists, for other methods |
//! | `address-taken` | 409 | another endpoint of the service, `id`, has this host and port |
//! | `id-taken` | 409 | the identifier belongs to an endpoint of another service |
//! | `body-too-large` | 413 | the body is too large |
//! | `rate-limited` | 429 | too many requests with one token, or too many wrong tokens from one address |
//! | `internal` | 500 | the metrics could not be written |
//! | `overloaded` | 503 | too many watchers |
//! | `unavailable` | 503 | the store does not take changes |
//! | `full` | 507 | the directory or the service has as many endpoints as it may |

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::directory::{EndpointError, RegisterError};
use crate::server::live::ChangeError;
use crate::wire::{EndpointId, FieldError, Invalid};

/// The body of an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemBody {
    /// The phrase of the status.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: String,
    /// What was expected and what was found.
    pub detail: String,
    /// The wrong fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The endpoint that has the host and port already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<EndpointId>,
}

/// An error for a client.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    body: Box<ProblemBody>,
    field: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        let body = ProblemBody {
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            code: code.to_owned(),
            detail: detail.into(),
            errors: Vec::new(),
            id: None,
        };
        let retry = status == StatusCode::SERVICE_UNAVAILABLE;
        let field = retry.then_some((header::RETRY_AFTER, HeaderValue::from_static("1")));
        Self { status, body: Box::new(body), field }
    }

    pub(super) fn field(mut self, name: HeaderName, value: &'static str) -> Self {
        self.field = Some((name, HeaderValue::from_static(value)));
        self
    }

    /// A token made too many requests.
    pub(super) fn too_early(wait: Duration) -> Self {
        // Whole seconds, never early (RFC 9110 section 10.2.3).
        let wait = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let detail = format!("too many requests with this token; wait {wait} s");
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", detail);
        Self { field: Some((header::RETRY_AFTER, wait.max(1).into())), ..problem }
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        let mut problem = Self::new(StatusCode::BAD_REQUEST, "invalid", invalid.to_string());
        problem.body.errors = invalid.0;
        problem
    }
}

impl From<EndpointError> for Problem {
    fn from(error: EndpointError) -> Self {
        let status = match error {
            EndpointError::NotFound => StatusCode::NOT_FOUND,
            EndpointError::NotOwner => StatusCode::FORBIDDEN,
        };
        Self::new(status, error.reason(), error.to_string())
    }
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        let status = match error {
            RegisterError::AddressTaken { .. } | RegisterError::IdTaken => StatusCode::CONFLICT,
            RegisterError::NotOwner => StatusCode::FORBIDDEN,
            RegisterError::Full { .. } => StatusCode::INSUFFICIENT_STORAGE,
        };
        let mut problem = Self::new(status, error.reason(), error.to_string());
        if let RegisterError::AddressTaken { id } = error {
            problem.body.id = Some(id);
        }
        problem
    }
}

impl<E: Into<Problem> + std::fmt::Display> From<ChangeError<E>> for Problem {
    fn from(error: ChangeError<E>) -> Self {
        match error {
            ChangeError::Refused(refused) => refused.into(),
            ChangeError::Unavailable => {
                let detail = "the directory cannot store changes now; the log has the reason";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.body).unwrap_or_default();
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (self.status, kind, body).into_response();
        response.headers_mut().extend(self.field);
        response
    }
}
