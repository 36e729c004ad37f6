//! A value behind a lease word, and the two forms of the right to use it.

use std::fmt;
use std::mem;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use event_listener::{Event, IntoNotification as _, Listener as _};
use thiserror::Error;

use super::word::{Claim, Refused, Word};

type Hook<T> = Box<dyn FnOnce(&T) + Send + Sync>;

/// The entry is closed: it gives no more leases. Look the name up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the entry is closed and gives no new lease")]
pub struct Closed;

/// A value together with its lease word: it can be closed, and then reports when the last user has
/// gone.
///
/// Dereferences to the value for holders that need no lease (reading a name or a
/// version for a status page). Using the value for work takes a [`Lease`], or a
/// [`Pass`] for a synchronous call: drain waits for those, never for `Arc` counts,
/// because a status page that holds an `Arc` must not hold up a shutdown.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use plugbay_registry::Leased;
///
/// let plugin = Arc::new(Leased::new("v1"));
/// let lease = plugin.lease()?;
/// assert!(plugin.close());
/// assert!(plugin.lease().is_err()); // no new user gets in,
/// assert_eq!(*lease, "v1"); // users that were in may finish,
/// assert!(!plugin.is_drained());
/// drop(lease); // and the last one out drains it
/// assert!(plugin.wait_drained(Duration::ZERO));
/// # Ok::<(), plugbay_registry::Closed>(())
/// ```
pub struct Leased<T> {
    word: Word,
    drained: Event,
    /// Taken once, by the thread that claims; the lock is never contended and never held while the
    /// hook runs. A hook that was not taken runs when the entry drops.
    hook: Mutex<Option<Hook<T>>>,
    value: T,
}

impl<T> Leased<T> {
    /// An open entry without a close hook.
    pub fn new(value: T) -> Self {
        Self::build(value, None)
    }

    /// An open entry whose `on_close` runs exactly once: when the entry is closed and its last
    /// lease has gone, on whichever thread is last; or, if the entry was never closed, when it is
    /// dropped. The hook runs before the entry counts as drained, so it must not wait for that
    /// itself. It should not panic: it may run in a drop, even in one that is unwinding. If it
    /// does, the panic goes on in the thread that ran it, and the entry counts as drained all the
    /// same.
    pub fn with_close(value: T, on_close: impl FnOnce(&T) + Send + Sync + 'static) -> Self {
        Self::build(value, Some(Box::new(on_close)))
    }

    fn build(value: T, hook: Option<Hook<T>>) -> Self {
        Self { word: Word::new(), drained: Event::new(), hook: Mutex::new(hook), value }
    }

    /// Takes the counted right to use the value, owned: it can move to another
    /// thread or live across awaits. Never blocks.
    ///
    /// # Errors
    ///
    /// [`Closed`], for good. Everything the closer did before closing is visible
    /// then, so looking the name up again finds what replaced this entry.
    #[inline]
    pub fn lease(self: &Arc<Self>) -> Result<Lease<T>, Closed> {
        self.count_in()?;
        Ok(Lease { entry: Arc::clone(self) })
    }

