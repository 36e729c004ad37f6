//! The order in which the providers of one capability are called.

use plugbay_guard::{WeightedProvider, pick_among};

use crate::set::{Capability, Rule, Target};

/// The providers of one call, in the order in which they are called.
pub(crate) struct ProviderOrder<'a> {
    capability: &'a Capability,
    /// The weights of the providers, zero for those that were called already. Empty if the
    /// providers are called in their configured order.
    providers: Vec<WeightedProvider>,
    key: Option<&'a [u8]>,
    next: usize,
}

impl<'a> ProviderOrder<'a> {
    /// `key` makes a split sticky: the same key finds the same provider.
    pub(crate) fn new(capability: &'a Capability, key: Option<&'a [u8]>) -> Self {
        let rule = capability.balancing.as_ref().map(|balancing| &balancing.rule);
        let providers = match rule {
            None | Some(Rule::Failover) => Vec::new(),
            Some(Rule::Split(providers)) => providers.clone(),
            Some(Rule::Canary(trial)) => trial.providers().to_vec(),
        };
        Self { capability, providers, key, next: 0 }
    }
}

impl<'a> Iterator for ProviderOrder<'a> {
    /// A provider, and its index.
    type Item = (usize, &'a Target);

    fn next(&mut self) -> Option<Self::Item> {
        let asked = self.next;
        self.next += 1;
        let others =
            self.capability.balancing.as_ref().map_or(0, |balancing| balancing.others.len());
        if asked > others {
            return None;
        }
        let index = if self.providers.is_empty() {
            asked
        } else {
            // A provider without weight gets no calls, not even in place of another that was called
            // already or is missing.
            if self.providers.iter().all(|provider| provider.weight == 0) {
                return None;
            }
            let index = pick_among(&self.providers, self.key, || fastrand::u64(..))?;
            self.providers[index].weight = 0;
            index
        };
        Some((index, self.capability.target(index)?))
    }
}
