//! The instances of one plugin: how they are made and end, and what their calls share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_lite::future::block_on;
use plugbay_core::{CallError, CallErrorKind, GuestMetrics, Policy, Reuse, overloaded, rounded};
use tokio::runtime::Handle;
use tokio_util::context::TokioContext;
use wasmtime::Store;
use wasmtime::component::{self, ComponentNamedList, InstancePre, Lift, TypedFunc};

use super::guest::{AnyGuest, AnyIndices};
use super::instance::Instance;
use super::lifecycle::{self, Lifecycle};
use super::pool::Pool;
use crate::engine::Engine;
use crate::idle::HoldsIdle;
use crate::load::world::Wants;
use crate::machine_code::PluginCode;
use crate::sandbox::clock::{Allowance, until_deadline};
use crate::sandbox::fault::{fault, root_cause};
use crate::sandbox::grants::Sandbox;
use crate::sandbox::limits::Budget;
use crate::sandbox::meter::metered;
use crate::sandbox::state::State;
use crate::wasi::Wasi;

/// Finds a function of `lifecycle` without parameters.
type Step<R> =
    fn(&Lifecycle, &mut Store<State>, &component::Instance) -> wasmtime::Result<TypedFunc<(), R>>;

/// The instances of one plugin: what they are made of, their pool, and what their calls share.
pub(crate) struct Instances {
    pub(crate) engine: Engine,
    pub(crate) tokio: Handle,
    pub(crate) component: InstancePre<State>,
    /// Its code is listed for profilers as long as this.
    pub(crate) _code: Arc<PluginCode>,
    pub(crate) lifecycle: Arc<Lifecycle>,
    /// The interfaces that the plugin exports; an instance's guests are in this order.
    pub(crate) kinds: Vec<Arc<dyn AnyIndices>>,
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) policy: Policy,
    pub(crate) config: Arc<str>,
    pub(crate) wants: Wants,
    pub(crate) budget: Arc<Budget>,
    pub(crate) metrics: Arc<GuestMetrics>,
    pub(crate) pool: Pool,
    pub(crate) instantiations: AtomicU64,
    pub(crate) discarded: AtomicU64,
    /// The CPU time of its calls, in nanoseconds, as its clocks estimate it.
    pub(crate) cpu: AtomicU64,
}

impl Instances {
    /// Makes and initialises an instance, blocking for at most the policy's `init` time, and not
    /// past `ends`.
    pub(crate) fn make_blocking(&self, ends: Option<Instant>) -> Result<Box<Instance>, CallError> {
        if self.wants.may_wait() {
            block_on(TokioContext::new(self.make(true, ends), self.tokio.clone()))
        } else {
            block_on(self.make(false, ends))
        }
    }

    /// Makes and initialises an instance; without `on_fiber` it never waits. An instance that is not
    /// ready by `ends` is an error of the plugin.
    pub(crate) async fn make(
        &self,
        on_fiber: bool,
        ends: Option<Instant>,
    ) -> Result<Box<Instance>, CallError> {
        let on_fiber = on_fiber || self.wants.may_wait();
        self.instantiations.fetch_add(1, Ordering::Relaxed);
        let mut allowed = Allowance::step(self.policy.init, ends);
        if ends.is_some() && allowed.ends == ends {
            // The deadline of the call comes first, and is what an error names.
            allowed.wall = self.policy.deadline;
        }
        let (store, (handle, guests)) = loop {
            let mut store = self.store();
            let instantiate = self.instantiate(&mut store, on_fiber, allowed);
            match self.bounded(on_fiber, allowed, instantiate).await? {
                Ok(parts) => break (store, parts),
                Err(error) if error.is::<wasmtime::PoolConcurrencyLimitError>() => {
                    // The store may hold some of the resources that have run out.
                    drop(store);
                    if allowed.is_over() || !self.engine.idle().drop_one() {
                        return Err(self.no_room(&error));
                    }
                }
                Err(error) => return Err(fault(&error, store.data_mut())),
            }
        };
        let mut instance = Box::new(Instance::new(store, handle, guests));
        let init = self.init(&mut instance, on_fiber, allowed);
        match self.bounded(on_fiber, allowed, init).await {
            Ok(Ok((Ok(()),))) => Ok(instance),
            Ok(Ok((Err(refused),))) => Err(CallError::from(refused).of(self.sandbox.label())),
            Ok(Err(error)) => Err(fault(&error, instance.store.data_mut())),
            Err(late) => Err(late),
        }
    }

    fn store(&self) -> Store<State> {
        let wasi = Wasi::of(&self.sandbox, self.wants.wasi);
        let state = State::new(
            Arc::clone(&self.sandbox),
            Arc::clone(&self.budget),
            &self.policy,
            Arc::clone(&self.metrics),
            wasi,
        );
        new_store(&self.engine, state)
    }

    async fn instantiate(
        &self,
        store: &mut Store<State>,
        on_fiber: bool,
        allowed: Allowance,
    ) -> wasmtime::Result<(component::Instance, Vec<AnyGuest>)> {
        store.data_mut().begin(allowed, on_fiber);
        let instance = if on_fiber {
            self.component.instantiate_async(&mut *store).await?
        } else {
            self.component.instantiate(&mut *store)?
        };
        let guests = self.kinds.iter().map(|kind| kind.load(store, &instance));
        let guests = guests.collect::<wasmtime::Result<_>>()?;
        Ok((instance, guests))
    }

