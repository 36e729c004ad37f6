//! One shared, replaceable `Arc`: the only place that names the crate behind it.
//!
//! Readers dominate: a lookup reads the current generation for every call, a
//! writer replaces it when an operator saves a file. So the reader must not lock,
//! and the writer may copy.
//!
//! There are two ways to read. [`Swap::load`] takes an `Arc` from the `ArcSwap`, which every store goes
//! to. [`Swap::peek`] is for the length of a call: it counts the reader into the slot that holds the
//! value, without a locked instruction ([`slots`] has the protocol). It hands the value to a closure
//! instead of returning a guard, so that it is held no longer than a call lasts.

mod slots;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use self::slots::Slots;

/// A value that many threads read and few replace, one whole `Arc` at a time.
///
/// ```
/// use plugbay_registry::Swap;
///
/// let limit = Swap::new(10_u32);
/// let before = limit.load();
/// limit.store(20.into());
/// assert_eq!((*before, *limit.load()), (10, 20));
/// ```
pub struct Swap<T> {
    current: ArcSwap<T>,
    /// The same value, for readers that stay for a call.
    slots: Slots<T>,
}

impl<T> Swap<T> {
    /// Starts with `value`.
    pub fn new(value: T) -> Self {
        Self::from_arc(Arc::new(value))
    }

    /// Starts with a value that is already shared.
    pub fn from_arc(value: Arc<T>) -> Self {
        Self { current: ArcSwap::new(Arc::clone(&value)), slots: Slots::new(value) }
    }

    /// The current value, owned: keep it as long as you like, across awaits too.
    ///
    /// A request calls this once and passes the result down; two loads may see
    /// two values.
    pub fn load(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// Runs `read` on the current value, and keeps the value until it returns.
    ///
    /// This writes to no memory that other threads write to, and blocks nobody: a store that comes
    /// meanwhile is seen by the next reader, and the last reader of the old value drops it. Clone out
    /// what must live longer. `read` may use this `Swap` again, and may then see a newer value.
    #[inline]
    pub fn peek<R>(&self, read: impl FnOnce(&Arc<T>) -> R) -> R {
        match self.slots.read() {
            Some(held) => read(&held),
            None => self.peek_loaded(read),
        }
    }

    /// While a store is under way, or if too many old values are still being read.
    #[cold]
    #[inline(never)]
    fn peek_loaded<R>(&self, read: impl FnOnce(&Arc<T>) -> R) -> R {
        read(&self.current.load())
    }

    /// Replaces the current value.
    pub fn store(&self, value: Arc<T>) {
        drop(self.swap(value));
    }

    /// Replaces the current value and returns the one it replaced.
    pub fn swap(&self, value: Arc<T>) -> Arc<T> {
        let write = self.slots.write();
        let old = self.current.swap(Arc::clone(&value));
        write.publish(value);
        old
    }

    /// Derives the next value from the current one and stores it, unless another
    /// writer stored first; then `next` runs again on what that writer left.
    ///
    /// Returns the replaced value and the stored one. `next` runs without any lock
    /// held, perhaps several times, and only the result of its last run is kept,
    /// so it must not have effects of its own.
    ///
    /// # Errors
    ///
    /// The error of `next`, unchanged; nothing was stored then.
    pub fn update<E>(
        &self,
        mut next: impl FnMut(&Arc<T>) -> Result<Arc<T>, E>,
    ) -> Result<(Arc<T>, Arc<T>), E> {
        let mut old = self.load();
        loop {
            let new = next(&old)?;
            let write = self.slots.write();
            let seen = self.current.load_full();
            if Arc::ptr_eq(&seen, &old) {
                self.current.store(Arc::clone(&new));
                write.publish(Arc::clone(&new));
                return Ok((old, new));
            }
            write.cancel();
            old = seen;
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Swap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.peek(|value| f.debug_tuple("Swap").field(value).finish())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::thread;

    use super::*;

    #[test]
    fn swap_returns_what_it_replaced() {
        let swap = Swap::new(1);
        let old = swap.swap(Arc::new(2));
        assert_eq!((*old, *swap.load()), (1, 2));
        assert_eq!(swap.peek(|value| **value), 2);
    }

    #[test]
    fn a_failed_update_stores_nothing() {
        let swap = Swap::new(1);
        let refused = swap.update(|_| Err::<Arc<i32>, _>("no"));
        assert_eq!(refused, Err("no"));
        assert_eq!(*swap.load(), 1);
    }

    #[test]
    fn update_retries_on_what_the_other_writer_left() {
        let swap = Swap::new(1);
        let mut seen = Vec::new();
        let (old, new) = swap
            .update(|current| {
                seen.push(**current);
                if seen.len() == 1 {
                    swap.store(Arc::new(10));
                }
                Ok::<_, Infallible>(Arc::new(**current + 1))
            })
            .unwrap_or_else(|never| match never {});
        assert_eq!(seen, [1, 10]);
        assert_eq!((*old, *new, *swap.load()), (10, 11, 11));
    }

    #[test]
    fn concurrent_updates_are_all_counted() {
        const WRITERS: u32 = 4;
        const EACH: u32 = 500;
        let swap = Swap::new(0);
        thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| {
                    for _ in 0..EACH {
                        let stored = swap.update(|n| Ok::<_, Infallible>(Arc::new(**n + 1)));
                        assert!(stored.is_ok());
                    }
                });
            }
        });
        assert_eq!(*swap.load(), WRITERS * EACH);
    }
}
