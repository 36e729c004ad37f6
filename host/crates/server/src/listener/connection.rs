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
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use super::Answers;
use super::addresses::Client;
use super::busy::{BusyBody, Requests};
use super::graceful::serve_until;
use super::observed::Observed as _;
use super::secured::{HttpVersion, Secured};
use super::transport::Transport;
use crate::tls::Tls;

/// The longest time that a client may take for a header, and that a connection may be idle.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest header, in bytes; hyper accepts up to twice that if it arrives at once, and 100
/// fields.
const HEADER_SIZE: usize = 32 << 10;
/// The same for HTTP/2: the largest size of all decoded fields.
const HEADER_LIST_SIZE: u32 = 32 << 10;
/// How often a server that stops checks whether a connection is busy. A connection that is not, twice in a
/// row, has sent at most a part of a header, and is closed.
const BUSY_CHECK: Duration = Duration::from_millis(100);

/// The most requests at the same time on a connection of HTTP/2.
const STREAMS: u32 = 128;
/// How many requests a client may reset before the server has begun to answer them. With one more, the connection
/// ends (CVE-2023-44487, "rapid reset").
const RESETS: usize = 32;
/// How many requests the server may refuse on one connection for errors of the client, before the connection ends.
const REFUSED_STREAMS: usize = 128;
/// The bytes of a request's body, and of all bodies of a connection, that a client of HTTP/2 may send unasked.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
/// The bytes of an answer that are kept for a client of HTTP/2 that does not read.
const SEND_BUFFER: usize = 256 << 10;

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
    /// The timeout of a request, which also bounds its header and each pause in which the client does not
    /// read.
    pub(super) timeout: Duration,
    pub(super) ends: Ends,
}

impl<A: Answers> Connection<A> {
    /// Serves the connection until it ends.
    pub(super) async fn serve<T: Transport>(self, stream: T) {
        let (io, socket) = stream.open(self.ends.idle.clone());
        let mut io = TimeoutStream::new(io);
        io.set_write_timeout(Some(self.timeout));
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
        let header_timeout = self.timeout.min(HEADER_TIMEOUT);
        let (stream, version) = if let Some(tls) = &self.tls {
            Secured::tls(tls.accept(self.client, stream, header_timeout).await?)
        } else {
            let told = timeout(header_timeout, Secured::plain(stream)).await;
            told.map_err(|_elapsed| io::Error::from(io::ErrorKind::TimedOut))??
        };
        let (answers, client) = (self.answers, self.client);
        let answer = service_fn({
            let requests = requests.clone();
            move |mut request: Request<Incoming>| {
                let (busy, answers) = (requests.begin(), answers.clone());
                name_host(&mut request, version);
                async move {
                    // Made here and not before, because a future that is moved is copied.
                    let answer = answers.answer(client, request).await;
                    Ok::<_, Infallible>(answer.map(|body| BusyBody::new(body, busy)))
                }
            }
        });
        let graceful = &self.ends.graceful;
        match version {
            HttpVersion::One => {
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(header_timeout)
                    .max_buf_size(HEADER_SIZE)
                    .half_close(half_close)
                    .serve_connection(TokioIo::new(stream), answer);
                let last = async {
                    graceful.cancelled().await;
                    None
                };
                serve_until(connection, last).await?;
            }
            HttpVersion::Two => {
                let connection = http2::Builder::new(TokioExecutor::new())
                    .timer(TokioTimer::new())
                    .max_concurrent_streams(STREAMS)
                    .max_header_list_size(HEADER_LIST_SIZE)
                    .max_pending_accept_reset_streams(RESETS)
                    .max_local_error_reset_streams(REFUSED_STREAMS)
                    .initial_stream_window_size(STREAM_WINDOW)
                    .initial_connection_window_size(CONNECTION_WINDOW)
                    .max_send_buf_size(SEND_BUFFER)
                    .serve_connection(TokioIo::new(stream), answer);
                let aged = async {
                    match A::MAX_AGE {
                        Some(age) => sleep(age).await,
                        None => pending().await,
                    }
                };
                let last = async {
                    tokio::select! {
                        () = graceful.cancelled() => None,
                        // A client may leave an answer unread, which is not seen from outside of hyper.
                        () = requests.idle(header_timeout) => Some(self.timeout),
                        () = aged => Some(2 * self.timeout),
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
