//! Binds both planes, serves, and stops.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use plugbay::{Config, Host, Liveness};
use tokio::net::TcpListener;
use tokio::runtime::{self, Handle, Runtime};
use tokio::time::Instant;

use crate::admin;
use crate::data::DataPlane;
use crate::descriptors;
use crate::guests::Guests;
use crate::listener::{self, Bounds, Plane};
use crate::shared::Shared;

/// The maximum number of connections of the data plane, if there are enough descriptors.
const DATA_CONNECTIONS: usize = 8192;
/// The maximum number of connections of the admin plane.
const ADMIN_CONNECTIONS: usize = 256;
/// The request timeout of the admin plane. A reload may take long and is not bounded by it.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long answers close their connections before idle ones are closed: a request that is on its
/// way when the signal arrives is still accepted.
const LAME_DUCK: Duration = Duration::from_millis(250);
/// How long the admin plane's last answers may take.
const ADMIN_CLOSE: Duration = Duration::from_secs(1);

/// Both planes, bound. The admin plane answers; connections of the data plane wait.
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

/// The admin plane, on a runtime of its own: it answers even if the data plane is busy.
struct Admin {
    plane: Plane,
    address: SocketAddr,
    _runtime: AdminRuntime,
}

/// Ends the runtime in the background: a runtime must not be dropped on a thread of another one.
struct AdminRuntime(Option<Runtime>);

impl Drop for AdminRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The result of stopping a server.
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
    #[error("cannot listen on {address} ({key}): {}", cause(source))]
    Address {
        /// The configuration key of the address.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// The operating system's error.
        source: io::Error,
    },
    /// The operating system cannot start threads.
    #[error("cannot start threads: {0}")]
    Threads(#[source] io::Error),
}

fn cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another process listens on this address".into(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".into(),
        io::ErrorKind::PermissionDenied => "this user may not listen on this address".into(),
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
            io::ErrorKind::AddrInUse => {
                format!("stop the process that listens on port {port}, or ")
            }
            io::ErrorKind::PermissionDenied if port < 1024 => {
                "use a port of 1024 or above, with a proxy on the low port: ".into()
            }
            _ => String::new(),
        };
        format!(
            "{first}choose another address: --set {key}={}:0, {variable}, or the key in config.toml",
            bracketed(*address)
        )
    }
}

/// The IP address, in brackets if it is IPv6, as it is written before a port.
fn bracketed(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    }
}

impl Server {
    /// Binds both planes. From now on the admin plane answers: not ready, and alive as long as `liveness` is,
    /// which is that of the [`Builder`](plugbay::Builder) of the host.
    ///
    /// Must be called in a tokio runtime, which then runs the data plane. Starts threads of its own
    /// for the admin plane, and for calls of plugins that take longer than a slice.
    ///
    /// # Errors
    ///
    /// If one of the two addresses cannot be bound, or no threads can be started.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn bind(config: &Config, liveness: Liveness) -> Result<Listening, BindError> {
        let (data, data_address) = bind("server.listen", config.server.listen)?;
        let shared = Arc::new(Shared::new(liveness));
        let admin = if config.admin.enabled {
            let admin = Admin::open(config.admin.listen, Arc::clone(&shared))?;
            tracing::info!(address = %admin.address, "admin plane listening");
            Some(admin)
        } else {
            None
        };
        let guests = Arc::new(Guests::start(&Handle::current()).map_err(BindError::Threads)?);
        Ok(Listening { data, data_address, admin, shared, guests })
    }

    /// The address of the data plane, with the chosen port if the configuration says 0.
    #[must_use]
    pub fn data_address(&self) -> SocketAddr {
        self.data_address
    }

    /// The address of the admin plane, if there is one.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|admin| admin.address)
    }

    /// The host that serves.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Stops without losing an accepted request: answers new requests for a moment, closes the
    /// port, waits for requests in flight, then shuts the host down. `drain` bounds all of this; if
    /// calls use it up, the plugins' `shutdown` gets one second more.
    pub async fn stop(self, drain: Duration) -> Stopped {
        let deadline = Instant::now() + drain;
        self.shared.draining.cancel();
        tracing::info!(?drain, "stopping");
        // Ends early once no connection is open.
        let _ = tokio::time::timeout(LAME_DUCK.min(drain / 2), self.data.idle()).await;
        let cut_off = self.data.close(deadline).await;
        if cut_off > 0 {
            tracing::warn!(cut_off, "cut off connections that were busy at the drain deadline");
        }
        self.host.shutdown(deadline.saturating_duration_since(Instant::now())).await;
        self.shared.stopped.cancel();
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
        shared.history.follow(&host, shared.stopped.clone());
        // Cannot be set already: only this function sets it, and it consumes `self`.
        let _ = shared.host.set(host.clone());
        let settings = host.clone();
        let connections = descriptors::connections(DATA_CONNECTIONS);
        if connections < DATA_CONNECTIONS {
            tracing::warn!(
                connections,
                "few open descriptors allowed, so the data plane accepts fewer connections; raise the limit (ulimit -n)"
            );
        }
        let bounds =
            Bounds { connections, timeout: Box::new(move || settings.config().server.timeout) };
        let answers = DataPlane::of(host.clone(), shared.draining.clone(), guests);
        let data = Plane::open(data, answers, bounds);
        tracing::info!(address = %data_address, "data plane listening");
        Server { host, data, data_address, admin, shared }
    }

    /// The address of the data plane, with the chosen port if the configuration says 0.
    #[must_use]
    pub fn data_address(&self) -> SocketAddr {
        self.data_address
    }

    /// The address of the admin plane, if there is one.
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
        let handle = runtime.handle().clone();
        let runtime = AdminRuntime(Some(runtime));
        // Sockets are served by the runtime in which they are created.
        let _entered = handle.enter();
        let (listener, address) = bind("admin.listen", address)?;
        let bounds = Bounds { connections: ADMIN_CONNECTIONS, timeout: Box::new(|| ADMIN_TIMEOUT) };
        let plane = Plane::open(listener, admin::router(shared), bounds);
        Ok(Self { plane, address, _runtime: runtime })
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
            "cannot listen on 127.0.0.1:7070 (server.listen): another process listens on this address"
        );
        assert_eq!(
            error.hint(),
            "stop the process that listens on port 7070, or choose another address: \
             --set server.listen=127.0.0.1:0, PLUGBAY_SERVER_LISTEN, or the key in config.toml"
        );
    }
}
