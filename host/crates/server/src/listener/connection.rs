//! Serves one connection, from its first byte to its last.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use tokio::time::sleep;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use super::Answers;
use super::addresses::Client;
use super::observed::Observed as _;
use super::transport::Transport;

/// The longest time that a client may take for a header, and that a connection may be idle.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest header, in bytes; hyper accepts up to twice that if it arrives at once, and 100
/// fields.
const HEADER_SIZE: usize = 32 << 10;
/// How often a server that stops checks whether a connection is busy. A connection that is not, twice in a
/// row, has sent at most a part of a header, and is closed.
const BUSY_CHECK: Duration = Duration::from_millis(100);

/// The tokens that end connections.
#[derive(Clone, Default)]
pub(super) struct Ends {
    /// Cancelled when the server stops: connections without a request end.
    pub(super) idle: CancellationToken,
    /// Cancelled when all connections end.
    pub(super) all: CancellationToken,
}

/// The context of a connection.
pub(super) struct Connection<A> {
    pub(super) answers: A,
    pub(super) client: Client,
    /// The timeout of a request, which also bounds its header and each pause in which the client does not
    /// read.
    pub(super) timeout: Duration,
    pub(super) watcher: Watcher,
    pub(super) ends: Ends,
}

impl<A: Answers> Connection<A> {
    /// Serves the connection until it ends.
    pub(super) async fn serve<T: Transport>(self, stream: T) {
        let Self { answers, client, timeout, watcher, ends } = self;
        let (io, socket) = stream.open(ends.idle.clone());
        let mut io = TimeoutStream::new(io);
        io.set_write_timeout(Some(timeout));
        let requests = Arc::new(AtomicUsize::new(0));
        let answer = service_fn({
            let requests = Arc::clone(&requests);
            move |request: Request<Incoming>| {
                let (busy, answers) = (Busy::new(&requests), answers.clone());
                async move {
                    let _busy = busy;
                    // Made here and not before, because a future that is moved is copied.
                    Ok::<_, Infallible>(answers.answer(client, request).await)
                }
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(timeout.min(HEADER_TIMEOUT))
            .max_buf_size(HEADER_SIZE)
            .half_close(T::HALF_CLOSE)
            .serve_connection(TokioIo::new(Box::pin(io)), answer);
        let not_busy = async {
            ends.idle.cancelled().await;
            let mut seen = 0;
            while seen < 2 {
                sleep(BUSY_CHECK).await;
                let is_busy = requests.load(Ordering::Relaxed) > 0 || socket.is_blocked();
                seen = if is_busy { 0 } else { seen + 1 };
            }
        };
        // Dropping the connection stops the plugin that answers.
        tokio::select! {
            biased;
            ended = watcher.watch(connection) => if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            },
            () = socket.gone() => {}
            () = not_busy => {}
            () = ends.all.cancelled() => {}
        }
    }
}

/// Counts a request until it is answered.
struct Busy(Arc<AtomicUsize>);

impl Busy {
    fn new(requests: &Arc<AtomicUsize>) -> Self {
        requests.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(requests))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
