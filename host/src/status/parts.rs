//! Parts of the status, each without the cost of the rest.

use std::time::SystemTime;

use super::{
    CapabilityStatus, DrainingStatus, GenerationStatus, capabilities, default_rollback,
    draining_versions, history,
};
use crate::call::Snapshot;
use crate::config::PendingRestart;
use crate::host::Host;
use crate::report::Rejected;
use crate::set::Override;

impl Snapshot {
    /// When the generation was published; see [`Status::published_at`](crate::Status::published_at).
    #[must_use]
    pub fn published_at(&self) -> SystemTime {
        self.published.generation.published
    }

    /// How many plugins the generation holds.
    #[must_use]
    pub fn plugin_count(&self) -> usize {
        self.published.generation.plugins.len()
    }

    /// The capabilities that can be called; see
    /// [`Status::capabilities`](crate::Status::capabilities).
    #[must_use]
    pub fn capabilities(&self) -> Vec<CapabilityStatus> {
        capabilities(&self.published.generation)
    }

    /// The rejections, by source, as of the last reconciliation.
    #[must_use]
    pub fn rejected(&self) -> &[Rejected] {
        &self.published.rejected
    }

    /// Settings that only a restart applies, as of the last reconciliation.
    #[must_use]
    pub fn pending_restart(&self) -> &[PendingRestart] {
        &self.published.pending_restart
    }

    /// The generation that an operator rolled back to, while changes are held back.
    #[must_use]
    pub fn pinned(&self) -> Option<u64> {
        self.published.pinned
    }

    /// What operators switched over the configuration; see
    /// [`Status::overrides`](crate::Status::overrides).
    #[must_use]
    pub fn overrides(&self) -> &[Override] {
        self.published.overrides.list()
    }

    /// The generations that can be rolled back to; see [`Status::history`](crate::Status::history).
    #[must_use]
    pub fn history(&self) -> Vec<GenerationStatus> {
        history(&self.published)
    }

    /// The default target of a rollback; see [`Status::previous`](crate::Status::previous).
    #[must_use]
    pub fn previous(&self) -> Option<u64> {
        default_rollback(&self.published)
    }
}

impl Host {
    /// Retired plugin versions that still have calls in flight; see
    /// [`Status::draining`](crate::Status::draining).
    #[must_use]
    pub fn draining(&self) -> Vec<DrainingStatus> {
        draining_versions(&self.shared.draining)
    }
}
