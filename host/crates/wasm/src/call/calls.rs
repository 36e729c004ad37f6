//! Calls of the capabilities of a kind: [`WasmKind`] maps a kind to a WIT interface, and [`Calls`]
//! calls the instances of a plugin.

use std::fmt;
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use futures_lite::future::block_on;
use plugbay_core::{CANCEL_CHECK, CallError, CallErrorKind, Cancel, Context, Kind, Policy};
use tokio_util::context::TokioContext;
use wasmtime::Store;
use wasmtime::component::{ComponentNamedList, Lift, Lower, TypedFunc};

use super::checkout::{Checkout, WaitLimit};
use super::exports::Exports;
use super::guest::AnyGuest;
use super::instance::Instance;
use super::instances::Instances;
use crate::bindings::plugbay::plugin::types;
use crate::sandbox::clock::{Allowance, cancelled, deadline_passed, until_deadline};
use crate::sandbox::fault::fault_of_call;
use crate::sandbox::meter::metered;
use crate::sandbox::state::State;

/// A kind whose capabilities a component exports as one WIT interface.
///
/// ```
/// use std::sync::Arc;
///
/// use plugbay_core::{CallError, Context, Kind};
/// use plugbay_wasm::wasmtime::{self, component::TypedFunc};
/// use plugbay_wasm::{Calls, Exports, WasmKind};
///
/// trait Greet: Send + Sync {
///     fn greet(&self, context: &Context<'_>, name: &str) -> Result<String, CallError>;
/// }
///
/// struct Greeter;
///
/// impl Kind for Greeter {
///     const NAME: &'static str = "greeter";
///     type Call = dyn Greet;
/// }
///
/// // interface greeter { greet: func(capability: u32, name: string) -> string; }
/// impl WasmKind for Greeter {
///     const INTERFACE: &'static str = "acme:greet/greeter@0.1.0";
///     type Guest = TypedFunc<(u32, String), (String,)>;
///
///     fn load(exports: &mut Exports<'_>) -> wasmtime::Result<Self::Guest> {
///         exports.function("greet")
///     }
///
///     fn provide(calls: Calls<Self>) -> Arc<dyn Greet> {
///         Arc::new(calls)
///     }
/// }
///
/// impl Greet for Calls<Greeter> {
///     fn greet(&self, context: &Context<'_>, name: &str) -> Result<String, CallError> {
///         let params = (self.capability(), name.to_owned());
///         self.call(context, |greet| greet, params, |(greeting,)| Ok(greeting))
///     }
/// }
/// ```
pub trait WasmKind: Kind {
    /// The exported interface, for instance `acme:greet/greeter@0.1.0`.
    const INTERFACE: &'static str;

    /// The functions of one instance: one [`TypedFunc`], or a struct of several.
    type Guest: Send + Sync + 'static;

    /// Finds the functions of one instance.
    ///
    /// # Errors
    ///
    /// If the interface does not have them, or with other types: such a plugin is refused.
    fn load(exports: &mut Exports<'_>) -> wasmtime::Result<Self::Guest>;

    /// Makes the object that callers call.
    fn provide(calls: Calls<Self>) -> Arc<Self::Call>
    where
        Self: Sized;

    /// Erases the type of an instance's functions. Not for implementers.
    #[doc(hidden)]
    fn erase_guest(guest: Self::Guest) -> AnyGuest {
        AnyGuest::Other(Box::new(guest))
    }

    /// An instance's functions, if they are of this kind. Not for implementers.
    #[doc(hidden)]
    fn downcast_guest(guest: &AnyGuest) -> Option<&Self::Guest> {
        match guest {
            AnyGuest::Other(guest) => guest.downcast_ref(),
            AnyGuest::Codec(_) => None,
        }
    }
}

/// Calls of one capability of one plugin: takes an instance, calls it within the plugin's
/// limits, and puts it back, or throws it away if it trapped. [`WasmKind`] has an example, and
/// `plugbay::Builder::kind` one that runs.
pub struct Calls<K> {
    plugin: Arc<Instances>,
    slot: usize,
    capability: u32,
    kind: PhantomData<fn() -> K>,
}

impl<K: WasmKind> Calls<K> {
    pub(super) fn new(plugin: Arc<Instances>, slot: usize, capability: u32) -> Self {
        Self { plugin, slot, capability, kind: PhantomData }
    }

