//! How a kind calls a plugin's instances.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use plugbay_core::{CallError, CallErrorKind, Context};
use tokio::time::Instant;
use tokio_util::context::TokioContext;
use wasmtime::Store;

use crate::bindings::plugbay::plugin::types;
use crate::checkout::{Checkout, busy};
use crate::fault::fault;
use crate::kind::WasmKind;
use crate::plugin::Shared;
use crate::state::State;

/// A guest call under way on a fiber.
pub type CallFuture<'a, R> = Pin<Box<dyn Future<Output = wasmtime::Result<R>> + Send + 'a>>;

/// Calls of one capability of one plugin: takes an instance, calls it within the plugin's
/// limits, and puts it back, or throws it away if it trapped.
pub struct Calls<K> {
    plugin: Arc<Shared>,
    slot: usize,
    capability: u32,
    kind: PhantomData<fn() -> K>,
}

impl<K: WasmKind> Calls<K> {
    pub(crate) fn new(plugin: Arc<Shared>, slot: usize, capability: u32) -> Self {
        Self { plugin, slot, capability, kind: PhantomData }
    }

    /// The capability's index in the plugin's description, which calls pass on.
    #[must_use]
    pub fn capability(&self) -> u32 {
        self.capability
    }

    /// Whether the plugin imports what may wait (WASI): such calls need a fiber.
    #[must_use]
    pub fn may_wait(&self) -> bool {
        self.plugin.may_wait
    }

    /// Calls on the caller's stack, blocking while all instances are in calls.
    ///
    /// # Errors
    ///
    /// If no instance is free within the plugin's deadline, or the guest traps, panics or
    /// uses up its CPU time or memory. Fails for plugins that [may wait](Calls::may_wait).
    pub fn call<R>(
        &self,
        context: &Context<'_>,
        call: impl FnOnce(&mut Store<State>, &K::Guest) -> wasmtime::Result<R>,
    ) -> Result<R, CallError> {
        self.call_then(context, call, Ok)
    }

    /// As [`Calls::call`], then `finish`. What a guest returns is large for a value: finished
    /// here, it is moved once.
    #[inline]
    pub(crate) fn call_then<R, T>(
        &self,
        context: &Context<'_>,
        call: impl FnOnce(&mut Store<State>, &K::Guest) -> wasmtime::Result<R>,
        finish: impl FnOnce(R) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let plugin = &self.plugin;
        let mut checkout = Checkout::take(plugin)?;
        let instance = checkout.instance()?;
        instance.begin_direct(plugin.cpu_ticks, plugin.policy.deadline);
        if plugin.wants_services {
            instance.lend(context);
        }
        let Some((store, guest)) = instance.guest::<K>(self.slot) else {
            return Err(self.blame(no_guest()));
        };
        match call(store, guest) {
            Ok(answer) => {
                let finished = finish(answer);
                checkout.done();
                finished
            }
            Err(error) => Err(fault(&error, store.data_mut(), plugin.policy.cpu)),
        }
    }

    /// Calls on a fiber: the guest gives way to other tasks at each tick, and may wait.
    ///
    /// # Errors
    ///
    /// As [`Calls::call`], and if the plugin's deadline passes.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the guest; its instance is thrown away.
    pub async fn call_async<R>(
        &self,
        context: Context<'_>,
        call: impl for<'s> FnOnce(&'s mut Store<State>, &'s K::Guest) -> CallFuture<'s, R> + Send,
    ) -> Result<R, CallError> {
        let plugin = &self.plugin;
        let within = plugin.policy.deadline;
        let bounded = async move {
            // One deadline for waiting and for the call; who never had an instance is told so.
            let deadline = Instant::now().checked_add(within);
            let checkout = bounded(deadline, Checkout::take_async(plugin)).await;
            let checkout = checkout.unwrap_or_else(|| Err(busy(plugin, within)))?;
            let answer = bounded(deadline, self.fiber(checkout, context, call)).await;
            answer.unwrap_or_else(|| {
                let message = format!("expected an answer within {within:?}");
                Err(self.blame(CallError::new(CallErrorKind::Deadline, message)))
            })
        };
        TokioContext::new(bounded, plugin.tokio.clone()).await
    }

    /// As [`Calls::call_async`], blocking the caller's thread.
    ///
    /// # Errors
    ///
    /// As [`Calls::call_async`].
    pub fn call_blocking<R>(
        &self,
        context: &Context<'_>,
        call: impl for<'s> FnOnce(&'s mut Store<State>, &'s K::Guest) -> CallFuture<'s, R> + Send,
    ) -> Result<R, CallError> {
        futures_lite::future::block_on(self.call_async(*context, call))
    }

    async fn fiber<R>(
        &self,
        mut checkout: Checkout<'_>,
        context: Context<'_>,
        call: impl for<'s> FnOnce(&'s mut Store<State>, &'s K::Guest) -> CallFuture<'s, R> + Send,
    ) -> Result<R, CallError> {
        let plugin = &self.plugin;
        let instance = checkout.instance()?;
        instance.begin_fiber(plugin.cpu_ticks, plugin.policy.deadline);
        if plugin.wants_services {
            instance.lend(&context);
        }
        let Some((store, guest)) = instance.guest::<K>(self.slot) else {
            return Err(self.blame(no_guest()));
        };
        let answer = call(&mut *store, guest).await;
        match store.data_mut().end().and(answer) {
            Ok(answer) => {
                checkout.done();
                Ok(answer)
            }
            Err(error) => Err(fault(&error, store.data_mut(), plugin.policy.cpu)),
        }
    }

    /// The guest's own answer: its error with the plugin's name, or its value if that is
    /// not larger than the policy allows.
    ///
    /// # Errors
    ///
    /// What the guest said, or `output`.
    #[inline]
    pub fn answer<R>(
        &self,
        answer: Result<R, types::Error>,
        size: impl FnOnce(&R) -> usize,
    ) -> Result<R, CallError> {
        let value = match answer {
            Ok(value) => value,
            Err(error) => return Err(self.said(error)),
        };
        let found = size(&value) as u64;
        if found > self.plugin.policy.output { Err(self.too_large(found)) } else { Ok(value) }
    }

    #[cold]
    fn said(&self, error: types::Error) -> CallError {
        self.blame(error.into())
    }

    #[cold]
    fn too_large(&self, found: u64) -> CallError {
        let limit = self.plugin.policy.output;
        let message = format!("expected an answer of at most {limit} bytes, found {found}");
        self.blame(CallError::new(CallErrorKind::Output, message))
    }

    /// Names this plugin as the one that failed.
    #[must_use]
    pub fn blame(&self, error: CallError) -> CallError {
        error.of(self.plugin.sandbox.label())
    }
}

impl<K> fmt::Debug for Calls<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls")
            .field("plugin", self.plugin.sandbox.label())
            .field("capability", &self.capability)
            .finish_non_exhaustive()
    }
}

/// What comes of the work, unless the deadline passes first; `None` is one too far off to pass.
async fn bounded<T>(deadline: Option<Instant>, work: impl Future<Output = T>) -> Option<T> {
    match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, work).await.ok(),
        None => Some(work.await),
    }
}

fn no_guest() -> CallError {
    CallError::new(CallErrorKind::Internal, "the plugin does not export this kind's interface")
}
