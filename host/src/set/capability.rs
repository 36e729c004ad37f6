//! A capability in a generation: who offers it, and how calls are given out among several.

use std::sync::Arc;

use plugbay_core::{CapabilityDescription, CapabilityKey, Kind, Provider};
use plugbay_guard::Seat;
use plugbay_registry::Leased;

use super::retries::Retries;
use super::running::Running;
use super::trial::Trial;
use crate::config::RequestKey;

/// A plugin that offers a capability.
#[derive(Clone)]
pub(crate) struct Target {
    /// The running plugin's, at hand for every call.
    pub(crate) provider: Provider,
    pub(crate) running: Arc<Leased<Running>>,
    /// The capability's index in the plugin's description.
    pub(crate) index: usize,
}

impl Target {
    /// What the plugin says of the capability.
    pub(crate) fn described(&self) -> &CapabilityDescription {
        &self.running.description.capabilities[self.index]
    }

    /// The call object of kind `K`.
    #[inline]
    pub(crate) fn call<K: Kind>(&self) -> Option<&Arc<K::Call>> {
        self.provider.get::<K>()
    }
}

/// A capability in a generation.
#[derive(Clone)]
pub(crate) struct Capability {
    pub(crate) key: CapabilityKey,
    /// Who offers it; of several, the first.
    pub(crate) first: Target,
    /// The others, if there are any.
    pub(crate) spread: Option<Arc<Spread>>,
}

impl Capability {
    /// The provider of this index: 0 is the first.
    pub(crate) fn target(&self, index: usize) -> Option<&Target> {
        match index.checked_sub(1) {
            None => Some(&self.first),
            Some(index) => self.spread.as_ref()?.others.get(index),
        }
    }

    /// All who offer it, in order.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &Target> {
        let others = self.spread.iter().flat_map(|spread| &spread.others);
        std::iter::once(&self.first).chain(others)
    }
}

/// The providers beside the first, and how calls are given out among them all.
pub(crate) struct Spread {
    /// In the order of the configuration.
    pub(crate) others: Vec<Target>,
    pub(crate) rule: Rule,
    /// What makes requests of a handler stick to one provider.
    pub(crate) key: Option<RequestKey>,
    /// What the calls that go on to another provider cost.
    pub(crate) retries: Arc<Retries>,
}

/// How calls are given out.
pub(crate) enum Rule {
    /// To the first that is well; to the next where one fails.
    Failover,
    /// By weight, one seat for each provider.
    Split(Vec<Seat>),
    /// A small share to the second, a new version of the first's plugin.
    Canary(Arc<Trial>),
}

impl Rule {
    /// The word in configuration and status.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::Split(_) => "split",
            Self::Canary(_) => "canary",
        }
    }
}
