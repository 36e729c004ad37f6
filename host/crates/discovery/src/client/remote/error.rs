//! Why the directory did not do what it was asked for.

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use thiserror::Error;

use crate::EndpointId;
use crate::client::bootstrap::{Address, BootstrapError};
use crate::client::call::BoxError;

/// The directory did not do what it was asked for.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// No address of a directory was found.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// There is no directory at the last address that was tried.
    #[error("the directory at {address} does not answer")]
    Unreachable {
        /// The address.
        address: String,
        /// Why.
        source: BoxError,
    },
    /// The directory took too long.
    #[error("the directory at {address} did not answer within {limit:.1?}")]
    TimedOut {
        /// The address.
        address: String,
        /// How long it may take.
        limit: Duration,
    },
    /// The directory refuses the request.
    #[error("the directory at {address} answered {status}: {detail}")]
    Refused {
        /// The address.
        address: String,
        /// The status of the answer.
        status: StatusCode,
        /// The stable word of the answer; empty if it has none.
        code: String,
        /// What the answer says, for people.
        detail: String,
        /// The endpoint that has the host and port already.
        id: Option<EndpointId>,
    },
    /// The answer is not one of a directory.
    #[error("the answer of {address} is not one of a directory: {problem}")]
    Unexpected {
        /// The address.
        address: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// What is read of a problem (RFC 9457).
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    id: Option<EndpointId>,
    code: String,
    title: String,
    detail: String,
}

impl DirectoryError {
    /// A stable word for logs and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Bootstrap(error) => error.reason(),
            Self::Unreachable { .. } => "unreachable",
            Self::TimedOut { .. } => "timed-out",
            Self::Refused { .. } => "refused",
            Self::Unexpected { .. } => "unexpected-answer",
        }
    }

    /// The status of an answer that refuses the request.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The endpoint that has the host and port of a registration already.
    #[must_use]
    pub fn address_taken_by(&self) -> Option<EndpointId> {
        match self {
            Self::Refused { status: StatusCode::CONFLICT, id, .. } => *id,
            _ => None,
        }
    }

    /// Whether to ask again: not if the request itself is wrong.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self.status() {
            Some(status) => {
                status.is_server_error()
                    || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
            }
            None => true,
        }
    }

    /// Whether another address may do better.
    pub(super) fn is_elsewhere(&self) -> bool {
        match self {
            Self::Bootstrap(_) => false,
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Unexpected { .. } => true,
            Self::Refused { status, .. } => status.is_server_error(),
        }
    }

    pub(super) fn no_address() -> Self {
        Self::Bootstrap(BootstrapError::NotSet)
    }

    /// A request that cannot be written.
    pub(super) fn encode(error: &serde_json::Error) -> Self {
        Self::Unexpected { address: "this client".into(), problem: error.to_string() }
    }

    pub(super) fn unreachable(address: &Address, error: impl Into<BoxError>) -> Self {
        Self::Unreachable { address: address.to_string(), source: error.into() }
    }

    pub(super) fn timed_out(address: &Address, limit: Duration) -> Self {
        Self::TimedOut { address: address.to_string(), limit }
    }

    pub(in crate::client) fn unexpected(
        address: &Address,
        problem: &dyn std::fmt::Display,
    ) -> Self {
        Self::Unexpected { address: address.to_string(), problem: problem.to_string() }
    }

    /// By the body of an answer that is none of success.
    pub(super) fn refused(address: &Address, status: StatusCode, body: &[u8]) -> Self {
        let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
        let detail = if problem.detail.is_empty() { problem.title } else { problem.detail };
        // It ends up in logs.
        let detail = detail.chars().filter(|it| !it.is_control()).take(1_000).collect();
        let Problem { id, code, .. } = problem;
        Self::Refused { address: address.to_string(), status, code, detail, id }
    }
}
