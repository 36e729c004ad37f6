//! One service, as a client follows it.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::LookupError;
use super::balance::{Balancer, Pick, now};
use super::call::Caller;
use super::settings::WatchSettings;
use super::snapshot::ServiceSnapshot;
use crate::ServiceName;

/// A service that a client follows. Clones are the same.
#[derive(Clone, Debug)]
pub struct Service {
    shared: Arc<Shared>,
}

/// The directory told nothing yet.
const UNKNOWN: u8 = 0;
/// What is known may be used.
const USABLE: u8 = 1;
/// What is known is too old.
const STALE: u8 = 2;

/// What the watcher writes, and callers read.
#[derive(Debug)]
pub(super) struct Shared {
    /// [`UNKNOWN`], [`USABLE`] or [`STALE`]: all that a call has to look at while everything is well.
    state: AtomicU8,
    pub(super) name: ServiceName,
    pub(super) balancer: Balancer,
    caller: Caller,
    snapshots: watch::Sender<Option<Arc<ServiceSnapshot>>>,
    freshness: Mutex<Freshness>,
    max_stale: Duration,
    first_wait: Duration,
}

#[derive(Debug, Default)]
struct Freshness {
    /// When the directory was heard of last.
    heard: Option<Instant>,
    /// What went wrong since.
    problem: Option<String>,
}

/// A watcher's task, which ends with its client.
#[derive(Debug)]
pub(super) struct Task(pub(super) AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Service {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ServiceName {
        &self.shared.name
    }

    /// All endpoints, the unhealthy ones too. While the directory cannot be asked, those that were known
    /// last, up to the age that the client allows.
    ///
    /// # Errors
    ///
    /// [`LookupError`] if the directory told nothing yet, or long ago.
    pub fn snapshot(&self) -> Result<Arc<ServiceSnapshot>, LookupError> {
        self.shared.usable()?;
        let snapshot = self.shared.snapshots.borrow().clone();
        snapshot.ok_or_else(|| self.shared.unknown(Duration::ZERO))
    }

    /// Waits until the directory told about the service for the first time, as long as the client allows.
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`snapshot`](Self::snapshot).
    pub async fn wait_known(&self) -> Result<(), LookupError> {
        if self.shared.state.load(Relaxed) == UNKNOWN {
            let mut snapshots = self.shared.snapshots.subscribe();
            let known = snapshots.wait_for(Option::is_some);
            let known = tokio::time::timeout(self.shared.first_wait, known).await;
            known.map_err(|_| self.shared.unknown(self.shared.first_wait))?.ok();
        }
        self.shared.usable()
    }

    /// Follows the service: the receiver has the latest snapshot, `None` before the first, and is told of
    /// each change. A slow subscriber misses those between, and delays nobody.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Option<Arc<ServiceSnapshot>>> {
        self.shared.snapshots.subscribe()
    }

    /// The endpoint for one call, for protocols that the client does not speak. `key` is for consistent
    /// hashing.
    ///
    /// # Errors
    ///
    /// [`LookupError`] if there is none, or what is known is too old.
    pub fn pick(&self, key: Option<&[u8]>) -> Result<Pick, LookupError> {
        self.shared.usable()?;
        let pick = self.shared.balancer.pick(key);
        pick.map_err(|error| LookupError::pick(self.name().as_str(), error))
    }

    /// The balancer of the service.
    #[must_use]
    pub fn balancer(&self) -> &Balancer {
        &self.shared.balancer
    }

    /// How long ago the directory was heard of; `None` if never.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.shared.age()
    }

    pub(super) fn caller(&self) -> &Caller {
        &self.shared.caller
    }
}

impl Shared {
    pub(super) fn new(
        name: ServiceName,
        balancer: Balancer,
        caller: Caller,
        settings: &WatchSettings,
    ) -> Self {
        Self {
            state: AtomicU8::new(UNKNOWN),
            name,
            balancer,
            caller,
            snapshots: watch::Sender::new(None),
            freshness: Mutex::default(),
            max_stale: settings.max_stale,
            first_wait: settings.first_wait,
        }
    }

    /// The directory was heard of now.
    pub(super) fn heard(&self) {
        *self.freshness() = Freshness { heard: Some(now()), problem: None };
        // Without a snapshot there is nothing to use.
        let _ = self.state.compare_exchange(STALE, USABLE, Relaxed, Relaxed);
    }

    /// The directory could not be asked.
    pub(super) fn failed(&self, problem: String) {
        self.freshness().problem = Some(problem);
    }

    pub(super) fn publish(&self, snapshot: ServiceSnapshot) {
        self.balancer.update(&snapshot.endpoints);
        // Unless it is stale: then it is what was known before, without what has expired. Those who wait
        // for the first snapshot look at this when they have it.
        let _ = self.state.compare_exchange(UNKNOWN, USABLE, Relaxed, Relaxed);
        self.snapshots.send_replace(Some(Arc::new(snapshot)));
    }

    /// To be called about once a second.
    pub(super) fn maintain(&self) {
        self.balancer.maintain();
        if self.age().is_some_and(|age| age > self.max_stale) {
            let _ = self.state.compare_exchange(USABLE, STALE, Relaxed, Relaxed);
        }
    }

    #[inline]
    fn usable(&self) -> Result<(), LookupError> {
        match self.state.load(Relaxed) {
            USABLE => Ok(()),
            STALE => Err(self.stale()),
            _ => Err(self.unknown(Duration::ZERO)),
        }
    }

    fn age(&self) -> Option<Duration> {
        self.freshness().heard.map(|heard| now().saturating_duration_since(heard))
    }

    #[cold]
    fn stale(&self) -> LookupError {
        LookupError::Stale {
            service: self.name.to_string(),
            age: self.age().unwrap_or_default(),
            max: self.max_stale,
            problem: described(self.freshness().problem.as_ref()),
        }
    }

    #[cold]
    fn unknown(&self, waited: Duration) -> LookupError {
        let problem = described(self.freshness().problem.as_ref());
        LookupError::Unknown { service: self.name.to_string(), waited, problem }
    }

    fn freshness(&self) -> MutexGuard<'_, Freshness> {
        self.freshness.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn described(problem: Option<&String>) -> String {
    problem.map(|problem| format!(": {problem}")).unwrap_or_default()
}
