//! The thread: takes batches of spans, and sends each in time.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use plugbay_core::trace::Span;
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::figures::{DropReason, SpanCounts};
use crate::message::Messages;
use crate::send_error::{Again, SendError};
use crate::settings::Settings;
use crate::transport::Transport;

/// The most spans that are sent at once.
const BATCH: usize = 512;
/// How long a span waits for others.
const DELAY: Duration = Duration::from_secs(1);
/// The wait before the second attempt; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// Takes batches of spans from the queue, and sends them.
pub(crate) struct Batches {
    spans: Receiver<Span>,
    stop: Stop,
    transport: Transport,
    messages: Messages,
    timeout: Duration,
    counts: Arc<SpanCounts>,
    /// Whether the last batch was lost.
    is_failing: bool,
}

/// The time by which the last spans are to be sent, once the exporter is stopped.
#[derive(Clone)]
struct Stop(watch::Receiver<Option<Instant>>);

impl Stop {
    /// The deadline, if the exporter is stopped.
    fn deadline(&self) -> Option<Instant> {
        *self.0.borrow()
    }

    /// Waits until the exporter is stopped.
    async fn stopped(&mut self) {
        // Its sender stops the exporter before it is dropped.
        let _ = self.0.wait_for(Option::is_some).await;
    }

    /// Waits for the deadline.
    async fn over(&mut self) {
        self.stopped().await;
        if let Some(deadline) = self.deadline() {
            sleep_until(deadline).await;
        }
    }
}

impl Batches {
    pub(crate) fn new(
        spans: Receiver<Span>,
        stop: watch::Receiver<Option<Instant>>,
        transport: Transport,
        settings: &Settings,
        counts: Arc<SpanCounts>,
    ) -> Self {
        Self {
            spans,
            stop: Stop(stop),
            transport,
            messages: Messages::new(&settings.service_name),
            timeout: settings.timeout,
            counts,
            is_failing: false,
        }
    }

    /// Sends batches until the exporter is stopped, and no span is left or the time is over.
    pub(crate) async fn run(mut self) {
        loop {
            let batch = self.next().await;
            if batch.is_empty() {
                return;
            }
            if self.stop.deadline().is_some_and(|deadline| deadline <= Instant::now()) {
                self.drop_all(batch.len());
                return;
            }
            self.send(batch).await;
        }
    }

    /// The next batch; empty once the exporter is stopped and no span is left.
    async fn next(&mut self) -> Vec<Span> {
        let Self { spans, stop, .. } = self;
        let mut batch = Vec::new();
        tokio::select! {
            _ = spans.recv_many(&mut batch, BATCH) => {}
            () = stop.stopped() => {}
        }
        if stop.deadline().is_none() {
            let more = async {
                while batch.len() < BATCH {
                    let room = BATCH - batch.len();
                    spans.recv_many(&mut batch, room).await;
                }
            };
            tokio::select! {
                () = more => {}
                () = sleep(DELAY) => {}
                () = stop.stopped() => {}
            }
        }
        if stop.deadline().is_some() {
            spans.close();
            while batch.len() < BATCH {
                let room = BATCH - batch.len();
                if spans.recv_many(&mut batch, room).await == 0 {
                    break;
                }
            }
        }
        batch
    }

    /// Counts spans that are not sent because the time is over.
    fn drop_all(&mut self, mut count: usize) {
        while self.spans.try_recv().is_ok() {
            count += 1;
        }
        self.counts.add_dropped(DropReason::Stopped, count as u64);
    }

    /// Sends a batch, or drops it.
    async fn send(&mut self, batch: Vec<Span>) {
        let count = batch.len() as u64;
        let request = self.messages.request(batch);
        let end = Instant::now() + self.timeout;
        let mut stop = self.stop.clone();
        let attempts = pin!(attempts(&mut self.transport, &request, self.stop.clone(), end));
        let sent = tokio::select! {
            sent = timeout_at(end, attempts) => sent.unwrap_or_else(|_| Err(late(self.timeout))),
            () = stop.over() => Err(SendError::new(Again::Never, "the process ended")),
        };
        match sent {
            Ok(rejected) => {
                let rejected = rejected.min(count);
                self.counts.add_exported(count - rejected);
                self.counts.add_dropped(DropReason::Rejected, rejected);
                if self.is_failing {
                    tracing::info!("the collector accepts spans again");
                }
                self.is_failing = false;
            }
            Err(error) => {
                self.counts.add_dropped(DropReason::Failed, count);
                // Once, and not for each batch.
                if !self.is_failing {
                    tracing::warn!(
                        "spans are dropped, as plugbay_spans_dropped_total counts: {error}"
                    );
                }
                self.is_failing = true;
            }
        }
    }
}

fn late(timeout: Duration) -> SendError {
    SendError::new(Again::Never, format!("the collector gave no answer within {timeout:?}"))
}

/// Sends a batch, again and again if that may help, until `end`. After a stop there is one more attempt at most. Returns
/// how many of its spans the collector rejected.
async fn attempts(
    transport: &mut Transport,
    request: &ExportTraceServiceRequest,
    mut stop: Stop,
    end: Instant,
) -> Result<u64, SendError> {
    let mut wait = FIRST_WAIT;
    loop {
        let is_last = stop.deadline().is_some();
        let error = match transport.send(request).await {
            Ok(rejected) => return Ok(rejected),
            Err(error) => error,
        };
        let asked = match error.again() {
            Again::Never => return Err(error),
            Again::After(asked) => asked.unwrap_or_default(),
        };
        // Hosts that lost the same collector do not come back at the same time.
        let pause = wait.mul_f64(0.5 + fastrand::f64()).max(asked);
        // A collector may ask for any time.
        if is_last || Instant::now().checked_add(pause).is_none_or(|next| next >= end) {
            return Err(error);
        }
        wait *= 2;
        tokio::select! {
            () = sleep(pause) => {}
            () = stop.stopped() => {}
        }
    }
}
