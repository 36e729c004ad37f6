//! What hyper reads and writes: a stream as it is, or one with TLS; and which version of HTTP its client speaks.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

/// What a client of HTTP/2 sends first (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The name of HTTP/2 in the handshake of TLS (RFC 7301).
const ALPN_H2: &[u8] = b"h2";
/// How much is read to tell the version. A usual request is all in it, so that telling costs no second read.
const FIRST_READ: usize = 2048;

/// The version of HTTP that a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HttpVersion {
    One,
    Two,
}

/// A stream whose version of HTTP is known.
pub(super) enum Secured<S> {
    Plain {
        /// The bytes that were read to tell the version; empty once hyper has them.
        first: Vec<u8>,
        taken: usize,
        stream: S,
    },
    Tls(Box<TlsStream<S>>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Secured<S> {
    /// Tells the version by the first bytes: HTTP/2 with prior knowledge begins with its preface.
    pub(super) async fn plain(mut stream: S) -> io::Result<(Self, HttpVersion)> {
        let mut first = Vec::with_capacity(FIRST_READ);
        let version = loop {
            // A client that sends nothing more gets hyper's answer to what it sent.
            if stream.read_buf(&mut first).await? == 0 {
                break HttpVersion::One;
            }
            if first.starts_with(PREFACE) {
                break HttpVersion::Two;
            }
            if !PREFACE.starts_with(&first) {
                break HttpVersion::One;
            }
        };
        Ok((Self::Plain { first, taken: 0, stream }, version))
    }

    /// Tells the version by what the client chose in the handshake.
    pub(super) fn tls(stream: TlsStream<S>) -> (Self, HttpVersion) {
        let chosen = stream.get_ref().1.alpn_protocol();
        let version = if chosen == Some(ALPN_H2) { HttpVersion::Two } else { HttpVersion::One };
        (Self::Tls(Box::new(stream)), version)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Secured<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Plain { first, stream, .. } if first.is_empty() => {
                Pin::new(stream).poll_read(context, buffer)
            }
            Self::Plain { first, taken, .. } => {
                let rest = &first[*taken..];
                let some = rest.len().min(buffer.remaining());
                buffer.put_slice(&rest[..some]);
                *taken += some;
                if *taken == first.len() {
                    // The memory is not needed for the rest of the connection.
                    *first = Vec::new();
                }
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Secured<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain { stream, .. } => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain { stream, .. } => Pin::new(stream).poll_write_vectored(context, buffers),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, buffers),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain { stream, .. } => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain { stream, .. } => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain { stream, .. } => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    async fn told(parts: &[&[u8]]) -> (HttpVersion, Vec<u8>) {
        let (mut client, server) = tokio::io::duplex(64);
        let parts: Vec<_> = parts.iter().map(|part| part.to_vec()).collect();
        let sending = async move {
            for part in parts {
                client.write_all(&part).await.unwrap();
                // The other half reads before the next part arrives.
                tokio::task::yield_now().await;
            }
        };
        let telling = async {
            let (mut stream, version) = Secured::plain(server).await.unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            (version, all)
        };
        tokio::join!(sending, telling).1
    }

    #[tokio::test]
    async fn the_preface_tells_http_2_and_no_byte_is_lost() {
        let two = [PREFACE, b"frames"].concat();
        for parts in
            [&[&two[..]][..], &[&two[..3], &two[3..24], &two[24..]], &[&two[..1], &two[1..]]]
        {
            assert_eq!(told(parts).await, (HttpVersion::Two, two.clone()));
        }
        for one in
            [&b"GET / HTTP/1.1\r\n\r\n"[..], b"PUT / HTTP/1.1\r\n", b"PRI * HTTP/1.1", b"PRI", b""]
        {
            assert_eq!(told(&[one]).await, (HttpVersion::One, one.to_vec()));
        }
        assert_eq!(told(&[b"P", b"OST /"]).await, (HttpVersion::One, b"POST /".to_vec()));
    }
}
