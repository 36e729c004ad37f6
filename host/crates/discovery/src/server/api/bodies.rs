//! The bodies of requests and answers that are not in the vocabulary.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::wire::{Endpoint, EndpointId, HealthReport, Sequence, ServiceName};

/// The answer to `POST /services`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegisteredBody {
    /// The identifier of the endpoint.
    pub id: EndpointId,
    /// Its service.
    pub name: ServiceName,
    /// The length of its lease, in seconds.
    #[serde(with = "seconds")]
    #[schema(value_type = f64)]
    pub ttl: Duration,
    /// Whether it is new; otherwise it was registered again.
    pub created: bool,
}

/// The answer to `PUT /services/{name}/{id}/heartbeat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Lease {
    /// After how many seconds without another heartbeat the lease runs out.
    #[serde(with = "seconds")]
    #[schema(value_type = f64)]
    pub ttl: Duration,
}

/// The body of `PUT /services/{name}/{id}/heartbeat`, which may be empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HeartbeatBody {
    /// What the endpoint says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthReport>,
}

/// The body of `PUT /heartbeats`: at most 1,000 heartbeats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Heartbeats {
    /// The heartbeats.
    pub heartbeats: Vec<Heartbeat>,
}

/// One heartbeat of many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// The service.
    pub name: ServiceName,
    /// The endpoint.
    pub id: EndpointId,
    /// What it says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthReport>,
}

/// The answer to `PUT /heartbeats`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Renewed {
    /// How many leases were renewed.
    pub renewed: usize,
    /// Those that were not.
    pub failed: Vec<NotRenewed>,
}

/// A lease that was not renewed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotRenewed {
    /// The service.
    pub name: ServiceName,
    /// The endpoint.
    pub id: EndpointId,
    /// Why: `not-found`, `not-owner` or `forbidden`.
    pub reason: String,
}

/// The data of the event `snapshot`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SnapshotBody {
    /// The last change that it contains.
    pub sequence: Sequence,
    /// Whether the changes between it and what the client knew are lost.
    pub history_lost: bool,
    /// All endpoints, unhealthy ones too.
    pub endpoints: Vec<Arc<Endpoint>>,
}

mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, de};

    pub(super) use crate::wire::seconds::serialize;

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let value = serde_json::Value::deserialize(from)?;
        crate::wire::seconds::read(&value).map_err(de::Error::custom)
    }
}
