//! A stream of the operating system whose readiness can be observed: TCP, or a Unix socket.

use std::io;
use std::net::Shutdown;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{Interest, ReadBuf, Ready};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// The functions that the streams of the system have in common.
pub(super) trait RawStream: Send + Sync + Unpin + 'static {
    fn ready(&self, interest: Interest) -> impl Future<Output = io::Result<Ready>> + Send;

    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Notes the readiness to read before `read`, and clears it if that would block.
    fn try_io(&self, read: impl FnOnce() -> io::Result<()>) -> io::Result<()>;

    fn try_read_buf(&self, buffer: &mut ReadBuf<'_>) -> io::Result<usize>;

    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize>;

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;

    fn try_write_vectored(&self, buffers: &[io::IoSlice<'_>]) -> io::Result<usize>;

    /// Closes the writing half.
    fn close_writing(&self) -> io::Result<()>;
}

macro_rules! raw_stream {
    ($stream:ty) => {
        impl RawStream for $stream {
            async fn ready(&self, interest: Interest) -> io::Result<Ready> {
                self.ready(interest).await
            }

            fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_read_ready(context)
            }

            fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_write_ready(context)
            }

            fn try_io(&self, read: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
                self.try_io(Interest::READABLE, read)
            }

            fn try_read_buf(&self, buffer: &mut ReadBuf<'_>) -> io::Result<usize> {
                self.try_read_buf(buffer)
            }

            fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
                self.try_read(buffer)
            }

            fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
                self.try_write(bytes)
            }

            fn try_write_vectored(&self, buffers: &[io::IoSlice<'_>]) -> io::Result<usize> {
                self.try_write_vectored(buffers)
            }

            fn close_writing(&self) -> io::Result<()> {
                SockRef::from(self).shutdown(Shutdown::Write)
            }
        }
    };
}

raw_stream!(TcpStream);
#[cfg(unix)]
raw_stream!(UnixStream);
