//! How a kind of capability is called through WIT, and how it calls a plugin's instances.

use std::fmt;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Instant;

use futures_lite::future::block_on;
use plugbay_core::{CallError, CallErrorKind, Cancel, Context, Kind, Policy};
use tokio_util::context::TokioContext;
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use super::checkout::{Checkout, GLANCE, Patience};
use super::guest::AnyGuest;
use super::instance;
use super::shared::Shared;
use crate::bindings::plugbay::plugin::types;
use crate::sandbox::clock::{Allowance, before, gone, late};
use crate::sandbox::fault::fault;
use crate::sandbox::meter::metered;
use crate::sandbox::state::State;

/// A kind whose capabilities a component exports as one WIT interface.
///
/// `Indices` and `Guest` are what `wasmtime::component::bindgen!` generates for the
/// interface: `GuestIndices` and `Guest`.
pub trait WasmKind: Kind {
    /// The exported interface, for instance `acme:greet/greeter@0.1.0`.
    const INTERFACE: &'static str;

    /// Where the interface's functions are, resolved once per plugin version.
    type Indices: Send + Sync + 'static;

    /// The functions of one instance.
    type Guest: Send + Sync + 'static;

    /// Resolves and type-checks the interface.
    ///
    /// # Errors
    ///
    /// If the component does not export it, or with other types.
    fn indices(component: &InstancePre<State>) -> wasmtime::Result<Self::Indices>;

    /// Finds the functions of one instance.
    ///
    /// # Errors
    ///
    /// If they are not there, which [`WasmKind::indices`] rules out.
    fn load(
        indices: &Self::Indices,
        store: &mut Store<State>,
        instance: &Instance,
    ) -> wasmtime::Result<Self::Guest>;

    /// Makes the object that callers call.
    fn provide(calls: Calls<Self>) -> Arc<Self::Call>
    where
        Self: Sized;

    /// Erases an instance's functions. Not for implementers.
    #[doc(hidden)]
    fn keep(guest: Self::Guest) -> AnyGuest {
        AnyGuest::Other(Box::new(guest))
    }

    /// An instance's functions, if they are of this kind. Not for implementers.
    #[doc(hidden)]
    fn kept(guest: &AnyGuest) -> Option<&Self::Guest> {
        match guest {
            AnyGuest::Other(guest) => guest.downcast_ref(),
            AnyGuest::Codec(_) => None,
        }
    }
}

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

    /// Whether the plugin imports what may wait (WASI, other codecs): such calls need a fiber.
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
        let (mut checkout, ends) = Checkout::take(plugin, context)?;
        let instance = checkout.instance()?;
        instance.begin(self.allowance(ends), false, context);
        let (store, guest) = self.guest(instance)?;
        match call(store, guest) {
            Ok(answer) => {
                let finished = finish(answer);
                checkout.done();
                finished
            }
            Err(error) => Err(fault(&error, store.data_mut())),
        }
    }

    #[inline]
    fn guest<'i>(
        &self,
        instance: &'i mut instance::Instance,
    ) -> Result<(&'i mut Store<State>, &'i K::Guest), CallError> {
        let found = instance.guest(self.slot);
        let found = found.and_then(|(store, guest)| Some((store, K::kept(guest)?)));
        found.ok_or_else(|| self.blame(no_guest()))
    }

    #[inline]
    fn allowance(&self, ends: Option<Instant>) -> Allowance {
        let Policy { cpu, deadline, .. } = self.plugin.policy;
        Allowance { cpu, wall: deadline, ends }
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
            let ends = context.ends(Instant::now(), within);
            let patience = Patience { within, ends, cancel: context.cancel() };
            let checkout = Checkout::take_async(plugin, patience).await?;
            let answer = before(ends, self.fiber(checkout, context, ends, call)).await;
            answer.unwrap_or_else(|| Err(self.blame(late(within))))
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
        block_on(async {
            let answer = self.call_async(*context, call);
            let Some(cancel) = context.cancel() else { return answer.await };
            let answer = unless_cancelled(cancel, answer);
            let answer = TokioContext::new(answer, self.plugin.tokio.clone()).await;
            answer.unwrap_or_else(|| Err(self.blame(gone())))
        })
    }

    async fn fiber<R>(
        &self,
        mut checkout: Checkout<'_>,
        context: Context<'_>,
        ends: Option<Instant>,
        call: impl for<'s> FnOnce(&'s mut Store<State>, &'s K::Guest) -> CallFuture<'s, R> + Send,
    ) -> Result<R, CallError> {
        let plugin = &self.plugin;
        let instance = checkout.instance()?;
        instance.begin(self.allowance(ends), true, &context);
        if plugin.wants_services {
            instance.lend(context);
        }
        let (store, guest) = self.guest(instance)?;
        let answer = metered(call(&mut *store, guest)).await;
        match store.data_mut().end().and(answer) {
            Ok(answer) => {
                checkout.done();
                Ok(answer)
            }
            Err(error) => Err(fault(&error, store.data_mut())),
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

/// What comes of the work, unless nobody waits for it any more. Nothing says so by itself.
async fn unless_cancelled<T>(cancel: &Cancel, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    loop {
        match tokio::time::timeout(GLANCE, &mut work).await {
            Ok(answer) => return Some(answer),
            Err(_elapsed) if cancel.is_cancelled() => return None,
            Err(_elapsed) => {}
        }
    }
}

fn no_guest() -> CallError {
    CallError::new(CallErrorKind::Internal, "the plugin does not export this kind's interface")
}
