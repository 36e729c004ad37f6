//! Requests to one address.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;
use tokio_rustls::rustls::ClientConfig;

use super::connect::Connector;
use super::{Connect, DirectoryError};
use crate::Sequence;
use crate::client::bootstrap::Address;

/// The largest body of an answer that refuses something, in bytes.
const MAX_PROBLEM: usize = 64 * 1024;

/// The type of a stream of events.
const EVENTS: &str = "text/event-stream";

/// A request to whichever address answers.
pub(super) enum Request {
    /// One that is answered whole.
    Plain { method: Method, path: String, body: Bytes },
    /// A stream of events, after a number that the directory at an address gave.
    Watch { path: String, since: Option<(Address, Sequence)> },
}

pub(super) type Response = http::Response<Incoming>;

/// An HTTP client for the directory.
pub(in crate::client) struct Http {
    client: Client<Connector, Full<Bytes>>,
    /// `Bearer …`; marked as sensitive.
    authorization: Option<HeaderValue>,
    /// How long an answer may take.
    limit: Duration,
}

impl Http {
    pub(in crate::client) fn new(
        connect: Arc<dyn Connect>,
        tls: Option<Arc<ClientConfig>>,
        authorization: Option<HeaderValue>,
        limit: Duration,
    ) -> Self {
        let connector = Connector { connect, tls };
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { client, authorization, limit }
    }

    /// Sends a request, and returns the head of the answer, if it is one of success.
    pub(super) async fn send(
        &self,
        address: &Address,
        request: &Request,
    ) -> Result<Response, DirectoryError> {
        let request = self.build(address, request);
        let request = request.map_err(|error| DirectoryError::unreachable(address, error))?;
        let is_watch = request.headers().contains_key(ACCEPT);
        let answer = timeout(self.limit, self.client.request(request)).await;
        let answer = answer.map_err(|_| DirectoryError::timed_out(address, self.limit))?;
        let response = answer.map_err(|error| DirectoryError::unreachable(address, error))?;
        let status = response.status();
        if !status.is_success() {
            let body = self.read(address, response, MAX_PROBLEM).await.unwrap_or_default();
            return Err(DirectoryError::refused(address, status, &body));
        }
        let content = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        if is_watch && !content.is_some_and(|content| content.starts_with(EVENTS.as_bytes())) {
            return Err(DirectoryError::unexpected(address, &"expected a stream of events"));
        }
        Ok(response)
    }

    fn build(
        &self,
        address: &Address,
        request: &Request,
    ) -> Result<http::Request<Full<Bytes>>, http::Error> {
        let mut builder = http::Request::builder();
        if let Some(authorization) = &self.authorization {
            builder = builder.header(AUTHORIZATION, authorization);
        }
        match request {
            Request::Plain { method, path, body } => {
                if !body.is_empty() {
                    builder = builder.header(CONTENT_TYPE, "application/json");
                }
                let builder = builder.method(method).uri(address.url(path)?);
                builder.body(Full::new(body.clone()))
            }
            Request::Watch { path, since } => {
                if let Some((_, sequence)) = since.as_ref().filter(|(known, _)| known == address) {
                    builder = builder.header("last-event-id", sequence.to_string());
                }
                builder.header(ACCEPT, EVENTS).uri(address.url(path)?).body(Full::default())
            }
        }
    }

    /// The whole body of an answer.
    pub(super) async fn read(
        &self,
        address: &Address,
        response: Response,
        most: usize,
    ) -> Result<Bytes, DirectoryError> {
        let body = Limited::new(response.into_body(), most).collect();
        match timeout(self.limit, body).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) => Err(DirectoryError::unreachable(address, error)),
            Err(_) => Err(DirectoryError::timed_out(address, self.limit)),
        }
    }
}

/// The next part of a stream; `None` at its end. Cancel safe.
pub(super) async fn next(
    address: &Address,
    response: &mut Response,
    limit: Duration,
) -> Result<Option<Bytes>, DirectoryError> {
    loop {
        let frame = timeout(limit, response.body_mut().frame()).await;
        match frame.map_err(|_| DirectoryError::timed_out(address, limit))? {
            None => return Ok(None),
            Some(Err(error)) => return Err(DirectoryError::unreachable(address, error)),
            // Trailers say nothing.
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("limit", &self.limit).finish_non_exhaustive()
    }
}
