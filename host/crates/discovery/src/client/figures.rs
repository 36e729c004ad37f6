//! What a client counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a client counted since it was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientFigures {
    /// Watches that ended or broke, and were opened again.
    pub reconnects: u64,
    /// Snapshots that replaced all that was known of a service, the first ones included.
    pub resyncs: u64,
    /// Heartbeats that renewed a lease.
    pub heartbeats: u64,
    /// Heartbeats that got no answer, or that the directory refused.
    pub failed_heartbeats: u64,
    /// Endpoints that were registered again, because the directory had forgotten them.
    pub reregistrations: u64,
    /// How often another address of the directory came into use.
    pub failovers: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    reconnects: AtomicU64,
    resyncs: AtomicU64,
    heartbeats: AtomicU64,
    failed_heartbeats: AtomicU64,
    reregistrations: AtomicU64,
}

impl Counters {
    pub(super) fn reconnected(&self) {
        self.reconnects.fetch_add(1, Relaxed);
    }

    pub(super) fn resynced(&self) {
        self.resyncs.fetch_add(1, Relaxed);
    }

    pub(super) fn heartbeat(&self, renewed: bool) {
        let counter = if renewed { &self.heartbeats } else { &self.failed_heartbeats };
        counter.fetch_add(1, Relaxed);
    }

    pub(super) fn reregistered(&self) {
        self.reregistrations.fetch_add(1, Relaxed);
    }

    pub(super) fn read(&self, failovers: u64) -> ClientFigures {
        ClientFigures {
            reconnects: self.reconnects.load(Relaxed),
            resyncs: self.resyncs.load(Relaxed),
            heartbeats: self.heartbeats.load(Relaxed),
            failed_heartbeats: self.failed_heartbeats.load(Relaxed),
            reregistrations: self.reregistrations.load(Relaxed),
            failovers,
        }
    }
}
