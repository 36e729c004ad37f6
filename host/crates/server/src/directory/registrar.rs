//! The directory in which a host registers its handlers: its own, or another one.

use std::collections::BTreeMap;

use plugbay_discovery::client::{Client, RegisteredEndpoint};
use plugbay_discovery::{
    Actor, ChangeError, EndpointId, LiveDirectory, RegisterError, Registration, ServiceName,
};

/// The directory in which a host registers its handlers, and those that are there.
#[derive(Debug)]
pub(super) enum Registrar {
    /// That of the host.
    Own { directory: LiveDirectory, ids: BTreeMap<ServiceName, EndpointId> },
    /// One that the host is a client of. The client keeps the leases.
    Other { client: Client, endpoints: BTreeMap<ServiceName, (Registration, RegisteredEndpoint)> },
}

impl Registrar {
    pub(super) fn own(directory: LiveDirectory) -> Self {
        Self::Own { directory, ids: BTreeMap::new() }
    }

    pub(super) fn other(client: Client) -> Self {
        Self::Other { client, endpoints: BTreeMap::new() }
    }

    /// The services under which there is an endpoint.
    pub(super) fn services(&self) -> Vec<ServiceName> {
        match self {
            Self::Own { ids, .. } => ids.keys().cloned().collect(),
            Self::Other { endpoints, .. } => endpoints.keys().cloned().collect(),
        }
    }

    /// Registers an endpoint, or changes or renews the one of its service. Another registration with the same address
    /// is this one before a crash of the host, because only this host listens there.
    pub(super) async fn put(&mut self, mut registration: Registration) -> Result<(), String> {
        let service = registration.service.clone();
        match self {
            Self::Own { directory, ids } => {
                registration.id = ids.get(&service).copied();
                let mut answer = directory.register(registration.clone(), actor()).await;
                if let Err(ChangeError::Refused(RegisterError::AddressTaken { id })) = answer {
                    registration.id = Some(id);
                    answer = directory.register(registration, actor()).await;
                }
                let registered = answer.map_err(|error| error.to_string())?;
                ids.insert(service, registered.id);
            }
            Self::Other { client, endpoints } => {
                if let Some((known, endpoint)) = endpoints.get(&service) {
                    if *known == registration {
                        return Ok(());
                    }
                    registration.id = Some(endpoint.id());
                }
                let endpoint = client.register(registration.clone()).await;
                let endpoint = endpoint.map_err(|error| error.to_string())?;
                registration.id = None;
                endpoints.insert(service, (registration, endpoint));
            }
        }
        Ok(())
    }

    /// Removes the endpoint of a service.
    pub(super) async fn remove(&mut self, service: &ServiceName) {
        match self {
            Self::Own { directory, ids } => {
                if let Some(id) = ids.remove(service) {
                    let _ = directory.deregister(service.clone(), id, actor()).await;
                }
            }
            Self::Other { endpoints, .. } => {
                if let Some((_, endpoint)) = endpoints.remove(service)
                    && let Err(error) = endpoint.deregister().await
                {
                    tracing::warn!(%service, reason = error.reason(), %error, "a handler stays in the directory until its lease runs out");
                }
            }
        }
    }

    /// Removes all endpoints.
    pub(super) async fn leave(mut self) {
        if let Self::Other { client, .. } = &self {
            // All at the same time.
            return client.leave(std::time::Duration::ZERO).await;
        }
        for service in self.services() {
            self.remove(&service).await;
        }
    }
}

/// The host itself: no token has such a name.
fn actor() -> Actor {
    Actor::named("(host)")
}
