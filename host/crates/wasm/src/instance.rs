//! One live instance: its store, and the functions found in it.

use std::any::Any;

use plugbay_core::Context;
use wasmtime::Store;

use crate::bindings::{direct, fiber};
use crate::state::State;

/// An instance that is initialised, or about to be. Exactly one owner at any time.
pub(crate) struct Instance {
    pub(crate) store: Store<State>,
    pub(crate) lifecycle: Lifecycle,
    /// One per interface that the plugin exports, in the order of `Shared::kinds`.
    guests: Vec<Box<dyn Any + Send + Sync>>,
    /// Calls so far.
    pub(crate) calls: u64,
}

/// The functions of `lifecycle`, the way in which they are called. Finding a function checks
/// its type, and that is a good part of what a fresh instance costs: so only one way is found.
pub(crate) enum Lifecycle {
    /// On the caller's stack.
    Direct(direct::lifecycle::Guest),
    /// On a fiber.
    Fiber(fiber::lifecycle::Guest),
}

impl Lifecycle {
    pub(crate) fn is_on_fiber(&self) -> bool {
        matches!(self, Self::Fiber(_))
    }
}

impl Instance {
    pub(crate) fn new(
        store: Store<State>,
        lifecycle: Lifecycle,
        guests: Vec<Box<dyn Any + Send + Sync>>,
    ) -> Self {
        Self { store, lifecycle, guests, calls: 0 }
    }

    /// The store, and the functions of the interface in `slot`.
    #[inline]
    pub(crate) fn guest<G: 'static>(&mut self, slot: usize) -> Option<(&mut Store<State>, &G)> {
        let guest = self.guests.get(slot)?.downcast_ref()?;
        Some((&mut self.store, guest))
    }

    /// Sets what a call on the caller's stack may use: a tick at a time, so that ticks which
    /// pass while the guest waits for another plugin count as one.
    #[inline]
    pub(crate) fn begin_direct(&mut self, ticks: u64) {
        let state = self.store.data_mut();
        state.forget();
        state.on_fiber = false;
        state.ticks_left = ticks;
        self.store.set_epoch_deadline(1);
        self.calls += 1;
    }

    /// Sets what a call on a fiber may use: a tick at a time, giving way in between.
    pub(crate) fn begin_fiber(&mut self, ticks: u64) {
        let state = self.store.data_mut();
        state.forget();
        state.on_fiber = true;
        state.ticks_left = ticks;
        self.store.set_epoch_deadline(1);
        self.calls += 1;
    }

    /// Lends the caller's services until [`Instance::end`].
    pub(crate) fn lend(&mut self, context: &Context<'_>) {
        self.store.data_mut().lend(context);
    }

    /// Gives the caller's services back: an idle instance must not keep a generation alive.
    pub(crate) fn end(&mut self) {
        self.store.data_mut().services = None;
    }
}
