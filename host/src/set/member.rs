//! A plugin in a generation, and the version of it that is on trial.

use std::sync::Arc;
use std::time::Instant;

use plugbay_core::Source;
use plugbay_guard::BreakerState;
use plugbay_registry::Leased;

use super::identity::PluginIdentity;
use super::running::Running;
use super::trial::{Condition, Trial};

/// A plugin in a generation. The same [`Running`] may stand in many.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) running: Arc<Leased<Running>>,
    /// The current location of its bytes: a renamed file is the same plugin.
    pub(crate) source: Source,
    /// The first generation that held it.
    pub(crate) since: u64,
    /// A new version that serves a share of the calls, on trial.
    pub(crate) canary: Option<Canary>,
}

/// A plugin version on trial.
#[derive(Clone)]
pub(crate) struct Canary {
    pub(crate) running: Arc<Leased<Running>>,
    pub(crate) source: Source,
    /// The first generation that held it.
    pub(crate) since: u64,
    pub(crate) trial: Arc<Trial>,
}

impl Member {
    /// All its versions that serve.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Leased<Running>>> {
        std::iter::once(&self.running).chain(self.canary.iter().map(|canary| &canary.running))
    }

    /// The identity of its newest version: that on trial, if there is one.
    pub(crate) fn newest_identity(&self) -> &PluginIdentity {
        let canary = self.canary.as_ref().map(|canary| &canary.running.identity);
        canary.unwrap_or(&self.running.identity)
    }
}

/// The condition of a version, by its guard.
pub(crate) fn condition(running: &Running, now: Instant) -> Condition {
    match running.guard.state(now) {
        // An operator's hold says nothing about the version, and holds both versions of a trial.
        _ if running.guard.is_held() => Condition::Held,
        _ if !running.guard.health().is_healthy() => Condition::Unhealthy,
        BreakerState::Closed => Condition::Serving,
        BreakerState::Open { .. } | BreakerState::HalfOpen => Condition::BreakerOpen,
    }
}

/// Whether a version is healthy and its breaker closed: only then can a new version be compared
/// with it.
pub(crate) fn gets_calls(running: &Running) -> bool {
    condition(running, Instant::now()) == Condition::Serving
}
