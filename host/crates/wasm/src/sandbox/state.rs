//! What a store carries beside the instance.

use std::sync::Arc;

use plugbay_core::{Context, GuestMetrics, OwnedContext, Policy, UpstreamRejection};
use wasmtime::UpdateDeadline;

use super::clock::{Allowance, Clock};
use super::grants::{Sandbox, TooManyHostCalls};
use super::limits::{Budget, Limits};
use crate::wasi::Wasi;

/// The data of every store: the plugin's sandbox, the instance's limits, and the host's
/// services for the length of a call.
pub struct State {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<GuestMetrics>,
    /// Present during a call, if the plugin imports `codecs`.
    pub(crate) context: Option<OwnedContext>,
    /// Whether a plugin that it called in this call was overloaded.
    pub(crate) upstream: UpstreamRejection,
    /// What the call may take, and what it took.
    pub(crate) clock: Clock,
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
            context: None,
            upstream: UpstreamRejection::default(),
            clock: Clock::default(),
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
    /// [`fault`](crate::sandbox::fault::fault). A memory refusal that the guest survived, or a log line
    /// that looked like a panic's, does not explain a later trap.
    #[inline]
    pub(crate) fn begin(&mut self, allowed: Allowance, on_fiber: bool) {
        self.clock.begin(allowed, on_fiber);
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

    /// Lends the caller's services for the length of a call. What the plugin calls with them has
    /// what is left of its own time.
    pub(crate) fn lend(&mut self, context: Context<'_>) {
        let context = self.clock.ends().map_or(context, |ends| context.until(ends));
        self.context = Some(context.to_owned());
        self.upstream = UpstreamRejection::default();
    }

    /// What happens at each epoch deadline, which is never more than a tick away, and may be
    /// one that passed while the instance was idle: the guest is stopped if its time is over, and
    /// gives way to other tasks on a fiber. Ticks that pass while it waits for the host bring one
    /// deadline between them.
    ///
    /// # Errors
    ///
    /// If a call of the host was one too many, and did not end the guest's call itself.
    pub(crate) fn tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        if let Some(excess) = self.excess {
            return Err(excess.into());
        }
        Ok(match (self.clock.tick(), self.clock.is_on_fiber()) {
            (false, _) => UpdateDeadline::Interrupt,
            (true, false) => UpdateDeadline::Continue(1),
            (true, true) => UpdateDeadline::Yield(1),
        })
    }
}
