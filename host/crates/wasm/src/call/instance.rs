//! One live instance: its store, and the functions found in it.

use plugbay_core::Context;
use wasmtime::Store;

use super::guest::AnyGuest;
use crate::bindings::{direct, fiber};
use crate::sandbox::clock::Allowance;
use crate::sandbox::state::State;

/// An instance that is initialised, or about to be. Exactly one owner at any time.
pub(crate) struct Instance {
    pub(crate) store: Store<State>,
    pub(crate) lifecycle: Lifecycle,
    /// One per interface that the plugin exports, in the order of `Shared::kinds`.
    guests: Vec<AnyGuest>,
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
    pub(crate) fn new(store: Store<State>, lifecycle: Lifecycle, guests: Vec<AnyGuest>) -> Self {
        Self { store, lifecycle, guests, calls: 0 }
    }

    /// The store, and the functions of the interface in `slot`.
    #[inline]
    pub(super) fn guest(&mut self, slot: usize) -> Option<(&mut Store<State>, &AnyGuest)> {
        Some((&mut self.store, self.guests.get(slot)?))
    }

    /// Sets what a call may use, and whom it is for.
    #[inline]
    pub(crate) fn begin(&mut self, allowed: Allowance, on_fiber: bool, context: &Context<'_>) {
        let state = self.store.data_mut();
        state.begin(allowed, on_fiber);
        state.clock.heed(context);
        self.calls += 1;
    }

    /// Lends the caller's services until [`Instance::end`].
    pub(crate) fn lend(&mut self, context: Context<'_>) {
        self.store.data_mut().lend(context);
    }

    /// Gives the caller's services back: an idle instance must not keep a generation alive.
    pub(crate) fn end(&mut self) {
        self.store.data_mut().context = None;
    }
}
