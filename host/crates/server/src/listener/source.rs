//! Where connections come from: a port, a Unix socket, or a listener that an application brings.

use std::any::Any;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use axum::serve::Listener as AxumListener;
use tokio::net::{TcpListener, TcpStream};

use super::addresses::Client;
use super::transport::{Foreign, System, Transport};
#[cfg(unix)]
use super::unix::SocketFile;

/// A listener.
pub(super) trait Source: Send + Sized + 'static {
    type Stream: Transport;

    /// Accepts the next connection.
    ///
    /// Cancel safe: a connection is accepted only when this returns.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Stream, Client)>> + Send;

    /// Makes further clients fail to connect, as far as the system can do that without resetting those that
    /// are connected already.
    fn refuse_new(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Stops listening, and passes the connections on that the kernel has accepted already: to their clients they
    /// are connected.
    fn close(self, _accepted: impl FnMut(Self::Stream, Client)) {}

    /// Stops accepting, and leaves the connections in the kernel's queue to another process that listens on the same
    /// socket.
    fn leave(self) {}
}

/// A port.
impl Source for TcpListener {
    type Stream = System<TcpStream>;

    async fn accept(&mut self) -> io::Result<(Self::Stream, Client)> {
        let (stream, peer) = Self::accept(self).await?;
        Ok(tcp(stream, peer))
    }

    fn refuse_new(&mut self) -> io::Result<()> {
        reject_handshakes(self)
    }

    /// Calls the kernel directly, because the runtime's view of the queue may be out of date.
    fn close(self, mut accepted: impl FnMut(Self::Stream, Client)) {
        let Ok(listener) = self.into_std() else { return };
        drain(
            || listener.accept(),
            |(stream, peer)| {
                stream.set_nonblocking(true)?;
                let (stream, client) = tcp(TcpStream::from_std(stream)?, peer);
                accepted(stream, client);
                Ok(())
            },
        );
    }
}

fn tcp(stream: TcpStream, peer: SocketAddr) -> (System<TcpStream>, Client) {
    // Small answers are sent at once. An error here only makes them slower.
    let _ = stream.set_nodelay(true);
    (System(stream), Client::of(peer.ip()))
}

/// A Unix socket, and its file, if this process removes it, which is done before the socket is closed.
#[cfg(unix)]
pub(super) struct UnixSource {
    pub(super) file: Option<SocketFile>,
    pub(super) listener: tokio::net::UnixListener,
}

#[cfg(unix)]
impl Source for UnixSource {
    type Stream = System<tokio::net::UnixStream>;

    async fn accept(&mut self) -> io::Result<(Self::Stream, Client)> {
        let (stream, _) = self.listener.accept().await?;
        Ok((System(stream), Client::Unknown))
    }

    fn refuse_new(&mut self) -> io::Result<()> {
        self.file = None;
        Ok(())
    }

    fn close(self, mut accepted: impl FnMut(Self::Stream, Client)) {
        drop(self.file);
        let Ok(listener) = self.listener.into_std() else { return };
        drain(
            || listener.accept(),
            |(stream, _)| {
                stream.set_nonblocking(true)?;
                let stream = tokio::net::UnixStream::from_std(stream)?;
                accepted(System(stream), Client::Unknown);
                Ok(())
            },
        );
    }

    fn leave(self) {
        if let Some(file) = self.file {
            file.leave();
        }
    }
}

/// A listener of an application, which handles its own errors.
pub(super) struct ForeignSource(pub(super) Box<dyn Accept>);

impl Source for ForeignSource {
    type Stream = Foreign;

    async fn accept(&mut self) -> io::Result<(Self::Stream, Client)> {
        Ok(self.0.accept().await)
    }
}

/// An [`AxumListener`] whose type is not known.
pub(super) trait Accept: Send {
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = (Foreign, Client)> + Send + '_>>;
}

impl<L: AxumListener> Accept for L {
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = (Foreign, Client)> + Send + '_>> {
        Box::pin(async move {
            let (stream, peer) = AxumListener::accept(self).await;
            let peer: &dyn Any = &peer;
            let client = peer.downcast_ref::<SocketAddr>().map(|peer| Client::of(peer.ip()));
            (Foreign(Box::new(stream)), client.unwrap_or(Client::Unknown))
        })
    }
}

/// Accepts until the queue is empty, or the system refuses.
fn drain<C>(accept: impl Fn() -> io::Result<C>, mut serve: impl FnMut(C) -> io::Result<()>) {
    loop {
        match accept() {
            // The client of one that cannot be served is gone.
            Ok(connection) => drop(serve(connection)),
            Err(error) if is_caused_by_client(&error) => {}
            Err(_) => return,
        }
    }
}

pub(super) fn is_caused_by_client(error: &io::Error) -> bool {
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
