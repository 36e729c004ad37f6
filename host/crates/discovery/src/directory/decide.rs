//! What a registration, a deregistration or a sweep would change.

use super::actor::Actor;
use super::directory::Directory;
use super::error::{EndpointError, RegisterError};
use super::moment::Moment;
use super::service::{Keeps, Service};
use crate::store::Record;
use crate::wire::{
    DeregisterReason, Endpoint, EndpointId, HealthStatus, Registration, Sequence, ServiceName,
};

/// What was decided: records to keep and then to apply, and what to answer once that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<T> {
    /// The records.
    pub records: Vec<Record>,
    /// The answer.
    pub answer: T,
}

/// The answer to a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The identifier of the endpoint.
    pub id: EndpointId,
    /// Whether it is new. Otherwise it was registered again.
    pub created: bool,
    /// The endpoint whose lease ran out and whose host and port this one has now.
    pub replaced: Option<EndpointId>,
}

impl Directory {
    /// Decides a registration. `new` becomes the identifier of an endpoint that brings none.
    ///
    /// # Errors
    ///
    /// If another endpoint of the service has its host and port, if its identifier belongs to another
    /// service or owner, or if the directory is full.
    pub fn register(
        &self,
        registration: Registration,
        actor: &Actor,
        new: EndpointId,
        now: Moment,
    ) -> Result<Decision<Registered>, RegisterError> {
        let id = registration.id.unwrap_or(new);
        let name = &registration.service;
        if self.ids.get(&id).is_some_and(|service| service != name) {
            return Err(RegisterError::IdTaken);
        }
        let service = self.services.get(name);
        let before = service.and_then(|it| it.entries.get(&id));
        if before.is_some_and(|it| !actor.owns(it.endpoint.owner.as_deref())) {
            return Err(RegisterError::NotOwner);
        }
        let (mut records, mut replaced) = (Vec::new(), None);
        let holder = service.and_then(|it| it.at(&registration.host, registration.port));
        if let Some(holder) = holder.filter(|it| it.endpoint.id != id) {
            let holder_id = holder.endpoint.id;
            // Without its lease it has no claim, even if it is retained.
            if !holder.is_expired(now.mono) {
                return Err(RegisterError::AddressTaken { id: holder_id });
            }
            replaced = Some(holder_id);
            records.push(removal(name, holder_id, DeregisterReason::Expired));
        }
        if before.is_none() && records.is_empty() {
            self.check_room(service)?;
        }
        let owner = before.and_then(|it| it.endpoint.owner.clone()).or_else(|| actor.name.clone());
        let registered_at = before.map_or(now.wall, |it| it.endpoint.registered_at);
        let Registration { service, host, port, metadata, tags, weight, ttl, check, id: _ } =
            registration;
        let endpoint = Endpoint {
            id,
            service,
            host,
            port,
            metadata,
            tags,
            weight,
            health: HealthStatus::default(),
            ttl,
            check,
            owner,
            registered_at,
            sequence: Sequence::default(),
            retained: false,
        };
        let created = before.is_none_or(|it| it.is_expired(now.mono));
        records.push(Record::Put { endpoint });
        Ok(Decision { records, answer: Registered { id, created, replaced } })
    }

    fn check_room(&self, service: Option<&Service>) -> Result<(), RegisterError> {
        let full = |most, of| Err(RegisterError::Full { most, of });
        if self.ids.len() >= self.limits.endpoints {
            return full(self.limits.endpoints, "in the directory");
        }
        if service.is_some_and(|it| it.entries.len() >= self.limits.per_service) {
            return full(self.limits.per_service, "of this service");
        }
        Ok(())
    }

    /// Decides a deregistration.
    ///
    /// # Errors
    ///
    /// If there is no such endpoint, its lease ran out, or somebody else owns it.
    pub fn deregister(
        &self,
        service: &str,
        id: EndpointId,
        actor: &Actor,
        now: Moment,
    ) -> Result<Decision<()>, EndpointError> {
        let entry = self.entry(service, id, now).ok_or(EndpointError::NotFound)?;
        if !actor.owns(entry.endpoint.owner.as_deref()) {
            return Err(EndpointError::NotOwner);
        }
        let removal = removal(&entry.endpoint.service, id, DeregisterReason::Deregistered);
        Ok(Decision { records: vec![removal], answer: () })
    }

    /// Decides which endpoints leave: those whose lease ran out, unless in a mass expiry, and those
    /// that were critical for too long.
    #[must_use]
    pub fn sweep(&self, now: Moment) -> Vec<Record> {
        let mut records = Vec::new();
        for (name, service) in &self.services {
            let keeps = Keeps::of(service, &self.limits.mass_expiry, now.mono);
            for (id, entry) in &service.entries {
                let reason = if keeps.is_retained(entry).is_none() {
                    DeregisterReason::Expired
                } else if entry.critical_for_too_long(now.mono) {
                    DeregisterReason::Critical
                } else {
                    continue;
                };
                records.push(removal(name, *id, reason));
            }
        }
        records
    }
}

fn removal(service: &ServiceName, id: EndpointId, reason: DeregisterReason) -> Record {
    Record::Remove { service: service.clone(), id, reason }
}
