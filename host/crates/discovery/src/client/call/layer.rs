//! Calls of services by any tower client of HTTP.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::uri::{Authority, Parts, Scheme};
use http::{Request, Response, Uri};
use tower::{Layer, Service, ServiceExt};

use super::error::BoxError;
use super::named::named_by;
use super::run::repeat;
use super::{CallError, Outcome};
use crate::ServiceName;
use crate::client::Client;
use crate::client::balance::Member;

/// Makes a tower client call services by their names: a request to `http://SERVICE/path` goes to an
/// endpoint of `SERVICE`. The module's page says how often, and to which.
///
/// The client below gets requests with the endpoint's address in their URL, and must be cheap to clone, as
/// tower's clients are. The type of bodies must be one that can be cloned, such as `Full<Bytes>`.
///
/// ```no_run
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use hyper_util::client::legacy;
/// use hyper_util::rt::TokioExecutor;
/// use plugbay_discovery::client::{Client, DiscoverLayer};
/// use tower::{Layer, ServiceExt};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let directory = Client::builder().directory("http://127.0.0.1:8500").build().await?;
/// let http = legacy::Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
/// let services = DiscoverLayer::new(directory).layer(http);
///
/// let request = http::Request::get("http://orders/recent").body(Full::default())?;
/// let response = services.oneshot(request).await?;
/// # drop(response);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct DiscoverLayer {
    client: Client,
    service: Option<ServiceName>,
}

impl DiscoverLayer {
    /// Requests name their service in their URL.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, service: None }
    }

    /// All requests are for this service, whatever host their URL has; it may have none.
    #[must_use]
    pub fn of_service(client: Client, service: ServiceName) -> Self {
        Self { client, service: Some(service) }
    }
}

impl<S> Layer<S> for DiscoverLayer {
    type Service = Discover<S>;

    fn layer(&self, inner: S) -> Discover<S> {
        Discover { layer: self.clone(), inner }
    }
}

/// The service of [`DiscoverLayer`].
#[derive(Clone, Debug)]
pub struct Discover<S> {
    layer: DiscoverLayer,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for Discover<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Clone + Send + Sync + 'static,
    R: Send + 'static,
{
    type Response = Response<R>;
    type Error = CallError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, CallError>> + Send>>;

    /// Always ready: which endpoint is asked, and so whether it is ready, is known only with the request.
    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self { layer: DiscoverLayer { client, service }, inner } = self.clone();
        Box::pin(async move {
            let authority = request.uri().authority().map(Authority::as_str);
            let service = match service {
                Some(service) => service,
                None => named_by(request.uri(), authority)?,
            };
            let service = client.service(&service);
            service.wait_known().await?;
            let caller = service.caller();
            let rules = caller.rules();
            let repeat = repeat(request.method(), request.headers(), rules);
            let key = rules.hash_header.as_ref();
            let key = key.and_then(|name| request.headers().get(name)).cloned();
            let mut next = Some(request);
            let send = |member: &Member| {
                let mut request = next.take()?;
                next = Some(request.clone());
                let inner = inner.clone();
                let addressed = address(request.uri(), member.authority());
                Some(async move {
                    *request.uri_mut() = addressed?;
                    inner.oneshot(request).await.map_err(Into::into)
                })
            };
            let outcome = |response: &Response<R>| Outcome::of_status(response.status());
            caller.call(key.as_ref().map(http::HeaderValue::as_bytes), repeat, send, outcome).await
        })
    }
}

/// The URL with the authority of an endpoint.
fn address(uri: &Uri, authority: &str) -> Result<Uri, BoxError> {
    let mut parts: Parts = uri.clone().into_parts();
    parts.authority = Some(authority.parse::<Authority>()?);
    parts.scheme = parts.scheme.or(Some(Scheme::HTTP));
    if parts.path_and_query.is_none() {
        parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
    }
    Ok(Uri::from_parts(parts)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_replaces_the_service_in_the_url() {
        let address = |uri: &str, to| address(&uri.parse().unwrap(), to).unwrap().to_string();
        assert_eq!(address("http://orders/a?b=c", "10.0.0.1:80"), "http://10.0.0.1:80/a?b=c");
        assert_eq!(address("https://orders", "[::1]:443"), "https://[::1]:443/");
        assert_eq!(address("/a", "host:1"), "http://host:1/a");
    }
}
