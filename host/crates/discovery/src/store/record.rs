//! Records: the changes that are worth keeping.

use serde::{Deserialize, Serialize};

use crate::wire::{DeregisterReason, Endpoint, EndpointId, Sequence, ServiceName};

/// One thing to keep.
#[expect(clippy::large_enum_variant, reason = "almost every record is the large one")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// The endpoint is registered, in place of one with the same identifier. Its `health`, `sequence`
    /// and `retained` are of no importance: they begin anew after a restart.
    Put {
        /// The endpoint.
        endpoint: Endpoint,
    },
    /// The endpoint left.
    Remove {
        /// Its service.
        service: ServiceName,
        /// Its identifier.
        id: EndpointId,
        /// Why it left.
        reason: DeregisterReason,
    },
    /// All sequence numbers below this one may have been given out: a directory that loads it begins
    /// there. The latest of these records counts.
    Ceiling {
        /// The first number that was not given out.
        sequence: Sequence,
    },
}

impl Record {
    /// Whether one decision does not hold once the other is applied: both are about the same endpoint,
    /// or about the same host and port of a service. Such records cannot be decided in one batch.
    #[must_use]
    pub fn conflicts(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Put { endpoint: one }, Self::Put { endpoint: other }) => {
                let address = |it: &Endpoint| (it.service.clone(), it.host.clone(), it.port);
                one.id == other.id || address(one) == address(other)
            }
            (Self::Put { endpoint }, Self::Remove { id, .. })
            | (Self::Remove { id, .. }, Self::Put { endpoint }) => endpoint.id == *id,
            (Self::Remove { id: one, .. }, Self::Remove { id: other, .. }) => one == other,
            (Self::Ceiling { .. }, _) | (_, Self::Ceiling { .. }) => false,
        }
    }
}

/// What a store kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The registered endpoints.
    pub endpoints: Vec<Endpoint>,
    /// The latest [`Record::Ceiling`], or `None` in a new store.
    pub ceiling: Option<Sequence>,
}
