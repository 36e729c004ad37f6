//! The directory of a host, by `[discovery]` of its configuration.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use plugbay::Host;
use plugbay::config::{DiscoverySettings, ListenAddress};
use plugbay_discovery::{DirectoryCollector, LiveDirectory, LiveSettings, SqliteStore, StoreError};

use super::advertise::Advertised;
use super::server::DirectoryServer;
use super::settings::DirectorySettings;
use crate::bind_error::BindError;

/// The directory of a host.
#[derive(Debug)]
pub struct HostedDirectory {
    server: DirectoryServer,
    advertised: Advertised,
}

impl HostedDirectory {
    /// Serves the directory of this host, if its configuration has one, and registers there the handlers that it
    /// advertises, at the first of the data plane's ports. Blocks while a file of endpoints is read.
    ///
    /// # Errors
    ///
    /// As [`DirectoryServer::bind`], and if the file of endpoints cannot be used.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start(host: &Host, data: &[ListenAddress]) -> Result<Option<Self>, BindError> {
        let config = host.config();
        let DiscoverySettings { enabled, listen, data: file, tokens, tls, .. } = &config.discovery;
        if !enabled {
            return Ok(None);
        }
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
        let directory = match named(file) {
            None => LiveDirectory::in_memory(live),
            Some(path) => {
                let open = SqliteStore::open(&path).map_err(StoreError::from);
                let opened = open.and_then(|store| LiveDirectory::open(live, Box::new(store)));
                opened.map_err(|source| BindError::DirectoryStore { path, source })?
            }
        };
        let server = DirectoryServer::bind(directory.clone(), &settings)?;
        let collector = Arc::new(DirectoryCollector::new(directory.clone()));
        if let Err(error) = host.collectors().register("directory", collector) {
            tracing::debug!(collector = "directory", %error, "figures are not shown");
        }
        let advertised = Advertised::start(host.clone(), directory, data);
        Ok(Some(Self { server, advertised }))
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &[ListenAddress] {
        self.server.addresses()
    }

    /// Removes the handlers of this host from the directory, so that its clients look elsewhere before it stops.
    pub async fn leave(&mut self) {
        self.advertised.leave().await;
    }

    /// Stops the directory.
    pub async fn stop(self, drain: Duration) {
        self.server.stop(drain).await;
    }
}
