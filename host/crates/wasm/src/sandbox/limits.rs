//! Limits of memory and tables: of one instance, and of all instances of a plugin.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::ResourceLimiter;

/// The most resources of one instance: open files and sockets, streams, timers.
pub(crate) const RESOURCES: usize = 1024;

/// The budget of linear memory of all instances of a plugin, in bytes.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicU64,
    /// The most that `used` has been.
    peak: AtomicU64,
    limit: u64,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { used: AtomicU64::new(0), peak: AtomicU64::new(0), limit })
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// The most that was used at once.
    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    fn reserve(&self, bytes: u64) -> bool {
        let more = |used: u64| used.checked_add(bytes).filter(|&total| total <= self.limit);
        // Relaxed: no other memory depends on the counters.
        let Ok(used) = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) else {
            return false;
        };
        self.peak.fetch_max(used + bytes, Ordering::Relaxed);
        true
    }

    fn release(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// One instance's limits, and its share of the budget, released on drop.
#[derive(Debug)]
pub(crate) struct Limits {
    budget: Arc<Budget>,
    /// The limit of its linear memory, in bytes.
    memory: u64,
    /// Its linear memory, in bytes.
    held: u64,
    /// Its linear memory when the current call began.
    before: u64,
    /// The linear memory that the last refused growth asked for.
    asked: u64,
    /// The limit of elements in all of its tables.
    tables: u64,
    /// The elements in all of its tables.
    elements: u64,
    /// The bytes of the last allowed growth, to release if the memory cannot grow after all.
    granted: u64,
    /// The message of the last refused growth: the guest traps by `unreachable` then, as it does by
    /// a panic.
    refused: Option<String>,
}

/// Whether the growth exceeds the maximum that the guest declared. wasmtime refuses it too, but only
/// after it has asked the limiter.
fn is_beyond(maximum: Option<usize>, desired: usize) -> bool {
    maximum.is_some_and(|maximum| desired > maximum)
}

impl Limits {
    pub(crate) fn new(budget: Arc<Budget>, memory: u64, tables: u32) -> Self {
        let tables = tables.into();
        Self {
            budget,
            memory,
            held: 0,
            before: 0,
            asked: 0,
            tables,
            elements: 0,
            granted: 0,
            refused: None,
        }
    }

    /// The instance's linear memory, in bytes.
    pub(crate) fn held(&self) -> u64 {
        self.held
    }

    /// Begins a call.
    #[inline]
    pub(crate) fn begin(&mut self) {
        self.before = self.held;
    }

    /// Whether the current call asked for more than half of the memory that an instance may have, and
    /// was refused. What the instance held before is the plugin's doing, in earlier calls.
    pub(crate) fn took_most(&self) -> bool {
        self.refused.is_some() && self.asked.saturating_sub(self.before) > self.memory / 2
    }

    /// Whether a growth was refused since the last [`Limits::take_refused`].
    #[inline]
    pub(crate) fn was_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// Takes the message of the last refused growth.
    pub(crate) fn take_refused(&mut self) -> Option<String> {
        self.refused.take()
    }
}

impl Drop for Limits {
    fn drop(&mut self) {
        self.budget.release(self.held);
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current) as u64;
        let total = self.held.saturating_add(more);
        self.asked = total;
        if total > self.memory {
            self.refused = Some(format!(
                "expected at most {} bytes of memory for an instance, found a request for {total}",
                self.memory
            ));
            return Ok(false);
        }
        if is_beyond(maximum, desired) {
            return Ok(false);
        }
        if !self.budget.reserve(more) {
            self.refused = Some(format!(
                "expected at most {} bytes of memory over all instances, found {} in use and a \
                 request for {more} more",
                self.budget.limit,
                self.budget.used()
            ));
            return Ok(false);
        }
        self.held = total;
        self.granted = more;
        Ok(true)
    }

    /// Releases the memory of a growth that the limits allowed and the system refused.
    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        let granted = std::mem::take(&mut self.granted);
        self.held -= granted;
        self.budget.release(granted);
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current) as u64;
        let total = self.elements.saturating_add(more);
        if total > self.tables {
            self.refused = Some(format!(
                "expected at most {} table elements over all tables of an instance, found a \
                 request for {total}",
                self.tables
            ));
            return Ok(false);
        }
        if is_beyond(maximum, desired) {
            return Ok(false);
        }
        self.elements = total;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_share_the_budget_and_give_it_back() {
        let budget = Budget::new(100);
        let mut one = Limits::new(Arc::clone(&budget), 80, 0);
        let mut two = Limits::new(Arc::clone(&budget), 80, 0);
        assert!(one.memory_growing(0, 60, None).unwrap());
        assert!(!two.memory_growing(0, 60, None).unwrap());
        assert!(two.take_refused().unwrap().contains("over all instances"));
        drop(one);
        assert!(two.memory_growing(0, 60, None).unwrap());
        assert!(!two.memory_growing(60, 90, None).unwrap());
        assert!(two.take_refused().unwrap().contains("for an instance"));
        assert_eq!(budget.used(), 60);
    }

    #[test]
    fn growth_that_fails_after_all_is_given_back_once() {
        let budget = Budget::new(100);
        let mut limits = Limits::new(Arc::clone(&budget), 100, 0);
        assert!(limits.memory_growing(0, 60, None).unwrap());
        assert!(limits.memory_growing(60, 90, None).unwrap());
        for _ in 0..2 {
            limits.memory_grow_failed(wasmtime::format_err!("no memory")).unwrap();
            assert_eq!((limits.held(), budget.used()), (60, 60));
        }
        drop(limits);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn growth_beyond_what_the_guest_declared_costs_nothing() {
        let budget = Budget::new(100);
        let mut limits = Limits::new(Arc::clone(&budget), 100, 100);
        for _ in 0..10 {
            assert!(!limits.memory_growing(0, 60, Some(59)).unwrap());
            assert!(!limits.table_growing(0, 60, Some(59)).unwrap());
        }
        assert_eq!((budget.used(), limits.elements, limits.take_refused()), (0, 0, None));
        assert!(limits.memory_growing(0, 60, Some(60)).unwrap());
        assert!(limits.table_growing(0, 60, Some(60)).unwrap());
    }

    /// Uses wasmtime's own calls of the limiter, which the tests above only imitate.
    #[test]
    fn a_memory_that_cannot_grow_costs_what_it_has() {
        let mut config = wasmtime::Config::new();
        config.memory_reservation(1 << 20).memory_may_move(false);
        let engine = wasmtime::Engine::new(&config).unwrap();
        for maximum in [Some(16), None] {
            let budget = Budget::new(1 << 30);
            let limits = Limits::new(Arc::clone(&budget), 1 << 30, 0);
            let mut store = wasmtime::Store::new(&engine, limits);
            store.limiter(|limits| limits);
            let kind = wasmtime::MemoryType::new(1, maximum);
            let memory = wasmtime::Memory::new(&mut store, kind).unwrap();
            for _ in 0..10 {
                memory.grow(&mut store, 100).unwrap_err();
            }
            assert_eq!(budget.used(), 1 << 16);
            memory.grow(&mut store, 1).unwrap();
            assert_eq!((budget.used(), store.data().held()), (1 << 17, 1 << 17));
        }
    }

    #[test]
    fn elements_of_all_tables_count() {
        let mut limits = Limits::new(Budget::new(0), 0, 100);
        assert!(limits.table_growing(0, 60, None).unwrap());
        assert!(limits.table_growing(60, 70, None).unwrap());
        assert!(!limits.table_growing(0, 31, None).unwrap());
        assert!(limits.take_refused().unwrap().contains("at most 100 table elements"));
        assert!(limits.table_growing(0, 30, None).unwrap());
    }
}
