//! Sends outcomes to the log and to all subscribers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use plugbay_core::{Notice, Observer};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use super::outcome::Outcome;
use super::timestamp;

/// How many events a slow subscriber may lag behind before it misses the oldest.
const BACKLOG: usize = 1024;

/// The number of events that are kept for the first subscribers.
const MAX_ALARMS: usize = 256;

/// An outcome, its time, and the generation that served then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When it happened.
    #[serde(with = "timestamp")]
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
    /// The newest generation of which an outcome was reported.
    newest: Arc<AtomicU64>,
    /// The alarming events until the host is built: before, there can be no subscriber.
    alarms: Arc<Mutex<Alarms>>,
}

#[derive(Default)]
struct Alarms {
    events: Vec<Event>,
    complete: bool,
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self {
            events: broadcast::Sender::new(BACKLOG),
            newest: Arc::default(),
            alarms: Arc::default(),
        }
    }

    pub(crate) fn subscribe(&self) -> Events {
        Events(self.events.subscribe())
    }

    /// Reports an outcome of the newest generation.
    pub(crate) fn note_now(&self, outcome: Outcome) {
        self.note(self.newest.load(Ordering::Relaxed), outcome);
    }

    /// Reports an outcome.
    pub(crate) fn note(&self, generation: u64, outcome: Outcome) {
        self.newest.fetch_max(generation, Ordering::Relaxed);
        let reason = outcome.reason();
        if outcome.is_alarming() {
            tracing::warn!(target: "plugbay", generation, reason, "{outcome}");
        } else {
            tracing::info!(target: "plugbay", generation, reason, "{outcome}");
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

    /// Notes that the host is built.
    pub(crate) fn host_is_built(&self) {
        self.alarms().complete = true;
    }

    /// The alarming events until the host was built.
    pub(crate) fn start_alarms(&self) -> Vec<Event> {
        self.alarms().events.clone()
    }

    fn alarms(&self) -> MutexGuard<'_, Alarms> {
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Journal {
    fn notice(&self, plugin: &str, notice: Notice) {
        self.note_now(Outcome::Noticed { plugin: plugin.to_owned(), notice });
    }
}

/// A subscription to a host's events, from the moment of subscribing.
#[derive(Debug)]
pub struct Events(broadcast::Receiver<Event>);

impl Events {
    /// The next event; `None` once the host is gone. A subscriber that is more than 1,024
    /// events behind misses the oldest.
    ///
    /// # Cancel safety
    ///
    /// No event is lost if the future is dropped.
    pub async fn recv(&mut self) -> Option<Event> {
        loop {
            match self.0.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// The next event if one is there already.
    pub fn try_recv(&mut self) -> Option<Event> {
        loop {
            match self.0.try_recv() {
                Ok(event) => return Some(event),
                Err(broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(_) => return None,
            }
        }
    }
}
