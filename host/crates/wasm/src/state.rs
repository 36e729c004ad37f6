//! What a store carries beside the instance.

use std::sync::Arc;

use plugbay_core::{Context, GuestMetrics, Policy, Services};
use wasmtime::UpdateDeadline;

use crate::limits::{Budget, Limits};
use crate::sandbox::{Sandbox, TooManyHostCalls};
use crate::wasi::Wasi;

/// The data of every store: who the instance belongs to, its limits, and the host's
/// services for the length of a call.
pub struct State {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<GuestMetrics>,
    /// Present during a call, if the plugin imports `codecs`.
    pub(crate) services: Option<Arc<dyn Services>>,
    pub(crate) depth: u8,
    /// Ticks that are left of the CPU budget after the current deadline.
    pub(crate) ticks_left: u64,
    /// Whether the call runs on a fiber, and so gives way at each tick.
    pub(crate) on_fiber: bool,
    /// The message of the guest's panic hook.
    pub(crate) panic: Option<String>,
    /// The call of the host that was one too many.
    pub(crate) excess: Option<TooManyHostCalls>,
    /// Present if the plugin imports WASI.
    pub(crate) wasi: Option<Box<Wasi>>,
}

impl State {
    pub(crate) fn new(
        sandbox: Arc<Sandbox>,
        budget: Arc<Budget>,
        policy: &Policy,
        metrics: Arc<GuestMetrics>,
        wasi: Option<Box<Wasi>>,
    ) -> Self {
        Self {
            sandbox,
            limits: Limits::new(budget, policy.memory, policy.tables),
            metrics,
            services: None,
            depth: 0,
            ticks_left: 0,
            on_fiber: false,
            panic: None,
            excess: None,
            wasi,
        }
    }

    /// Bytes of linear memory that the instance has.
    pub(crate) fn memory(&self) -> u64 {
        self.limits.held()
    }

    /// Begins a call: sets what it may use, and forgets what earlier ones noted for
    /// [`fault`](crate::fault::fault). A memory refusal that the guest got over, or a line that
    /// looked like a panic's, explains no later trap.
    #[inline]
    pub(crate) fn begin(&mut self, ticks: u64, on_fiber: bool) {
        self.ticks_left = ticks;
        self.on_fiber = on_fiber;
        if self.panic.is_some() || self.limits.was_refused() {
            self.panic = None;
            self.limits.take_refused();
        }
    }

    /// Ends a call on a fiber: writes what the plugin printed without a line's end.
    ///
    /// # Errors
    ///
    /// If a call of the host was one too many, and the guest returned before it was stopped.
    pub(crate) fn end(&mut self) -> wasmtime::Result<()> {
        if let Some(wasi) = &self.wasi {
            wasi.flush();
        }
        self.excess.map_or(Ok(()), |excess| Err(excess.into()))
    }

    /// Counts a call of the host.
    ///
    /// # Errors
    ///
    /// If it is one too many. Returned to the guest as a trap, it ends its call.
    #[inline]
    pub(crate) fn host_call(&mut self) -> wasmtime::Result<()> {
        self.sandbox.host_call().map_err(|excess| {
            self.excess = Some(excess);
            excess.into()
        })
    }

    /// Lends the caller's services for the length of a call.
    pub(crate) fn lend(&mut self, context: &Context<'_>) {
        self.services = Some(Arc::clone(context.services()));
        self.depth = context.depth();
    }

    /// What happens at each epoch deadline, which is never more than a tick away, and may be
    /// one that passed while the instance was idle: the budget shrinks by a tick, and a guest
    /// on a fiber gives way to other tasks. Ticks that pass while the guest waits for the host
    /// bring one deadline between them, so that waiting costs next to no CPU budget.
    ///
    /// # Errors
    ///
    /// If a call of the host was one too many, and did not end the guest's call itself.
    pub(crate) fn tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        if let Some(excess) = self.excess {
            return Err(excess.into());
        }
        if self.ticks_left == 0 {
            return Ok(UpdateDeadline::Interrupt);
        }
        self.ticks_left -= 1;
        Ok(if self.on_fiber { UpdateDeadline::Yield(1) } else { UpdateDeadline::Continue(1) })
    }
}
