//! A registered endpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, de};

use super::{CheckSpec, EndpointId, HealthStatus, Host, Sequence, ServiceName, seconds, timestamp};

/// An endpoint of a service, as the directory returns it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Endpoint {
    /// Its identifier.
    pub id: EndpointId,
    /// The service.
    #[serde(rename = "name")]
    pub service: ServiceName,
    /// Where it is reached.
    pub host: Host,
    /// At which port.
    #[cfg_attr(feature = "server", schema(value_type = u16, minimum = 1))]
    pub port: NonZeroU16,
    /// What its owner says about it. Lookups can select by it.
    pub metadata: BTreeMap<String, String>,
    /// Words that lookups can select by.
    pub tags: BTreeSet<String>,
    /// Its share of the load, in relation to the others', from 1.
    #[cfg_attr(feature = "server", schema(value_type = u16, minimum = 1))]
    pub weight: NonZeroU16,
    /// Its status.
    pub health: HealthStatus,
    /// How long its lease lasts after each heartbeat. In JSON a number of seconds.
    #[cfg_attr(feature = "server", schema(value_type = f64))]
    #[serde(serialize_with = "seconds::serialize", deserialize_with = "read_seconds")]
    pub ttl: Duration,
    /// How the directory checks it, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckSpec>,
    /// The name of the token that registered it, if tokens are in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// When it was registered, by the wall clock.
    #[cfg_attr(feature = "server", schema(value_type = String, format = DateTime))]
    #[serde(with = "timestamp")]
    pub registered_at: SystemTime,
    /// The last change of it.
    pub sequence: Sequence,
    /// Whether its lease ran out in a mass expiry, and the directory keeps it for want of a better
    /// answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retained: bool,
}

fn read_seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    seconds::read(&value).map_err(de::Error::custom)
}
