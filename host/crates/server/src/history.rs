//! The latest events of the host, kept for readers who come late.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use plugbay::{Event, Host};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Events that are kept.
const KEPT: usize = 256;

/// An event and its sequence number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// From 1, without gaps.
    pub seq: u64,
    /// What happened, and when.
    #[serde(flatten)]
    pub event: Arc<Event>,
}

/// The latest events, and a way to wait for the next.
///
/// A reader keeps only the number of the last event it read: a slow reader misses the oldest events
/// and holds up neither the host nor other readers.
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

    /// The number of the latest event, and a way to wait for the next.
    pub(crate) fn latest(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }

    /// The events after number `seq` that are still kept, oldest first.
    pub(crate) fn after(&self, seq: u64) -> Vec<Record> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.iter().filter(|record| record.seq > seq).cloned().collect()
    }
}
