//! Ends a connection of either version of HTTP after its last request.

use std::pin::{Pin, pin};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::HttpService;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

/// A connection that can take no further requests.
pub(super) trait Graceful: Future<Output = hyper::Result<()>> {
    /// Ends after the requests that have arrived.
    fn end(self: Pin<&mut Self>);
}

impl<I, B, S> Graceful for http1::Connection<I, S>
where
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: Read + Write + Unpin,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn end(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, B, S> Graceful for http2::Connection<I, S, TokioExecutor>
where
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: Read + Write + Unpin,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    TokioExecutor: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    fn end(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Serves until the connection ends. Once `last` is ready, the requests that have arrived are the last ones; they may
/// take as long as it says.
pub(super) async fn serve_until(
    connection: impl Graceful,
    last: impl Future<Output = Option<Duration>>,
) -> hyper::Result<()> {
    let mut connection = pin!(connection);
    let grace = tokio::select! {
        biased;
        ended = connection.as_mut() => return ended,
        grace = last => grace,
    };
    connection.as_mut().end();
    match grace {
        None => connection.await,
        Some(grace) => timeout(grace, connection).await.unwrap_or(Ok(())),
    }
}
