//! What happened lately, and what happens.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_lite::stream;
use plugbay::{Event, Host};
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::server::Shared;

/// Events that are kept.
const KEPT: usize = 256;
/// Between two signs of life on a quiet stream: proxies close what is silent.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// An event and its place in the order of all.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Record {
    /// From 1, without gaps.
    pub(crate) seq: u64,
    #[serde(flatten)]
    pub(crate) event: Arc<Event>,
}

/// The latest events, and a way to wait for the next.
///
/// Readers keep only a number: one that is slow finds the oldest events gone, and nobody waits
/// for it.
#[derive(Default)]
pub(crate) struct History {
    ring: Mutex<VecDeque<Record>>,
    /// The number of the latest event.
    latest: watch::Sender<u64>,
}

impl History {
    /// Keeps the events of `host` until `over`.
    pub(crate) fn follow(self: &Arc<Self>, host: &Host, over: CancellationToken) {
        let mut events = host.subscribe();
        let history = Arc::clone(self);
        tokio::spawn(async move {
            while let Some(Some(event)) = over.run_until_cancelled(events.recv()).await {
                history.push(event);
            }
        });
    }

    fn push(&self, event: Event) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = ring.back().map_or(1, |latest| latest.seq + 1);
        if ring.len() == KEPT {
            ring.pop_front();
        }
        ring.push_back(Record { seq, event: Arc::new(event) });
        // Under the lock: the number never runs ahead of the ring or back.
        self.latest.send_replace(seq);
    }

    /// The events after number `seq` that are still kept, oldest first.
    pub(crate) fn after(&self, seq: u64) -> Vec<Record> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.iter().filter(|record| record.seq > seq).cloned().collect()
    }
}

/// `GET /v1/events`: from now on, or from the event after `Last-Event-ID`.
pub(super) async fn stream(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let mut latest = shared.history.latest.subscribe();
    let last: Option<u64> = last.and_then(|id| id.parse().ok());
    let last = last.unwrap_or_else(|| *latest.borrow_and_update());
    // Numbers begin anew with the process: one from before would wait for long.
    let last = if last > *latest.borrow() { 0 } else { last };
    let reader = Reader { shared, latest, last, ready: VecDeque::new() };
    let records = stream::unfold(reader, |mut reader| async move {
        let record = reader.next().await?;
        Some((Ok::<_, Infallible>(sent(&record)), reader))
    });
    let keep_alive = KeepAlive::new().interval(SIGN_OF_LIFE);
    Sse::new(records).keep_alive(keep_alive).into_response()
}

fn sent(record: &Record) -> sse::Event {
    let event = sse::Event::default();
    let event = event.id(record.seq.to_string()).event(record.event.outcome.reason());
    event.data(serde_json::to_string(record).unwrap_or_default())
}

struct Reader {
    shared: Arc<Shared>,
    latest: watch::Receiver<u64>,
    last: u64,
    ready: VecDeque<Record>,
}

impl Reader {
    async fn next(&mut self) -> Option<Record> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                self.last = record.seq;
                return Some(record);
            }
            self.ready.extend(self.shared.history.after(self.last));
            if self.ready.is_empty() {
                let over = self.shared.over.clone();
                over.run_until_cancelled(self.latest.changed()).await?.ok()?;
            }
        }
    }
}
