//! One live instance: its store, and the functions found in it.

use plugbay_core::Context;
use wasmtime::Store;
use wasmtime::component;

use super::guest::AnyGuest;
use crate::sandbox::clock::{Allowance, SAMPLE};
use crate::sandbox::state::State;

/// An instance that is initialised, or about to be. Exactly one owner at any time.
pub(crate) struct Instance {
    pub(crate) store: Store<State>,
    /// wasmtime's name for it within the store.
    pub(crate) handle: component::Instance,
    /// One per interface that the plugin exports, in the order of `Instances::kinds`.
    guests: Vec<AnyGuest>,
    /// Calls so far.
    pub(crate) calls: u64,
}

impl Instance {
    pub(crate) fn new(
        store: Store<State>,
        handle: component::Instance,
        guests: Vec<AnyGuest>,
    ) -> Self {
        Self { store, handle, guests, calls: 0 }
    }

    /// The store, and the functions of the interface in `slot`.
    #[inline]
    pub(super) fn guest(&mut self, slot: usize) -> Option<(&mut Store<State>, &AnyGuest)> {
        Some((&mut self.store, self.guests.get(slot)?))
    }

    /// Begins a call: sets its limits, and the cancellation of its caller.
    #[inline]
    pub(crate) fn begin(&mut self, allowed: Allowance, on_fiber: bool, context: &Context<'_>) {
        let state = self.store.data_mut();
        state.begin(allowed, on_fiber);
        state.clock.set_cancel(context);
        self.calls += 1;
        if !on_fiber && self.calls.is_multiple_of(SAMPLE.into()) {
            state.clock.sample();
        }
    }

    /// Sets the caller's services, until [`Instance::clear_context`].
    pub(crate) fn set_context(&mut self, context: Context<'_>) {
        self.store.data_mut().set_context(context);
    }

    /// Drops the caller's services: an idle instance must not keep a generation alive.
    pub(crate) fn clear_context(&mut self) {
        self.store.data_mut().context = None;
    }

    /// Sets what the guest can ask about its call, until [`Instance::clear_call`].
    pub(crate) fn set_call(&mut self, context: &Context<'_>) {
        self.store.data_mut().set_call(context);
    }

    /// Forgets the call, which has ended.
    pub(crate) fn clear_call(&mut self) {
        self.store.data_mut().clear_call();
    }
}
