//! The directory of a host as a DNS zone, by `[discovery] dns` of the configuration.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use plugbay_discovery::LiveDirectory;
use plugbay_discovery::dns::{DnsServer, Responder, Zone};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::bind_error::BindError;

/// For how long an answer may be remembered: an endpoint can fail long before its lease ends.
const MAX_TTL: Duration = Duration::from_secs(5);

/// A zone that is served.
#[derive(Debug)]
pub(super) struct ServedZone {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl ServedZone {
    pub(super) async fn start(
        directory: LiveDirectory,
        address: SocketAddr,
        zone: &str,
    ) -> Result<Self, BindError> {
        let zone = Zone::new(zone).map_err(BindError::DirectoryZone)?;
        let failed =
            |source| BindError::Address { key: "discovery.dns", address: address.into(), source };
        let server = DnsServer::bind(address).await.map_err(failed)?;
        let address = server.local_addr().map_err(failed)?;
        tracing::info!(%address, "directory answering DNS");
        let responder = Arc::new(Responder::new(zone, MAX_TTL, directory));
        let stop = CancellationToken::new();
        let task = tokio::spawn(server.serve(responder, stop.clone().cancelled_owned()));
        Ok(Self { address, stop, task })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes its sockets.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        // A panic of it has been told by the hook.
        let _ = self.task.await;
    }
}
