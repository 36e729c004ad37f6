//! Sends outcomes to the log and to all subscribers.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::SystemTime;

use futures_core::Stream;
use plugbay_core::{Notice, Observer, split_label};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::counts::WordCounts;
use super::outcome::Outcome;
use super::timestamp;

/// How many events a slow subscriber may lag behind before it misses the oldest.
const BACKLOG: usize = 1024;

/// The number of events that are kept for the first subscribers.
const MAX_ALARMS: usize = 256;

/// An outcome, its time, and the generation that served then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    /// When it happened.
    #[serde(with = "timestamp")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub at: SystemTime,
    /// The generation's number.
    pub generation: u64,
    /// What happened.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Sends each outcome to the log, as one line, and to every subscriber.
#[derive(Clone)]
pub(crate) struct Journal {
    events: broadcast::Sender<Event>,
    kept: Kept,
}

/// What a journal keeps.
#[derive(Clone, Default)]
pub(super) struct Kept {
    /// The newest generation of which an outcome was reported.
    newest: Arc<AtomicU64>,
    /// The alarming events until the host is built: before, there can be no subscriber.
    alarms: Arc<Mutex<Alarms>>,
    /// How many outcomes of each word there were.
    counts: Arc<WordCounts>,
}

#[derive(Default)]
struct Alarms {
    events: Vec<Event>,
    complete: bool,
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self::of(broadcast::Sender::new(BACKLOG), Kept::default())
    }

    pub(super) fn of(events: broadcast::Sender<Event>, kept: Kept) -> Self {
        Self { events, kept }
    }

    /// What an [`EventSink`](super::EventSink) has of it: subscribers do not wait for it once the host is gone.
    pub(super) fn weak(&self) -> (broadcast::WeakSender<Event>, Kept) {
        (self.events.downgrade(), self.kept.clone())
    }

    pub(crate) fn subscribe(&self) -> Events {
        Events::of(self.events.subscribe())
    }

    /// Reports an outcome of the newest generation.
    pub(crate) fn note_now(&self, outcome: Outcome) {
        self.note(self.kept.newest.load(Ordering::Relaxed), outcome);
    }

    /// Reports an outcome.
    pub(crate) fn note(&self, generation: u64, outcome: Outcome) {
        self.kept.newest.fetch_max(generation, Ordering::Relaxed);
        let reason = outcome.reason();
        self.kept.counts.add(reason);
        let (plugin, version) = outcome.plugin().map(split_label).unzip();
        let (version, source) = (version.flatten(), outcome.source());
        if outcome.is_alarming() {
            tracing::warn!(
                target: "plugbay", generation, reason, plugin, version, source, "{outcome}"
            );
        } else {
            tracing::info!(
                target: "plugbay", generation, reason, plugin, version, source, "{outcome}"
            );
        }
        let alarming = outcome.is_alarming();
        let event = Event { at: SystemTime::now(), generation, outcome };
        if alarming {
            let mut alarms = self.alarms();
            if !alarms.complete && alarms.events.len() < MAX_ALARMS {
                alarms.events.push(event.clone());
            }
        }
        // This fails if there is no subscriber; the log has the outcome.
        let _ = self.events.send(event);
    }

    /// How many outcomes of each word there were.
    pub(crate) fn counts(&self) -> std::collections::BTreeMap<&'static str, u64> {
        self.kept.counts.all()
    }

    /// Notes that the host is built.
    pub(crate) fn host_is_built(&self) {
        self.alarms().complete = true;
    }

    /// The alarming events until the host was built.
    pub(crate) fn start_alarms(&self) -> Vec<Event> {
        self.alarms().events.clone()
    }

    fn alarms(&self) -> MutexGuard<'_, Alarms> {
        self.kept.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Journal {
    fn notice(&self, plugin: &str, notice: Notice) {
        self.note_now(Outcome::Noticed { plugin: plugin.to_owned(), notice });
    }
}

/// A subscription to a host's events, from the moment of subscribing: a [`Stream`], which also says how
/// many events its subscriber was too slow for.
///
/// ```
/// # use plugbay::{Config, Host};
/// # let folder = tempfile::tempdir()?;
/// # let mut config = Config::default();
/// # config.host.plugins = folder.path().to_owned();
/// # config.host.cache = Default::default();
/// # config.host.linked = false;
/// use futures_lite::StreamExt as _; // or futures, or tokio-stream
///
/// let host = Host::builder().config(config).watch(false).build_blocking()?;
/// let mut events = host.subscribe();
/// std::fs::write(folder.path().join("broken.wasm"), "no plugin")?;
/// drop(host.reload_blocking());
///
/// # futures_lite::future::block_on(async {
/// match events.next().await {
///     Some(Ok(event)) => assert_eq!(event.outcome.reason(), "unknown-format"),
///     Some(Err(missed)) => println!("{missed}"),
///     None => println!("the host is gone"),
/// }
/// # });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Events {
    receiver: Receiver,
    missed: u64,
}

