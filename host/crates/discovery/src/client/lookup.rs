//! Why a client knows no endpoint of a service.

use std::time::Duration;

use thiserror::Error;

use super::balance::PickError;

/// The client knows no endpoint of a service, or what it knows is too old.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LookupError {
    /// The directory has not told the client about the service yet.
    #[error("the directory did not tell of {service} within {waited:.1?}{problem}")]
    Unknown {
        /// The service.
        service: String,
        /// For how long the client waited.
        waited: Duration,
        /// What went wrong last: empty, or a colon and a text.
        problem: String,
    },
    /// The directory knows no endpoint of the service.
    #[error("the directory knows no endpoint of {service}")]
    NoEndpoints {
        /// The service.
        service: String,
    },
    /// The directory could not be asked for longer than the client may use what it knows.
    #[error("what is known of {service} is {age:.1?} old, and may be {max:.1?} old{problem}")]
    Stale {
        /// The service.
        service: String,
        /// How long ago the directory was heard of.
        age: Duration,
        /// How old it may be.
        max: Duration,
        /// What went wrong last: empty, or a colon and a text.
        problem: String,
    },
}

impl LookupError {
    /// A stable word for logs and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "unknown-service",
            Self::NoEndpoints { .. } => "no-endpoints",
            Self::Stale { .. } => "stale",
        }
    }

    pub(super) fn pick(service: &str, error: PickError) -> Self {
        match error {
            PickError::NoEndpoints => Self::NoEndpoints { service: service.into() },
        }
    }
}
