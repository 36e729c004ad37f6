//! A capability in a generation: its providers, and how calls are distributed among them.

use std::sync::Arc;

use plugbay_core::{CapabilityDescription, CapabilityKey, Kind, Provider};
use plugbay_guard::WeightedProvider;
use plugbay_registry::Leased;

use super::retries::Retries;
use super::running::Running;
use super::trial::Trial;
use crate::config::RequestKey;

/// A plugin that offers a capability.
#[derive(Clone)]
pub(crate) struct Target {
    /// The provider of the running plugin, kept here for fast access.
    pub(crate) provider: Provider,
    pub(crate) running: Arc<Leased<Running>>,
    /// The capability's index in the plugin's description.
    pub(crate) index: usize,
}

impl Target {
    /// The plugin's description of the capability.
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
    /// The first provider.
    pub(crate) first: Target,
    /// The other providers, if there are any, and the rule of distribution.
    pub(crate) balancing: Option<Arc<Balancing>>,
}

impl Capability {
    /// The provider with this index; 0 is the first.
    pub(crate) fn target(&self, index: usize) -> Option<&Target> {
        match index.checked_sub(1) {
            None => Some(&self.first),
            Some(index) => self.balancing.as_ref()?.others.get(index),
        }
    }

    /// All providers, in order.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &Target> {
        let others = self.balancing.iter().flat_map(|balancing| &balancing.others);
        std::iter::once(&self.first).chain(others)
    }
}

/// The providers besides the first, and how calls are distributed among all of them.
pub(crate) struct Balancing {
    /// In the order of the configuration.
    pub(crate) others: Vec<Target>,
    pub(crate) rule: Rule,
    /// The key by which requests of a handler are sticky.
    pub(crate) key: Option<RequestKey>,
    /// The budget and the counts of retries.
    pub(crate) retries: Arc<Retries>,
}

/// How calls are distributed.
pub(crate) enum Rule {
    /// To the first healthy provider; to the next where one fails.
    Failover,
    /// By weight, with one entry for each provider.
    Split(Vec<WeightedProvider>),
    /// A share of the calls goes to the second provider, a new version of the first one's plugin.
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
