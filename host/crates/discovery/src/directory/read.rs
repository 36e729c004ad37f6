//! Answers to lookups and watchers.

use std::time::Duration;

use super::directory::Directory;
use super::entry::Entry;
use super::history::{Caught, HistoryLost};
use super::moment::Moment;
use super::query::{Counts, Query, Scope, Snapshot};
use super::service::{Keeps, flagged};
use crate::wire::{Endpoint, EndpointId, Health, Sequence, ServiceName};

impl Directory {
    /// The endpoints of a service that a query asks for. None has an expired lease, whether a sweep
    /// has run or not, unless it is flagged as retained.
    #[must_use]
    pub fn lookup(&self, service: &str, query: &Query, now: Moment) -> Snapshot {
        let Some(found) = self.services.get(service) else {
            return Snapshot { sequence: self.sequence(), endpoints: Vec::new(), next: None };
        };
        let keeps = Keeps::of(found, &self.limits.mass_expiry, now.mono);
        let most = query.limit.unwrap_or(usize::MAX);
        let wanted = found
            .visible(keeps)
            .filter(|(entry, _)| query.after.is_none_or(|after| entry.endpoint.id > after))
            .filter(|(entry, _)| query.matches(&entry.endpoint));
        let mut endpoints: Vec<_> = wanted
            .take(most.saturating_add(1))
            .map(|(entry, retained)| flagged(entry, retained))
            .collect();
        let more = endpoints.len() > most;
        endpoints.truncate(most);
        let next = endpoints.last().filter(|_| more).map(|it| it.id);
        Snapshot { sequence: found.modified, endpoints, next }
    }

    /// All endpoints within a scope, unhealthy ones too, as of the directory's last change: where a
    /// watcher begins.
    #[must_use]
    pub fn snapshot(&self, scope: &Scope, now: Moment) -> Snapshot {
        let services = self.services.iter().filter(|(name, _)| scope.contains(name));
        let endpoints = services
            .flat_map(|(_, service)| {
                let keeps = Keeps::of(service, &self.limits.mass_expiry, now.mono);
                service.visible(keeps).map(|(entry, retained)| flagged(entry, retained))
            })
            .collect();
        Snapshot { sequence: self.sequence(), endpoints, next: None }
    }

    /// All services with visible endpoints, in the order of their names.
    pub fn services(&self, now: Moment) -> impl Iterator<Item = (&ServiceName, Counts)> {
        self.services.iter().filter_map(move |(name, service)| {
            let keeps = Keeps::of(service, &self.limits.mass_expiry, now.mono);
            let mut counts = Counts::default();
            for (entry, retained) in service.visible(keeps) {
                counts.add(entry.endpoint.health, retained);
            }
            (counts.all > 0).then_some((name, counts))
        })
    }

    /// One endpoint, healthy or not.
    #[must_use]
    pub fn endpoint(
        &self,
        service: &str,
        id: EndpointId,
        now: Moment,
    ) -> Option<std::sync::Arc<Endpoint>> {
        let entry = self.entry(service, id, now)?;
        Some(flagged(entry, entry.is_expired(now.mono)))
    }

    /// What is known of an endpoint's health.
    #[must_use]
    pub fn health(&self, service: &str, id: EndpointId, now: Moment) -> Option<Health> {
        self.entry(service, id, now).map(Entry::health)
    }

    /// What is left of an endpoint's lease: zero if it is retained.
    #[must_use]
    pub fn lease_left(&self, service: &str, id: EndpointId, now: Moment) -> Option<Duration> {
        self.entry(service, id, now).map(|entry| entry.left(now.mono))
    }

    /// Which service an identifier belongs to.
    #[must_use]
    pub fn service_of(&self, id: EndpointId) -> Option<&ServiceName> {
        self.ids.get(&id)
    }

    /// The number of the last change of a service; if it has no endpoints, of the directory.
    #[must_use]
    pub fn modified(&self, scope: &Scope) -> Sequence {
        self.modified_if_known(scope).unwrap_or_else(|| self.sequence())
    }

    /// The changes within a scope after a sequence number.
    ///
    /// # Errors
    ///
    /// If the history does not reach back to that number, or it was never given out. Changes of other
    /// services do not make a watcher of one service lose its history.
    pub fn changes_since(&self, since: Sequence, scope: &Scope) -> Result<Caught, HistoryLost> {
        self.history.since(since, scope, self.modified_if_known(scope))
    }

    fn modified_if_known(&self, scope: &Scope) -> Option<Sequence> {
        match scope {
            Scope::All => None,
            Scope::Service(name) => self.services.get(name).map(|it| it.modified),
        }
    }

    /// An entry whose lease counts.
    pub(super) fn entry(&self, service: &str, id: EndpointId, now: Moment) -> Option<&Entry> {
        let service = self.services.get(service)?;
        let entry = service.entries.get(&id)?;
        let counts = !entry.is_expired(now.mono)
            || Keeps::of(service, &self.limits.mass_expiry, now.mono).is_retained(entry).is_some();
        counts.then_some(entry)
    }
}
