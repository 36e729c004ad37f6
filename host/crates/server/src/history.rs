//! Keeps the latest events of the host for later readers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use plugbay::{Event, Host};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

/// The number of events that are kept.
const MAX_EVENTS: usize = 256;

/// An event and its sequence number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Record {
    /// From 1, without gaps.
    pub seq: u64,
    /// The event.
    #[serde(flatten)]
    pub event: Arc<Event>,
}

/// The latest events, and a receiver to wait for the next one.
///
/// A reader keeps only the number of the last event that it read. A slow reader misses the oldest
/// events, and delays neither the host nor other readers.
#[derive(Default)]
pub(crate) struct History {
    ring: Mutex<VecDeque<Record>>,
    /// The number of the latest event.
    latest: watch::Sender<u64>,
}

impl History {
    /// Keeps the events of `host` until `stopped` is cancelled.
    pub(crate) fn follow(self: &Arc<Self>, host: &Host, stopped: CancellationToken) {
        let mut events = host.subscribe();
        // These came when there was no subscriber.
        host.start_alarms().into_iter().for_each(|event| self.push(event));
        let history = Arc::clone(self);
        tokio::spawn(async move {
            while let Some(Some(event)) = stopped.run_until_cancelled(events.recv()).await {
                history.push(event);
            }
        });
    }

    fn push(&self, event: Event) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = ring.back().map_or(1, |latest| latest.seq + 1);
        if ring.len() == MAX_EVENTS {
            ring.pop_front();
        }
        ring.push_back(Record { seq, event: Arc::new(event) });
        // Under the lock, so that the number matches the ring and never goes back.
        self.latest.send_replace(seq);
    }

    /// A receiver with the number of the latest event, to wait for the next one.
    pub(crate) fn latest(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }

    /// The events after number `seq` that are still kept, oldest first.
    pub(crate) fn after(&self, seq: u64) -> Vec<Record> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.iter().filter(|record| record.seq > seq).cloned().collect()
    }
}
