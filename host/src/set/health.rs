//! What the health checks say of one plugin version.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use plugbay_core::CallError;
use plugbay_guard::Health;
use serde::{Deserialize, Serialize};

use crate::report::timestamp;

/// What the checks say of one plugin version.
#[derive(Default)]
pub(crate) struct HealthRecord(Mutex<HealthStatus>);

/// What the health checks say of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HealthStatus {
    /// Whether it gets calls.
    pub healthy: bool,
    /// Since when.
    #[serde(with = "timestamp")]
    pub since: SystemTime,
    /// What the last bad answer was, while it counts.
    pub why: Option<String>,
    /// How often it was restarted in vain, if it is not restarted any more.
    pub crash_loop: Option<u32>,
    /// How many checks were answered, or failed to be.
    pub checks: u64,
}

impl Default for HealthStatus {
    fn default() -> Self {
        Self { healthy: true, since: SystemTime::now(), why: None, crash_loop: None, checks: 0 }
    }
}

impl HealthRecord {
    pub(crate) fn status(&self) -> HealthStatus {
        self.lock().clone()
    }

    /// What the last bad answer was.
    pub(crate) fn why(&self) -> Option<String> {
        self.lock().why.clone()
    }

    /// Notes that the plugin is not restarted any more, after so many restarts. Returns whether that
    /// is new.
    pub(crate) fn enter_crash_loop(&self, restarts: u32) -> bool {
        self.lock().crash_loop.replace(restarts).is_none()
    }

    /// Keeps an answer.
    pub(crate) fn answered(&self, answer: &Result<(), CallError>) {
        let mut status = self.lock();
        status.checks += 1;
        status.why = answer.as_ref().err().map(|error| error.message().to_owned());
    }

    /// The answers so far changed what it counts as.
    pub(crate) fn changed(&self, health: Health) {
        let mut status = self.lock();
        status.healthy = health.is_healthy();
        status.crash_loop = None;
        status.since = SystemTime::now();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HealthStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
