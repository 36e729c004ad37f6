//! The accept loop, the limits of connections, and graceful shutdown.
//!
//! HTTP/1.1 only. A client that sends its header slowly, idles, or does not read its answer is
//! bounded by timeouts, and one that sends a huge header by the size of the buffer; hyper answers
//! what is not HTTP with a 400 or 431 without a body. Connections beyond [`Bounds::connections`]
//! wait in the kernel's queue; if one address has half of them open, its further connections are
//! closed. An answer that is sent before the request is read arrives (`socket.rs`).
//!
//! A shutdown has steps, so that every accepted connection gets its answers:
//!
//! 1. *Lame duck*: connections are still accepted, and every answer ends its connection. The
//!    caller decides how long.
//! 2. [`Plane::close`] rejects new handshakes, where the system can do that (Linux), and accepts
//!    for [`CLOSE_GRACE`] the connections whose handshake ends. Closing the port at once would
//!    reset them, though their clients are connected already.
//! 3. The port is closed. For another [`CLOSE_GRACE`] open connections may send requests: hyper
//!    would close one on which nothing has been read yet, though its request may have arrived
//!    already.
//! 4. Idle connections are closed, also those that sent a part of a header; busy ones finish; at the
//!    deadline the remaining ones are cut off.

mod addresses;
mod connection;
mod socket;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use axum::http::{Request, Response};
use axum::{BoxError, Router};
use hyper::body::Incoming;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

pub(crate) use self::addresses::Client;
use self::addresses::{Addresses, Counted};
use self::connection::{Connection, Ends};

/// The length of the kernel's queue of connections, if the system's own limit allows it.
const BACKLOG: u32 = 4096;
/// The pause after the system had no descriptor or memory for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The length of each of the steps 2 and 3.
const CLOSE_GRACE: Duration = Duration::from_millis(250);

/// Answers the requests of a plane.
pub(crate) trait Answers: Clone + Send + Sync + 'static {
    /// The body of an answer.
    type Body: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static;

    /// The answer to a request of a client.
    fn answer(
        self,
        client: Client,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

impl Answers for Router {
    type Body = axum::body::Body;

    async fn answer(self, _client: Client, request: Request<Incoming>) -> Response<Self::Body> {
        match self.oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        }
    }
}

/// The limits of connections.
pub(crate) struct Bounds {
    /// The maximum number of open connections.
    pub(crate) connections: usize,
    /// Called for each connection: returns the timeout of a request, which also bounds its header
    /// and each pause in which the client does not read.
    pub(crate) timeout: Box<dyn Fn() -> Duration + Send + Sync>,
}

/// A listener that is served.
pub(crate) struct Plane {
    close: CancellationToken,
    close_port: CancellationToken,
    ends: Ends,
    open: TaskTracker,
    accepting: JoinHandle<()>,
}

impl Plane {
    /// Serves the requests that arrive at `listener`.
    pub(crate) fn open(listener: TcpListener, answers: impl Answers, bounds: Bounds) -> Self {
        let close = CancellationToken::new();
        let close_port = CancellationToken::new();
        let ends = Ends::default();
        let open = TaskTracker::new();
        // A closed tracker lets `wait` return when no connection is open; more can still be
        // spawned.
        open.close();
        let acceptor = Acceptor {
            answers,
            permits: Arc::new(Semaphore::new(bounds.connections)),
            addresses: Addresses::new((bounds.connections / 2).max(1)),
            bounds,
            graceful: GracefulShutdown::new(),
            open: open.clone(),
            close: close.clone(),
            close_port: close_port.clone(),
            ends: ends.clone(),
        };
        let accepting = tokio::spawn(acceptor.run(listener));
        Self { close, close_port, ends, open, accepting }
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
        tokio::time::sleep(grace).await;
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
    permits: Arc<Semaphore>,
    addresses: Addresses,
    bounds: Bounds,
    graceful: GracefulShutdown,
    open: TaskTracker,
    close: CancellationToken,
    close_port: CancellationToken,
    ends: Ends,
}

impl<A: Answers> Acceptor<A> {
    async fn run(self, listener: TcpListener) {
        self.accept_until(&listener, &self.close).await;
        if let Err(error) = reject_handshakes(&listener) {
            tracing::debug!(%error, "cannot reject new handshakes");
        }
        self.accept_until(&listener, &self.close_port).await;
        self.accept_queued(listener);
        tokio::select! {
            () = self.ends.idle.cancelled() => {}
            () = self.open.wait() => {}
        }
        self.graceful.shutdown().await;
        self.open.wait().await;
    }

    async fn accept_until(&self, listener: &TcpListener, end: &CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = end.cancelled() => return,
                accepted = self.accept(listener) => self.serve(accepted),
            }
        }
    }

    /// Accepts the next connection, once there is room for it. No error ends the loop: an error of
    /// a client is ignored, and the system may have descriptors again later.
    ///
    /// Cancel safe: a connection is accepted only when this returns.
    async fn accept(&self, listener: &TcpListener) -> (TcpStream, Permit) {
        loop {
            let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
            match listener.accept().await {
                Ok((stream, _)) => return (stream, permit),
                Err(error) if is_caused_by_client(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Accepts the connections in the kernel's queue: to their clients they are connected.
    ///
    /// Calls the kernel directly, because the runtime's view of the queue may be out of date.
    fn accept_queued(&self, listener: TcpListener) {
        let Ok(listener) = listener.into_std() else { return };
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    let stream =
                        stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
                    if let Ok(stream) = stream {
                        self.serve((stream, None));
                    }
                }
                Err(error) if is_caused_by_client(&error) => {}
                // The queue is empty, or the system refuses.
                Err(_) => return,
            }
        }
    }

    fn serve(&self, (stream, permit): (TcpStream, Permit)) {
        // A connection that its client has closed already has no address.
        let Ok(peer) = stream.peer_addr() else { return };
        let client = Client::of(peer.ip());
        // The connection is closed if its client has as many as allowed.
        let Some(counted) = self.addresses.count(client) else { return };
        let connection = Connection {
            answers: self.answers.clone(),
            client,
            timeout: (self.bounds.timeout)(),
            watcher: self.graceful.watcher(),
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

fn is_caused_by_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

/// Makes the kernel drop packets that begin a handshake. The client sends such a packet again, and
/// is refused once the port is closed.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn reject_handshakes(listener: &TcpListener) -> io::Result<()> {
    use socket2::{SockFilter, SockRef};
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_SET: u16 = 0x45;
    const RETURN: u16 = 0x06;
    const TCP_FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    SockRef::from(listener).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, TCP_FLAGS),
        SockFilter::new(JUMP_IF_SET, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}

/// Does nothing: other systems have no such filter, and reset a handshake that ends while the port
/// closes.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn reject_handshakes(_listener: &TcpListener) -> io::Result<()> {
    Ok(())
}

/// Binds a listener, in the runtime that serves it.
pub(crate) fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // The kernel may still hold connections of a server that was just stopped.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
