//! The event stream of the admin plane.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_lite::stream;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use utoipa::ToSchema;

use crate::access::Caller;
use crate::history::Record;
use crate::problem::Problem;
use crate::shared::{EVENT_STREAMS, Shared};

/// The interval between two keep-alive comments on an idle stream: proxies close idle connections.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The events from now on, or those after `Last-Event-ID`, as server-sent events.
///
/// The stream does not end while the host runs. Each event has its number as `id`, its stable word as `event`, and a
/// JSON document as `data`, of which this is the schema. Of earlier events the latest 256 are kept.
#[utoipa::path(
    get, path = "/v1/events", tag = "state",
    params(
        ("Last-Event-ID" = Option<String>, Header, example = "7",
            description = "The number of the last event that was read. Another text counts as none."),
    ),
    responses(
        (status = 200, description = "The stream", body = Told, content_type = "text/event-stream"),
    ),
)]
pub(super) async fn stream(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let permit = Arc::clone(&shared.streams).try_acquire_owned().map_err(|_| {
        let detail = format!("expected at most {EVENT_STREAMS} event streams at the same time");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail)
    })?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let mut latest = shared.history.latest();
    let last: Option<u64> = last.and_then(|id| id.parse().ok());
    let last = last.unwrap_or_else(|| *latest.borrow_and_update());
    // Each process counts from 1: the number of an earlier process may be larger than the latest.
    let last = if last > *latest.borrow() { 0 } else { last };
    let reader = Reader { shared, caller, latest, last, ready: VecDeque::new(), _permit: permit };
    let records = stream::unfold(reader, |mut reader| async move {
        let record = reader.next().await?;
        Some((Ok::<_, Infallible>(sse_event(&record)), reader))
    });
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(records).keep_alive(keep_alive).into_response())
}

fn sse_event(record: &Record) -> sse::Event {
    let event = sse::Event::default();
    let event = event.id(record.seq.to_string()).event(record.event.outcome.reason());
    let text = record.event.outcome.to_string();
    event.data(serde_json::to_string(&Told { record, text }).unwrap_or_default())
}

/// A record, and its sentence for people, so that no client has to write one of its own.
#[derive(Serialize, ToSchema)]
#[schema(as = StreamedEvent)]
pub(super) struct Told<'a> {
    #[serde(flatten)]
    #[schema(value_type = Record)]
    record: &'a Record,
    text: String,
}

/// A client's position in the history.
struct Reader {
    shared: Arc<Shared>,
    caller: Caller,
    latest: watch::Receiver<u64>,
    last: u64,
    ready: VecDeque<Record>,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    /// The next event; none once the server stops, or the client's token is revoked.
    async fn next(&mut self) -> Option<Record> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                let tokens = self.shared.tokens.as_ref();
                if tokens.is_some_and(|tokens| !tokens.is_in_force(&self.caller)) {
                    return None;
                }
                self.last = record.seq;
                return Some(record);
            }
            self.ready.extend(self.shared.history.after(self.last));
            if self.ready.is_empty() {
                let stopped = self.shared.stopped.clone();
                stopped.run_until_cancelled(self.latest.changed()).await?.ok()?;
            }
        }
    }
}
