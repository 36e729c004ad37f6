//! Serves one connection, from its first byte to its last.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, Request, header};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use plugbay::config::Size;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use super::addresses::Client;
use super::busy::{BusyBody, Requests};
use super::graceful::serve_until;
use super::heads::Heads;
use super::observed::Observed as _;
use super::secured::{HttpVersion, Secured};
use super::transport::Transport;
use super::{Answers, ConnectionBounds};
use crate::tls::Tls;

/// How often a server that stops checks whether a connection is busy. A connection that is not, twice in a
/// row, has sent at most a part of a header, and is closed.
const BUSY_CHECK: Duration = Duration::from_millis(100);

/// As many fields hyper reads without an allocation.
const FIELDS: usize = 100;

/// The tokens that end connections.
#[derive(Clone, Default)]
pub(super) struct Ends {
    /// Cancelled when the server stops: connections without a request end.
    pub(super) idle: CancellationToken,
    /// Cancelled after that: each connection ends with its request.
    pub(super) graceful: CancellationToken,
    /// Cancelled when all connections end.
    pub(super) all: CancellationToken,
}

/// The context of a connection.
pub(super) struct Connection<A> {
    pub(super) answers: A,
    pub(super) client: Client,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) bounds: ConnectionBounds,
    pub(super) ends: Ends,
}

impl<A: Answers> Connection<A> {
    /// Serves the connection until it ends.
    pub(super) async fn serve<T: Transport>(self, stream: T) {
        let (io, socket) = stream.open(self.ends.idle.clone());
        let mut io = TimeoutStream::new(io);
        io.set_write_timeout(Some(self.bounds.timeout));
        let ends = self.ends.clone();
        let requests = Requests::default();
        let not_busy = async {
            ends.idle.cancelled().await;
            let mut seen = 0;
            while seen < 2 {
                sleep(BUSY_CHECK).await;
                let is_busy = requests.are_open() || socket.is_blocked();
                seen = if is_busy { 0 } else { seen + 1 };
            }
        };
        let served = self.speak(Box::pin(io), T::HALF_CLOSE, &requests);
        // Dropping the connection stops the plugin that answers.
        tokio::select! {
            biased;
            ended = served => if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            },
            () = socket.gone() => {}
            () = not_busy => {}
            () = ends.all.cancelled() => {}
        }
    }

    /// Finds out which version of HTTP the client speaks, and serves it.
    async fn speak<S>(
        self,
        stream: S,
        half_close: bool,
        requests: &Requests,
    ) -> Result<(), axum::BoxError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let ConnectionBounds { timeout: request_timeout, settings } = self.bounds;
        let header_timeout = request_timeout.min(settings.header_timeout);
        let idle_timeout = request_timeout.min(settings.idle_timeout);
        let (stream, version) = if let Some(tls) = &self.tls {
            Secured::tls(tls.accept(self.client, stream, header_timeout).await?)
        } else {
            let told = timeout(header_timeout, Secured::plain(stream)).await;
            told.map_err(|_elapsed| io::Error::from(io::ErrorKind::TimedOut))??
        };
        let (answers, client) = (self.answers, self.client);
        let most = match settings.max_requests_per_connection {
            0 => usize::MAX,
            most => usize::try_from(most).unwrap_or(usize::MAX),
        };
        let enough = CancellationToken::new();
        let answer = service_fn({
            let (requests, enough) = (requests.clone(), enough.clone());
            move |mut request: Request<Incoming>| {
                let (busy, answers) = (requests.begin(), answers.clone());
                let is_last = requests.begun() >= most;
                if is_last && version == HttpVersion::Two {
                    enough.cancel();
                }
                name_host(&mut request, version);
                async move {
                    // Made here and not before, because a future that is moved is copied.
                    let mut answer = answers.answer(client, request).await;
                    if is_last && version == HttpVersion::One {
                        let close = HeaderValue::from_static("close");
                        answer.headers_mut().insert(header::CONNECTION, close);
                    }
                    Ok::<_, Infallible>(answer.map(|body| BusyBody::new(body, busy)))
                }
            }
        });
        let graceful = &self.ends.graceful;
        match version {
            HttpVersion::One => {
                let stream = Heads::new(stream, requests.clone(), header_timeout);
                let max_header = settings.max_header.as_usize();
                let mut builder = http1::Builder::new();
                builder
                    // `Heads` bounds the time of a header, and answers.
                    .header_read_timeout(None)
                    .max_buf_size(max_header)
                    .max_header_size(max_header)
                    .half_close(half_close);
                let fields = settings.max_header_fields as usize;
                if fields != FIELDS {
                    builder.max_headers(fields);
                }
                let connection = builder.serve_connection(TokioIo::new(stream), answer);
                let last = async {
                    tokio::select! {
                        () = graceful.cancelled() => {}
                        () = requests.idle(idle_timeout) => {}
                    }
                    None
                };
                serve_until(connection, last).await?;
            }
            HttpVersion::Two => {
                let bytes = |size: Size| u32::try_from(size.as_u64()).unwrap_or(u32::MAX);
                let connection = http2::Builder::new(TokioExecutor::new())
                    .timer(TokioTimer::new())
                    .max_concurrent_streams(settings.http2_streams)
                    .max_header_list_size(bytes(settings.max_header))
                    .max_pending_accept_reset_streams(settings.http2_resets as usize)
                    .max_local_error_reset_streams(settings.http2_refused as usize)
                    .initial_stream_window_size(bytes(settings.http2_stream_window))
                    .initial_connection_window_size(bytes(settings.http2_connection_window))
                    .max_send_buf_size(settings.http2_send_buffer.as_usize())
                    .serve_connection(TokioIo::new(stream), answer);
                let aged = async {
                    if A::MAY_STREAM { pending().await } else { sleep(settings.http2_age).await }
                };
                let last = async {
                    tokio::select! {
                        () = graceful.cancelled() => None,
                        // A client may leave an answer unread, which is not seen from outside of hyper.
                        () = requests.idle(idle_timeout) => Some(request_timeout),
                        () = enough.cancelled() => Some(2 * request_timeout),
                        () = aged => Some(2 * request_timeout),
                    }
                };
                Box::pin(serve_until(connection, last)).await?;
            }
        }
        Ok(())
    }
}

/// With HTTP/2 the client names the host beside its header fields (RFC 9113, section 8.3.1). The planes read `Host`.
fn name_host(request: &mut Request<Incoming>, version: HttpVersion) {
    if version == HttpVersion::Two
        && let Some(authority) = request.uri().authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().insert(header::HOST, host);
    }
}
