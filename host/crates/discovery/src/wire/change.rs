//! Changes of the directory, as watchers see them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Endpoint, Sequence};

/// What happened. After all of these but [`ChangeKind::Deregister`], the endpoint of the change is the
/// endpoint's new state, so a watcher that does not know a kind can still apply it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// The endpoint was registered, or registered again with other fields.
    Register,
    /// The endpoint left.
    Deregister,
    /// Its status changed.
    HealthChange,
    /// Its lease ran out in a mass expiry, and it was kept; or it renewed the lease after that.
    LeaseChange,
}

impl ChangeKind {
    /// The stable word: the type of the event.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Deregister => "deregister",
            Self::HealthChange => "health_change",
            Self::LeaseChange => "lease_change",
        }
    }
}

/// Why an endpoint left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeregisterReason {
    /// It, or an administrator, asked for it.
    Deregistered,
    /// Its lease ran out.
    Expired,
    /// It was critical for longer than its check allows.
    Critical,
}

impl DeregisterReason {
    /// The stable word of the API, logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deregistered => "deregistered",
            Self::Expired => "expired",
            Self::Critical => "critical",
        }
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Change {
    /// Its number.
    pub sequence: Sequence,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: ChangeKind,
    /// Why an endpoint left; only with [`ChangeKind::Deregister`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<DeregisterReason>,
    /// The endpoint after the change; if it left, before it.
    pub endpoint: Arc<Endpoint>,
}
