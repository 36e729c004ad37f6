//! The accept loop, the limits of connections, and graceful shutdown.
//!
//! | file | idea |
//! |---|---|
//! | `bound` | a listener that is bound and not served yet: a port, a Unix socket, or one of the application |
//! | `sockets` | sockets that other processes bound: a service manager, or the process that this one replaces |
//! | `source` | accepts connections from each of the three |
//! | `unix` | the file of a Unix socket |
//! | `connection` | serves one connection |
//! | `secured` | its bytes with or without TLS, and its version of HTTP |
//! | `heads` | the time in which a header arrives, and bodies for hyper's own answers |
//! | `busy`, `graceful` | its open requests, and its end after the last of them |
//! | `transport`, `observed` | what a connection's bytes travel by, and what is known of its client |
//! | `socket`, `raw` | a socket of the system, and the end of a connection |
//! | `addresses` | limits the connections of each client |
//!
//! HTTP/1.1, and HTTP/2 if the client chooses it: in the handshake of TLS, or by beginning with its preface. A client
//! that sends its header slowly, idles, or does not read its answer is bounded by timeouts, and one that sends a huge
//! header by the size of the buffer; what hyper cannot read is answered with a 400, 414 or 431 (`heads.rs`). Connections
//! beyond the limit of [`Bounds`] wait in the kernel's queue; if one address has half of them open, its further
//! connections are closed. An answer that is sent before the request is read arrives (`socket.rs`).
//!
//! A shutdown has steps, so that every accepted connection gets its answers:
//!
//! 1. *Lame duck*: connections are still accepted, and every answer ends its connection. The
//!    caller decides how long.
//! 2. [`Plane::close`] rejects new handshakes, where the system can do that (Linux), or removes the file
//!    of the Unix socket, and accepts for [`CLOSE_GRACE`] the connections whose handshake ends. Closing the port
//!    at once would reset them, though their clients are connected already.
//! 3. The port is closed. For another [`CLOSE_GRACE`] open connections may send requests: hyper
//!    would close one on which nothing has been read yet, though its request may have arrived
//!    already.
//! 4. Idle connections are closed, also those that sent a part of a header; busy ones finish; at the
//!    deadline the remaining ones are cut off.
//!
//! If another process listens on the same socket, a service manager's next one or one that replaces this
//! ([`Plane::leave_port`]), step 2 is left out: nothing is rejected, and the connections in the queue are its.

mod addresses;
mod bound;
mod busy;
mod connection;
mod graceful;
mod heads;
mod observed;
mod raw;
mod secured;
mod socket;
mod sockets;
mod source;
mod transport;
#[cfg(unix)]
mod unix;

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use axum::http::{Request, Response};
use axum::{BoxError, Router};
use hyper::body::Incoming;
use plugbay::config::ConnectionSettings;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use self::addresses::Counted;
pub(crate) use self::addresses::{Addresses, Client};
pub(crate) use self::bound::Handed;
pub use self::bound::Listener;
use self::connection::{Connection, Ends};
pub(crate) use self::sockets::{ADMIN, SERVER};
pub use self::sockets::{NotListening, Sockets};
use self::source::{Source, is_caused_by_client};
use self::transport::Transport;
use crate::tls::Tls;

/// The pause after the system had no descriptor or memory for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The length of each of the steps 2 and 3.
const CLOSE_GRACE: Duration = Duration::from_millis(250);

/// Answers the requests of a plane.
pub(crate) trait Answers: Clone + Send + Sync + 'static {
    /// The body of an answer.
    type Body: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static;

    /// Whether an answer may take as long as its client wants, such as a stream of events. Otherwise connections of
    /// HTTP/2 end at an age, because a client may hold one by not reading.
    const MAY_STREAM: bool;

    /// The answer to a request of a client.
    fn answer(
        self,
        client: Client,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

impl Answers for Router {
    type Body = axum::body::Body;
    const MAY_STREAM: bool = true;

    async fn answer(self, client: Client, mut request: Request<Incoming>) -> Response<Self::Body> {
        request.extensions_mut().insert(client);
        match self.oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        }
    }
}

/// The bounds of one connection.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionBounds {
    /// The timeout of a request, which also bounds its header and each pause in which the client does not read.
    pub(crate) timeout: Duration,
    /// All others.
    pub(crate) settings: ConnectionSettings,
}

/// The limits of connections. Clones share them: several listeners of one plane have as many as one.
#[derive(Clone)]
pub(crate) struct Bounds {
    permits: Arc<Semaphore>,
    connections: usize,
    addresses: Addresses,
    each: Arc<dyn Fn() -> ConnectionBounds + Send + Sync>,
}

impl Bounds {
    /// At most `connections` are open. `each` is called for each of them.
    pub(crate) fn new(
        connections: usize,
        each: impl Fn() -> ConnectionBounds + Send + Sync + 'static,
    ) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(connections)),
            connections,
            addresses: Addresses::default(),
            each: Arc::new(each),
        }
    }

    /// The most connections of one client.
    fn of_one_client(&self, settings: &ConnectionSettings) -> usize {
        match settings.max_connections_per_client {
            0 => (self.connections / 2).max(1),
            most => usize::try_from(most).unwrap_or(usize::MAX),
        }
    }
}

