//! Binds both planes, serves, and stops.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use plugbay::{Config, Host};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::admin;
use crate::data;
use crate::descriptors;
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
    admin: Option<(Plane, SocketAddr)>,
    shared: Arc<Shared>,
}

/// Both planes, served.
pub struct Server {
    host: Host,
    data: Plane,
    data_address: SocketAddr,
    admin: Option<(Plane, SocketAddr)>,
    shared: Arc<Shared>,
}

/// The result of stopping a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Connections of the data plane that were still busy at the deadline.
    pub cut_off: usize,
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({key}): {}", cause(source))]
pub struct BindError {
    key: &'static str,
    address: SocketAddr,
    source: io::Error,
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
    /// The key of the configuration that names the address.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.key
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        let variable = format!("PLUGBAY_{}", self.key.replace('.', "_").to_ascii_uppercase());
        let port = self.address.port();
        let first = match self.source.kind() {
            io::ErrorKind::AddrInUse => {
                format!("stop the process that listens on port {port}, or ")
            }
            io::ErrorKind::PermissionDenied if port < 1024 => {
                "use a port of 1024 or above, with a proxy on the low port: ".into()
            }
            _ => String::new(),
        };
        format!(
            "{first}choose another address: --set {}={}:0, {variable}, or the key in config.toml",
            self.key,
            bracketed(self.address)
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
    /// Binds both planes. From now on the admin plane answers: alive, but not ready.
    ///
    /// Must be called in a tokio runtime, which runs the server.
    ///
    /// # Errors
    ///
    /// If one of the two addresses cannot be bound.
    pub async fn bind(config: &Config) -> Result<Listening, BindError> {
        let (data, data_address) = bind("server.listen", config.server.listen).await?;
        let shared = Arc::new(Shared::default());
        let admin = if config.admin.enabled {
            let (listener, address) = bind("admin.listen", config.admin.listen).await?;
            let bounds =
                Bounds { connections: ADMIN_CONNECTIONS, timeout: Box::new(|| ADMIN_TIMEOUT) };
            let plane = Plane::open(listener, admin::router(Arc::clone(&shared)), bounds);
            tracing::info!(%address, "admin plane listening");
            Some((plane, address))
        } else {
            None
        };
        Ok(Listening { data, data_address, admin, shared })
    }

    /// The address of the data plane, with the chosen port if the configuration says 0.
    #[must_use]
    pub fn data_address(&self) -> SocketAddr {
        self.data_address
    }

    /// The address of the admin plane, if there is one.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|(_, address)| *address)
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
        if let Some((admin, _)) = self.admin {
            admin.close(Instant::now() + ADMIN_CLOSE).await;
        }
        Stopped { cut_off }
    }
}

impl Listening {
    /// Opens the data plane.
    #[must_use]
    pub fn serve(self, host: Host) -> Server {
        let Self { data, data_address, admin, shared } = self;
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
        let router = data::router(host.clone(), shared.draining.clone());
        let data = Plane::open(data, router, bounds);
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
        self.admin.as_ref().map(|(_, address)| *address)
    }
}

async fn bind(
    key: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), BindError> {
    listener::bind(address).await.map_err(|source| BindError { key, address, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_names_the_key_and_the_remedy() {
        let error = BindError {
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
