//! A client's socket: what TCP leaves to a server at the end of a connection.
//!
//! - **Closing lingers** (RFC 9112, section 9.6). A server that closes while the client still sends makes
//!   the kernel reset the connection, and the reset takes away the answer that the client has not read
//!   yet. So the writing half is closed first, and what comes is read and dropped, within bounds.
//! - **A closed writing half is not a client that left.** [`Socket::gone`] says which of the two it is, as
//!   far as that can be known: the kernel says at once that a connection was reset, but a client that
//!   closed its socket and one that only finished sending look alike.

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long the answer may take for a client that has finished sending. After that, nothing tells it
/// from a client that left, whose request would go on in vain.
const HALF_CLOSED: Duration = Duration::from_secs(5);
/// How often a connection with unread bytes is asked whether its client has finished sending.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How long a closing connection lingers in all, and without a byte from its client.
const LINGER: Duration = Duration::from_secs(10);
const LINGER_IDLE: Duration = Duration::from_secs(1);
/// How long it lingers while the server stops.
const LINGER_STOPPING: Duration = Duration::from_millis(250);
/// The most bytes that it reads meanwhile.
const LINGER_BYTES: usize = 256 << 20;

/// The shared half of a connection's socket: asks about the client while hyper reads and writes.
#[derive(Clone)]
pub(super) struct Socket {
    stream: Arc<TcpStream>,
    /// Whether the last write found the client slow to read.
    is_blocked: Arc<AtomicBool>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream: Arc::new(stream), is_blocked: Arc::default() }
    }

    /// The half that is read and written. Once `stopping` is cancelled it lingers for a moment only.
    pub(super) fn io(&self, stopping: CancellationToken) -> SocketIo {
        SocketIo { socket: self.clone(), stopping, linger: None }
    }

    /// Whether bytes of an answer wait for the client to read.
    pub(super) fn is_blocked(&self) -> bool {
        self.is_blocked.load(Ordering::Relaxed)
    }

    /// Returns when the client is gone: at once for a connection that was reset, and after a while for
    /// one whose client sends no more and does not read either.
    pub(super) async fn gone(&self) {
        while self.stream.ready(Interest::READABLE).await.is_ok_and(|it| !it.is_read_closed()) {
            // There are bytes that the request in progress does not read yet.
            sleep(ASK_AGAIN).await;
        }
        while timeout(HALF_CLOSED, self.stream.ready(Interest::ERROR)).await.is_err()
            && self.is_blocked()
        {}
    }
}

/// What hyper reads and writes.
pub(super) struct SocketIo {
    socket: Socket,
    stopping: CancellationToken,
    /// Under way once the connection is closed for writing.
    linger: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl SocketIo {
    fn poll_written(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let Socket { stream, is_blocked } = &self.socket;
        loop {
            let ready = stream.poll_write_ready(cx);
            is_blocked.store(ready.is_pending(), Ordering::Relaxed);
            ready!(ready)?;
            match write(stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }
}

impl AsyncRead for SocketIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = &self.socket.stream;
        loop {
            ready!(stream.poll_read_ready(cx))?;
            match stream.try_read(buffer.initialize_unfilled()) {
                Ok(read) => {
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for SocketIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_written(cx, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_written(cx, |stream| stream.try_write_vectored(buffers))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Closes the writing half, and lingers.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            let stream = Arc::clone(&self.socket.stream);
            if SockRef::from(&*stream).shutdown(Shutdown::Write).is_err() {
                // The client is gone already.
                return Poll::Ready(Ok(()));
            }
            self.linger = Some(Box::pin(linger(stream, self.stopping.clone())));
        }
        let Some(linger) = &mut self.linger else { return Poll::Ready(Ok(())) };
        linger.as_mut().poll(cx).map(Ok)
    }
}

/// Reads and drops what the client still sends, until it closes or a bound is reached.
async fn linger(stream: Arc<TcpStream>, stopping: CancellationToken) {
    let drained = async {
        let mut buffer = vec![0; 16 << 10];
        let mut bytes = 0;
        while bytes < LINGER_BYTES
            && let Ok(Ok(())) = timeout(LINGER_IDLE, stream.readable()).await
        {
            match stream.try_read(&mut buffer) {
                Ok(0) => return,
                Ok(read) => bytes += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_gone) => return,
            }
        }
    };
    let stopped = async {
        stopping.cancelled().await;
        sleep(LINGER_STOPPING).await;
    };
    tokio::select! {
        _ = timeout(LINGER, drained) => {}
        () = stopped => {}
    }
}
