//! Binds a directory, serves it, and stops.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::middleware;
use axum::response::IntoResponse as _;
use plugbay::config::{AdminSettings, ConnectionSettings, ListenAddress};
use plugbay_discovery::{ApiSettings, LiveDirectory, Tasks, router};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

use super::rates::{self, Rates};
use super::settings::DirectorySettings;
use super::tokens::DirectoryTokens;
use crate::access::Tokens;
use crate::admin::guard::{Hosts, refuse_foreign_pages};
use crate::bind_error::BindError;
use crate::descriptors;
use crate::listener::{Bounds, ConnectionBounds, Listener, Plane};
use crate::problem::panicked;
use crate::tls::Tls;
use crate::watched;

/// The key of its addresses in the configuration.
const KEY: &str = "discovery.listen";
/// The most connections, if there are enough descriptors: each watch is one.
const CONNECTIONS: usize = 8192;
/// How long a request may take to arrive, and a client to read a part of an answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A directory that is served.
pub struct DirectoryServer {
    directory: LiveDirectory,
    planes: Vec<Plane>,
    addresses: Vec<ListenAddress>,
    has_tls: bool,
    stopped: CancellationToken,
    _tasks: Tasks,
}

impl DirectoryServer {
    /// Serves a directory, and runs its sweeper and checks.
    ///
    /// # Errors
    ///
    /// If an address cannot be bound, the tokens or the certificate cannot be used, or the directory would listen
    /// beyond this machine without tokens and TLS.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn bind(directory: LiveDirectory, settings: &DirectorySettings) -> Result<Self, BindError> {
        if let Some(address) = settings.exposed() {
            return Err(BindError::ExposedDirectory(address.clone()));
        }
        let tls = settings.tls.as_ref().map(|files| Tls::read("directory", files.clone()));
        let tls =
            tls.transpose().map_err(|source| BindError::Tls { key: "discovery.tls", source })?;
        let tls = tls.map(Arc::new);
        // Wrong tokens are bounded as on the admin plane.
        let attempts = AdminSettings::default().attempt_rate;
        let tokens = settings.tokens.as_ref().map(|file| Tokens::read(file.clone(), attempts));
        let tokens = tokens.transpose();
        let tokens = tokens.map_err(BindError::DirectoryTokens)?.map(Arc::new);
        let listeners = settings.listen.iter().map(|address| {
            let bound = Listener::bind(address).map(|listener| listener.tls(tls.as_ref()));
            bound.map_err(|source| BindError::Address {
                key: KEY,
                address: address.clone(),
                source,
            })
        });
        let listeners: Vec<_> = listeners.collect::<Result<_, _>>()?;
        tls.iter().for_each(watched::watch);
        tokens.iter().for_each(watched::watch);

        let stopped = CancellationToken::new();
        let mut api = ApiSettings::default();
        api.stopped = stopped.clone();
        // A page in a browser has no token, so that it may reach the directory by any name.
        let hosts = if tokens.is_some() { Hosts::Any } else { Hosts::Loopback };
        api.access = tokens.map(|tokens| {
            let rates = Rates::new(settings);
            Arc::new(DirectoryTokens { tokens, rates }) as Arc<_>
        });
        let tasks = directory.start();
        let app = router(directory.clone(), api)
            .layer(middleware::from_fn(rates::tell))
            .layer(middleware::from_fn_with_state(hosts, refuse_foreign_pages))
            .layer(CatchPanicLayer::custom(|panic| panicked(panic).into_response()));
        let each = ConnectionBounds {
            timeout: TIMEOUT,
            settings: ConnectionSettings {
                header_timeout: TIMEOUT,
                idle_timeout: TIMEOUT,
                ..ConnectionSettings::default()
            },
        };
        let bounds = Bounds::new(descriptors::connections(CONNECTIONS), move || each.clone());
        let (mut planes, mut addresses) = (Vec::new(), Vec::new());
        for listener in listeners {
            if let Some(address) = listener.address() {
                tracing::info!(%address, "directory listening");
                addresses.push(address.clone());
            }
            let plane = listener.open(app.clone(), bounds.clone()).map_err(BindError::Listener)?;
            planes.push(plane);
        }
        let has_tls = tls.is_some();
        Ok(Self { directory, planes, addresses, has_tls, stopped, _tasks: tasks })
    }

    /// Where it listens, with the ports that the system chose.
    #[must_use]
    pub fn addresses(&self) -> &[ListenAddress] {
        &self.addresses
    }

    pub(super) fn has_tls(&self) -> bool {
        self.has_tls
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &LiveDirectory {
        &self.directory
    }

    /// Ends the watches, answers requests in flight, and stops. `drain` bounds it.
    pub async fn stop(self, drain: Duration) {
        let deadline = Instant::now() + drain;
        self.stopped.cancel();
        for plane in self.planes {
            plane.close(deadline).await;
        }
    }
}

impl fmt::Debug for DirectoryServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectoryServer")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}