/// A listener that is served.
pub(crate) struct Plane {
    close: CancellationToken,
    close_port: CancellationToken,
    /// Cancelled if another process listens on the same socket.
    leave_port: CancellationToken,
    ends: Ends,
    open: TaskTracker,
    accepting: JoinHandle<()>,
}

impl Plane {
    /// Serves the requests that arrive at `listener`.
    fn open(
        listener: impl Source,
        answers: impl Answers,
        tls: Option<Arc<Tls>>,
        bounds: Bounds,
    ) -> Self {
        let close = CancellationToken::new();
        let close_port = CancellationToken::new();
        let leave_port = CancellationToken::new();
        let ends = Ends::default();
        let open = TaskTracker::new();
        // A closed tracker lets `wait` return when no connection is open; more can still be
        // spawned.
        open.close();
        let acceptor = Acceptor {
            answers,
            tls,
            bounds,
            open: open.clone(),
            close: close.clone(),
            close_port: close_port.clone(),
            leave_port: leave_port.clone(),
            ends: ends.clone(),
        };
        let accepting = tokio::spawn(acceptor.run(listener));
        Self { close, close_port, leave_port, ends, open, accepting }
    }

    /// Leaves the port, and the connections in its queue, to another process from [`Plane::close`] on.
    pub(crate) fn leave_port(&self) {
        self.leave_port.cancel();
    }

    /// Accepts no more connections: another process listens on the same socket.
    pub(crate) fn leave(&self) {
        self.leave_port();
        self.close.cancel();
    }

    /// Waits until no connection is open.
    pub(crate) async fn idle(&self) {
        self.open.wait().await;
    }

    /// Accepts the connections in the kernel's queue, closes the port, and waits for all
    /// connections. Returns how many were cut off at `deadline`.
    pub(crate) async fn close(mut self, deadline: Instant) -> usize {
        self.close.cancel();
        let grace = CLOSE_GRACE.min(deadline.saturating_duration_since(Instant::now()) / 4);
        if !self.leave_port.is_cancelled() {
            tokio::time::sleep(grace).await;
        }
        self.close_port.cancel();
        if tokio::time::timeout(grace, &mut self.accepting).await.is_ok() {
            return 0;
        }
        self.ends.idle.cancel();
        if tokio::time::timeout_at(deadline, &mut self.accepting).await.is_ok() {
            return 0;
        }
        let cut_off = self.open.len();
        self.ends.all.cancel();
        self.open.wait().await;
        cut_off
    }
}

/// Cuts off all connections if the plane was not closed.
impl Drop for Plane {
    fn drop(&mut self) {
        self.ends.all.cancel();
        self.accepting.abort();
    }
}

struct Acceptor<A> {
    answers: A,
    tls: Option<Arc<Tls>>,
    bounds: Bounds,
    open: TaskTracker,
    close: CancellationToken,
    close_port: CancellationToken,
    leave_port: CancellationToken,
    ends: Ends,
}

impl<A: Answers> Acceptor<A> {
    async fn run(self, mut listener: impl Source) {
        self.accept_until(&mut listener, &self.close).await;
        if self.leave_port.is_cancelled() {
            listener.leave();
        } else {
            self.close_port(listener).await;
        }
        tokio::select! {
            () = self.ends.idle.cancelled() => {}
            () = self.open.wait() => {}
        }
        self.ends.graceful.cancel();
        self.open.wait().await;
    }

    async fn close_port(&self, mut listener: impl Source) {
        if let Err(error) = listener.refuse_new() {
            tracing::debug!(%error, "cannot reject new handshakes");
        }
        self.accept_until(&mut listener, &self.close_port).await;
        listener.close(|stream, client| self.serve(stream, client, None));
    }

    async fn accept_until<S: Source>(&self, listener: &mut S, end: &CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = end.cancelled() => return,
                (stream, client, permit) = self.accept(listener) => self.serve(stream, client, permit),
            }
        }
    }

    /// Accepts the next connection, once there is room for it. No error ends the loop: an error of
    /// a client is ignored, and the system may have descriptors again later.
    ///
    /// Cancel safe: a connection is accepted only when this returns.
    async fn accept<S: Source>(&self, listener: &mut S) -> (S::Stream, Client, Permit) {
        loop {
            let permit = Arc::clone(&self.bounds.permits).acquire_owned().await.ok();
            match listener.accept().await {
                Ok((stream, client)) => return (stream, client, permit),
                Err(error) if is_caused_by_client(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn serve(&self, stream: impl Transport, client: Client, permit: Permit) {
        let bounds = (self.bounds.each)();
        let most = self.bounds.of_one_client(&bounds.settings);
        // The connection is closed if its client has as many as allowed.
        let Some(counted) = self.bounds.addresses.count(client, most) else { return };
        let connection = Connection {
            answers: self.answers.clone(),
            client,
            tls: self.tls.clone(),
            bounds,
            ends: self.ends.clone(),
        };
        let held: (Permit, Counted) = (permit, counted);
        self.open.spawn(async move {
            connection.serve(stream).await;
            drop(held);
        });
    }
}

/// The permit of an open connection; `None` for connections that are accepted at the shutdown.
type Permit = Option<tokio::sync::OwnedSemaphorePermit>;
