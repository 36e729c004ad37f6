//! The directory's HTTP API, from the client's side.
//!
//! A [`Remote`] knows several addresses and one that is current. A request goes to the current one; if
//! that does not answer, to the next, and so on once around; the one that answers is current from then on.
//! When none answers, the addresses are found again for the next request.

mod connect;
mod error;
mod http;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use ::http::{Method, StatusCode};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use self::http::{Request, Response};
use super::bootstrap::{Address, Bootstrap};
use crate::{EndpointId, HealthReport, Registration, Sequence, ServiceName};

pub(super) use self::http::Http;
pub use connect::{Connect, Connecting, Connection, Tcp};
pub use error::DirectoryError;

/// The largest answer that is not a stream, in bytes: some 100,000 endpoints.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// The directory, by one of its addresses.
#[derive(Debug)]
pub(super) struct Remote {
    bootstrap: Bootstrap,
    http: Http,
    addresses: Mutex<Addresses>,
    failovers: AtomicU64,
}

#[derive(Debug, Default)]
struct Addresses {
    all: Arc<[Address]>,
    current: usize,
}

/// An open watch.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) address: Address,
    response: Response,
}

/// The answer to a registration.
#[derive(Debug, serde::Deserialize)]
struct Id {
    id: EndpointId,
}

impl Remote {
    pub(super) fn new(bootstrap: Bootstrap, http: Http) -> Self {
        let addresses = Mutex::default();
        Self { bootstrap, http, addresses, failovers: AtomicU64::new(0) }
    }

    /// How often another address became the current one.
    pub(super) fn failovers(&self) -> u64 {
        self.failovers.load(Relaxed)
    }

    /// Registers an endpoint.
    pub(super) async fn register(
        &self,
        registration: &Registration,
    ) -> Result<EndpointId, DirectoryError> {
        let body =
            serde_json::to_vec(registration).map_err(|error| DirectoryError::encode(&error))?;
        let (address, response) = self.send(Method::POST, "/services".into(), body).await?;
        let answer: Id = self.read(&address, response).await?;
        Ok(answer.id)
    }

    /// Renews a lease. Returns whether the directory knows the endpoint.
    pub(super) async fn heartbeat(
        &self,
        service: &ServiceName,
        id: EndpointId,
        report: Option<&HealthReport>,
    ) -> Result<bool, DirectoryError> {
        let path = format!("/services/{service}/{id}/heartbeat");
        let body = match report {
            Some(report) => serde_json::to_vec(&serde_json::json!({ "health": report }))
                .map_err(|error| DirectoryError::encode(&error))?,
            None => Vec::new(),
        };
        known(self.send(Method::PUT, path, body).await)
    }

    /// Removes an endpoint. Returns whether the directory knew it.
    pub(super) async fn deregister(
        &self,
        service: &ServiceName,
        id: EndpointId,
    ) -> Result<bool, DirectoryError> {
        let path = format!("/services/{service}/{id}");
        known(self.send(Method::DELETE, path, Vec::new()).await)
    }

    /// Opens a watch of a service. It goes on after `since`, if the directory at this address gave that
    /// number: other directories count differently. Otherwise it begins with a snapshot.
    pub(super) async fn watch(
        &self,
        service: &ServiceName,
        since: Option<(Address, Sequence)>,
    ) -> Result<Stream, DirectoryError> {
        let path = format!("/services/{service}/watch?snapshot=true");
        let (address, response) = self.around(&Request::Watch { path, since }).await?;
        Ok(Stream { address, response })
    }

    /// Sends a request, and returns the answer's head, if it is a good one.
    async fn send(
        &self,
        method: Method,
        path: String,
        body: Vec<u8>,
    ) -> Result<(Address, Response), DirectoryError> {
        self.around(&Request::Plain { method, path, body: body.into() }).await
    }

    async fn read<T: DeserializeOwned>(
        &self,
        address: &Address,
        response: Response,
    ) -> Result<T, DirectoryError> {
        let bytes = self.http.read(address, response, MAX_ANSWER).await?;
        serde_json::from_slice(&bytes).map_err(|error| DirectoryError::unexpected(address, &error))
    }

    /// Tries one address after the other, once around, and returns the first answer of a directory that
    /// works, and its address.
    async fn around(&self, request: &Request) -> Result<(Address, Response), DirectoryError> {
        let (addresses, current) = self.addresses().await?;
        let mut last = None;
        for at in 0..addresses.len() {
            let at = (current + at) % addresses.len();
            match self.http.send(&addresses[at], request).await {
                Err(error) if error.is_elsewhere() => last = Some(error),
                answer => {
                    self.make_current(&addresses, at).await;
                    return answer.map(|answer| (addresses[at].clone(), answer));
                }
            }
        }
        self.forget(&addresses).await;
        // There is at least one address.
        Err(last.unwrap_or(DirectoryError::no_address()))
    }

    /// The addresses, found now if there are none.
    async fn addresses(&self) -> Result<(Arc<[Address]>, usize), DirectoryError> {
        let mut addresses = self.addresses.lock().await;
        if addresses.all.is_empty() {
            let found = self.bootstrap.find().await?;
            let current = addresses.current % found.addresses.len();
            *addresses = Addresses { all: found.addresses.into(), current };
        }
        Ok((Arc::clone(&addresses.all), addresses.current))
    }

    /// None of the addresses answers: they are found again for the next request.
    async fn forget(&self, all: &Arc<[Address]>) {
        let mut addresses = self.addresses.lock().await;
        if Arc::ptr_eq(&addresses.all, all) {
            addresses.all = Arc::default();
        }
    }

    async fn make_current(&self, all: &Arc<[Address]>, at: usize) {
        let mut addresses = self.addresses.lock().await;
        if Arc::ptr_eq(&addresses.all, all) && addresses.current != at {
            addresses.current = at;
            self.failovers.fetch_add(1, Relaxed);
            tracing::info!(address = %all[at], "another address of the directory in use");
        }
    }

    /// The next part of a stream; `None` at its end.
    pub(super) async fn next(
        &self,
        stream: &mut Stream,
        limit: Duration,
    ) -> Result<Option<Bytes>, DirectoryError> {
        http::next(&stream.address, &mut stream.response, limit).await
    }
}

/// Whether an endpoint was known, by the answer to a change of it.
fn known<T>(answer: Result<T, DirectoryError>) -> Result<bool, DirectoryError> {
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(false),
        Err(error) => Err(error),
    }
}
