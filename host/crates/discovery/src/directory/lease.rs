//! What changes an endpoint without a record: heartbeats, results of checks, and the flag of those
//! whose lease ran out in a mass expiry.

use std::sync::Arc;

use super::actor::Actor;
use super::directory::Directory;
use super::entry::{CheckResult, Entry};
use super::error::EndpointError;
use super::moment::Moment;
use super::service::Keeps;
use crate::wire::{Change, ChangeKind, EndpointId, HealthReport};

impl Directory {
    /// Renews a lease, and takes what the endpoint says of itself. It is idempotent: many heartbeats
    /// at once have the effect of one. Returns the changes that watchers see, which are none unless
    /// the report changed the status or the endpoint was retained.
    ///
    /// # Errors
    ///
    /// If there is no such endpoint, its lease ran out (unless it is retained), or somebody else owns
    /// it.
    pub fn heartbeat(
        &mut self,
        service: &str,
        id: EndpointId,
        actor: &Actor,
        report: Option<HealthReport>,
        now: Moment,
    ) -> Result<Vec<Arc<Change>>, EndpointError> {
        let entry = self.entry(service, id, now).ok_or(EndpointError::NotFound)?;
        if !actor.owns(entry.endpoint.owner.as_deref()) {
            return Err(EndpointError::NotOwner);
        }
        let renew = |entry: &mut Entry| {
            entry.renewed = now.mono;
            if let Some(report) = report {
                entry.report(report);
            }
        };
        let mut changes: Vec<_> = self.update(id, now, renew).into_iter().collect();
        changes.extend(self.set_retained(id, false, now));
        Ok(changes)
    }

    /// Takes the result of a check. Returns the change of the status, if it made one.
    pub fn checked(
        &mut self,
        id: EndpointId,
        result: CheckResult,
        now: Moment,
    ) -> Option<Arc<Change>> {
        self.update(id, now, |entry| entry.note(result, now.wall))
    }

    /// Flags the endpoints that a mass expiry keeps, and returns these changes. To be called after a
    /// sweep was applied.
    pub fn flag_retained(&mut self, now: Moment) -> Vec<Arc<Change>> {
        let rules = &self.limits.mass_expiry;
        let mut found = Vec::new();
        for service in self.services.values() {
            let keeps = Keeps::of(service, rules, now.mono);
            let new =
                service.visible(keeps).filter(|(entry, kept)| *kept && !entry.endpoint.retained);
            found.extend(new.map(|(entry, _)| entry.endpoint.id));
        }
        found.into_iter().filter_map(|id| self.set_retained(id, true, now)).collect()
    }

    /// Changes an entry, and makes a change of it if its status is another one then.
    fn update(
        &mut self,
        id: EndpointId,
        now: Moment,
        change: impl FnOnce(&mut Entry),
    ) -> Option<Arc<Change>> {
        let name = self.ids.get(&id)?.clone();
        let entry = self.services.get_mut(&name)?.entries.get_mut(&id)?;
        change(entry);
        let status = entry.status();
        if status == entry.endpoint.health {
            return None;
        }
        Arc::make_mut(&mut entry.endpoint).health = status;
        entry.since = now;
        self.changed(&name, id, ChangeKind::HealthChange, now)
    }

    fn set_retained(&mut self, id: EndpointId, retained: bool, now: Moment) -> Option<Arc<Change>> {
        let name = self.ids.get(&id)?.clone();
        let entry = self.services.get_mut(&name)?.entries.get_mut(&id)?;
        if entry.endpoint.retained == retained {
            return None;
        }
        Arc::make_mut(&mut entry.endpoint).retained = retained;
        self.changed(&name, id, ChangeKind::LeaseChange, now)
    }
}
