//! The watch, as server-sent events.
//!
//! `id` is the sequence number of a change, and `event` its type, so that a client that comes back with
//! `Last-Event-ID` gets all changes after it. If the history does not reach back that far, or the client
//! is too slow for it, it gets the event `snapshot` with everything, and then the changes after that.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Path, Query as Pairs, State};
use axum::http::HeaderMap;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_lite::stream;
use tokio::sync::OwnedSemaphorePermit;

use super::bodies::SnapshotBody;
use super::lookup::too_many;
use super::problem::{Problem, ProblemBody};
use super::query::{boolean, sequence};
use super::state::{Api, Caller};
use crate::directory::{Scope, Snapshot};
use crate::server::access::Right;
use crate::server::live::Watcher;
use crate::wire::{Change, Invalid, Sequence, ServiceName};

/// `GET /services/{name}/watch`
#[utoipa::path(
    get,
    path = "/services/{name}/watch",
    operation_id = "watch",
    params(
        ("name" = String, Path, description = "The service."),
        ("snapshot" = Option<bool>, Query, description = "Begin with the event `snapshot`."),
        ("since" = Option<u64>, Query, description = "As Last-Event-ID."),
        ("Last-Event-ID" = Option<u64>, Header, description = "Begin with the change after this.")
    ),
    responses(
        (
            status = 200,
            description = "Server-sent events. The id of each is its sequence number; the data of \
                `register`, `deregister`, `health_change` and `lease_change` is a Change, that of \
                `snapshot` a SnapshotBody.",
            body = Change,
            content_type = "text/event-stream"
        ),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub(super) async fn watch(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
    Pairs(pairs): Pairs<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name: ServiceName = name.parse().map_err(|error: String| Invalid::of("name", error))?;
    caller.need(Right::Read, name.as_str())?;
    stream_of(api, caller, Scope::Service(name), &pairs, &headers)
}

/// `GET /watch`
#[utoipa::path(
    get,
    path = "/watch",
    operation_id = "watch_all",
    params(
        ("snapshot" = Option<bool>, Query, description = "Begin with the event `snapshot`."),
        ("since" = Option<u64>, Query, description = "As Last-Event-ID."),
        ("Last-Event-ID" = Option<u64>, Header, description = "Begin with the change after this.")
    ),
    responses(
        (
            status = 200,
            description = "Server-sent events. The id of each is its sequence number; the data of \
                `register`, `deregister`, `health_change` and `lease_change` is a Change, that of \
                `snapshot` a SnapshotBody.",
            body = Change,
            content_type = "text/event-stream"
        ),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub(super) async fn watch_all(
    State(api): State<Api>,
    caller: Caller,
    Pairs(pairs): Pairs<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.need_all(Right::Read)?;
    stream_of(api, caller, Scope::All, &pairs, &headers)
}

fn stream_of(
    api: Api,
    caller: Caller,
    scope: Scope,
    pairs: &[(String, String)],
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let begin = Begin::read(pairs, headers)?;
    let permit = Arc::clone(&api.watchers).try_acquire_owned().map_err(|_| too_many(&api))?;
    if begin.since.is_some() {
        api.directory.figures().reconnected();
    }
    let watcher = api.directory.watch(scope, begin.since);
    let ready = VecDeque::new();
    let snapshot = begin.snapshot;
    let keep_alive = KeepAlive::new().interval(api.settings.keep_alive);
    let reader = Reader { api, caller, watcher, ready, snapshot, _permit: permit };
    let events = stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    Ok(Sse::new(events).keep_alive(keep_alive).into_response())
}

/// Where a watch begins.
struct Begin {
    since: Option<Sequence>,
    /// With a snapshot.
    snapshot: bool,
}

impl Begin {
    fn read(pairs: &[(String, String)], headers: &HeaderMap) -> Result<Self, Invalid> {
        let mut invalid = Invalid::default();
        let mut begin = Self { since: None, snapshot: false };
        for (key, value) in pairs {
            match key.as_str() {
                "snapshot" => begin.snapshot = invalid.keep(key, boolean(value)).unwrap_or(false),
                // For those who cannot set a header field.
                "since" => begin.since = invalid.keep(key, sequence(value)),
                _ => invalid.add(
                    key.chars().take(60).collect::<String>(),
                    "unknown parameter, expected snapshot or since",
                ),
            }
        }
        if let Some(id) = headers.get("last-event-id") {
            let id = id.to_str().map_err(|_| "expected a whole number".to_owned());
            begin.since = invalid.keep("Last-Event-ID", id.and_then(sequence));
            // A client that comes back wants what it missed, and its URL is still the first one.
            begin.snapshot = false;
        }
        if invalid.0.is_empty() { Ok(begin) } else { Err(invalid) }
    }
}

struct Reader {
    api: Api,
    caller: Caller,
    watcher: Watcher,
    ready: VecDeque<Arc<Change>>,
    snapshot: bool,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    /// The next event; none once the server stops, or the client's token is revoked.
    async fn next(&mut self) -> Option<sse::Event> {
        if std::mem::take(&mut self.snapshot) {
            return Some(snapshot_event(self.watcher.resync(), false));
        }
        if self.ready.is_empty() {
            let stopped = self.api.settings.stopped.clone();
            match stopped.run_until_cancelled(self.watcher.changes()).await? {
                Ok(changes) => self.ready.extend(changes),
                Err(_lost) => {
                    self.api.directory.figures().resynced();
                    return self.may_read().then(|| snapshot_event(self.watcher.resync(), true));
                }
            }
        }
        let change = self.ready.pop_front()?;
        self.may_read().then(|| change_event(&change))
    }

    fn may_read(&self) -> bool {
        self.caller.is_in_force(&self.api)
    }
}

fn change_event(change: &Change) -> sse::Event {
    let event = sse::Event::default();
    let event = event.id(change.sequence.to_string()).event(change.kind.as_str());
    event.data(serde_json::to_string(change).unwrap_or_default())
}

fn snapshot_event(snapshot: Snapshot, history_lost: bool) -> sse::Event {
    let Snapshot { sequence, endpoints, next: _ } = snapshot;
    let body = SnapshotBody { sequence, history_lost, endpoints };
    let event = sse::Event::default().id(sequence.to_string()).event("snapshot");
    event.data(serde_json::to_string(&body).unwrap_or_default())
}
