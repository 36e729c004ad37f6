//! Registers the handlers of a host in its directory.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use plugbay::Host;
use plugbay::config::ListenAddress;
use plugbay_discovery::{Actor, EndpointId, LiveDirectory, Registration, ServiceName};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a handler stays after the host is gone without a word.
const TTL: Duration = Duration::from_secs(30);

/// The handlers of a host that are endpoints. They are no longer when [`Advertised::leave`] returns.
#[derive(Debug)]
pub(super) struct Advertised {
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Advertised {
    pub(super) fn start(host: Host, directory: LiveDirectory, data: &[ListenAddress]) -> Self {
        let stop = CancellationToken::new();
        let port = data.iter().find_map(ListenAddress::tcp);
        let advertiser =
            Advertiser { host, directory, data: port, own: BTreeMap::new(), told: BTreeSet::new() };
        let task = tokio::spawn(advertiser.run(stop.clone()));
        Self { stop, task: Some(task) }
    }

    pub(super) async fn leave(&mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            // A panic of it has been told by the hook, and the leases run out.
            let _ = task.await;
        }
    }
}

impl Drop for Advertised {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Advertiser {
    host: Host,
    directory: LiveDirectory,
    /// The first port of the data plane.
    data: Option<SocketAddr>,
    own: BTreeMap<ServiceName, EndpointId>,
    /// What cannot be advertised and has been told.
    told: BTreeSet<String>,
}

impl Advertiser {
    /// Follows the host: after each of its events, and in time for the leases.
    async fn run(mut self, stop: CancellationToken) {
        let mut events = self.host.subscribe();
        loop {
            self.synchronise().await;
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_event) = events.recv() => {}
                () = tokio::time::sleep(TTL / 3) => {}
            }
        }
        for (service, id) in std::mem::take(&mut self.own) {
            let _ = self.directory.deregister(service, id, actor()).await;
        }
    }

    /// Makes the directory's endpoints of this host those that it should have.
    async fn synchronise(&mut self) {
        let wanted = self.wanted();
        let names: BTreeSet<_> = wanted.iter().map(|it| it.service.clone()).collect();
        let gone: Vec<_> = self.own.keys().filter(|name| !names.contains(*name)).cloned().collect();
        for service in gone {
            if let Some(id) = self.own.remove(&service) {
                let _ = self.directory.deregister(service, id, actor()).await;
            }
        }
        for mut registration in wanted {
            let service = registration.service.clone();
            registration.id = self.own.get(&service).copied();
            match self.directory.register(registration, actor()).await {
                Ok(registered) => {
                    self.own.insert(service, registered.id);
                }
                Err(error) => {
                    let error = error.to_string();
                    self.tell(service.as_str(), &error);
                }
            }
        }
    }

    /// The registrations of the handlers that the configuration names.
    fn wanted(&mut self) -> Vec<Registration> {
        let config = self.host.config();
        let patterns = &config.discovery.advertise;
        if patterns.is_empty() {
            return Vec::new();
        }
        let Some((address, port)) = self.place(&config.discovery.address) else {
            return Vec::new();
        };
        let mut wanted = BTreeMap::new();
        for plugin in self.host.status().plugins {
            for capability in &plugin.capabilities {
                let Some(handler) = capability.strip_prefix("handler:") else { continue };
                if !patterns.iter().any(|it| it == "handler:*" || it == capability) {
                    continue;
                }
                let service: ServiceName = match handler.parse() {
                    Ok(service) => service,
                    Err(error) => {
                        self.tell(capability, &error);
                        continue;
                    }
                };
                let mut registration = Registration::new(service.clone(), address.clone(), port);
                registration.ttl = TTL;
                registration.metadata = [("plugin", &plugin.name), ("version", &plugin.version)]
                    .map(|(key, value)| (key.to_owned(), value.clone()))
                    .into();
                // Of several plugins with this handler the host chooses: they are one endpoint.
                wanted.entry(service).or_insert(registration);
            }
        }
        wanted.into_values().collect()
    }

    /// Where clients reach the data plane.
    fn place(&mut self, configured: &str) -> Option<(plugbay_discovery::Host, NonZeroU16)> {
        let data = self.data;
        let port = data.and_then(|data| NonZeroU16::new(data.port()));
        let address = if configured.is_empty() {
            data.map(|data| data.ip().to_string()).unwrap_or_default()
        } else {
            configured.to_owned()
        };
        if let (Ok(address), Some(port)) = (address.parse(), port) {
            return Some((address, port));
        }
        self.tell(
            "discovery.advertise",
            "expected an address that others can connect to: set discovery.address",
        );
        None
    }

    /// Logs once why something is not advertised.
    fn tell(&mut self, what: &str, error: &str) {
        if self.told.insert(format!("{what}: {error}")) {
            tracing::warn!(what, error, "a handler is not in the directory");
        }
    }
}

/// The host itself: no token has such a name.
fn actor() -> Actor {
    Actor::named("(host)")
}
