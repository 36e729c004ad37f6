//! The health of an endpoint.

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{EndpointId, ServiceName};
use crate::wire::timestamp;

/// How well an endpoint is. Ordered from the best to the worst: what an endpoint says of itself and
/// what its check found count as the worse of both. An endpoint without a check that says nothing of
/// itself is passing.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// It works.
    #[default]
    Passing,
    /// It has a check that has not run yet. It is returned to those who look it up.
    Unknown,
    /// It works, and asks for attention or for less load. It is returned to those who look it up.
    Warning,
    /// It does not work: its check failed `fall` times in a row, or it says so. It is returned only to
    /// those who ask for unhealthy endpoints too.
    Critical,
}

impl HealthStatus {
    /// Whether a lookup returns the endpoint by default: all but [`HealthStatus::Critical`].
    #[must_use]
    pub fn is_usable(self) -> bool {
        self != Self::Critical
    }

    /// The stable word of the API and of metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passing => "passing",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an endpoint says of itself, with its heartbeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct HealthReport {
    /// Its status; [`HealthStatus::Unknown`] withdraws an earlier report.
    pub status: HealthStatus,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

/// All that is known of an endpoint's health: what `GET /services/{name}/{id}/health` returns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Health {
    /// The endpoint.
    pub id: EndpointId,
    /// Its service.
    pub name: ServiceName,
    /// The worse of the check and of the report.
    pub status: HealthStatus,
    /// Whether the directory checks this endpoint. Without a check it is not *unhealthy*.
    pub checked: bool,
    /// What the last report said, if there was one.
    pub report: Option<HealthReport>,
    /// When the last check ended, by the wall clock.
    #[cfg_attr(feature = "server", schema(value_type = Option<String>, format = DateTime))]
    #[serde(with = "timestamp::optional")]
    pub last_check: Option<SystemTime>,
    /// Why the last check that failed did, until one passes.
    pub last_error: Option<String>,
    /// Checks in a row that failed.
    pub consecutive_failures: u32,
    /// Checks in a row that passed.
    pub consecutive_successes: u32,
    /// All checks since the registration.
    pub checks: u64,
    /// All failed checks since the registration.
    pub failures: u64,
    /// When the status became what it is, by the wall clock.
    #[cfg_attr(feature = "server", schema(value_type = String, format = DateTime))]
    #[serde(with = "timestamp")]
    pub since: SystemTime,
}
