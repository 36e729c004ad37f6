//! Where calls leave their spans.

use std::sync::Arc;

use plugbay_core::trace::{Span, SpanSink};
use tokio::sync::mpsc::{self, Receiver, Sender, error::TrySendError};

use crate::figures::{DropReason, SpanCounts};

/// The most spans that wait to be sent: some megabytes; at most 32 MiB, if all are plugins' own.
const QUEUE: usize = 4096;

/// Takes spans without ever waiting. Those without room are dropped and counted.
pub(crate) struct Queue {
    spans: Sender<Span>,
    counts: Arc<SpanCounts>,
}

impl Queue {
    /// The queue, and its other end.
    pub(crate) fn new(counts: &Arc<SpanCounts>) -> (Self, Receiver<Span>) {
        let (spans, taken) = mpsc::channel(QUEUE);
        (Self { spans, counts: Arc::clone(counts) }, taken)
    }
}

impl SpanSink for Queue {
    fn record(&self, span: Span) {
        let reason = match self.spans.try_send(span) {
            Ok(()) => return,
            Err(TrySendError::Full(_)) => DropReason::QueueFull,
            Err(TrySendError::Closed(_)) => DropReason::Stopped,
        };
        self.counts.add_dropped(reason, 1);
    }
}
