//! Counts the requests of a connection that are not answered yet.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::time::sleep;

/// The requests of a connection.
#[derive(Clone, Default)]
pub(super) struct Requests(Arc<Counts>);

#[derive(Default)]
struct Counts {
    /// Those that are not answered yet.
    open: AtomicUsize,
    /// All of them.
    begun: AtomicUsize,
    /// Whether a part of a header has arrived, with HTTP/1.
    is_in_header: AtomicBool,
}

impl Requests {
    /// Counts a request until this is dropped.
    pub(super) fn begin(&self) -> Busy {
        self.0.open.fetch_add(1, Ordering::Relaxed);
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }

    /// Whether there are requests that are not answered yet.
    pub(super) fn are_open(&self) -> bool {
        self.0.open.load(Ordering::Relaxed) > 0
    }

    /// How many requests there have been.
    pub(super) fn begun(&self) -> usize {
        self.0.begun.load(Ordering::Relaxed)
    }

    /// Notes that a part of a header has arrived, or that none has.
    pub(super) fn header_begins(&self, begins: bool) {
        self.0.is_in_header.store(begins, Ordering::Relaxed);
    }

    /// Whether a part of a header has arrived.
    pub(super) fn is_in_header(&self) -> bool {
        self.0.is_in_header.load(Ordering::Relaxed) && !self.are_open()
    }

    /// Waits until there has been no request for about this long. A header that arrives has its own time.
    pub(super) async fn idle(&self, time: Duration) {
        loop {
            let begun = self.begun();
            sleep(time).await;
            if !self.are_open() && !self.is_in_header() && self.begun() == begun {
                return;
            }
        }
    }
}

/// A request that is not answered yet.
pub(super) struct Busy(Requests);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer: until hyper has taken it, its request is open.
pub(super) struct BusyBody<B> {
    body: B,
    _busy: Busy,
}

impl<B> BusyBody<B> {
    pub(super) fn new(body: B, busy: Busy) -> Self {
        Self { body, _busy: busy }
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for BusyBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
