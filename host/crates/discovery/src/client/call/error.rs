//! Why a call got no response.

use std::time::Duration;

use thiserror::Error;

use crate::client::LookupError;

/// An error of any client.
pub(in crate::client) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A call got no response. (A response is returned whatever its status.)
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The request does not say which service it is for.
    #[error("expected a URL such as http://SERVICE/path, found {found}: {problem}")]
    Url {
        /// The request's URL.
        found: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The client knows no endpoint of the service.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The last endpoint that was tried did not respond in time.
    #[error("{service} did not respond: {endpoint} took longer than {after:.1?} (try {tries})")]
    TimedOut {
        /// The service.
        service: String,
        /// `host:port`.
        endpoint: String,
        /// How long the request may take.
        after: Duration,
        /// How many requests there were.
        tries: u32,
    },
    /// The request to the last endpoint that was tried failed.
    #[error("{service} did not respond: the request to {endpoint} failed (try {tries})")]
    Failed {
        /// The service.
        service: String,
        /// `host:port`.
        endpoint: String,
        /// How many requests there were.
        tries: u32,
        /// The error of the client below.
        source: BoxError,
    },
}

impl CallError {
    /// A stable word for logs and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Url { .. } => "url",
            Self::Lookup(error) => error.reason(),
            Self::TimedOut { .. } => "timed-out",
            Self::Failed { .. } => "failed",
        }
    }
}
