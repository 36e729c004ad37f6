//! The results of the health checks of one plugin version.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use plugbay_core::CallError;
use plugbay_guard::Health;
use serde::{Deserialize, Serialize};

use crate::report::timestamp;

/// The results of the health checks of one plugin version.
#[derive(Default)]
pub(crate) struct HealthRecord(Mutex<HealthStatus>);

/// The result of a plugin's health checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct HealthStatus {
    /// Whether the plugin is healthy and gets calls.
    pub healthy: bool,
    /// Since when it is healthy or unhealthy.
    #[serde(with = "timestamp")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub since: SystemTime,
    /// The error of the last check, if it failed.
    pub last_error: Option<String>,
    /// In a crash loop, the number of restarts that did not help.
    pub crash_loop: Option<u32>,
    /// How many checks were made.
    pub checks: u64,
}

impl Default for HealthStatus {
    fn default() -> Self {
        Self {
            healthy: true,
            since: SystemTime::now(),
            last_error: None,
            crash_loop: None,
            checks: 0,
        }
    }
}

impl HealthRecord {
    pub(crate) fn status(&self) -> HealthStatus {
        self.lock().clone()
    }

    /// The error of the last check, if it failed.
    pub(crate) fn last_error(&self) -> Option<String> {
        self.lock().last_error.clone()
    }

    /// Notes that the plugin is not restarted any more, after this many restarts. Returns whether
    /// that is new.
    pub(crate) fn enter_crash_loop(&self, restarts: u32) -> bool {
        self.lock().crash_loop.replace(restarts).is_none()
    }

    /// Records the result of a check.
    pub(crate) fn record(&self, answer: &Result<(), CallError>) {
        let mut status = self.lock();
        status.checks += 1;
        status.last_error = answer.as_ref().err().map(|error| error.message().to_owned());
    }

    /// Records a change of the plugin's health.
    pub(crate) fn set_health(&self, health: Health) {
        let mut status = self.lock();
        status.healthy = health.is_healthy();
        status.crash_loop = None;
        status.since = SystemTime::now();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HealthStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
