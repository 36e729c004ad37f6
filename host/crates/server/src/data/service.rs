//! The data plane without a listener, for an application that has an HTTP server of its own.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use plugbay::Host;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::state::Data;
use crate::guests::Guests;
use crate::listener::{Answers, Client};

/// The data plane of a host as a [`tower::Service`]: it answers requests with the routes of the running
/// generation, and codecs by name, as [`Server`](crate::Server) does. Each clone is the same service.
///
/// `server.timeout`, `server.max_body` and `server.max_buffered` apply. Half of the latter is for one
/// client, by the [`ConnectInfo`] of the request; requests without one count as those of one client.
/// Connections and the times of headers are up to the application's own server.
///
/// ```
/// use axum::{Router, routing::get};
/// use plugbay::Host;
/// use plugbay_server::DataPlane;
/// # use plugbay::Config;
/// # use plugbay_fixtures::Guest;
/// # use tower::ServiceExt as _;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut config = Config::default();
/// # config.host.linked = false;
/// # config.host.cache = Default::default();
/// # let builder = Host::builder().config(config).watch(false);
/// # let builder = builder.artifact("mirror", Guest::handler("mirror").build());
/// # let host = builder.build().await?;
/// let app: Router = Router::new()
///     .route("/own", get(|| async { "mine" }))
///     .fallback_service(DataPlane::new(host)?);
/// # let request = axum::http::Request::post("/mirror").body(axum::body::Body::from("hi"))?;
/// # let response = app.clone().oneshot(request).await?;
/// # assert_eq!(axum::body::to_bytes(response.into_body(), 10).await?, "hi");
/// // axum::serve(listener, app)
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DataPlane(Arc<Data>);

impl DataPlane {
    /// The data plane of this host. Starts the threads on which calls continue that take longer than a
    /// millisecond; they end with the last clone.
    ///
    /// # Errors
    ///
    /// If the operating system cannot start a thread.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn new(host: Host) -> io::Result<Self> {
        let guests = Arc::new(Guests::start(&Handle::current())?);
        Ok(Self::of(host, CancellationToken::new(), guests))
    }

    /// The data plane of this host. Once `draining` is cancelled, every answer ends its connection.
    pub(crate) fn of(host: Host, draining: CancellationToken, guests: Arc<Guests>) -> Self {
        Self(Arc::new(Data::new(host, draining, guests)))
    }
}

impl fmt::Debug for DataPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DataPlane").field(&self.0.host).finish()
    }
}

impl Answers for DataPlane {
    type Body = super::layers::Body;
    /// An answer is there as a whole, so that only a client that does not read it needs longer.
    const MAY_STREAM: bool = false;

    async fn answer(self, client: Client, request: Request<Incoming>) -> Response<Self::Body> {
        self.0.answer(client, request).await
    }
}

impl<B> Service<Request<B>> for DataPlane
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let connected = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let address = connected.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip());
        // HTTP/2 and calls within the process have none.
        if !request.headers().contains_key(header::HOST) {
            let host =
                request.uri().authority().map_or("localhost", |authority| authority.as_str());
            if let Ok(host) = HeaderValue::from_str(host) {
                request.headers_mut().insert(header::HOST, host);
            }
        }
        let answer = Arc::clone(&self.0).answer(Client::of(address), request);
        Box::pin(async move { Ok(answer.await.map(Body::new)) })
    }
}
