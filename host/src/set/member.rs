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
    /// Where its bytes are now: a renamed file is the same plugin.
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
    /// All versions of it that serve.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Leased<Running>>> {
        std::iter::once(&self.running).chain(self.canary.iter().map(|canary| &canary.running))
    }

    /// What it is, or is about to be.
    pub(crate) fn aim(&self) -> &PluginIdentity {
        let canary = self.canary.as_ref().map(|canary| &canary.running.identity);
        canary.unwrap_or(&self.running.identity)
    }
}

/// How a version is, as its guard says.
pub(crate) fn condition(running: &Running, now: Instant) -> Condition {
    match running.guard.state(now) {
        _ if !running.guard.health().is_healthy() => Condition::Sick,
        BreakerState::Closed => Condition::Well,
        BreakerState::Open { .. } | BreakerState::HalfOpen => Condition::Broken,
    }
}

/// Whether a version gets calls as things are: one that does not is nothing to compare with.
pub(crate) fn is_well(running: &Running) -> bool {
    condition(running, Instant::now()) == Condition::Well
}
