//! Binds, opens, stops: the order of things.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use plugbay::{Config, Host};
use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};
use tokio::time::Instant;

use crate::admin;
use crate::data;
use crate::descriptors;
use crate::guests::Guests;
use crate::listener::{self, Bounds, Plane};
use crate::shared::Shared;

/// Connections of the data plane at once, where there are descriptors for them.
const DATA_CONNECTIONS: usize = 8192;
/// Connections of the admin plane at once.
const ADMIN_CONNECTIONS: usize = 256;
/// The request timeout of the admin plane. A reload may take long and is not bounded by it.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long answers end their connections before idle ones are closed: a request that is on its way
/// when the signal comes is still accepted.
const LAME_DUCK: Duration = Duration::from_millis(250);
/// How long the admin plane's last answers may take.
const ADMIN_CLOSE: Duration = Duration::from_secs(1);

/// Both planes bound: the admin plane answers, the data plane's connections wait.
pub struct Listening {
    data: TcpListener,
    data_address: SocketAddr,
    admin: Option<Admin>,
    shared: Arc<Shared>,
    guests: Arc<Guests>,
}

/// Both planes, served.
pub struct Server {
    host: Host,
    data: Plane,
    data_address: SocketAddr,
    admin: Option<Admin>,
    shared: Arc<Shared>,
}

/// The admin plane, on a thread of its own: it answers whatever the data plane does.
struct Admin {
    plane: Plane,
    address: SocketAddr,
    _runtime: AdminRuntime,
}

/// Ended in the background: a runtime must not be dropped where another one works.
struct AdminRuntime(Option<Runtime>);

impl Drop for AdminRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Connections of the data plane that were still busy at the deadline.
    pub cut_off: usize,
}

/// What keeps a server from listening.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// An address that cannot be listened on.
    #[error("cannot listen on {address} ({key}): {}", why(source))]
    Address {
        /// The key of the configuration that names the address.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The operating system gives no threads.
    #[error("expected threads to serve on: {0}")]
    Threads(#[source] io::Error),
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another process listens there".into(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".into(),
        io::ErrorKind::PermissionDenied => "this user may not listen there".into(),
        _ => error.to_string(),
    }
}

impl BindError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        let Self::Address { key, address, source } = self else {
            return "raise the limit of threads of this user or container".into();
        };
        let variable = format!("PLUGBAY_{}", key.replace('.', "_").to_ascii_uppercase());
        let port = address.port();
        let first = match source.kind() {
            io::ErrorKind::AddrInUse => format!("stop what listens on port {port}, or "),
            io::ErrorKind::PermissionDenied if port < 1024 => {
                "take a port of 1024 or above, or let a proxy have the low port: ".into()
            }
            _ => String::new(),
        };
        format!(
            "{first}choose another address: --set {key}={}:0, {variable}, or the key in config.toml",
            bracketed(*address)
        )
    }
}

/// The address without its port, as it stands before one.
fn bracketed(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    }
}

impl Server {
    /// Binds both planes. From here on the admin plane answers: alive, and not ready.
    ///
    /// Must be called in a tokio runtime, which then serves the data plane. Starts threads of its own
    /// for the admin plane, and for plugins that take longer than a slice.
    ///
    /// # Errors
    ///
    /// If one of the two addresses cannot be listened on, or there are no threads.
    pub async fn bind(config: &Config) -> Result<Listening, BindError> {
        let (data, data_address) = bind("server.listen", config.server.listen)?;
        let shared = Arc::new(Shared::default());
        let admin = if config.admin.enabled {
            let admin = Admin::open(config.admin.listen, Arc::clone(&shared))?;
            tracing::info!(address = %admin.address, "admin plane");
            Some(admin)
        } else {
            None
        };
        let guests = Arc::new(Guests::start().map_err(BindError::Threads)?);
        Ok(Listening { data, data_address, admin, shared, guests })
    }

