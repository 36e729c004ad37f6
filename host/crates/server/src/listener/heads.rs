//! Watches the headers of a connection of HTTP/1: bounds the time in which each arrives, and gives hyper's own answers
//! a body.
//!
//! hyper answers a header that it cannot read by itself, with a status and nothing else: 400, 414 or 431. It offers
//! no place to change that, and it knows no 408. Both are done here, below hyper, by what passes through:
//!
//! - Bytes that hyper reads while no request is open begin a header. If hyper then waits for more, the header is
//!   incomplete, and its time runs. When it is over, this writes a 408 and ends the connection.
//! - Bytes that hyper writes while every answer of this server has been flushed are an answer of its own. This writes
//!   a problem with the same status in their place. If an earlier answer is still in hyper's buffer, because the
//!   client sent several requests at once, the status goes out as it is.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::busy::Requests;
use crate::problem::Problem;

/// The bytes of a connection of HTTP/1.
pub(super) struct Heads<S> {
    stream: S,
    requests: Requests,
    /// How many requests had begun when the latest bytes were read.
    begun: usize,
    /// How many had begun when all answers were flushed.
    flushed: usize,
    /// The longest time for a header to arrive.
    time: Duration,
    /// Ends when the header that is incomplete is late.
    late: Option<Pin<Box<Sleep>>>,
    /// An answer in place of hyper's, and how much of it is written.
    own: Option<(Vec<u8>, usize)>,
}

impl<S> Heads<S> {
    pub(super) fn new(stream: S, requests: Requests, time: Duration) -> Self {
        Self { stream, requests, begun: 0, flushed: 0, time, late: None, own: None }
    }

    /// Whether what hyper writes now is no answer of this server.
    fn is_hypers_own(&self) -> bool {
        !self.requests.are_open() && self.requests.begun() == self.flushed
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Heads<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let begun = this.requests.begun();
        if begun != this.begun {
            // The header was complete.
            this.begun = begun;
            this.requests.header_begins(false);
            this.late = None;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        if read.is_ready() {
            if buffer.filled().len() > before && !this.requests.are_open() {
                this.requests.header_begins(true);
            }
            return read;
        }
        if !this.requests.is_in_header() {
            return Poll::Pending;
        }
        let late = this.late.get_or_insert_with(|| Box::pin(sleep(this.time)));
        ready!(late.as_mut().poll(context));
        let detail = "the header did not arrive within server.header_timeout";
        let problem = Problem::new(StatusCode::REQUEST_TIMEOUT, "request-timeout", detail);
        // A client that does not read either gets no answer.
        let _ = Pin::new(&mut this.stream).poll_write(context, &problem.into_bytes());
        let _ = Pin::new(&mut this.stream).poll_flush(context);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin> Heads<S> {
    /// Writes an answer in place of hyper's `bytes`, which count as written once all of it is.
    fn poll_own(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
        length: usize,
    ) -> Poll<io::Result<usize>> {
        let (own, written) = self.own.get_or_insert_with(|| (in_place_of(bytes), 0));
        while *written < own.len() {
            let more = Pin::new(&mut self.stream).poll_write(context, &own[*written..]);
            match ready!(more)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                more => *written += more,
            }
        }
        self.own = None;
        Poll::Ready(Ok(length))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heads<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_hypers_own() {
            return self.poll_own(context, bytes, bytes.len());
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_hypers_own() {
            let first = buffers.iter().find(|it| !it.is_empty()).map_or(&[][..], |it| it);
            let length = buffers.iter().map(|it| it.len()).sum();
            return self.poll_own(context, first, length);
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        if !self.requests.are_open() {
            self.flushed = self.requests.begun();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The problem with the status of an answer without a body.
fn in_place_of(bytes: &[u8]) -> Vec<u8> {
    let problem = match bytes.get(b"HTTP/1.1 ".len()..b"HTTP/1.1 400".len()) {
        Some(b"431") => Problem::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "header-too-large",
            "expected a header within server.max_header and server.max_header_fields",
        ),
        Some(b"414") => {
            Problem::new(StatusCode::URI_TOO_LONG, "uri-too-long", "expected a shorter target")
        }
        Some(b"400") => {
            Problem::bad_request("expected a request of HTTP/1.0 or HTTP/1.1, found something else")
        }
        _ => return bytes.to_vec(),
    };
    problem.into_bytes()
}
