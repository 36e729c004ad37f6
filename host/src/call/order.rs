//! Several providers of one capability: who is asked, in which order, and who is asked next.

use plugbay_guard::{Seat, pick_among};

use crate::set::{Capability, Rule, Target};

/// The providers of one call, in the order in which they are asked.
pub(crate) struct ProviderOrder<'a> {
    capability: &'a Capability,
    /// What is left to choose from: a seat for each provider, without weight for those that were
    /// asked. Empty if they are asked in their own order.
    seats: Vec<Seat>,
    key: Option<&'a [u8]>,
    next: usize,
}

impl<'a> ProviderOrder<'a> {
    /// `key` makes a split sticky: the same key finds the same provider.
    pub(crate) fn new(capability: &'a Capability, key: Option<&'a [u8]>) -> Self {
        let rule = capability.spread.as_ref().map(|spread| &spread.rule);
        let seats = match rule {
            None | Some(Rule::Failover) => Vec::new(),
            Some(Rule::Split(seats)) => seats.clone(),
            Some(Rule::Canary(trial)) => trial.seats().to_vec(),
        };
        Self { capability, seats, key, next: 0 }
    }
}

impl<'a> Iterator for ProviderOrder<'a> {
    /// A provider, and which it is.
    type Item = (usize, &'a Target);

    fn next(&mut self) -> Option<Self::Item> {
        let asked = self.next;
        self.next += 1;
        let others = self.capability.spread.as_ref().map_or(0, |spread| spread.others.len());
        if asked > others {
            return None;
        }
        let index = if self.seats.is_empty() {
            asked
        } else {
            // A provider without weight gets no calls, not even in place of another that was asked
            // or is not there.
            if self.seats.iter().all(|seat| seat.weight == 0) {
                return None;
            }
            let index = pick_among(&self.seats, self.key, || fastrand::u64(..))?;
            self.seats[index].weight = 0;
            index
        };
        Some((index, self.capability.target(index)?))
    }
}
