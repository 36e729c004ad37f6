//! An endpoint, with what the balancer learned about it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use plugbay_guard::{Guard, WeightedProvider};

use super::latency::Latency;
use super::{Rules, Shared};
use crate::Endpoint;

/// An endpoint of a service, and the record of its calls.
#[derive(Debug)]
pub struct Member {
    endpoint: Arc<Endpoint>,
    /// `host:port`, made once.
    authority: Arc<str>,
    provider: WeightedProvider,
    record: Arc<Record>,
    reports: Weak<Shared>,
}

/// What outlives a change of the endpoint's metadata.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) guard: Guard,
    pub(super) latency: Latency,
    in_flight: AtomicU32,
    /// Calls that ended since the last look at success rates: those that succeeded, and all.
    succeeded: AtomicU64,
    ended: AtomicU64,
}

impl Record {
    pub(super) fn new(rules: &Rules, others: Option<f64>, now: Instant, seed: u64) -> Self {
        Self {
            guard: Guard::new(rules.outlier.breaker(), now, seed),
            latency: Latency::new(others),
            in_flight: AtomicU32::new(0),
            succeeded: AtomicU64::new(0),
            ended: AtomicU64::new(0),
        }
    }

    /// Calls that ended since this was asked last: those that succeeded, and all.
    pub(super) fn take_outcomes(&self) -> (u64, u64) {
        let ended = self.ended.swap(0, Relaxed);
        (self.succeeded.swap(0, Relaxed).min(ended), ended)
    }
}

impl Member {
    pub(super) fn new(endpoint: Arc<Endpoint>, record: Arc<Record>, reports: Weak<Shared>) -> Self {
        let authority = endpoint.host.authority(endpoint.port.get());
        let provider = WeightedProvider::new(&authority, endpoint.weight.get().into());
        Self { endpoint, authority: authority.into(), provider, record, reports }
    }

    /// The endpoint, as the directory describes it.
    #[must_use]
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// `host:port`, with brackets around an IPv6 address.
    #[must_use]
    pub fn authority(&self) -> &Arc<str> {
        &self.authority
    }

    /// The endpoint's share of the calls, in proportion to the others'. At least 1.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.provider.weight
    }

    /// The endpoint's name and weight for a choice by a key. The name is its address, so that the same
    /// address gets the same keys after it registered again.
    #[must_use]
    pub fn provider(&self) -> WeightedProvider {
        self.provider
    }

    /// Calls of this client that have not ended.
    #[inline]
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.record.in_flight.load(Relaxed)
    }

    /// The average time of a call in seconds, sensitive to peaks; above 0.
    #[inline]
    #[must_use]
    pub fn latency(&self) -> f64 {
        self.record.latency.seconds()
    }

    #[inline]
    pub(super) fn guard(&self) -> &Guard {
        &self.record.guard
    }

    pub(super) fn record(&self) -> &Arc<Record> {
        &self.record
    }

    /// Whether both are the same endpoint, though perhaps of two sets.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.record, &other.record)
    }

    #[inline]
    pub(super) fn begin(&self) {
        self.record.in_flight.fetch_add(1, Relaxed);
    }

    #[inline]
    pub(super) fn end(&self) {
        self.record.in_flight.fetch_sub(1, Relaxed);
    }

    pub(super) fn count(&self, succeeded: bool, took: Option<Duration>) {
        self.record.ended.fetch_add(1, Relaxed);
        if succeeded {
            self.record.succeeded.fetch_add(1, Relaxed);
        }
        if let Some(took) = took {
            self.record.latency.record(took);
        }
    }

    /// The breaker has opened.
    #[cold]
    pub(super) fn report_opened(&self) {
        if let Some(shared) = self.reports.upgrade() {
            shared.opened(self);
        }
    }
}
