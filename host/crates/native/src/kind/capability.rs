//! A capability of a plugin whose code runs in this process or in a worker.

use std::sync::Arc;
use std::time::Instant;

use plugbay_core::{Bulkhead, CallError, Context, Place};

use super::wire::WireCall;
use crate::blocking::Blocking;

/// A started plugin, wherever its code runs.
pub(crate) trait Callee: Clone + Send + Sync + 'static {
    /// Calls the capability `index`. Blocks the caller's thread.
    fn call<C: WireCall>(
        &self,
        context: &Context<'_>,
        index: u32,
        call: &C,
    ) -> Result<C::Output, CallError>;

    /// As [`Callee::call`], on a thread of [`Callee::blocking`]: the caller has a place, and the plugin
    /// has until `deadline`.
    fn call_until<C: WireCall>(
        &self,
        context: &Context<'_>,
        index: u32,
        call: &C,
        deadline: Instant,
    ) -> Result<C::Output, CallError>;

    /// How asynchronous code calls it, with a place of `bulkhead`.
    fn blocking(&self, bulkhead: &Arc<Bulkhead>) -> Blocking;
}

/// One capability of a plugin. Each kind's module implements the kind's call object for it.
#[derive(Clone)]
pub(crate) struct Capability<C> {
    pub(crate) callee: C,
    /// Bounds the calls from asynchronous code.
    pub(crate) bulkhead: Arc<Bulkhead>,
    /// Which of the plugin's capabilities it is.
    pub(crate) index: u32,
    /// The largest input, in bytes, with which asynchronous code calls it on its own thread, because another
    /// thread would take longer to start than the call takes. `None`: it never does.
    pub(crate) max_inline: Option<usize>,
}

impl<C: Callee> Capability<C> {
    /// Calls it. Blocks the caller's thread.
    #[inline]
    pub(super) fn call<K: WireCall>(
        &self,
        context: &Context<'_>,
        call: &K,
    ) -> Result<K::Output, CallError> {
        self.callee.call(context, self.index, call)
    }

    /// Calls it on a thread of [`Capability::blocking`].
    pub(super) fn call_until<K: WireCall>(
        &self,
        context: &Context<'_>,
        call: &K,
        deadline: Instant,
    ) -> Result<K::Output, CallError> {
        self.callee.call_until(context, self.index, call, deadline)
    }

    /// A place for a call on the thread of its asynchronous caller, if the input is small enough and a place
    /// is free.
    pub(super) fn inline(&self, size: usize) -> Option<Place> {
        if size <= self.max_inline? { self.bulkhead.try_enter() } else { None }
    }

    /// For calls from asynchronous code.
    pub(super) fn blocking(&self) -> Blocking {
        self.callee.blocking(&self.bulkhead)
    }
}
