//! The content of the one cell, and the right to call a capability in it.

use std::sync::Arc;

use plugbay_core::{Context, Services};
use plugbay_registry::{Pass, Swap};

use super::absent::Absent;
use super::capability::Capability;
use super::generation::Generation;
use super::overrides::Overrides;
use super::past::PastGeneration;
use super::running::Running;
use crate::config::PendingRestart;
use crate::report::{Rejected, Report};

/// The content of the cell: the generation that serves, and the other results of the last
/// reconciliation. One store publishes both, so that no reader sees one without the other.
pub(crate) struct PublishedSet {
    pub(crate) generation: Arc<Generation>,
    /// The services of this generation for plugins.
    pub(crate) services: Arc<dyn Services>,
    pub(crate) rejected: Arc<[Rejected]>,
    /// The plugins that are known and do not serve.
    pub(crate) absent: Arc<Absent>,
    /// The generation that an operator rolled back to, while changes are held back.
    pub(crate) pinned: Option<u64>,
    /// The generations that can be rolled back to, oldest first.
    pub(crate) history: Arc<[Arc<PastGeneration>]>,
    pub(crate) pending_restart: Arc<[PendingRestart]>,
    /// What operators switched, as it is in force.
    pub(crate) overrides: Arc<Overrides>,
}

/// The one cell that requests read and the reconciler stores to.
pub(crate) type Cell = Swap<PublishedSet>;

/// The counted right to call one capability in one generation.
pub(crate) struct CallPass<'a> {
    /// Dropped first, in the order of the fields.
    _plugin: Option<Pass<'a, Running>>,
    /// The pass of the whole generation, if other plugins in it may be called.
    _users: Option<Pass<'a, ()>>,
}

impl PublishedSet {
    /// Takes the right to call `capability`, or `None` if the set was retired meanwhile.
    #[inline]
    pub(crate) fn enter<'a>(&'a self, capability: &'a Capability) -> Option<CallPass<'a>> {
        if capability.balancing.is_some() {
            // It is not known yet which provider will answer. A pass of the generation keeps all
            // its plugins from being shut down.
            return Some(CallPass {
                _plugin: None,
                _users: Some(self.generation.users.enter().ok()?),
            });
        }
        let running = &capability.first.running;
        let users =
            if running.calls_others { Some(self.generation.users.enter().ok()?) } else { None };
        Some(CallPass { _plugin: Some(running.enter().ok()?), _users: users })
    }

    /// The context of a call from outside.
    #[inline]
    pub(crate) fn context(&self) -> Context<'_> {
        Context::new(&self.services).in_generation(self.generation.number)
    }

    /// The report of a reconciliation that changed nothing.
    pub(crate) fn unchanged(&self) -> Report {
        Report {
            generation: self.generation.number,
            published: false,
            loaded: Vec::new(),
            retired: Vec::new(),
            rejected: self.rejected.to_vec(),
            preparing: Vec::new(),
        }
    }
}
