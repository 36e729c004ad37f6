//! Parts of the status, each without the price of the rest.

use std::time::SystemTime;

use super::{
    CapabilityStatus, DrainingStatus, GenerationStatus, capabilities, draining_versions, history,
    to_roll_back_to,
};
use crate::call::Snapshot;
use crate::config::PendingRestart;
use crate::host::Host;
use crate::report::Rejected;

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

    /// What can be called; see [`Status::capabilities`](crate::Status::capabilities).
    #[must_use]
    pub fn capabilities(&self) -> Vec<CapabilityStatus> {
        capabilities(&self.published.generation)
    }

    /// What was refused, by source, as of the last look.
    #[must_use]
    pub fn rejected(&self) -> &[Rejected] {
        &self.published.rejected
    }

    /// Settings that only a restart applies, as of the last look.
    #[must_use]
    pub fn pending_restart(&self) -> &[PendingRestart] {
        &self.published.pending_restart
    }

    /// The generation that an operator rolled back to, while changes are held back.
    #[must_use]
    pub fn pinned(&self) -> Option<u64> {
        self.published.pinned
    }

    /// The generations that can be rolled back to; see [`Status::history`](crate::Status::history).
    #[must_use]
    pub fn history(&self) -> Vec<GenerationStatus> {
        history(&self.published)
    }

    /// Of these, the one to roll back to if none is named; see
    /// [`Status::previous`](crate::Status::previous).
    #[must_use]
    pub fn previous(&self) -> Option<u64> {
        to_roll_back_to(&self.published)
    }
}

impl Host {
    /// Plugin versions that left and still have calls under way; see
    /// [`Status::draining`](crate::Status::draining).
    #[must_use]
    pub fn draining(&self) -> Vec<DrainingStatus> {
        draining_versions(&self.shared.draining)
    }
}
