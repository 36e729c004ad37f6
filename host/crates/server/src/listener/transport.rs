//! What a connection's bytes travel by: a socket of the system, or any stream that an application brings.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;

use super::observed::Observed;
use super::raw::RawStream;
use super::socket::{Socket, SocketIo};

/// A stream with a client at its other end.
pub(crate) trait Transport: Send + 'static {
    /// The half for hyper.
    type Io: AsyncRead + AsyncWrite + Send + 'static;
    /// The half that observes the client.
    type Observed: Observed;
    /// Whether a client that finished sending may still wait for its answer, so that [`Observed::gone`] and not
    /// the end of its bytes says that it left.
    const HALF_CLOSE: bool;

    /// Both halves. Once `stopping` is cancelled, the stream lingers only shortly after its last byte.
    fn open(self, stopping: CancellationToken) -> (Self::Io, Self::Observed);
}

/// A socket of the system.
pub(crate) struct System<S>(pub(super) S);

impl<S: RawStream> Transport for System<S> {
    type Io = SocketIo<S>;
    type Observed = Socket<S>;
    const HALF_CLOSE: bool = true;

    fn open(self, stopping: CancellationToken) -> (Self::Io, Self::Observed) {
        let socket = Socket::new(self.0);
        (socket.io(stopping), socket)
    }
}

/// A stream of an application. Nothing is known of it but its bytes: hyper notices at their end that the client
/// is gone.
pub(crate) struct Foreign(pub(super) Box<dyn Duplex>);

/// Reads and writes.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

impl Transport for Foreign {
    type Io = ForeignIo;
    type Observed = Blocked;
    const HALF_CLOSE: bool = false;

    fn open(self, _stopping: CancellationToken) -> (Self::Io, Self::Observed) {
        let blocked = Blocked::default();
        (ForeignIo { stream: self.0, blocked: blocked.clone() }, blocked)
    }
}

/// Whether the last write had to wait.
#[derive(Clone, Default)]
pub(crate) struct Blocked(Arc<AtomicBool>);

impl Blocked {
    fn note<T>(&self, written: Poll<T>) -> Poll<T> {
        self.0.store(written.is_pending(), Ordering::Relaxed);
        written
    }
}

impl Observed for Blocked {
    fn is_blocked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn gone(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}

/// The half of a [`Foreign`] stream that hyper reads and writes.
pub(crate) struct ForeignIo {
    stream: Box<dyn Duplex>,
    blocked: Blocked,
}

impl AsyncRead for ForeignIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for ForeignIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.blocked.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.blocked.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// A stream that encrypts may hold bytes that are written only now.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.blocked.note(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
