//! Why a change is refused.

use crate::wire::EndpointId;

/// Why a registration is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// Another endpoint of the service has the same host and port.
    #[error(
        "expected a host and port that no other endpoint of the service has, found those of {id}; to register that endpoint again, send its id"
    )]
    AddressTaken {
        /// That endpoint.
        id: EndpointId,
    },
    /// The identifier belongs to an endpoint of another service.
    #[error(
        "expected an id of this service or a new one, found that of an endpoint of another service"
    )]
    IdTaken,
    /// The endpoint with this identifier was registered with another token.
    #[error("expected the token that registered this endpoint, found another one")]
    NotOwner,
    /// There are too many endpoints.
    #[error(
        "expected fewer than {most} endpoints {of}, found as many; deregister some, or raise the limit"
    )]
    Full {
        /// The limit.
        most: usize,
        /// Of what: `of this service`, or `in the directory`.
        of: &'static str,
    },
}

impl RegisterError {
    /// A stable word for the API, logs and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::AddressTaken { .. } => "address-taken",
            Self::IdTaken => "id-taken",
            Self::NotOwner => "not-owner",
            Self::Full { .. } => "full",
        }
    }
}

/// Why an endpoint is not renewed or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// There is none with this identifier under this service, or its lease ran out.
    #[error(
        "expected the id of a registered endpoint of this service, found none with it; register it again"
    )]
    NotFound,
    /// It was registered with another token.
    #[error("expected the token that registered this endpoint, found another one")]
    NotOwner,
}

impl EndpointError {
    /// A stable word for the API, logs and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::NotOwner => "not-owner",
        }
    }
}