    /// The same counted right, borrowed for one synchronous call: it writes to no memory that other
    /// threads write to, where an owned lease counts a reference to the entry as well.
    ///
    /// # Errors
    ///
    /// As [`Leased::lease`].
    #[inline]
    pub fn enter(&self) -> Result<Pass<'_, T>, Closed> {
        self.count_in()?;
        Ok(Pass { entry: self })
    }

    /// Refuses every later lease. Returns true the first time, false ever after.
    ///
    /// If no lease is held, the close hook runs here, before this returns.
    pub fn close(&self) -> bool {
        let (first, claim) = self.word.close();
        self.settle(claim);
        first
    }

    /// Whether [`Leased::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.word.is_closed()
    }

    /// How many leases and passes are held now. For people and metrics: it reads the counts of all
    /// threads, and a caller that is about to be refused may be counted for a moment.
    pub fn leases(&self) -> usize {
        self.word.count()
    }

    /// Whether the entry is closed, its last lease gone and its close hook done.
    /// Once true, true for good.
    pub fn is_drained(&self) -> bool {
        self.word.is_drained()
    }

    /// Waits until the entry [is drained](Leased::is_drained). Does not close it.
    ///
    /// # Cancel safety
    ///
    /// Holds no state but a place in the queue of waiters: drop it and call again.
    pub async fn drained(&self) {
        while !self.is_drained() {
            let woken = self.drained.listen();
            // Look again now that we are listening: see "wake-up" in the protocol.
            if self.is_drained() {
                return;
            }
            woken.await;
        }
    }

    /// Blocks the thread until the entry [is drained](Leased::is_drained), at most
    /// for `timeout`; returns whether it is. A zero timeout only looks.
    pub fn wait_drained(&self, timeout: Duration) -> bool {
        // No deadline if it lies beyond what the clock can express.
        let deadline = Instant::now().checked_add(timeout);
        while !self.is_drained() {
            let woken = self.drained.listen();
            if self.is_drained() {
                return true;
            }
            match deadline {
                None => woken.wait(),
                Some(deadline) => {
                    if woken.wait_deadline(deadline).is_none() {
                        return self.is_drained();
                    }
                }
            }
        }
        true
    }

    #[inline]
    fn count_in(&self) -> Result<(), Closed> {
        self.word.enter().map_err(|Refused(claim)| {
            self.settle(claim);
            Closed
        })
    }

    #[inline]
    fn count_out(&self) {
        self.settle(self.word.leave());
    }

    #[inline]
    fn settle(&self, claim: Option<Claim>) {
        if let Some(claim) = claim {
            self.finish(claim);
        }
    }

    #[cold]
    fn finish(&self, claim: Claim) {
        /// Wakes the waiters even if the hook panics; they would hang otherwise.
        struct FinishOnDrop<'a>(&'a Word, &'a Event, Option<Claim>);
        impl Drop for FinishOnDrop<'_> {
            fn drop(&mut self) {
                if let Some(claim) = self.2.take() {
                    self.0.finish(claim);
                    self.1.notify(usize::MAX.additional());
                }
            }
        }
        let _finish = FinishOnDrop(&self.word, &self.drained, Some(claim));
        let hook = self.hook.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(hook) = hook {
            hook(&self.value);
        }
    }
}

impl<T> Deref for Leased<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Drop for Leased<T> {
    fn drop(&mut self) {
        let hook = mem::take(self.hook.get_mut().unwrap_or_else(PoisonError::into_inner));
        if let Some(hook) = hook {
            hook(&self.value);
        }
    }
}

impl<T> From<T> for Leased<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

/// Shows the state and not the value: what is registered is mostly a trait object,
/// and errors that hold an entry should print whatever it is.
impl<T> fmt::Debug for Leased<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leased")
            .field("leases", &self.leases())
            .field("closed", &self.is_closed())
            .field("drained", &self.is_drained())
            .finish_non_exhaustive()
    }
}

/// The counted right to use one entry, owned. Dereferences to the value.
///
/// Dropping it gives the right back; if it was the last one of a closed entry,
/// that runs the close hook and wakes those who wait for the drain.
#[must_use = "a lease that is dropped at once protects nothing"]
pub struct Lease<T> {
    entry: Arc<Leased<T>>,
}

impl<T> Lease<T> {
    /// The entry that the lease is on, to read its counts.
    ///
    /// An associated function, so that it hides no method of `T`.
    #[must_use]
    pub fn entry(this: &Self) -> &Arc<Leased<T>> {
        &this.entry
    }
}

impl<T> Deref for Lease<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.entry.value
    }
}

impl<T> Drop for Lease<T> {
    #[inline]
    fn drop(&mut self) {
        self.entry.count_out();
    }
}

impl<T> fmt::Debug for Lease<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(&self.entry).finish()
    }
}

/// The counted right to use one entry, borrowed for a synchronous call.
/// Dereferences to the value; dropping it gives the right back, as for [`Lease`].
#[must_use = "a pass that is dropped at once protects nothing"]
pub struct Pass<'a, T> {
    entry: &'a Leased<T>,
}

impl<T> Deref for Pass<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.entry.value
    }
}

impl<T> Drop for Pass<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.entry.count_out();
    }
}

impl<T> fmt::Debug for Pass<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pass").field(&self.entry).finish()
    }
}
