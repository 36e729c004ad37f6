//! The instance that serves a plugin's calls, and what takes its place after a panic.
//!
//! A panic may have left an instance half changed, so another is made. Until that stands, the old
//! one serves on; if none can be made, there is none, and the plugin is unavailable until a later
//! call, or whoever asks for its health, has made one. One is made at a time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use plugbay_core::{CallError, CallErrorKind};
use plugbay_registry::Swap;

use super::code::{Life, Living};

/// How long after one that could not be made the next is tried.
const PAUSE: Duration = Duration::from_millis(100);

/// The instance that serves, if there is one.
///
/// The first is kept to the end even if it serves no more: so nearly every call finds it without
/// counting a reference.
pub(crate) struct Serving {
    life: Arc<Life>,
    first: Arc<Living>,
    replaced: AtomicBool,
    /// The first one, too, as long as it was not replaced.
    current: Swap<Option<Arc<Living>>>,
    /// Whose turn it is to make one, and when and why that failed the last time.
    failed: Mutex<Option<(Instant, String)>>,
    discarded: AtomicU64,
}

impl Serving {
    pub(crate) fn new(life: Arc<Life>, first: Arc<Living>) -> Self {
        let current = Swap::new(Some(Arc::clone(&first)));
        let (replaced, failed, discarded) = Default::default();
        Self { life, first, replaced, current, failed, discarded }
    }

    /// Lends it to a call. What the call finds is settled outside, where nothing is lent.
    #[inline]
    pub(crate) fn peek<T>(&self, call: impl FnOnce(Option<&Living>) -> T) -> T {
        // A call that has not heard of the replacement yet is as one that began before it.
        if self.replaced.load(Ordering::Relaxed) {
            self.current.peek(|instance| call(instance.as_deref()))
        } else {
            call(Some(&self.first))
        }
    }

    /// The instance that serves.
    pub(crate) fn current(&self) -> Option<Arc<Living>> {
        Option::clone(&self.current.load())
    }

    /// The instance that serves. If there is none, one is made within `within`.
    ///
    /// # Errors
    ///
    /// `unavailable` if it cannot be made, or could not be a moment ago.
    pub(crate) fn revived(&self, within: Duration) -> Result<Arc<Living>, CallError> {
        if let Some(instance) = self.current() {
            return Ok(instance);
        }
        let mut failed = self.turn();
        if let Some(instance) = self.current() {
            return Ok(instance);
        }
        let paused = failed.as_ref().is_some_and(|(when, _)| when.elapsed() < PAUSE);
        let made = if paused { None } else { self.make(&mut failed, within) };
        made.ok_or_else(|| {
            let because = failed.as_ref().map(|(_, because)| &**because).unwrap_or_default();
            let message = format!("expected a new instance after a panic, found none: {because}");
            CallError::new(CallErrorKind::Unavailable, message).of(self.life.label())
        })
    }

    /// Puts another in the place of the instance `number`, which panicked.
    #[cold]
    pub(crate) fn replace(&self, number: u64, within: Duration) {
        let mut failed = self.turn();
        // Someone else may have seen to it, while this one waited for its turn.
        if self.current().is_some_and(|it| it.number() == number) {
            self.discarded.fetch_add(1, Ordering::Relaxed);
            self.make(&mut failed, within);
        }
    }

    /// Instances that panicked.
    pub(crate) fn discarded(&self) -> u64 {
        self.discarded.load(Ordering::Relaxed)
    }

    fn make(
        &self,
        failed: &mut Option<(Instant, String)>,
        within: Duration,
    ) -> Option<Arc<Living>> {
        let made = match self.life.create(within.min(self.life.bound)) {
            Ok(instance) => Some(Arc::new(instance)),
            Err(error) => {
                let plugin = &**self.life.label();
                tracing::error!(plugin, %error, "no new instance after a panic");
                *failed = Some((Instant::now(), error.to_string()));
                None
            }
        };
        self.current.store(Arc::new(made.clone()));
        self.replaced.store(true, Ordering::Relaxed);
        made
    }

    /// Whoever panicked left nothing half done: each change is one store.
    fn turn(&self) -> MutexGuard<'_, Option<(Instant, String)>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