    async fn init(
        &self,
        instance: &mut Instance,
        on_fiber: bool,
        allowed: Allowance,
    ) -> wasmtime::Result<lifecycle::Answer> {
        let Instance { store, handle, .. } = instance;
        store.data_mut().begin(allowed, on_fiber);
        let init = self.lifecycle.init(store, handle)?;
        let answer = lifecycle::call(store, init, (Arc::clone(&self.config),), on_fiber).await;
        store.data_mut().end().and(answer)
    }

    /// Calls `health` or `shutdown`; blocks for at most the time allowed.
    pub(super) fn step<R>(
        &self,
        instance: &mut Instance,
        allowed: Allowance,
        function: Step<R>,
    ) -> Result<wasmtime::Result<R>, CallError>
    where
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let Instance { store, handle, .. } = instance;
        let on_fiber = self.wants.may_wait();
        store.data_mut().begin(allowed, on_fiber);
        let work = async {
            let function = function(&self.lifecycle, store, handle)?;
            lifecycle::call(store, function, (), on_fiber).await
        };
        let work = self.bounded(on_fiber, allowed, work);
        if on_fiber {
            block_on(TokioContext::new(work, self.tokio.clone()))
        } else {
            block_on(work)
        }
    }

    /// Bounds work that may wait by a timer. Work that cannot wait is stopped by the epoch.
    async fn bounded<R>(
        &self,
        on_fiber: bool,
        allowed: Allowance,
        work: impl Future<Output = R>,
    ) -> Result<R, CallError> {
        if !on_fiber {
            return Ok(work.await);
        }
        until_deadline(allowed.ends, metered(work)).await.ok_or_else(|| {
            let message = format!("expected to be ready within {:?}", rounded(allowed.wall));
            CallError::new(CallErrorKind::Deadline, message).of(self.sandbox.label())
        })
    }

    fn no_room(&self, error: &wasmtime::Error) -> CallError {
        overloaded(
            self.sandbox.label(),
            format!("expected room for an instance: {}", root_cause(error)),
        )
    }

    /// Calls `shutdown` on an instance that is about to be dropped.
    pub(super) fn call_shutdown(&self, instance: &mut Instance, within: Duration) {
        let allowed = Allowance::step(within, None);
        match self.step(instance, allowed, Lifecycle::shutdown) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let error = fault(&error, instance.store.data_mut());
                let (plugin, version) = self.sandbox.identity().name_and_version();
                tracing::warn!(plugin, version, %error, "shutdown failed");
            }
            Err(error) => {
                let (plugin, version) = self.sandbox.identity().name_and_version();
                tracing::warn!(plugin, version, %error, "shutdown failed");
            }
        }
    }

    /// Ends an instance that is used up. `shutdown` is called on a thread that may block: the
    /// caller has its answer, and other calls may share the caller's thread.
    #[cold]
    pub(crate) fn retire(self: &Arc<Self>, instance: Box<Instance>) {
        if self.policy.reuse == Reuse::Fresh {
            drop(instance);
            return self.pool.release();
        }
        let mut retiring = Retiring { plugin: Arc::clone(self), instance: Some(instance) };
        self.tokio.spawn_blocking(move || retiring.call_shutdown());
    }

    /// Adds the CPU time of a call that ends.
    #[inline]
    pub(crate) fn count_cpu(&self, instance: &mut Instance) {
        let spent = instance.store.data_mut().clock.spent();
        if !spent.is_zero() {
            let nanos = u64::try_from(spent.as_nanos()).unwrap_or_default();
            self.cpu.fetch_add(nanos, Ordering::Relaxed);
        }
    }

    /// Counts an instance that was dropped because its call did not return.
    pub(crate) fn discard(&self) {
        self.discarded.fetch_add(1, Ordering::Relaxed);
        self.pool.release();
    }
}

impl HoldsIdle for Instances {
    fn drop_idle(&self) -> bool {
        let idle = self.pool.take();
        idle.is_some_and(|instance| {
            drop(instance);
            self.pool.release();
            true
        })
    }
}

/// An instance whose `shutdown` is called. It keeps its place in the pool until that has returned,
/// so that there are never more instances than the policy allows.
struct Retiring {
    plugin: Arc<Instances>,
    instance: Option<Box<Instance>>,
}

impl Retiring {
    fn call_shutdown(&mut self) {
        if let Some(instance) = &mut self.instance {
            self.plugin.call_shutdown(instance, self.plugin.policy.init);
        }
    }
}

impl Drop for Retiring {
    fn drop(&mut self) {
        drop(self.instance.take());
        self.plugin.pool.release();
    }
}

/// A store with its limiter and its epoch callback.
pub(crate) fn new_store(engine: &Engine, state: State) -> Store<State> {
    let max_transfer = state.sandbox.max_transfer();
    let mut store = Store::new(engine.wasmtime(), state);
    store.set_hostcall_fuel(usize::try_from(max_transfer).unwrap_or(usize::MAX));
    store.limiter(|state| &mut state.limits);
    let noticed = engine.noticed().clone();
    store.epoch_deadline_callback(move |mut store| {
        noticed.note();
        store.data_mut().tick()
    });
    // The callback sets each deadline that follows.
    store.set_epoch_deadline(1);
    store
}
