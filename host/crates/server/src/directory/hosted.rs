//! The directory of a host, and its handlers in this or another one, by `[discovery]` of its configuration.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use plugbay::Host;
use plugbay::config::{DiscoverySettings, ListenAddress};
use plugbay_discovery::dns::Zone;
use plugbay_discovery::{DirectoryCollector, LiveDirectory, LiveSettings, SqliteStore, StoreError};

use super::advertise::Advertised;
use super::dns::DirectoryDns;
use super::other;
use super::registrar::Registrar;
use super::server::DirectoryServer;
use super::settings::DirectorySettings;
use crate::bind_error::BindError;

/// The directory of a host, and its handlers in this or another one.
#[derive(Debug)]
pub struct HostedDirectory {
    server: Option<DirectoryServer>,
    zone: Option<DirectoryDns>,
    advertised: Advertised,
}

impl HostedDirectory {
    /// Serves the directory of this host, if its configuration has one, and registers the handlers that it advertises,
    /// at the first of the data plane's ports: there, or in the directory that the configuration names. `token` is for
    /// that one, if the configuration names no file of a token. Blocks while a file of endpoints is read.
    ///
    /// # Errors
    ///
    /// As [`DirectoryServer::bind`], if the file of endpoints cannot be used, the zone cannot be served, or the settings
    /// for the other directory cannot be used. That one need not run yet.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn start(
        host: &Host,
        data: &[ListenAddress],
        token: Option<&str>,
    ) -> Result<Option<Self>, BindError> {
        let config = host.config();
        let discovery = &config.discovery;
        let other = other::client(discovery, token).await?;
        let own = if discovery.enabled { Some(open(discovery)?) } else { None };
        let (mut server, mut zone) = (None, None);
        if let Some((directory, settings)) = &own {
            server = Some(DirectoryServer::bind(directory.clone(), settings)?);
            if let Some(address) = discovery.dns {
                let name = Zone::new(&discovery.zone).map_err(BindError::DirectoryZone)?;
                zone = Some(DirectoryDns::bind(directory.clone(), address, name).await?);
            }
            let collector = Arc::new(DirectoryCollector::new(directory.clone()));
            if let Err(error) = host.collectors().register("directory", collector) {
                tracing::debug!(collector = "directory", %error, "figures are not shown");
            }
        }
        let registrar = match (other, own) {
            (Some(client), _) => Registrar::other(client),
            (None, Some((directory, _))) => Registrar::own(directory),
            (None, None) => return Ok(None),
        };
        let advertised = Advertised::start(host.clone(), registrar, data);
        Ok(Some(Self { server, zone, advertised }))
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &[ListenAddress] {
        self.server.as_ref().map_or(&[], DirectoryServer::addresses)
    }

    /// The directory that is served and the address of it that a client is given, if one is.
    pub(crate) fn shown(&self) -> Option<(LiveDirectory, String)> {
        let server = self.server.as_ref()?;
        let address = server.addresses().first()?;
        let url = match address.tcp() {
            Some(address) if server.has_tls() => format!("https://{address}"),
            Some(address) => format!("http://{address}"),
            None => address.to_string(),
        };
        Some((server.directory().clone(), url))
    }

    /// Where it answers DNS, if it does.
    #[must_use]
    pub fn dns(&self) -> Option<SocketAddr> {
        self.zone.as_ref().map(DirectoryDns::address)
    }

    /// Leaves the handlers of this host in the directory to another process, which serves in its place.
    pub async fn hand_over(&mut self) {
        self.advertised.hand_over().await;
    }

    /// Removes the handlers of this host from the directory, so that its clients look elsewhere before it stops.
    pub async fn leave(&mut self) {
        self.advertised.leave().await;
    }

    /// Stops the directory.
    pub async fn stop(self, drain: Duration) {
        if let Some(zone) = self.zone {
            zone.stop().await;
        }
        if let Some(server) = self.server {
            server.stop(drain).await;
        }
    }
}

/// The directory with what its file kept, and where it is served.
fn open(discovery: &DiscoverySettings) -> Result<(LiveDirectory, DirectorySettings), BindError> {
    let DiscoverySettings { listen, data, tokens, tls, .. } = discovery;
    let named = |file: &PathBuf| Some(file.clone()).filter(|file| !file.as_os_str().is_empty());
    let settings = DirectorySettings {
        listen: listen.clone(),
        tokens: named(tokens),
        tls: tls.clone(),
        ..DirectorySettings::default()
    };
    let mut live = LiveSettings::default();
    if settings.is_local() {
        live.checks = live.checks.with_loopback();
    }
    let directory = match named(data) {
        None => LiveDirectory::in_memory(live),
        Some(path) => {
            let open = SqliteStore::open(&path).map_err(StoreError::from);
            let opened = open.and_then(|store| LiveDirectory::open(live, Box::new(store)));
            opened.map_err(|source| BindError::DirectoryStore { path, source })?
        }
    };
    Ok((directory, settings))
}