    /// The capability's index in the plugin's description, an argument of every call.
    #[must_use]
    pub fn capability(&self) -> u32 {
        self.capability
    }

    /// Calls a function of the guest, and blocks until it has returned. Works for every component,
    /// within and without an async runtime.
    ///
    /// `answer` maps the function's result to a value, or to the error that the guest returned, to
    /// which the plugin's name is added.
    ///
    /// # Errors
    ///
    /// The error of `answer`. If no instance comes free within the plugin's deadline. If the guest
    /// traps, panics, uses up its CPU time or memory, or returns more bytes than the policy's
    /// `output` allows.
    pub fn call<P, R, T>(
        &self,
        context: &Context<'_>,
        function: impl FnOnce(&K::Guest) -> &TypedFunc<P, R>,
        params: P,
        answer: impl FnOnce(R) -> Result<T, types::Error>,
    ) -> Result<T, CallError>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        if self.needs_fiber(context) {
            return self.block_on_fiber(context, |_, guest| Ok(*function(guest)), params, answer);
        }
        self.call_direct(context, |store, guest| function(guest).call(store, params), answer)
    }

    /// As [`Calls::call`], without blocking a thread: the guest yields to other tasks at each tick,
    /// and may wait.
    ///
    /// # Errors
    ///
    /// As [`Calls::call`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the guest; its instance is thrown away.
    pub async fn call_async<P, R, T>(
        &self,
        context: Context<'_>,
        function: impl FnOnce(&K::Guest) -> &TypedFunc<P, R>,
        params: P,
        answer: impl FnOnce(R) -> Result<T, types::Error>,
    ) -> Result<T, CallError>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        self.await_on_fiber(context, |_, guest| Ok(*function(guest)), params, answer).await
    }

    /// Whether a call that blocks needs a fiber: because the plugin may wait, or because another
    /// plugin's guest is on this stack already. Each guest may use all the stack that guests
    /// get; eight of them on the caller's stack would exceed it.
    #[inline]
    pub(crate) fn needs_fiber(&self, context: &Context<'_>) -> bool {
        self.plugin.wants.may_wait() || context.depth() > 0
    }

    /// Calls on the caller's stack. `answer` is applied here because the guest's result is a large
    /// value, which is moved only once this way.
    #[inline]
    pub(crate) fn call_direct<R, T>(
        &self,
        context: &Context<'_>,
        call: impl FnOnce(&mut Store<State>, &K::Guest) -> wasmtime::Result<R>,
        answer: impl FnOnce(R) -> Result<T, types::Error>,
    ) -> Result<T, CallError> {
        let plugin = &self.plugin;
        let (mut checkout, ends) = Checkout::take(plugin, context)?;
        let instance = checkout.instance()?;
        instance.begin(self.allowance(ends), false, context);
        if plugin.wants.call {
            instance.set_call(context);
        }
        let (store, guest) = self.guest(instance)?;
        match call(store, guest) {
            Ok(result) => {
                let answer = answer(result);
                checkout.done();
                answer.map_err(|error| self.guest_error(error))
            }
            Err(error) => Err(fault_of_call(&error, store.data_mut())),
        }
    }

    /// Calls on a fiber, and blocks the caller's thread.
    // A function of its own, so that a call without a fiber has a small frame.
    #[inline(never)]
    pub(crate) fn block_on_fiber<P, R, T>(
        &self,
        context: &Context<'_>,
        function: impl FnOnce(&mut Store<State>, &K::Guest) -> wasmtime::Result<TypedFunc<P, R>>,
        params: P,
        answer: impl FnOnce(R) -> Result<T, types::Error>,
    ) -> Result<T, CallError>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        block_on(async {
            let answer = self.await_on_fiber(*context, function, params, answer);
            let Some(cancel) = context.cancel() else { return answer.await };
            let answer = unless_cancelled(cancel, answer);
            let answer = TokioContext::new(answer, self.plugin.tokio.clone()).await;
            answer.unwrap_or_else(|| Err(self.blame(cancelled())))
        })
    }

    /// Calls on a fiber, without blocking a thread.
    pub(crate) async fn await_on_fiber<P, R, T>(
        &self,
        context: Context<'_>,
        function: impl FnOnce(&mut Store<State>, &K::Guest) -> wasmtime::Result<TypedFunc<P, R>>,
        params: P,
        answer: impl FnOnce(R) -> Result<T, types::Error>,
    ) -> Result<T, CallError>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let plugin = &self.plugin;
        let within = plugin.policy.deadline;
        let bounded = async move {
            // Waiting for an instance and the call share one deadline; the error says which of them
            // exceeded it.
            let ends = context.ends(Instant::now(), within);
            let wait = WaitLimit { within, ends, cancel: context.cancel() };
            let checkout = Checkout::take_async(plugin, wait).await?;
            let call = self.run_on_fiber(checkout, context, ends, function, params, answer);
            until_deadline(ends, call)
                .await
                .unwrap_or_else(|| Err(self.blame(deadline_passed(within))))
        };
        TokioContext::new(bounded, plugin.tokio.clone()).await
    }

    async fn run_on_fiber<P, R, T>(
        &self,
        mut checkout: Checkout<'_>,
        context: Context<'_>,
        ends: Option<Instant>,
        function: impl FnOnce(&mut Store<State>, &K::Guest) -> wasmtime::Result<TypedFunc<P, R>>,
        params: P,
        answer: impl FnOnce(R) -> Result<T, types::Error>,
    ) -> Result<T, CallError>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let instance = checkout.instance()?;
        instance.begin(self.allowance(ends), true, &context);
        if self.plugin.wants.services {
            instance.set_context(context);
        }
        if self.plugin.wants.call {
            instance.set_call(&context);
        }
        let (store, guest) = self.guest(instance)?;
        let result = match function(store, guest) {
            Ok(function) => {
                let call = async {
                    let result = function.call_async(&mut *store, params).await;
                    store.data_mut().clock.charge_rest();
                    result
                };
                metered(call).await
            }
            Err(error) => Err(error),
        };
        match store.data_mut().end().and(result) {
            Ok(result) => {
                let upstream = store.data().upstream;
                let answer = answer(result);
                checkout.done();
                answer.map_err(|error| upstream.explain(self.guest_error(error)))
            }
            Err(error) => Err(fault_of_call(&error, store.data_mut())),
        }
    }

    #[inline]
    fn guest<'i>(
        &self,
        instance: &'i mut Instance,
    ) -> Result<(&'i mut Store<State>, &'i K::Guest), CallError> {
        let found = instance.guest(self.slot);
        let found = found.and_then(|(store, guest)| Some((store, K::downcast_guest(guest)?)));
        found.ok_or_else(|| self.blame(no_guest()))
    }

    #[inline]
    fn allowance(&self, ends: Option<Instant>) -> Allowance {
        let Policy { cpu, deadline, .. } = self.plugin.policy;
        Allowance { cpu, wall: deadline, ends }
    }

    /// The error that the guest returned.
    #[cold]
    fn guest_error(&self, error: types::Error) -> CallError {
        self.blame(error.into())
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

/// The result of `work`; `None` if the call is cancelled first. A `Cancel` wakes no task, so it is
/// polled.
async fn unless_cancelled<T>(cancel: &Cancel, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    loop {
        match tokio::time::timeout(CANCEL_CHECK, &mut work).await {
            Ok(answer) => return Some(answer),
            Err(_elapsed) if cancel.is_cancelled() => return None,
            Err(_elapsed) => {}
        }
    }
}

fn no_guest() -> CallError {
    CallError::new(CallErrorKind::Internal, "the plugin does not export this kind's interface")
}