    /// Where the data plane listens: the port that was chosen if the configuration says 0.
    #[must_use]
    pub fn data_address(&self) -> SocketAddr {
        self.data_address
    }

    /// Where the admin plane listens, if there is one.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|admin| admin.address)
    }

    /// The host that serves.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Stops without losing an accepted request: answers what comes for a moment longer, closes
    /// the port, finishes what is under way, then shuts the host down. `drain` bounds all of it, but
    /// for a second that plugins have for their `shutdown` if calls used it up.
    pub async fn stop(self, drain: Duration) -> Stopped {
        let deadline = Instant::now() + drain;
        self.shared.draining.cancel();
        tracing::info!(?drain, "stopping");
        // Ends early once no connection is open.
        let _ = tokio::time::timeout(LAME_DUCK.min(drain / 2), self.data.quiet()).await;
        let cut_off = self.data.close(deadline).await;
        if cut_off > 0 {
            tracing::warn!(cut_off, "connections were busy at the drain deadline");
        }
        self.host.shutdown(deadline.saturating_duration_since(Instant::now())).await;
        self.shared.over.cancel();
        if let Some(Admin { plane, _runtime, .. }) = self.admin {
            plane.close(Instant::now() + ADMIN_CLOSE).await;
        }
        Stopped { cut_off }
    }
}

impl Listening {
    /// Opens the data plane.
    #[must_use]
    pub fn serve(self, host: Host) -> Server {
        let Self { data, data_address, admin, shared, guests } = self;
        shared.history.follow(&host, shared.over.clone());
        // Cannot be set already: only this function sets it, and it consumes `self`.
        let _ = shared.host.set(host.clone());
        let settings = host.clone();
        let connections = descriptors::connections(DATA_CONNECTIONS);
        if connections < DATA_CONNECTIONS {
            tracing::warn!(connections, "few descriptors: the data plane takes fewer connections");
        }
        let bounds =
            Bounds { connections, timeout: Box::new(move || settings.config().server.timeout) };
        let router = data::router(host.clone(), shared.draining.clone(), guests);
        let data = Plane::open(data, router, bounds);
        tracing::info!(address = %data_address, "data plane");
        Server { host, data, data_address, admin, shared }
    }

    /// Where the data plane will listen: the port that was chosen if the configuration says 0.
    #[must_use]
    pub fn data_address(&self) -> SocketAddr {
        self.data_address
    }

    /// Where the admin plane listens, if there is one.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|admin| admin.address)
    }
}

impl Admin {
    fn open(address: SocketAddr, shared: Arc<Shared>) -> Result<Self, BindError> {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("plugbay-admin")
            .enable_all()
            .build();
        let runtime = runtime.map_err(BindError::Threads)?;
        // The listener and its connections are served where they are made.
        let _entered = runtime.enter();
        let (listener, address) = bind("admin.listen", address)?;
        let bounds = Bounds { connections: ADMIN_CONNECTIONS, timeout: Box::new(|| ADMIN_TIMEOUT) };
        let plane = Plane::open(listener, admin::router(shared), bounds);
        Ok(Self { plane, address, _runtime: AdminRuntime(Some(runtime)) })
    }
}

fn bind(key: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), BindError> {
    listener::bind(address).map_err(|source| BindError::Address { key, address, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_names_the_key_and_the_remedy() {
        let error = BindError::Address {
            key: "server.listen",
            address: ([127, 0, 0, 1], 7070).into(),
            source: io::ErrorKind::AddrInUse.into(),
        };
        assert_eq!(
            error.to_string(),
            "cannot listen on 127.0.0.1:7070 (server.listen): another process listens there"
        );
        assert_eq!(
            error.hint(),
            "stop what listens on port 7070, or choose another address: \
             --set server.listen=127.0.0.1:0, PLUGBAY_SERVER_LISTEN, or the key in config.toml"
        );
    }
}
