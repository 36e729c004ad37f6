//! The zone of a directory, for programs that find services by name.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use plugbay_discovery::LiveDirectory;
use plugbay_discovery::dns::{DnsServer, Responder, Zone};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::bind_error::BindError;

/// How long an answer may be remembered at most: an endpoint can fail long before its lease ends.
const MAX_TTL: Duration = Duration::from_secs(5);

/// A zone that is served over UDP and TCP, until the value is stopped or dropped.
#[derive(Debug)]
pub struct DirectoryDns {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl DirectoryDns {
    /// Serves the names of a directory's services at an address of this machine.
    ///
    /// # Errors
    ///
    /// If others than this machine could reach the address, since DNS asks nobody for a token; or if it cannot be
    /// bound.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn bind(
        directory: LiveDirectory,
        address: SocketAddr,
        zone: Zone,
    ) -> Result<Self, BindError> {
        if !address.ip().to_canonical().is_loopback() {
            return Err(BindError::ExposedDns(address));
        }
        let failed = |source| BindError::Dns { address, source };
        let server = DnsServer::bind(address).await.map_err(failed)?;
        let address = server.local_addr().map_err(failed)?;
        tracing::info!(%address, "DNS listening");
        let stop = CancellationToken::new();
        let responder = Arc::new(Responder::new(zone, MAX_TTL, directory));
        let task = tokio::spawn(server.serve(responder, stop.clone().cancelled_owned()));
        Ok(Self { address, stop, task })
    }

    /// Where it listens, with the port that the system chose.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes its sockets.
    pub async fn stop(mut self) {
        self.stop.cancel();
        // A panic of it has been told by the hook.
        let _ = (&mut self.task).await;
    }
}

impl Drop for DirectoryDns {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
