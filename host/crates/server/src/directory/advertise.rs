//! Registers the handlers of a host in a directory.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use plugbay::Host;
use plugbay::config::ListenAddress;
use plugbay_discovery::{Registration, ServiceName};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::registrar::Registrar;

/// How long a handler stays after the host is gone without a word.
const TTL: Duration = Duration::from_secs(30);
/// How long it may take to leave a directory that does not answer.
const LEAVE: Duration = Duration::from_secs(5);

/// The handlers of a host that are endpoints. They are no longer when [`Advertised::leave`] returns.
#[derive(Debug)]
pub(super) struct Advertised {
    stop: CancellationToken,
    task: Option<JoinHandle<Registrar>>,
}

impl Advertised {
    pub(super) fn start(host: Host, registrar: Registrar, data: &[ListenAddress]) -> Self {
        let stop = CancellationToken::new();
        let port = data.iter().find_map(ListenAddress::tcp);
        let advertiser = Advertiser { host, registrar, data: port, told: BTreeSet::new() };
        let task = tokio::spawn(advertiser.run(stop.clone()));
        Self { stop, task: Some(task) }
    }

    pub(super) async fn leave(&mut self) {
        let leaving = async {
            if let Some(registrar) = self.stopped().await {
                registrar.leave().await;
            }
        };
        if tokio::time::timeout(LEAVE, leaving).await.is_err() {
            tracing::warn!(
                "the directory does not answer: the handlers stay there until their leases run out"
            );
        }
    }

    /// Stops to keep the handlers, which another process does from now on.
    pub(super) async fn hand_over(&mut self) {
        // The leases outlast what a directory may take that does not answer.
        let _ = tokio::time::timeout(LEAVE, self.stopped()).await;
    }

    async fn stopped(&mut self) -> Option<Registrar> {
        self.stop.cancel();
        // A panic of it has been told by the hook, and the leases run out.
        self.task.take()?.await.ok()
    }
}

impl Drop for Advertised {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Advertiser {
    host: Host,
    registrar: Registrar,
    /// The first port of the data plane.
    data: Option<SocketAddr>,
    /// What cannot be advertised and has been told.
    told: BTreeSet<String>,
}

impl Advertiser {
    /// Follows the host: after each of its events, and in time for the leases.
    async fn run(mut self, stop: CancellationToken) -> Registrar {
        let mut events = self.host.subscribe();
        loop {
            self.synchronise(&stop).await;
            tokio::select! {
                () = stop.cancelled() => return self.registrar,
                Some(_event) = events.recv() => {}
                () = tokio::time::sleep(TTL / 3) => {}
            }
        }
    }

    /// Makes the directory's endpoints of this host those that it should have.
    async fn synchronise(&mut self, stop: &CancellationToken) {
        let wanted = self.wanted();
        let names: BTreeSet<_> = wanted.iter().map(|it| it.service.clone()).collect();
        for service in self.registrar.services() {
            if !names.contains(&service) && !stop.is_cancelled() {
                self.registrar.remove(&service).await;
            }
        }
        for registration in wanted {
            if stop.is_cancelled() {
                return;
            }
            let service = registration.service.clone();
            if let Err(error) = self.registrar.put(registration).await {
                self.tell(service.as_str(), &error);
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
