//! The instance that serves a plugin's calls, and its replacement after a panic.
//!
//! A panic may have left an instance half changed, so a new one is created. Until the new instance
//! is there, the old one keeps serving. If creating it fails, the plugin has no instance and is
//! unavailable until a later call or health check has created one. One thread creates at a time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use plugbay_core::{CallError, CallErrorKind};
use plugbay_registry::Swap;

use super::code::{InstanceFactory, LiveInstance};

/// How long after a failed attempt to create an instance the next attempt may be made.
const PAUSE: Duration = Duration::from_millis(100);

/// The instance that serves a plugin's calls, if there is one.
///
/// The first instance is kept to the end, even once it is replaced: so nearly every call finds its
/// instance without counting a reference.
pub(crate) struct CurrentInstance {
    factory: Arc<InstanceFactory>,
    first: Arc<LiveInstance>,
    replaced: AtomicBool,
    /// As long as nothing was replaced, this is the first instance.
    current: Swap<Option<Arc<LiveInstance>>>,
    /// Held while an instance is created; when and why that failed the last time.
    last_failure: Mutex<Option<(Instant, String)>>,
    discarded: AtomicU64,
}

impl CurrentInstance {
    pub(crate) fn new(factory: Arc<InstanceFactory>, first: Arc<LiveInstance>) -> Self {
        let current = Swap::new(Some(Arc::clone(&first)));
        let (replaced, last_failure, discarded) = Default::default();
        Self { factory, first, replaced, current, last_failure, discarded }
    }

    /// Calls `call` with the current instance. `call` must not replace the instance: its caller does so,
    /// once `call` has returned.
    #[inline]
    pub(crate) fn peek<T>(&self, call: impl FnOnce(Option<&LiveInstance>) -> T) -> T {
        // A call that does not see the replacement yet is like one that began before it.
        if self.replaced.load(Ordering::Relaxed) {
            self.current.peek(|instance| call(instance.as_deref()))
        } else {
            call(Some(&self.first))
        }
    }

    /// The instance that serves, if there is one.
    pub(crate) fn current(&self) -> Option<Arc<LiveInstance>> {
        Option::clone(&self.current.load())
    }

    /// The instance that serves. If there is none, creates one within `within`.
    ///
    /// # Errors
    ///
    /// `unavailable` if creating it fails, or failed less than [`PAUSE`] ago.
    pub(crate) fn get_or_create(&self, within: Duration) -> Result<Arc<LiveInstance>, CallError> {
        if let Some(instance) = self.current() {
            return Ok(instance);
        }
        let mut last_failure = self.lock();
        if let Some(instance) = self.current() {
            return Ok(instance);
        }
        let paused = last_failure.as_ref().is_some_and(|(when, _)| when.elapsed() < PAUSE);
        let created = if paused { None } else { self.create(&mut last_failure, within) };
        created.ok_or_else(|| {
            let why = last_failure.as_ref().map(|(_, why)| &**why).unwrap_or_default();
            let message = format!("expected a new instance after a panic, found none: {why}");
            CallError::new(CallErrorKind::Unavailable, message).of(self.factory.label())
        })
    }

    /// Replaces the instance `number`, which panicked, unless another call already did.
    #[cold]
    pub(crate) fn replace(&self, number: u64, within: Duration) {
        let mut last_failure = self.lock();
        // Another call may have replaced it while this one waited for the lock.
        if self.current().is_some_and(|it| it.number() == number) {
            self.discarded.fetch_add(1, Ordering::Relaxed);
            self.create(&mut last_failure, within);
        }
    }

    /// How many instances panicked.
    pub(crate) fn discarded(&self) -> u64 {
        self.discarded.load(Ordering::Relaxed)
    }

    fn create(
        &self,
        last_failure: &mut Option<(Instant, String)>,
        within: Duration,
    ) -> Option<Arc<LiveInstance>> {
        let created = match self.factory.create(within.min(self.factory.bound)) {
            Ok(instance) => Some(Arc::new(instance)),
            Err(error) => {
                let (plugin, version) = self.factory.ledger.identity().name_and_version();
                tracing::error!(plugin, version, %error, "no new instance after a panic");
                *last_failure = Some((Instant::now(), error.to_string()));
                None
            }
        };
        self.current.store(Arc::new(created.clone()));
        self.replaced.store(true, Ordering::Relaxed);
        created
    }

    /// A panic under the lock leaves nothing half done: each change is one store.
    fn lock(&self) -> MutexGuard<'_, Option<(Instant, String)>> {
        self.last_failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