/// Events that a subscriber was too slow for: it was more than 1,024 events behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} events were missed")]
pub struct Missed(pub u64);

/// The receiver, or the future that owns it while it waits for the next event.
enum Receiver {
    Here(Option<broadcast::Receiver<Event>>),
    Waiting(Pin<Box<dyn Future<Output = Received> + Send + Sync>>),
}

type Received = (Result<Event, RecvError>, broadcast::Receiver<Event>);

impl Events {
    fn of(receiver: broadcast::Receiver<Event>) -> Self {
        Self { receiver: Receiver::Here(Some(receiver)), missed: 0 }
    }

    /// The next event; `None` once the host is gone. Events that were missed are skipped, and counted
    /// in [`Events::missed`].
    ///
    /// # Cancel safety
    ///
    /// No event is lost if the future is dropped.
    pub async fn recv(&mut self) -> Option<Event> {
        poll_fn(|context| self.poll_event(context)).await
    }

    /// The next event if one is there already.
    pub fn try_recv(&mut self) -> Option<Event> {
        if let Receiver::Here(Some(receiver)) = &mut self.receiver {
            loop {
                match receiver.try_recv() {
                    Ok(event) => return Some(event),
                    Err(TryRecvError::Lagged(missed)) => self.missed += missed,
                    Err(TryRecvError::Empty | TryRecvError::Closed) => return None,
                }
            }
        }
        match self.poll_event(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(event) => event,
            Poll::Pending => None,
        }
    }

    /// How many events this subscriber has missed so far: it was more than 1,024 behind.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// The next event, skipping those that were missed.
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            match ready!(Pin::new(&mut *self).poll_next(context)) {
                Some(Ok(event)) => return Poll::Ready(Some(event)),
                Some(Err(Missed(_))) => {}
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Stream for Events {
    type Item = Result<Event, Missed>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Receiver::Here(receiver) = &mut self.receiver {
            let Some(mut receiver) = receiver.take() else { return Poll::Ready(None) };
            self.receiver = Receiver::Waiting(Box::pin(async move {
                let next = receiver.recv().await;
                (next, receiver)
            }));
        }
        let Receiver::Waiting(next) = &mut self.receiver else { return Poll::Ready(None) };
        let (next, receiver) = ready!(next.as_mut().poll(context));
        self.receiver = Receiver::Here(Some(receiver));
        Poll::Ready(match next {
            Ok(event) => Some(Ok(event)),
            Err(RecvError::Lagged(missed)) => {
                self.missed += missed;
                Some(Err(Missed(missed)))
            }
            Err(RecvError::Closed) => None,
        })
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("missed", &self.missed).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(journal: &Journal, times: usize) {
        (0..times).for_each(|_| journal.note(1, Outcome::Configured));
    }

    fn next(events: &mut Events) -> Poll<Option<Result<Event, Missed>>> {
        Pin::new(events).poll_next(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_slow_subscriber_is_told_how_many_events_it_missed() {
        let journal = Journal::new();
        let mut events = journal.subscribe();
        assert!(next(&mut events).is_pending());
        note(&journal, BACKLOG + 7);
        assert_eq!(next(&mut events), Poll::Ready(Some(Err(Missed(7)))));
        assert!(matches!(next(&mut events), Poll::Ready(Some(Ok(_)))));
        assert_eq!(events.missed(), 7);
        // The other functions skip what was missed, and count it.
        note(&journal, BACKLOG + 5);
        assert!(events.try_recv().is_some());
        assert_eq!(events.missed(), 7 + BACKLOG as u64 + 4);
        assert_eq!(Missed(7).to_string(), "7 events were missed");
        while events.try_recv().is_some() {}
        drop(journal);
        assert_eq!(next(&mut events), Poll::Ready(None));
        assert_eq!(next(&mut events), Poll::Ready(None), "and at each further call");
    }

    #[test]
    fn no_event_is_lost_if_a_future_is_dropped() {
        let journal = Journal::new();
        let mut events = journal.subscribe();
        {
            let mut dropped = Box::pin(events.recv());
            assert!(dropped.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        note(&journal, 2);
        assert!(events.try_recv().is_some() && events.try_recv().is_some());
        assert!(events.try_recv().is_none());
    }
}
