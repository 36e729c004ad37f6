//! The endpoints of one service.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Instant;

use super::entry::Entry;
use super::limits::MassExpiry;
use crate::wire::{Endpoint, EndpointId, Host, Sequence};

#[derive(Debug, Default)]
pub(super) struct Service {
    pub(super) entries: BTreeMap<EndpointId, Entry>,
    addresses: HashMap<(Host, NonZeroU16), EndpointId>,
    /// The last change of it.
    pub(super) modified: Sequence,
}

impl Service {
    pub(super) fn at(&self, host: &Host, port: NonZeroU16) -> Option<&Entry> {
        let id = self.addresses.get(&(host.clone(), port))?;
        self.entries.get(id)
    }

    pub(super) fn insert(&mut self, entry: Entry) {
        let Endpoint { id, host, port, .. } = &*entry.endpoint;
        self.addresses.insert((host.clone(), *port), *id);
        self.entries.insert(*id, entry);
    }

    pub(super) fn remove(&mut self, id: EndpointId) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.addresses.remove(&(entry.endpoint.host.clone(), entry.endpoint.port));
        Some(entry)
    }

    /// Forgets the address of an endpoint that is about to get another one.
    pub(super) fn forget_address(&mut self, id: EndpointId) {
        if let Some(entry) = self.entries.get(&id) {
            self.addresses.remove(&(entry.endpoint.host.clone(), entry.endpoint.port));
        }
    }

    /// Whether so many endpoints are late that expired leases do not count.
    pub(super) fn mass_expiry(&self, rules: &MassExpiry, now: Instant) -> bool {
        let all = self.entries.len();
        let late = || self.entries.values().filter(|entry| entry.is_late(now)).count();
        all >= rules.least && late() * 2 > all
    }

    /// Which entries are visible, and whether each is retained. `keeps` is [`Keeps::of`] this service.
    pub(super) fn visible(&self, keeps: Keeps) -> impl Iterator<Item = (&Entry, bool)> {
        self.entries.values().filter_map(move |entry| Some((entry, keeps.is_retained(entry)?)))
    }
}

/// Which leases of a service count at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keeps {
    now: Instant,
    /// How long expired ones are kept, in a mass expiry.
    expired_for: Option<std::time::Duration>,
}

impl Keeps {
    pub(super) fn of(service: &Service, rules: &MassExpiry, now: Instant) -> Self {
        let expired_for = service.mass_expiry(rules, now).then_some(rules.keep);
        Self { now, expired_for }
    }

    /// Whether an entry is visible only because of a mass expiry; `None` if it is not visible.
    pub(super) fn is_retained(self, entry: &Entry) -> Option<bool> {
        if !entry.is_expired(self.now) {
            return Some(false);
        }
        let kept = self.expired_for.is_some_and(|most| entry.overdue(self.now) < most);
        (kept && !entry.fails_its_check()).then_some(true)
    }
}

/// The endpoint of an entry, flagged if it is retained.
pub(super) fn flagged(entry: &Entry, retained: bool) -> Arc<Endpoint> {
    if entry.endpoint.retained == retained {
        return Arc::clone(&entry.endpoint);
    }
    Arc::new(Endpoint { retained, ..Endpoint::clone(&entry.endpoint) })
}
